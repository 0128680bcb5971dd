//! Frozen bytes that somebody else keeps.

use core::ops::Deref;

use bpf_profile::OutOfMemory;

/// Bytes that never change.
#[derive(Clone)]
pub struct FrozenBytes(&'static [u8]);

impl FrozenBytes {
    pub(super) const fn borrowed(bytes: &'static [u8]) -> Self {
        Self(bytes)
    }

    /// A copy of these bytes, for which a static build has no memory.
    ///
    /// # Errors
    /// [`OutOfMemory`], always.
    pub const fn copy_of(bytes: &[u8]) -> Result<Self, OutOfMemory> {
        Err(OutOfMemory { requested: bytes.len() })
    }
}

impl Deref for FrozenBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0
    }
}
