//! Threaded execution of verified programs: what was proven is not checked
//! again.
//!
//! Each instruction is a small function, a *handler*, and goes on at the handler
//! of the next one ([`dispatch`]). The position, the machine and the *hand*,
//! some registers of the program, are passed from one to the other in registers
//! of the CPU; the program's other registers lie in memory. The same handlers
//! run a program in two [`Form`]s: the bytecode in place, without a hand
//! ([`in_place`]), and on cloud a translation of it, in which handlers are
//! chosen beforehand for where each operand is ([`translated`]).
//!
//! What is rare is left to the checked [`step`](super::step).
//!
//! # Safety
//! Handlers access memory at a program's addresses and follow its jumps without
//! a look. All of them rest on one thing: the code is that of a
//! [`VerifiedProgram`](bpf_verifier::VerifiedProgram), in a run that was
//! admitted for it, and began at its first instruction.

mod alu;
mod call;
mod dispatch;
mod form;
mod in_place;
mod jump;
mod machine;
mod memory;
mod slow;
#[cfg(feature = "cloud-profile")]
pub(super) mod translated;

pub(super) use form::{Code, Form};
pub(super) use in_place::{Code as Bytecode, InPlace};
pub(super) use machine::{Machine, Programs};
