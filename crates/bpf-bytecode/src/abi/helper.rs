//! Helper functions: numbers, names and signatures, as Linux defines them.

use crate::abi::context::CtxForm;
use crate::abi::map::MapType;
use crate::abi::prog_type::{BpfProgType, ProgTypes};

mod kind;
mod linux;
mod standard;

pub use kind::{ArgKind, MemSize, Memory, RetKind};
pub use linux::{LINUX, tables_with};
pub use standard::STANDARD;

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
    /// Program types that may call it.
    pub prog_types: ProgTypes,
    /// Attach types of programs that may call it, as Linux numbers them; all,
    /// where empty.
    pub attach: &'static [u32],
    /// What the context has to be, where the helper works on what is behind it.
    pub form: Option<CtxForm>,
    /// Whether memory arguments may lie in the packet.
    pub packet_memory: bool,
    /// Whether pointers into the packet are invalid afterwards.
    pub moves_packet: bool,
    /// Whether it may be called from an interrupt.
    pub interrupt_safe: bool,
    /// Whether it takes storage from an allocator.
    pub allocates: bool,
    /// Whether what it returns has to be released on every path.
    pub acquires: bool,
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
            prog_types: ProgTypes::ALL,
            form: None,
            attach: &[],
            acquires: false,
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
    pub const fn for_types(self, types: &[BpfProgType]) -> Self {
        Self { prog_types: ProgTypes::of(types), ..self }
    }

    /// The same signature for programs that are attached there only.
    #[must_use]
    pub const fn attached(self, attach: &'static [u32]) -> Self {
        Self { attach, ..self }
    }

    /// The same signature of a helper that works on what is behind the context,
    /// which has to be of this form.
    #[must_use]
    pub const fn over(self, form: CtxForm) -> Self {
        Self { form: Some(form), ..self }
    }

    /// The same signature of a helper whose result has to be released.
    #[must_use]
    pub const fn acquiring(self) -> Self {
        Self { acquires: true, ..self }
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

    /// Whether the helper gives a number or nothing, and takes nothing that the
    /// verifier has to keep count of.
    pub const fn is_plain(&self) -> bool {
        let mut rest: &[ArgKind] = &self.args;
        while let [arg, more @ ..] = rest {
            if !arg.is_plain() {
                return false;
            }
            rest = more;
        }
        self.ret.is_plain() && !self.acquires
    }

    /// Whether programs of this type may call the helper.
    pub const fn allows(&self, prog_type: BpfProgType) -> bool {
        let form = match (self.form, prog_type.context().form) {
            (None, _) => true,
            (Some(needed), form) => needed as u8 == form as u8,
        };
        let mut attached = self.attach.is_empty();
        let mut rest = self.attach;
        while let [attach, more @ ..] = rest {
            let here = prog_type.def().attach;
            attached |= matches!(here, Some(here) if here == *attach);
            rest = more;
        }
        form && attached && self.prog_types.meets(prog_type.def().helpers)
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
    pub const FOR_EACH_MAP_ELEM: u32 = 164;
    pub const LOOP: u32 = 181;
}

/// The helper of this number in `table`, which is sorted by number.
pub fn find(table: &[HelperSig], id: u32) -> Option<&HelperSig> {
    // Numbers are given out one after the other: it lies at its own, or as far before that
    // as numbers are left out.
    let end = table.len().min((id as usize).saturating_add(1));
    let near = table.get(..end)?.iter().rev().find(|sig| sig.id <= id)?;
    (near.id == id).then_some(near)
}
