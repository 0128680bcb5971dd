//! Frozen bytes that somebody else keeps.

use core::ops::Deref;

/// Bytes that never change.
#[derive(Clone)]
pub struct FrozenBytes(&'static [u8]);

impl FrozenBytes {
    pub(super) const fn borrowed(bytes: &'static [u8]) -> Self {
        Self(bytes)
    }
}

impl Deref for FrozenBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0
    }
}
