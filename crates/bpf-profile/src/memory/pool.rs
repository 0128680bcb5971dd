//! Static storage: in place, or from the crate's pool.

use heapless::Vec;

use super::{MemoryStrategy, OutOfMemory, Sequence};
use crate::static_pool::{DEFAULT_POOL, PoolBlock};

/// Storage whose size is known at build time.
#[derive(Clone, Copy, Debug)]
pub enum PoolMemory {}

impl MemoryStrategy for PoolMemory {
    const ELASTIC: bool = false;
    type Vec<T, const N: usize> = Vec<T, N>;
    type Block = PoolBlock;

    fn room(in_place: usize, _wanted: usize) -> usize {
        in_place
    }

    fn allocate(bytes: usize) -> Result<PoolBlock, OutOfMemory> {
        DEFAULT_POOL.allocate(bytes)
    }
}

impl<T, const N: usize> Sequence<T> for Vec<T, N> {
    fn try_push(&mut self, value: T) -> Result<(), T> {
        self.push(value)
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
        if additional <= N - self.len() {
            return Ok(());
        }
        Err(OutOfMemory { requested: additional.saturating_mul(size_of::<T>()) })
    }

    fn try_resize(&mut self, len: usize, value: T) -> Result<(), OutOfMemory>
    where
        T: Clone,
    {
        let requested = len.saturating_sub(self.len()).saturating_mul(size_of::<T>());
        self.resize(len, value).map_err(|_| OutOfMemory { requested })
    }
}
