//! The abstract domain of numbers.
//!
//! A [`Scalar`] stands for a set of 64-bit values. It holds three views of the
//! same set, each of which contains every value that can occur:
//!
//! - a [`Tnum`]: for every bit whether it is 0, 1 or unknown;
//! - a [`Range`] of the whole register, signed and unsigned;
//! - a [`Range`] of its low half, signed and unsigned, as 32-bit code compares
//!   and computes on that half alone.
//!
//! Each operation computes each view by itself, after which
//! [`Scalar::sync`] lets every view sharpen the others. All of it is generic
//! over the width: what is compiled for 64 bits is tested exhaustively for 8
//! and fewer.
//!
//! ```
//! use bpf_bytecode::opcode::{AluOp, Width};
//! use bpf_verifier::domain::{Scalar, alu};
//!
//! // A byte of unknown value, of which the high nibble is kept...
//! let byte = Scalar::<64>::of_bits(8);
//! let high = alu(AluOp::And, Width::W64, byte, Scalar::constant(0xf0));
//! assert!(high.contains(0x40) && !high.contains(0x41));
//! // ...and shifted down: 0 to 15.
//! let version = alu(AluOp::Rsh, Width::W64, high, Scalar::constant(4));
//! assert_eq!((version.umin(), version.umax()), (0, 15));
//! ```
#![doc = include_str!("domain/adding.md")]

mod arith;
mod bits;
mod compare;
mod join;
mod range;
mod scalar;
mod tnum;

pub use arith::{alu, byte_swap, negate, sign_extend};
pub use compare::{Outcome, compare, one_side, shows_that_it_holds};
pub use range::Range;
pub use scalar::Scalar;
pub use tnum::Tnum;
