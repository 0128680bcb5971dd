//! What the verifier gives for a program that it accepted.

use core::fmt;

use bpf_bytecode::abi::context::FieldKind;
use bpf_bytecode::abi::map::MapDef;
use bpf_bytecode::{BpfInsn, BpfProgType, BpfProgram};
use bpf_profile::config::PROGRAM_CAPACITY;
use bpf_profile::{MemoryStrategy, PhysicalProfile};

use crate::policy::StackPolicy;

/// What is known about one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum InsnFact {
    /// No execution reaches the slot, or it is the second half of an
    /// instruction.
    #[default]
    Unreached,
    /// Loads one of the context's addresses, as 64 bits.
    ContextPointer(FieldKind),
    /// Stores to a field of the context that does not keep what is stored as it
    /// is.
    ContextField,
    // From here on, instructions that do what they say: told from the others at once.
    /// Reached; no access to memory.
    Plain,
    /// Accesses the stack of some frame of the chain.
    Stack,
    /// Accesses plain bytes of the context.
    Context,
    /// Accesses the packet or its metadata.
    Packet,
    /// Accesses a map's value.
    MapValue,
    /// Accesses memory that a helper reserved.
    Reserved,
    /// Accesses plain memory of one kind on some paths and of another on others;
    /// never the context.
    Memory,
    /// Loads an address of the context that only the kernel has that the program was verified
    /// for. No engine of this project runs it, or what accesses such things.
    Kernel,
    /// Accesses a socket of such a kernel. As it translates the fields of each kind by a table of
    /// its own, an instruction accesses one kind alone.
    KernelSocket,
    /// Accesses a TCP socket of such a kernel.
    KernelTcpSocket,
    /// Accesses an XDP socket of such a kernel.
    KernelXdpSocket,
    /// Accesses the keys of a flow, in such a kernel: plain memory. Where it accesses other plain
    /// memory, too, it is [`Memory`](Self::Memory).
    KernelFlowKeys,
}

impl InsnFact {
    pub(crate) const fn to_bits(self) -> u32 {
        match self {
            Self::Unreached => 0,
            Self::Plain => 1,
            Self::Stack => 2,
            Self::Context => 3,
            Self::Packet => 4,
            Self::MapValue => 5,
            Self::Reserved => 6,
            Self::Memory => 7,
            Self::ContextPointer(FieldKind::Scalar) => 8,
            Self::ContextPointer(FieldKind::PacketData) => 9,
            Self::ContextPointer(FieldKind::PacketEnd) => 10,
            Self::ContextPointer(FieldKind::PacketMeta) => 11,
            Self::ContextPointer(FieldKind::Half) => 12,
            Self::ContextPointer(FieldKind::Queue) => 13,
            Self::ContextField => 14,
            // Such addresses are facts of kind `Kernel`.
            Self::Kernel | Self::ContextPointer(_) => 15,
            Self::KernelSocket => 16,
            Self::KernelTcpSocket => 17,
            Self::KernelXdpSocket => 18,
            Self::KernelFlowKeys => 19,
        }
    }

    pub(crate) const fn from_bits(bits: u32) -> Self {
        match bits {
            1 => Self::Plain,
            2 => Self::Stack,
            3 => Self::Context,
            4 => Self::Packet,
            5 => Self::MapValue,
            6 => Self::Reserved,
            7 => Self::Memory,
            8 => Self::ContextPointer(FieldKind::Scalar),
            9 => Self::ContextPointer(FieldKind::PacketData),
            10 => Self::ContextPointer(FieldKind::PacketEnd),
            11 => Self::ContextPointer(FieldKind::PacketMeta),
            12 => Self::ContextPointer(FieldKind::Half),
            13 => Self::ContextPointer(FieldKind::Queue),
            14 => Self::ContextField,
            15 => Self::Kernel,
            16 => Self::KernelSocket,
            17 => Self::KernelTcpSocket,
            18 => Self::KernelXdpSocket,
            19 => Self::KernelFlowKeys,
            _ => Self::Unreached,
        }
    }
}

/// The facts of a program, one per slot.
pub type Facts<P> =
    <<P as PhysicalProfile>::Memory as MemoryStrategy>::Vec<InsnFact, PROGRAM_CAPACITY>;

/// What was proven about a program as a whole, and what the proof took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct VerifiedInfo {
    /// Instructions that one execution executes at the most, a tail call's
    /// target not counted.
    pub max_insns: u64,
    /// Worst-case execution time in the units of the cost table.
    #[cfg(feature = "embedded-profile")]
    pub wcet: u64,
    /// Bytes of stack that the deepest call chain uses.
    pub stack_bytes: usize,
    /// Frames of the deepest call chain, 1 without calls.
    pub frames: usize,
    /// Bytes that the context must have.
    pub context_bytes: usize,
    /// Whether the program can tail-call.
    pub tail_calls: bool,
    /// The maps whose contents the proof rests on, one bit for each by its
    /// index: live ones must be frozen with what the program carries.
    pub known_maps: u64,
    /// Whether the program may read stack bytes that it has not written. Engines
    /// have zeros there: they enter every function with a frame of zeros, and
    /// may leave that out where the program does not read them.
    pub unwritten_reads: bool,
    /// The policy that was verified against.
    pub stack_policy: StackPolicy,
    /// Fingerprint of the helper table that was verified against.
    pub helpers: u64,
    /// Instructions that the verifier walked, as in `processed N insns`.
    pub processed: u64,
    /// States kept for pruning, all together.
    pub total_states: u32,
    /// States kept at one time, at the most.
    pub peak_states: u32,
    /// Bytes of working memory used at the most.
    pub workspace_bytes: usize,
}

/// A program that the verifier accepted. Only the verifier makes one.
///
/// It is bound to the map definitions it carries and to the helper table whose
/// fingerprint is in [`VerifiedInfo::helpers`].
pub struct VerifiedProgram<P: PhysicalProfile> {
    program: BpfProgram<P>,
    facts: FactStore<P>,
    info: VerifiedInfo,
}

/// Where the facts are.
enum FactStore<P: PhysicalProfile> {
    Owned(Facts<P>),
    Static(&'static [InsnFact]),
}

impl<P: PhysicalProfile> VerifiedProgram<P> {
    pub(crate) const fn new(program: BpfProgram<P>, facts: Facts<P>, info: VerifiedInfo) -> Self {
        Self { program, facts: FactStore::Owned(facts), info }
    }

    pub(crate) const fn with_static_facts(
        program: BpfProgram<P>,
        facts: &'static [InsnFact],
        info: VerifiedInfo,
    ) -> Self {
        Self { program, facts: FactStore::Static(facts), info }
    }

    /// The program.
    pub const fn program(&self) -> &BpfProgram<P> {
        &self.program
    }

    /// The program's slots.
    pub fn insns(&self) -> &[BpfInsn] {
        self.program.insns()
    }

    /// The program's type.
    pub const fn prog_type(&self) -> BpfProgType {
        self.program.prog_type()
    }

    /// The definitions that live maps must match.
    pub fn map_defs(&self) -> &[MapDef] {
        self.program.map_defs()
    }

    /// One fact per slot.
    pub fn facts(&self) -> &[InsnFact] {
        match &self.facts {
            FactStore::Owned(facts) => facts,
            FactStore::Static(facts) => facts,
        }
    }

    /// What is known about slot `pc`; beyond the program, that nothing reaches it.
    pub fn fact(&self, pc: usize) -> InsnFact {
        self.facts().get(pc).copied().unwrap_or_default()
    }

    /// What was proven about the program as a whole.
    pub const fn info(&self) -> &VerifiedInfo {
        &self.info
    }
}

impl<P: PhysicalProfile> fmt::Debug for VerifiedProgram<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedProgram")
            .field("program", &self.program)
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}
