//! Helper functions: numbers, names and signatures, as Linux defines them.

use crate::abi::map::MapType;
use crate::program::BpfProgType;

/// What a helper expects in one of R1 to R5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArgKind {
    /// The helper takes no further argument.
    None,
    /// Any initialised value.
    Anything,
    /// Whatever the register holds, initialised or not: the helper reads it
    /// only where another argument says so. Linux declares no argument here.
    Unchecked,
    /// The program's context, as it came in R1.
    Context,
    /// A map of the program's definitions, of one of the types that
    /// [`HelperSig::map_types`] lists.
    Map,
    /// Initialised memory of the map's key size.
    MapKey,
    /// Initialised memory of the map's value size.
    MapValue,
    /// Initialised memory, read by the helper; its size is the next argument.
    MemRead,
    /// Memory that the helper fills; its size is the next argument.
    MemWrite,
    /// As [`MemRead`](Self::MemRead), or a null pointer with size 0.
    MemReadOrNull,
    /// Size of the memory in the argument before, in bytes, at least 1.
    Size,
    /// Size of the memory in the argument before, in bytes, 0 included.
    SizeOrZero,
    /// A constant size of the memory that the helper returns, in bytes.
    AllocSize,
    /// The start of memory that a reserving helper returned; released here.
    AllocMem,
}

/// What a helper leaves in R0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RetKind {
    /// A number.
    Integer,
    /// Nothing; R0 is not readable afterwards.
    Void,
    /// A value of the map in the first argument, or null.
    MapValueOrNull,
    /// Reserved memory of the size in an [`ArgKind::AllocSize`] argument, or
    /// null; to be released on every path.
    AllocMemOrNull,
}

/// A helper's signature: what the verifier must know about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "independent properties, each named")]
pub struct HelperSig {
    /// Number in a call instruction.
    pub id: u32,
    /// Linux's name, without the prefix `bpf_`.
    pub name: &'static str,
    /// Arguments in R1 to R5.
    pub args: [ArgKind; 5],
    /// Result in R0.
    pub ret: RetKind,
    /// Map types that an [`ArgKind::Map`] argument may have.
    pub map_types: &'static [MapType],
    /// Program types that may call it; all, where empty.
    pub prog_types: &'static [BpfProgType],
    /// Whether memory arguments may lie in the packet.
    pub packet_memory: bool,
    /// Whether pointers into the packet are invalid afterwards.
    pub moves_packet: bool,
    /// Whether it may be called from an interrupt.
    pub interrupt_safe: bool,
    /// Whether it takes storage from an allocator.
    pub allocates: bool,
}

impl HelperSig {
    /// A signature without maps and restrictions.
    pub const fn new(id: u32, name: &'static str, args: [ArgKind; 5], ret: RetKind) -> Self {
        Self {
            id,
            name,
            args,
            ret,
            map_types: &[],
            prog_types: &[],
            packet_memory: false,
            moves_packet: false,
            interrupt_safe: true,
            allocates: false,
        }
    }

    /// The same signature for maps of these types.
    #[must_use]
    pub const fn on_maps(self, map_types: &'static [MapType]) -> Self {
        Self { map_types, ..self }
    }

    /// The same signature for programs of these types only.
    #[must_use]
    pub const fn for_types(self, prog_types: &'static [BpfProgType]) -> Self {
        Self { prog_types, ..self }
    }

    /// The same signature of a helper whose memory may lie in the packet.
    #[must_use]
    pub const fn with_packet_memory(self) -> Self {
        Self { packet_memory: true, ..self }
    }

    /// The same signature of a helper that moves the packet.
    #[must_use]
    pub const fn moving_packet(self) -> Self {
        Self { moves_packet: true, ..self }
    }

    /// The same signature of a helper that may not be called from an interrupt.
    #[must_use]
    pub const fn not_in_interrupts(self) -> Self {
        Self { interrupt_safe: false, ..self }
    }

    /// Whether programs of this type may call the helper.
    pub fn allows(&self, prog_type: BpfProgType) -> bool {
        self.prog_types.is_empty() || self.prog_types.contains(&prog_type)
    }
}

/// Numbers of the helpers of the standard environment.
#[allow(missing_docs, reason = "the names are the helpers' names")]
pub mod id {
    pub const MAP_LOOKUP_ELEM: u32 = 1;
    pub const MAP_UPDATE_ELEM: u32 = 2;
    pub const MAP_DELETE_ELEM: u32 = 3;
    pub const KTIME_GET_NS: u32 = 5;
    pub const TRACE_PRINTK: u32 = 6;
    pub const GET_PRANDOM_U32: u32 = 7;
    pub const GET_SMP_PROCESSOR_ID: u32 = 8;
    pub const TAIL_CALL: u32 = 12;
    pub const SKB_LOAD_BYTES: u32 = 26;
    pub const CSUM_DIFF: u32 = 28;
    pub const XDP_ADJUST_HEAD: u32 = 44;
    pub const XDP_ADJUST_TAIL: u32 = 65;
    pub const RINGBUF_OUTPUT: u32 = 130;
    pub const RINGBUF_RESERVE: u32 = 131;
    pub const RINGBUF_SUBMIT: u32 = 132;
    pub const RINGBUF_DISCARD: u32 = 133;
    pub const RINGBUF_QUERY: u32 = 134;
}

/// The helpers of the standard environment, by ascending number.
pub const STANDARD: &[HelperSig] = {
    use ArgKind::{
        AllocMem, AllocSize, Anything, Context, Map, MapKey, MapValue, MemRead, MemReadOrNull,
        MemWrite, None, Size, SizeOrZero, Unchecked,
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
        .for_types(SKB),
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
        .moving_packet(),
        HelperSig::new(
            id::XDP_ADJUST_TAIL,
            "xdp_adjust_tail",
            [Context, Anything, None, None, None],
            Integer,
        )
        .for_types(&[BpfProgType::Xdp])
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
    ]
};

/// The helper of this number in `table`, which is sorted by number.
pub fn find(table: &[HelperSig], id: u32) -> Option<&HelperSig> {
    let at = table.binary_search_by_key(&id, |sig| sig.id).ok()?;
    table.get(at)
}
