/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Packet headers on the wire, and a walk from the Ethernet header to the
 * transport header over any VLAN tags. */
#pragma once

#include "bpf.h"

#define ETH_P_IPV4 0x0800
#define ETH_P_ARP 0x0806
#define ETH_P_VLAN 0x8100
#define ETH_P_IPV6 0x86DD
#define ETH_P_QINQ 0x88A8

#define IP_PROTO_HOPOPTS 0
#define IP_PROTO_ICMP 1
#define IP_PROTO_TCP 6
#define IP_PROTO_UDP 17
#define IP_PROTO_ROUTING 43
#define IP_PROTO_FRAGMENT 44
#define IP_PROTO_ICMPV6 58
#define IP_PROTO_DSTOPTS 60

/* VLAN tags that are looked through: one outer and one inner. */
#define MAX_VLAN_TAGS 2

struct ethernet {
	u8 destination[6];
	u8 source[6];
	u16 type;
};

struct vlan_tag {
	u16 control;
	u16 type;
};

struct ipv4 {
	u8 version_and_length;
	u8 service;
	u16 total_length;
	u16 identification;
	u16 fragment;
	u8 time_to_live;
	u8 protocol;
	u16 checksum;
	u32 source;
	u32 destination;
};

struct ipv6 {
	u32 version_and_flow;
	u16 payload_length;
	u8 next_header;
	u8 hop_limit;
	u8 source[16];
	u8 destination[16];
};

/* The first four bytes of both TCP and UDP. */
struct ports {
	u16 source;
	u16 destination;
};

/* More fragments, and the 13 bits of the fragment's offset. */
#define IPV4_MORE_FRAGMENTS HTONS(0x2000)
#define IPV4_FRAGMENT_OFFSET HTONS(0x1FFF)

/* Where parsing of a packet has come to. */
struct cursor {
	void *at;
	void *end;
};

/* Steps over `size` bytes. Returns 0, and stays, where the packet is too short.
 * What was stepped over may be read; take its address before. */
static ALWAYS_INLINE int step(struct cursor *cursor, u32 size)
{
	if (cursor->at + size > cursor->end)
		return 0;
	cursor->at += size;
	return 1;
}

/* Steps over the Ethernet header and up to MAX_VLAN_TAGS tags. Returns the
 * type of what follows in network order, or 0 where the packet is too short. */
static ALWAYS_INLINE u16 step_ethernet(struct cursor *cursor)
{
	struct ethernet *ethernet = cursor->at;
	u16 type;

	if (!step(cursor, sizeof(*ethernet)))
		return 0;
	type = ethernet->type;
#pragma clang loop unroll(full)
	for (int i = 0; i < MAX_VLAN_TAGS; i++) {
		struct vlan_tag *tag = cursor->at;

		if (type != HTONS(ETH_P_VLAN) && type != HTONS(ETH_P_QINQ))
			break;
		if (!step(cursor, sizeof(*tag)))
			return 0;
		type = tag->type;
	}
	return type;
}

/* Steps over an IPv4 header with its options. Returns 0 where it is malformed
 * or the packet too short. */
static ALWAYS_INLINE int step_ipv4(struct cursor *cursor)
{
	struct ipv4 *ip = cursor->at;
	u32 length;

	if (!step(cursor, sizeof(*ip)) || ip->version_and_length >> 4 != 4)
		return 0;
	length = (ip->version_and_length & 0xF) * 4;
	return length >= sizeof(*ip) && step(cursor, length - sizeof(*ip));
}

/* The whole packet. */
static ALWAYS_INLINE struct cursor packet(struct xdp_md *ctx)
{
	return (struct cursor){ (void *)(long)ctx->data, (void *)(long)ctx->data_end };
}
