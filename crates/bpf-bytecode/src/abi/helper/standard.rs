//! The helpers that this project's engines have.

use super::{ArgKind, HelperSig, RetKind, id};
use crate::abi::context::CtxForm;
use crate::abi::map::MapType;
use crate::abi::prog_type::BpfProgType;

/// The helpers of the standard environment, by ascending number.
pub const STANDARD: &[HelperSig] = {
    use ArgKind::{
        AllocMem, AllocSize, Anything, Callback, CallbackContext, Context, Map, MapKey, MapValue,
        MemRead, MemReadOrNull, MemWrite, None, Size, SizeOrZero, Unchecked,
    };
    use RetKind::{AllocMemOrNull, Integer, MapValueOrNull, Void};
    const KEYED: &[MapType] = &[
        MapType::Hash,
        MapType::Array,
        MapType::PerCpuHash,
        MapType::PerCpuArray,
        MapType::LruHash,
        MapType::LpmTrie,
    ];
    const ENUMERABLE: &[MapType] = &[
        MapType::Hash,
        MapType::Array,
        MapType::PerCpuHash,
        MapType::PerCpuArray,
        MapType::LruHash,
    ];
    const RING: &[MapType] = &[MapType::RingBuf];
    const SKB: &[BpfProgType] = &[
        BpfProgType::SocketFilter,
        BpfProgType::SchedCls,
        BpfProgType::SchedAct,
        BpfProgType::CgroupSkb,
    ];
    const NETWORK: &[BpfProgType] =
        &[BpfProgType::SchedCls, BpfProgType::SchedAct, BpfProgType::Xdp];
    &[
        HelperSig::new(
            id::MAP_LOOKUP_ELEM,
            "map_lookup_elem",
            [Map, MapKey, None, None, None],
            MapValueOrNull,
        )
        .on_maps(KEYED)
        .with_packet_memory(),
        HelperSig::new(
            id::MAP_UPDATE_ELEM,
            "map_update_elem",
            [Map, MapKey, MapValue, Anything, None],
            Integer,
        )
        .on_maps(KEYED)
        .with_packet_memory(),
        HelperSig::new(
            id::MAP_DELETE_ELEM,
            "map_delete_elem",
            [Map, MapKey, None, None, None],
            Integer,
        )
        .on_maps(KEYED)
        .with_packet_memory(),
        HelperSig::new(id::KTIME_GET_NS, "ktime_get_ns", [None; 5], Integer),
        HelperSig::new(
            id::TRACE_PRINTK,
            "trace_printk",
            [MemRead, Size, Unchecked, Unchecked, Unchecked],
            Integer,
        )
        .not_in_interrupts(),
        HelperSig::new(id::GET_PRANDOM_U32, "get_prandom_u32", [None; 5], Integer),
        HelperSig::new(id::GET_SMP_PROCESSOR_ID, "get_smp_processor_id", [None; 5], Integer),
        HelperSig::new(id::TAIL_CALL, "tail_call", [Context, Map, Anything, None, None], Void)
            .on_maps(&[MapType::ProgArray]),
        HelperSig::new(
            id::SKB_LOAD_BYTES,
            "skb_load_bytes",
            [Context, Anything, MemWrite, Size, None],
            Integer,
        )
        .for_types(SKB)
        .over(CtxForm::SkBuff),
        HelperSig::new(
            id::CSUM_DIFF,
            "csum_diff",
            [MemReadOrNull, SizeOrZero, MemReadOrNull, SizeOrZero, Anything],
            Integer,
        )
        .for_types(NETWORK)
        .with_packet_memory(),
        HelperSig::new(
            id::XDP_ADJUST_HEAD,
            "xdp_adjust_head",
            [Context, Anything, None, None, None],
            Integer,
        )
        .for_types(&[BpfProgType::Xdp])
        .over(CtxForm::Xdp)
        .moving_packet(),
        HelperSig::new(
            id::XDP_ADJUST_TAIL,
            "xdp_adjust_tail",
            [Context, Anything, None, None, None],
            Integer,
        )
        .for_types(&[BpfProgType::Xdp])
        .over(CtxForm::Xdp)
        .moving_packet(),
        HelperSig::new(
            id::RINGBUF_OUTPUT,
            "ringbuf_output",
            [Map, MemRead, SizeOrZero, Anything, None],
            Integer,
        )
        .on_maps(RING),
        HelperSig::new(
            id::RINGBUF_RESERVE,
            "ringbuf_reserve",
            [Map, AllocSize, Anything, None, None],
            AllocMemOrNull,
        )
        .on_maps(RING),
        HelperSig::new(
            id::RINGBUF_SUBMIT,
            "ringbuf_submit",
            [AllocMem, Anything, None, None, None],
            Void,
        ),
        HelperSig::new(
            id::RINGBUF_DISCARD,
            "ringbuf_discard",
            [AllocMem, Anything, None, None, None],
            Void,
        ),
        HelperSig::new(
            id::RINGBUF_QUERY,
            "ringbuf_query",
            [Map, Anything, None, None, None],
            Integer,
        )
        .on_maps(RING),
        HelperSig::new(
            id::FOR_EACH_MAP_ELEM,
            "for_each_map_elem",
            [Map, Callback, CallbackContext, Anything, None],
            Integer,
        )
        .on_maps(ENUMERABLE),
        HelperSig::new(
            id::LOOP,
            "loop",
            [Anything, Callback, CallbackContext, Anything, None],
            Integer,
        ),
    ]
};
