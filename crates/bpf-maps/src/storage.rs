//! Where a map's bytes come from.
#![allow(unsafe_code)]

use bpf_profile::{MemoryBlock, MemoryStrategy, OutOfMemory, PhysicalProfile};

use crate::MapError;
use crate::memory::Cells;

/// What everything in storage is aligned to, and a multiple of.
pub(crate) const ALIGN: usize = 8;

/// `size` rounded up to a multiple of 8.
pub(crate) const fn round_up(size: usize) -> Option<usize> {
    size.checked_next_multiple_of(ALIGN)
}

/// `a * b + c`, all that sizes are made of.
pub(crate) const fn mul_add(a: usize, b: usize, c: usize) -> Option<usize> {
    match a.checked_mul(b) {
        Some(product) => product.checked_add(c),
        None => None,
    }
}

/// Bytes that storage for blocks of these sizes must have where its alignment
/// is not known.
pub(crate) const fn total(mut sizes: &[Option<usize>]) -> Option<usize> {
    let mut sum = ALIGN.saturating_sub(1);
    while let [size, rest @ ..] = sizes {
        let Some(size) = size else { return None };
        let Some(size) = round_up(*size) else { return None };
        let Some(longer) = sum.checked_add(size) else { return None };
        (sum, sizes) = (longer, rest);
    }
    Some(sum)
}

/// Where the blocks of a map under construction are taken from.
pub(crate) enum Source {
    /// The profile's own storage.
    Profile,
    /// What the kernel has handed in, as far as it is not yet used.
    Handed(&'static mut [u8]),
}

impl Source {
    /// A zeroed block.
    pub(crate) fn take<P: PhysicalProfile>(
        &mut self,
        bytes: Option<usize>,
    ) -> Result<Bytes<P>, MapError> {
        let bytes = bytes.and_then(round_up).ok_or(OutOfMemory { requested: usize::MAX })?;
        let Self::Handed(rest) = self else {
            return Ok(Bytes(P::Memory::allocate(bytes)?));
        };
        let storage = core::mem::take(rest);
        let skip = storage.as_ptr().align_offset(ALIGN);
        let aligned = storage.get_mut(skip..).unwrap_or_default();
        let (block, after) =
            aligned.split_at_mut_checked(bytes).ok_or(OutOfMemory { requested: bytes })?;
        *rest = after;
        Ok(Bytes(MemoryBlock::from_static(block)))
    }
}

/// A block of which programs may hold addresses.
pub(crate) struct Bytes<P: PhysicalProfile>(<P::Memory as MemoryStrategy>::Block);

impl<P: PhysicalProfile> Bytes<P> {
    /// Everything in the block.
    #[inline]
    pub(crate) fn cells(&self) -> Cells<'_> {
        // SAFETY: a block is valid at one address until it is dropped, which the
        // borrow excludes; no reference to its bytes exists, and all access to
        // them goes through `memory`.
        unsafe { Cells::new(self.0.base(), self.0.len()) }
    }
}
