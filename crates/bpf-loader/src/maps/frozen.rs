//! Maps of constants, whose contents the verifier may know.

use bpf_bytecode::abi::frozen::{FrozenBytes, FrozenMap};
use bpf_profile::PhysicalProfile;

use super::{Contents, Map};
use crate::LoadError;
use crate::bytes::{Table, push};

/// Maps of constants that a table of fixed size holds.
const CAPACITY: usize = 4;

pub(crate) type FrozenMaps<P> = Table<P, FrozenMap, CAPACITY>;

/// The constants of an object, copied once for all of its programs and maps.
/// Where the build keeps no copies or there is no room for one, they are as
/// unknown as the contents of any map.
pub(crate) fn find<P: PhysicalProfile>(maps: &[Map<'_>]) -> Result<FrozenMaps<P>, LoadError> {
    let mut out = FrozenMaps::<P>::default();
    for (index, map) in (0_u32..).zip(maps) {
        let Contents::Bytes(bytes) = map.contents else { continue };
        if !FrozenMap::can_be(&map.def) {
            continue;
        }
        let Ok(bytes) = FrozenBytes::copy_of(bytes) else { continue };
        push::<FrozenMap>(&mut out, FrozenMap { index, bytes }, "constants", CAPACITY)?;
    }
    Ok(out)
}
