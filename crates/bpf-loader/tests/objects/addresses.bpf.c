// SPDX-License-Identifier: MIT OR Apache-2.0
/* Variables that begin with addresses, which nobody fills in, and a function
 * in a section that compilers have for what is hardly ever run. */
#include "../../../../examples/programs/bpf.h"

static const char text[] = "text";
static const char *const volatile constants[2] = { text, text + 2 };

static NOINLINE int doubled(int x)
{
	return 2 * x;
}

int (*volatile function)(int) = doubled;

static __attribute__((cold, noinline, section(".text.unlikely."))) int unlikely(int x)
{
	return x ^ 3;
}

SEC("xdp")
int without(struct xdp_md *ctx)
{
	return ctx->data == ctx->data_end ? unlikely(ctx->data) : 2;
}

SEC("xdp")
int with(struct xdp_md *ctx)
{
	return (constants[1] != 0) + (function != 0) + doubled(1);
}

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";
