// SPDX-License-Identifier: MIT OR Apache-2.0
/* A socket filter: lets name lookups (DNS) and connection set-up (TCP SYN and
 * RST) through to the socket and hides everything else from it. Returns the
 * number of bytes that the socket may see. */
#include "packet.h"

/* What the socket sees of a TCP segment: the headers. */
#define SNAP_LENGTH 96
#define PORT_DNS 53
#define TCP_FLAGS_OFFSET 13
#define TCP_SYN 0x02
#define TCP_RST 0x04

/* Where the network header starts: at 0 for a datagram socket and in test runs,
 * behind the Ethernet header (14) for a raw packet socket. */
const volatile u32 network_offset = 0;

/* Frames by their fate: hidden, DNS, TCP set-up. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 3);
	__type(key, u32);
	__type(value, u64);
} fates SEC(".maps");

enum fate { HIDDEN, DNS, TCP_SETUP };

static ALWAYS_INLINE int tell(enum fate fate, u32 visible)
{
	u32 key = fate;
	u64 *count = bpf_map_lookup_elem(&fates, &key);

	if (count)
		__sync_fetch_and_add(count, 1);
	return visible;
}

/* Offset of the transport header and its protocol, or protocol 0 where there
 * is none that this filter knows. */
struct transport {
	u32 offset;
	u32 protocol;
};

static ALWAYS_INLINE struct transport find_transport(struct __sk_buff *skb)
{
	struct transport none = {};
	u32 offset = network_offset;
	u8 version;

	if (bpf_skb_load_bytes(skb, offset, &version, sizeof(version)))
		return none;
	if (skb->protocol == HTONS(ETH_P_IPV4) && version >> 4 == 4) {
		struct ipv4 ip;

		if (bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)))
			return none;
		if (ip.fragment & IPV4_FRAGMENT_OFFSET)
			return none;
		return (struct transport){
			.offset = offset + (ip.version_and_length & 0xF) * 4,
			.protocol = ip.protocol,
		};
	}
	if (skb->protocol == HTONS(ETH_P_IPV6) && version >> 4 == 6) {
		struct ipv6 ip;

		if (bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)))
			return none;
		return (struct transport){
			.offset = offset + sizeof(ip),
			.protocol = ip.next_header,
		};
	}
	return none;
}

SEC("socket")
int socket_filter(struct __sk_buff *skb)
{
	struct transport transport = find_transport(skb);

	if (transport.protocol == IP_PROTO_UDP) {
		struct ports ports;

		if (bpf_skb_load_bytes(skb, transport.offset, &ports, sizeof(ports)))
			return tell(HIDDEN, 0);
		if (ports.source == HTONS(PORT_DNS) || ports.destination == HTONS(PORT_DNS))
			return tell(DNS, skb->len);
	} else if (transport.protocol == IP_PROTO_TCP) {
		u8 flags;

		if (bpf_skb_load_bytes(skb, transport.offset + TCP_FLAGS_OFFSET, &flags,
				       sizeof(flags)))
			return tell(HIDDEN, 0);
		if (flags & (TCP_SYN | TCP_RST))
			return tell(TCP_SETUP, SNAP_LENGTH);
	}
	return tell(HIDDEN, 0);
}

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";
