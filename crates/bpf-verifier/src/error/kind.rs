//! The kinds of errors, each with its figures and its reason as text.

use bpf_bytecode::abi::field::FieldType;
use bpf_bytecode::abi::global::Param;
use bpf_bytecode::abi::helper::ArgKind;
use bpf_bytecode::abi::map::MapType;
use bpf_bytecode::instruction::DecodeError;
use bpf_bytecode::opcode::AluOp;
use bpf_bytecode::{BpfProgType, Register};
use bpf_profile::{ActiveProfile, PhysicalProfile};

use super::text;
use super::{Access, Feature, Sink};
use crate::state::Kind;

/// What is wrong. The text of a kind is its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyErrorKind {
    /// A slot is no instruction.
    #[error("invalid instruction: {0}")]
    InvalidInstruction(DecodeError),
    /// No path leads to the instruction.
    #[error("unreachable insn {pc}")]
    Unreachable {
        /// Its slot.
        pc: u32,
    },
    /// A jump leads from one function into another.
    #[error("jump out of range from insn {pc} to {target}: it leaves the function")]
    JumpAcrossFunctions {
        /// Slot of the jump.
        pc: u32,
        /// Slot that it leads to.
        target: u32,
    },
    /// Control would run from one function into the next.
    #[error("last insn of the function is not an exit or jmp")]
    FallsOutOfFunction,
    /// A function calls itself, directly or through others.
    #[error("recursive call: the function at insn {target} is already being called")]
    Recursion {
        /// First slot of the function.
        target: u32,
    },
    /// A shift by an immediate that is no valid count.
    #[error("invalid shift {amount}: the operand has {bits} bits")]
    InvalidShift {
        /// The immediate.
        amount: i32,
        /// Bits of the operand.
        bits: u32,
    },
    /// Division or remainder by an immediate of zero.
    #[error("div by zero")]
    DivisionByZero,
    /// A write to R10.
    #[error("frame pointer is read only")]
    FramePointerWrite,
    /// A register is read before it was written.
    #[error("R{} !read_ok: it has no value on this path", .0.number())]
    UninitRegister(Register),
    /// A register that holds no address is used as one.
    #[error("R{} invalid mem access '{found}'", .reg.number())]
    NotAPointer {
        /// The register.
        reg: Register,
        /// What it holds.
        found: Kind,
    },
    /// An address where only a number may be.
    #[error("R{} is not a known value ({found})", .reg.number())]
    NotANumber {
        /// The register.
        reg: Register,
        /// What it holds.
        found: Kind,
    },
    /// An iterator is called for where none is, or where one is already.
    #[error("R{} does not point to an iterator as is expected here ({found})", .reg.number())]
    NoIterator {
        /// The register.
        reg: Register,
        /// What it holds, or what lies there.
        found: Kind,
    },
    /// A dynptr is called for where none is.
    #[error("R{} does not point to a dynptr as is expected here ({found})", .reg.number())]
    NoDynptr {
        /// The register.
        reg: Register,
        /// What it holds.
        found: Kind,
    },
    /// An address may be null.
    #[error("R{} invalid mem access '{found}': it may be null", .reg.number())]
    MaybeNull {
        /// The register.
        reg: Register,
        /// What it holds.
        found: Kind,
    },
    /// An access reaches outside of its object.
    #[error(
        "invalid access to {region} through R{}: {size} bytes at offset {min}..={max} do not lie \
         within its {limit} bytes", .reg.number()
    )]
    OutOfBounds {
        /// The register.
        reg: Register,
        /// What it points to.
        region: Kind,
        /// Least offset of the access.
        min: i64,
        /// Greatest offset of the access.
        max: i64,
        /// Bytes of the access.
        size: u32,
        /// Bytes of the object.
        limit: u32,
    },
    /// An access reaches outside of a stack frame.
    #[error(
        "invalid stack access through R{}: {size} bytes at fp{min:+}..=fp{max:+}, the frame is \
         fp-{limit}..fp", .reg.number()
    )]
    StackOutOfBounds {
        /// The register.
        reg: Register,
        /// Least offset of the access from the frame's end.
        min: i64,
        /// Greatest offset.
        max: i64,
        /// Bytes of the access.
        size: u32,
        /// Bytes of a frame.
        limit: u32,
    },
    /// A packet access that no comparison with the packet's end allows.
    #[error(
        "invalid access to packet through R{}: off={off} size={size}, proven to be in the packet \
         are {range} bytes", .reg.number()
    )]
    PacketBounds {
        /// The register.
        reg: Register,
        /// Offset of the access.
        off: i64,
        /// Bytes of the access.
        size: u32,
        /// Bytes that are known to exist.
        range: u32,
    },
    /// Memory that may only be read is written, or the other way round.
    #[error("{access} of {region} is not allowed through R{}", .reg.number())]
    Forbidden {
        /// The register.
        reg: Register,
        /// What it points to.
        region: Kind,
        /// What was tried.
        access: Access,
    },
    /// An access that must be aligned is not.
    #[error("misaligned access to {region} through R{}: off {off} size {size}", .reg.number())]
    Misaligned {
        /// The register.
        reg: Register,
        /// What it points to.
        region: Kind,
        /// Offset of the access.
        off: i64,
        /// Bytes of the access.
        size: u32,
    },
    /// Stack bytes are read before they were written.
    #[error("invalid read from stack: {size} bytes at fp{off:+}, not all of them written")]
    UninitStack {
        /// Offset of the read from the frame's end.
        off: i32,
        /// Bytes of the read.
        size: u32,
    },
    /// Part of a pointer on the stack is read or written as if it were a number.
    #[error("invalid size of register spill or fill: {size} bytes of a pointer at fp{off:+}")]
    PartialPointer {
        /// Offset from the frame's end.
        off: i32,
        /// Bytes of the access.
        size: u32,
    },
    /// An atomic access to memory of a kind that allows none.
    #[error("atomic access to {region} through R{} is not allowed", .reg.number())]
    AtomicRegion {
        /// The register.
        reg: Register,
        /// What it points to.
        region: Kind,
    },
    /// No field of the context can be accessed like that.
    #[error("invalid bpf_context access off={off} size={size} ({access})")]
    ContextField {
        /// Offset of the access.
        off: i64,
        /// Bytes of the access.
        size: u32,
        /// What was tried.
        access: Access,
    },
    /// A context pointer that something was added to is used.
    #[error("dereference of modified ctx ptr R{} off={off} disallowed", .reg.number())]
    ModifiedContext {
        /// The register.
        reg: Register,
        /// What was added.
        off: i64,
    },
    /// The same instruction reaches the context, or one kind of what is the kernel's, on one path,
    /// and other memory on another.
    #[error("same insn cannot be used with different pointers")]
    MixedPointers,
    /// Arithmetic that this kind of pointer does not allow.
    #[error("R{} pointer arithmetic on {kind} prohibited ({op:?})", .reg.number())]
    PointerArithmetic {
        /// The register.
        reg: Register,
        /// What it holds.
        kind: Kind,
        /// What was tried.
        op: AluOp,
    },
    /// A pointer that may be null is computed with.
    #[error("R{} pointer arithmetic on {kind} prohibited, null-check it first", .reg.number())]
    ArithmeticOnNullable {
        /// The register.
        reg: Register,
        /// What it holds.
        kind: Kind,
    },
    /// 32-bit arithmetic, or an operation that is not addition or subtraction.
    #[error("R{} {bits}-bit {op:?} on a pointer ({kind}) prohibited", .reg.number())]
    PointerOperation {
        /// The register.
        reg: Register,
        /// What it holds.
        kind: Kind,
        /// Operation.
        op: AluOp,
        /// Width.
        bits: u32,
    },
    /// An offset that is too large, or not bounded at all.
    #[error(
        "math between {kind} pointer and register with unbounded or large value in \
         {min}..={max} is not allowed"
    )]
    UnboundedOffset {
        /// Kind of the pointer.
        kind: Kind,
        /// Least offset.
        min: i64,
        /// Greatest offset.
        max: i64,
    },
    /// A function returns an address in its own stack frame.
    #[error("cannot return stack pointer to the caller")]
    ReturnsStackPointer,
    /// An address in a stack frame is stored where it outlives the frame.
    #[error("cannot spill pointers to stack into stack frame of the caller")]
    StackPointerEscapes,
    /// An address leaves the program.
    #[error("R{} leaks addr into {into}", .reg.number())]
    PointerLeak {
        /// The register.
        reg: Register,
        /// Where to.
        into: Sink,
    },
    /// There is no helper of this number.
    #[error("invalid func unknown#{0}")]
    UnknownHelper(u32),
    /// The helper exists, not for programs of this type.
    #[error("program of type {prog_type} cannot use helper #{helper}")]
    HelperNotAllowed {
        /// Its number.
        helper: u32,
        /// The program's type.
        prog_type: BpfProgType,
    },
    /// A helper's argument is of the wrong kind.
    #[error("R{arg} type={found} expected={} (helper #{helper})", text::expected(*.expected))]
    HelperArgument {
        /// Helper's number.
        helper: u32,
        /// Register of the argument.
        arg: u8,
        /// What the helper wants.
        expected: ArgKind,
        /// What it would get.
        found: Kind,
    },
    /// An argument of a global function is not what its signature says.
    #[error("R{arg} type={found} expected={} (global function at insn {target})", text::param(*.expected))]
    GlobalArgument {
        /// The function's first slot.
        target: u32,
        /// Register of the argument.
        arg: u8,
        /// What the function takes.
        expected: Param,
        /// What it would get.
        found: Kind,
    },
    /// A global function that is called is not safe.
    #[error("the global function at insn {target} is not safe")]
    GlobalFunction {
        /// The function's first slot.
        target: u32,
    },
    /// A special field of a map's value is accessed as bytes.
    #[error("{field} at offset {offset} cannot be accessed directly by load/store (R{})", .reg.number())]
    SpecialField {
        /// The register.
        reg: Register,
        /// The field.
        field: FieldType,
        /// Its first byte in the value.
        offset: u32,
    },
    /// Something is called under a spin lock.
    #[error("function calls are not allowed while holding the lock taken at insn {pc}")]
    CallUnderLock {
        /// Where it was taken.
        pc: u32,
    },
    /// Another lock is released than the one that is held.
    #[error("bpf_spin_unlock of different lock than that taken at insn {pc}")]
    OtherLock {
        /// Where the other was taken.
        pc: u32,
    },
    /// What is given back is not held.
    #[error("{what}: given back without having been taken")]
    NotHeld {
        /// What it is.
        what: Kind,
    },
    /// A section that is not nested is begun again.
    #[error("nested RCU read section, the first began at insn {pc}")]
    Nested {
        /// Where it began.
        pc: u32,
    },
    /// The program may end while something is held.
    #[error("{what} at the end, since insn {pc}")]
    StillHeld {
        /// What it is.
        what: Kind,
        /// The instruction since which it is.
        pc: u32,
    },
    /// A helper cannot work on maps of this type.
    #[error("cannot pass map_type {map_type} into helper #{helper}")]
    HelperMap {
        /// Helper's number.
        helper: u32,
        /// Type of the map.
        map_type: MapType,
    },
    /// A timer is initialised with another map than that in whose value it is.
    #[error("timer in a value of map {timer} is initialised with map {map}")]
    TimerOfOtherMap {
        /// Index of the map that was passed.
        map: u32,
        /// Index of the map in whose value the timer is.
        timer: u32,
    },
    /// The size of memory that is passed may be negative.
    #[error("R{arg} min value is negative, either use unsigned or 'var &= const'")]
    NegativeSize {
        /// Register of the size.
        arg: u8,
    },
    /// The size of memory that is passed may be zero where it may not.
    #[error("R{arg} invalid zero-sized read: the size may be 0")]
    ZeroSize {
        /// Register of the size.
        arg: u8,
    },
    /// The size of memory that is passed has no useful bound.
    #[error("R{arg} unbounded memory access, use 'var &= const' or 'if (var < const)'")]
    UnboundedSize {
        /// Register of the size.
        arg: u8,
    },
    /// An argument must be a constant.
    #[error("R{arg} is not a known constant")]
    NotConstant {
        /// Register.
        arg: u8,
    },
    /// The program may return what programs of its type may not.
    #[error(
        "At program exit the register R0 may be {smin}..={smax}, should have been in {min}..={max}"
    )]
    ReturnValue {
        /// Least value it may have, as a signed 32-bit number.
        smin: i32,
        /// Greatest value.
        smax: i32,
        /// Least value allowed.
        min: i32,
        /// Greatest value allowed.
        max: i32,
    },
    /// A reservation is not released when the program ends.
    #[error("Unreleased reference alloc_insn={pc}")]
    UnreleasedReference {
        /// Slot of the call that acquired it.
        pc: u32,
    },
    /// A reservation is held when another program takes over.
    #[error("tail_call would lead to reference leak: alloc_insn={pc}")]
    ReferenceAtTailCall {
        /// Slot of the call that acquired it.
        pc: u32,
    },
    /// Execution can come back to the same state.
    #[error("infinite loop detected at insn {pc}")]
    InfiniteLoop {
        /// Where the loop closes.
        pc: u32,
    },
    /// More instructions walked than allowed.
    #[error("BPF program is too large. Processed {limit} insn")]
    TooComplex {
        /// The limit.
        limit: u64,
    },
    /// The working memory does not suffice: to go on, or to look at a loop in the way in
    /// which what seems wrong in it might be seen not to be.
    #[error("verifier workspace exhausted: needs about {needed_about} bytes, has {available}")]
    WorkspaceExhausted {
        /// A projection, in bytes.
        needed_about: u64,
        /// Bytes there are.
        available: u64,
    },
    /// More frames than the stack policy allows.
    #[error("the call stack of {frames} frames is too deep, the policy allows {limit}")]
    CallDepth {
        /// Frames.
        frames: u32,
        /// What the policy allows.
        limit: u32,
    },
    /// The frames of a call chain together need more than the policy allows.
    #[error("combined stack size of {frames} calls is {bytes}. Too large, the limit is {limit}")]
    StackDepth {
        /// Frames of the chain.
        frames: u32,
        /// Bytes of the chain.
        bytes: u32,
        /// What the policy allows.
        limit: u32,
    },
    /// Something that the verifier does not handle.
    #[error("{0} are not supported")]
    Unsupported(Feature),
    /// Legacy packet access in a program without a socket buffer.
    #[error("BPF_LD_[ABS|IND] instructions not allowed for programs of type {0}")]
    LegacyPacket(BpfProgType),
    /// The profile has no maps of this type.
    #[error("maps of type {0} do not exist on the {profile} profile", profile = ActiveProfile::NAME)]
    MapUnsupported(MapType),
    /// Direct access to a map whose value has no fixed address.
    #[error("maps of type {0} with {1} entries have no value with an address of its own")]
    NoDirectValue(MapType, u32),
    /// The result has no storage.
    #[error("no storage for the verified program: {0} more bytes wanted")]
    OutOfMemory(u64),
    /// The costliest path takes longer than the budget. The error's slot is where
    /// that path ends, or goes on as an earlier one does; it is 0 where a loop's
    /// rounds are counted and not walked.
    #[cfg(feature = "embedded-profile")]
    #[error("worst-case execution time is {wcet}, the budget is {budget}")]
    WcetExceeded {
        /// Proven worst case, in units of the cost table.
        wcet: u64,
        /// Budget.
        budget: u64,
    },
    /// A program for interrupts calls a helper that may not run there.
    #[cfg(feature = "embedded-profile")]
    #[error("helper #{0} is not interrupt-safe")]
    InterruptUnsafe(u32),
    /// A helper that takes storage from an allocator.
    #[cfg(feature = "embedded-profile")]
    #[error("helper #{0} allocates memory")]
    DynamicAllocation(u32),
}

impl From<DecodeError> for VerifyErrorKind {
    fn from(error: DecodeError) -> Self {
        Self::InvalidInstruction(error)
    }
}
