//! Maps as programs hold them.

/// What a program holds for a map. The value is no address, on any machine: a
/// program that uses it as one is stopped, and a helper that is given it needs
/// no memory access to know the map.
const HANDLES: u64 = 0x4d41_5000_0000_0000;

/// The value for the map of definition `index`.
pub(super) const fn handle(index: u32) -> u64 {
    HANDLES | index as u64
}

/// The index of the definition that `handle` stands for.
pub(super) fn index(handle: u64) -> Option<u32> {
    u32::try_from(handle ^ HANDLES).ok()
}
