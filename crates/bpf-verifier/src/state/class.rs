//! How numbers are kept: in as few half words as they need.

use crate::arena::low;
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
}

/// The number between two bounds below 2^31, with these known bits.
pub(super) const fn small(umin: u32, umax: u32, bits: Tnum) -> Scalar {
    let (low, high) = (umin as u64, umax as u64);
    let range = Range { umin: low, umax: high, smin: low.cast_signed(), smax: high.cast_signed() };
    Scalar::from_parts(bits, range, range)
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
            return Self::General;
        }
        let implied = Tnum::between(umin.into(), umax.into());
        if bits == implied { Self::SmallRange } else { Self::SmallBits }
    }

    /// The number of a class that needs none.
    pub fn plain(self) -> Option<Scalar> {
        Some(match self {
            Self::Zero => Scalar::constant(0),
            Self::Bits8 => Scalar::of_bits(8),
            Self::Bits16 => Scalar::of_bits(16),
            Self::Bits32 => Scalar::of_bits(32),
            Self::Unknown => Scalar::UNKNOWN,
            Self::SmallConstant
            | Self::Constant
            | Self::General
            | Self::SmallRange
            | Self::SmallBits => return None,
        })
    }

    /// Half words that the number takes.
    pub const fn halves(self) -> u32 {
        match self {
            Self::SmallConstant => 1,
            Self::Constant | Self::SmallRange => 2,
            Self::SmallBits => 4,
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
            _ => Self::General,
        }
    }
}
