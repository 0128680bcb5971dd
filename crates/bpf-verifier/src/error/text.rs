//! The words for errors.

use core::fmt;

use bpf_bytecode::abi::global::Param;
use bpf_bytecode::abi::helper::{ArgKind, RetKind};

use super::{ErrorClass, VerifyErrorKind};

impl ErrorClass {
    /// The class in a few words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Structure => "program structure",
            Self::Uninitialized => "uninitialized value",
            Self::MemorySafety => "memory safety",
            Self::Pointer => "pointer use",
            Self::HelperCall => "helper call",
            Self::ContextAccess => "context access",
            Self::Resource => "resource",
            Self::Result => "program result",
            Self::Termination => "termination",
            Self::Stack => "stack",
            Self::Limit => "limit",
            Self::Unsupported => "unsupported",
            #[cfg(feature = "embedded-profile")]
            Self::RealTime => "real time",
        }
    }

    /// Whether the mistake lies in what values may be, so that another way to walk a loop
    /// might not see it.
    pub(crate) const fn is_of_values(self) -> bool {
        use ErrorClass::{
            ContextAccess, HelperCall, MemorySafety, Pointer, Resource, Result, Uninitialized,
        };
        matches!(
            self,
            ContextAccess | HelperCall | MemorySafety | Pointer | Resource | Result | Uninitialized
        )
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a helper wants of an argument.
pub(super) const fn expected(kind: ArgKind) -> &'static str {
    match kind {
        ArgKind::None => "nothing",
        ArgKind::Anything | ArgKind::Unchecked => "any value",
        ArgKind::Scalar => "number",
        ArgKind::Zero => "0",
        ArgKind::Context => "ctx",
        ArgKind::ContextOrNull => "ctx or null",
        ArgKind::Map => "map_ptr",
        ArgKind::MapKey => "memory with a key",
        ArgKind::MapValue => "memory with a value",
        ArgKind::MapValueOrNull => "memory with a value, or null",
        ArgKind::MapValueWrite => "writable memory for a value",
        ArgKind::MemRead | ArgKind::FixedRead(_) => "readable memory",
        ArgKind::MemWrite
        | ArgKind::MemUpdate
        | ArgKind::FixedWrite(_)
        | ArgKind::AlignedWrite(_)
        | ArgKind::AlignedUpdate(_) => "writable memory",
        ArgKind::MemReadOrNull => "readable memory or null",
        ArgKind::MemWriteOrNull => "writable memory or null",
        ArgKind::Size | ArgKind::SizeOrZero => "size",
        ArgKind::AllocSize => "constant size",
        ArgKind::AllocMem => "start of reserved memory",
        ArgKind::Text => "constant text in a read-only map",
        ArgKind::SpinLock => "spin lock in a map's value",
        ArgKind::SystemCall => "system call's attributes",
        ArgKind::Timer => "timer in a map's value",
        ArgKind::Kptr => "kernel pointer in a map's value",
        ArgKind::Callback | ArgKind::LaterCallback => "function",
        ArgKind::CallbackContext => "place on the stack, or null",
        ArgKind::Dynptr => "dynptr",
        ArgKind::DynptrRelease => "dynptr of a reserved record",
        ArgKind::DynptrInit => "place on the stack for a dynptr",
        ArgKind::SocketCommon => "socket",
        ArgKind::Socket => "full socket",
        ArgKind::SocketOrNull => "full socket, or null",
        ArgKind::SocketRelease => "acquired socket",
        ArgKind::KernelStruct => "structure of the kernel",
        ArgKind::KernelStructOrNull => "structure of the kernel, or null",
    }
}

/// What a global function takes.
pub(super) const fn param(param: Param) -> &'static str {
    match param {
        Param::Number => "number",
        Param::Context => "ctx",
        Param::Memory(_) => "memory",
        Param::MemoryOrNull(_) => "memory or null",
        Param::Dynptr => "dynptr",
        Param::Other => "something that is not supported",
    }
}

/// What a helper gives.
pub(super) const fn result(kind: RetKind) -> &'static str {
    match kind {
        RetKind::Integer | RetKind::Range(..) | RetKind::Written => "number",
        RetKind::Void => "nothing",
        RetKind::MapValue | RetKind::MapValueOrNull => "value of a map",
        RetKind::AllocMemOrNull => "reserved memory",
        RetKind::DynptrMemOrNull => "part of a dynptr",
        RetKind::SocketOrNull | RetKind::SocketCommonOrNull => "socket",
        RetKind::TcpSocketOrNull => "TCP socket",
        RetKind::KernelStruct => "structure of the kernel",
    }
}

/// Linux's last helper: its list is closed. A program that calls one that is not
/// here may be right.
const LAST_LINUX_HELPER: u32 = 211;

/// Class, title and suggestion of a kind.
struct Words(ErrorClass, &'static str, &'static str);

impl VerifyErrorKind {
    /// What kind of mistake it is.
    pub const fn class(&self) -> ErrorClass {
        self.words().0
    }

    /// What is wrong, in a few words.
    pub const fn title(&self) -> &'static str {
        self.words().1
    }

    /// What to try.
    pub const fn suggestion(&self) -> &'static str {
        self.words().2
    }

    const fn words(&self) -> Words {
        use ErrorClass as C;
        match self {
            Self::InvalidInstruction(_)
            | Self::Unreachable { .. }
            | Self::JumpAcrossFunctions { .. }
            | Self::FallsOutOfFunction
            | Self::Recursion { .. }
            | Self::InvalidShift { .. }
            | Self::DivisionByZero
            | Self::FramePointerWrite => self.structure(),
            Self::NotAPointer { .. }
            | Self::MaybeNull { .. }
            | Self::OutOfBounds { .. }
            | Self::StackOutOfBounds { .. }
            | Self::PacketBounds { .. }
            | Self::Forbidden { .. }
            | Self::SpecialField { .. }
            | Self::Misaligned { .. }
            | Self::PartialPointer { .. }
            | Self::AtomicRegion { .. }
            | Self::MixedPointers => self.memory(),
            Self::PointerArithmetic { .. }
            | Self::ArithmeticOnNullable { .. }
            | Self::PointerOperation { .. }
            | Self::UnboundedOffset { .. }
            | Self::ReturnsStackPointer
            | Self::StackPointerEscapes
            | Self::NotANumber { .. }
            | Self::NoIterator { .. }
            | Self::NoDynptr { .. }
            | Self::PointerLeak { .. } => self.pointer(),
            Self::UnknownHelper(_)
            | Self::HelperNotAllowed { .. }
            | Self::HelperArgument { .. }
            | Self::GlobalArgument { .. }
            | Self::GlobalFunction { .. }
            | Self::HelperMap { .. }
            | Self::TimerOfOtherMap { .. }
            | Self::NegativeSize { .. }
            | Self::ZeroSize { .. }
            | Self::UnboundedSize { .. }
            | Self::NotConstant { .. } => self.helper(),
            Self::UninitRegister(_) => Words(
                C::Uninitialized,
                "register without a value",
                "assign the register on every path that leads here; a call leaves R1 to R5 \
                 without values",
            ),
            Self::UninitStack { .. } => Words(
                C::Uninitialized,
                "stack bytes without a value",
                "initialize the whole variable, padding included, before it is read or passed \
                 to a helper",
            ),
            Self::ReturnValue { .. } => Words(
                C::Result,
                "result out of range",
                "return only what programs of this type may return",
            ),
            Self::ContextField { .. } => Words(
                C::ContextAccess,
                "no such field",
                "access a field of the program type's context, whole and aligned",
            ),
            Self::ModifiedContext { .. } => Words(
                C::ContextAccess,
                "modified context pointer",
                "use the context pointer as it came, with the offset in the instruction",
            ),
            Self::StillHeld { .. }
            | Self::NotHeld { .. }
            | Self::Nested { .. }
            | Self::OtherLock { .. }
            | Self::CallUnderLock { .. } => Words(
                C::Resource,
                "lock or section",
                "release on every path what was taken, once, and call nothing under a spin lock",
            ),
            Self::UnreleasedReference { .. } | Self::ReferenceAtTailCall { .. } => Words(
                C::Resource,
                "reservation not released",
                "submit or discard the reservation on every path",
            ),
            Self::StackDepth { .. } | Self::CallDepth { .. } => Words(
                C::Stack,
                "stack overflow",
                "use smaller local variables, or keep large data in a map; call fewer functions \
                 from within each other",
            ),
            #[cfg(feature = "embedded-profile")]
            Self::WcetExceeded { .. } | Self::InterruptUnsafe(_) | Self::DynamicAllocation(_) => {
                self.real_time()
            }
            _ => self.beyond(),
        }
    }

    const fn structure(&self) -> Words {
        use ErrorClass::Structure as S;
        match self {
            Self::Unreachable { .. } => {
                Words(S, "unreachable instruction", "remove the instruction, or jump to it")
            }
            Self::JumpAcrossFunctions { .. } => {
                Words(S, "jump out of the function", "call the other function instead")
            }
            Self::FallsOutOfFunction => {
                Words(S, "function without an end", "end the function with an exit")
            }
            Self::Recursion { .. } => Words(
                S,
                "recursion",
                "rewrite the recursion as a loop with a bound; a program's call depth must be \
                 known before it runs",
            ),
            Self::InvalidShift { .. } => {
                Words(S, "shift out of range", "shift by less than the operand's width")
            }
            Self::DivisionByZero => {
                Words(S, "division by zero", "divide by a constant that is not zero")
            }
            Self::FramePointerWrite => {
                Words(S, "write to the frame pointer", "use one of R0 to R9 instead of R10")
            }
            _ => Words(
                S,
                "invalid instruction",
                "build the program for an instruction set that \
                 RFC 9669 defines",
            ),
        }
    }

    const fn memory(&self) -> Words {
        use ErrorClass::MemorySafety as M;
        match self {
            Self::NotAPointer { .. } => Words(
                M,
                "access through something that is no pointer",
                "keep the pointer in a register or in an aligned 8-byte stack slot; packet \
                 pointers must be loaded again after a helper that moves the packet",
            ),
            Self::MaybeNull { .. } => {
                Words(M, "access through a null pointer", "compare the pointer with null first")
            }
            Self::PacketBounds { .. } => Words(
                M,
                "access beyond the packet's end",
                "compare the end of the access with data_end before, on the same pointer",
            ),
            Self::StackOutOfBounds { .. } => Words(
                M,
                "access outside of the stack frame",
                "keep offsets from R10 negative and within the frame; check an index before it \
                 is used",
            ),
            Self::OutOfBounds { .. } => Words(
                M,
                "access out of bounds",
                "check the offset against both ends of the object right before the access, in \
                 the register that is used",
            ),
            Self::Forbidden { .. } => Words(
                M,
                "access that the memory does not allow",
                "copy the data to the stack or to a writable map",
            ),
            Self::SpecialField { .. } => Words(
                M,
                "access to a special field",
                "leave the field to the helpers that are made for it",
            ),
            Self::Misaligned { .. } => {
                Words(M, "misaligned access", "access at a multiple of the access's size")
            }
            Self::PartialPointer { .. } => Words(
                M,
                "part of a pointer",
                "read and write pointers on the stack whole, with 8-byte accesses",
            ),
            Self::AtomicRegion { .. } => {
                Words(M, "atomic access", "use atomics on the stack or on map values only")
            }
            _ => Words(
                M,
                "one instruction for memory of the kernel and for other memory",
                "use separate instructions, for instance in separate branches",
            ),
        }
    }

    const fn pointer(&self) -> Words {
        use ErrorClass::Pointer as P;
        match self {
            Self::ArithmeticOnNullable { .. } => Words(
                P,
                "arithmetic on a pointer that may be null",
                "compare the pointer with null before anything is added to it",
            ),
            Self::UnboundedOffset { .. } => Words(
                P,
                "unbounded offset",
                "bound the offset on both sides before it is added to a pointer",
            ),
            Self::ReturnsStackPointer => {
                Words(P, "pointer to a dead frame", "return a value, or fill the caller's memory")
            }
            Self::StackPointerEscapes => Words(
                P,
                "pointer to a dead frame",
                "do not store the address of a local variable in the caller's memory",
            ),
            Self::NoIterator { .. } => Words(
                P,
                "no iterator",
                "call bpf_iter_num_new once before, and write nothing over the iterator",
            ),
            Self::NoDynptr { .. } => Words(
                P,
                "no dynptr",
                "make one at this place of the stack before, and write nothing over it",
            ),
            Self::NotANumber { .. } => {
                Words(P, "address in the place of a number", "return a number")
            }
            Self::PointerLeak { .. } => Words(
                P,
                "address leak",
                "store or pass the data, not its address; or load the program with the right \
                 to see addresses",
            ),
            _ => Words(
                P,
                "operation that a pointer does not allow",
                "add to or subtract from pointers with 64-bit instructions only",
            ),
        }
    }

    const fn helper(&self) -> Words {
        use ErrorClass::HelperCall as H;
        match self {
            Self::UnknownHelper(1..=LAST_LINUX_HELPER) => Words(
                ErrorClass::Unsupported,
                "helper that this kernel lacks",
                "call a helper that this kernel provides; see the list of helpers",
            ),
            Self::UnknownHelper(_) => Words(
                H,
                "unknown helper",
                "call a helper that this kernel provides; see the list of helpers",
            ),
            Self::HelperNotAllowed { .. } => Words(
                H,
                "helper not for this program type",
                "use another helper, or another program type",
            ),
            Self::NegativeSize { .. } | Self::UnboundedSize { .. } | Self::ZeroSize { .. } => {
                Words(H, "size out of range", "bound the size on both sides before the call")
            }
            Self::NotConstant { .. } => {
                Words(H, "argument that is not constant", "pass a constant")
            }
            Self::GlobalArgument { .. } => Words(
                H,
                "wrong kind of argument",
                "pass what the function's prototype says, to memory as large as its type; make \
                 the function static if it need not be verified apart",
            ),
            Self::GlobalFunction { .. } => Words(
                H,
                "unsafe global function",
                "make the function safe for all arguments of its prototype, or static",
            ),
            Self::HelperMap { .. } => {
                Words(H, "wrong type of map", "pass a map of a type that the helper works on")
            }
            Self::TimerOfOtherMap { .. } => {
                Words(H, "timer of another map", "pass the map in whose value the timer is")
            }
            _ => Words(
                H,
                "wrong kind of argument",
                "pass what the helper's signature asks for; compare pointers with null first",
            ),
        }
    }

    const fn beyond(&self) -> Words {
        use ErrorClass as C;
        match self {
            Self::InfiniteLoop { .. } => Words(
                C::Termination,
                "infinite loop",
                "change the loop's counter on every round and compare it with a constant bound",
            ),
            Self::TooComplex { .. } => Words(
                C::Limit,
                "too many paths",
                "give loops smaller constant bounds; split the program with tail calls",
            ),
            Self::WorkspaceExhausted { .. } => {
                Words(C::Limit, "workspace exhausted", "give the verifier more working memory")
            }
            Self::OutOfMemory(_) => {
                Words(C::Limit, "out of memory", "hand in storage for the verified program")
            }
            Self::MapUnsupported(_) => Words(
                C::Unsupported,
                "map type that the profile lacks",
                "use a map type that exists on this profile, or build for the other one",
            ),
            Self::NoDirectValue(..) => Words(
                C::Unsupported,
                "direct access to a map's value",
                "use an array map with one entry",
            ),
            Self::LegacyPacket(_) => Words(
                C::Unsupported,
                "legacy packet access",
                "load packet bytes through pointers or with skb_load_bytes",
            ),
            _ => Words(
                C::Unsupported,
                "unsupported feature",
                "write the program without the feature",
            ),
        }
    }

    #[cfg(feature = "embedded-profile")]
    const fn real_time(&self) -> Words {
        use ErrorClass::RealTime as R;
        match self {
            Self::WcetExceeded { .. } => Words(
                R,
                "worst-case execution time exceeded",
                "shorten the costliest path, or give the program a larger budget",
            ),
            Self::InterruptUnsafe(_) => Words(
                R,
                "interrupt-unsafe operation",
                "do this in a program that runs outside of interrupts",
            ),
            _ => Words(R, "dynamic allocation", "use preallocated maps"),
        }
    }
}
