//! What a path costs.
//!
//! On the embedded profile a meter counts time, too; on cloud there is nothing
//! to count it by.

use crate::arena::{Arena, At, high, low};

/// How many figures a meter has.
#[cfg(feature = "cloud-profile")]
const FIGURES: u32 = 1;
/// How many figures a meter has.
#[cfg(feature = "embedded-profile")]
const FIGURES: u32 = 2;

/// Instructions, and on embedded time, of a path or of a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Meter(pub [u64; FIGURES as usize]);

/// Costs from here on are told apart no more; above is [`Meter::NONE`] alone.
const MOST: u64 = u64::MAX - 1;

impl Meter {
    /// Words that a meter takes in working memory.
    pub const WORDS: u32 = FIGURES;

    /// In the place of a cost: there is no such path.
    pub const NONE: Self = Self([u64::MAX; FIGURES as usize]);

    /// Nothing.
    pub const ZERO: Self = Self([0; FIGURES as usize]);

    /// Whether there is no such path.
    pub const fn is_none(self) -> bool {
        self.insns() == u64::MAX
    }

    /// Instructions.
    pub const fn insns(self) -> u64 {
        let [insns, ..] = self.0;
        insns
    }

    /// Worst-case execution time in units of the cost table.
    #[cfg(feature = "embedded-profile")]
    pub const fn time(self) -> u64 {
        let [_, time] = self.0;
        time
    }

    /// One part after the other.
    #[must_use]
    pub fn then(mut self, next: Self) -> Self {
        if self.is_none() || next.is_none() {
            return Self::NONE;
        }
        for (figure, more) in self.0.iter_mut().zip(next.0) {
            *figure = figure.saturating_add(more).min(MOST);
        }
        self
    }

    /// So many times one after the other.
    #[must_use]
    pub fn times(self, rounds: u64) -> Self {
        if rounds == 0 {
            return Self::default();
        }
        if self.is_none() {
            return Self::NONE;
        }
        Self(self.0.map(|figure| figure.saturating_mul(rounds).min(MOST)))
    }

    /// The same without this much of it. Of what is not told apart nothing is taken.
    #[must_use]
    pub fn less(mut self, part: Self) -> Self {
        for (figure, less) in self.0.iter_mut().zip(part.0) {
            if *figure < MOST && !part.is_none() {
                *figure = figure.saturating_sub(less);
            }
        }
        self
    }

    /// The same without this part of it; none, where it is not known how much that leaves.
    pub fn without(mut self, part: Self) -> Option<Self> {
        for (figure, less) in self.0.iter_mut().zip(part.0) {
            let known = *figure < MOST && less < MOST;
            *figure = figure.checked_sub(less).filter(|_| known)?;
        }
        Some(self)
    }

    /// The larger figures of both.
    #[must_use]
    pub fn max(mut self, other: Self) -> Self {
        if self.is_none() {
            return other;
        }
        if other.is_none() {
            return self;
        }
        for (figure, other) in self.0.iter_mut().zip(other.0) {
            *figure = other.max(*figure);
        }
        self
    }

    /// Words that it takes as small as it can be kept: one, where each figure is a half.
    pub fn least_words(self) -> u32 {
        let small = self.0.iter().all(|figure| *figure < u64::from(u32::MAX));
        if small { 1 } else { Self::WORDS }
    }

    /// What was stored in so many words.
    pub fn load_small(arena: &Arena<'_>, at: At, words: u32) -> Self {
        if words == Self::WORDS {
            return Self::load(arena, at);
        }
        let mut word = arena.word(at);
        Self([(); FIGURES as usize].map(|()| {
            let figure = low(word);
            word = high(word).into();
            figure.into()
        }))
    }

    /// Stores it in as many words as it takes at least.
    pub fn store_small(self, arena: &mut Arena<'_>, at: At) {
        if self.least_words() == Self::WORDS {
            return self.store(arena, at);
        }
        let halves = self.0.iter().rev();
        let word = halves.fold(0_u64, |word, figure| word.wrapping_shl(32) | figure);
        arena.set(at, word);
    }

    pub fn load(arena: &Arena<'_>, at: At) -> Self {
        let mut meter = Self::ZERO;
        for (index, figure) in (0..).zip(&mut meter.0) {
            *figure = arena.word(at.saturating_add(index));
        }
        meter
    }

    pub fn store(self, arena: &mut Arena<'_>, at: At) {
        for (index, figure) in (0..).zip(self.0) {
            arena.set(at.saturating_add(index), figure);
        }
    }
}
