//! The operations.

use bpf_bytecode::abi::context::FieldKind;
use bpf_bytecode::instruction::Operand;
use bpf_bytecode::opcode::{AluOp, AtomicOp, Cond, Size, Width};
use bpf_bytecode::{BpfInsn, Register};
use bpf_interp::Fault;

use super::{Effect, Registers};

/// Whether a program's accesses are checked when they happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The verifier proved every access and a bound on the instructions.
    Proven,
    /// Nothing is known: every access is resolved, every instruction counted.
    Checked,
}

/// A slot of a program that was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Slot.
    pub pc: u32,
    /// What its operation reads and writes.
    pub effect: Effect,
    /// Its instruction, which says what the operation is, alone or with the
    /// [program](super::Lowered::op).
    pub(super) insn: BpfInsn,
}

impl Step {
    /// The instruction of a slot and its effect.
    #[inline(always)]
    pub const fn new(pc: u32, effect: Effect, insn: BpfInsn) -> Self {
        Self { pc, effect, insn }
    }

    /// Where control goes from it, if its instruction says what it does.
    #[inline]
    pub(super) fn turn(&self) -> Turn {
        if !self.effect.turns() {
            return Turn::On;
        }
        if !self.effect.names_slot() {
            return Turn::End;
        }
        let target = super::translate::named(self.pc, self.insn);
        // A branch compares.
        if self.effect.reads().is_empty() { Turn::Jump(target) } else { Turn::Perhaps(target) }
    }

    /// Whether it is reached, and an exit.
    pub fn is_exit(&self) -> bool {
        !self.effect.is_special() && super::shape::is_exit(self.insn)
    }

    /// Whether it is a load of what the program or others have stored.
    pub fn is_load(&self) -> bool {
        !self.effect.is_special() && super::shape::is_load(self.insn)
    }

    /// The place of which it loads a register, or in which it stores the one that is given, too.
    pub fn place(&self) -> Option<(Address, Option<Register>)> {
        if self.effect.is_special() {
            return None;
        }
        super::shape::place(self.insn)
    }

    /// Whether it may be a move of a register or of a number: false where it is none.
    pub fn may_move(&self) -> bool {
        self.effect.is_special() || super::shape::is_move(self.insn)
    }

    /// Whether it is a multiplication.
    pub fn is_product(&self) -> bool {
        !self.effect.is_special() && super::shape::is_product(self.insn)
    }

    /// Whether it changes a register, and may do so by arithmetic; false where it does not.
    pub fn may_change(&self, register: Register) -> bool {
        self.effect.is_pure() && self.effect.writes() == Registers::of(register)
    }

    /// Whether it may make more of bytes that were loaded from `base`, the last into
    /// `loaded`: it loads others, moves them, or shifts them.
    pub fn may_go_on(&self, loaded: Register, base: Register) -> bool {
        self.effect.is_special() || super::shape::may_go_on(self.insn, loaded, base)
    }

    /// Slot, as an index.
    pub fn slot(&self) -> usize {
        usize::try_from(self.pc).unwrap_or(usize::MAX)
    }
}

/// What something makes of an operation: a function that is compiled wherever it is asked.
pub trait Then {
    /// What it makes.
    type Result;

    /// Makes it; to be `inline(always)`.
    fn then(self, op: Op) -> Self::Result;

    /// The same of an operation that is rare, in a copy for all of these.
    fn rarely(self, op: Op) -> Self::Result
    where
        Self: Sized,
    {
        self.then(op)
    }
}

/// Makes nothing else of it.
pub(super) struct Itself;

impl Then for Itself {
    type Result = Op;

    #[inline(always)]
    fn then(self, op: Op) -> Op {
        op
    }
}

/// Where control goes from a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// To the slot behind it.
    On,
    /// To a slot.
    Jump(u32),
    /// To a slot, or on.
    Perhaps(u32),
    /// On, when the function at a slot has returned.
    Call(u32),
    /// Nowhere in this function.
    End,
}

impl Op {
    /// Where control goes from here.
    #[inline]
    pub const fn turn(self) -> Turn {
        match self {
            Self::Branch { target, .. } | Self::MayGoto { target } => Turn::Perhaps(target),
            Self::Jump { target } => Turn::Jump(target),
            Self::Call { target } => Turn::Call(target),
            Self::Exit | Self::Trap(_) => Turn::End,
            _ => Turn::On,
        }
    }
}

/// A place in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// Register with the address.
    pub base: Register,
    /// Bytes added to it.
    pub off: i16,
}

/// Order of an access to memory with respect to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// None.
    Relaxed,
    /// Acquire, for a load; release, for a store.
    Ordered,
}

/// Why control must not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// The verifier proved that control never comes here.
    Unreached,
    /// The instruction writes R10.
    FramePointerWrite,
    /// A reference to a map by file descriptor.
    MapDescriptor,
    /// The address of a platform variable.
    Variable,
}

impl Trap {
    /// What stops the program.
    pub const fn fault(self) -> Fault {
        match self {
            Self::Unreached => Fault::InvalidInstruction,
            Self::FramePointerWrite => Fault::FramePointerWrite,
            Self::MapDescriptor => Fault::Unsupported("map by file descriptor"),
            Self::Variable => Fault::Unsupported("platform variable"),
        }
    }
}

/// What the machine is to do. Jump targets are slots. Unless said otherwise an
/// operation of width 32 zeroes the upper half of its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Count an instruction; stop the program if none is left.
    Count,
    /// Nothing.
    Nothing,
    /// Stop the program.
    Trap(Trap),
    /// `dst = dst op src`; an immediate shift is in range.
    Alu {
        /// Operation, not a move.
        op: AluOp,
        /// Width of operands and result.
        width: Width,
        /// Destination and first operand.
        dst: Register,
        /// Second operand.
        src: Operand,
    },
    /// `dst = -dst`.
    Neg {
        /// Width of operand and result.
        width: Width,
        /// Destination and operand.
        dst: Register,
    },
    /// `dst = src`.
    Move {
        /// Width of the copy.
        width: Width,
        /// Destination.
        dst: Register,
        /// Source.
        src: Register,
    },
    /// `dst = value`.
    Const {
        /// Destination.
        dst: Register,
        /// Value.
        value: u64,
    },
    /// `dst =` the low bytes of `src`, sign-extended to `width`.
    SignExtend {
        /// Width of the result.
        width: Width,
        /// Size of what is extended.
        from: Size,
        /// Destination.
        dst: Register,
        /// Source.
        src: Register,
    },
    /// `dst =` its own low bytes, zero-extended to 64 bits.
    ZeroExtend {
        /// Size of what is extended.
        from: Size,
        /// Destination and operand.
        dst: Register,
    },
    /// `dst =` its own low bytes in reverse order, zero-extended to 64 bits.
    Swap {
        /// How many bytes: two, four or eight.
        size: Size,
        /// Destination and operand.
        dst: Register,
    },
    /// `dst =` memory, extended to 64 bits.
    Load {
        /// Bytes read.
        size: Size,
        /// Whether the value is sign-extended.
        signed: bool,
        /// Order.
        order: Order,
        /// Destination.
        dst: Register,
        /// Place.
        at: Address,
    },
    /// Memory `= src`.
    Store {
        /// Bytes written.
        size: Size,
        /// Order.
        order: Order,
        /// Place.
        at: Address,
        /// Value.
        src: Operand,
    },
    /// Store to a field of the context that does not keep what is stored as it
    /// is.
    StoreField {
        /// Bytes stored.
        size: Size,
        /// Place.
        at: Address,
        /// Value.
        src: Operand,
    },
    /// Atomic read-modify-write of memory.
    Atomic {
        /// Operation.
        op: AtomicOp,
        /// Whether the old value is returned, in `src` (in R0 for cmpxchg).
        fetch: bool,
        /// Width of memory operand and value.
        width: Width,
        /// Place.
        at: Address,
        /// Value.
        src: Register,
    },
    /// `dst =` one of the packet's addresses as it is now.
    PacketAddress {
        /// Destination.
        dst: Register,
        /// Which address.
        kind: FieldKind,
    },
    /// `dst =` what stands for a map in a helper's argument.
    MapReference {
        /// Destination.
        dst: Register,
        /// Index of the definition.
        index: u32,
    },
    /// `dst =` the address of a byte in a map's only value.
    MapValueAddress {
        /// Destination.
        dst: Register,
        /// Index of the definition.
        index: u32,
        /// Byte.
        off: u32,
    },
    /// The same, of a map that is linked.
    LinkedValue {
        /// Destination.
        dst: Register,
        /// Index of the definition.
        map: u32,
        /// The link: the map's index.
        link: u8,
        /// Byte.
        off: u32,
    },
    /// `r0 =` big-endian bytes of the packet at `index + off`, or end the
    /// program with 0 where the packet is shorter.
    PacketLoad {
        /// Bytes read.
        size: Size,
        /// Register part of the position.
        index: Option<Register>,
        /// Constant part of the position.
        off: i32,
    },
    /// Go to a slot.
    Jump {
        /// Slot.
        target: u32,
    },
    /// Go to a slot if the condition holds.
    Branch {
        /// Condition.
        cond: Cond,
        /// Width of the operands.
        width: Width,
        /// First operand.
        lhs: Register,
        /// Second operand.
        rhs: Operand,
        /// Slot.
        target: u32,
    },
    /// Go to a slot if the allowance of such jumps is used up.
    MayGoto {
        /// Slot.
        target: u32,
    },
    /// Call the function at a slot, in a stack frame of its own.
    Call {
        /// Slot.
        target: u32,
    },
    /// Call a helper.
    Helper {
        /// Number.
        id: u32,
    },
    /// Call a kernel function.
    Kfunc {
        /// Number.
        number: i32,
    },
    /// Call a helper that calls functions of the program.
    CallBack {
        /// Number.
        id: u32,
    },
    /// `dst =` what stands for the function at a slot.
    FunctionReference {
        /// Destination.
        dst: Register,
        /// Slot.
        slot: u32,
    },
    /// Continue with another program; go on behind the call if there is none.
    TailCall,
    /// Return to the caller, or end the program.
    Exit,
}
