//! The run-time side of programs: context, environment, helpers, and the safe
//! interpreter.
//!
//! [`Interpreter`] executes any program, [`VerifiedInterpreter`] verified ones,
//! and on the cloud profile `TranslatedInterpreter` the same in a form made for it,
//! over one [`Environment`] of live maps, helpers and a [`Platform`]. A program that
//! runs often is [`Prepared`] once. Each execution is a [`Run`], which all engines
//! share: it resolves the addresses that a program of which nothing is known
//! produces, calls helpers, and keeps frames.
//!
//! # Re-entrance
//! A program may be preempted by another program on the same CPU, for instance
//! by one that an interrupt starts. Each execution has its own run: registers,
//! stack, reserved records, budget. Nothing here takes a lock or waits. What two
//! executions can share is
//! - a *context*: the second one is refused at once
//!   ([`Refusal::ContextBusy`]);
//! - *maps*: lookups never wait; an update that finds the map locked by the
//!   program it preempted fails with `-EBUSY`. Values may change between any
//!   two accesses of the preempted program, also those of a per-CPU map; an
//!   atomic instruction is never seen half done;
//! - a *ring buffer*: a record that the preempted program holds reserved keeps
//!   back those after it until that program goes on;
//! - *helpers and platform*: they are called while another call is under way,
//!   and are `Sync` for that reason.
#![no_std]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

#[cfg(feature = "cloud-profile")]
extern crate alloc;

pub mod context;
pub mod env;
pub mod error;
pub mod executor;
pub mod helper;
mod helpers;
pub mod interpreter;
mod kfuncs;
pub mod observer;
pub mod platform;
pub mod run;
pub mod semantics;
#[cfg(feature = "embedded-profile")]
pub mod timing;

pub use context::BpfContext;
pub use env::{DEFAULT_BUDGET, Environment};
pub use error::{BpfError, BpfResult, Fault, Refusal};
pub use executor::BpfExecutor;
pub use helper::{Helper, HelperCall};
pub use interpreter::{Interpreter, Prepared, VerifiedInterpreter};
#[cfg(feature = "cloud-profile")]
pub use interpreter::{TranslatedInterpreter, TranslatedProgram};
pub use observer::{Observer, Step, Unobserved};
pub use platform::{NullPlatform, Platform};
pub use run::Run;
#[cfg(feature = "embedded-profile")]
pub use timing::Timing;
