//! Linux's program types by name.

use super::{BpfProgType, skb, tracing, xdp};

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
    pub const ALL: &'static [Self] = Self::STANDARD;
}
