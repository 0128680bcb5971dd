//! What a path costs.
//!
//! On the embedded profile a meter counts time, too; on cloud there is nothing
//! to count it by.

use crate::arena::{Arena, At, high, low, pair};

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

/// Loops with a summary that one place can lie in.
pub(crate) const MAX_NEST: usize = 8;

/// Loops of ancestors that are closed behind a place, by the serial numbers of
/// those ancestors, the costliest path to where that happens, and the costliest
/// round that begins behind the place and ends there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closing {
    pub outer: u32,
    pub inner: u32,
    pub cost: Meter,
    pub round: Meter,
}

impl Closing {
    /// Words that it takes in working memory.
    pub const WORDS: u32 = 1 + 2 * Meter::WORDS;

    /// No loop is closed.
    pub const NONE: Self = Self { outer: 0, inner: 0, cost: Meter::ZERO, round: Meter::NONE };

    /// That of the ancestor of this serial number is closed here.
    pub const fn at(serial: u32) -> Self {
        Self { outer: serial, inner: serial, ..Self::NONE }
    }

    pub const fn is_none(&self) -> bool {
        self.outer == 0
    }

    /// The same behind a stretch of this cost.
    fn after(self, before: Meter) -> Self {
        if self.is_none() { self } else { Self { cost: before.then(self.cost), ..self } }
    }

    /// Both as one.
    fn join(self, other: Self) -> Self {
        if self.is_none() {
            return other;
        }
        if other.is_none() {
            return self;
        }
        Self {
            outer: self.outer.min(other.outer),
            inner: self.inner.max(other.inner),
            cost: self.cost.max(other.cost),
            round: self.round.max(other.round),
        }
    }

    pub fn load(arena: &Arena<'_>, at: At) -> Self {
        let loops = arena.word(at);
        let meter = |index: u32| Meter::load(arena, at.saturating_add(index));
        let (cost, round) = (meter(1), meter(1 + Meter::WORDS));
        Self { outer: low(loops), inner: high(loops), cost, round }
    }

    pub fn store(self, arena: &mut Arena<'_>, at: At) {
        arena.set(at, pair(self.outer, self.inner));
        self.cost.store(arena, at.saturating_add(1));
        self.round.store(arena, at.saturating_add(1 + Meter::WORDS));
    }
}

/// What follows from a place: the costliest paths from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tail {
    /// To the program's end.
    pub exit: Meter,
    /// Back to the head of each loop around it that is being summarised, the
    /// outermost first.
    pub back: [Meter; MAX_NEST],
    /// To where a loop of an ancestor is closed: the innermost of these loops, and
    /// all others. They have no ancestor in common.
    pub near: Closing,
    pub far: Closing,
}

impl Tail {
    /// No path at all.
    pub const NONE: Self = Self {
        exit: Meter::NONE,
        back: [Meter::NONE; MAX_NEST],
        near: Closing::NONE,
        far: Closing::NONE,
    };

    /// The program's end is here.
    pub const END: Self = Self { exit: Meter::ZERO, ..Self::NONE };

    /// The loop around this place at `level` goes round here.
    pub fn round(level: usize) -> Self {
        let mut tail = Self::NONE;
        if let Some(back) = tail.back.get_mut(level) {
            *back = Meter::ZERO;
        }
        tail
    }

    /// The same behind a stretch of this cost.
    #[must_use]
    pub fn after(&self, before: Meter) -> Self {
        Self {
            exit: before.then(self.exit),
            back: self.back.map(|back| before.then(back)),
            near: self.near.after(before),
            far: self.far.after(before),
        }
    }

    /// The paths of both.
    #[must_use]
    pub fn max(&self, other: &Self) -> Self {
        let mut back = self.back;
        for (back, other) in back.iter_mut().zip(&other.back) {
            *back = back.max(*other);
        }
        let mut tail = Self { exit: self.exit.max(other.exit), back, ..*self };
        tail.add_closing(other.near);
        tail.add_closing(other.far);
        tail
    }

    fn add_closing(&mut self, more: Closing) {
        let (near, far) = (self.near, self.far);
        (self.near, self.far) = if near.is_none() || more.is_none() {
            (near.join(more), far)
        } else if more.outer > near.inner {
            (more, near.join(far))
        } else if more.inner < near.outer {
            (near, far.join(more))
        } else {
            (near.join(more), far)
        };
        if self.far.inner >= self.near.outer {
            (self.near, self.far) = (self.near.join(self.far), Closing::NONE);
        }
    }

    /// The paths from the place of this serial number, where a loop of `rounds`
    /// rounds at the most is closed at it. `parent` is the serial number of the node
    /// before it, 0 if there is none.
    #[must_use]
    pub fn closed(&self, serial: u32, rounds: u64, parent: u32) -> Self {
        let round = self.near.cost.max(self.near.round);
        let mut tail = self.after(round.times(rounds));
        if tail.near.outer >= serial {
            // No loop but this one.
            (tail.near, tail.far) = (tail.far, Closing::NONE);
        } else {
            // Which other one is the innermost is not known.
            tail.near.inner = parent;
        }
        tail
    }

    /// The paths from the place of this serial number, where a loop is closed whose
    /// rounds are counted at an ancestor; none, where others are closed with it.
    pub fn counted_at(&self, serial: u32, ancestor: u32) -> Option<Self> {
        if self.near.outer < serial {
            return None;
        }
        let round = self.near.cost.max(self.near.round);
        let mut tail = Self { near: self.far, far: Closing::NONE, ..*self };
        tail.add_closing(Closing { cost: Meter::NONE, round, ..Closing::at(ancestor) });
        Some(tail)
    }

    /// The innermost loop with a summary that some path goes back to.
    pub fn level(&self) -> Option<usize> {
        self.back.iter().rposition(|back| !back.is_none())
    }

    /// The paths from the head of the loop at `level`, where it goes round
    /// `rounds` times at the most.
    #[must_use]
    pub fn unrolled(&self, level: usize, rounds: u64) -> Self {
        let mut out = *self;
        let Some(back) = out.back.get_mut(level) else { return out };
        let all = if back.is_none() { Meter::ZERO } else { back.times(rounds) };
        *back = Meter::NONE;
        out.after(all)
    }
}
