//! Hash maps.

#[cfg(feature = "embedded-profile")]
#[path = "hash/fixed.rs"]
mod buckets;
#[cfg(feature = "cloud-profile")]
#[path = "hash/growing.rs"]
mod buckets;
mod function;
mod heads;
#[cfg(feature = "cloud-profile")]
mod lru;
mod percpu;
mod plain;
mod table;

#[cfg(feature = "cloud-profile")]
pub use lru::LruHashMap;
pub use percpu::PerCpuHashMap;
pub use plain::HashMap;

/// Where in a node the hash of its key is.
const HASH: usize = 0;
/// Where in a node the link to the next free one is.
const FREE: usize = 4;
/// Where in a node the first link to the next one in its chain is.
const NEXT: usize = 8;
