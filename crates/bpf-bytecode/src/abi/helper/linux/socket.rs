//! Helpers that work on sockets, their options and events.

use super::row;
use super::sets::{
    CGROUP, CGROUP_STORAGE, LINK, LOOKING_UP, MESSAGES, OPTIONS, REUSEPORT, SK_STORAGE, SOCK_OPS,
    SOCKHASH, SOCKMAP, STREAMS, SYSCTL, TRAFFIC_OR_CGROUP, WITH_RESULT,
};
use crate::abi::helper::ArgKind::{
    Anything, Context, ContextOrNull, Map, MapKey, MapValueOrNull, MemRead, MemUpdate, MemWrite,
    Size, SizeOrZero, SocketCommon, SocketRelease, Zero,
};
use crate::abi::helper::HelperSig;
use crate::abi::helper::RetKind::{self, Integer, SocketCommonOrNull, TcpSocketOrNull};
use crate::abi::prog_type::BpfProgType;

pub(super) static SIGNATURES: &[HelperSig] = &[
    row(46, "get_socket_cookie", &[Context], Integer).for_types(&[
        BpfProgType::SocketFilter,
        BpfProgType::SchedCls,
        BpfProgType::SchedAct,
        BpfProgType::CgroupSkb,
        BpfProgType::SockCreate,
        BpfProgType::SockOps,
        BpfProgType::SkSkb,
        BpfProgType::Bind4,
    ]),
    row(47, "get_socket_uid", &[Context], Integer).for_types(&[
        BpfProgType::SocketFilter,
        BpfProgType::SchedCls,
        BpfProgType::SchedAct,
        BpfProgType::CgroupSkb,
        BpfProgType::SkSkb,
    ]),
    row(49, "setsockopt", &[Context, Anything, Anything, MemRead, Size], Integer)
        .for_types(OPTIONS),
    row(52, "sk_redirect_map", &[Context, Map, Anything, Anything], Integer)
        .for_types(STREAMS)
        .on_maps(SOCKMAP),
    row(53, "sock_map_update", &[Context, Map, MapKey, Anything], Integer)
        .for_types(SOCK_OPS)
        .on_maps(SOCKMAP)
        .with_packet_memory(),
    row(57, "getsockopt", &[Context, Anything, Anything, MemWrite, Size], Integer)
        .for_types(OPTIONS),
    row(59, "sock_ops_cb_flags_set", &[Context, Anything], Integer).for_types(SOCK_OPS),
    row(60, "msg_redirect_map", &[Context, Map, Anything, Anything], Integer)
        .for_types(MESSAGES)
        .on_maps(SOCKMAP),
    row(61, "msg_apply_bytes", &[Context, Anything], Integer).for_types(MESSAGES),
    row(62, "msg_cork_bytes", &[Context, Anything], Integer).for_types(MESSAGES),
    row(63, "msg_pull_data", &[Context, Anything, Anything, Anything], Integer)
        .for_types(MESSAGES)
        .moving_packet(),
    row(64, "bind", &[Context, MemRead, Size], Integer)
        .for_types(&[BpfProgType::Bind4])
        .attached(&[10, 11]),
    row(70, "sock_hash_update", &[Context, Map, MapKey, Anything], Integer)
        .for_types(SOCK_OPS)
        .on_maps(SOCKHASH)
        .with_packet_memory(),
    row(71, "msg_redirect_hash", &[Context, Map, MapKey, Anything], Integer)
        .for_types(MESSAGES)
        .on_maps(SOCKHASH),
    row(72, "sk_redirect_hash", &[Context, Map, MapKey, Anything], Integer)
        .for_types(STREAMS)
        .on_maps(SOCKHASH),
    row(81, "get_local_storage", &[Map, Zero], RetKind::MapValue)
        .for_types(&[
            BpfProgType::CgroupSkb,
            BpfProgType::SockCreate,
            BpfProgType::SockOps,
            BpfProgType::CgroupDevice,
            BpfProgType::Bind4,
            BpfProgType::CgroupSysctl,
            BpfProgType::CgroupGetsockopt,
        ])
        .on_maps(CGROUP_STORAGE),
    row(82, "sk_select_reuseport", &[Context, Map, MapKey, Anything], Integer)
        .for_types(&[BpfProgType::SkReuseport])
        .on_maps(REUSEPORT),
    row(
        84,
        "sk_lookup_tcp",
        &[Context, MemRead, SizeOrZero, Anything, Anything],
        RetKind::SocketOrNull,
    )
    .for_types(LOOKING_UP)
    .with_packet_memory()
    .acquiring(),
    row(
        85,
        "sk_lookup_udp",
        &[Context, MemRead, SizeOrZero, Anything, Anything],
        RetKind::SocketOrNull,
    )
    .for_types(LOOKING_UP)
    .with_packet_memory()
    .acquiring(),
    row(86, "sk_release", &[SocketRelease], Integer).for_types(&[
        BpfProgType::SchedCls,
        BpfProgType::SchedAct,
        BpfProgType::Xdp,
        BpfProgType::CgroupSkb,
        BpfProgType::SkSkb,
        BpfProgType::Bind4,
        BpfProgType::SkLookup,
    ]),
    row(90, "msg_push_data", &[Context, Anything, Anything, Anything], Integer)
        .for_types(MESSAGES)
        .moving_packet(),
    row(91, "msg_pop_data", &[Context, Anything, Anything, Anything], Integer)
        .for_types(MESSAGES)
        .moving_packet(),
    row(95, "sk_fullsock", &[SocketCommon], RetKind::SocketOrNull).for_types(TRAFFIC_OR_CGROUP),
    row(96, "tcp_sock", &[SocketCommon], TcpSocketOrNull).for_types(&[
        BpfProgType::SchedCls,
        BpfProgType::SchedAct,
        BpfProgType::CgroupSkb,
        BpfProgType::SockOps,
        BpfProgType::CgroupGetsockopt,
    ]),
    row(98, "get_listener_sock", &[SocketCommon], RetKind::SocketOrNull)
        .for_types(TRAFFIC_OR_CGROUP),
    row(
        99,
        "skc_lookup_tcp",
        &[Context, MemRead, SizeOrZero, Anything, Anything],
        SocketCommonOrNull,
    )
    .for_types(LOOKING_UP)
    .with_packet_memory()
    .acquiring(),
    row(100, "tcp_check_syncookie", &[SocketCommon, MemRead, Size, MemRead, Size], Integer)
        .for_types(LINK)
        .with_packet_memory(),
    row(101, "sysctl_get_name", &[Context, MemUpdate, Size, Anything], Integer).for_types(SYSCTL),
    row(102, "sysctl_get_current_value", &[Context, MemWrite, Size], Integer).for_types(SYSCTL),
    row(103, "sysctl_get_new_value", &[Context, MemWrite, Size], Integer).for_types(SYSCTL),
    row(104, "sysctl_set_new_value", &[Context, MemRead, Size], Integer).for_types(SYSCTL),
    row(
        107,
        "sk_storage_get",
        &[Map, SocketCommon, MapValueOrNull, Anything],
        RetKind::MapValueOrNull,
    )
    .for_types(&[
        BpfProgType::SchedCls,
        BpfProgType::SchedAct,
        BpfProgType::CgroupSkb,
        BpfProgType::SockCreate,
        BpfProgType::SockOps,
        BpfProgType::SkMsg,
        BpfProgType::Bind4,
        BpfProgType::CgroupGetsockopt,
    ])
    .on_maps(SK_STORAGE),
    row(108, "sk_storage_delete", &[Map, SocketCommon], Integer)
        .for_types(&[
            BpfProgType::SchedCls,
            BpfProgType::SchedAct,
            BpfProgType::CgroupSkb,
            BpfProgType::SockOps,
            BpfProgType::SkMsg,
            BpfProgType::Bind4,
            BpfProgType::CgroupGetsockopt,
        ])
        .on_maps(SK_STORAGE),
    row(110, "tcp_gen_syncookie", &[SocketCommon, MemRead, Size, MemRead, Size], Integer)
        .for_types(LINK)
        .with_packet_memory(),
    row(122, "get_netns_cookie", &[ContextOrNull], Integer).for_types(&[
        BpfProgType::SocketFilter,
        BpfProgType::SchedCls,
        BpfProgType::SchedAct,
        BpfProgType::CgroupSkb,
        BpfProgType::SockCreate,
        BpfProgType::SockOps,
        BpfProgType::SkMsg,
        BpfProgType::Bind4,
        BpfProgType::CgroupGetsockopt,
    ]),
    row(124, "sk_assign", &[Context, SocketCommon, Anything], Integer).for_types(&[
        BpfProgType::SchedCls,
        BpfProgType::SchedAct,
        BpfProgType::SkLookup,
    ]),
    row(128, "sk_cgroup_id", &[SocketCommon], Integer).for_types(CGROUP),
    row(129, "sk_ancestor_cgroup_id", &[SocketCommon, Anything], Integer).for_types(CGROUP),
    row(142, "load_hdr_opt", &[Context, MemUpdate, Size, Anything], Integer).for_types(SOCK_OPS),
    row(143, "store_hdr_opt", &[Context, MemRead, Size, Anything], Integer)
        .for_types(SOCK_OPS)
        .moving_packet(),
    row(144, "reserve_hdr_opt", &[Context, Anything, Anything], Integer).for_types(SOCK_OPS),
    row(186, "get_retval", &[], Integer).for_types(WITH_RESULT),
    row(187, "set_retval", &[Anything], Integer).for_types(WITH_RESULT),
];
