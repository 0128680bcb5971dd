// SPDX-License-Identifier: MIT OR Apache-2.0
/* Programs that are refused one by one, each for a reason of its own, and one
 * that loads all the same. */
#include "../../../../examples/programs/bpf.h"

extern int CONFIG_HZ SEC(".kconfig");
extern int kernel_function(int x) SEC(".ksyms");

SEC("tracepoint/config")
int uses_config(void *ctx)
{
	return CONFIG_HZ;
}

SEC("tracepoint/kernel")
int uses_kernel(void *ctx)
{
	return kernel_function(1);
}

SEC("lunch")
int unknown_section(void *ctx)
{
	return 0;
}

SEC("lsm/file_open")
int unsupported_type(void *ctx)
{
	return 0;
}

SEC("tp/good/one")
int good(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";
