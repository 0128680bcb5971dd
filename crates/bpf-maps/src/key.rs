//! Keys and values as callers hand them in.

use bpf_bytecode::abi::map::MapDef;
use bpf_bytecode::abi::map::flags::{BPF_ANY, BPF_EXIST, BPF_F_LOCK, BPF_NOEXIST};

use crate::MapError;
use crate::memory::View;

/// What an update may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Any,
    Create,
    Overwrite,
}

impl Mode {
    /// The mode of an update's flags. `BPF_F_LOCK` is for values with a lock in
    /// them, which there are none.
    pub(crate) const fn of(flags: u64) -> Result<Self, MapError> {
        match flags {
            BPF_ANY => Ok(Self::Any),
            BPF_NOEXIST => Ok(Self::Create),
            BPF_EXIST => Ok(Self::Overwrite),
            _ => Err(MapError::InvalidFlags),
        }
    }

    /// Whether an update may go on.
    pub(crate) const fn admit(self, exists: bool) -> Result<(), MapError> {
        match (self, exists) {
            (Self::Create, true) => Err(MapError::Exists),
            (Self::Overwrite, false) => Err(MapError::NotFound),
            _ => Ok(()),
        }
    }
}

/// Whether an update of an array may go on, given the entry's place if there is
/// one. As on Linux, `BPF_F_LOCK` is looked at last; the host's updates with it are
/// refused beforehand.
pub(crate) fn admit_in_array<T>(place: Option<T>, flags: u64) -> Result<T, MapError> {
    let mode = Mode::of(flags & !BPF_F_LOCK)?;
    let place = place.ok_or(MapError::IndexOutOfRange)?;
    mode.admit(true)?;
    if flags & BPF_F_LOCK == 0 { Ok(place) } else { Err(MapError::InvalidFlags) }
}

/// An array's index.
pub(crate) fn index(key: &[u8]) -> Result<u32, MapError> {
    <[u8; 4]>::try_from(key).map(u32::from_ne_bytes).map_err(|_| MapError::InvalidKey)
}

/// Sees that a key has the map's length.
pub(crate) fn check(def: &MapDef, key: &[u8]) -> Result<(), MapError> {
    if key.len() == def.key_size as usize { Ok(()) } else { Err(MapError::InvalidKey) }
}

/// Sees that a value has the wanted length.
pub(crate) fn check_value(value: View<'_>, size: usize) -> Result<(), MapError> {
    if value.len() == size { Ok(()) } else { Err(MapError::InvalidValue) }
}

/// The key after `previous` in an array of `count` entries.
pub(crate) fn next_index(
    previous: Option<&[u8]>,
    count: u32,
    out: &mut [u8],
) -> Result<(), MapError> {
    let next = match previous.map(index).transpose()? {
        Some(last) if last == count.wrapping_sub(1) => return Err(MapError::NotFound),
        Some(index) if index < count => index.wrapping_add(1),
        _ => 0,
    };
    put(out, &next.to_ne_bytes())
}

/// Writes a key out.
pub(crate) fn put(out: &mut [u8], key: &[u8]) -> Result<(), MapError> {
    if out.len() != key.len() {
        return Err(MapError::InvalidKey);
    }
    out.copy_from_slice(key);
    Ok(())
}
