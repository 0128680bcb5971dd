//! Storage of the verifier's own, in place: large, so that it stays where it is.

use super::OwnWords;

/// Words of the smallest block: no word of the little that there is lies idle behind one.
pub(super) const LEAST: usize = 1;

/// How an arena holds it.
pub(crate) type Held<'a> = &'a mut OwnWords;

/// Storage that is used up with the arena.
pub(crate) const fn held(words: &mut OwnWords) -> Held<'_> {
    words
}
