//! A machine without Linux.

use super::{LinuxShape, Verdict};
use crate::object::{LoadedFile, Unit};

/// No maps.
pub struct Maps;

impl Maps {
    /// Creates nothing.
    pub fn create(_: &LoadedFile) -> Self {
        Self
    }

    /// Says that there is no Linux here.
    #[allow(clippy::unused_self, reason = "it has descriptors on Linux")]
    pub fn verify(&self, _: &Unit, _: &str) -> LinuxShape {
        LinuxShape::without(Verdict::NotPermitted, "this machine does not run Linux".to_owned())
    }
}
