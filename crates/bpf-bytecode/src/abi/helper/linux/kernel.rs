//! Helpers that work on structures of the kernel, on dynptrs, locks and timers,
//! and that call functions of the program.

use super::row;
use super::sets::{CGRP_STORAGE, NETWORK, RING, SYSCALL, TASK_STORAGE, TIMED, USER_RING};
use crate::abi::helper::ArgKind::{
    AllocSize, Anything, Callback, CallbackContext, Dynptr, DynptrInit, DynptrRelease,
    KernelStruct, KernelStructOrNull, Kptr, LaterCallback, Map, MapValueOrNull, MemRead, MemWrite,
    Size, SizeOrZero, SocketCommon, SpinLock, SystemCall, Timer,
};
use crate::abi::helper::HelperSig;
use crate::abi::helper::RetKind::{self, DynptrMemOrNull, Integer, Void, Written};

pub(super) static SIGNATURES: &[HelperSig] = &[
    row(93, "spin_lock", &[SpinLock], Void),
    row(94, "spin_unlock", &[SpinLock], Void),
    row(136, "skc_to_tcp6_sock", &[SocketCommon], RetKind::KernelStruct).for_types(NETWORK),
    row(137, "skc_to_tcp_sock", &[SocketCommon], RetKind::KernelStruct).for_types(NETWORK),
    row(138, "skc_to_tcp_timewait_sock", &[SocketCommon], RetKind::KernelStruct).for_types(NETWORK),
    row(139, "skc_to_tcp_request_sock", &[SocketCommon], RetKind::KernelStruct).for_types(NETWORK),
    row(140, "skc_to_udp6_sock", &[SocketCommon], RetKind::KernelStruct).for_types(NETWORK),
    row(141, "get_task_stack", &[KernelStruct, MemWrite, SizeOrZero, Anything], Written),
    row(153, "per_cpu_ptr", &[KernelStruct, Anything], RetKind::KernelStruct),
    row(154, "this_cpu_ptr", &[KernelStruct], RetKind::KernelStruct),
    row(
        156,
        "task_storage_get",
        &[Map, KernelStructOrNull, MapValueOrNull, Anything],
        RetKind::MapValueOrNull,
    )
    .on_maps(TASK_STORAGE),
    row(157, "task_storage_delete", &[Map, KernelStructOrNull], Integer).on_maps(TASK_STORAGE),
    row(158, "get_current_task_btf", &[], RetKind::KernelStruct),
    row(166, "sys_bpf", &[Anything, SystemCall, Size], Integer).for_types(SYSCALL),
    row(169, "timer_init", &[Timer, Map, Anything], Integer).on_maps(TIMED),
    row(170, "timer_set_callback", &[Timer, LaterCallback], Integer),
    row(171, "timer_start", &[Timer, Anything, Anything], Integer),
    row(172, "timer_cancel", &[Timer], Integer),
    row(175, "task_pt_regs", &[KernelStruct], RetKind::KernelStruct),
    row(178, "skc_to_unix_sock", &[SocketCommon], RetKind::KernelStruct).for_types(NETWORK),
    row(180, "find_vma", &[KernelStruct, Anything, Callback, CallbackContext, Anything], Integer),
    row(191, "copy_from_user_task", &[MemWrite, SizeOrZero, Anything, KernelStruct], Integer),
    row(194, "kptr_xchg", &[Kptr, KernelStructOrNull], RetKind::KernelStruct),
    row(196, "skc_to_mptcp_sock", &[SocketCommon], RetKind::KernelStruct).for_types(NETWORK),
    row(197, "dynptr_from_mem", &[MemWrite, SizeOrZero, Anything, DynptrInit], Integer),
    row(198, "ringbuf_reserve_dynptr", &[Map, Anything, Anything, DynptrInit], Integer)
        .on_maps(RING),
    row(199, "ringbuf_submit_dynptr", &[DynptrRelease, Anything], Void),
    row(200, "ringbuf_discard_dynptr", &[DynptrRelease, Anything], Void),
    row(201, "dynptr_read", &[MemWrite, SizeOrZero, Dynptr, Anything, Anything], Integer),
    row(202, "dynptr_write", &[Dynptr, Anything, MemRead, SizeOrZero, Anything], Integer),
    row(203, "dynptr_data", &[Dynptr, Anything, AllocSize], DynptrMemOrNull),
    row(209, "user_ringbuf_drain", &[Map, Callback, CallbackContext, Anything], Integer)
        .on_maps(USER_RING),
    row(
        210,
        "cgrp_storage_get",
        &[Map, KernelStructOrNull, MapValueOrNull, Anything],
        RetKind::MapValueOrNull,
    )
    .on_maps(CGRP_STORAGE),
    row(211, "cgrp_storage_delete", &[Map, KernelStructOrNull], Integer).on_maps(CGRP_STORAGE),
];
