//! Why a program was not accepted.
//!
//! An error is data: what is wrong, with the registers, offsets and numbers
//! that show it, and the instruction at which it is wrong. Every kind has a
//! class, a title, a reason and a suggestion as text; to put them together for
//! a reader is the tool's part.

mod feature;
mod kind;
mod terms;
mod text;

use core::fmt;

pub use feature::Feature;
pub use kind::VerifyErrorKind;
pub use terms::{Access, ErrorClass, Sink};

/// Why a program was not accepted, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VerifyError {
    kind: VerifyErrorKind,
    pc: u32,
}

impl VerifyError {
    pub(crate) const fn new(kind: VerifyErrorKind, pc: u32) -> Self {
        Self { kind, pc }
    }

    /// What is wrong. Its text is the reason.
    pub const fn kind(&self) -> VerifyErrorKind {
        self.kind
    }

    /// Slot of the instruction at which it is wrong.
    pub const fn pc(&self) -> usize {
        self.pc as usize
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "insn {}: {}", self.pc, self.kind)
    }
}

impl core::error::Error for VerifyError {}
