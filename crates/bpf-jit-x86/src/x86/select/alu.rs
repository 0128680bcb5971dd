//! Moves, constants, arithmetic.

use bpf_bytecode::Register;
use bpf_bytecode::instruction::Operand;
use bpf_bytecode::opcode::{AluOp, Size, Width};

use super::super::alu::Arith;
use super::super::encode::{Rm, Source};
use super::super::muldiv::Spare;
use super::super::regs::native;
use super::{Parts, Selector, Sum, Value, Word, bits_of, size_bits};

use crate::lower::Step;

impl Selector<'_, '_> {
    #[inline(always)]
    pub(super) fn move_register(&mut self, width: Width, dst: Register, src: Register) {
        if self.pending.has(src) || dst == src {
            return self.move_pending(width, dst, src);
        }
        // Mostly nothing is in the way.
        let bits = self.bits(src);
        let width = if bits <= 32 { Width::W64 } else { width };
        self.put_off(dst, Word::of(Value::Sum(Sum::copy(src, width))));
        self.set_bits(dst, bits.min(bits_of(width)));
    }

    #[inline(never)]
    pub(super) fn move_pending(&mut self, width: Width, dst: Register, src: Register) {
        let bits = self.bits(src);
        if bits <= 32 || width == Width::W64 {
            self.copy(dst, src);
            return self.set_bits(dst, bits);
        }
        let sum = |this: &Self| this.sum_of(src, Width::W32).map(Value::Sum);
        let value = sum(self).filter(|value| self.is_stable(dst, *value)).unwrap_or_else(|| {
            self.own(src);
            Value::Sum(Sum::copy(src, Width::W32))
        });
        self.define(dst, value);
        self.set_bits(dst, 32);
    }

    /// `dst = src`, all of it.
    fn copy(&mut self, dst: Register, src: Register) {
        if dst == src {
            return;
        }
        let word = self.word(src);
        // What is needed twice is computed once.
        let again = word.is_name()
            || (word.can_be_copied()
                && (!self.live.has(src) || word.copied(Width::W64).is_some())
                && self.stays(dst, word));
        if again {
            return self.define_word(dst, word);
        }
        self.own(src);
        self.define(dst, Value::Sum(Sum::copy(src, Width::W64)));
    }

    pub(super) fn constant(&mut self, dst: Register, value: u64) {
        if let Ok(value) = i32::try_from(value.cast_signed())
            && !self.out.hides(Operand::Imm(value))
        {
            self.define(dst, Value::Const(value));
        } else if let Ok(value) = u32::try_from(value)
            && self.out.random.is_none()
        {
            self.define(dst, Value::Half(value));
        } else {
            self.overwrite(dst, dst);
            self.forget(dst);
            self.out.set_chosen(native(dst), value);
        }
        let bits = u64::BITS.wrapping_sub(value.leading_zeros());
        self.set_bits(dst, u8::try_from(bits).unwrap_or(64));
    }

    pub(super) fn zero_extend(&mut self, from: Size, dst: Register) {
        let bits = size_bits(from);
        if self.bits(dst) <= bits {
            return;
        }
        if from == Size::W {
            return self.move_pending(Width::W32, dst, dst);
        }
        let src = self.origin(dst, Width::W32);
        self.out.zero_extend(from, native(dst), Rm::Reg(src));
        self.set_bits(dst, bits);
    }

    /// How many steps behind it are done with, too. Compiled for each kind of operand.
    #[inline(always)]
    pub(super) fn alu(
        &mut self,
        step: &Step,
        op: AluOp,
        width: Width,
        dst: Register,
        src: Operand,
    ) -> u32 {
        // Where an arm is for one operation, what depends on it is settled at build time.
        match op {
            AluOp::Add => {
                let bits = self.result_bits(AluOp::Add, width, dst, src);
                match src {
                    _ if self.out.hides(src) => self.two_operands(op, width, dst, src),
                    Operand::Imm(imm) => self.add_immediate(width, dst, imm),
                    Operand::Reg(other) => match (self.pending.has(dst), self.pending.has(other)) {
                        (false, false) => {
                            let sum = Sum::of_two(dst, other, width);
                            self.put_off(dst, Word::of(Value::Sum(sum)));
                        }
                        (true, true) if self.rotates(width, dst, other) => {}
                        _ => self.add_register(width, dst, other),
                    },
                }
                self.set_bits(dst, bits);
            }
            AluOp::And => {
                let bits = self.result_bits(AluOp::And, width, dst, src);
                match src {
                    Operand::Imm(imm) if !self.out.hides(src) => {
                        if let Some(size) = whole_bytes(imm)
                            && self.exchanges(step, size, dst)
                        {
                            return 0;
                        }
                        self.and_immediate(width, dst, imm);
                    }
                    Operand::Reg(mask) if self.is_cut(step, width, dst, mask) => {
                        self.zero_extend(Size::W, dst);
                        return 0;
                    }
                    Operand::Reg(other) if self.is_either_a_bit(dst, other) => {
                        if let Some(done) = self.tests_bits(step, width, dst, other) {
                            return done;
                        }
                        if !self.changes_bit(op, width, dst, other) {
                            self.two_operands(AluOp::And, width, dst, src);
                        }
                    }
                    _ => self.two_operands(AluOp::And, width, dst, src),
                }
                self.set_bits(dst, bits);
            }
            AluOp::Or | AluOp::Xor => {
                let bits = self.result_bits(AluOp::Or, width, dst, src);
                match src {
                    Operand::Reg(other) if self.is_rotation(width, dst, other) => {}
                    Operand::Reg(other)
                        if self.is_either_a_bit(dst, other)
                            && self.changes_bit(op, width, dst, other) => {}
                    Operand::Imm(-1)
                        if op == AluOp::Xor
                            && self.pending.has(dst)
                            && self.turns_bits(width, dst) => {}
                    _ => self.two_operands(op, width, dst, src),
                }
                self.set_bits(dst, bits);
            }
            AluOp::Lsh | AluOp::Rsh => {
                let bits = self.result_bits(op, width, dst, src);
                match src {
                    Operand::Imm(by @ 1..) if !self.pending.has(dst) => {
                        self.shift_own(op == AluOp::Lsh, width, dst, by);
                    }
                    _ => self.shift(op, width, dst, src),
                }
                self.set_bits(dst, bits);
            }
            AluOp::Arsh => {
                let bits = self.result_bits(op, width, dst, src);
                self.shift(op, width, dst, src);
                self.set_bits(dst, bits);
            }
            AluOp::Div | AluOp::Mod | AluOp::Sdiv | AluOp::Smod => {
                let bits = self.result_bits(op, width, dst, src);
                self.divide(op, width, dst, src);
                self.set_bits(dst, bits);
            }
            _ => {
                let bits = self.result_bits(op, width, dst, src);
                match (op, src) {
                    _ if self.out.hides(src) => self.two_operands(op, width, dst, src),
                    (AluOp::Sub, Operand::Imm(imm)) if imm != i32::MIN => {
                        self.add_immediate(width, dst, imm.wrapping_neg());
                    }
                    (AluOp::Mul, Operand::Imm(imm)) => {
                        if self.multiply(step, width, dst, imm) {
                            return 1;
                        }
                    }
                    _ => self.two_operands(op, width, dst, src),
                }
                self.set_bits(dst, bits);
            }
        }
        0
    }

    /// How many low bits of a result may be set.
    #[inline(always)]
    fn result_bits(&self, op: AluOp, width: Width, dst: Register, src: Operand) -> u8 {
        let own = self.bits(dst);
        let other = match src {
            Operand::Reg(src) => self.bits(src),
            Operand::Imm(imm) if imm >= 0 => {
                u8::try_from(u32::BITS.wrapping_sub(imm.leading_zeros())).unwrap_or(64)
            }
            Operand::Imm(_) => 64,
        };
        let bits = match (op, src) {
            (AluOp::And, _) => own.min(other),
            (AluOp::Or | AluOp::Xor, _) => own.max(other),
            (AluOp::Add, _) => own.max(other).saturating_add(1),
            (AluOp::Mul, _) => own.saturating_add(other),
            (AluOp::Rsh, Operand::Imm(by)) => {
                let own = own.min(bits_of(width));
                own.saturating_sub(u8::try_from(by).unwrap_or(0))
            }
            (AluOp::Rsh | AluOp::Div | AluOp::Mod, _) => own,
            (AluOp::Lsh, Operand::Imm(by)) => own.saturating_add(u8::try_from(by).unwrap_or(64)),
            _ => 64,
        };
        bits.min(bits_of(width))
    }

    #[inline(always)]
    fn add_immediate(&mut self, width: Width, dst: Register, imm: i32) {
        if self.pending.has(dst) {
            return self.add_to_pending(width, dst, imm);
        }
        self.put_off(dst, Word::sum_with(dst, width, imm));
    }

    #[inline(never)]
    fn add_to_pending(&mut self, width: Width, dst: Register, imm: i32) {
        self.locate(dst);
        let sum = self.sum_of(dst, width).and_then(|sum| sum.offset(imm));
        let sum = sum.filter(|sum| self.is_stable(dst, Value::Sum(*sum))).unwrap_or_else(|| {
            self.own(dst);
            Sum::of(Parts { disp: imm, ..Sum::copy(dst, width).parts() })
        });
        self.define(dst, Value::Sum(sum));
    }

    /// Of two registers one or both of which are put off.
    #[inline(never)]
    fn add_register(&mut self, width: Width, dst: Register, src: Register) {
        if let Some(value) = self.word(src).number() {
            return self.add_immediate(width, dst, value);
        }
        let (own, other) = (self.word(dst), self.word(src));
        if own.is_no_sum_beside(other) {
            // It takes both in place.
            self.own(src);
            self.own(dst);
            return self.put_off(dst, Word::of(Value::Sum(Sum::of_two(dst, src, width))));
        }
        let (own, other) = (own.near(dst), other.near(src));
        if let Some(sum) = own.zip(other).and_then(|(own, other)| own.near_plus(other, width))
            && self.stays(dst, sum)
        {
            return self.define_word(dst, sum);
        }
        self.locate(dst);
        self.locate(src);
        // Both as they are; then with the second, then with both in place.
        for attempt in 0..3 {
            match attempt {
                0 => {}
                1 => self.own(src),
                _ => self.own(dst),
            }
            let (own, other) = (self.sum_of(dst, width), self.sum_of(src, width));
            let sum = own.and_then(|own| own.plus(other?)).map(Value::Sum);
            if let Some(sum) = sum.filter(|sum| self.is_stable(dst, *sum)) {
                return self.define(dst, sum);
            }
        }
    }

    fn and_immediate(&mut self, width: Width, dst: Register, imm: i32) {
        let mask = match width {
            Width::W32 => u64::from(imm.cast_unsigned()),
            Width::W64 => i64::from(imm).cast_unsigned(),
        };
        let possible = u64::MAX.checked_shr(64_u32.wrapping_sub(self.bits(dst).into()));
        if possible.unwrap_or(0) & !mask == 0 {
            return;
        }
        self.mask(width, dst, imm);
    }

    /// The register of which `dst` is a copy that a value may speak of, perhaps
    /// itself.
    pub(super) fn steady_source(&mut self, dst: Register, width: Width) -> Register {
        match self.word(dst).copied(width) {
            Some(from) if self.is_stable(dst, Value::Sum(Sum::copy(from, width))) => from,
            _ => {
                self.own(dst);
                dst
            }
        }
    }

    fn divide(&mut self, op: AluOp, width: Width, dst: Register, src: Operand) {
        let narrow = |this: &Self| {
            this.bits(dst) <= 32
                && match src {
                    Operand::Reg(src) => this.bits(src) <= 32,
                    Operand::Imm(imm) => imm > 0,
                }
        };
        let unsigned = matches!(op, AluOp::Div | AluOp::Mod);
        let width = if unsigned && narrow(self) { Width::W32 } else { width };
        self.modify(dst);
        let bits = self.bits(dst);
        let spare = |this: &Self| Spare {
            rax: this.is_spare(Register::R0),
            rdx: this.is_spare(Register::R3),
            bits,
        };
        if let Operand::Imm(imm @ 1..) = src
            && !self.out.hides(src)
            && self.out.divide_by(op, width, native(dst), imm.cast_unsigned(), spare(self))
        {
            return;
        }
        let src = match src {
            Operand::Reg(register) => {
                self.ready(register, width);
                Source::Reg(self.register_of(register, width))
            }
            Operand::Imm(_) => self.out.chosen(src),
        };
        let spare = spare(self);
        self.out.divide(op, width, native(dst), src, spare);
    }

    /// Whether nobody reads what the CPU's register holds.
    fn is_spare(&self, register: Register) -> bool {
        let held = self.live.has(register) && !self.pending.has(register);
        !held && self.pending.iter().all(|other| !self.value(other).reads().has(register))
    }

    /// Whether two shifts make a rotation, which is then put off.
    #[inline(always)]
    fn is_rotation(&mut self, width: Width, dst: Register, src: Register) -> bool {
        self.pending.has(dst) && self.pending.has(src) && self.rotates(width, dst, src)
    }

    #[inline(never)]
    fn rotates(&mut self, width: Width, dst: Register, src: Register) -> bool {
        let rotation = self.word(dst).rotation(self.word(src), width);
        let Some(rotation) = rotation.filter(|rotation| dst != src && self.stays(dst, *rotation))
        else {
            return false;
        };
        self.define_word(dst, rotation);
        true
    }

    #[inline(always)]
    pub(super) fn two_operands(&mut self, op: AluOp, width: Width, dst: Register, src: Operand) {
        let Some(arith) = Arith::of(op) else {
            let reg = self.modify(dst);
            let src = self.operand(src, width);
            return self.out.multiply(width, reg, reg, src);
        };
        match src {
            Operand::Reg(src) => self.arith(arith, width, dst, src),
            Operand::Imm(_) => self.arith_with(arith, width, dst, src),
        }
    }

    /// With another register, which is mostly in place.
    #[inline(never)]
    fn arith(&mut self, arith: Arith, width: Width, dst: Register, src: Register) {
        let reg = self.modify(dst);
        if self.pending.has(src) {
            return self.arith_with(arith, width, dst, Operand::Reg(src));
        }
        self.out.arith_registers(arith, width, reg, native(src));
        self.set_flags(dst, width, matches!(arith, Arith::And | Arith::Or | Arith::Xor));
    }

    #[inline(never)]
    fn arith_with(&mut self, arith: Arith, width: Width, dst: Register, src: Operand) {
        let reg = self.modify(dst);
        let src = self.operand(src, width);
        self.out.arith(arith, width, reg, src);
        let positive = matches!((arith, src), (Arith::And, Source::Imm(0..)));
        let width = if positive { Width::W32 } else { width };
        self.set_flags(dst, width, matches!(arith, Arith::And | Arith::Or | Arith::Xor));
    }
}

/// The low bytes that a mask leaves.
pub(super) const fn whole_bytes(mask: i32) -> Option<Size> {
    match mask {
        0xff => Some(Size::B),
        0xffff => Some(Size::H),
        _ => None,
    }
}
