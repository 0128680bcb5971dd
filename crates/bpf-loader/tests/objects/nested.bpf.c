// SPDX-License-Identifier: MIT OR Apache-2.0
/* A special field inside of more structures than are looked into. */
#include "../../../../examples/programs/bpf.h"

struct bpf_spin_lock {
	u32 val;
};

#define IN(type) struct { u32 before; type in; }
#define FOUR(type) IN(IN(IN(IN(type))))

typedef FOUR(struct bpf_spin_lock) four;
typedef FOUR(four) eight;
typedef FOUR(eight) twelve;
typedef FOUR(twelve) sixteen;

struct deep {
	sixteen nest;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct deep);
} values SEC(".maps");

SEC("tc")
int nested(struct __sk_buff *skb)
{
	u32 key = 0;

	return bpf_map_lookup_elem(&values, &key) != 0;
}

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";
