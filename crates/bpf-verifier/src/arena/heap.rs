//! Storage of the verifier's own, from the heap: held by value, so that a word of it is as
//! near as one of storage that was given.

use core::cell::Cell;

use super::{OwnWords, Words};

/// Words of the smallest block: sizes of blocks are less fine, and reach further.
pub(super) const LEAST: usize = 2;

/// Words that are kept for the next program at the most: what most programs need.
const MOST_KEPT: usize = 8192;

/// How an arena holds it.
pub(crate) type Held<'a> = OwnWords;

/// Storage of one verification, which serves the next one: memory that is fresh costs its
/// allocation, zeros, and growth by copies.
pub(crate) struct Kept(Cell<Option<OwnWords>>);

impl Kept {
    pub const fn new() -> Self {
        Self(Cell::new(None))
    }

    pub fn take(&self) -> OwnWords {
        self.0.take().unwrap_or_default()
    }

    /// Keeps what a verification leaves, if it is no more than most need.
    pub fn put(&self, words: Words<'_>) {
        if let Words::Own(words) = words
            && words.len() <= MOST_KEPT
        {
            self.0.set(Some(words));
        }
    }
}

/// Storage as an arena holds it.
pub(crate) fn held(words: &mut OwnWords) -> Held<'_> {
    core::mem::take(words)
}
