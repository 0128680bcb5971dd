//! Maps of constants, whose contents the verifier may know.

use bpf_bytecode::abi::frozen::FrozenMap;

use super::Map;
use crate::bytes::Table;

#[cfg_attr(feature = "cloud-profile", path = "frozen/copied.rs")]
#[cfg_attr(feature = "embedded-profile", path = "frozen/unknown.rs")]
mod of_profile;

pub(crate) use of_profile::find;

/// Maps of constants that a table of fixed size holds.
pub(crate) const FROZEN_CAPACITY: usize = 4;

pub(crate) type FrozenMaps<P> = Table<P, FrozenMap, FROZEN_CAPACITY>;
