//! Paths, and the grants that were used on them.

use crate::meter::Meter;

/// What a path costs, and how many grants of either place of a [`Tail`] were used on it: for
/// each of them it costs a round less than it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub cost: Meter,
    pub used: [u16; 2],
}

impl Path {
    /// There is no such path.
    pub const NONE: Self = Self { cost: Meter::NONE, used: [0; 2] };
    /// It is over.
    pub const END: Self = Self { cost: Meter::ZERO, used: [0; 2] };

    pub const fn is_none(&self) -> bool {
        self.cost.is_none()
    }

    pub fn after(self, before: Meter) -> Self {
        Self { cost: before.then(self.cost), ..self }
    }

    /// What it costs at the most where rounds cost this, but for these grants.
    pub fn without(&self, rounds: [Meter; 2], kept: [u16; 2]) -> Meter {
        let [a, b] = [0, 1].map(|of: usize| {
            let used = self.used.get(of).zip(kept.get(of)).map_or(0, |(a, b)| a.saturating_sub(*b));
            rounds.get(of).map_or(Meter::ZERO, |round| round.times(used.into()))
        });
        self.cost.less(a).less(b)
    }

    /// What is never less than either, where a round costs at least this.
    pub fn max(self, other: Self, rounds: [Meter; 2]) -> Self {
        if self.is_none() {
            return other;
        }
        if other.is_none() {
            return self;
        }
        let ([a, b], [c, d]) = (self.used, other.used);
        let used = [a.min(c), b.min(d)];
        Self { cost: self.without(rounds, used).max(other.without(rounds, used)), used }
    }

    /// One more grant of this place was used.
    pub fn using(mut self, place: usize) -> Self {
        if let Some(used) = self.used.get_mut(place).filter(|_| !self.cost.is_none()) {
            *used = used.saturating_add(1);
        }
        self
    }

    /// All `most` grants of this place count, at this cost of a round.
    pub fn counted(mut self, place: usize, round: Meter, most: u32) -> Self {
        let used = self.used.get_mut(place).map_or(0, core::mem::take);
        self.after(round.times(u64::from(most).saturating_sub(used.into())))
    }

    /// The places changed.
    pub const fn turned(self) -> Self {
        let [a, b] = self.used;
        Self { used: [b, a], ..self }
    }

    pub fn pack(self) -> u32 {
        let [a, b] = self.used.map(u32::from);
        a | b.wrapping_shl(16)
    }

    pub fn unpack(cost: Meter, used: u32) -> Self {
        let half = |bits: u32| u16::try_from(bits & 0xffff).unwrap_or(0);
        Self { cost, used: [half(used), half(used.wrapping_shr(16))] }
    }
}
