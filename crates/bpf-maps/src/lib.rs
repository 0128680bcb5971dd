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

mod any;
mod array;
mod bound;
mod create;
mod error;
mod hash;
mod key;
mod limits;
mod lock;
#[cfg(feature = "cloud-profile")]
mod lpm;
mod map;
pub mod memory;
mod percpu;
mod percpu_array;
mod prog_array;
mod region;
mod ringbuf;
mod settings;
mod slots;
mod storage;
mod value;

pub use any::{AnyMap, create};
pub use array::ArrayMap;
pub use error::MapError;
#[cfg(feature = "cloud-profile")]
pub use hash::LruHashMap;
pub use hash::{HashMap, PerCpuHashMap};
pub use limits::{
    BPF_F_MMAPABLE, BPF_F_NUMA_NODE, BPF_F_RDONLY, BPF_F_WRONLY, BPF_F_ZERO_SEED, RING_PAGE,
};
#[cfg(feature = "cloud-profile")]
pub use lpm::LpmTrie;
pub use map::{BpfMap, MAX_KEY_SIZE, RingBuffer, Wakeup};
pub use percpu_array::PerCpuArrayMap;
pub use prog_array::ProgArray;
pub use region::ValueRegion;
pub use ringbuf::{
    BPF_RB_AVAIL_DATA, BPF_RB_CONS_POS, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP, BPF_RB_PROD_POS,
    BPF_RB_RING_SIZE, RingBuf,
};
pub use settings::Settings;
pub use value::MapValue;

#[cfg(feature = "embedded-profile")]
pub use bpf_profile::static_pool;
