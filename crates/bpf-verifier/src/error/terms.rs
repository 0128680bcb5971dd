//! What errors are told in.

use core::fmt;

use crate::state::Kind;

/// What was being done to memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Read.
    Read,
    /// Written.
    Write,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

/// The class of an error, by what kind of mistake it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The instructions do not form a program.
    Structure,
    /// Something is used before it was given a value.
    Uninitialized,
    /// Memory that the program was not given, or not in this way.
    MemorySafety,
    /// An address is used as no address may be.
    Pointer,
    /// A helper is called as it may not be.
    HelperCall,
    /// A field of the context that does not exist, or not in this way.
    ContextAccess,
    /// Something that was acquired is not released.
    Resource,
    /// A result that programs of the type may not have.
    Result,
    /// The program may not end.
    Termination,
    /// More stack than there is.
    Stack,
    /// More than the verifier was given to spend.
    Limit,
    /// Correct perhaps, but not supported.
    Unsupported,
    /// Too slow, or not fit for where it runs.
    #[cfg(feature = "embedded-profile")]
    RealTime,
}

/// Where an address would leak to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sink {
    /// Memory that others read.
    Memory(Kind),
    /// The program's result.
    Result,
    /// A helper.
    Helper(u32),
    /// A global function, by its first slot.
    Function(u32),
    /// A number that is computed from it.
    Arithmetic,
    /// The outcome of a comparison.
    Comparison,
}

impl fmt::Display for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(kind) => write!(f, "{kind}"),
            Self::Result => f.write_str("the return value"),
            Self::Helper(id) => write!(f, "helper #{id}"),
            Self::Function(pc) => write!(f, "global function at insn {pc}"),
            Self::Arithmetic => f.write_str("arithmetic"),
            Self::Comparison => f.write_str("a comparison"),
        }
    }
}
