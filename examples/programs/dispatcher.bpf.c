// SPDX-License-Identifier: MIT OR Apache-2.0
/* A dispatcher: looks at a packet's protocol once and hands it to that
 * protocol's own program by a tail call. */
#include "packet.h"

enum handler { HANDLE_TCP, HANDLE_UDP, HANDLE_ICMP, HANDLERS };

/* Packets by the program that decided; the last entry counts what no program
 * was responsible for. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HANDLERS + 1);
	__type(key, u32);
	__type(value, u64);
} handled SEC(".maps");

int handle_tcp(struct xdp_md *ctx);
int handle_udp(struct xdp_md *ctx);
int handle_icmp(struct xdp_md *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, HANDLERS);
	__uint(key_size, sizeof(u32));
	__array(values, int(struct xdp_md *));
} handlers SEC(".maps") = {
	.values = {
		[HANDLE_TCP] = &handle_tcp,
		[HANDLE_UDP] = &handle_udp,
		[HANDLE_ICMP] = &handle_icmp,
	},
};

static ALWAYS_INLINE void count(u32 who)
{
	u64 *packets = bpf_map_lookup_elem(&handled, &who);

	if (packets)
		__sync_fetch_and_add(packets, 1);
}

/* Steps to the transport header and tells the protocol, or 256 for none. */
static ALWAYS_INLINE u32 step_network(struct cursor *cursor)
{
	u16 type = step_ethernet(cursor);

	if (type == HTONS(ETH_P_IPV4)) {
		struct ipv4 *ip = cursor->at;

		if (step_ipv4(cursor) && !(ip->fragment & IPV4_FRAGMENT_OFFSET))
			return ip->protocol;
	} else if (type == HTONS(ETH_P_IPV6)) {
		struct ipv6 *ip = cursor->at;

		if (step(cursor, sizeof(*ip)))
			return ip->next_header;
	}
	return 256;
}

#define TCP_FLAGS 13
#define TCP_FIN 0x01
#define TCP_SYN 0x02

/* Drops segments whose flags contradict each other. */
SEC("xdp")
int handle_tcp(struct xdp_md *ctx)
{
	struct cursor cursor = packet(ctx);
	u8 *tcp;

	count(HANDLE_TCP);
	step_network(&cursor);
	tcp = cursor.at;
	if (!step(&cursor, 20))
		return XDP_DROP;
	if ((tcp[TCP_FLAGS] & (TCP_SYN | TCP_FIN)) == (TCP_SYN | TCP_FIN))
		return XDP_DROP;
	return XDP_PASS;
}

/* Drops datagrams whose stated length exceeds the packet. */
SEC("xdp")
int handle_udp(struct xdp_md *ctx)
{
	struct cursor cursor = packet(ctx);
	u16 *udp;

	count(HANDLE_UDP);
	step_network(&cursor);
	udp = cursor.at;
	if (!step(&cursor, 8))
		return XDP_DROP;
	if (HTONS(udp[2]) > cursor.end - (void *)udp)
		return XDP_DROP;
	return XDP_PASS;
}

#define ICMP_ECHO_REQUEST 8
#define ICMP_ECHO_REPLY 0

/* Answers an IPv4 echo request where it stands: turns it into the reply, with
 * addresses exchanged and the checksum corrected, and sends it back. */
SEC("xdp")
int handle_icmp(struct xdp_md *ctx)
{
	struct cursor cursor = packet(ctx);
	struct ethernet *ethernet = cursor.at;
	struct ipv4 *ip;
	u8 *icmp;
	u8 mac[6];
	u32 address, before, after;
	s64 sum;

	count(HANDLE_ICMP);
	if (step_ethernet(&cursor) != HTONS(ETH_P_IPV4))
		return XDP_PASS;
	ip = cursor.at;
	if (!step_ipv4(&cursor))
		return XDP_DROP;
	icmp = cursor.at;
	if (!step(&cursor, 8))
		return XDP_DROP;
	if (icmp[0] != ICMP_ECHO_REQUEST)
		return XDP_PASS;

	__builtin_memcpy(mac, ethernet->destination, sizeof(mac));
	__builtin_memcpy(ethernet->destination, ethernet->source, sizeof(mac));
	__builtin_memcpy(ethernet->source, mac, sizeof(mac));
	address = ip->destination;
	ip->destination = ip->source;
	ip->source = address;

	before = icmp[0];
	after = ICMP_ECHO_REPLY;
	sum = bpf_csum_diff(&before, sizeof(before), &after, sizeof(after),
			    (u16)~*(u16 *)(icmp + 2));
	sum = (sum & 0xFFFF) + (sum >> 16);
	sum = (sum & 0xFFFF) + (sum >> 16);
	icmp[0] = ICMP_ECHO_REPLY;
	*(u16 *)(icmp + 2) = ~sum;
	return XDP_TX;
}

SEC("xdp")
int dispatcher(struct xdp_md *ctx)
{
	struct cursor cursor = packet(ctx);

	switch (step_network(&cursor)) {
	case IP_PROTO_TCP:
		bpf_tail_call(ctx, &handlers, HANDLE_TCP);
		break;
	case IP_PROTO_UDP:
		bpf_tail_call(ctx, &handlers, HANDLE_UDP);
		break;
	case IP_PROTO_ICMP:
		bpf_tail_call(ctx, &handlers, HANDLE_ICMP);
		break;
	}
	/* A tail call that succeeds does not come back. */
	count(HANDLERS);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";
