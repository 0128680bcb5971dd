//! What told states apart from a stripped snapshot.
//!
//! Of many cells most are the same in every state that is compared, and one, such as what a loop
//! changes, tells nearly all of them apart. So a snapshot of many notes behind its entries which
//! one did so last, and that one is looked at first. Where it does so again the snapshot covers
//! nothing, whatever the others say; where not, all are looked at.

use super::{Reader, Snapshot};
use crate::arena::{Arena, At, high, low, pair};
use crate::state::State;
use crate::state::cover::{Looked, is_told_apart};

/// Snapshots of more cells have room for a note.
const MANY: u32 = 16;

/// Words behind the entries of a stripped snapshot of so many cells.
pub(super) const fn note_words(cells: u32) -> u32 {
    (cells > MANY) as u32
}

impl Snapshot {
    /// Where what told a state apart is noted: where in the snapshot that entry begins, in half
    /// words, and how many there are with it; 0, if none has.
    fn note_at(self, arena: &Arena<'_>) -> Option<At> {
        let noted = note_words(self.cells(arena)) > 0 && self.is_stripped(arena);
        noted.then(|| self.0.saturating_add(self.words(arena)).saturating_sub(1))
    }

    /// Whether it shows of the cell of a stripped snapshot that told another state apart that it
    /// does not cover `state`; how many entries there are with it, then.
    #[inline]
    pub fn is_apart_as_before(self, state: &State, arena: &Arena<'_>) -> Option<u32> {
        let note = arena.word(self.note_at(arena)?);
        if note == 0 {
            return None;
        }
        let begin = self.0.saturating_mul(2).saturating_add(low(note));
        let cell = Reader::own(begin).cell(arena);
        is_told_apart(&cell, state, arena).then_some(high(note))
    }

    /// Notes that so much was looked at, the last of which told a state apart.
    #[inline]
    pub fn note_apart(self, arena: &mut Arena<'_>, looked: Looked) {
        let begin = looked.at.saturating_sub(self.0.saturating_mul(2));
        if begin > 0
            && let Some(at) = self.note_at(arena)
        {
            arena.set(at, pair(begin, looked.entries));
        }
    }
}
