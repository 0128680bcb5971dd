//! Checked ranges of shared memory.
#![allow(unsafe_code)]

use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use portable_atomic::AtomicU32;

use super::{copy, copy_in, copy_out, equal, fill, load_u8};

/// Bytes to read, which others may write at the same time.
#[derive(Clone, Copy)]
pub struct View<'a> {
    base: NonNull<u8>,
    len: usize,
    memory: PhantomData<&'a ()>,
}

// SAFETY: access through a view is atomic, from any thread.
unsafe impl Send for View<'_> {}
// SAFETY: as above.
unsafe impl Sync for View<'_> {}

impl<'a> View<'a> {
    /// A view of `len` bytes.
    ///
    /// # Safety
    /// For the whole of `'a`, `base` must be valid for reads of `len` bytes, and
    /// nobody may write them other than through atomics.
    pub const unsafe fn new(base: NonNull<u8>, len: usize) -> Self {
        Self { base, len, memory: PhantomData }
    }

    /// Length in bytes.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bytes.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// First byte.
    pub const fn as_ptr(&self) -> NonNull<u8> {
        self.base
    }

    /// The part of `len` bytes from `offset` on, if it is within.
    #[inline]
    pub fn part(&self, offset: usize, len: usize) -> Option<View<'a>> {
        if offset.checked_add(len)? > self.len {
            return None;
        }
        // SAFETY: the part was just seen to be within; its bytes are valid for
        // `'a` as the whole.
        Some(unsafe { View::new(self.base.add(offset), len) })
    }

    /// Copies bytes from `offset` on out to the whole of `to`; `None` where they
    /// are not all within, and then nothing is copied.
    pub fn read(&self, offset: usize, to: &mut [u8]) -> Option<()> {
        let part = self.part(offset, to.len())?;
        // SAFETY: the part has `to.len()` bytes; `to` is exclusive, so apart.
        unsafe { copy_out(part.base, to) };
        Some(())
    }

    /// The byte at `offset`.
    pub fn byte(&self, offset: usize) -> Option<u8> {
        // SAFETY: the part has one byte.
        Some(unsafe { load_u8(self.part(offset, 1)?.base) })
    }

    /// Whether these bytes are `bytes` at this moment.
    #[inline]
    pub fn equals(&self, bytes: &[u8]) -> bool {
        // SAFETY: the lengths were just seen to be equal.
        self.len == bytes.len() && unsafe { equal(self.base, bytes) }
    }
}

impl<'a> From<&'a [u8]> for View<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        // SAFETY: nobody writes what a shared reference points to.
        unsafe { Self::new(NonNull::from(bytes).cast(), bytes.len()) }
    }
}

impl core::fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries((0..self.len).map_while(|offset| self.byte(offset))).finish()
    }
}

/// Bytes to read and write, which others may read and write at the same time.
#[derive(Clone, Copy, Debug)]
pub struct Cells<'a>(View<'a>);

impl<'a> Cells<'a> {
    /// The cells of `len` bytes.
    ///
    /// # Safety
    /// For the whole of `'a`, `base` must be valid for reads and writes of `len`
    /// bytes, and nobody may access them other than through atomics.
    pub const unsafe fn new(base: NonNull<u8>, len: usize) -> Self {
        // SAFETY: the contract is the stronger one.
        Self(unsafe { View::new(base, len) })
    }

    /// The same bytes to read alone.
    pub const fn view(&self) -> View<'a> {
        self.0
    }

    /// Length in bytes.
    pub const fn len(&self) -> usize {
        self.0.len
    }

    /// Whether there are no bytes.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// First byte.
    pub const fn as_ptr(&self) -> NonNull<u8> {
        self.0.base
    }

    /// The part of `len` bytes from `offset` on, if it is within.
    #[inline]
    pub fn part(&self, offset: usize, len: usize) -> Option<Self> {
        Some(Self(self.0.part(offset, len)?))
    }

    /// Copies all of `from` to `offset`; `None` where it does not all fit, and
    /// then nothing is copied.
    pub fn write(&self, offset: usize, from: &[u8]) -> Option<()> {
        let part = self.part(offset, from.len())?;
        // SAFETY: the part has `from.len()` bytes.
        unsafe { copy_in(part.as_ptr(), from) };
        Some(())
    }

    /// As [`write`](Self::write), from shared memory.
    pub fn write_view(&self, offset: usize, from: View<'_>) -> Option<()> {
        let part = self.part(offset, from.len)?;
        // SAFETY: the part has as many bytes as the view.
        unsafe { copy(from.base, part.as_ptr(), from.len) };
        Some(())
    }

    /// Sets every byte.
    pub fn fill(&self, byte: u8) {
        // SAFETY: these are the bytes that the constructor was vouched for.
        unsafe { fill(self.as_ptr(), byte, self.len()) };
    }

    /// The aligned 32-bit number at `offset`.
    #[inline]
    pub(crate) fn atomic(&self, offset: usize) -> Option<&'a AtomicU32> {
        let part = self.part(offset, 4)?.as_ptr().cast::<u32>();
        // SAFETY: four bytes, valid for `'a`, aligned as checked; others access
        // them through atomics alone.
        part.is_aligned().then(|| unsafe { AtomicU32::from_ptr(part.as_ptr()) })
    }

    /// Loads the aligned number at `offset`; `None` where there is none.
    #[inline]
    pub(crate) fn load(&self, offset: usize, order: Ordering) -> Option<u32> {
        Some(self.atomic(offset)?.load(order))
    }

    /// Stores the aligned number at `offset`; `None` where there is none.
    #[inline]
    pub(crate) fn store(&self, offset: usize, value: u32, order: Ordering) -> Option<()> {
        self.atomic(offset)?.store(value, order);
        Some(())
    }
}
