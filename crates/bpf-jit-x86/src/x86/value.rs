//! What a register of the program holds, where no instruction has put it there
//! yet.
//!
//! A [`Value`] speaks of what is *in the CPU's registers* for the program's
//! registers it names, not of what these hold for the program.

use crate::lower::Registers;
use bpf_bytecode::Register;
use bpf_bytecode::opcode::Width;

/// A register's value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Value {
    /// It is in the register.
    #[default]
    Own,
    /// A number that is an immediate.
    Const(i32),
    /// A sum.
    Sum(Sum),
    /// A register shifted or rotated.
    Shift(Shift),
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
    pub(super) map: u32,
    pub(super) link: u8,
    pub(super) off: u32,
}

/// `base + index << scale + disp`, cut to a width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) base: Option<Register>,
    /// Register and shift, 0 to 3.
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
}

/// A register whose bits are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shift {
    pub(super) from: Register,
    pub(super) motion: Motion,
    /// Bits, 1 to less than the width.
    pub(super) by: u8,
    pub(super) width: Width,
}

impl Value {
    /// Registers that it speaks of.
    pub(super) fn reads(self) -> Registers {
        match self {
            Self::Own | Self::Const(_) | Self::Map(_) | Self::Function(_) | Self::Place(_) => {
                Registers::NONE
            }
            Self::Sum(sum) => sum.reads(),
            Self::Shift(shift) => Registers::of(shift.from),
        }
    }

    /// The register of which it is a copy, in `width` bits.
    pub(super) fn copied(self, width: Width) -> Option<Register> {
        match self {
            Self::Sum(sum) => sum.copied(width),
            _ => None,
        }
    }
}

impl Sum {
    pub(super) const fn copy(register: Register, width: Width) -> Self {
        Self { base: Some(register), index: None, disp: 0, width }
    }

    fn reads(self) -> Registers {
        let base = self.base.map_or(Registers::NONE, Registers::of);
        base.with(self.index.map_or(Registers::NONE, |(index, _)| Registers::of(index)))
    }

    pub(super) fn copied(self, width: Width) -> Option<Register> {
        match self {
            Self { base, index: None, disp: 0, width: own }
                if own == Width::W64 || own == width =>
            {
                base
            }
            _ => None,
        }
    }

    /// The same, cut to a width; `None` where it is cut to less already.
    pub(super) fn cut(self, width: Width) -> Option<Self> {
        (self.width == Width::W64 || width == Width::W32).then_some(Self { width, ..self })
    }

    /// Both added up, where the CPU's form of address can say so.
    pub(super) fn plus(self, other: Self) -> Option<Self> {
        let disp = self.disp.checked_add(other.disp)?;
        if let Self { base: Some(base), index: None, .. } = other
            && self.base.is_some()
        {
            let whole = Self { index: Some((base, 0)), disp, ..self };
            return self.index.is_none().then_some(whole);
        }
        let mut sum = Self { base: None, index: None, disp, width: self.width };
        for register in [self.base, other.base].into_iter().flatten() {
            match (sum.base, sum.index) {
                (None, _) => sum.base = Some(register),
                (Some(_), None) => sum.index = Some((register, 0)),
                _ => return None,
            }
        }
        for (register, scale) in [self.index, other.index].into_iter().flatten() {
            match (sum.base, sum.index) {
                (_, None) => sum.index = Some((register, scale)),
                (None, Some((taken, 0))) => {
                    (sum.base, sum.index) = (Some(taken), Some((register, scale)));
                }
                (None, _) if scale == 0 => sum.base = Some(register),
                _ => return None,
            }
        }
        Some(sum)
    }

    /// With a number added.
    pub(super) fn offset(self, disp: i32) -> Option<Self> {
        Some(Self { disp: self.disp.checked_add(disp)?, ..self })
    }

    /// Shifted left by up to three bits.
    pub(super) fn scaled(self, by: u8) -> Option<Self> {
        let (register, scale) = match self {
            Self { base: Some(base), index: None, .. } => (base, 0),
            Self { base: None, index: Some(index), .. } => index,
            _ => return None,
        };
        let scale = scale.checked_add(by).filter(|scale| *scale <= 3)?;
        let disp = self.disp.checked_mul(1_i32.checked_shl(by.into())?)?;
        Some(Self { base: None, index: Some((register, scale)), disp, width: self.width })
    }
}
