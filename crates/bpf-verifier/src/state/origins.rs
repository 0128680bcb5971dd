//! What the entries of a snapshot were derived from, in a byte each.
//!
//! A set of entries has one bit for each. Most are empty or of one entry, and these
//! have a code; the others lie at the snapshot's end, the first one last.

use crate::arena::{Arena, At, HalfWords};

/// Codes in a word.
const PER_WORD: u32 = 8;
/// The code of a set that has a word of its own. Those of sets of one entry are
/// below it, and the empty set's is 0.
const OTHER: u64 = 65;

/// The code of a set of one entry, or none.
fn code_of(set: u64) -> u64 {
    if set == 0 { 0 } else { u64::from(set.trailing_zeros()).wrapping_add(1) }
}

fn put(words: &mut [u64], at: usize, word: u64) {
    if let Some(slot) = words.get_mut(at) {
        *slot = word;
    }
}

/// Words that the codes of so many sets take.
pub(super) const fn code_words(sets: u32) -> u32 {
    sets.div_ceil(PER_WORD)
}

/// Words that a set takes beside its code.
pub(super) fn own_words(set: u64) -> u32 {
    u32::from(set & set.wrapping_sub(1) != 0)
}

/// Writes sets one after the other into the words of a snapshot.
pub(super) struct Out {
    at: usize,
    word: u64,
    /// By how many bits the next code is shifted.
    shift: u32,
    /// Behind the last free word at the snapshot's end.
    end: usize,
}

impl Out {
    /// The codes begin at the word `at`, the snapshot ends at `end`.
    pub const fn new(at: u32, end: u32) -> Self {
        Self { at: at as usize, word: 0, shift: 0, end: end as usize }
    }

    #[inline]
    pub fn add(&mut self, words: &mut [u64], set: u64) {
        let code = if own_words(set) == 0 { code_of(set) } else { self.keep(words, set) };
        self.word |= code.wrapping_shl(self.shift);
        self.shift = self.shift.wrapping_add(8);
        if self.shift == u64::BITS {
            self.flush(words);
        }
    }

    /// Writes a set at the end. What is its code.
    fn keep(&mut self, words: &mut [u64], set: u64) -> u64 {
        self.end = self.end.wrapping_sub(1);
        put(words, self.end, set);
        OTHER
    }

    fn flush(&mut self, words: &mut [u64]) {
        put(words, self.at, self.word);
        (self.at, self.word, self.shift) = (self.at.wrapping_add(1), 0, 0);
    }

    /// All sets were written.
    pub fn finish(mut self, words: &mut [u64]) {
        if self.shift != 0 {
            self.flush(words);
        }
    }
}

/// The set at an index, of those whose codes begin at the word `from`: if it is empty, or of one
/// entry.
#[inline]
pub(super) fn one_at(words: HalfWords<'_>, from: At, index: u32) -> Option<u64> {
    let word = words.word(from.wrapping_add(index / PER_WORD));
    let code = word.wrapping_shr((index % PER_WORD).wrapping_mul(8)) & 0xff;
    (code < OTHER).then(|| set_of_code(code))
}

/// The code of a set that has no word of its own.
pub(super) fn small_code(set: u64) -> Option<u64> {
    (own_words(set) == 0).then(|| code_of(set))
}

/// The set of one entry, or none, that has this code.
#[inline]
#[allow(clippy::cast_possible_truncation, reason = "a byte")]
pub(super) const fn set_of_code(code: u64) -> u64 {
    if code == 0 { 0 } else { 1_u64.wrapping_shl((code as u32).wrapping_sub(1)) }
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
    fn set_of(&mut self, arena: &Arena<'_>, code: u64) -> u64 {
        if code == OTHER {
            self.end = self.end.wrapping_sub(1);
            return arena.word(self.end);
        }
        set_of_code(code)
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
