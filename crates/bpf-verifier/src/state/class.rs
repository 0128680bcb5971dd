//! How numbers are kept: in as few half words as they need.

use super::reg::pack_number;
use crate::arena::{high, low, pair};
use crate::domain::{Range, Scalar, Tnum};

/// How a number is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Zero = 0,
    Constant = 1,
    Bits8 = 2,
    Bits16 = 3,
    Bits32 = 4,
    Unknown = 5,
    General = 6,
    /// Bounds below 2^31, from which all else follows.
    SmallRange = 7,
    /// Bounds below 2^31, and known bits.
    SmallBits = 8,
    /// A number of 32 bits with a sign.
    SmallConstant = 9,
    /// Any number of 32 bits, between signed bounds of these.
    HalfSigned = 10,
    /// A number of 32 bits between unsigned bounds, from which all else follows.
    HalfUnsigned = 11,
    /// A number of 32 bits: its bounds, and known bits.
    Half = 12,
    /// Known bits, from which all else follows.
    KnownBits = 13,
    /// Known bits, and bounds below 2^63.
    Unsigned = 14,
    /// Known bits, and signed bounds.
    Signed = 15,
}

/// The number between two bounds below 2^31, with these known bits.
pub(super) const fn small(umin: u32, umax: u32, bits: Tnum) -> Scalar {
    let (low, high) = (umin as u64, umax as u64);
    let range = Range { umin: low, umax: high, smin: low.cast_signed(), smax: high.cast_signed() };
    Scalar::from_parts(bits, range, range)
}

/// The number of 32 bits between bounds, with these known bits.
pub(super) const fn half(half_u: u64, half_s: u64, bits: Tnum) -> Scalar {
    let (umin, umax) = (low(half_u) as u64, high(half_u) as u64);
    let (smin, smax) = (low(half_s).cast_signed() as i64, high(half_s).cast_signed() as i64);
    let full = Range { umin, umax, smin: umin.cast_signed(), smax: umax.cast_signed() };
    Scalar::from_parts(bits, full, Range { umin, umax, smin, smax })
}

/// Any number of 32 bits between these signed bounds.
pub(super) const fn half_signed(half_s: u64) -> Scalar {
    half(pair(0, u32::MAX), half_s, Tnum::of_bits(32))
}

/// The number of 32 bits between these bounds, from which all else follows.
pub(super) fn half_unsigned(half_u: u64) -> Scalar {
    let bits = Tnum::between(low(half_u).into(), high(half_u).into());
    half(half_u, pair(1 << 31, (1 << 31) - 1), bits)
}

/// What known bits say of the bounds of a number of `bits` bits.
const fn range_of(known: Tnum, bits: u32) -> Range {
    let sign = 1_u64.wrapping_shl(bits.wrapping_sub(1));
    let all = u64::MAX.wrapping_shr(u64::BITS.wrapping_sub(bits));
    let (umin, umax) = (known.value() & all, known.max() & all);
    let above = !(sign.wrapping_sub(1));
    // Where the sign is not known, it is taken for set, and for not set.
    let smin = if umax & sign == 0 { umin } else { umin | above };
    let smax = if umin & sign == 0 { umax & !sign } else { umax | above };
    Range { umin, umax, smin: smin.cast_signed(), smax: smax.cast_signed() }
}

/// The number with these known bits, from which all else follows.
pub(super) const fn known_bits(bits: Tnum) -> Scalar {
    Scalar::from_parts(bits, range_of(bits, 64), range_of(bits, 32))
}

/// The number with these known bits between bounds below 2^63.
pub(super) const fn unsigned(bits: Tnum, umin: u64, umax: u64) -> Scalar {
    let full = Range { umin, umax, smin: umin.cast_signed(), smax: umax.cast_signed() };
    Scalar::from_parts(bits, full, range_of(bits, 32))
}

/// The number with these known bits between signed bounds.
pub(super) const fn signed(bits: Tnum, smin: u64, smax: u64) -> Scalar {
    let (smin, smax) = (smin.cast_signed(), smax.cast_signed());
    let full = Range { smin, smax, ..range_of(bits, 64) };
    let half = range_of(bits, 32);
    let half = if is_small(smin.cast_unsigned()) && is_small(smax.cast_unsigned()) {
        Range { smin, smax, ..half }
    } else {
        half
    };
    Scalar::from_parts(bits, full, half)
}

/// Whether a number is one of 32 bits with a sign.
const fn is_small(value: u64) -> bool {
    low(value).cast_signed() as i64 == value.cast_signed()
}

impl Class {
    pub fn of(number: &Scalar) -> Self {
        match number.as_constant() {
            Some(0) => return Self::Zero,
            Some(value) if is_small(value) => return Self::SmallConstant,
            Some(_) => return Self::Constant,
            None => {}
        }
        let mask = number.bits().mask();
        let class = match mask {
            0xff => Self::Bits8,
            0xffff => Self::Bits16,
            0xffff_ffff => Self::Bits32,
            u64::MAX => Self::Unknown,
            _ => Self::General,
        };
        if class.plain() == Some(*number) { class } else { Self::ranged(number) }
    }

    /// Which bounds are needed.
    fn ranged(number: &Scalar) -> Self {
        let (umin, umax) = (low(number.umin()), low(number.umax()));
        let bits = number.bits();
        if umax.cast_signed() < 0 || small(umin, umax, bits) != *number {
            return Self::wide(number);
        }
        let implied = Tnum::between(umin.into(), umax.into());
        if bits == implied { Self::SmallRange } else { Self::SmallBits }
    }

    /// The same, where they are not small.
    fn wide(number: &Scalar) -> Self {
        let [value, mask, umin, umax, smin, smax, half_u, half_s] = pack_number(number);
        let bits = number.bits();
        let is = |of: Scalar| of == *number;
        if high(value | mask) == 0 && is(half(half_u, half_s, bits)) {
            return if is(half_signed(half_s)) {
                Self::HalfSigned
            } else if is(half_unsigned(half_u)) {
                Self::HalfUnsigned
            } else {
                Self::Half
            };
        }
        if is(known_bits(bits)) {
            Self::KnownBits
        } else if is(unsigned(bits, umin, umax)) {
            Self::Unsigned
        } else if is(signed(bits, smin, smax)) {
            Self::Signed
        } else {
            Self::General
        }
    }

    /// The number of a class that needs none.
    pub fn plain(self) -> Option<Scalar> {
        Some(match self {
            Self::Zero => Scalar::constant(0),
            Self::Bits8 => Scalar::of_bits(8),
            Self::Bits16 => Scalar::of_bits(16),
            Self::Bits32 => Scalar::of_bits(32),
            Self::Unknown => Scalar::UNKNOWN,
            _ => return None,
        })
    }

    /// Half words that the number takes.
    pub const fn halves(self) -> u32 {
        match self {
            Self::SmallConstant => 1,
            Self::Constant | Self::SmallRange | Self::HalfSigned | Self::HalfUnsigned => 2,
            Self::SmallBits | Self::KnownBits => 4,
            Self::Half => 6,
            Self::Unsigned | Self::Signed => 8,
            Self::General => 16,
            _ => 0,
        }
    }

    pub const fn from_bits(bits: u32) -> Self {
        match bits {
            0 => Self::Zero,
            1 => Self::Constant,
            2 => Self::Bits8,
            3 => Self::Bits16,
            4 => Self::Bits32,
            5 => Self::Unknown,
            7 => Self::SmallRange,
            8 => Self::SmallBits,
            9 => Self::SmallConstant,
            10 => Self::HalfSigned,
            11 => Self::HalfUnsigned,
            12 => Self::Half,
            13 => Self::KnownBits,
            14 => Self::Unsigned,
            15 => Self::Signed,
            _ => Self::General,
        }
    }
}
