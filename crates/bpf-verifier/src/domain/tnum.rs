//! Known bits.

use core::fmt;

use super::bits::{mask, signed};

/// What is known of each bit of a value: bits set in `mask` are unknown, the
/// others are as in `value`.
///
/// `value & mask` is always 0, so equal sets have equal representations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tnum {
    value: u64,
    mask: u64,
}

impl Tnum {
    /// Every value.
    pub const UNKNOWN: Self = Self { value: 0, mask: u64::MAX };

    /// Values that agree with `value` outside of `mask`.
    pub const fn new(value: u64, mask: u64) -> Self {
        Self { value: value & !mask, mask }
    }

    /// One value.
    pub const fn constant(value: u64) -> Self {
        Self { value, mask: 0 }
    }

    /// Every value of `bits` bits.
    pub const fn of_bits(bits: u32) -> Self {
        Self { value: 0, mask: mask(bits) }
    }

    /// The least set of this kind that holds every value from `min` to `max`,
    /// unsigned: the bits above the highest one in which they differ are known.
    pub const fn between(min: u64, max: u64) -> Self {
        let differ = min ^ max;
        if differ == 0 {
            return Self::constant(min);
        }
        Self::new(min, mask(64_u32.wrapping_sub(differ.leading_zeros())))
    }

    /// Bits that are known to be 1.
    pub const fn value(self) -> u64 {
        self.value
    }

    /// Bits that are unknown.
    pub const fn mask(self) -> u64 {
        self.mask
    }

    /// Bits that may be 1; the greatest member.
    pub const fn max(self) -> u64 {
        self.value | self.mask
    }

    /// Whether there is one member.
    pub const fn is_constant(self) -> bool {
        self.mask == 0
    }

    /// Whether `value` is a member.
    pub const fn contains(self, value: u64) -> bool {
        value & !self.mask == self.value
    }

    /// Whether every member of `other` is one of `self`.
    pub const fn covers(self, other: Self) -> bool {
        other.mask & !self.mask == 0 && other.value & !self.mask == self.value
    }

    /// The members of both, if there are any.
    pub const fn meet(self, other: Self) -> Option<Self> {
        if (self.value ^ other.value) & !self.mask & !other.mask != 0 {
            return None;
        }
        Some(Self::new(self.value | other.value, self.mask & other.mask))
    }

    /// The least set of this kind that covers both.
    #[must_use]
    pub const fn join(self, other: Self) -> Self {
        Self::new(self.value, self.mask | other.mask | (self.value ^ other.value))
    }

    /// The low `bits` bits of every member.
    #[must_use]
    pub const fn low(self, bits: u32) -> Self {
        Self { value: self.value & mask(bits), mask: self.mask & mask(bits) }
    }

    /// The low `bits` bits of every member, the sign copied upward.
    #[must_use]
    pub const fn sign_extend(self, bits: u32) -> Self {
        let value = signed(self.value, bits).cast_unsigned();
        Self { value, mask: signed(self.mask, bits).cast_unsigned() }
    }

    /// Sum, wrapping. A bit of the sum is known where both operands' bits are
    /// known and the least and the greatest sum agree in it, as no carry into
    /// it can then differ.
    #[must_use]
    pub const fn add(self, other: Self) -> Self {
        let least = self.value.wrapping_add(other.value);
        let greatest = self.max().wrapping_add(other.max());
        Self::new(least, (least ^ greatest) | self.mask | other.mask)
    }

    /// Difference, wrapping; as [`add`](Self::add), with borrows.
    #[must_use]
    pub const fn sub(self, other: Self) -> Self {
        let least = self.value.wrapping_sub(other.max());
        let greatest = self.max().wrapping_sub(other.value);
        let known = self.value.wrapping_sub(other.value);
        Self::new(known, (least ^ greatest) | self.mask | other.mask)
    }

    /// Product, wrapping: the sum of `other` shifted by the place of each set
    /// bit; where the bit is unknown, of both possibilities.
    #[must_use]
    pub const fn mul(self, other: Self) -> Self {
        let (mut rest, mut shifted) = (self, other);
        let mut sum = Self::constant(0);
        while rest.max() != 0 {
            if rest.value & 1 != 0 {
                sum = sum.add(shifted);
            } else if rest.mask & 1 != 0 {
                sum = sum.join(sum.add(shifted));
            }
            rest = rest.shift_right(1);
            shifted = shifted.shift_left(1);
        }
        sum
    }

    /// Bitwise and.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self::new(self.value & other.value, self.max() & other.max() & !(self.value & other.value))
    }

    /// Bitwise or.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        let ones = self.value | other.value;
        Self::new(ones, (self.mask | other.mask) & !ones)
    }

    /// Bitwise exclusive or.
    #[must_use]
    pub const fn xor(self, other: Self) -> Self {
        Self::new(self.value ^ other.value, self.mask | other.mask)
    }

    /// Shift left by less than 64.
    #[must_use]
    pub const fn shift_left(self, by: u32) -> Self {
        Self { value: self.value.wrapping_shl(by), mask: self.mask.wrapping_shl(by) }
    }

    /// Logical shift right by less than 64.
    #[must_use]
    pub const fn shift_right(self, by: u32) -> Self {
        Self { value: self.value.wrapping_shr(by), mask: self.mask.wrapping_shr(by) }
    }

    /// Arithmetic shift right of the low `bits` bits by less than `bits`; the
    /// result is sign-extended to 64 bits.
    #[must_use]
    pub const fn shift_right_signed(self, by: u32, bits: u32) -> Self {
        let value = signed(self.value, bits).wrapping_shr(by).cast_unsigned();
        Self { value, mask: signed(self.mask, bits).wrapping_shr(by).cast_unsigned() }
    }

    /// The low `bytes` bytes in reverse order.
    #[must_use]
    pub const fn reverse(self, bytes: u32) -> Self {
        let shift = 64_u32.wrapping_sub(bytes.wrapping_mul(8));
        Self {
            value: self.value.swap_bytes().wrapping_shr(shift),
            mask: self.mask.swap_bytes().wrapping_shr(shift),
        }
    }
}

impl fmt::Display for Tnum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({:#x}; {:#x})", self.value, self.mask)
    }
}
