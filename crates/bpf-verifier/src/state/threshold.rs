//! What loops compare numbers with: where guesses may end.

use core::ops::RangeInclusive;

use super::join::Join;
use crate::domain::Scalar;

/// Numbers that a loop compares with, at the most.
pub(crate) const MAX_THRESHOLDS: usize = 8;
/// The greatest number of 32 bits.
pub(super) const LOW_HALF_END: i64 = 0xffff_ffff;

/// What a loop compares something with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Threshold {
    /// The identity of what is compared.
    pub id: u32,
    /// How many of its low bits are; 64 for all.
    pub bits: u32,
    /// With what, less what was added to that.
    pub at: i64,
    /// Whether that is an end of what something else lies between.
    pub end: bool,
    /// Whether it is asked if the two are equal: numbers may go on beyond that.
    pub equal: bool,
}

impl Join<'_> {
    /// What is compared with what has one of these identities, and in how many low bits.
    pub(super) fn near(&self, ids: (u32, u32), off: i64) -> impl Iterator<Item = (i64, u32)> + '_ {
        self.near_if(ids, off, -1..=1, |_, _| true)
    }

    /// The same, of those that are as is asked for, as far off as the `side` says.
    pub(super) fn near_if<'b>(
        &'b self,
        (old, new): (u32, u32),
        off: i64,
        side: RangeInclusive<i64>,
        is_so: impl Fn(&Threshold, i64) -> bool + 'b,
    ) -> impl Iterator<Item = (i64, u32)> + 'b {
        let named = move |id: u32| id != 0 && (id == old || id == new);
        let own = self.thresholds.iter().filter(move |known| named(known.id));
        let own = own.map(move |known| (known, known.at.wrapping_add(off)));
        let own = own.filter(move |(known, at)| is_so(known, *at));
        own.flat_map(move |(known, at)| {
            side.clone().map(move |by| (at.wrapping_add(by), known.bits))
        })
    }

    /// Where a number ends that is asked for before it moves by this, in larger steps than one
    /// down: it goes that much further.
    pub(super) fn asked_before(
        &self,
        ids: (u32, u32),
        off: i64,
        by: i64,
    ) -> impl Iterator<Item = i64> + '_ {
        let ends = self.near_if(ids, off.wrapping_add(by), 0..=1, move |_, _| by < -1);
        ends.map(|(at, _)| at)
    }

    /// Where a number ends below `from` that is asked whether it equals something.
    pub(super) fn asked_if_equal(
        &self,
        ids: (u32, u32),
        off: i64,
        from: i64,
    ) -> impl Iterator<Item = i64> + '_ {
        let asked = self.near_if(ids, off, -1..=0, |known, _| known.equal);
        asked.flat_map(move |known| around(known, from))
    }

    /// The next bound from `least` on, of a guess that ended before.
    pub(super) fn above(
        &self,
        ids: (u32, u32),
        off: i64,
        (end, least): (i64, i64),
        new: &Scalar,
    ) -> i64 {
        let near = self.near(ids, off).map(|known| by_end(known, end));
        near.filter(|&at| at >= least).min().unwrap_or_else(|| match i64::from(i32::MAX) {
            // There may be an end of 32 bits that is not compared with.
            end if new.smin() >= end.wrapping_neg() && new.smax() < end => end,
            _ => top(new),
        })
    }

    /// The next bound from `most` down, of a guess that ended before.
    pub(super) fn below(&self, ids: (u32, u32), off: i64, (end, most): (i64, i64)) -> i64 {
        let near = self.near(ids, off).map(|known| by_end(known, end));
        near.filter(|&at| at <= most).max().unwrap_or(i64::MIN)
    }
}

/// The last number before `from` that is `at` in its low bits, and the first from there on; all are
/// `at` itself where that is all of it.
pub(crate) fn around((at, bits): (i64, u32), from: i64) -> [i64; 2] {
    if bits >= 63 {
        return [at; 2];
    }
    let all = 1_i64.wrapping_shl(bits);
    let next = from.wrapping_add(at.wrapping_sub(from) & all.wrapping_sub(1));
    [next.wrapping_sub(all), next]
}

/// `at`, or what is the same in its low bits right by the `end` of a guess. One that did not hold
/// there ends at no further number of the kind.
pub(super) fn by_end(known: (i64, u32), end: i64) -> i64 {
    around(known, end).into_iter().find(|at| is_by(*at, end)).unwrap_or(known.0)
}

/// Whether a number is right by the end of a guess.
pub(super) const fn is_by(at: i64, end: i64) -> bool {
    at.abs_diff(end) <= 2
}

/// The last bound of a number that has none.
pub(super) fn top(new: &Scalar) -> i64 {
    let low = new.smin() >= 0 && (i32::MAX.into()..=LOW_HALF_END).contains(&new.smax());
    if low { LOW_HALF_END } else { i64::MAX }
}
