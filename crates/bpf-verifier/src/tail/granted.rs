//! Rounds that are granted.

use super::path::Path;
use crate::arena::{Arena, At, high, low, pair};
use crate::meter::Meter;

/// What stands for several instances at once, and for none.
pub(super) const SEVERAL: u32 = u32::MAX;
pub(super) const NOBODY: u32 = u32::MAX - 1;

/// The rounds behind a place that one instance grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rounds {
    pub instance: u32,
    /// How many grants are left at the most.
    pub most: u32,
    /// Ancestors at which the loop is closed behind the place, by their serial numbers: the
    /// outermost and the two innermost ones; 0, where the second one is not known.
    pub outer: u32,
    pub second: u32,
    pub inner: u32,
    /// The costliest path to where that happens, if it does.
    pub open: Path,
    /// The costliest round behind the place.
    pub each: Meter,
    /// The costliest path to the program's end on which a grant was used.
    pub exit: Path,
}

impl Rounds {
    /// Words that they take in working memory.
    pub const WORDS: u32 = 4 + 3 * Meter::WORDS;

    /// None at all.
    pub const NONE: Self = Self {
        instance: NOBODY,
        most: 0,
        outer: 0,
        second: 0,
        inner: 0,
        open: Path::NONE,
        each: Meter::ZERO,
        exit: Path::NONE,
    };

    pub const fn is_none(&self) -> bool {
        self.instance == NOBODY
    }

    pub const fn is_open(&self) -> bool {
        !self.open.is_none()
    }

    /// The innermost ancestor at which the loop is closed; 0, if it is closed at none.
    pub const fn inner(&self) -> u32 {
        if self.is_open() { self.inner } else { 0 }
    }

    /// The second ancestor from within: none, where it is not known.
    const fn second(&self) -> Option<u32> {
        if self.outer == self.inner || self.second != 0 { Some(self.second) } else { None }
    }

    /// Those of both, of one instance, where a round costs at least this.
    pub fn join(self, other: Self, rounds: [Meter; 2]) -> Self {
        let mut both = Self {
            most: self.most.max(other.most),
            open: self.open.max(other.open, rounds),
            exit: self.exit.max(other.exit, rounds),
            each: self.each.max(other.each),
            ..self
        };
        if !self.is_open() {
            (both.outer, both.second, both.inner) = (other.outer, other.second, other.inner);
        } else if other.is_open() {
            let (far, near) = if self.inner < other.inner { (self, other) } else { (other, self) };
            let next = if far.inner == near.inner { far.second() } else { Some(far.inner) };
            let second = near.second().zip(next).map_or(0, |(a, b)| a.max(b));
            (both.outer, both.second, both.inner) = (far.outer.min(near.outer), second, near.inner);
        }
        both
    }

    /// The same, where the ancestor of this serial number is no ancestor any more, and
    /// `parent` is the one before it.
    pub fn without(self, serial: u32, parent: u32) -> Self {
        if !self.is_open() || self.inner != serial {
            return self;
        }
        if self.outer == serial {
            return Self { open: Path::NONE, ..self };
        }
        let inner = if self.second == 0 { parent } else { self.second };
        Self { inner, second: 0, ..self }
    }

    pub fn load(arena: &Arena<'_>, at: At) -> Self {
        let word = |index: u32| arena.word(at.saturating_add(index));
        let meter = |index: u32| Meter::load(arena, at.saturating_add(index));
        let path = |index: u32, used: u32| Path::unpack(meter(index), used);
        Self {
            instance: low(word(0)),
            most: high(word(0)),
            outer: low(word(1)),
            inner: high(word(1)),
            second: low(word(2)),
            open: path(4, low(word(3))),
            exit: path(4 + Meter::WORDS, high(word(3))),
            each: meter(4 + 2 * Meter::WORDS),
        }
    }

    pub fn store(self, arena: &mut Arena<'_>, at: At) {
        arena.set(at, pair(self.instance, self.most));
        arena.set(at.saturating_add(1), pair(self.outer, self.inner));
        arena.set(at.saturating_add(2), pair(self.second, 0));
        arena.set(at.saturating_add(3), pair(self.open.pack(), self.exit.pack()));
        self.open.cost.store(arena, at.saturating_add(4));
        self.exit.cost.store(arena, at.saturating_add(4 + Meter::WORDS));
        self.each.store(arena, at.saturating_add(4 + 2 * Meter::WORDS));
    }
}
