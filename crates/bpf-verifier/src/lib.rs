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

pub mod domain;
pub mod env;
pub mod policy;
pub mod verified;

pub use env::HelperTable;
pub use policy::StackPolicy;
pub use verified::{InsnFact, VerifiedInfo, VerifiedProgram};
