//! Where a map's values lie.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use crate::memory::Cells;
use crate::slots::Field;

/// Values at equal distances, at addresses that stay valid for as long as the
/// map lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueRegion {
    base: NonNull<u8>,
    stride: usize,
    count: usize,
    value_size: usize,
}

// SAFETY: a region is an address and numbers; reaching the memory takes unsafe
// code of its own.
unsafe impl Send for ValueRegion {}
// SAFETY: as above.
unsafe impl Sync for ValueRegion {}

impl ValueRegion {
    /// The field in `count` records of `stride` bytes that stand one after
    /// another in `memory`, if they are all within.
    pub(crate) fn over(
        memory: Cells<'_>,
        stride: usize,
        count: usize,
        field: Field,
    ) -> Option<Self> {
        let end_of_field = field.offset.checked_add(field.size)?;
        if end_of_field > stride || stride.checked_mul(count)? > memory.len() {
            return None;
        }
        let base = memory.part(field.offset, field.size)?.as_ptr();
        Some(Self { base, stride, count, value_size: field.size })
    }

    /// Address of the first value.
    pub const fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Bytes from the start of one value to the start of the next.
    pub const fn stride(&self) -> usize {
        self.stride
    }

    /// Number of values.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Bytes of one value.
    pub const fn value_size(&self) -> usize {
        self.value_size
    }

    /// The `len` bytes at `address`, if all of them are within one value.
    ///
    /// The address is good for as long as the map lives.
    #[inline]
    pub fn resolve(&self, address: usize, len: usize) -> Option<NonNull<u8>> {
        let offset = address.checked_sub(self.base.addr().get())?;
        let index = offset.checked_div(self.stride)?;
        let within = offset.checked_rem(self.stride)?;
        if index >= self.count || within.checked_add(len)? > self.value_size {
            return None;
        }
        // Within one block, as `over` has seen, while the map lives; and no more
        // than an address after.
        NonNull::new(self.base.as_ptr().wrapping_add(offset))
    }
}
