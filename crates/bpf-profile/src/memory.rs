//! Where elastic and static storage meet.
//!
//! The code above this module is written once: it asks its profile's
//! [`MemoryStrategy`] for a [`Sequence`] of values or for a [`MemoryBlock`] of
//! bytes, and gets heap or static storage. Running out is an ordinary error on
//! both.

use core::ops::DerefMut;
use core::ptr::NonNull;

#[cfg(feature = "cloud-profile")]
mod heap;
#[cfg(feature = "embedded-profile")]
mod pool;
mod stored;

#[cfg(feature = "cloud-profile")]
pub use heap::{HeapBlock, HeapMemory};
#[cfg(feature = "embedded-profile")]
pub use pool::PoolMemory;
pub use stored::Stored;

/// Alignment of the blocks that a [`MemoryStrategy`] allocates, in bytes.
pub const BLOCK_ALIGN: usize = 64;

/// Something of [`BLOCK_ALIGN`], to make aligned addresses from.
#[repr(align(64))]
pub(crate) struct Aligned(#[allow(dead_code, reason = "storage")] pub [u8; BLOCK_ALIGN]);

/// The address of a block without bytes.
pub(crate) const fn no_bytes() -> NonNull<u8> {
    NonNull::<Aligned>::dangling().cast()
}

/// Storage of the wanted size was not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("out of memory: {requested} more bytes wanted")]
pub struct OutOfMemory {
    /// Bytes that were asked for.
    pub requested: usize,
}

/// How a profile obtains storage.
pub trait MemoryStrategy: crate::physical::Sealed + 'static {
    /// Whether storage can grow after a program was built. It says what the profile
    /// is; code above asks for storage and not for this.
    const ELASTIC: bool;

    /// An owned sequence of values: on the heap, or in place with room for `N`.
    type Vec<T, const N: usize>: Sequence<T>;

    /// An owned block of bytes at an address that never changes.
    type Block: MemoryBlock;

    /// How many values a [`Vec`](Self::Vec) may come to hold, with room for
    /// `in_place` of them in place or else for as many as are `wanted`.
    fn room(in_place: usize, wanted: usize) -> usize;

    /// A zeroed block of `bytes` bytes, given back when it is dropped.
    ///
    /// # Errors
    /// [`OutOfMemory`] when neither heap nor pool has as much in one piece.
    fn allocate(bytes: usize) -> Result<Self::Block, OutOfMemory>;
}

/// A sequence whose growth can fail without a panic.
pub trait Sequence<T>: Default + DerefMut<Target = [T]> {
    /// Appends `value`.
    ///
    /// # Errors
    /// Gives `value` back when there is no room.
    fn try_push(&mut self, value: T) -> Result<(), T>;

    /// Takes the last value off.
    fn pop(&mut self) -> Option<T>;

    /// Takes the value at `index` out and closes the gap, keeping the order.
    fn take(&mut self, index: usize) -> Option<T>;

    /// Drops all values from `len` on.
    fn truncate(&mut self, len: usize);

    /// Makes room for `additional` more values.
    ///
    /// # Errors
    /// [`OutOfMemory`] when there is none.
    fn try_reserve(&mut self, additional: usize) -> Result<(), OutOfMemory>;

    /// Makes it `len` values long: drops what is too much, or appends copies of
    /// `value`.
    ///
    /// # Errors
    /// [`OutOfMemory`] when they do not fit; the sequence is then unchanged.
    fn try_resize(&mut self, len: usize, value: T) -> Result<(), OutOfMemory>
    where
        T: Clone;

    /// A sequence with the values of `values`.
    ///
    /// # Errors
    /// [`OutOfMemory`] when they do not fit.
    fn try_from_slice(values: &[T]) -> Result<Self, OutOfMemory>
    where
        T: Clone,
    {
        let mut out = Self::default();
        out.try_extend(values)?;
        Ok(out)
    }

    /// Appends the values of `values`, all of them or none.
    ///
    /// # Errors
    /// [`OutOfMemory`] when they do not fit; the sequence is then unchanged.
    fn try_extend(&mut self, values: &[T]) -> Result<(), OutOfMemory>
    where
        T: Clone,
    {
        self.try_reserve(values.len())?;
        for value in values {
            // Room was reserved above, so no value comes back.
            let _ = self.try_push(value.clone());
        }
        Ok(())
    }
}

/// A block of bytes with a stable address, aligned to [`BLOCK_ALIGN`] where the
/// strategy allocated it and to 8 bytes where the kernel handed it in.
///
/// The block hands out no slice: programs may write to it at any time, so it is
/// read and written through the raw address by code that knows how.
///
/// # Safety
/// Until the block is dropped, `base()` must be the same address, aligned to at
/// least 8 bytes and valid for reads and writes of `len()` bytes, which are at
/// most `isize::MAX`. The bytes must be initialised, zero at first, belong to
/// this block alone, and no reference to them may exist.
#[allow(unsafe_code)]
pub unsafe trait MemoryBlock: Send + Sync + Sized + 'static {
    /// A block over storage that the kernel hands in, zeroed. Up to seven bytes
    /// at the start are left out to reach an alignment of 8.
    fn from_static(storage: &'static mut [u8]) -> Self;

    /// First byte.
    fn base(&self) -> NonNull<u8>;

    /// Length in bytes.
    fn len(&self) -> usize;

    /// Whether the block has no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The 8-aligned part of `storage`, zeroed, as address and length.
pub(crate) fn adopt(storage: &'static mut [u8]) -> (NonNull<u8>, usize) {
    storage.fill(0);
    let skip = storage.as_ptr().align_offset(8).min(storage.len());
    let aligned = storage.get_mut(skip..).unwrap_or_default();
    (NonNull::from(&mut *aligned).cast(), aligned.len())
}
