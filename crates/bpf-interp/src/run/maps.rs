//! Maps as programs hold them.

use super::Run;
use super::memory::address;
use crate::error::Fault;

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

impl Run<'_> {
    /// The address of byte `offset` of the only value of the map of definition
    /// `index`, as a 64-bit immediate load names it.
    ///
    /// # Errors
    /// [`Fault::InvalidInstruction`] when there is no such map, value or byte.
    pub fn map_value_address(&self, index: u32, offset: u32) -> Result<u64, Fault> {
        let region = self.env.map(index).and_then(|map| map.value_region(0));
        let region = region.ok_or(Fault::InvalidInstruction)?;
        let within = usize::try_from(offset).is_ok_and(|at| at < region.value_size());
        let address = address(region.base()).checked_add(u64::from(offset));
        address.filter(|_| within && region.count() > 0).ok_or(Fault::InvalidInstruction)
    }
}
