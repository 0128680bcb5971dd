//! Helpers that work on packets.

use super::row;
use super::sets::{
    CGROUPS, CHANGING, LINK, REDIRECT, ROUTED, SEG6, TRAFFIC, TRAFFIC_OR_CGROUP, TUNNELLED, XDP,
};
use crate::abi::helper::ArgKind::{
    AlignedUpdate, Anything, Context, FixedRead, Map, MemRead, MemReadOrNull, MemUpdate, MemWrite,
    Size, SizeOrZero,
};
use crate::abi::helper::HelperSig;
use crate::abi::helper::RetKind::Integer;
use crate::abi::prog_type::BpfProgType;

pub(super) static SIGNATURES: &[HelperSig] = &[
    row(9, "skb_store_bytes", &[Context, Anything, MemRead, Size, Anything], Integer)
        .for_types(CHANGING)
        .moving_packet(),
    row(10, "l3_csum_replace", &[Context, Anything, Anything, Anything, Anything], Integer)
        .for_types(TUNNELLED)
        .moving_packet(),
    row(11, "l4_csum_replace", &[Context, Anything, Anything, Anything, Anything], Integer)
        .for_types(TUNNELLED)
        .moving_packet(),
    row(13, "clone_redirect", &[Context, Anything, Anything], Integer)
        .for_types(TUNNELLED)
        .moving_packet(),
    row(18, "skb_vlan_push", &[Context, Anything, Anything], Integer)
        .for_types(TRAFFIC)
        .moving_packet(),
    row(19, "skb_vlan_pop", &[Context], Integer).for_types(TRAFFIC).moving_packet(),
    row(20, "skb_get_tunnel_key", &[Context, MemWrite, Size, Anything], Integer)
        .for_types(TUNNELLED),
    row(21, "skb_set_tunnel_key", &[Context, MemRead, Size, Anything], Integer)
        .for_types(TUNNELLED),
    row(23, "redirect", &[Anything, Anything], Integer).for_types(&[
        BpfProgType::SchedCls,
        BpfProgType::SchedAct,
        BpfProgType::Xdp,
        BpfProgType::LwtXmit,
    ]),
    row(24, "get_route_realm", &[Context], Integer).for_types(ROUTED),
    row(26, "skb_load_bytes", &[Context, Anything, MemWrite, Size], Integer).for_types(&[
        BpfProgType::SocketFilter,
        BpfProgType::SchedCls,
        BpfProgType::SchedAct,
        BpfProgType::CgroupSkb,
        BpfProgType::LwtIn,
        BpfProgType::LwtOut,
        BpfProgType::LwtXmit,
        BpfProgType::SkSkb,
        BpfProgType::LwtSeg6local,
        BpfProgType::SkReuseport,
        BpfProgType::FlowDissector,
    ]),
    row(
        28,
        "csum_diff",
        &[MemReadOrNull, SizeOrZero, MemReadOrNull, SizeOrZero, Anything],
        Integer,
    )
    .for_types(&[
        BpfProgType::SchedCls,
        BpfProgType::SchedAct,
        BpfProgType::Xdp,
        BpfProgType::LwtIn,
        BpfProgType::LwtOut,
        BpfProgType::LwtXmit,
        BpfProgType::LwtSeg6local,
    ])
    .with_packet_memory(),
    row(29, "skb_get_tunnel_opt", &[Context, MemWrite, Size], Integer).for_types(TUNNELLED),
    row(30, "skb_set_tunnel_opt", &[Context, MemRead, Size], Integer).for_types(TUNNELLED),
    row(31, "skb_change_proto", &[Context, Anything, Anything], Integer)
        .for_types(TRAFFIC)
        .moving_packet(),
    row(32, "skb_change_type", &[Context, Anything], Integer).for_types(TRAFFIC),
    row(33, "skb_under_cgroup", &[Context, Map, Anything], Integer)
        .for_types(ROUTED)
        .on_maps(CGROUPS),
    row(34, "get_hash_recalc", &[Context], Integer).for_types(ROUTED),
    row(38, "skb_change_tail", &[Context, Anything, Anything], Integer)
        .for_types(CHANGING)
        .moving_packet(),
    row(39, "skb_pull_data", &[Context, Anything], Integer)
        .for_types(&[
            BpfProgType::SchedCls,
            BpfProgType::SchedAct,
            BpfProgType::LwtIn,
            BpfProgType::LwtOut,
            BpfProgType::LwtXmit,
            BpfProgType::SkSkb,
            BpfProgType::LwtSeg6local,
        ])
        .moving_packet(),
    row(40, "csum_update", &[Context, Anything], Integer).for_types(TUNNELLED),
    row(41, "set_hash_invalid", &[Context], Integer).for_types(TUNNELLED),
    row(43, "skb_change_head", &[Context, Anything, Anything], Integer)
        .for_types(CHANGING)
        .moving_packet(),
    row(48, "set_hash", &[Context, Anything], Integer).for_types(TRAFFIC),
    row(50, "skb_adjust_room", &[Context, Anything, Anything, Anything], Integer)
        .for_types(&[BpfProgType::SchedCls, BpfProgType::SchedAct, BpfProgType::SkSkb])
        .moving_packet(),
    row(51, "redirect_map", &[Map, Anything, Anything], Integer).for_types(XDP).on_maps(REDIRECT),
    row(54, "xdp_adjust_meta", &[Context, Anything], Integer).for_types(XDP).moving_packet(),
    row(66, "skb_get_xfrm_state", &[Context, Anything, MemWrite, Size, Anything], Integer)
        .for_types(TRAFFIC),
    row(68, "skb_load_bytes_relative", &[Context, Anything, MemWrite, Size, Anything], Integer)
        .for_types(&[
            BpfProgType::SocketFilter,
            BpfProgType::SchedCls,
            BpfProgType::SchedAct,
            BpfProgType::CgroupSkb,
            BpfProgType::SkReuseport,
        ]),
    row(69, "fib_lookup", &[Context, MemUpdate, Size, Anything], Integer).for_types(LINK),
    row(73, "lwt_push_encap", &[Context, Anything, MemRead], Integer)
        .for_types(&[BpfProgType::LwtIn, BpfProgType::LwtXmit])
        .moving_packet(),
    row(74, "lwt_seg6_store_bytes", &[Context, Anything, MemRead], Integer)
        .for_types(SEG6)
        .moving_packet(),
    row(75, "lwt_seg6_adjust_srh", &[Context, Anything, Anything], Integer)
        .for_types(SEG6)
        .moving_packet(),
    row(76, "lwt_seg6_action", &[Context, Anything, MemRead], Integer)
        .for_types(SEG6)
        .moving_packet(),
    row(79, "skb_cgroup_id", &[Context], Integer).for_types(TRAFFIC_OR_CGROUP),
    row(83, "skb_ancestor_cgroup_id", &[Context, Anything], Integer).for_types(TRAFFIC_OR_CGROUP),
    row(97, "skb_ecn_set_ce", &[Context], Integer).for_types(TRAFFIC_OR_CGROUP),
    row(135, "csum_level", &[Context, Anything], Integer).for_types(TUNNELLED),
    row(151, "skb_cgroup_classid", &[Context], Integer).for_types(TRAFFIC),
    row(152, "redirect_neigh", &[Anything, MemReadOrNull, SizeOrZero, Anything], Integer)
        .for_types(TRAFFIC),
    row(155, "redirect_peer", &[Anything, Anything], Integer).for_types(TRAFFIC),
    row(163, "check_mtu", &[Context, Anything, AlignedUpdate(4), Anything, Anything], Integer)
        .for_types(LINK),
    row(188, "xdp_get_buff_len", &[Context], Integer).for_types(XDP),
    row(189, "xdp_load_bytes", &[Context, Anything, MemWrite, Size], Integer).for_types(XDP),
    row(190, "xdp_store_bytes", &[Context, Anything, MemRead, Size], Integer).for_types(XDP),
    row(192, "skb_set_tstamp", &[Context, Anything, Anything], Integer).for_types(TRAFFIC),
    row(204, "tcp_raw_gen_syncookie_ipv4", &[FixedRead(20), MemUpdate, SizeOrZero], Integer)
        .for_types(LINK)
        .with_packet_memory(),
    row(205, "tcp_raw_gen_syncookie_ipv6", &[FixedRead(40), MemUpdate, SizeOrZero], Integer)
        .for_types(LINK)
        .with_packet_memory(),
    row(206, "tcp_raw_check_syncookie_ipv4", &[FixedRead(20), FixedRead(20)], Integer)
        .for_types(LINK)
        .with_packet_memory(),
    row(207, "tcp_raw_check_syncookie_ipv6", &[FixedRead(40), FixedRead(20)], Integer)
        .for_types(LINK)
        .with_packet_memory(),
];
