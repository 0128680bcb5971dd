//! A build without a JIT compiler.

use super::{Loaded, Program, Verified};

/// None.
pub(super) fn engines<'p>(_: &'p Program, _: Option<&'p Verified>) -> Vec<Loaded<'p>> {
    Vec::new()
}
