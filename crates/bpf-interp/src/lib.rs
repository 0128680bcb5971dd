//! The run-time side of programs: context, environment, helpers, and the safe
//! interpreter.
#![no_std]

pub mod context;
pub mod error;
pub mod executor;

pub use context::BpfContext;
pub use error::{BpfError, BpfResult, Fault, Refusal};
pub use executor::BpfExecutor;
