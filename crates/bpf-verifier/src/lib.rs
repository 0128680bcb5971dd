//! A sound verifier for eBPF programs that needs neither `std` nor, on the
//! embedded profile, a heap.
#![no_std]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

mod arena;
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
pub mod verified;
mod verifier;

pub use crate::core::path::{Event, Path};
#[cfg(feature = "embedded-profile")]
pub use cost::CostTable;
pub use env::HelperTable;
pub use error::{Access, ErrorClass, Feature, Sink, VerifyError, VerifyErrorKind};
pub use observer::{Observer, Unobserved};
pub use policy::StackPolicy;
#[cfg(feature = "embedded-profile")]
pub use rules::Place;
pub use rules::Privilege;
pub use state::{Bytes, Kind, StateView, Value};
pub use verified::{InsnFact, VerifiedInfo, VerifiedProgram};
pub use verifier::Verifier;
