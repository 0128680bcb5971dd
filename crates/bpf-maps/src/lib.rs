//! BPF maps: Linux's semantics over elastic or static storage, with values
//! whose addresses never change.
#![no_std]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::arithmetic_side_effects
    )
)]

#[cfg(test)]
extern crate std;

mod error;
mod map;
pub mod memory;
mod region;
mod value;

pub use error::MapError;
pub use map::{BpfMap, MAX_KEY_SIZE, RingBuffer, Wakeup};
pub use region::ValueRegion;
pub use value::MapValue;

#[cfg(feature = "embedded-profile")]
pub use bpf_profile::static_pool;
