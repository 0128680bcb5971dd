/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* One mistake in each program but the first, for the tests of diagnostics. */
#include "../../../../examples/programs/bpf.h"

struct event {
	u64 length;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, u32);
	__type(value, u64);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

SEC("xdp") int correct(struct xdp_md *ctx)
{
	u32 key = 0;
	u64 *count = bpf_map_lookup_elem(&counters, &key);

	if (count)
		*count += 1;
	return XDP_PASS;
}

SEC("xdp") int no_null_check(struct xdp_md *ctx)
{
	u32 key = 0;
	u64 *count = bpf_map_lookup_elem(&counters, &key);

	*count += 1;
	return XDP_PASS;
}

static NOINLINE int last_byte(u8 *data, u8 *end, u32 wanted)
{
	if (wanted > 100)
		return -1;
	if (data + wanted > end)
		return -2;
	return data[wanted];
}

SEC("xdp") int off_by_one(struct xdp_md *ctx)
{
	u8 *data = (u8 *)(long)ctx->data;
	u8 *end = (u8 *)(long)ctx->data_end;

	if (data + 14 > end)
		return XDP_DROP;
	return last_byte(data, end, data[13]) < 0 ? XDP_DROP : XDP_PASS;
}

SEC("xdp") int not_submitted(struct xdp_md *ctx)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event)
		return XDP_PASS;
	event->length = ctx->data_end - ctx->data;
	if (event->length > 1000)
		return XDP_DROP;
	bpf_ringbuf_submit(event, 0);
	return XDP_PASS;
}

SEC("xdp") int endless(struct xdp_md *ctx)
{
	volatile u32 waiting = 1;

	while (waiting)
		;
	return XDP_PASS;
}
