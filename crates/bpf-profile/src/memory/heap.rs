//! Elastic storage from the global allocator.
#![allow(unsafe_code)]

extern crate alloc;

use alloc::alloc::{Layout, alloc_zeroed, dealloc};
use alloc::vec::Vec;
use core::ptr::NonNull;

use super::{BLOCK_ALIGN, MemoryBlock, MemoryStrategy, OutOfMemory, Sequence, adopt, no_bytes};

/// Storage from the heap, growing as needed.
#[derive(Clone, Copy, Debug)]
pub enum HeapMemory {}

impl MemoryStrategy for HeapMemory {
    const ELASTIC: bool = true;
    type Vec<T, const N: usize> = Vec<T>;
    type Block = HeapBlock;

    fn room(_in_place: usize, wanted: usize) -> usize {
        wanted
    }

    fn allocate(bytes: usize) -> Result<HeapBlock, OutOfMemory> {
        let error = OutOfMemory { requested: bytes };
        let layout = Layout::from_size_align(bytes, BLOCK_ALIGN).map_err(|_| error)?;
        if bytes == 0 {
            return Ok(HeapBlock { base: no_bytes(), len: 0, layout: None });
        }
        // SAFETY: the layout's size is not zero.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(error)?;
        Ok(HeapBlock { base, len: bytes, layout: Some(layout) })
    }
}

impl<T> Sequence<T> for Vec<T> {
    fn try_push(&mut self, value: T) -> Result<(), T> {
        if Vec::try_reserve(self, 1).is_err() {
            return Err(value);
        }
        self.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Option<T> {
        Vec::pop(self)
    }

    fn take(&mut self, index: usize) -> Option<T> {
        (index < self.len()).then(|| self.remove(index))
    }

    fn truncate(&mut self, len: usize) {
        Vec::truncate(self, len);
    }

    fn try_reserve(&mut self, additional: usize) -> Result<(), OutOfMemory> {
        let requested = additional.saturating_mul(size_of::<T>());
        Vec::try_reserve(self, additional).map_err(|_| OutOfMemory { requested })
    }

    fn try_resize(&mut self, len: usize, value: T) -> Result<(), OutOfMemory>
    where
        T: Clone,
    {
        Sequence::try_reserve(self, len.saturating_sub(self.len()))?;
        self.resize(len, value);
        Ok(())
    }
}

/// A block of heap memory, or of memory that the kernel handed in.
#[derive(Debug)]
pub struct HeapBlock {
    base: NonNull<u8>,
    len: usize,
    /// How the block was allocated; nothing to give back where it was handed in.
    layout: Option<Layout>,
}

// SAFETY: the block owns its bytes and hands out no reference to them.
unsafe impl Send for HeapBlock {}
// SAFETY: as above; shared access yields an address and a length only.
unsafe impl Sync for HeapBlock {}

// SAFETY: the allocation (or the `'static` storage) lives until drop, never
// moves, and is reachable through `base` alone.
unsafe impl MemoryBlock for HeapBlock {
    fn from_static(storage: &'static mut [u8]) -> Self {
        let (base, len) = adopt(storage);
        Self { base, len, layout: None }
    }

    fn base(&self) -> NonNull<u8> {
        self.base
    }

    fn len(&self) -> usize {
        self.len
    }
}

impl Drop for HeapBlock {
    fn drop(&mut self) {
        if let Some(layout) = self.layout {
            // SAFETY: `base` came from `alloc_zeroed` with this layout and is
            // given back once.
            unsafe { dealloc(self.base.as_ptr(), layout) };
        }
    }
}
