//! A build without translation.

use super::{Loaded, Verified};

/// None.
pub(super) fn engines(_: Option<&Verified>) -> Vec<Loaded<'_>> {
    Vec::new()
}
