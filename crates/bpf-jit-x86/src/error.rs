//! Why a program could not be compiled.

use bpf_profile::OutOfMemory;

use crate::memory::CodeMemoryError;

/// Why a program could not be compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// No heap memory for the compiler's own tables or the emitted bytes.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
    /// No executable memory, or it could not be sealed.
    #[error(transparent)]
    CodeMemory(#[from] CodeMemoryError),
    /// The program's code exceeds what a 32-bit displacement reaches.
    #[error("the machine code is larger than 2 GiB")]
    TooLarge,
}
