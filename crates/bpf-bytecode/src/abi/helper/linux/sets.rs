//! Which programs and maps helpers are for.

use crate::abi::map::MapType::{
    self, Array, ArrayOfMaps, BloomFilter, CgroupArray, CgroupStorage, CgrpStorage, CpuMap, DevMap,
    DevMapHash, Hash, HashOfMaps, LpmTrie, LruHash, LruPerCpuHash, PerCpuArray,
    PerCpuCgroupStorage, PerCpuHash, PerfEventArray, Queue, ReuseportSockArray, RingBuf, SkStorage,
    SockHash, SockMap, Stack, StackTrace, TaskStorage, UserRingBuf, XskMap,
};
use crate::abi::prog_type::BpfProgType;

pub(super) const CLASSIFIED: &[BpfProgType] = &[
    BpfProgType::SchedCls,
    BpfProgType::SchedAct,
    BpfProgType::LwtIn,
    BpfProgType::LwtOut,
    BpfProgType::LwtXmit,
];
pub(super) const CGROUP: &[BpfProgType] = &[BpfProgType::CgroupSkb];
pub(super) const CHANGING: &[BpfProgType] =
    &[BpfProgType::SchedCls, BpfProgType::SchedAct, BpfProgType::LwtXmit, BpfProgType::SkSkb];
pub(super) const LINK: &[BpfProgType] =
    &[BpfProgType::SchedCls, BpfProgType::SchedAct, BpfProgType::Xdp];
pub(super) const LOOKING_UP: &[BpfProgType] = &[
    BpfProgType::SchedCls,
    BpfProgType::SchedAct,
    BpfProgType::Xdp,
    BpfProgType::CgroupSkb,
    BpfProgType::SkSkb,
    BpfProgType::Bind4,
];
pub(super) const MESSAGES: &[BpfProgType] = &[BpfProgType::SkMsg];
pub(super) const NETWORK: &[BpfProgType] = &[
    BpfProgType::SocketFilter,
    BpfProgType::SchedCls,
    BpfProgType::SchedAct,
    BpfProgType::Xdp,
    BpfProgType::CgroupSkb,
    BpfProgType::LwtIn,
    BpfProgType::LwtOut,
    BpfProgType::LwtXmit,
    BpfProgType::SockOps,
    BpfProgType::SkSkb,
    BpfProgType::SkMsg,
    BpfProgType::Bind4,
    BpfProgType::LwtSeg6local,
    BpfProgType::FlowDissector,
    BpfProgType::SkLookup,
];
pub(super) const OPTIONS: &[BpfProgType] = &[BpfProgType::SockOps, BpfProgType::Bind4];
pub(super) const PERF_EVENT: &[BpfProgType] = &[BpfProgType::PerfEvent];
pub(super) const ROUTED: &[BpfProgType] = &[
    BpfProgType::SchedCls,
    BpfProgType::SchedAct,
    BpfProgType::LwtIn,
    BpfProgType::LwtOut,
    BpfProgType::LwtXmit,
    BpfProgType::LwtSeg6local,
];
pub(super) const SEG6: &[BpfProgType] = &[BpfProgType::LwtSeg6local];
pub(super) const SYSCALL: &[BpfProgType] = &[BpfProgType::Syscall];
pub(super) const SOCK_OPS: &[BpfProgType] = &[BpfProgType::SockOps];
pub(super) const SOCKOPT: &[BpfProgType] = &[BpfProgType::CgroupGetsockopt];
pub(super) const REUSEPORT_TYPE: &[BpfProgType] = &[BpfProgType::SkReuseport];
pub(super) const STREAMS: &[BpfProgType] = &[BpfProgType::SkSkb];
pub(super) const SYSCTL: &[BpfProgType] = &[BpfProgType::CgroupSysctl];
pub(super) const TRACING: &[BpfProgType] = &[
    BpfProgType::Kprobe,
    BpfProgType::Tracepoint,
    BpfProgType::PerfEvent,
    BpfProgType::RawTracepoint,
    BpfProgType::RawTracepointWritable,
];
pub(super) const TRAFFIC: &[BpfProgType] = &[BpfProgType::SchedCls, BpfProgType::SchedAct];
pub(super) const TRAFFIC_OR_CGROUP: &[BpfProgType] =
    &[BpfProgType::SchedCls, BpfProgType::SchedAct, BpfProgType::CgroupSkb];
pub(super) const TUNNELLED: &[BpfProgType] =
    &[BpfProgType::SchedCls, BpfProgType::SchedAct, BpfProgType::LwtXmit];
pub(super) const WITH_COARSE_TIME: &[BpfProgType] = &[
    BpfProgType::SocketFilter,
    BpfProgType::SchedCls,
    BpfProgType::SchedAct,
    BpfProgType::Xdp,
    BpfProgType::CgroupSkb,
    BpfProgType::SockCreate,
    BpfProgType::LwtIn,
    BpfProgType::LwtOut,
    BpfProgType::LwtXmit,
    BpfProgType::SockOps,
    BpfProgType::SkSkb,
    BpfProgType::SkMsg,
    BpfProgType::Bind4,
    BpfProgType::LwtSeg6local,
    BpfProgType::SkReuseport,
    BpfProgType::FlowDissector,
    BpfProgType::CgroupSysctl,
    BpfProgType::SkLookup,
];
pub(super) const WITH_EVENTS: &[BpfProgType] = &[
    BpfProgType::SocketFilter,
    BpfProgType::Kprobe,
    BpfProgType::SchedCls,
    BpfProgType::SchedAct,
    BpfProgType::Tracepoint,
    BpfProgType::Xdp,
    BpfProgType::PerfEvent,
    BpfProgType::CgroupSkb,
    BpfProgType::SockCreate,
    BpfProgType::LwtIn,
    BpfProgType::LwtOut,
    BpfProgType::LwtXmit,
    BpfProgType::SockOps,
    BpfProgType::SkSkb,
    BpfProgType::CgroupDevice,
    BpfProgType::SkMsg,
    BpfProgType::RawTracepoint,
    BpfProgType::Bind4,
    BpfProgType::LwtSeg6local,
    BpfProgType::CgroupSysctl,
    BpfProgType::RawTracepointWritable,
    BpfProgType::CgroupGetsockopt,
    BpfProgType::SkLookup,
];
pub(super) const WITH_RESULT: &[BpfProgType] = &[
    BpfProgType::SockCreate,
    BpfProgType::CgroupDevice,
    BpfProgType::CgroupSysctl,
    BpfProgType::CgroupGetsockopt,
];
pub(super) const ADDRESSES: &[BpfProgType] = &[BpfProgType::Bind4];
/// Binding, connecting and sending, by where a program is attached.
pub(super) const REFUSING_ADDRESSES: &[u32] = &[8, 9, 10, 11, 14, 15, 49, 50];
pub(super) const XDP: &[BpfProgType] = &[BpfProgType::Xdp];
pub(super) const KEYED: &[MapType] =
    &[Hash, Array, PerCpuHash, PerCpuArray, LruHash, LruPerCpuHash, LpmTrie];
pub(super) const LOOKED_UP: &[MapType] = &[
    Hash,
    Array,
    PerCpuHash,
    PerCpuArray,
    LruHash,
    LruPerCpuHash,
    LpmTrie,
    ArrayOfMaps,
    HashOfMaps,
    DevMap,
    DevMapHash,
    XskMap,
    SockMap,
    SockHash,
];
pub(super) const PERF: &[MapType] = &[PerfEventArray];
pub(super) const RING: &[MapType] = &[RingBuf];
pub(super) const USER_RING: &[MapType] = &[UserRingBuf];
pub(super) const STACK_TRACE: &[MapType] = &[StackTrace];
pub(super) const CGROUPS: &[MapType] = &[CgroupArray];
pub(super) const REDIRECT: &[MapType] = &[DevMap, DevMapHash, CpuMap, XskMap];
pub(super) const SOCKMAP: &[MapType] = &[SockMap];
pub(super) const SOCKHASH: &[MapType] = &[SockHash];
pub(super) const CGROUP_STORAGE: &[MapType] = &[CgroupStorage, PerCpuCgroupStorage];
pub(super) const REUSEPORT: &[MapType] = &[ReuseportSockArray, SockMap, SockHash];
pub(super) const QUEUES: &[MapType] = &[Queue, Stack];
pub(super) const PEEKED: &[MapType] = &[Queue, Stack, BloomFilter];
pub(super) const PER_CPU: &[MapType] = &[PerCpuArray, PerCpuHash, LruPerCpuHash];
pub(super) const SK_STORAGE: &[MapType] = &[SkStorage];
pub(super) const TASK_STORAGE: &[MapType] = &[TaskStorage];
pub(super) const CGRP_STORAGE: &[MapType] = &[CgrpStorage];
pub(super) const TIMED: &[MapType] = &[Hash, Array, LruHash];

pub(super) const PUTTING_SOCKETS: &[BpfProgType] = &[
    BpfProgType::SocketFilter,
    BpfProgType::SchedCls,
    BpfProgType::SchedAct,
    BpfProgType::Xdp,
    BpfProgType::SkReuseport,
    BpfProgType::FlowDissector,
    BpfProgType::SkLookup,
];
pub(super) const TAKING_SOCKETS: &[BpfProgType] = &[
    BpfProgType::SocketFilter,
    BpfProgType::SchedCls,
    BpfProgType::SchedAct,
    BpfProgType::Xdp,
    BpfProgType::SkReuseport,
    BpfProgType::FlowDissector,
    BpfProgType::SkLookup,
    BpfProgType::SockOps,
];
pub(super) const KEYED_OR_SOCKETS: &[MapType] =
    &[Hash, Array, PerCpuHash, PerCpuArray, LruHash, LruPerCpuHash, LpmTrie, SockMap, SockHash];
