// SPDX-License-Identifier: MIT OR Apache-2.0
/* The border of a machine's own network: which frames may come in, how many of each
 * kind, and with what priority they go on. About a thousand instructions, to measure
 * how much memory a program of that size takes to verify. */
#include "../../programs/packet.h"

#define CLASSES 16
#define TCP_SYN 0x02
#define TCP_ACK 0x10

struct tcp {
	u16 source;
	u16 destination;
	u32 sequence;
	u32 acknowledged;
	u8 offset;
	u8 flags;
	u16 window;
	u16 checksum;
	u16 urgent;
};

struct udp {
	u16 source;
	u16 destination;
	u16 length;
	u16 checksum;
};

/* What one kind of traffic may take, and what it took. */
struct class {
	u64 refilled_ns;
	u32 tokens;
	u32 most_tokens;
	u64 packets;
	u64 bytes;
	u64 refused;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CLASSES);
	__type(key, u32);
	__type(value, struct class);
} classes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32);
	__type(key, u32);
	__type(value, u32);
} masters SEC(".maps");

u64 malformed;
u64 strangers;
u64 fragments;
u64 probes;

/* Services of the machine, with the kind of traffic that each is. */
static ALWAYS_INLINE u32 class_of_port(u16 port, u8 protocol)
{
	switch (HTONS(port)) {
	case 502:
		return protocol == IP_PROTO_TCP ? 1 : 0;
	case 4840:
		return protocol == IP_PROTO_TCP ? 2 : 0;
	case 34962:
	case 34963:
	case 34964:
		return protocol == IP_PROTO_UDP ? 3 : 0;
	case 2222:
		return protocol == IP_PROTO_UDP ? 4 : 0;
	case 44818:
		return 5;
	case 319:
	case 320:
		return protocol == IP_PROTO_UDP ? 6 : 0;
	case 123:
		return protocol == IP_PROTO_UDP ? 7 : 0;
	case 22:
		return protocol == IP_PROTO_TCP ? 8 : 0;
	case 443:
		return 9;
	case 5683:
	case 5684:
		return protocol == IP_PROTO_UDP ? 10 : 0;
	case 161:
		return protocol == IP_PROTO_UDP ? 11 : 0;
	}
	return 0;
}

/* Takes tokens for a packet of a kind; they come back with time. */
static ALWAYS_INLINE int take(u32 kind, u32 bytes)
{
	struct class *class = bpf_map_lookup_elem(&classes, &kind);
	u64 now = bpf_ktime_get_ns(), since;
	u32 back;

	if (!class)
		return 0;
	since = now - class->refilled_ns;
	back = since >> 20 > 0xffff ? 0xffff : since >> 20;
	if (back) {
		u32 tokens = class->tokens + back;

		class->tokens = tokens > class->most_tokens ? class->most_tokens : tokens;
		class->refilled_ns = now;
	}
	if (class->tokens * 64 < bytes) {
		class->refused++;
		return 0;
	}
	class->tokens -= bytes / 64;
	class->packets++;
	class->bytes += bytes;
	return 1;
}

/* A sum of one's complement after one of its words became another. */
static ALWAYS_INLINE u16 adjusted(u16 sum, u16 before, u16 after)
{
	u32 wide = (u16)~sum + (u16)~before + after;

	wide = (wide & 0xffff) + (wide >> 16);
	wide = (wide & 0xffff) + (wide >> 16);
	return ~wide;
}

/* The priority of a kind of traffic goes into the header. */
static ALWAYS_INLINE void mark(struct ipv4 *ip, u32 kind)
{
	u8 service = kind == 3 || kind == 4 || kind == 6 ? 0xb8 : kind == 1 || kind == 2 ? 0x68 : 0;
	u16 before, after;

	if (ip->service == service)
		return;
	before = ip->version_and_length | ip->service << 8;
	after = ip->version_and_length | service << 8;
	ip->checksum = adjusted(ip->checksum, before, after);
	ip->service = service;
}

/* Flags that no honest peer sends together. */
static ALWAYS_INLINE int is_probe(const struct tcp *tcp)
{
	u8 flags = tcp->flags & 0x3f;

	if (flags == 0 || flags == 0x29 || flags == 0x3f || (flags & 0x03) == 0x03)
		return 1;
	if ((flags & 0x06) == 0x06 || flags == 0x01)
		return 1;
	return tcp->offset >> 4 < 5;
}

/* What the transport header says: a kind of traffic, or 0. */
static ALWAYS_INLINE u32 transport(struct cursor *cursor, u8 protocol, u32 *bytes)
{
	if (protocol == IP_PROTO_TCP) {
		struct tcp *tcp = cursor->at;

		if (!step(cursor, sizeof(*tcp))) {
			malformed++;
			return 0;
		}
		if (is_probe(tcp)) {
			probes++;
			return 0;
		}
		/* Who begins a connection pays for it. */
		if ((tcp->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
			*bytes += 1024;
		return class_of_port(tcp->destination, protocol);
	}
	if (protocol == IP_PROTO_UDP) {
		struct udp *udp = cursor->at;
		u16 length;

		if (!step(cursor, sizeof(*udp))) {
			malformed++;
			return 0;
		}
		length = HTONS(udp->length);
		if (length < sizeof(*udp) || length > *bytes) {
			malformed++;
			return 0;
		}
		return class_of_port(udp->destination, protocol);
	}
	if (protocol == IP_PROTO_ICMP || protocol == IP_PROTO_ICMPV6) {
		u8 *kind = cursor->at;

		if (!step(cursor, 8)) {
			malformed++;
			return 0;
		}
		if (protocol == IP_PROTO_ICMP)
			return *kind == 0 || *kind == 8 || *kind == 3 ? 12 : 0;
		return *kind < 5 || (*kind >= 128 && *kind <= 137) ? 12 : 0;
	}
	return 0;
}

static ALWAYS_INLINE int from_ipv4(struct cursor *cursor, u32 bytes)
{
	struct ipv4 *ip = cursor->at;
	u32 source, kind, *rights;

	if (!step_ipv4(cursor)) {
		malformed++;
		return XDP_DROP;
	}
	if (ip->fragment & (IPV4_MORE_FRAGMENTS | IPV4_FRAGMENT_OFFSET)) {
		fragments++;
		return XDP_DROP;
	}
	source = ip->source;
	if ((source & 0xff) == 127 || (source & 0xf0) == 0xe0 || source == 0 || source == ~0u ||
	    ip->destination == source) {
		malformed++;
		return XDP_DROP;
	}
	if (ip->time_to_live <= 1)
		return XDP_DROP;
	kind = transport(cursor, ip->protocol, &bytes);
	if (!kind)
		return XDP_DROP;
	rights = bpf_map_lookup_elem(&masters, &source);
	if (!rights) {
		/* From outside, nothing but what anybody may ask. */
		if (kind != 7 && kind != 9 && kind != 12) {
			strangers++;
			return XDP_DROP;
		}
		kind = kind == 12 ? 13 : 14;
	} else if (!(*rights >> kind & 1)) {
		strangers++;
		return XDP_DROP;
	}
	if (!take(kind, bytes))
		return XDP_DROP;
	mark(ip, kind);
	return XDP_PASS;
}

static ALWAYS_INLINE int from_ipv6(struct cursor *cursor, u32 bytes)
{
	struct ipv6 *ip = cursor->at;
	u32 kind, source, *rights;
	u8 next;

	if (!step(cursor, sizeof(*ip)) || (ip->version_and_flow & 0xf0) != 0x60) {
		malformed++;
		return XDP_DROP;
	}
	next = ip->next_header;
	/* One header of options at the most. */
	if (next == IP_PROTO_HOPOPTS || next == IP_PROTO_DSTOPTS) {
		u8 *options = cursor->at;

		if (!step(cursor, 8)) {
			malformed++;
			return XDP_DROP;
		}
		next = options[0];
		if (options[1] != 0) {
			malformed++;
			return XDP_DROP;
		}
	}
	if (next == IP_PROTO_FRAGMENT || next == IP_PROTO_ROUTING) {
		fragments++;
		return XDP_DROP;
	}
	if (ip->source[0] == 0xff) {
		malformed++;
		return XDP_DROP;
	}
	kind = transport(cursor, next, &bytes);
	if (!kind)
		return XDP_DROP;
	if (ip->source[0] == 0xfe && (ip->source[1] & 0xc0) == 0x80)
		return kind == 12 && take(kind, bytes) ? XDP_PASS : XDP_DROP;
	source = ip->source[12] | ip->source[13] << 8 | ip->source[14] << 16 |
		 (u32)ip->source[15] << 24;
	rights = bpf_map_lookup_elem(&masters, &source);
	if (!rights || !(*rights >> kind & 1)) {
		strangers++;
		return XDP_DROP;
	}
	return take(kind, bytes) ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int gateway(struct xdp_md *ctx)
{
	struct cursor cursor = packet(ctx);
	u32 bytes = cursor.end - cursor.at;
	u16 type = step_ethernet(&cursor);

	switch (type) {
	case HTONS(ETH_P_IPV4):
		return from_ipv4(&cursor, bytes);
	case HTONS(ETH_P_IPV6):
		return from_ipv6(&cursor, bytes);
	case HTONS(ETH_P_ARP):
		return take(15, bytes) ? XDP_PASS : XDP_DROP;
	case 0:
		malformed++;
		return XDP_DROP;
	}
	/* Frames of field buses, which have no addresses of the network. */
	if (type == HTONS(0x8892) || type == HTONS(0x88a4) || type == HTONS(0x88f7))
		return take(3, bytes) ? XDP_PASS : XDP_DROP;
	strangers++;
	return XDP_DROP;
}
