//! Helpers for programs of every type.

use super::row;
use super::sets::{
    CGROUPS, KEYED, LOOKED_UP, PEEKED, PER_CPU, PERF, QUEUES, WITH_COARSE_TIME, WITH_EVENTS,
};
use crate::abi::helper::ArgKind::{
    AlignedWrite, Anything, Context, Map, MapKey, MapValue, MapValueWrite, MemRead, MemReadOrNull,
    MemUpdate, MemWrite, MemWriteOrNull, Size, SizeOrZero, Text,
};
use crate::abi::helper::HelperSig;
use crate::abi::helper::RetKind::{self, Integer, Written};

pub(super) static SIGNATURES: &[HelperSig] = &[
    row(1, "map_lookup_elem", &[Map, MapKey], RetKind::MapValueOrNull)
        .on_maps(LOOKED_UP)
        .with_packet_memory(),
    row(2, "map_update_elem", &[Map, MapKey, MapValue, Anything], Integer)
        .on_maps(KEYED)
        .with_packet_memory(),
    row(3, "map_delete_elem", &[Map, MapKey], Integer).on_maps(KEYED).with_packet_memory(),
    row(14, "get_current_pid_tgid", &[], Integer),
    row(15, "get_current_uid_gid", &[], Integer),
    row(16, "get_current_comm", &[MemWrite, Size], Integer),
    row(17, "get_cgroup_classid", &[], Integer),
    row(22, "perf_event_read", &[Map, Anything], Integer).on_maps(PERF),
    row(25, "perf_event_output", &[Context, Map, Anything, MemRead, SizeOrZero], Integer)
        .for_types(WITH_EVENTS)
        .on_maps(PERF),
    row(35, "get_current_task", &[], Integer),
    row(37, "current_task_under_cgroup", &[Map, Anything], Integer).on_maps(CGROUPS),
    row(42, "get_numa_node_id", &[], Integer),
    row(55, "perf_event_read_value", &[Map, Anything, MemWrite, Size], Integer).on_maps(PERF),
    row(80, "get_current_cgroup_id", &[], Integer),
    row(87, "map_push_elem", &[Map, MapValue, Anything], Integer)
        .on_maps(PEEKED)
        .with_packet_memory(),
    row(88, "map_pop_elem", &[Map, MapValueWrite], Integer).on_maps(QUEUES),
    row(89, "map_peek_elem", &[Map, MapValueWrite], Integer).on_maps(PEEKED),
    row(105, "strtol", &[MemRead, Size, Anything, AlignedWrite(8)], Integer),
    row(106, "strtoul", &[MemRead, Size, Anything, AlignedWrite(8)], Integer),
    row(109, "send_signal", &[Anything], Integer),
    row(112, "probe_read_user", &[MemWrite, SizeOrZero, Anything], Integer),
    row(113, "probe_read_kernel", &[MemWrite, SizeOrZero, Anything], Integer),
    row(114, "probe_read_user_str", &[MemWrite, SizeOrZero, Anything], Written),
    row(115, "probe_read_kernel_str", &[MemWrite, SizeOrZero, Anything], Written),
    row(117, "send_signal_thread", &[Anything], Integer),
    row(118, "jiffies64", &[], Integer),
    row(120, "get_ns_current_pid_tgid", &[Anything, Anything, MemWrite, Size], Integer),
    row(123, "get_current_ancestor_cgroup_id", &[Anything], Integer),
    row(125, "ktime_get_boot_ns", &[], Integer),
    row(148, "copy_from_user", &[MemWrite, SizeOrZero, Anything], Integer),
    row(149, "snprintf_btf", &[MemUpdate, Size, MemRead, Size, Anything], Integer),
    row(160, "ktime_get_coarse_ns", &[], Integer).for_types(WITH_COARSE_TIME),
    row(165, "snprintf", &[MemWriteOrNull, SizeOrZero, Text, MemReadOrNull, SizeOrZero], Integer),
    row(176, "get_branch_snapshot", &[MemWrite, SizeOrZero], Integer),
    row(177, "trace_vprintk", &[MemRead, Size, MemReadOrNull, SizeOrZero], Integer),
    row(182, "strncmp", &[MemRead, Size, Text], Integer),
    row(195, "map_lookup_percpu_elem", &[Map, MapKey, Anything], RetKind::MapValueOrNull)
        .on_maps(PER_CPU)
        .with_packet_memory(),
    row(208, "ktime_get_tai_ns", &[], Integer),
];
