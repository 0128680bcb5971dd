//! Why a program did not run, or did not run to its end.

use bpf_bytecode::abi::map::MapType;
use bpf_profile::OutOfMemory;

/// What an execution gives: R0, or why there is none.
pub type BpfResult = Result<u64, BpfError>;

/// Why an execution gave no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BpfError {
    /// The program was not started.
    #[error("not started: {0}")]
    Refused(#[from] Refusal),
    /// The program was stopped at an instruction.
    #[error("insn {pc}: {fault}")]
    Fault {
        /// Slot of the instruction, in the program that was running (after a
        /// tail call, the called one).
        pc: u32,
        /// What happened there.
        fault: Fault,
    },
}

/// Why a program was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another run over the same context is under way.
    #[error("the context is in use by another run")]
    ContextBusy,
    /// The context has fewer bytes than the program was verified to read.
    #[error("the context has {actual} bytes, the program reads {needed}")]
    ContextTooSmall {
        /// Bytes of the context.
        actual: u32,
        /// Bytes the program may read.
        needed: u32,
    },
    /// The context is not of the kind that the program's type calls for.
    #[error("the context is of another kind than the program's type calls for")]
    ContextKind,
    /// The environment has no live map for a definition.
    #[error("no live map for definition {index}")]
    MapMissing {
        /// Index of the definition.
        index: u32,
    },
    /// A live map differs from the definition.
    #[error("map {index} differs from the definition that the program carries")]
    MapMismatch {
        /// Index of the definition.
        index: u32,
    },
    /// A live map is not frozen with the contents that the proof rests on.
    #[error("map {index} is not frozen with the contents that the program was verified with")]
    MapContents {
        /// Index of the definition.
        index: u32,
    },
    /// The profile has no maps of this type.
    #[error("maps of type {0} do not exist on this profile")]
    MapUnsupported(MapType),
    /// The environment's helpers are others than were verified against.
    #[error("the helper table differs from the one the program was verified against")]
    HelperMismatch,
    /// The proven bound of the program exceeds the budget.
    #[error("the program may execute {bound} instructions, the budget is {budget}")]
    BudgetTooSmall {
        /// Proven bound.
        bound: u64,
        /// Budget.
        budget: u64,
    },
    /// The program was verified for a larger stack than the engine gives.
    #[error("the program was verified for a larger stack than this engine gives")]
    StackTooSmall,
    /// No storage for the stack.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
}

/// What stopped a running program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// An access to memory outside everything that the program was given, or a
    /// write to what it may only read.
    #[error("invalid access to memory: {size} bytes at {addr:#x}")]
    Memory {
        /// Address.
        addr: u64,
        /// Bytes.
        size: u32,
    },
    /// The instruction budget is used up.
    #[error("instruction budget used up")]
    Budget,
    /// More frames than the stack policy allows.
    #[error("call depth exceeds the stack policy")]
    CallDepth,
    /// Control left the program.
    #[error("jump out of range")]
    JumpOutOfRange,
    /// The slot is no instruction.
    #[error("invalid instruction")]
    InvalidInstruction,
    /// The instruction exists, and this engine does not execute it.
    #[error("instruction not supported: {0}")]
    Unsupported(&'static str),
    /// There is no helper of this number.
    #[error("unknown helper {0}")]
    UnknownHelper(u32),
    /// A helper was given an argument that it does not accept.
    #[error("helper {helper}: bad argument {arg}")]
    HelperArgument {
        /// Helper's number.
        helper: u32,
        /// Argument, 1 to 5.
        arg: u8,
    },
    /// A write to the frame pointer.
    #[error("frame pointer is read only")]
    FramePointerWrite,
}
