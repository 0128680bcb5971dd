//! Contents of maps that never change.

use super::map::{MapDef, MapType};

// Shared on the heap, or borrowed for ever.
#[cfg_attr(feature = "cloud-profile", path = "frozen/shared.rs")]
#[cfg_attr(feature = "embedded-profile", path = "frozen/borrowed.rs")]
mod bytes;

pub use bytes::FrozenBytes;

impl FrozenBytes {
    /// These bytes, which nobody changes.
    #[must_use]
    pub const fn from_static(bytes: &'static [u8]) -> Self {
        Self::borrowed(bytes)
    }

    /// Whether both are the same bytes; at once, where one is a copy of the
    /// other's handle.
    pub fn is_same(&self, other: &Self) -> bool {
        let (a, b): (&[u8], &[u8]) = (self, other);
        core::ptr::eq(a, b) || a == b
    }
}

impl PartialEq for FrozenBytes {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other)
    }
}

impl Eq for FrozenBytes {}

impl core::fmt::Debug for FrozenBytes {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "FrozenBytes({})", self.len())
    }
}

/// The contents of one of a program's maps: of an array of one value that
/// programs cannot write and that the host has frozen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrozenMap {
    /// Index of the map's definition.
    pub index: u32,
    /// The beginning of the value; zeros follow.
    pub bytes: FrozenBytes,
}

impl FrozenMap {
    /// Whether a map of this definition can have such contents.
    pub const fn can_be(def: &MapDef) -> bool {
        matches!(def.map_type, MapType::Array)
            && def.max_entries == 1
            && !def.is_writable()
            && def.is_readable()
    }
}
