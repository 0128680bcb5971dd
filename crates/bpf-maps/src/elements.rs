//! The values of an array, for code that finds one by itself.

use core::ptr::NonNull;

use portable_atomic::AtomicU32;

use crate::ValueRegion;

/// Where an array has its values, for compiled code: the value of an index below
/// what [`bound`](Self::bound) holds at the moment lies at
/// [`base`](Self::base) plus the index times [`stride`](Self::stride).
///
/// Of indices that are not below it, those below what [`end`](Self::end) holds have
/// their values elsewhere, as a resize has added them, and others have none.
#[derive(Clone, Copy, Debug)]
pub struct Elements<'m> {
    region: ValueRegion,
    bound: &'m AtomicU32,
    end: &'m AtomicU32,
}

impl<'m> Elements<'m> {
    /// The caller keeps `bound` at no more than the values of the region.
    pub(crate) const fn new(region: ValueRegion, bound: &'m AtomicU32, end: &'m AtomicU32) -> Self {
        Self { region, bound, end }
    }

    /// Address of the first value.
    pub const fn base(&self) -> NonNull<u8> {
        self.region.base()
    }

    /// Bytes from one value to the next.
    pub const fn stride(&self) -> usize {
        self.region.stride()
    }

    /// The first index that is no more found so. A resize changes it.
    pub const fn bound(&self) -> &'m AtomicU32 {
        self.bound
    }

    /// The first index that has no value. A resize changes it.
    pub const fn end(&self) -> &'m AtomicU32 {
        self.end
    }
}
