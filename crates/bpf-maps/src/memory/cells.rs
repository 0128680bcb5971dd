//! Checked ranges of shared memory.
#![allow(unsafe_code)]

use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use portable_atomic::AtomicU32;

use super::{copy, copy_in, copy_out, equal, fill, load_u8};

/// Bytes to read, which others may write at the same time.
#[derive(Clone, Copy)]
pub struct View<'a>(Bytes<'a>);

#[derive(Clone, Copy)]
enum Bytes<'a> {
    /// Nobody writes these.
    Plain(&'a [u8]),
    /// Anybody may write these.
    Shared(NonNull<u8>, usize),
}

// SAFETY: access through a view is atomic, from any thread.
unsafe impl Send for View<'_> {}
// SAFETY: as above.
unsafe impl Sync for View<'_> {}

impl View<'_> {
    /// A view of `len` bytes.
    ///
    /// # Safety
    /// For the whole of `'a`, `base` must be valid for reads and writes of `len`
    /// bytes, and nobody may access them other than through atomics.
    pub const unsafe fn new(base: NonNull<u8>, len: usize) -> Self {
        Self(Bytes::Shared(base, len))
    }

    /// Length in bytes.
    #[inline]
    pub const fn len(&self) -> usize {
        match self.0 {
            Bytes::Plain(bytes) => bytes.len(),
            Bytes::Shared(_, len) => len,
        }
    }

    /// Whether there are no bytes.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// First byte, to read.
    pub const fn as_ptr(&self) -> NonNull<u8> {
        match self.0 {
            Bytes::Plain(bytes) => NonNull::from_ref(bytes).cast(),
            Bytes::Shared(base, _) => base,
        }
    }

    /// The part of `len` bytes from `offset` on, if it is within.
    #[inline]
    pub fn part(&self, offset: usize, len: usize) -> Option<Self> {
        let end = offset.checked_add(len)?;
        match self.0 {
            Bytes::Plain(bytes) => Some(Self(Bytes::Plain(bytes.get(offset..end)?))),
            Bytes::Shared(_, whole) if end > whole => None,
            // SAFETY: the part is within; its bytes are valid as the whole.
            Bytes::Shared(base, _) => Some(unsafe { Self::new(base.add(offset), len) }),
        }
    }

    /// Copies bytes from `offset` on out to the whole of `to`; `None` where they
    /// are not all within, and then nothing is copied.
    pub fn read(&self, offset: usize, to: &mut [u8]) -> Option<()> {
        match self.part(offset, to.len())?.0 {
            Bytes::Plain(bytes) => to.copy_from_slice(bytes),
            // SAFETY: the part has `to.len()` bytes; `to` is exclusive, so apart.
            Bytes::Shared(base, _) => unsafe { copy_out(base, to) },
        }
        Some(())
    }

    /// The byte at `offset`.
    #[inline]
    pub fn byte(&self, offset: usize) -> Option<u8> {
        match self.0 {
            Bytes::Plain(bytes) => bytes.get(offset).copied(),
            Bytes::Shared(_, len) if offset >= len => None,
            // SAFETY: the offset is within.
            Bytes::Shared(base, _) => Some(unsafe { load_u8(base.add(offset)) }),
        }
    }
}

impl<'a> From<&'a [u8]> for View<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self(Bytes::Plain(bytes))
    }
}

impl core::fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries((0..self.len()).map_while(|offset| self.byte(offset))).finish()
    }
}

/// Bytes to read and write, which others may read and write at the same time.
#[derive(Clone, Copy)]
pub struct Cells<'a> {
    base: NonNull<u8>,
    len: usize,
    memory: PhantomData<&'a ()>,
}

// SAFETY: access through the cells is atomic, from any thread.
unsafe impl Send for Cells<'_> {}
// SAFETY: as above.
unsafe impl Sync for Cells<'_> {}

impl<'a> Cells<'a> {
    /// The cells of `len` bytes.
    ///
    /// # Safety
    /// For the whole of `'a`, `base` must be valid for reads and writes of `len`
    /// bytes, and nobody may access them other than through atomics.
    pub const unsafe fn new(base: NonNull<u8>, len: usize) -> Self {
        Self { base, len, memory: PhantomData }
    }

    /// The same bytes to read alone.
    pub const fn view(&self) -> View<'a> {
        // SAFETY: the contract is the same.
        unsafe { View::new(self.base, self.len) }
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
    pub fn part(&self, offset: usize, len: usize) -> Option<Self> {
        if offset.checked_add(len)? > self.len {
            return None;
        }
        // SAFETY: the part was just seen to be within; its bytes are valid for
        // `'a` as the whole.
        Some(unsafe { Self::new(self.base.add(offset), len) })
    }

    /// Copies all of `from` to `offset`; `None` where it does not all fit, and
    /// then nothing is copied.
    pub fn write(&self, offset: usize, from: &[u8]) -> Option<()> {
        self.write_view(offset, from.into())
    }

    /// As [`write`](Self::write), from memory that others may write.
    #[inline]
    pub fn write_view(&self, offset: usize, from: View<'_>) -> Option<()> {
        let part = self.part(offset, from.len())?;
        match from.0 {
            // SAFETY: the part has as many bytes as the view.
            Bytes::Plain(bytes) => unsafe { copy_in(part.base, bytes) },
            // SAFETY: as above.
            Bytes::Shared(base, len) => unsafe { copy(base, part.base, len) },
        }
        Some(())
    }

    /// Sets every byte.
    pub fn fill(&self, byte: u8) {
        // SAFETY: these are the bytes that the constructor was vouched for.
        unsafe { fill(self.base, byte, self.len) };
    }

    /// Whether the bytes from `offset` on begin with `bytes` at this moment.
    #[inline(always)]
    pub fn holds(&self, offset: usize, bytes: &[u8]) -> bool {
        // SAFETY: the part has as many bytes.
        self.part(offset, bytes.len()).is_some_and(|part| unsafe { equal(part.base, bytes) })
    }

    /// The aligned 32-bit number at `offset`.
    #[inline]
    pub(crate) fn atomic(&self, offset: usize) -> Option<&'a AtomicU32> {
        let part = self.part(offset, 4)?.base.cast::<u32>();
        // SAFETY: four bytes, valid for `'a`, aligned as checked; others access
        // them through atomics alone.
        part.is_aligned().then(|| unsafe { AtomicU32::from_ptr(part.as_ptr()) })
    }

    /// All of it as aligned 32-bit numbers; `None` where it is not aligned.
    #[cfg(feature = "cloud-profile")]
    #[inline]
    pub(crate) fn atomics(&self) -> Option<&'a [AtomicU32]> {
        let (first, count) = (self.base.cast::<AtomicU32>(), self.len >> 2);
        // SAFETY: so many numbers are within, valid for `'a`, aligned as checked; others access
        // them through atomics alone.
        first.is_aligned().then(|| unsafe { core::slice::from_raw_parts(first.as_ptr(), count) })
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

impl core::fmt::Debug for Cells<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.view().fmt(f)
    }
}
