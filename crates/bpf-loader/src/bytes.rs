//! Checked reading of little-endian numbers and of strings.

use bpf_profile::{MemoryStrategy, PhysicalProfile, Sequence};

use crate::LoadError;

/// Bytes of a name at the most. Strings are looked up by offset into tables
/// that may be hostile; the bound keeps each lookup short.
pub(crate) const MAX_NAME: usize = 1024;

/// Bytes of a line of source at the most, for the same reason.
pub(crate) const MAX_LINE: usize = 4096;

/// A sequence of the profile `P`, in place for `N` values where it cannot grow.
pub(crate) type Table<P, T, const N: usize> =
    <<P as PhysicalProfile>::Memory as MemoryStrategy>::Vec<T, N>;

/// Appends `value` to a table that holds `limit` values in place.
pub(crate) fn push<T>(
    table: &mut impl Sequence<T>,
    value: T,
    what: &'static str,
    limit: usize,
) -> Result<(), LoadError> {
    table.try_push(value).map_err(|_| LoadError::Limit { what, limit })
}

/// `len` bytes from `at` on.
pub(crate) fn sub(bytes: &[u8], at: usize, len: usize) -> Option<&[u8]> {
    bytes.get(at..at.checked_add(len)?)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

pub(crate) fn u8_at(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

/// A 32-bit number as index. No supported target has smaller pointers; where
/// one had, the index would be beyond every slice.
pub(crate) fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The text at `at` up to its NUL, if it ends within `max` bytes.
pub(crate) fn text_at(table: &[u8], at: usize, max: usize) -> Option<&str> {
    let rest = table.get(at..)?;
    let window = rest.get(..max.saturating_add(1)).unwrap_or(rest);
    let end = window.iter().position(|&byte| byte == 0)?;
    core::str::from_utf8(window.get(..end)?).ok()
}

/// The name at `at`.
pub(crate) fn name_at(table: &[u8], at: usize) -> Option<&str> {
    text_at(table, at, MAX_NAME)
}
