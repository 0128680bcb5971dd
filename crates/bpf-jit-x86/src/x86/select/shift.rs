//! Shifts.

use bpf_bytecode::Register;
use bpf_bytecode::instruction::Operand;
use bpf_bytecode::opcode::{AluOp, Size, Width};

use super::super::encode::Rm;
use super::super::regs::native;
use super::{Motion, Parts, Selector, Shift, Sum, Value, Word};

use crate::lower::{Registers, Step};

impl Selector<'_, '_> {
    /// Puts a rotation off, where a copy and the three steps behind it are one, as compilers
    /// have it.
    #[inline(always)]
    pub(super) fn rotates_behind(
        &mut self,
        step: &Step,
        width: Width,
        dst: Register,
        src: Register,
    ) -> bool {
        if self.out.random.is_some() {
            return false;
        }
        let Some(by) = self.lowered.rotation(step) else { return false };
        // What is above 32 bits may be known to be zero: there is less to shift.
        if width == Width::W64 && self.bits(src) <= 32 {
            return false;
        }
        self.rotate(step.pc.wrapping_add(3), width, [dst, src], by);
        true
    }

    #[inline(never)]
    fn rotate(&mut self, last: u32, width: Width, [copy, src]: [Register; 2], by: u8) {
        let Some(last) = self.lowered.step(last) else { return };
        self.live = self.lowered.live_behind(&last);
        self.needed = self.live.with(Registers::of(src));
        let from = self.steady_source(src, width);
        let into = if last.effect.writes().has(copy) { copy } else { src };
        self.forget(copy);
        self.forget(src);
        let most = super::bits_of(width);
        let left = self.bits(src).saturating_add(by).min(most);
        let right = self.bits(src).min(most).saturating_sub(most.wrapping_sub(by));
        self.define(into, Value::Shift(Shift { from, motion: Motion::RotateLeft, by, width }));
        self.set_bits(into, left.max(right));
    }

    pub(super) fn shift(&mut self, op: AluOp, width: Width, dst: Register, src: Operand) {
        let by = match src {
            Operand::Imm(by) => by,
            Operand::Reg(count) => match self.word(count).number() {
                Some(by) => by & width.bits().wrapping_sub(1).cast_signed(),
                _ => return self.by_register(op, width, dst, count),
            },
        };
        let by = u8::try_from(by).unwrap_or(0);
        if by == 0 {
            return self.move_pending(width, dst, dst);
        }
        match op {
            AluOp::Lsh => self.left(width, dst, by),
            AluOp::Rsh => self.right(width, dst, by),
            _ => self.arithmetic(width, dst, by),
        }
    }

    /// Shifts a register that is in place by a number that is not 0, to the left or the right.
    #[inline(always)]
    pub(super) fn shift_own(&mut self, left: bool, width: Width, dst: Register, by: i32) {
        let by = u8::try_from(by).unwrap_or(0);
        if left {
            return self.put_off(dst, Word::shifted_left(dst, width, by));
        }
        // Above is nothing that could come down.
        let narrow = self.bits(dst) <= 32 && by < 32;
        let width = if narrow { Width::W32 } else { width };
        let shift = Shift { from: dst, motion: Motion::Right, by, width };
        self.put_off(dst, Word::of(Value::Shift(shift)));
    }

    fn left(&mut self, width: Width, dst: Register, by: u8) {
        if by <= 3 {
            let sum = self.sum_of(dst, width).and_then(|sum| sum.scaled(by)).map(Value::Sum);
            if let Some(sum) = sum.filter(|sum| self.is_stable(dst, *sum)) {
                return self.define(dst, sum);
            }
            self.own(dst);
            let sum = Sum::of(Parts { index: Some((dst, by)), base: None, disp: 0, width });
            return self.define(dst, Value::Sum(sum));
        }
        let from = self.steady_source(dst, width);
        self.define(dst, Value::Shift(Shift { from, motion: Motion::Left, by, width }));
    }

    fn right(&mut self, width: Width, dst: Register, by: u8) {
        if let Some((from, left)) = self.shifted_left(width, dst) {
            // The low half alone is left.
            if left == 32 && by >= 32 {
                let value = match by.wrapping_sub(32) {
                    0 => Value::Sum(Sum::copy(from, Width::W32)),
                    by => {
                        let motion = Motion::Right;
                        Value::Shift(Shift { from, motion, by, width: Width::W32 })
                    }
                };
                return self.define(dst, value);
            }
            if left == 32 && by >= 29 {
                self.define(dst, Value::Sum(Sum::copy(from, Width::W32)));
                return self.left(Width::W64, dst, 32_u8.wrapping_sub(by));
            }
            if let Some(size) = kept(width, left).filter(|_| left == by) {
                let from = self.take_shifted(dst, from);
                return self.out.zero_extend(size, native(dst), Rm::Reg(from));
            }
        }
        // Above is nothing that could come down.
        let narrow = self.bits(dst) <= 32 && by < 32;
        let width = if narrow { Width::W32 } else { width };
        let from = self.steady_source(dst, width);
        self.define(dst, Value::Shift(Shift { from, motion: Motion::Right, by, width }));
    }

    fn arithmetic(&mut self, width: Width, dst: Register, by: u8) {
        if let Some((from, left)) = self.shifted_left(width, dst)
            && let Some(size) = kept(width, left)
            && (left == by || left == 32 && (29..32).contains(&by))
        {
            if left == by {
                let signed = Shift { from, motion: Motion::Signed, by, width };
                return self.define(dst, Value::Shift(signed));
            }
            let from = self.take_shifted(dst, from);
            self.out.sign_extend(width, size, native(dst), Rm::Reg(from));
            self.set_bits(dst, 64);
            return self.left(Width::W64, dst, left.wrapping_sub(by));
        }
        let reg = self.modify(dst);
        self.out.shift(AluOp::Arsh, width, reg, super::Source::Imm(by.into()));
        self.set_flags(dst, width, false);
    }

    /// `dst =` low bits of `src` with their sign, put off.
    pub(super) fn sign_extend(&mut self, width: Width, from: Size, dst: Register, src: Register) {
        self.ready(src, Width::W32);
        let source = match self.value(src).copied(Width::W32) {
            Some(source) if self.pending.has(src) => source,
            _ => src,
        };
        let by = super::bits_of(width).wrapping_sub(super::size_bits(from));
        let signed = Value::Shift(Shift { from: source, motion: Motion::Signed, by, width });
        if kept(width, by) == Some(from) && self.is_stable(dst, signed) {
            self.define(dst, signed);
            return self.set_bits(dst, super::bits_of(width));
        }
        self.overwrite(dst, src);
        let source = self.register_of(src, Width::W32);
        self.written(dst, super::bits_of(width));
        self.out.sign_extend(width, from, native(dst), Rm::Reg(source));
    }

    /// The register of whose low bits a value that is put off is made with their sign, the number
    /// of them, and the width that has it.
    pub(super) fn signed(&self, register: Register) -> Option<(Register, Size, Width)> {
        match self.value(register) {
            Value::Shift(Shift { from, motion: Motion::Signed, by, width }) => {
                Some((from, kept(width, by)?, width))
            }
            _ => None,
        }
    }

    /// The register whose bits are those of `dst` before it was shifted left, and
    /// by how much.
    fn shifted_left(&self, width: Width, dst: Register) -> Option<(Register, u8)> {
        match self.value(dst) {
            value @ Value::Shift(Shift { from, motion: Motion::Left, by, width: shifted })
                if shifted == width && self.is_stable(dst, value) =>
            {
                Some((from, by))
            }
            _ => None,
        }
    }

    /// `dst` is about to be overwritten by an instruction that reads `from`, of
    /// which its value speaks.
    fn take_shifted(&mut self, dst: Register, from: Register) -> u8 {
        if from != dst {
            self.forget(from);
        }
        self.forget(dst);
        self.spare_readers(dst, None);
        native(from)
    }

    fn by_register(&mut self, op: AluOp, width: Width, dst: Register, count: Register) {
        if op == AluOp::Lsh && self.counts_out(width, dst, count) {
            return;
        }
        self.ready_count(count, width);
        let from = self.origin(dst, width);
        let count = if count == dst { from } else { native(self.count_of(count, width)) };
        self.out.shift_by_register(op, width, native(dst), from, count);
    }
}

/// What is left of a register shifted up and down again.
pub(super) const fn kept(width: Width, by: u8) -> Option<Size> {
    match (width, by) {
        (Width::W64, 32) => Some(Size::W),
        (Width::W64, 48) | (Width::W32, 16) => Some(Size::H),
        (Width::W64, 56) | (Width::W32, 24) => Some(Size::B),
        _ => None,
    }
}
