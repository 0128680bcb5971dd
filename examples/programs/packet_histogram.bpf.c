// SPDX-License-Identifier: MIT OR Apache-2.0
/* Histograms of the traffic: packet lengths by powers of two, and packets
 * and bytes by IP protocol. Lets every packet pass. */
#include "packet.h"

/* Bucket i counts lengths from 2^i to 2^(i+1) - 1 bytes; the last counts all
 * that is longer, and lengths 0 and 1 share the first. */
#define LENGTH_BUCKETS 12

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LENGTH_BUCKETS);
	__type(key, u32);
	__type(value, u64);
} lengths SEC(".maps");

struct protocol_stats {
	u64 packets;
	u64 bytes;
};

/* By IP protocol number, IPv4 and IPv6 together. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 256);
	__type(key, u32);
	__type(value, struct protocol_stats);
} protocols SEC(".maps");

/* Shortest and longest packet so far, and all that were no IP. */
u64 shortest = ~0ull;
u64 longest;
u64 other;

/* Position of the highest set bit, found without a branch per bit. */
static NOINLINE u32 length_bucket(u64 length)
{
	u32 bucket = 0;

#pragma clang loop unroll(disable)
	for (u32 i = 0; i < LENGTH_BUCKETS - 1; i++) {
		length >>= 1;
		if (!length)
			break;
		bucket = i + 1;
	}
	return bucket;
}

/* Extension headers of IPv6 that are stepped over to find the protocol. */
#define MAX_EXTENSIONS 4

static ALWAYS_INLINE u32 ipv6_protocol(struct cursor *cursor)
{
	struct ipv6 *ip = cursor->at;
	u32 next;

	if (!step(cursor, sizeof(*ip)))
		return 256;
	next = ip->next_header;
#pragma clang loop unroll(disable)
	for (int i = 0; i < MAX_EXTENSIONS; i++) {
		u8 *extension = cursor->at;
		u32 length;

		if (next != IP_PROTO_HOPOPTS && next != IP_PROTO_ROUTING &&
		    next != IP_PROTO_DSTOPTS && next != IP_PROTO_FRAGMENT)
			break;
		if (!step(cursor, 8))
			break;
		/* Length beyond the first eight bytes, in units of eight. */
		length = next == IP_PROTO_FRAGMENT ? 0 : extension[1] * 8;
		next = extension[0];
		if (!step(cursor, length))
			break;
	}
	return next;
}

SEC("xdp")
int packet_histogram(struct xdp_md *ctx)
{
	struct cursor cursor = packet(ctx);
	u64 length = cursor.end - cursor.at;
	u32 bucket = length_bucket(length);
	u64 *count = bpf_map_lookup_elem(&lengths, &bucket);
	u32 protocol = 256;
	struct protocol_stats *stats;
	u16 type;

	if (count)
		*count += 1;
	if (length < shortest)
		shortest = length;
	if (length > longest)
		longest = length;

	type = step_ethernet(&cursor);
	if (type == HTONS(ETH_P_IPV4)) {
		struct ipv4 *ip = cursor.at;

		if (step_ipv4(&cursor))
			protocol = ip->protocol;
	} else if (type == HTONS(ETH_P_IPV6)) {
		protocol = ipv6_protocol(&cursor);
	}
	/* Out of the array's range for anything but IP. */
	stats = bpf_map_lookup_elem(&protocols, &protocol);
	if (stats) {
		__sync_fetch_and_add(&stats->packets, 1);
		__sync_fetch_and_add(&stats->bytes, length);
	} else {
		__sync_fetch_and_add(&other, 1);
	}
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";
