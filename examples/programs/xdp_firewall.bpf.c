// SPDX-License-Identifier: MIT OR Apache-2.0
/* A stateless firewall: drops packets from blocked IPv4 sources, counts every
 * flow, and reports dropped flows through a ring buffer.
 *
 * The block list is a hash map that the host may edit at any time. On its
 * first packet the program installs the list it was compiled with. */
#include "packet.h"

#define MAX_BLOCKED 64
#define MAX_FLOWS 128

/* A flow by its five-tuple. IPv4 addresses are in the first word, the other
 * three are zero. */
struct flow_key {
	u32 source[4];
	u32 destination[4];
	u16 source_port;
	u16 destination_port;
	u8 protocol;
	u8 version;
	u16 reserved;
};

struct flow_stats {
	u64 packets;
	u64 bytes;
};

/* A dropped packet, as it appears in the ring buffer. */
struct drop_event {
	u64 time_ns;
	u32 source;
	u32 destination;
	u16 source_port;
	u16 destination_port;
	u8 protocol;
	u8 reserved[3];
	u64 length;
};

/* Blocked sources, and how many packets of each were dropped. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_BLOCKED);
	__type(key, u32);
	__type(value, u64);
} block_list SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_FLOWS);
	__type(key, struct flow_key);
	__type(value, struct flow_stats);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} dropped_flows SEC(".maps");

/* Blocked from the first packet on: documentation addresses. */
const volatile u32 default_block_list[] = {
	IPV4(192, 0, 2, 66),
	IPV4(198, 51, 100, 23),
	IPV4(203, 0, 113, 7),
	IPV4(203, 0, 113, 99),
};

/* Whether IPv6 packets pass; a host sets it to 0 before loading to refuse them. */
const volatile u8 pass_ipv6 = 1;

/* Packets by what became of them. */
u64 passed;
u64 dropped;
u64 malformed;
u64 lost_events;
u32 installed;

static NOINLINE void install_default_block_list(void)
{
	u64 none = 0;

	for (u32 i = 0; i < COUNT(default_block_list); i++) {
		u32 source = default_block_list[i];

		bpf_map_update_elem(&block_list, &source, &none, BPF_NOEXIST);
	}
}

static NOINLINE void count_flow(struct flow_key *key, u64 bytes)
{
	struct flow_stats *stats = bpf_map_lookup_elem(&flows, key);

	if (stats) {
		__sync_fetch_and_add(&stats->packets, 1);
		__sync_fetch_and_add(&stats->bytes, bytes);
	} else {
		struct flow_stats first = { .packets = 1, .bytes = bytes };

		bpf_map_update_elem(&flows, key, &first, BPF_NOEXIST);
	}
}

static ALWAYS_INLINE void report_drop(struct flow_key *key, u64 length)
{
	struct drop_event *event = bpf_ringbuf_reserve(&dropped_flows, sizeof(*event), 0);

	if (!event) {
		lost_events++;
		return;
	}
	event->time_ns = bpf_ktime_get_ns();
	event->source = key->source[0];
	event->destination = key->destination[0];
	event->source_port = HTONS(key->source_port);
	event->destination_port = HTONS(key->destination_port);
	event->protocol = key->protocol;
	__builtin_memset(event->reserved, 0, sizeof(event->reserved));
	event->length = length;
	bpf_ringbuf_submit(event, 0);
}

static ALWAYS_INLINE void step_ports(struct cursor *cursor, struct flow_key *key)
{
	struct ports *ports = cursor->at;

	if (key->protocol != IP_PROTO_TCP && key->protocol != IP_PROTO_UDP)
		return;
	if (!step(cursor, sizeof(*ports)))
		return;
	key->source_port = ports->source;
	key->destination_port = ports->destination;
}

static ALWAYS_INLINE int malformed_packet(void)
{
	malformed++;
	return XDP_DROP;
}

SEC("xdp")
int xdp_firewall(struct xdp_md *ctx)
{
	struct cursor cursor = packet(ctx);
	u64 length = cursor.end - cursor.at;
	struct flow_key key = {};
	u64 *hits;
	u16 type;

	if (!installed) {
		installed = 1;
		install_default_block_list();
	}
	type = step_ethernet(&cursor);
	if (!type)
		return malformed_packet();
	if (type == HTONS(ETH_P_IPV4)) {
		struct ipv4 *ip = cursor.at;

		if (!step_ipv4(&cursor))
			return malformed_packet();
		key.version = 4;
		key.protocol = ip->protocol;
		key.source[0] = ip->source;
		key.destination[0] = ip->destination;
		/* Only the first fragment carries the ports. */
		if (!(ip->fragment & IPV4_FRAGMENT_OFFSET))
			step_ports(&cursor, &key);
		hits = bpf_map_lookup_elem(&block_list, &key.source[0]);
		if (hits) {
			__sync_fetch_and_add(hits, 1);
			dropped++;
			report_drop(&key, length);
			return XDP_DROP;
		}
	} else if (type == HTONS(ETH_P_IPV6)) {
		struct ipv6 *ip = cursor.at;

		if (!step(&cursor, sizeof(*ip)) || (ip->version_and_flow & 0xF0) != 0x60)
			return malformed_packet();
		if (!pass_ipv6) {
			dropped++;
			return XDP_DROP;
		}
		key.version = 6;
		key.protocol = ip->next_header;
		__builtin_memcpy(key.source, ip->source, sizeof(key.source));
		__builtin_memcpy(key.destination, ip->destination, sizeof(key.destination));
		step_ports(&cursor, &key);
	} else {
		/* ARP and the like belong to no flow. */
		passed++;
		return XDP_PASS;
	}
	count_flow(&key, length);
	passed++;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";
