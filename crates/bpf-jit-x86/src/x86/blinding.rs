//! Constant blinding: what a program chose does not stand in its code.
//!
//! A number is put together of two, `mov reg, number ^ key` and `xor reg, key`, with a
//! fresh key each time. [`select`](super::select) makes nothing of several operations
//! if one of them has such a number: the sums and reciprocals would be others.

use bpf_bytecode::instruction::Operand;
use bpf_bytecode::opcode::Width;

use super::Emitter;
use super::alu::{Arith, source};
use super::encode::{Mem, Source};
use super::regs::{SCRATCH, SCRATCH_TOO, native};
use crate::lower::{Address, Op};

impl Emitter<'_> {
    /// Whether a number has to be hidden.
    #[inline]
    pub(super) fn hides(&self, operand: Operand) -> bool {
        self.random.is_some() && matches!(operand, Operand::Imm(imm) if imm != 0)
    }

    /// Whether a distance in a map's value has to be hidden.
    #[inline]
    pub(super) fn hides_offset(&self, off: u32) -> bool {
        self.random.is_some() && off != 0
    }

    /// Whether the distance of a place has to be hidden.
    #[inline]
    pub(super) fn hides_distance(&self, at: Address) -> bool {
        self.random.is_some() && i8::try_from(at.off).is_err()
    }

    /// Whether an operation has a number to be hidden, so that it takes part in no
    /// combination with others.
    #[inline]
    pub(super) fn stands_alone(&self, op: &Op) -> bool {
        self.random.is_some()
            && match *op {
                Op::Alu { src, .. } | Op::Branch { rhs: src, .. } => self.hides(src),
                Op::Store { at, src, .. } => self.hides(src) || self.hides_distance(at),
                Op::Load { at, .. } => self.hides_distance(at),
                _ => false,
            }
    }

    /// Loads a number that the program chose; the flags are lost, and with blinding
    /// a second one of `r10` and `r11`, where the number has more than 32 bits.
    pub(super) fn set_chosen(&mut self, dst: u8, value: u64) {
        let Some(random) = self.random.filter(|_| value != 0) else {
            return self.set(dst, value);
        };
        let key = random();
        let [b0, b1, b2, b3, ..] = key.to_le_bytes();
        let low = i32::from_le_bytes([b0, b1, b2, b3]);
        if let Ok(value) = u32::try_from(value) {
            self.set(dst, (value ^ low.cast_unsigned()).into());
            self.arith(Arith::Xor, Width::W32, dst, Source::Imm(low));
        } else if let Ok(value) = i32::try_from(value.cast_signed()) {
            self.set(dst, i64::from(value ^ low).cast_unsigned());
            self.arith(Arith::Xor, Width::W64, dst, Source::Imm(low));
        } else {
            let other = if dst == SCRATCH { SCRATCH_TOO } else { SCRATCH };
            self.set(dst, value ^ key);
            self.set(other, key);
            self.arith(Arith::Xor, Width::W64, dst, Source::Reg(other));
        }
    }

    /// A second operand; with blinding an immediate is in `r11`.
    #[inline]
    pub(super) fn chosen(&mut self, operand: Operand) -> Source {
        match operand {
            Operand::Imm(imm) if self.hides(operand) => {
                self.set_chosen(SCRATCH, i64::from(imm).cast_unsigned());
                Source::Reg(SCRATCH)
            }
            _ => source(operand),
        }
    }

    /// A place; with blinding a distance of more than a byte is in `r10`.
    pub(super) fn chosen_place(&mut self, at: Address) -> Mem {
        if !self.hides_distance(at) {
            return Mem::of(at);
        }
        self.set_chosen(SCRATCH_TOO, i64::from(at.off).cast_unsigned());
        Mem { base: native(at.base), index: Some((SCRATCH_TOO, 0)), disp: 0 }
    }
}
