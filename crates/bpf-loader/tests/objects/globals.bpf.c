// SPDX-License-Identifier: MIT OR Apache-2.0
/* Functions that others can see, whose prototypes say what they take, and some
 * that others cannot; values of maps with special fields. */
#include "../../../../examples/programs/bpf.h"

#define TAG(x) __attribute__((btf_decl_tag(x)))
#define TYPE_TAG(x) __attribute__((btf_type_tag(x)))
#define HIDDEN __attribute__((visibility("hidden")))
#define WEAK __attribute__((weak))

struct bpf_spin_lock {
	u32 val;
};
struct bpf_timer {
	u64 opaque[2];
};
struct shared {
	u64 count;
	struct {
		u32 flags;
		struct bpf_spin_lock lock;
	} inner;
	struct bpf_timer timers[1];
	/* What has no fields may be large. */
	struct {
		u32 flags;
		u8 rest[2][2];
	} entries[20000];
	struct point TYPE_TAG("kptr") *kernel;
	struct point *own;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__type(key, u32);
	__type(value, struct shared);
} values SEC(".maps");

u32 calls;
u64 some[3] SEC(".data.locked");
struct bpf_spin_lock apart SEC(".data.locked");

struct point {
	s32 x;
	s32 y;
	u64 weight;
};
typedef struct __sk_buff buffer;
struct unknown;
struct bpf_dynptr;

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

NOINLINE int dynptrs(const struct bpf_dynptr *a, struct bpf_dynptr *b TAG("arg:nonnull"))
{
	calls++;
	return (a != 0) + (b != 0);
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
	       memory(&at, &some, 0, 0) + others(skb, &at, (struct unknown *)skb) +
	       dynptrs((struct bpf_dynptr *)&at, 0) + (pointer(&at) != 0) +
	       hidden(skb->len) + internal(skb->len);
}

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";
