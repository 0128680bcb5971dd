//! Lookup, update and delete.
//!
//! A program passes keys and values by address. Keys are copied before the map
//! sees them, so that a key that another CPU writes meanwhile is one key.

use bpf_bytecode::abi::helper::id;
use bpf_bytecode::abi::map::MapType;
use bpf_maps::{BpfMap, MAX_KEY_SIZE};

use super::{bad, failed};
use crate::error::Fault;
use crate::run::{Run, address};

/// Keys up to this size take the short way.
const SMALL_KEY: usize = 64;

/// The keyed map that `handle` stands for.
fn keyed<'r>(run: &Run<'r>, helper: u32, handle: u64) -> Result<&'r dyn BpfMap, Fault> {
    let map = run.map(handle).ok_or(bad(helper, 1))?;
    match map.def().map_type {
        MapType::RingBuf | MapType::ProgArray => Err(bad(helper, 1)),
        _ => Ok(map),
    }
}

/// Calls `then` with the key of `map` at `address`.
fn with_key<R>(
    run: &Run<'_>,
    map: &dyn BpfMap,
    address: u64,
    then: impl FnOnce(&[u8]) -> Result<R, Fault>,
) -> Result<R, Fault> {
    let size = usize::try_from(map.def().key_size).unwrap_or(usize::MAX);
    if size <= SMALL_KEY {
        copied::<SMALL_KEY, R>(run, address, size, then)
    } else {
        copied::<MAX_KEY_SIZE, R>(run, address, size, then)
    }
}

/// Calls `then` with a copy of `size` bytes, at most `N`.
#[inline(never)]
fn copied<const N: usize, R>(
    run: &Run<'_>,
    address: u64,
    size: usize,
    then: impl FnOnce(&[u8]) -> Result<R, Fault>,
) -> Result<R, Fault> {
    let fault = Fault::Memory { addr: address, size: u32::try_from(size).unwrap_or(u32::MAX) };
    let mut buffer = [0; N];
    let key = buffer.get_mut(..size).ok_or(fault)?;
    run.view(address, size)?.read(0, key).ok_or(fault)?;
    then(key)
}

/// `void *bpf_map_lookup_elem(map, const void *key)`
pub(super) fn lookup(run: &mut Run<'_>, args: [u64; 5]) -> Result<u64, Fault> {
    let [handle, key, ..] = args;
    let map = keyed(run, id::MAP_LOOKUP_ELEM, handle)?;
    let cpu = run.cpu();
    let value = with_key(run, map, key, |key| Ok(map.lookup_ptr(key, cpu)))?;
    Ok(value.map_or(0, address))
}

/// `long bpf_map_update_elem(map, const void *key, const void *value, u64 flags)`
pub(super) fn update(run: &mut Run<'_>, args: [u64; 5]) -> Result<u64, Fault> {
    let [handle, key, value, flags, _] = args;
    let map = keyed(run, id::MAP_UPDATE_ELEM, handle)?;
    let cpu = run.cpu();
    let size = usize::try_from(map.def().value_size).unwrap_or(usize::MAX);
    let updated = with_key(run, map, key, |key| {
        Ok(map.update_from(key, run.view(value, size)?, flags, cpu))
    })?;
    Ok(updated.map_or_else(|error| failed(error.errno()), |()| 0))
}

/// `long bpf_map_delete_elem(map, const void *key)`
pub(super) fn delete(run: &mut Run<'_>, args: [u64; 5]) -> Result<u64, Fault> {
    let [handle, key, ..] = args;
    let map = keyed(run, id::MAP_DELETE_ELEM, handle)?;
    let cpu = run.cpu();
    let deleted = with_key(run, map, key, |key| Ok(map.delete_on(key, cpu)))?;
    Ok(deleted.map_or_else(|error| failed(error.errno()), |()| 0))
}
