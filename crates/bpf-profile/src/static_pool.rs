//! A pool of bytes whose size is fixed at build time.
//!
//! Blocks are runs of chunks of 64 bytes, found first-fit. Taking and giving
//! back is lock-free, so an interrupt handler may do either at any time.
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::ptr::NonNull;

use portable_atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::config::POOL_BYTES;
use crate::memory::{Aligned, BLOCK_ALIGN, MemoryBlock, OutOfMemory, adopt, no_bytes};

/// The pool from which everything is taken that names no other storage; its
/// size is [`POOL_BYTES`].
pub static DEFAULT_POOL: StaticPool<{ POOL_BYTES / BLOCK_ALIGN }> = StaticPool::new();

/// A pool of `CHUNKS` chunks of 64 bytes.
///
/// ```
/// use bpf_profile::static_pool::StaticPool;
/// use bpf_profile::MemoryBlock;
///
/// static POOL: StaticPool<16> = StaticPool::new(); // 1 KiB
/// let block = POOL.allocate(100).unwrap();
/// assert_eq!((block.len(), POOL.free_bytes()), (100, 1024 - 128));
/// assert!(POOL.allocate(1024).is_err());
/// drop(block);
/// assert_eq!(POOL.free_bytes(), 1024);
/// ```
pub struct StaticPool<const CHUNKS: usize> {
    chunks: [UnsafeCell<Aligned>; CHUNKS],
    /// Whether a chunk belongs to a block.
    taken: [AtomicBool; CHUNKS],
    /// Counts how often chunks were given back.
    releases: AtomicUsize,
}

// SAFETY: a chunk is reached only through the block that owns it, and `taken`
// hands each chunk to one block at a time.
unsafe impl<const CHUNKS: usize> Sync for StaticPool<CHUNKS> {}

impl<const CHUNKS: usize> StaticPool<CHUNKS> {
    /// A pool with nothing taken.
    pub const fn new() -> Self {
        Self {
            chunks: [const { UnsafeCell::new(Aligned([0; BLOCK_ALIGN])) }; CHUNKS],
            taken: [const { AtomicBool::new(false) }; CHUNKS],
            releases: AtomicUsize::new(0),
        }
    }

    /// Bytes of the whole pool.
    pub const fn capacity_bytes(&self) -> usize {
        CHUNKS * BLOCK_ALIGN
    }

    /// Bytes that no block owns at this moment.
    pub fn free_bytes(&self) -> usize {
        self.taken.iter().filter(|t| !t.load(Ordering::Relaxed)).count() * BLOCK_ALIGN
    }

    /// A zeroed block of `bytes` bytes.
    ///
    /// # Errors
    /// [`OutOfMemory`] when no free run of chunks is long enough.
    pub fn allocate(&'static self, bytes: usize) -> Result<PoolBlock, OutOfMemory> {
        let error = OutOfMemory { requested: bytes };
        let wanted = bytes.div_ceil(BLOCK_ALIGN);
        if wanted == 0 {
            return Ok(PoolBlock::lent(no_bytes(), 0));
        }
        loop {
            let seen = self.releases.load(Ordering::Acquire);
            if let Some((start, run)) = self.search(wanted) {
                return Ok(self.block(start, bytes, run));
            }
            // What was given back behind the search may be what was missing;
            // then the search was in vain only because it was not repeated.
            if self.releases.load(Ordering::Acquire) == seen {
                return Err(error);
            }
        }
    }

    /// Claims the first run of `wanted` free chunks.
    fn search(&'static self, wanted: usize) -> Option<(usize, &'static [AtomicBool])> {
        let mut start = 0_usize;
        while let Some(run) = self.taken.get(start..start.checked_add(wanted)?) {
            // Looking first keeps a search that fails from taking chunks, if
            // only for a moment, that another one needs.
            let busy = run.iter().rposition(|flag| flag.load(Ordering::Relaxed));
            let claimed = busy.map_or_else(|| claim(run, &self.releases), Err);
            match claimed {
                Ok(()) => return Some((start, run)),
                Err(busy) => start += busy + 1,
            }
        }
        None
    }

    /// The block over the chunks from `start` on, which the caller has claimed.
    fn block(&'static self, start: usize, len: usize, taken: &'static [AtomicBool]) -> PoolBlock {
        // The pointer is made from the whole array, so it may reach every chunk
        // of the run.
        let first = self.chunks.as_ptr().cast::<u8>().cast_mut();
        // SAFETY: `start` chunks in is within the array, which `claim` checked
        // by holding `taken[start..]`.
        let base = unsafe { NonNull::new_unchecked(first.add(start * BLOCK_ALIGN)) };
        // SAFETY: the run's chunks were just claimed by us alone, lie in an
        // `UnsafeCell`, and hold at least `len` bytes.
        unsafe { base.as_ptr().write_bytes(0, len) };
        PoolBlock { base, len, taken, releases: Some(&self.releases) }
    }
}

impl<const CHUNKS: usize> Default for StaticPool<CHUNKS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const CHUNKS: usize> core::fmt::Debug for StaticPool<CHUNKS> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "StaticPool({} of {} bytes free)", self.free_bytes(), self.capacity_bytes())
    }
}

/// Claims every chunk of `run`, or none: then the index of the last one that
/// was found taken comes back.
fn claim(run: &[AtomicBool], releases: &AtomicUsize) -> Result<(), usize> {
    // From the end, so that a conflict lets the search skip the most.
    for (index, flag) in run.iter().enumerate().rev() {
        if flag.swap(true, Ordering::Acquire) {
            release(run.get(index + 1..).unwrap_or_default(), releases);
            return Err(index);
        }
    }
    Ok(())
}

/// Gives chunks back, and says so to searches that run meanwhile.
fn release(run: &[AtomicBool], releases: &AtomicUsize) {
    for flag in run {
        flag.store(false, Ordering::Release);
    }
    if !run.is_empty() {
        releases.fetch_add(1, Ordering::Release);
    }
}

/// A block of a [`StaticPool`], or of memory that the kernel handed in.
#[derive(Debug)]
pub struct PoolBlock {
    base: NonNull<u8>,
    len: usize,
    /// The flags of the block's chunks; none where the memory was handed in.
    taken: &'static [AtomicBool],
    /// The pool's count of what was given back.
    releases: Option<&'static AtomicUsize>,
}

impl PoolBlock {
    /// A block that is not given back to a pool.
    const fn lent(base: NonNull<u8>, len: usize) -> Self {
        Self { base, len, taken: &[], releases: None }
    }
}

// SAFETY: the block owns its bytes and hands out no reference to them.
unsafe impl Send for PoolBlock {}
// SAFETY: as above; shared access yields an address and a length only.
unsafe impl Sync for PoolBlock {}

// SAFETY: pool and handed-in storage are `'static`, never move, and the bytes
// are reachable through `base` alone until the flags are given back in `drop`.
unsafe impl MemoryBlock for PoolBlock {
    fn from_static(storage: &'static mut [u8]) -> Self {
        let (base, len) = adopt(storage);
        Self::lent(base, len)
    }

    fn base(&self) -> NonNull<u8> {
        self.base
    }

    fn len(&self) -> usize {
        self.len
    }
}

impl Drop for PoolBlock {
    fn drop(&mut self) {
        if let Some(releases) = self.releases {
            release(self.taken, releases);
        }
    }
}
