//! Where a map's values lie.
#![allow(unsafe_code)]

use core::ptr::NonNull;

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
    /// `count` values of `value_size` bytes, `stride` bytes from start to start.
    ///
    /// # Safety
    /// The bytes from `base` to the end of the last value must be one
    /// allocation, valid for as long as the region is used; `stride` must not be
    /// less than `value_size`.
    pub(crate) const unsafe fn new(
        base: NonNull<u8>,
        stride: usize,
        count: usize,
        value_size: usize,
    ) -> Self {
        Self { base, stride, count, value_size }
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
    #[inline]
    pub fn resolve(&self, address: usize, len: usize) -> Option<NonNull<u8>> {
        let offset = address.checked_sub(self.base.addr().get())?;
        let index = offset.checked_div(self.stride)?;
        let within = offset.checked_rem(self.stride)?;
        if index >= self.count || within.checked_add(len)? > self.value_size {
            return None;
        }
        // SAFETY: `offset` is within a value of the region's one allocation.
        Some(unsafe { self.base.add(offset) })
    }
}
