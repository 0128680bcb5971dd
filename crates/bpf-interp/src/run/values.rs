//! Values of maps, by address. Where values lie never changes as long as a map
//! lives, so what was found is kept.

use core::cell::Cell;
use core::num::NonZero;
use core::ptr::NonNull;

use bpf_maps::ValueRegion;

use super::Run;
use super::memory::{Access, address};
use crate::error::Fault;

/// How many maps' values are known by the map's index.
const KNOWN: usize = 4;

/// What a run has found.
#[derive(Default)]
pub(super) struct Values {
    /// Address and size of the value that was accessed last; no bytes where there is
    /// none.
    from: Cell<usize>,
    size: Cell<usize>,
    /// What lies around it.
    around: Cell<Option<Around>>,
    /// Only values of maps, by index modulo their number.
    only: [Cell<Only>; KNOWN],
}

/// A region of values, and what a program may do there.
#[derive(Clone, Copy)]
struct Around {
    region: ValueRegion,
    readable: bool,
    writable: bool,
}

/// The first value of a map.
#[derive(Clone, Copy, Default)]
struct Only {
    index: u32,
    /// Bytes; none where nothing is known.
    size: u32,
    address: u64,
}

impl Around {
    /// The bytes at `at`, which are in the region, if the access is allowed.
    #[inline]
    fn allowed(self, at: usize, access: Access) -> Option<NonNull<u8>> {
        let allowed = if access == Access::Read { self.readable } else { self.writable };
        NonZero::new(at).filter(|_| allowed).map(|at| self.region.base().with_addr(at))
    }
}

impl Run<'_> {
    /// The `len` bytes at an address, if they are in a map's value that may be
    /// accessed so.
    #[inline]
    pub(super) fn value_at(&self, at: usize, len: usize, access: Access) -> Option<NonNull<u8>> {
        let values = &self.values;
        let within = at.wrapping_sub(values.from.get());
        if len <= values.size.get() && within <= values.size.get().wrapping_sub(len) {
            return values.around.get()?.allowed(at, access);
        }
        self.find_value(at, len)?.allowed(at, access)
    }

    /// Finds the value that holds the `len` bytes, and keeps it.
    #[inline(never)]
    fn find_value(&self, at: usize, len: usize) -> Option<Around> {
        let values = &self.values;
        let here = |around: &Around| around.region.resolve(at, len).is_some();
        let around = values.around.get().filter(here).or_else(|| {
            self.env.maps().iter().find_map(|map| {
                let (readable, writable) = (map.def().is_readable(), map.def().is_writable());
                let mut all = (0..).map_while(|index| map.value_region(index));
                let region = all.find(|region| region.resolve(at, len).is_some())?;
                Some(Around { region, readable, writable })
            })
        })?;
        let within = at.wrapping_sub(around.region.base().addr().get());
        let within = within.checked_rem(around.region.stride())?;
        values.from.set(at.wrapping_sub(within));
        values.size.set(around.region.value_size());
        values.around.set(Some(around));
        Some(around)
    }

    /// The address of byte `offset` of the only value of the map of definition
    /// `index`, as a 64-bit immediate load names it.
    ///
    /// # Errors
    /// [`Fault::InvalidInstruction`] when there is no such map, value or byte.
    #[inline]
    pub fn map_value_address(&self, index: u32, offset: u32) -> Result<u64, Fault> {
        let known = self.only(index).map_or(Only::default(), Cell::get);
        if known.index == index && offset < known.size {
            return Ok(known.address.wrapping_add(offset.into()));
        }
        self.find_only(index, offset)
    }

    fn only(&self, index: u32) -> Option<&Cell<Only>> {
        self.values.only.get(usize::try_from(index).ok()?.checked_rem(KNOWN)?)
    }

    #[inline(never)]
    fn find_only(&self, index: u32, offset: u32) -> Result<u64, Fault> {
        let region = self.env.map(index).and_then(|map| map.value_region(0));
        let region = region.filter(|region| region.count() > 0).ok_or(Fault::InvalidInstruction)?;
        let size = u32::try_from(region.value_size()).unwrap_or(u32::MAX);
        let address = address(region.base());
        if let Some(only) = self.only(index) {
            only.set(Only { index, size, address });
        }
        let byte = address.checked_add(offset.into()).filter(|_| offset < size);
        byte.ok_or(Fault::InvalidInstruction)
    }
}
