//! The eBPF instruction set (RFC 9669 and Linux's additions) and the plain data
//! that programs and kernels agree on.
//!
//! The instruction set is one table, [`table::INSTRUCTION_SET`]: encoding,
//! decoding, validation, text and documentation follow from its rows. Nothing
//! here touches a running kernel, so a tool can use this crate alone.
#![no_std]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

pub mod abi;
pub mod insn;
pub mod instruction;
pub mod opcode;
pub mod program;
pub mod registers;
pub mod table;
pub mod text;

pub use insn::BpfInsn;
pub use instruction::{DecodeError, Instruction};
pub use program::{BpfProgType, BpfProgram, ProgramBuilder, ProgramError};
pub use registers::Register;
