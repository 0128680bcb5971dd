//! What every word of an arena is at the moment, to find who reads or writes what is not
//! theirs: the feature `arena-shadow`.
//!
//! A block has a few words behind it that belong to nobody, so that what goes beyond it
//! does not reach the next one. What is wrong panics at once: this is for tests, which run
//! the verifier over many programs. A build without the feature has nothing of it.

#![allow(clippy::panic, reason = "a fault of the verifier, found in a test")]

use bpf_profile::{MemoryStrategy, Sequence};

use super::{At, Memory, WORDS, slot_words};

/// Words behind each block that belong to nobody.
pub(super) const BEHIND: usize = 2;

/// Nobody's, as all that is not named below.
const FREE: u8 = 0;
/// Some block's, and not written since that was taken.
const TAKEN: u8 = 1;
/// Some block's, and written.
const WRITTEN: u8 = 2;
/// Behind all blocks, and in use until the next one is taken.
const DRAFT: u8 = 3;
/// The first word of a block.
const FIRST: u8 = 0x80;

/// What is known of the words. On a static build it covers as many as the verifier's own
/// storage has; of words behind them nothing is known, and all may be done with them.
pub(crate) struct Shadow {
    marks: <Memory as MemoryStrategy>::Vec<u8, WORDS>,
    /// Words that there would be marks of if there were room.
    known: usize,
    /// Where something is written behind all blocks, how many words, and whether a block
    /// was taken since.
    draft: (usize, usize, bool),
}

/// What is known of words that cannot change meanwhile.
#[derive(Clone, Copy)]
pub(crate) struct View<'a>(&'a Shadow);

impl Shadow {
    pub fn new() -> Self {
        let mut shadow = Self { marks: <_>::default(), known: usize::MAX, draft: (0, 0, true) };
        // Whoever looks for what follows nothing reads the word that is no block's.
        shadow.cover(1);
        shadow.fill(0, 1, WRITTEN);
        shadow
    }

    /// Makes marks for so many words, as far as there is room.
    fn cover(&mut self, words: usize) {
        let words = words.min(self.known);
        if words > self.marks.len() && self.marks.try_resize(words, FREE).is_err() {
            self.known = self.marks.len();
        }
    }

    fn fill(&mut self, at: usize, words: usize, what: u8) {
        self.cover(at.saturating_add(words));
        let end = at.saturating_add(words).min(self.marks.len());
        self.marks.get_mut(at..end).unwrap_or_default().fill(what);
    }

    fn mark(&self, at: usize) -> u8 {
        self.marks.get(at).copied().unwrap_or(if at < self.known { FREE } else { WRITTEN })
    }

    fn end_draft(&mut self) {
        let (at, words, _) = core::mem::take(&mut self.draft);
        for mark in self.range_mut(slot_words(at), words) {
            if *mark == DRAFT {
                *mark = FREE;
            }
        }
    }

    /// A block was taken. What was written behind all blocks is still to be copied there,
    /// and may lie in it.
    pub fn taken(&mut self, at: At, words: usize) {
        if self.draft.2 {
            self.end_draft();
        }
        self.draft.2 = true;
        let words = words.max(1);
        self.cover((at as usize).saturating_add(words));
        let mut first = FIRST;
        for mark in self.range_mut(at, words) {
            *mark = first
                | match *mark {
                    FREE => TAKEN,
                    DRAFT => WRITTEN,
                    _ => panic!("block {at} of {words} words was given twice"),
                };
            first = 0;
        }
    }

    /// A block is given back.
    pub fn freed(&mut self, at: At, words: usize) {
        let (at, words) = (at as usize, words.max(1));
        let end = at.saturating_add(words);
        // Behind the marks may be anything, so whether it is such a block cannot be told.
        if end >= self.known {
            return self.fill(at, words, FREE);
        }
        let inside = |word| !matches!(self.mark(word), FREE | DRAFT) && self.mark(word) < FIRST;
        let goes_on = (at.saturating_add(1)..end).all(inside) && !inside(end);
        let is_block = self.mark(at) >= FIRST && goes_on;
        assert!(is_block, "what is freed as block {at} of {words} words is no such block");
        self.fill(at, words, FREE);
    }

    /// Of a block nothing but the first words is kept.
    pub fn cut(&mut self, at: At, words: usize, kept: usize) {
        self.freed(at, words);
        if kept > 0 {
            self.taken(at, kept);
            self.write(at, kept);
        }
    }

    /// Words behind all blocks serve until one is taken.
    pub fn draft(&mut self, at: At, words: usize) {
        self.end_draft();
        self.draft = (at as usize, words, false);
        self.fill(at as usize, words, DRAFT);
    }

    /// Words are read that somebody has written.
    pub fn read(&self, at: At, words: usize) {
        for word in at as usize..(at as usize).saturating_add(words) {
            match self.mark(word) & !FIRST {
                FREE => panic!("word {word} is read, which is no block's"),
                TAKEN => panic!("word {word} is read, which nobody has written"),
                _ => {}
            }
        }
    }

    /// Words are written.
    pub fn write(&mut self, at: At, words: usize) {
        self.own(at, words);
        for mark in self.range_mut(at, words) {
            if *mark & !FIRST == TAKEN {
                *mark = WRITTEN | (*mark & FIRST);
            }
        }
    }

    /// Words are read or written, or not.
    pub fn own(&self, at: At, words: usize) {
        for word in at as usize..(at as usize).saturating_add(words) {
            assert!(self.mark(word) != FREE, "word {word} is accessed, which is no block's");
        }
    }

    /// Words are copied, whether they were written or not.
    pub fn copied(&mut self, from: At, to: At, words: usize) {
        self.own(from, words);
        self.own(to, words);
        let (from, to) = (from as usize, to as usize);
        let mut step = |word: usize| {
            let written = self.mark(from.saturating_add(word)) & !FIRST != TAKEN;
            if let Some(mark) = self.marks.get_mut(to.saturating_add(word))
                && *mark != DRAFT
            {
                *mark = if written { WRITTEN } else { TAKEN } | (*mark & FIRST);
            }
        };
        if from < to { (0..words).rev().for_each(step) } else { (0..words).for_each(&mut step) }
    }

    fn range_mut(&mut self, at: At, words: usize) -> &mut [u8] {
        let end = (at as usize).saturating_add(words).min(self.marks.len());
        self.marks.get_mut(at as usize..end).unwrap_or_default()
    }

    pub const fn view(&self) -> View<'_> {
        View(self)
    }
}

impl View<'_> {
    /// A word is read.
    pub fn read(self, at: At) {
        self.0.read(at, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block that ends where the marks end is free again once it is given back.
    #[test]
    fn the_last_block_that_has_marks_is_given_again() {
        let mut shadow = Shadow::new();
        let last = slot_words(WORDS - 10);
        shadow.taken(last, 4);
        shadow.taken(slot_words(WORDS - 6), 20);
        shadow.freed(last, 4);
        shadow.taken(last, 4);
        shadow.write(last, 4);
    }
}
