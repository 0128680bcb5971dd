//! Frozen bytes on the heap.

extern crate alloc;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Deref;

use bpf_profile::OutOfMemory;

/// Bytes that never change. Clones share them.
#[derive(Clone)]
pub struct FrozenBytes(Bytes);

#[derive(Clone)]
enum Bytes {
    Static(&'static [u8]),
    Shared(Arc<Vec<u8>>),
}

impl FrozenBytes {
    pub(super) const fn borrowed(bytes: &'static [u8]) -> Self {
        Self(Bytes::Static(bytes))
    }

    /// A copy of these bytes.
    ///
    /// # Errors
    /// [`OutOfMemory`] without heap memory for it.
    pub fn copy_of(bytes: &[u8]) -> Result<Self, OutOfMemory> {
        let mut copy = Vec::new();
        copy.try_reserve_exact(bytes.len()).map_err(|_| OutOfMemory { requested: bytes.len() })?;
        copy.extend_from_slice(bytes);
        Ok(Self(Bytes::Shared(Arc::new(copy))))
    }
}

impl Deref for FrozenBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Static(bytes) => bytes,
            Bytes::Shared(bytes) => bytes,
        }
    }
}
