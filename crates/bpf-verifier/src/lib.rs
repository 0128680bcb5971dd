//! A sound verifier for eBPF programs that needs neither `std` nor, on the
//! embedded profile, a heap.
//!
//! [`Verifier`] walks every path that a [`BpfProgram`](bpf_bytecode::BpfProgram)
//! can take, on *abstract* values: sets of numbers, and pointers with bounds on
//! their offset. What it accepts accesses only memory that it was given, ends
//! after a proven number of instructions, and releases what it acquired. It may
//! refuse programs that would behave; it never accepts one that would not.
//!
//! ```
//! use bpf_bytecode::text::assemble;
//! use bpf_bytecode::{BpfProgType, ProgramBuilder};
//! use bpf_profile::ActiveProfile;
//! use bpf_verifier::Verifier;
//!
//! # fn program(text: &str) -> bpf_bytecode::BpfProgram<ActiveProfile> {
//! #     let insns = assemble::<ActiveProfile>(text).unwrap();
//! #     ProgramBuilder::new(BpfProgType::Xdp).insns(&insns).build().unwrap()
//! # }
//! let checked = program(
//!     "r2 = *(u32 *)(r1 +0)      // the packet
//!      r3 = *(u32 *)(r1 +4)      // its end
//!      r4 = r2
//!      r4 += 14
//!      if r4 > r3 goto short
//!      r0 = *(u8 *)(r2 +13)      // 14 bytes are there
//!      exit
//!      short: r0 = 1
//!      exit",
//! );
//! assert!(Verifier::new().verify(&checked).is_ok());
//!
//! let unchecked = program("r2 = *(u32 *)(r1 +0)\nr0 = *(u8 *)(r2 +13)\nexit");
//! let error = Verifier::new().verify(&unchecked).unwrap_err();
//! assert_eq!(error.kind().title(), "access beyond the packet's end");
//! ```
//!
//! What Linux's verifier refuses and this one accepts is listed in
//! [`beyond_linux`], with the reasons.
//!
//! # The domain
//!
//! A number is a [`domain::Scalar`]: known bits, and signed and unsigned bounds
//! of the whole and of the low half; see [`domain`]. A pointer is a
//! [`Value`] of some [`Kind`] with a constant and an unknown part of its offset.
//! Copies of a number share an identity, and keep it when a constant is added or
//! taken away, so that a comparison of one says
//! something of all; so do pointers that are null together, and packet pointers
//! with the same unknown part.
//!
//! ```
//! use bpf_bytecode::opcode::{Cond, Width};
//! use bpf_verifier::domain::{Scalar, compare};
//!
//! // if w1 > 8: where that fails, the low half is at most 8. Of the upper half
//! // nothing is known yet...
//! let (r1, _) = compare(Cond::Gt, Width::W32, Scalar::<64>::UNKNOWN, Scalar::constant(8))
//!     .fails
//!     .expect("possible");
//! assert!(r1.contains(5) && r1.contains(1 << 40) && !r1.contains(9));
//! // ...until r1 < 100 is found as well: the bounds of one half and of the whole
//! // sharpen each other.
//! let (r1, _) = compare(Cond::Lt, Width::W64, r1, Scalar::constant(100)).holds.expect("possible");
//! assert_eq!(r1.umax(), 8);
//! ```
//!
//! How an operation is added, and how its rules are proven, is a page with an
//! example: [`domain`].
//!
//! # The order of the walk
//!
//! Before any path is walked, [`mod@cfg`] finds functions, refuses jumps between
//! them, recursion and unreachable instructions, and finds where edges join and
//! which registers are live. [`core`] then walks depth first: at a branch that
//! can go both ways it keeps the state for the side where the condition holds,
//! and goes on with the other. A called function is walked in the state of the
//! call, in a frame of its own.
//!
//! # Pruning
//!
//! Where paths join, the state is kept as a *node*. A later state need not be
//! walked on where a node covers it from which every path was already walked.
//! Numbers on which nothing was decided may differ: here both sums lead to the
//! same three instructions, which are walked once.
//!
//! ```
//! # use bpf_bytecode::text::assemble;
//! # use bpf_bytecode::{BpfProgType, ProgramBuilder};
//! # use bpf_profile::ActiveProfile;
//! # use bpf_verifier::Verifier;
//! # fn program(text: &str) -> bpf_bytecode::BpfProgram<ActiveProfile> {
//! #     let insns = assemble::<ActiveProfile>(text).unwrap();
//! #     ProgramBuilder::new(BpfProgType::SocketFilter).insns(&insns).build().unwrap()
//! # }
//! let joining = program(
//!     "r6 = *(u32 *)(r1 +0)
//!      r7 = 3
//!      r8 = 4
//!      r0 = 5
//!      if r6 == 0 goto join
//!      r0 = 9
//!      join: r0 += r7
//!      r0 += r8
//!      exit",
//! );
//! let verified = Verifier::new().verify_program(&joining).unwrap();
//! assert_eq!(verified.info().processed, 9);
//! assert_eq!(verified.info().max_insns, 9);
//! ```
//!
//! To know what decided something, every number carries one bit for each entry
//! of the last node that it was derived from. When a jump is found to go one way
//! only, when a number becomes part of an address, when it is passed as a size,
//! these entries are marked in the node, and what they were derived from in the
//! node before. A result that an unknown operand gives as well, as `r1 & 15` in 0
//! to 15, rests on nothing. Stack bytes are marked in the same way when they are
//! read; dead registers are known beforehand.
//!
//! As long as paths from a node are still to be walked, all of its state is kept,
//! with what each entry was derived from. When the last one is over, its marks are
//! final, and what they do not name goes: bytes that were not read, the values of
//! numbers that decided nothing, and all origins. What is left takes a third of the
//! room, and is all that comparisons look at. A state that has only served
//! comparisons in vain is given up, and so are all that are not needed any more where
//! memory runs out.
//!
//! # Merging
//!
//! A number that decides something later keeps states apart that differ in it. Here
//! `r7` is what was counted, one of as many numbers as there were branches, and at last
//! part of an address:
//!
//! ```
//! # use bpf_bytecode::text::assemble;
//! # use bpf_bytecode::{BpfProgType, ProgramBuilder};
//! # use bpf_profile::ActiveProfile;
//! # use bpf_verifier::Verifier;
//! let mut text = String::from("r6 = r1\nr7 = 0\n");
//! for at in 0..80 {
//!     text += &format!("r2 = *(u32 *)(r6 +0)\nif r2 == {at} goto +1\nr7 += 1\n");
//! }
//! text += "r2 = r10\nr2 += -81\nr2 += r7\n*(u8 *)(r2 +0) = 1\nr0 = 0\nexit";
//! # let insns = assemble::<ActiveProfile>(&text).unwrap();
//! # let builder = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SocketFilter);
//! # let program = builder.insns(&insns).build().unwrap();
//! let verified = Verifier::new().verify_program(&program).unwrap();
//! // Every number at every branch would be about 80 * 80 / 2 times three instructions.
//! assert!(verified.info().processed < 4000);
//! ```
//!
//! Once more than a few steps were taken for each instruction of the program, a state
//! that no node covers is *merged* with nodes that are done: the walk goes on from a
//! state that covers them all, with every check. What did not matter behind a node is
//! as in the state itself. When all that follows was walked, the merged state is a node
//! like others; after an error the attempt is undone, and the state walked alone. A node
//! that is merged again and again is made wider each time, so that there is an end to it.
//! In a loop that is walked round by round, states must agree in what they know for
//! certain, as the number of the round; where summaries are tried, nothing is merged.
//! Attempts that fail may take a part of all steps only, as those of the next section.
//!
//! # Loops
//!
//! A loop is not walked round by round if a *summary* of it can be found: a state
//! that covers the head's in every round. It is guessed and then checked. Take
//!
//! ```text
//!        r0 = 0
//! again: r0 += 1
//!        if r0 < 100000000 goto again
//!        exit
//! ```
//!
//! 1. The head, `again`, is come to with `r0 = 0`. One round from there comes back
//!    with 1: `r0` changes, and goes up.
//! 2. A round in which `r0` is anything from 0 to 2^31 - 1 comes back with 1 to
//!    99999999, as the comparison holds. Together with the 0 that is the guess: 0 to
//!    99999999. What a number is compared with helps where this does not end, as with
//!    `!=`. Both rounds stay inside of the loop, prove nothing and may fail.
//! 3. The guess is checked: everything is walked from the head in this state. The
//!    comparison can hold, and then the path ends at the head, as 1 to 99999999 is
//!    covered, in full and not only in what matters. It can fail, and then the
//!    program ends. Had something not been covered, a wider guess would have been
//!    next. After an error, it may be a narrower one: what some ways round leave as it
//!    is, as the place of the least element so far, is what the others make it. If it
//!    took too long, it may be one that says nothing of numbers on which nothing is
//!    decided. After ten guesses, or another error, the attempt is undone.
//! 4. The loop must end. `r0` got an identity at the head, and came back as the same
//!    number plus 1; at the head it is always from 0 to 99999999. So it goes back
//!    99999999 times at the most. A value that is halved or doubled, that changes by
//!    something within bounds, or that lies on the stack serves as well.
//!
//! Values that move together, as a pointer and a counter, share an identity from
//! step 2 on, so that a comparison of one bounds the other; that, too, is a guess and
//! checked. A pointer that moves by four where the counter moves by one is bounded by
//! where it began and the rounds; such a guess says nothing of others that come to
//! the loop. Where there is no summary, the loop is walked round by round, within the
//! limit of [`rules::DEFAULT_STEPS`] instructions walked, and each later attempt
//! comes after twice as many rounds. A state that returns unchanged is an infinite
//! loop.
//!
//! ```
//! # use bpf_bytecode::text::assemble;
//! # use bpf_bytecode::{BpfProgType, ProgramBuilder};
//! # use bpf_profile::ActiveProfile;
//! # use bpf_verifier::{Verifier, VerifyErrorKind};
//! # fn program(text: &str) -> bpf_bytecode::BpfProgram<ActiveProfile> {
//! #     let insns = assemble::<ActiveProfile>(text).unwrap();
//! #     ProgramBuilder::new(BpfProgType::SocketFilter).insns(&insns).build().unwrap()
//! # }
//! let bounded = program("r0 = 0\nagain: r0 += 1\nif r0 < 100 goto again\nexit");
//! let verified = Verifier::new().verify_program(&bounded).unwrap();
//! assert_eq!(verified.info().max_insns, 1 + 100 * 2 + 1);
//! let long = program("r0 = 0\nagain: r0 += 1\nif r0 < 100000000 goto again\nexit");
//! let verified = Verifier::new().verify_program(&long).unwrap();
//! assert_eq!(verified.info().max_insns, 1 + 100_000_000 * 2 + 1);
//! assert!(verified.info().processed < 20);
//!
//! let endless = program("r0 = 0\nagain: r1 = 1\nif r0 == 0 goto again\nexit");
//! let error = Verifier::new().verify(&endless).unwrap_err();
//! assert!(matches!(error.kind(), VerifyErrorKind::InfiniteLoop { .. }));
//! ```
//!
//! An iterator counts for a summary, too: each round in which it was asked leaves it
//! one less to give. So a counter beside an iterator may decide what it likes.
//!
//! Where something else bounds the rounds, as the allowance of `may_goto` does,
//! the walk need not see them all: a round that an earlier one covers closes the
//! loop, and the bound is that many times the costliest round.
//!
//! ```
//! # use bpf_bytecode::text::assemble;
//! # use bpf_bytecode::{BpfProgType, ProgramBuilder};
//! # use bpf_profile::ActiveProfile;
//! # use bpf_verifier::{Verifier, rules::MAY_GOTO_ROUNDS};
//! # let insns = assemble::<ActiveProfile>(
//! # "r0 = 0\nagain: may_goto out\nr0 += 1\ngoto again\nout: exit").unwrap();
//! # let builder = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SocketFilter);
//! # let program = builder.insns(&insns).build().unwrap();
//! // r0 = 0; again: may_goto out; r0 += 1; goto again; out: exit
//! let verified = Verifier::new().verify_program(&program).unwrap();
//! assert!(verified.info().max_insns / 3 >= u64::from(MAY_GOTO_ROUNDS));
//! assert!(verified.info().processed < 60);
//! ```
//!
//! The bound of a whole program is the cost of its costliest path. It is found
//! on the way: the bound of a node is the greatest sum over the paths from it,
//! and a path that ends at a node which covers it adds that node's. Inside of
//! loops with summaries the paths back to each head count apart; at a head these are
//! multiplied by the rounds and added.
//!
//! # Cost
//!
//! All that is kept lies in one slice of words: the caller's
//! ([`Verifier::with_workspace`]), an array on the stack (embedded), or storage
//! that grows up to [`Verifier::memory_limit`] (cloud), of which a little serves the
//! verifier's next program. The instructions walked
//! have a limit, too ([`Verifier::step_limit`]). Beside that, everything that takes
//! time is counted as work, in words of states that are kept, read again or compared,
//! so that a program of large states cannot take long: a walk may do as much
//! work as its limit of instructions alone would make. Beyond any of these the answer is
//! a [`VerifyErrorKind::WorkspaceExhausted`] or [`VerifyErrorKind::TooComplex`].
//!
//! # Addresses
//!
//! By default a loader counts as privileged, as root on Linux: programs may
//! store, subtract, compare and return addresses. With
//! [`Privilege::Unprivileged`] addresses stay in registers and on the stack.
#![no_std]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

mod arena;
pub mod beyond_linux;
pub mod cfg;
pub mod core;
#[cfg(feature = "embedded-profile")]
pub mod cost;
pub mod domain;
pub mod env;
pub mod error;
mod meter;
pub mod observer;
pub mod policy;
pub mod rules;
pub mod state;
mod tail;
pub mod verified;
mod verifier;

/// What helpers may do that call functions of the program.
pub mod callback {
    pub use crate::core::callback::{MAX_CALLBACKS, MAX_LOOPS, MAX_SHOWN_KEY};
}

pub use crate::core::effort::Effort;
pub use crate::core::path::{Event, Path};
#[cfg(feature = "embedded-profile")]
pub use cost::CostTable;
pub use env::{HelperTable, SignatureError};
pub use error::{Access, ErrorClass, Feature, Sink, VerifyError, VerifyErrorKind};
pub use observer::{Observer, Unobserved};
pub use policy::StackPolicy;
#[cfg(feature = "embedded-profile")]
pub use rules::Place;
pub use rules::Privilege;
pub use state::{Apart, Bytes, Kind, StateView, Value};
pub use verified::{InsnFact, VerifiedInfo, VerifiedProgram};
pub use verifier::Verifier;
