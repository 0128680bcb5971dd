// SPDX-License-Identifier: MIT OR Apache-2.0
/* Functions that others can see, whose prototypes say what they take, and some
 * that others cannot. */
#include "../../../../examples/programs/bpf.h"

#define TAG(x) __attribute__((btf_decl_tag(x)))
#define HIDDEN __attribute__((visibility("hidden")))
#define WEAK __attribute__((weak))

u32 calls;

struct point {
	s32 x;
	s32 y;
	u64 weight;
};
typedef struct __sk_buff buffer;
struct unknown;

NOINLINE s64 numbers(u8 a, const s64 b, enum xdp_action c)
{
	return a * b + c;
}

NOINLINE WEAK int contexts(struct __sk_buff *a, const buffer *b, void *c TAG("arg:ctx"))
{
	return a->len + b->mark + ((struct __sk_buff *)c)->len;
}

NOINLINE int memory(struct point *a, const volatile u32 *b TAG("arg:nonnull"), char (*c)[7],
		    struct point **d)
{
	return (a ? a->y : 0) + *b + (c ? (*c)[3] : 0) + (d != 0);
}

NOINLINE int others(void *a, struct point *b TAG("arg:trusted"), struct unknown *c)
{
	calls++;
	return (a != 0) + (b != 0) + (c != 0);
}

NOINLINE struct point *pointer(struct point *a)
{
	calls++;
	return a;
}

NOINLINE HIDDEN int hidden(int a)
{
	return a * 3;
}

static NOINLINE int internal(int a)
{
	return a * 5;
}

SEC("tc")
int program(struct __sk_buff *skb)
{
	struct point at = { 1, 2, 3 };
	u32 some = 4;

	return numbers(skb->len, skb->mark, 0) + contexts(skb, skb, skb) +
	       memory(&at, &some, 0, 0) + others(skb, &at, (struct unknown *)skb) + (pointer(&at) != 0) +
	       hidden(skb->len) + internal(skb->len);
}

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";
