// SPDX-License-Identifier: MIT OR Apache-2.0
/* A token bucket per source: each source may send BURST packets at once and
 * RATE packets per second in the long run; what exceeds that is dropped. */
#include "packet.h"

#define MAX_SOURCES 256
#define NS_PER_SECOND 1000000000ull

/* An IPv4 address, or the first half of an IPv6 address. */
struct source {
	u64 address;
	u64 version;
};

/* Tokens are counted in billionths, so that one nanosecond adds `rate`. */
struct bucket {
	u64 nano_tokens;
	u64 filled_ns;
	u64 passed;
	u64 dropped;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_SOURCES);
	__type(key, struct source);
	__type(value, struct bucket);
} buckets SEC(".maps");

/* Packets per second, and packets that may come at once. */
const volatile u64 rate = 100;
const volatile u64 burst = 8;

/* Packets of sources for which the map had no room; they pass. */
u64 untracked;

/* Fills the bucket up to now; gives back whether a token could be taken. */
static NOINLINE int take_token(struct bucket *bucket, u64 now)
{
	u64 full = burst * NS_PER_SECOND;
	u64 elapsed = now - bucket->filled_ns;
	u64 tokens;

	/* A full bucket does not grow, and the product does not overflow. */
	if (elapsed > full)
		elapsed = full;
	tokens = bucket->nano_tokens + elapsed * rate;
	if (tokens > full)
		tokens = full;
	bucket->filled_ns = now;
	if (tokens < NS_PER_SECOND) {
		bucket->nano_tokens = tokens;
		bucket->dropped++;
		return 0;
	}
	bucket->nano_tokens = tokens - NS_PER_SECOND;
	bucket->passed++;
	return 1;
}

SEC("xdp")
int rate_limiter(struct xdp_md *ctx)
{
	struct cursor cursor = packet(ctx);
	u16 type = step_ethernet(&cursor);
	u64 now = bpf_ktime_get_ns();
	struct source source = {};
	struct bucket *bucket;

	if (type == HTONS(ETH_P_IPV4)) {
		struct ipv4 *ip = cursor.at;

		if (!step_ipv4(&cursor))
			return XDP_DROP;
		source.version = 4;
		source.address = ip->source;
	} else if (type == HTONS(ETH_P_IPV6)) {
		struct ipv6 *ip = cursor.at;

		if (!step(&cursor, sizeof(*ip)))
			return XDP_DROP;
		source.version = 6;
		__builtin_memcpy(&source.address, ip->source, sizeof(source.address));
	} else {
		return type ? XDP_PASS : XDP_DROP;
	}

	bucket = bpf_map_lookup_elem(&buckets, &source);
	if (!bucket) {
		struct bucket first = {
			.nano_tokens = (burst - 1) * NS_PER_SECOND,
			.filled_ns = now,
			.passed = 1,
		};

		if (bpf_map_update_elem(&buckets, &source, &first, BPF_NOEXIST))
			__sync_fetch_and_add(&untracked, 1);
		return XDP_PASS;
	}
	return take_token(bucket, now) ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";
