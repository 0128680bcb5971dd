//! The eBPF instruction set (RFC 9669 and Linux's additions) and the plain data
//! that programs and kernels agree on.
//!
//! The instruction set is one table, [`table::INSTRUCTION_SET`]: encoding,
//! decoding, validation, text and documentation follow from its rows. Nothing
//! here touches a running kernel, so a tool can use this crate alone (and choose
//! either profile: it makes no difference to what is below).
//!
//! ```
//! use bpf_bytecode::instruction::{CallTarget, Instruction};
//! use bpf_bytecode::text::Listing;
//! use bpf_bytecode::{BpfInsn, DecodeError};
//!
//! // Eight bytes a slot, as objects and `bpf(2)` have them.
//! let bytes = [
//!     0x85, 0, 0, 0, 5, 0, 0, 0, // call 5
//!     0x18, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, // r1 = 0x200000001 ll
//!     0xff, 0, 0, 0, 0, 0, 0, 0, // nothing
//! ];
//! let insns: Vec<_> = bytes.as_chunks().0.iter().map(|slot| BpfInsn::from_bytes(*slot)).collect();
//!
//! // Text, or one instruction after the other with its slot:
//! let listing = Listing::new(&insns);
//! assert!(listing.to_string().contains("1: r1 = 0x200000001 ll\n"));
//! let all: Vec<_> = listing.lines().map(|line| (line.pc(), line.instruction())).collect();
//! assert_eq!(all[0], (0, Ok(Instruction::Call(CallTarget::Helper(5)))));
//! assert_eq!(all[2], (3, Err(DecodeError::UnknownOpcode(0xff))));
//! ```
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
