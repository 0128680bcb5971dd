//! BPF maps: Linux's semantics over elastic or static storage, with values
//! whose addresses never change.
//!
//! | type | Linux's | cloud | embedded |
//! |---|---|---|---|
//! | [`ArrayMap`] | `array` | yes | yes |
//! | [`PerCpuArrayMap`] | `percpu_array` | yes | yes |
//! | [`HashMap`] | `hash` | yes | yes |
//! | [`PerCpuHashMap`] | `percpu_hash` | yes | yes |
//! | [`RingBuf`] | `ringbuf` | yes | yes |
//! | [`ProgArray`] | `prog_array` | yes | yes |
//! | `LruHashMap` | `lru_hash` | yes | no |
//! | `LpmTrie` | `lpm_trie` | yes | no |
//! | `BpfMap::resize` | | yes | no |
//!
//! All of them are [`BpfMap`]s; [`create`] makes the one that a definition
//! names. The page of [`BpfMap`] says what holds for concurrent use and for a
//! program that interrupts another one.
//!
//! ```
//! use bpf_maps::{ArrayMap, BpfMap};
//! use bpf_profile::ActiveProfile;
//!
//! let map = ArrayMap::<ActiveProfile>::with_entries(4, 100).expect("create map");
//! let key = 5u32.to_ne_bytes();
//! let value = 42u32.to_ne_bytes();
//! map.update(&key, &value, 0).expect("update");
//! let result = map.lookup(&key).expect("lookup");
//! assert_eq!(result, value);
//! ```
//!
//! # Storage
//! A map sets its storage aside when it is created and takes no more after,
//! except to grow. Where the caller names none it comes from the profile: the
//! heap on cloud, the static pool on embedded, and is given back on drop. Each
//! type has `with_storage` for memory that the kernel hands in, and a constant
//! function that tells how much:
//!
//! ```
//! use bpf_bytecode::abi::map::{MapDef, MapType};
//! use bpf_maps::{BpfMap, HashMap};
//! use bpf_profile::ActiveProfile;
//!
//! const DEF: MapDef = MapDef::new(MapType::Hash, 4, 8, 64);
//! const BYTES: usize = HashMap::<ActiveProfile>::storage_bytes(&DEF, 1).unwrap();
//!
//! # let storage = Box::leak(Box::new([0; BYTES]));
//! // In firmware: from a `static`, by way of a cell that gives it out once.
//! let map = HashMap::<ActiveProfile>::with_storage(DEF, storage).unwrap();
//! assert!(map.is_empty());
//! ```
//!
//! # Where it differs from Linux
//! - Keys have 512 bytes at the most, as many as a program's frame: engines copy
//!   them.
//! - An LRU map keeps one order for all CPUs, whatever its flags say, and evicts
//!   only when it is full.
//! - Values with locks, timers and the like in them are not known, and so
//!   neither is `BPF_F_LOCK`.
//! - On embedded, a ring buffer may be smaller than a page of Linux.
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
pub mod array;
mod bound;
mod create;
#[cfg(feature = "cloud-profile")]
mod direct;
#[cfg(feature = "cloud-profile")]
mod elements;
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
mod seal;
mod settings;
mod slots;
mod storage;
mod value;

pub use any::{AnyMap, create};
pub use array::ArrayMap;
#[cfg(feature = "cloud-profile")]
pub use direct::Direct;
#[cfg(feature = "cloud-profile")]
pub use elements::Elements;
pub use error::MapError;
#[cfg(feature = "cloud-profile")]
pub use hash::LruHashMap;
pub use hash::{HashMap, PerCpuHashMap};
pub use limits::{
    BPF_F_INNER_MAP, BPF_F_MMAPABLE, BPF_F_NUMA_NODE, BPF_F_RDONLY, BPF_F_WRONLY, BPF_F_ZERO_SEED,
    RING_PAGE,
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
