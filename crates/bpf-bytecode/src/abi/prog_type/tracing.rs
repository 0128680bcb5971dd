//! Programs at probes and tracepoints, and those that a user calls.

use super::ProgTypeDef;
use crate::abi::context::{CtxField, CtxLayout, FieldKind, Sizes};

/// All of the first `size` bytes, read-only.
const fn whole(size: u16) -> CtxField {
    CtxField::scalars(0, size, Sizes::ALL)
}

const PT_REGS: CtxLayout =
    CtxLayout::bytes(168, &[whole(168)]).named(&["bpf_user_pt_regs_t", "pt_regs"]);

// The first eight bytes of a record belong to the kernel.
const RECORD: CtxLayout = CtxLayout::bytes(8192, &[CtxField::scalars(8, 8192, Sizes::ALL)]);

const EVENT: CtxLayout = CtxLayout::bytes(
    184,
    &[CtxField::scalars(0, 168, Sizes::ONLY_8), CtxField::scalars(168, 184, Sizes::ALL)],
)
.named(&["bpf_perf_event_data"]);

const RAW_ARGS: CtxLayout = CtxLayout::bytes(96, &[whole(96)]).named(&["bpf_raw_tracepoint_args"]);

/// The first one as a whole is a buffer of the tracepoint's, whose size is known where the
/// program is attached; parts of it are numbers.
const RAW_BUFFER: CtxLayout = CtxLayout::bytes(
    96,
    &[CtxField::pointer(0, FieldKind::KernelStruct), CtxField::scalars(1, 96, Sizes::ALL)],
)
.named(&["bpf_raw_tracepoint_args"]);

const ARGUMENTS: CtxLayout = CtxLayout::bytes(u16::MAX, &[whole(u16::MAX).written(Sizes::ALL)]);

pub(super) static KPROBE: ProgTypeDef = ProgTypeDef::new(2, "kprobe", PT_REGS).in_sections(&[
    "kprobe+",
    "kretprobe+",
    "kprobe.multi+",
    "kretprobe.multi+",
    "kprobe.session+",
    "ksyscall+",
    "kretsyscall+",
    "uprobe+",
    "uprobe.s+",
    "uretprobe+",
    "uretprobe.s+",
    "uprobe.multi+",
    "uprobe.multi.s+",
    "uretprobe.multi+",
    "uretprobe.multi.s+",
    "uprobe.session+",
    "uprobe.session.s+",
    "usdt+",
    "usdt.s+",
]);

pub(super) static TRACEPOINT: ProgTypeDef =
    ProgTypeDef::new(5, "tracepoint", RECORD).in_sections(&["tracepoint+", "tp+"]);

pub(super) static PERF_EVENT: ProgTypeDef =
    ProgTypeDef::new(7, "perf_event", EVENT).in_sections(&["perf_event+"]);

pub(super) static RAW_TRACEPOINT: ProgTypeDef =
    ProgTypeDef::new(17, "raw_tracepoint", RAW_ARGS).in_sections(&["raw_tracepoint+", "raw_tp+"]);

pub(super) static RAW_TRACEPOINT_WRITABLE: ProgTypeDef =
    ProgTypeDef::new(24, "raw_tracepoint_writable", RAW_BUFFER)
        .in_sections(&["raw_tracepoint.w+", "raw_tp.w+"]);

pub(super) static SYSCALL: ProgTypeDef =
    ProgTypeDef::new(31, "syscall", ARGUMENTS).in_sections(&["syscall"]);
