/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Offsets that are wrong for some inputs alone, for the tests of searches. */
#include "../../../../examples/programs/bpf.h"

struct samples {
	u32 count;
	u32 next;
	u8 bytes[56];
};

/* Its values lie side by side. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, u32);
	__type(value, struct samples);
} samples SEC(".maps");

SEC("xdp") int into_the_next_value(struct xdp_md *ctx)
{
	u32 key = 0;
	struct samples *found = bpf_map_lookup_elem(&samples, &key);

	if (!found)
		return XDP_PASS;
	return found->bytes[found->next & 63] ? XDP_PASS : XDP_DROP;
}

SEC("xdp") int by_two_bytes(struct xdp_md *ctx)
{
	u8 *data = (u8 *)(long)ctx->data;
	u8 *end = (u8 *)(long)ctx->data_end;
	u32 key = 0;
	struct samples *found = bpf_map_lookup_elem(&samples, &key);

	if (!found || data + 20 > end)
		return XDP_PASS;
	if ((data[14] ^ data[15]) + 3 * data[16] != 200)
		return XDP_PASS;
	return found->bytes[data[17]] ? XDP_PASS : XDP_DROP;
}
