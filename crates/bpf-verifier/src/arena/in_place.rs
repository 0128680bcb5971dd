//! Storage of the verifier's own, in place: large, so that it stays where it is.

use super::{OwnWords, Words};

/// Words of the smallest block: no word of the little that there is lies idle behind one.
pub(super) const LEAST: usize = 1;

/// How an arena holds it.
pub(crate) type Held<'a> = &'a mut OwnWords;

/// Nothing: each verification has its own on the stack.
pub(crate) struct Kept;

#[allow(clippy::unused_self, clippy::needless_pass_by_value, reason = "as where storage is kept")]
impl Kept {
    pub const fn new() -> Self {
        Self
    }

    pub fn take(&self) -> OwnWords {
        OwnWords::default()
    }

    pub fn put(&self, _: Words<'_>) {}
}

/// Storage as an arena holds it.
pub(crate) const fn held(words: &mut OwnWords) -> Held<'_> {
    words
}
