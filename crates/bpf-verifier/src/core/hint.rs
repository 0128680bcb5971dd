//! Guesses that held, by which the loop is guessed when the walk comes to it again.
//!
//! What is found while a loop around is in an extreme state goes further than it will, so it is
//! forgotten when that is over, and takes the place of nothing that was found before.
//!
//! All of them are in one list, in the order in which they were found, so that those
//! of an attempt go with it in time that does not depend on the others.

use super::Explorer;
use super::node::Node;
use super::trial::{COURSE_WORDS, Phase, Trial};
use crate::arena::{Arena, At, NONE, high, low, pair};
use crate::cfg::Loop;
use crate::state::snapshot::Snapshot;

/// A guess in a block of its own: the words of its state, and the last identity that was
/// given before the attempt; its loop, and that of the guess found before it; the one of
/// that found after it, and whether numbers were carried; what was carried, counted by and
/// moved; and the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hint(pub At);

const COURSES: u32 = 3;
const HEAD: u32 = COURSES + 5;
const _: () = assert!((HEAD - COURSES) as usize == COURSE_WORDS);

impl Hint {
    const fn field(self, index: u32) -> At {
        self.0.saturating_add(index)
    }

    /// The state that was guessed.
    pub const fn guess(self) -> Snapshot {
        Snapshot(self.field(HEAD))
    }

    /// The last identity that was given before the attempt.
    pub fn last_id(self, arena: &Arena<'_>) -> u32 {
        high(arena.word(self.0))
    }

    fn subject(self, arena: &Arena<'_>) -> Loop {
        Loop(low(arena.word(self.field(1))))
    }

    fn words(self, arena: &Arena<'_>) -> usize {
        low(arena.word(self.0)).saturating_add(HEAD) as usize
    }

    fn earlier(self, arena: &Arena<'_>) -> Self {
        Self(high(arena.word(self.field(1))))
    }

    fn set_earlier(self, arena: &mut Arena<'_>, hint: Self) {
        let subject = self.subject(arena);
        arena.set(self.field(1), pair(subject.0, hint.0));
    }

    fn later(self, arena: &Arena<'_>) -> Self {
        Self(low(arena.word(self.field(2))))
    }

    fn set_later(self, arena: &mut Arena<'_>, hint: Self) {
        let numbers = high(arena.word(self.field(2)));
        arena.set(self.field(2), pair(hint.0, numbers));
    }

    /// Whether numbers were carried.
    pub fn carries_numbers(self, arena: &Arena<'_>) -> bool {
        high(arena.word(self.field(2))) != 0
    }

    /// What was carried, counted by and moved, in words.
    pub fn courses(self, arena: &Arena<'_>) -> [u64; COURSE_WORDS] {
        let mut index = COURSES;
        [(); COURSE_WORDS].map(|()| {
            let word = arena.word(self.field(index));
            index = index.saturating_add(1);
            word
        })
    }
}

impl Explorer<'_> {
    /// The state of the node was guessed in an attempt, and it held.
    pub(super) fn keep_hint(&mut self, trial: Trial, node: Node) {
        let subject = trial.subject(&self.arena);
        let known = subject.hint(&self.arena);
        if known.0 != NONE && self.is_extreme_since(trial, known.last_id(&self.arena)) {
            return;
        }
        self.forget_hint(known);
        // Not a copy of its words: it may leave out what a node holds that ends before.
        let guess = node.snapshot(&self.arena);
        if guess.load(&mut self.arena, &mut self.scratch).is_err() {
            return;
        }
        let size = Snapshot::measure(&self.scratch, &self.arena);
        let words = size.words();
        let Ok(at) = self.arena.alloc_apart(words.saturating_add(HEAD) as usize) else { return };
        let (hint, last) = (Hint(at), trial.first_id(&self.arena));
        self.arena.set(at, pair(words, last));
        self.arena.set(hint.field(1), pair(subject.0, self.hints.0));
        let numbers = trial.carries_numbers(&self.arena);
        self.arena.set(hint.field(2), pair(NONE, numbers.into()));
        for (index, word) in (COURSES..).zip(trial.courses(&self.arena)) {
            self.arena.set(hint.field(index), word);
        }
        Snapshot::write(&self.scratch, &mut self.arena, hint.guess().0, size);
        if self.hints.0 != NONE {
            self.hints.set_later(&mut self.arena, hint);
        }
        self.hints = hint;
        subject.set_hint(&mut self.arena, hint);
    }

    fn forget_hint(&mut self, hint: Hint) {
        if hint.0 == NONE {
            return;
        }
        let (earlier, later) = (hint.earlier(&self.arena), hint.later(&self.arena));
        if earlier.0 != NONE {
            earlier.set_later(&mut self.arena, later);
        }
        if later.0 == NONE {
            self.hints = earlier;
        } else {
            later.set_earlier(&mut self.arena, earlier);
        }
        hint.subject(&self.arena).set_hint(&mut self.arena, Hint(NONE));
        self.arena.free(hint.0, hint.words(&self.arena));
    }

    /// Whether a loop around that of the trial is in an extreme state since one of the identities
    /// that were given after this one. What holds there goes further than it will.
    fn is_extreme_since(&self, trial: Trial, last: u32) -> bool {
        let arena = &self.arena;
        trial
            .outer(arena)
            .outwards(arena)
            .any(|trial| trial.phase(arena) == Phase::Probe && last < trial.head_id(arena))
    }

    /// Forgets the guesses of attempts that began after this identity was given.
    pub(super) fn forget_hints(&mut self, since: u32) {
        while self.hints.0 != NONE && self.hints.last_id(&self.arena) >= since {
            self.forget_hint(self.hints);
        }
    }
}
