// SPDX-License-Identifier: MIT OR Apache-2.0
/* The firewall for machines with memory to spare: the block list holds IPv4
 * networks in a longest-prefix-match trie, with exceptions, and the flow table
 * forgets the flow that was seen least recently. */
#include "packet.h"

#define MAX_NETWORKS 1024
#define MAX_FLOWS 4096

struct network {
	u32 prefix_length;
	u32 address;
};

/* What to do with a network's packets, and how many there were. */
struct rule {
	u32 verdict;
	u32 reserved;
	u64 packets;
};

struct flow_key {
	u32 source;
	u32 destination;
	u16 source_port;
	u16 destination_port;
	u32 protocol;
};

struct flow_stats {
	u64 packets;
	u64 bytes;
	u64 first_seen_ns;
	u64 last_seen_ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, MAX_NETWORKS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct network);
	__type(value, struct rule);
} networks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_FLOWS);
	__type(key, struct flow_key);
	__type(value, struct flow_stats);
} flows SEC(".maps");

/* Packets by verdict, per CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, XDP_TX + 1);
	__type(key, u32);
	__type(value, u64);
} verdicts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16384);
} dropped_flows SEC(".maps");

struct default_rule {
	struct network network;
	u32 verdict;
};

/* In force from the first packet on. The longest matching prefix decides, so
 * one host of a blocked network may still come in. */
const volatile struct default_rule default_rules[] = {
	{ { 24, IPV4(203, 0, 113, 0) }, XDP_DROP },
	{ { 32, IPV4(203, 0, 113, 10) }, XDP_PASS },
	{ { 25, IPV4(198, 51, 100, 0) }, XDP_DROP },
	{ { 32, IPV4(192, 0, 2, 66) }, XDP_DROP },
};

u32 installed;

static NOINLINE void install_default_rules(void)
{
	for (u32 i = 0; i < COUNT(default_rules); i++) {
		struct network network = {
			.prefix_length = default_rules[i].network.prefix_length,
			.address = default_rules[i].network.address,
		};
		struct rule rule = { .verdict = default_rules[i].verdict };

		bpf_map_update_elem(&networks, &network, &rule, BPF_ANY);
	}
}

static NOINLINE void count_flow(const struct flow_key *key, u64 bytes)
{
	u64 now = bpf_ktime_get_ns();
	struct flow_stats *stats = bpf_map_lookup_elem(&flows, key);

	if (stats) {
		stats->packets++;
		stats->bytes += bytes;
		stats->last_seen_ns = now;
	} else {
		struct flow_stats first = {
			.packets = 1,
			.bytes = bytes,
			.first_seen_ns = now,
			.last_seen_ns = now,
		};

		bpf_map_update_elem(&flows, key, &first, BPF_ANY);
	}
}

static NOINLINE int decide(struct xdp_md *ctx)
{
	struct cursor cursor = packet(ctx);
	u64 length = cursor.end - cursor.at;
	struct network network = { .prefix_length = 32 };
	struct flow_key key = {};
	struct ipv4 *ip;
	struct rule *rule;
	u16 type = step_ethernet(&cursor);

	if (!type)
		return XDP_DROP;
	if (type != HTONS(ETH_P_IPV4))
		return XDP_PASS;
	ip = cursor.at;
	if (!step_ipv4(&cursor))
		return XDP_DROP;
	key.source = ip->source;
	key.destination = ip->destination;
	key.protocol = ip->protocol;
	if (!(ip->fragment & IPV4_FRAGMENT_OFFSET) &&
	    (key.protocol == IP_PROTO_TCP || key.protocol == IP_PROTO_UDP)) {
		struct ports *ports = cursor.at;

		if (step(&cursor, sizeof(*ports))) {
			key.source_port = ports->source;
			key.destination_port = ports->destination;
		}
	}
	count_flow(&key, length);
	network.address = key.source;
	rule = bpf_map_lookup_elem(&networks, &network);
	if (!rule)
		return XDP_PASS;
	__sync_fetch_and_add(&rule->packets, 1);
	if (rule->verdict != XDP_DROP)
		return XDP_PASS;
	bpf_ringbuf_output(&dropped_flows, &key, sizeof(key), 0);
	return XDP_DROP;
}

SEC("xdp")
int xdp_firewall_cloud(struct xdp_md *ctx)
{
	u32 verdict;
	u64 *count;

	if (!__sync_lock_test_and_set(&installed, 1))
		install_default_rules();
	verdict = decide(ctx);
	count = bpf_map_lookup_elem(&verdicts, &verdict);
	if (count)
		*count += 1;
	return verdict;
}

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";
