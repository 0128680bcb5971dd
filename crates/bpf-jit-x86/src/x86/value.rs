//! What a register of the program holds, where no instruction has put it there
//! yet.
//!
//! A [`Value`] speaks of what is *in the CPU's registers* for the program's
//! registers it names, not of what these hold for the program.

use crate::lower::Registers;
use bpf_bytecode::Register;
use bpf_bytecode::opcode::Width;

/// A register's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// It is in the register.
    Own,
    /// A number that is an immediate.
    Const(i32),
    /// A number of 32 bits that is none of 64, as its upper half is zero.
    Half(u32),
    /// A sum.
    Sum(Sum),
    /// A register shifted or rotated.
    Shift(Shift),
    /// A register under a mask.
    Masked(Masked),
    /// What stands for the map of an index.
    Map(u32),
    /// What stands for the function at a slot.
    Function(u32),
    /// The address of a byte in a map's only value.
    Place(Place),
}

/// A byte in the only value of a map that is linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The link, which is the map's index.
    pub(super) link: u8,
    pub(super) off: u32,
}

impl Place {
    /// The map's index.
    pub(super) fn map(self) -> u32 {
        self.link.into()
    }
}

/// `base + index << scale + disp`, cut to a width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sum(u64);

/// A [`Value`] as it is kept: in one word, since it is read soon after it was written. Of
/// what was written in parts a CPU makes a whole only by way of the cache.
///
/// A sum's word has all fields of a sum. Others have the same fields, so far as they have
/// them, a number where a sum has its displacement, and no registers but what they speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word(u64);

/// A [`Sum`] in its parts; the index with its shift, 0 to 3.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    pub(super) base: Option<Register>,
    pub(super) index: Option<(Register, u8)>,
    pub(super) disp: i32,
    pub(super) width: Width,
}

/// How bits move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Motion {
    Left,
    Right,
    RotateLeft,
    /// To the left, and down again with the sign.
    Signed,
    /// Not the register's bits: the one that it counts, as a shift counts.
    Bit,
    /// All others.
    OtherBits,
}

/// A register whose bits are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shift {
    pub(super) from: Register,
    pub(super) motion: Motion,
    /// Bits, 1 to less than the width; 0 where the register says it.
    pub(super) by: u8,
    pub(super) width: Width,
}

/// `from & imm`, which keeps the upper half where the width is 64 and the number negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Masked {
    pub(super) from: Register,
    pub(super) imm: i32,
    pub(super) width: Width,
}

impl Value {
    /// Registers that it speaks of.
    #[inline(always)]
    pub(super) fn reads(self) -> Registers {
        Word::of(self).reads()
    }

    /// The register of which it is a copy, in `width` bits.
    #[inline(always)]
    pub(super) fn copied(self, width: Width) -> Option<Register> {
        match self {
            Self::Sum(sum) => sum.copied(width),
            _ => None,
        }
    }
}

impl Default for Word {
    fn default() -> Self {
        Self::OWN
    }
}

impl Word {
    // Above the fields of a sum, what kind of value it is, and how bits move.
    const KIND: u32 = 57;
    const MOTION: u32 = 61;
    const KINDS: u64 = 15;
    const SUM: u64 = 1;
    const SHIFT: u64 = 2;
    const CONST: u64 = 3;
    const MAP: u64 = 4;
    const FUNCTION: u64 = 5;
    const PLACE: u64 = 6;
    const HALF: u64 = 7;
    const MASKED: u64 = 8;
    // As many as three bits can say, so that an index needs no check.
    const MOTIONS: [Motion; 8] = [
        Motion::Left,
        Motion::Right,
        Motion::RotateLeft,
        Motion::Signed,
        Motion::Bit,
        Motion::OtherBits,
        Motion::OtherBits,
        Motion::OtherBits,
    ];

    /// [`Value::Own`].
    pub(super) const OWN: Self = Self::numbered(0, 0);

    /// Of a kind, with a number.
    const fn numbered(kind: u64, number: u32) -> Self {
        Self(kind << Self::KIND | Sum::NO_REGISTERS | number as u64)
    }

    #[inline(always)]
    pub(super) fn of(value: Value) -> Self {
        match value {
            Value::Own => Self::OWN,
            Value::Const(value) => Self::numbered(Self::CONST, value.cast_unsigned()),
            Value::Half(value) => Self::numbered(Self::HALF, value),
            Value::Sum(sum) => Self(Self::SUM << Self::KIND | sum.0),
            Value::Shift(Shift { from, motion, by, width }) => {
                let fields = Sum::copy(from, width).0 | u64::from(by) << Sum::SCALE;
                Self(Self::SHIFT << Self::KIND | (motion as u64) << Self::MOTION | fields)
            }
            Value::Masked(Masked { from, imm, width }) => Self::masked(from, width, imm),
            Value::Map(index) => Self::numbered(Self::MAP, index),
            Value::Function(slot) => Self::numbered(Self::FUNCTION, slot),
            Value::Place(Place { link, off }) => {
                Self(Self::numbered(Self::PLACE, off).0 | u64::from(link) << Sum::SCALE)
            }
        }
    }

    /// A register, and a number added.
    #[inline(always)]
    pub(super) fn sum_with(register: Register, width: Width, disp: i32) -> Self {
        let disp = u64::from(disp.cast_unsigned());
        Self(Self::SUM << Self::KIND | Sum::copy(register, width).0 | disp)
    }

    /// A register under a mask.
    #[inline(always)]
    pub(super) fn masked(register: Register, width: Width, imm: i32) -> Self {
        let imm = u64::from(imm.cast_unsigned());
        Self(Self::MASKED << Self::KIND | Sum::copy(register, width).0 | imm)
    }

    /// A register shifted left by 1 to less than the width: a sum, where the CPU's form of
    /// address can say so.
    #[inline(always)]
    pub(super) fn shifted_left(from: Register, width: Width, by: u8) -> Self {
        if by > 3 {
            return Self::of(Value::Shift(Shift { from, motion: Motion::Left, by, width }));
        }
        let index = u64::from(from.number()) << Sum::INDEX | Sum::NONE << Sum::BASE;
        let sum = Sum(index | u64::from(by) << Sum::SCALE).at(width);
        Self(Self::SUM << Self::KIND | sum.0)
    }

    /// What both are together, cut to a width, if they are one register shifted to the left and
    /// to the right so that this rotates it.
    pub(super) fn rotation(self, other: Self, width: Width) -> Option<Self> {
        let (one, two) = (self.shifted()?, other.shifted()?);
        let motions = 7 << Self::MOTION;
        let counts = 0xff << Sum::SCALE;
        // Left is 0, right is 1.
        let apart = (one.0 ^ two.0) & !counts == (Motion::Right as u64) << Self::MOTION;
        let left = if one.0 & motions == 0 { one } else { two };
        let whole: u8 = if one.0 & Sum::WIDE == 0 { 32 } else { 64 };
        let enough = width == Width::W64 || whole == 32;
        let by = |word: Self| {
            let [.., by, _] = word.0.to_le_bytes();
            by
        };
        (apart && left.0 & motions == 0 && enough && by(one).checked_add(by(two)) == Some(whole))
            .then_some(Self(left.0 | (Motion::RotateLeft as u64) << Self::MOTION))
    }

    /// It as a register whose bits are moved, also where they are so few that it is a sum.
    #[inline(always)]
    fn shifted(self) -> Option<Self> {
        let kind = Self::KINDS << Self::KIND;
        if self.0 & kind == Self::SHIFT << Self::KIND {
            return Some(self);
        }
        let [d0, d1, d2, d3, base, index, scale, _] = self.0.to_le_bytes();
        let moves = self.0 & kind == Self::SUM << Self::KIND
            && u64::from(base) == Sum::NONE
            && u64::from(index) != Sum::NONE
            && scale != 0
            && [d0, d1, d2, d3] == [0; 4];
        let fields = Sum::NONE << Sum::INDEX | u64::from(index) << Sum::BASE;
        let kept = self.0 & (Sum::WIDE | 0xff << Sum::SCALE);
        moves.then_some(Self(Self::SHIFT << Self::KIND | fields | kept))
    }

    #[inline(always)]
    pub(super) fn value(self) -> Value {
        let [d0, d1, d2, d3, base, _, scale, _] = self.0.to_le_bytes();
        let number = u32::from_le_bytes([d0, d1, d2, d3]);
        let sum = Sum(self.0 & (Sum::WIDE << 1).wrapping_sub(1));
        match self.0 >> Self::KIND & Self::KINDS {
            Self::SUM => Value::Sum(sum),
            Self::SHIFT => {
                let from = Register::new(base).unwrap_or(Register::R0);
                let [motion, ..] = (self.0 >> Self::MOTION).to_le_bytes();
                let motion = Self::MOTIONS.get(usize::from(motion & 7)).copied();
                let motion = motion.unwrap_or(Motion::Left);
                Value::Shift(Shift { from, motion, by: scale, width: sum.width() })
            }
            Self::MASKED => {
                let from = Register::new(base).unwrap_or(Register::R0);
                Value::Masked(Masked { from, imm: number.cast_signed(), width: sum.width() })
            }
            Self::CONST => Value::Const(number.cast_signed()),
            Self::HALF => Value::Half(number),
            Self::MAP => Value::Map(number),
            Self::FUNCTION => Value::Function(number),
            Self::PLACE => Value::Place(Place { link: scale, off: number }),
            _ => Value::Own,
        }
    }

    #[inline(always)]
    const fn is_a(self, kind: u64) -> bool {
        self.0 >> Self::KIND & Self::KINDS == kind
    }

    /// It as a number that is an immediate, if it is one. This and its like ask for one kind,
    /// which takes less than to tell all kinds apart.
    #[inline(always)]
    pub(super) fn number(self) -> Option<i32> {
        self.is_a(Self::CONST).then_some(self.low().cast_signed())
    }

    /// It as a number of 32 bits that is none of 64, if it is one.
    #[inline(always)]
    pub(super) fn half(self) -> Option<u32> {
        self.is_a(Self::HALF).then_some(self.low())
    }

    /// It as the address of a byte in a map's only value, if it is one.
    #[inline(always)]
    pub(super) fn place(self) -> Option<Place> {
        let [.., link, _] = self.0.to_le_bytes();
        self.is_a(Self::PLACE).then_some(Place { link, off: self.low() })
    }

    /// Whether it names a map or a function, the same wherever it is.
    #[inline(always)]
    pub(super) const fn is_name(self) -> bool {
        self.is_a(Self::MAP) || self.is_a(Self::FUNCTION)
    }

    /// Whether it is a sum, a number, or an address: what can be said twice.
    #[inline(always)]
    pub(super) const fn can_be_copied(self) -> bool {
        let kinds = 1 << Self::SUM | 1 << Self::CONST | 1 << Self::HALF | 1 << Self::PLACE;
        kinds >> (self.0 >> Self::KIND & Self::KINDS) & 1 != 0_u64
    }

    /// Whether it, another one or both are bits that are moved or under a mask, and what is not is
    /// in its register: so that they are no sum.
    #[inline(always)]
    pub(super) fn is_no_sum_beside(self, other: Self) -> bool {
        let kinds = 1 << Self::SHIFT | 1 << Self::MASKED;
        let put_off = |word: Self| kinds >> (word.0 >> Self::KIND & Self::KINDS) & 1 != 0_u64;
        let alone = |word: Self| put_off(word) || word == Self::OWN;
        alone(self) && alone(other) && (put_off(self) || put_off(other))
    }

    /// The number in it.
    #[inline(always)]
    fn low(self) -> u32 {
        let [d0, d1, d2, d3, ..] = self.0.to_le_bytes();
        u32::from_le_bytes([d0, d1, d2, d3])
    }

    /// Whether it is one bit that a register counts, or all others.
    #[inline(always)]
    pub(super) fn is_bit(self) -> bool {
        self.0 >= (Motion::Bit as u64) << Self::MOTION
    }

    /// It as a register under a mask, if it is one.
    #[inline(always)]
    pub(super) fn under_mask(self) -> Option<Masked> {
        match self.value() {
            Value::Masked(masked) => Some(masked),
            _ => None,
        }
    }

    /// It as a sum, if it is one.
    #[inline(always)]
    pub(super) fn sum(self) -> Option<Sum> {
        self.is_a(Self::SUM).then_some(Sum(self.0 & (Sum::WIDE << 1).wrapping_sub(1)))
    }

    /// It, or as the value of a register that is in place, as one register, uncut, and a number.
    #[inline(always)]
    pub(super) fn near(self, own: Register) -> Option<Self> {
        let one = Self::SUM << Self::KIND | Sum::WIDE | Sum::NONE << Sum::INDEX;
        let fields =
            Self::KINDS << Self::KIND | Sum::WIDE | 0xff << Sum::INDEX | Sum::NONE << Sum::BASE;
        if self.0 & fields == one {
            Some(self)
        } else {
            (self == Self::OWN).then_some(Self(one | u64::from(own.number()) << Sum::BASE))
        }
    }

    /// Both added up and cut to a width, where both are [near](Self::near).
    #[inline(always)]
    pub(super) fn near_plus(self, other: Self, width: Width) -> Option<Self> {
        let [.., base, _, _, _] = other.0.to_le_bytes();
        let disp = |word: Self| {
            let [d0, d1, d2, d3, ..] = word.0.to_le_bytes();
            i32::from_le_bytes([d0, d1, d2, d3])
        };
        let disp = u64::from(disp(self).checked_add(disp(other))?.cast_unsigned());
        let kept = self.0 & !(0xff << Sum::INDEX | Sum::DISP);
        let sum = Self(kept | u64::from(base) << Sum::INDEX | disp);
        Some(if width == Width::W32 { Self(sum.0 & !Sum::WIDE) } else { sum })
    }

    /// The register of which it is a copy, in `width` bits.
    #[inline(always)]
    pub(super) fn copied(self, width: Width) -> Option<Register> {
        // Of a sum alone: one register, and nothing added.
        let whole = width == Width::W64 && self.0 & Sum::WIDE == 0;
        let others = u64::MAX << Self::KIND | Sum::DISP | 0xffff << Sum::INDEX;
        let alone = Self::SUM << Self::KIND | Sum::NONE << Sum::INDEX;
        if whole || self.0 & others != alone {
            return None;
        }
        let [.., base, _, _, _] = self.0.to_le_bytes();
        Register::new(base)
    }

    /// The numbers of the two registers that it may speak of; of none 16.
    #[inline(always)]
    pub(super) fn numbers(self) -> [usize; 2] {
        let [.., base, index, _, _] = self.0.to_le_bytes();
        [base.into(), index.into()]
    }

    /// Registers that it speaks of.
    #[inline(always)]
    pub(super) fn reads(self) -> Registers {
        let [.., base, index, _, _] = self.0.to_le_bytes();
        let bit = |number: u8| Registers(1_u32.wrapping_shl(number.into()));
        bit(base).with(bit(index)).and(Registers::ALL)
    }
}

impl Sum {
    // From the lowest bit: the displacement, then a byte each.
    const DISP: u64 = u32::MAX as u64;
    const BASE: u32 = 32;
    const INDEX: u32 = 40;
    const SCALE: u32 = 48;
    const WIDE: u64 = 1 << 56;
    /// In place of a register.
    const NONE: u64 = 16;
    const NO_REGISTERS: u64 = Self::NONE << Self::BASE | Self::NONE << Self::INDEX;

    pub(super) const fn copy(register: Register, width: Width) -> Self {
        Self((register.number() as u64) << Self::BASE | Self::NONE << Self::INDEX).at(width)
    }

    /// `base + index`
    pub(super) const fn of_two(base: Register, index: Register, width: Width) -> Self {
        let (base, index) = (base.number() as u64, index.number() as u64);
        Self(base << Self::BASE | index << Self::INDEX).at(width)
    }

    pub(super) fn of(Parts { base, index, disp, width }: Parts) -> Self {
        let number = |register: Register| u64::from(register.number());
        let base = base.map_or(Self::NONE, number) << Self::BASE;
        let index = index.map_or(Self::NONE << Self::INDEX, |(index, scale)| {
            number(index) << Self::INDEX | u64::from(scale) << Self::SCALE
        });
        Self(u64::from(disp.cast_unsigned()) | base | index).at(width)
    }

    pub(super) fn parts(self) -> Parts {
        let [d0, d1, d2, d3, base, index, scale, _] = self.0.to_le_bytes();
        Parts {
            base: Register::new(base),
            index: Register::new(index).map(|index| (index, scale)),
            disp: i32::from_le_bytes([d0, d1, d2, d3]),
            width: self.width(),
        }
    }

    const fn width(self) -> Width {
        if self.0 & Self::WIDE == 0 { Width::W32 } else { Width::W64 }
    }

    /// The same with another width.
    pub(super) const fn at(self, width: Width) -> Self {
        match width {
            Width::W32 => Self(self.0 & !Self::WIDE),
            Width::W64 => Self(self.0 | Self::WIDE),
        }
    }

    #[inline(always)]
    pub(super) fn copied(self, width: Width) -> Option<Register> {
        let others = Self::DISP | 0xffff << Self::INDEX;
        let alone = self.0 & others == Self::NONE << Self::INDEX;
        let [.., base, _, _, _] = self.0.to_le_bytes();
        (alone && (self.width() == Width::W64 || width == Width::W32))
            .then(|| Register::new(base))
            .flatten()
    }

    /// The same, cut to a width; `None` where it is cut to less already.
    pub(super) fn cut(self, width: Width) -> Option<Self> {
        (self.width() == Width::W64 || width == Width::W32).then_some(self.at(width))
    }

    /// Both added up, where the CPU's form of address can say so.
    pub(super) fn plus(self, other: Self) -> Option<Self> {
        let (own, other) = (self.parts(), other.parts());
        let disp = own.disp.checked_add(other.disp)?;
        if let Parts { base: Some(base), index: None, .. } = other
            && own.base.is_some()
        {
            let whole = Parts { index: Some((base, 0)), disp, ..own };
            return own.index.is_none().then(|| Self::of(whole));
        }
        let mut sum = Parts { base: None, index: None, disp, ..own };
        for register in [own.base, other.base].into_iter().flatten() {
            match (sum.base, sum.index) {
                (None, _) => sum.base = Some(register),
                (Some(_), None) => sum.index = Some((register, 0)),
                _ => return None,
            }
        }
        for (register, scale) in [own.index, other.index].into_iter().flatten() {
            match (sum.base, sum.index) {
                (_, None) => sum.index = Some((register, scale)),
                (None, Some((taken, 0))) => {
                    (sum.base, sum.index) = (Some(taken), Some((register, scale)));
                }
                (None, _) if scale == 0 => sum.base = Some(register),
                _ => return None,
            }
        }
        Some(Self::of(sum))
    }

    /// With a number added.
    pub(super) fn offset(self, disp: i32) -> Option<Self> {
        let disp = self.parts().disp.checked_add(disp)?;
        Some(Self(self.0 & !Self::DISP | u64::from(disp.cast_unsigned())))
    }

    /// Shifted left by up to three bits.
    pub(super) fn scaled(self, by: u8) -> Option<Self> {
        let parts = self.parts();
        let (register, scale) = match parts {
            Parts { base: Some(base), index: None, .. } => (base, 0),
            Parts { base: None, index: Some(index), .. } => index,
            _ => return None,
        };
        let scale = scale.checked_add(by).filter(|scale| *scale <= 3)?;
        let disp = parts.disp.checked_mul(1_i32.checked_shl(by.into())?)?;
        Some(Self::of(Parts { base: None, index: Some((register, scale)), disp, ..parts }))
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use bpf_bytecode::Register;
    use bpf_bytecode::opcode::Width;

    use super::{Masked, Parts, Place, Shift, Sum, Value, Word};
    use crate::lower::Registers;

    #[test]
    fn a_word_is_its_value() {
        let of = |registers: &[Option<Register>]| {
            let read = registers.iter().flatten();
            read.fold(Registers::NONE, |all, register| all.with(Registers::of(*register)))
        };
        let mut cases = Vec::from([(Value::Own, Registers::NONE)]);
        for (link, number) in (11..).zip([0, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX]) {
            cases.push((Value::Const(number.cast_signed()), Registers::NONE));
            cases.push((Value::Half(number), Registers::NONE));
            cases.push((Value::Map(number), Registers::NONE));
            cases.push((Value::Function(number), Registers::NONE));
            cases.push((Value::Place(Place { link, off: number }), Registers::NONE));
        }
        let some = || Register::all().map(Some).chain([None]);
        for (base, other) in some().flat_map(|base| some().map(move |other| (base, other))) {
            for width in [Width::W32, Width::W64] {
                for (disp, by) in [(0, 0), (-1, 3), (i32::MIN, 1)] {
                    let index = other.map(|register| (register, by));
                    let sum = Sum::of(Parts { base, index, disp, width });
                    cases.push((Value::Sum(sum), of(&[base, other])));
                }
                let Some(from) = base else { continue };
                for imm in [0, -1, 0x7f, i32::MIN] {
                    cases.push((Value::Masked(Masked { from, imm, width }), of(&[base])));
                }
                for motion in Word::MOTIONS {
                    for by in [0, 1, 31, 63] {
                        let shift = Shift { from, motion, by, width };
                        cases.push((Value::Shift(shift), of(&[base])));
                    }
                }
            }
        }
        for (value, reads) in cases {
            assert_eq!(Word::of(value).value(), value);
            assert_eq!(Word::of(value).reads(), reads, "{value:?}");
        }
    }
}
