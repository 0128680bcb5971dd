//! What the entries of a snapshot were derived from, in a byte each.
//!
//! A set of entries has one bit for each. Most are empty or of one entry, and these
//! have a code; the others lie at the snapshot's end, the first one last.

use crate::arena::{Arena, At};

/// Codes in a word.
const PER_WORD: u32 = 8;
/// The code of a set that has a word of its own. Those of sets of one entry are
/// below it, and the empty set's is 0.
const OTHER: u64 = 65;

fn code_of(set: u64) -> u64 {
    if set == 0 {
        0
    } else if set & set.wrapping_sub(1) == 0 {
        u64::from(set.trailing_zeros()).wrapping_add(1)
    } else {
        OTHER
    }
}

/// Words that the codes of so many sets take.
pub(super) const fn code_words(sets: u32) -> u32 {
    sets.div_ceil(PER_WORD)
}

/// Words that a set takes beside its code.
pub(super) fn own_words(set: u64) -> u32 {
    u32::from(code_of(set) == OTHER)
}

/// Writes sets one after the other.
pub(super) struct Out {
    at: At,
    word: u64,
    count: u32,
    /// Behind the last free word at the snapshot's end.
    end: At,
}

impl Out {
    /// The codes begin at `at`, the snapshot ends at `end`.
    pub fn new(at: At, end: At) -> Self {
        Self { at, word: 0, count: 0, end }
    }

    pub fn add(&mut self, arena: &mut Arena<'_>, set: u64) {
        let code = code_of(set);
        if code == OTHER {
            self.end = self.end.wrapping_sub(1);
            arena.set(self.end, set);
        }
        self.word |= code.wrapping_shl((self.count % PER_WORD).wrapping_mul(8));
        self.count = self.count.wrapping_add(1);
        if self.count.is_multiple_of(PER_WORD) {
            self.flush(arena);
        }
    }

    fn flush(&mut self, arena: &mut Arena<'_>) {
        arena.set(self.at, self.word);
        (self.at, self.word) = (self.at.wrapping_add(1), 0);
    }

    /// All sets were written.
    pub fn finish(mut self, arena: &mut Arena<'_>) {
        if !self.count.is_multiple_of(PER_WORD) {
            self.flush(arena);
        }
    }
}

/// Reads sets one after the other.
#[derive(Clone, Copy)]
pub(super) struct In {
    at: At,
    index: u32,
    /// What is left of the word that is being read.
    word: u64,
    end: At,
}

impl In {
    /// The codes begin at `at`, the snapshot ends at `end`.
    pub const fn new(at: At, end: At) -> Self {
        Self { at, index: 0, word: 0, end }
    }

    fn code(&self, arena: &Arena<'_>, index: u32) -> u64 {
        let word = arena.word(self.at.wrapping_add(index / PER_WORD));
        word.wrapping_shr((index % PER_WORD).wrapping_mul(8)) & 0xff
    }

    #[inline]
    pub fn next(&mut self, arena: &Arena<'_>) -> u64 {
        if self.index.is_multiple_of(PER_WORD) {
            self.word = arena.word(self.at.wrapping_add(self.index / PER_WORD));
        }
        let code = self.word & 0xff;
        self.word = self.word.wrapping_shr(8);
        self.index = self.index.wrapping_add(1);
        self.set_of(arena, code)
    }

    /// The set that a code stands for.
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "a byte")]
    fn set_of(&mut self, arena: &Arena<'_>, code: u64) -> u64 {
        match code {
            0 => 0,
            OTHER => {
                self.end = self.end.wrapping_sub(1);
                arena.word(self.end)
            }
            code => 1_u64.wrapping_shl((code as u32).wrapping_sub(1)),
        }
    }

    /// The set at an index, of those that were not read.
    pub fn at(mut self, arena: &Arena<'_>, index: u32) -> u64 {
        let code = self.code(arena, index);
        if code == OTHER {
            let before = (self.index..index).filter(|index| self.code(arena, *index) == OTHER);
            self.end = self.end.saturating_sub(u32::try_from(before.count()).unwrap_or(0));
        }
        self.set_of(arena, code)
    }
}
