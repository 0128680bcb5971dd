// SPDX-License-Identifier: MIT OR Apache-2.0
/* A map of maps, which is refused. */
#include "../../../../examples/programs/bpf.h"

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
};

struct {
	__uint(type, 12);
	__uint(max_entries, 2);
	__uint(key_size, 4);
	__array(values, struct inner);
} outer SEC(".maps");

SEC("xdp")
int program(struct xdp_md *ctx)
{
	u32 key = 0;

	return bpf_map_lookup_elem(&outer, &key) ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";
