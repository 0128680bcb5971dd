//! A set of numbers: known bits, and ranges of the whole and of its low half.

use core::fmt;

use super::bits::{mask, signed_max, signed_min};
use super::range::Range;
use super::tnum::Tnum;

/// A set of numbers of `BITS` bits, of which the low `BITS / 2` are bounded by
/// themselves, too. Registers have 64; fewer serve for exhaustive tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scalar<const BITS: u32 = 64> {
    pub(super) bits: Tnum,
    pub(super) full: Range,
    pub(super) half: Range,
}

impl<const BITS: u32> Scalar<BITS> {
    /// Bits of the low half.
    pub const HALF: u32 = BITS / 2;

    /// Every value.
    pub const UNKNOWN: Self =
        Self { bits: Tnum::of_bits(BITS), full: Range::full(BITS), half: Range::full(Self::HALF) };

    /// One value.
    pub const fn constant(value: u64) -> Self {
        let value = value & mask(BITS);
        Self {
            bits: Tnum::constant(value),
            full: Range::constant(value, BITS),
            half: Range::constant(value, Self::HALF),
        }
    }

    /// The set of these three views, which were taken from one before.
    pub(crate) const fn from_parts(bits: Tnum, full: Range, half: Range) -> Self {
        Self { bits, full, half }
    }

    /// One value, given as a signed number.
    pub const fn signed_constant(value: i64) -> Self {
        Self::constant(value.cast_unsigned())
    }

    /// Every value of `bits` bits, zero-extended.
    pub const fn of_bits(bits: u32) -> Self {
        if bits >= BITS {
            return Self::UNKNOWN;
        }
        let half = if bits < Self::HALF { Range::below(bits) } else { Range::full(Self::HALF) };
        Self { bits: Tnum::of_bits(bits), full: Range::below(bits), half }
    }

    /// Every value from `umin` to `umax`, unsigned.
    pub fn between(umin: u64, umax: u64) -> Self {
        Self { full: Range::unsigned(umin, umax, BITS), ..Self::UNKNOWN }.or_unknown()
    }

    /// Every value from `smin` to `smax`, signed.
    pub fn signed_between(smin: i64, smax: i64) -> Self {
        Self { full: Range::signed(smin, smax, BITS), ..Self::UNKNOWN }.or_unknown()
    }

    /// Every value with these known bits.
    pub fn with_bits(bits: Tnum) -> Self {
        Self { bits: bits.low(BITS), ..Self::UNKNOWN }.or_unknown()
    }

    /// The set that the three views describe together; the whole domain where
    /// they exclude each other, which no program state that can occur gives.
    pub(super) fn or_unknown(self) -> Self {
        self.sync().unwrap_or(Self::UNKNOWN)
    }

    /// Known bits.
    pub const fn bits(&self) -> Tnum {
        self.bits
    }

    /// Bounds of the whole.
    pub const fn full(&self) -> &Range {
        &self.full
    }

    /// Bounds of the low half.
    pub const fn half(&self) -> &Range {
        &self.half
    }

    /// Least value, unsigned.
    pub const fn umin(&self) -> u64 {
        self.full.umin
    }

    /// Greatest value, unsigned.
    pub const fn umax(&self) -> u64 {
        self.full.umax
    }

    /// Least value, signed.
    pub const fn smin(&self) -> i64 {
        self.full.smin
    }

    /// Greatest value, signed.
    pub const fn smax(&self) -> i64 {
        self.full.smax
    }

    /// The value, if there is only one.
    pub const fn as_constant(&self) -> Option<u64> {
        if self.bits.is_constant() { Some(self.bits.value()) } else { None }
    }

    /// Whether nothing is known.
    pub fn is_unknown(&self) -> bool {
        *self == Self::UNKNOWN
    }

    /// Whether `value` is a member.
    pub const fn contains(&self, value: u64) -> bool {
        self.bits.contains(value)
            && self.full.contains(value, BITS)
            && self.half.contains(value & mask(Self::HALF), Self::HALF)
    }

    /// Whether every member of `other` is one of `self`.
    pub const fn covers(&self, other: &Self) -> bool {
        self.bits.covers(other.bits)
            && self.full.covers(&other.full)
            && self.half.covers(&other.half)
    }

    /// The members of both, if there are any.
    pub fn meet(self, other: Self) -> Option<Self> {
        Self {
            bits: self.bits.meet(other.bits)?,
            full: self.full.meet(other.full),
            half: self.half.meet(other.half),
        }
        .sync()
    }

    /// The low half of every member, zero-extended.
    #[must_use]
    pub fn low_half(self) -> Self {
        Self::of_half(self.bits.low(Self::HALF), self.half)
    }

    /// The numbers whose upper half is zero and whose lower half is in both
    /// sets.
    pub(super) fn of_half(bits: Tnum, half: Range) -> Self {
        Self::sync_half(bits, half).unwrap_or(Self::UNKNOWN)
    }

    /// The same; none, where there are no such numbers.
    fn sync_half(bits: Tnum, half: Range) -> Option<Self> {
        let once = |bits: Tnum, half: Range| {
            let half = half.meet_bits(bits, Self::HALF).tighten(Self::HALF);
            if half.is_empty() {
                return None;
            }
            Some((bits.meet(Tnum::between(half.umin, half.umax))?, half))
        };
        let (mut known, mut range) = once(bits, half)?;
        if (known, range) != (bits, half) {
            (known, range) = once(known, range)?;
        }
        let (smin, smax) = (range.umin.cast_signed(), range.umax.cast_signed());
        let full = Range { umin: range.umin, umax: range.umax, smin, smax };
        Some(Self { bits: known, full, half: range })
    }

    /// The low `bits` bits of every member, zero-extended.
    #[must_use]
    pub fn low(self, bits: u32) -> Self {
        if bits >= BITS {
            return self;
        }
        if bits == Self::HALF {
            return self.low_half();
        }
        let mut out = Self { bits: self.bits.low(bits), ..Self::UNKNOWN };
        if self.full.umax <= mask(bits) {
            out.full = self.full;
        }
        out.or_unknown()
    }

    /// Lets each view sharpen the others. None where they exclude each other:
    /// the set is empty.
    pub fn sync(self) -> Option<Self> {
        if self.bits.is_constant() {
            return self.sync_constant();
        }
        let most = self.greatest();
        if most <= mask(Self::HALF) {
            // None is below 0, so that signed bounds are others of the same order.
            let most = most.min(u64::try_from(self.full.smax).ok()?);
            let least = self.full.umin.max(self.full.smin.max(0).cast_unsigned());
            if self.bits.value().max(least) > most {
                return None;
            }
            return if most <= signed_max(Self::HALF).cast_unsigned() {
                Self::sync_small(self.bits, self.half, least, most)
            } else {
                let bounds = Range::unsigned(least, most, Self::HALF);
                Self::sync_half(self.bits.low(Self::HALF), self.half.meet(bounds))
            };
        }
        if self == Self::UNKNOWN {
            return Some(self);
        }
        self.sync_signed().map_or_else(|| self.sync_rounds(), Some)
    }

    /// The set, where all that is known are signed bounds on both sides of zero that the low half
    /// holds: those of either view are the other's, and no other follows from them.
    fn sync_signed(&self) -> Option<Self> {
        let (full, half) = (Range::full(BITS), Range::full(Self::HALF));
        let unsigned = |range: &Range, all: Range| (range.umin, range.umax) == (all.umin, all.umax);
        let any = self.bits.mask() == mask(BITS)
            && unsigned(&self.full, full)
            && unsigned(&self.half, half)
            && Self::fits_half(&self.full);
        let (smin, smax) = (self.full.smin.max(self.half.smin), self.full.smax.min(self.half.smax));
        (any && smin < 0 && smax >= 0).then_some(Self {
            bits: self.bits,
            full: Range { smin, smax, ..full },
            half: Range { smin, smax, ..half },
        })
    }

    fn sync_rounds(self) -> Option<Self> {
        let mut out = self.sync_once()?;
        // A second round carries what the first one found back to the view it
        // started from; further ones gain little.
        if out != self {
            out = out.sync_once()?;
        }
        Some(out)
    }

    /// What no member exceeds, unsigned, as far as that shows at once.
    const fn greatest(&self) -> u64 {
        let (bits, full) = (self.bits.max(), self.full.umax);
        let most = if bits < full { bits } else { full };
        let signed = self.full.smax.cast_unsigned();
        if self.full.smin >= 0 && signed < most { signed } else { most }
    }

    /// The set of the numbers from `least` to `most`, which the low half holds without
    /// its sign, that are in both views: all bounds are those of one interval. What is
    /// found is what two rounds find of each view by itself.
    fn sync_small(bits: Tnum, half: Range, least: u64, most: u64) -> Option<Self> {
        let most = most.min(half.umax).min(u64::try_from(half.smax).ok()?);
        let least = least.max(half.umin).max(half.smin.max(0).cast_unsigned());
        let once = |bits: Tnum, least: u64, most: u64| {
            let (least, most) = (least.max(bits.value()), most.min(bits.max()));
            if least > most {
                return None;
            }
            Some((bits.meet(Tnum::between(least, most))?, least, most))
        };
        let unsigned = bits.meet(Tnum::of_bits(Self::HALF.wrapping_sub(1)))?;
        let (bits, least, most) = once(unsigned, least, most)?;
        let (bits, least, most) = once(bits, least, most)?;
        let (smin, smax) = (least.cast_signed(), most.cast_signed());
        let range = Range { umin: least, umax: most, smin, smax };
        Some(Self { bits, full: range, half: range })
    }

    fn sync_constant(self) -> Option<Self> {
        let value = self.bits.value();
        self.contains(value).then(|| Self::constant(value))
    }

    fn sync_once(self) -> Option<Self> {
        let (mut bits, mut full, mut half) = (self.bits, self.full, self.half);
        full = full.meet_bits(bits, BITS).tighten(BITS);
        half = half.meet_bits(bits.low(Self::HALF), Self::HALF).tighten(Self::HALF);
        if full.is_empty() || half.is_empty() {
            return None;
        }
        half = half.meet(Self::half_of(&full)).tighten(Self::HALF);
        if half.is_empty() {
            return None;
        }
        full = Self::full_of(full, &half).tighten(BITS);
        if full.is_empty() {
            return None;
        }
        bits = bits.meet(Tnum::between(full.umin, full.umax))?;
        let low = bits.low(Self::HALF).meet(Tnum::between(half.umin, half.umax))?;
        let high = !mask(Self::HALF);
        bits = Tnum::new(bits.value() & high | low.value(), bits.mask() & high | low.mask());
        Some(Self { bits, full, half })
    }

    /// What the bounds of the whole say of its low half.
    pub(super) fn half_of(full: &Range) -> Range {
        let (low, high) = (mask(Self::HALF), !mask(Self::HALF));
        let mut half = Range::full(Self::HALF);
        // The same high half throughout: the low halves are in order.
        if (full.umin ^ full.umax) & high == 0 {
            half = half.meet(Range::unsigned(full.umin & low, full.umax & low, Self::HALF));
        }
        let (smin, smax) = (full.smin.cast_unsigned(), full.smax.cast_unsigned());
        if (smin ^ smax) & high == 0 {
            half = half.meet(Range::unsigned(smin & low, smax & low, Self::HALF));
        }
        if Self::fits_half(full) {
            half = half.meet(Range::signed(full.smin, full.smax, Self::HALF));
        }
        half
    }

    /// Whether every value is its low half, sign-extended.
    const fn fits_half(full: &Range) -> bool {
        signed_min(Self::HALF) <= full.smin && full.smax <= signed_max(Self::HALF)
    }

    /// `full` without the values at its ends whose low half `half` excludes.
    pub(super) fn full_of(full: Range, half: &Range) -> Range {
        let mut out = full;
        if Self::fits_half(&full) {
            out.smin = out.smin.max(half.smin);
            out.smax = out.smax.min(half.smax);
        }
        out.umin = Self::round_up(out.umin, half).unwrap_or(out.umin);
        out.umax = Self::round_down(out.umax, half).unwrap_or(out.umax);
        // Signed bounds order low halves as unsigned numbers, too; only the
        // carry into the high half must not pass the end.
        let smin = Self::round_up(out.smin.cast_unsigned() & mask(BITS), half);
        if let Some(smin) = smin.map(|v| super::bits::signed(v, BITS)) {
            out.smin = out.smin.max(smin);
        }
        let smax = Self::round_down(out.smax.cast_unsigned() & mask(BITS), half);
        if let Some(smax) = smax.map(|v| super::bits::signed(v, BITS)) {
            out.smax = out.smax.min(smax);
        }
        out
    }

    /// The least value from `value` on with its low half in `half`, where that
    /// takes no carry into the high half.
    const fn round_up(value: u64, half: &Range) -> Option<u64> {
        let low = value & mask(Self::HALF);
        if low <= half.umin { Some(value & !mask(Self::HALF) | half.umin) } else { None }
    }

    /// The greatest value up to `value` with its low half in `half`, where that
    /// takes no borrow from the high half.
    const fn round_down(value: u64, half: &Range) -> Option<u64> {
        let low = value & mask(Self::HALF);
        if low >= half.umax { Some(value & !mask(Self::HALF) | half.umax) } else { None }
    }
}

/// The bounds in the order in which Linux prints them, those that say nothing
/// left out.
impl fmt::Display for Scalar<64> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(value) = self.as_constant() {
            return write!(f, "{}", value.cast_signed());
        }
        let (full, half) = (Range::full(64), Range::full(32));
        let mut sep = "";
        let mut item = |name: &str, value: &dyn fmt::Display, show: bool| {
            if !show {
                return Ok(());
            }
            let written = write!(f, "{sep}{name}={value}");
            sep = ",";
            written
        };
        item("smin", &self.full.smin, self.full.smin != full.smin)?;
        item("smax", &self.full.smax, self.full.smax != full.smax)?;
        item("umin", &self.full.umin, self.full.umin != full.umin)?;
        item("umax", &self.full.umax, self.full.umax != full.umax)?;
        let low = |a: u64, b: i64| a == (b.cast_unsigned() & mask(32));
        let same = self.full.umax <= mask(31) && low(self.full.umax, self.half.smax);
        item("smin32", &self.half.smin, !same && self.half.smin != half.smin)?;
        item("smax32", &self.half.smax, !same && self.half.smax != half.smax)?;
        item("umin32", &self.half.umin, !same && self.half.umin != half.umin)?;
        item("umax32", &self.half.umax, !same && self.half.umax != half.umax)?;
        item("var_off", &self.bits, self.bits != Tnum::UNKNOWN)
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests may panic")]
mod tests {
    use super::{Range, Scalar, Tnum, mask};
    use crate::domain::bits::signed;

    /// Sets of which the upper half is zero, those around zero, and others, find as much by their
    /// own way as by the general one.
    fn every_way_finds_the_same<const BITS: u32>() {
        let mut seed = 1_u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed.wrapping_shr(29)
        };
        let (mut found, mut empty, mut around) = (0, 0, 0);
        for _ in 0..400_000 {
            // Of few bits, mostly, and of any.
            let mut number = |bits: u32| {
                let of = random() % 8;
                let value = if of == 0 { random().wrapping_mul(random()) } else { random() };
                let most = if of < 3 { bits } else { bits / 2 };
                value & mask(most.saturating_sub(u32::from(of == 4)))
            };
            let mut range = |bits: u32| {
                let mut range = Range::full(bits);
                if number(8).is_multiple_of(2) {
                    (range.umin, range.umax) = (number(bits), number(bits));
                }
                if number(8).is_multiple_of(2) {
                    range.smin = signed(number(bits), bits);
                    range.smax = signed(number(bits), bits);
                    if number(8).is_multiple_of(2) {
                        range.smin = signed(number(bits).wrapping_neg() & mask(bits), bits);
                    }
                }
                range
            };
            let (full, half) = (range(BITS), range(Scalar::<BITS>::HALF));
            let known = Tnum::new(number(BITS), number(BITS));
            let bits = if known.value().is_multiple_of(2) { known } else { Tnum::of_bits(BITS) };
            let set = Scalar::<BITS> { bits, full, half };
            if bits.is_constant() {
                continue;
            }
            assert_eq!(set.sync(), set.sync_rounds(), "{set:?}");
            around += u32::from(set.sync_signed().is_some());
            if set.sync().is_some() { found += 1 } else { empty += 1 }
        }
        assert!(found > 10_000 && empty > 10_000 && around > 100, "{found} {empty} {around}");
    }

    #[test]
    fn every_way_of_sharpening_finds_the_same() {
        every_way_finds_the_same::<8>();
        every_way_finds_the_same::<16>();
        every_way_finds_the_same::<64>();
    }
}
