//! Helpers for programs at probes and tracepoints.

use super::row;
use super::sets::{PERF_EVENT, STACK_TRACE, TRACING};
use crate::abi::helper::ArgKind::{
    Anything, Context, Map, MemRead, MemWrite, MemWriteOrNull, Size, SizeOrZero,
};
use crate::abi::helper::HelperSig;
use crate::abi::helper::RetKind::{Integer, Written};
use crate::abi::prog_type::BpfProgType;

pub(super) static SIGNATURES: &[HelperSig] = &[
    row(4, "probe_read", &[MemWrite, SizeOrZero, Anything], Integer).for_types(TRACING),
    row(27, "get_stackid", &[Context, Map, Anything], Integer)
        .for_types(TRACING)
        .on_maps(STACK_TRACE),
    row(36, "probe_write_user", &[Anything, MemRead, Size], Integer).for_types(TRACING),
    row(45, "probe_read_str", &[MemWrite, SizeOrZero, Anything], Written).for_types(TRACING),
    row(56, "perf_prog_read_value", &[Context, MemWrite, Size], Integer).for_types(PERF_EVENT),
    row(58, "override_return", &[Context, Anything], Integer).for_types(&[BpfProgType::Kprobe]),
    row(67, "get_stack", &[Context, MemWrite, SizeOrZero, Anything], Written).for_types(TRACING),
    row(119, "read_branch_records", &[Context, MemWriteOrNull, SizeOrZero, Anything], Integer)
        .for_types(PERF_EVENT),
    row(173, "get_func_ip", &[Context], Integer).for_types(&[BpfProgType::Kprobe]),
    row(174, "get_attach_cookie", &[Context], Integer).for_types(TRACING),
];
