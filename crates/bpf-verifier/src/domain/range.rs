//! Intervals, signed and unsigned at once.

use super::bits::{mask, sign_bit, signed, signed_max, signed_min};
use super::tnum::Tnum;

/// A set of values of some width, bounded twice: as unsigned and as signed
/// numbers. The width is not kept; every operation is told it.
///
/// A range whose least value exceeds its greatest is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Range {
    /// Least value, unsigned.
    pub umin: u64,
    /// Greatest value, unsigned.
    pub umax: u64,
    /// Least value, signed.
    pub smin: i64,
    /// Greatest value, signed.
    pub smax: i64,
}

impl Range {
    /// Every value of `bits` bits.
    pub const fn full(bits: u32) -> Self {
        Self { umin: 0, umax: mask(bits), smin: signed_min(bits), smax: signed_max(bits) }
    }

    /// The numbers of some width that have no bit above the low `bits`, which
    /// are fewer than the width.
    pub(super) const fn below(bits: u32) -> Self {
        Self { umin: 0, umax: mask(bits), smin: 0, smax: mask(bits).cast_signed() }
    }

    /// One value; bits of `value` above `bits` are dropped.
    pub const fn constant(value: u64, bits: u32) -> Self {
        let (u, s) = (value & mask(bits), signed(value, bits));
        Self { umin: u, umax: u, smin: s, smax: s }
    }

    /// The values between two unsigned bounds.
    pub const fn unsigned(umin: u64, umax: u64, bits: u32) -> Self {
        Self { umin, umax, ..Self::full(bits) }
    }

    /// The values between two signed bounds.
    pub const fn signed(smin: i64, smax: i64, bits: u32) -> Self {
        Self { smin, smax, ..Self::full(bits) }
    }

    /// The low `bits` bits of all integers from `low` to `high`. The interval
    /// survives as unsigned bounds where it does not cross a multiple of
    /// 2^`bits`, and as signed bounds where it does not cross an odd multiple
    /// of half of that.
    pub const fn wrapping(low: i128, high: i128, bits: u32) -> Self {
        let mut range = Self::full(bits);
        if low.wrapping_shr(bits) == high.wrapping_shr(bits) {
            range.umin = low_word(low) & mask(bits);
            range.umax = low_word(high) & mask(bits);
        }
        let half = sign_bit(bits) as i128;
        let (above, below) = (high.wrapping_add(half), low.wrapping_add(half));
        if below.wrapping_shr(bits) == above.wrapping_shr(bits) {
            range.smin = signed(low_word(low), bits);
            range.smax = signed(low_word(high), bits);
        }
        range
    }

    /// Whether there is no member.
    pub const fn is_empty(&self) -> bool {
        self.umin > self.umax || self.smin > self.smax
    }

    /// Whether `value`, a number of `bits` bits, is a member.
    pub const fn contains(&self, value: u64, bits: u32) -> bool {
        let s = signed(value, bits);
        self.umin <= value && value <= self.umax && self.smin <= s && s <= self.smax
    }

    /// Whether every member of `other` is one of `self`.
    pub const fn covers(&self, other: &Self) -> bool {
        self.umin <= other.umin
            && other.umax <= self.umax
            && self.smin <= other.smin
            && other.smax <= self.smax
    }

    /// The members of both; possibly none.
    #[must_use]
    pub fn meet(self, other: Self) -> Self {
        Self {
            umin: self.umin.max(other.umin),
            umax: self.umax.min(other.umax),
            smin: self.smin.max(other.smin),
            smax: self.smax.min(other.smax),
        }
    }

    /// The members that agree with the known bits of `t`, a value of `bits`
    /// bits.
    #[must_use]
    pub fn meet_bits(self, t: Tnum, bits: u32) -> Self {
        let sign = sign_bit(bits);
        // An unknown sign is 1 in the least signed member, 0 in the greatest.
        let least = t.value() | (t.mask() & sign);
        let greatest = t.value() | (t.mask() & !sign);
        self.meet(Self {
            umin: t.value(),
            umax: t.max(),
            smin: signed(least, bits),
            smax: signed(greatest, bits),
        })
    }

    /// The members that have the known low bits of `t`, values of `bits` bits, between the first
    /// and the last one; none, where there are none.
    #[must_use]
    pub fn meet_low_bits(self, t: Tnum, bits: u32) -> Option<Self> {
        let known = t.mask().trailing_zeros().min(bits).min(63);
        let (low, at) = (!u64::MAX.wrapping_shl(known), t.value());
        let up = |from: u64| at.wrapping_sub(from) & low;
        let down = |from: u64| from.wrapping_sub(at) & low;
        Some(Self {
            umin: self.umin.checked_add(up(self.umin))?,
            umax: self.umax.checked_sub(down(self.umax))?,
            smin: self.smin.checked_add_unsigned(up(self.smin.cast_unsigned()))?,
            smax: self.smax.checked_sub_unsigned(down(self.smax.cast_unsigned()))?,
        })
    }

    /// Lets the signed bounds sharpen the unsigned ones and the other way
    /// round, without loss of members.
    #[must_use]
    pub fn tighten(self, bits: u32) -> Self {
        let mut r = self;
        let sign = sign_bit(bits);
        if r.is_empty() {
            return r;
        }
        // Unsigned bounds on one side of the sign boundary are in signed order.
        if (r.umin ^ r.umax) & sign == 0 {
            r.smin = r.smin.max(signed(r.umin, bits));
            r.smax = r.smax.min(signed(r.umax, bits));
        }
        if r.smin > r.smax {
            return r;
        }
        let (smin, smax) =
            (r.smin.cast_unsigned() & mask(bits), r.smax.cast_unsigned() & mask(bits));
        if (r.smin < 0) == (r.smax < 0) {
            r.umin = r.umin.max(smin);
            r.umax = r.umax.min(smax);
        } else {
            // The signed range is [0, smax] and [smin, all ones] as unsigned;
            // the unsigned range may reach only one of the two.
            if r.umin > smax {
                r.umin = r.umin.max(smin);
                r.smax = r.smax.min(-1);
            }
            if r.umax < smin {
                r.umax = r.umax.min(smax);
                r.smin = r.smin.max(0);
            }
        }
        r
    }
}

/// The low 64 bits.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "meant")]
const fn low_word(value: i128) -> u64 {
    value as u64
}
