//! Storage of the verifier's own, from the heap: held by value, so that a word of it is as
//! near as one of storage that was given.

use super::OwnWords;

/// Words of the smallest block: sizes of blocks are less fine, and reach further.
pub(super) const LEAST: usize = 2;

/// How an arena holds it.
pub(crate) type Held<'a> = OwnWords;

/// Storage that is used up with the arena.
pub(crate) fn held(words: &mut OwnWords) -> Held<'_> {
    core::mem::take(words)
}
