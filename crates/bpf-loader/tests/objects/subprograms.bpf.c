// SPDX-License-Identifier: MIT OR Apache-2.0
/* Several programs in one section, which share subprograms: static and global
 * ones, in `.text` and beside the programs, and one whose address is taken. */
#include "../../../../examples/programs/bpf.h"

static long (*const bpf_for_each_map_elem)(void *map, void *callback, void *ctx,
					   u64 flags) = (void *)164;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, u32);
	__type(value, u64);
} values SEC(".maps");

u32 calls = 7;
static u32 hidden;
const volatile u32 limit = 9;

static NOINLINE u32 innermost(u32 x)
{
	calls++;
	return x * 3 + hidden;
}

static NOINLINE u32 middle(u32 x)
{
	hidden += x;
	return innermost(x) + innermost(x + 1);
}

NOINLINE u32 shared(u32 x)
{
	return x > limit ? middle(x) : innermost(x);
}

NOINLINE u32 unused_by_any(u32 x)
{
	return x ^ 5;
}

static long visit(void *map, u32 *key, u64 *value, u64 *sum)
{
	*sum += *value + *key;
	return 0;
}

SEC("tc")
int first(struct __sk_buff *skb)
{
	return shared(skb->len);
}

SEC("tc")
int second(struct __sk_buff *skb)
{
	return middle(skb->mark);
}

SEC("?tc")
int third(struct __sk_buff *skb)
{
	u64 sum = 0;

	bpf_for_each_map_elem(&values, visit, &sum, 0);
	return sum;
}

SEC("tc")
int alone(struct __sk_buff *skb)
{
	return skb->len;
}

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";
