//! Constants of an object, copied once for all of its programs and maps.

use bpf_bytecode::abi::frozen::{FrozenBytes, FrozenMap};
use bpf_profile::PhysicalProfile;

use super::{FROZEN_CAPACITY, FrozenMaps, Map};
use crate::LoadError;
use crate::bytes::push;
use crate::maps::Contents;

pub(crate) fn find<P: PhysicalProfile>(maps: &[Map<'_>]) -> Result<FrozenMaps<P>, LoadError> {
    let mut out = FrozenMaps::<P>::default();
    for (index, map) in (0_u32..).zip(maps) {
        let Contents::Bytes(bytes) = map.contents else { continue };
        if !FrozenMap::can_be(&map.def) {
            continue;
        }
        let bytes = FrozenBytes::copy_of(bytes)?;
        push::<FrozenMap>(&mut out, FrozenMap { index, bytes }, "constants", FROZEN_CAPACITY)?;
    }
    Ok(out)
}
