//! Linux's program types by name.

use super::{BpfProgType, cgroup, skb, sock_addr, socket, tracing, xdp};

#[allow(non_upper_case_globals, reason = "types are named like the variants of an enum")]
impl BpfProgType {
    /// Decides how much of a packet a socket receives.
    pub const SocketFilter: Self = Self::new(&skb::SOCKET_FILTER);
    /// Runs at a probe; its context is the register file.
    pub const Kprobe: Self = Self::new(&tracing::KPROBE);
    /// Classifies packets for traffic control.
    pub const SchedCls: Self = Self::new(&skb::SCHED_CLS);
    /// Acts on packets for traffic control.
    pub const SchedAct: Self = Self::new(&skb::SCHED_ACT);
    /// Runs at a tracepoint; its context is a record of plain bytes.
    pub const Tracepoint: Self = Self::new(&tracing::TRACEPOINT);
    /// Decides about packets at the driver.
    pub const Xdp: Self = Self::new(&xdp::XDP);
    /// Runs at a performance event.
    pub const PerfEvent: Self = Self::new(&tracing::PERF_EVENT);
    /// Decides about the packets of a control group.
    pub const CgroupSkb: Self = Self::new(&skb::CGROUP_SKB);
    /// Runs at a tracepoint; its context is up to twelve 64-bit arguments.
    pub const RawTracepoint: Self = Self::new(&tracing::RAW_TRACEPOINT);
    /// As [`RawTracepoint`](Self::RawTracepoint), and may write them.
    pub const RawTracepointWritable: Self = Self::new(&tracing::RAW_TRACEPOINT_WRITABLE);
    /// Called by a user; its context is the caller's bytes.
    pub const Syscall: Self = Self::new(&tracing::SYSCALL);

    /// As [`CgroupSkb`](Self::CgroupSkb), for packets that leave.
    pub const CgroupEgress: Self = Self::new(&skb::CGROUP_EGRESS);
    /// Decides about packets that were redirected to a device.
    pub const XdpDevmap: Self = Self::new(&xdp::XDP_DEVMAP);
    /// Decides about packets that were redirected to a CPU.
    pub const XdpCpumap: Self = Self::new(&xdp::XDP_CPUMAP);
    /// Decides about packets that arrive by a route.
    pub const LwtIn: Self = Self::new(&skb::LWT_IN);
    /// Decides about packets that leave by a route.
    pub const LwtOut: Self = Self::new(&skb::LWT_OUT);
    /// Changes packets that leave by a route.
    pub const LwtXmit: Self = Self::new(&skb::LWT_XMIT);
    /// Acts on packets with a segment routing header.
    pub const LwtSeg6local: Self = Self::new(&skb::LWT_SEG6LOCAL);
    /// Decides about the packets of a socket in a map.
    pub const SkSkb: Self = Self::new(&skb::SK_SKB);
    /// Finds the keys of a packet's flow.
    pub const FlowDissector: Self = Self::new(&skb::FLOW_DISSECTOR);
    /// Runs at events of TCP connections.
    pub const SockOps: Self = Self::new(&socket::SOCK_OPS);
    /// Decides about messages of a socket in a map.
    pub const SkMsg: Self = Self::new(&socket::SK_MSG);
    /// Chooses among the sockets of a port.
    pub const SkReuseport: Self = Self::new(&socket::SK_REUSEPORT);
    /// As [`SkReuseport`](Self::SkReuseport), also for sockets that move.
    pub const SkReuseportMigrate: Self = Self::new(&socket::SK_REUSEPORT_MIGRATE);
    /// Chooses the socket of a packet or connection.
    pub const SkLookup: Self = Self::new(&socket::SK_LOOKUP);
    /// Runs at a netfilter hook.
    pub const Netfilter: Self = Self::new(&socket::NETFILTER);
    /// Decides about access to devices.
    pub const CgroupDevice: Self = Self::new(&cgroup::CGROUP_DEVICE);
    /// Decides about access to settings.
    pub const CgroupSysctl: Self = Self::new(&cgroup::CGROUP_SYSCTL);
    /// Runs where an option of a socket is read.
    pub const CgroupGetsockopt: Self = Self::new(&cgroup::CGROUP_GETSOCKOPT);
    /// Runs where an option of a socket is set.
    pub const CgroupSetsockopt: Self = Self::new(&cgroup::CGROUP_SETSOCKOPT);
    /// Runs where a socket is made.
    pub const SockCreate: Self = Self::new(&cgroup::SOCK_CREATE);
    /// Runs where a socket goes.
    pub const SockRelease: Self = Self::new(&cgroup::SOCK_RELEASE);
    /// Runs behind a bind to an IPv4 address.
    pub const PostBind4: Self = Self::new(&cgroup::POST_BIND4);
    /// Runs behind a bind to an IPv6 address.
    pub const PostBind6: Self = Self::new(&cgroup::POST_BIND6);
    /// Runs where a socket binds to an IPv4 address.
    pub const Bind4: Self = Self::new(&sock_addr::BIND4);
    /// Runs where a socket binds to an IPv6 address.
    pub const Bind6: Self = Self::new(&sock_addr::BIND6);
    /// Runs where a socket connects to an IPv4 address.
    pub const Connect4: Self = Self::new(&sock_addr::CONNECT4);
    /// Runs where a socket connects to an IPv6 address.
    pub const Connect6: Self = Self::new(&sock_addr::CONNECT6);
    /// Runs where a socket connects to a UNIX address.
    pub const ConnectUnix: Self = Self::new(&sock_addr::CONNECT_UNIX);
    /// Runs where a socket sends to an IPv4 address.
    pub const Sendmsg4: Self = Self::new(&sock_addr::SENDMSG4);
    /// Runs where a socket sends to an IPv6 address.
    pub const Sendmsg6: Self = Self::new(&sock_addr::SENDMSG6);
    /// Runs where a socket sends to a UNIX address.
    pub const SendmsgUnix: Self = Self::new(&sock_addr::SENDMSG_UNIX);
    /// Runs where a socket receives from an IPv4 address.
    pub const Recvmsg4: Self = Self::new(&sock_addr::RECVMSG4);
    /// Runs where a socket receives from an IPv6 address.
    pub const Recvmsg6: Self = Self::new(&sock_addr::RECVMSG6);
    /// Runs where a socket receives from a UNIX address.
    pub const RecvmsgUnix: Self = Self::new(&sock_addr::RECVMSG_UNIX);
    /// Runs where an IPv4 socket is asked for its peer's address.
    pub const Getpeername4: Self = Self::new(&sock_addr::GETPEERNAME4);
    /// Runs where an IPv6 socket is asked for its peer's address.
    pub const Getpeername6: Self = Self::new(&sock_addr::GETPEERNAME6);
    /// Runs where a UNIX socket is asked for its peer's address.
    pub const GetpeernameUnix: Self = Self::new(&sock_addr::GETPEERNAME_UNIX);
    /// Runs where an IPv4 socket is asked for its own address.
    pub const Getsockname4: Self = Self::new(&sock_addr::GETSOCKNAME4);
    /// Runs where an IPv6 socket is asked for its own address.
    pub const Getsockname6: Self = Self::new(&sock_addr::GETSOCKNAME6);
    /// Runs where a UNIX socket is asked for its own address.
    pub const GetsocknameUnix: Self = Self::new(&sock_addr::GETSOCKNAME_UNIX);

    /// The types that this project's engines have contexts for.
    pub const STANDARD: &'static [Self] = &[
        Self::SocketFilter,
        Self::Kprobe,
        Self::SchedCls,
        Self::SchedAct,
        Self::Tracepoint,
        Self::Xdp,
        Self::PerfEvent,
        Self::CgroupSkb,
        Self::RawTracepoint,
        Self::RawTracepointWritable,
        Self::Syscall,
    ];

    /// Every type known here. The first of a number is the one that stands for
    /// programs of which the attach type is not known.
    pub const ALL: &'static [Self] = &[
        Self::SocketFilter,
        Self::Kprobe,
        Self::SchedCls,
        Self::SchedAct,
        Self::Tracepoint,
        Self::Xdp,
        Self::PerfEvent,
        Self::CgroupSkb,
        Self::RawTracepoint,
        Self::RawTracepointWritable,
        Self::Syscall,
        Self::CgroupEgress,
        Self::XdpDevmap,
        Self::XdpCpumap,
        Self::LwtIn,
        Self::LwtOut,
        Self::LwtXmit,
        Self::LwtSeg6local,
        Self::SkSkb,
        Self::FlowDissector,
        Self::SockOps,
        Self::SkMsg,
        Self::SkReuseport,
        Self::SkReuseportMigrate,
        Self::SkLookup,
        Self::Netfilter,
        Self::CgroupDevice,
        Self::CgroupSysctl,
        Self::CgroupGetsockopt,
        Self::CgroupSetsockopt,
        Self::SockCreate,
        Self::SockRelease,
        Self::PostBind4,
        Self::PostBind6,
        Self::Bind4,
        Self::Bind6,
        Self::Connect4,
        Self::Connect6,
        Self::ConnectUnix,
        Self::Sendmsg4,
        Self::Sendmsg6,
        Self::SendmsgUnix,
        Self::Recvmsg4,
        Self::Recvmsg6,
        Self::RecvmsgUnix,
        Self::Getpeername4,
        Self::Getpeername6,
        Self::GetpeernameUnix,
        Self::Getsockname4,
        Self::Getsockname6,
        Self::GetsocknameUnix,
    ];
}
