//! Masks, and single bits that are counted out by a register.
//!
//! A mask in front of a shift says what the CPU does by itself: it takes as many bits of a count
//! as the width has. In front of a comparison with 0 it is a `test`. `1 << n` is what sets,
//! clears, turns or asks for a bit, which is one instruction each.

use bpf_bytecode::Register;
use bpf_bytecode::instruction::Operand;
use bpf_bytecode::opcode::{AluOp, Cond, Width};

use super::super::alu::Arith;
use super::super::buffer::Flag;
use super::super::control::flag;
use super::super::encode::{Rm, Source};
use super::super::regs::native;
use super::super::shift::Bit;
use super::choice::Compared;
use super::{Masked, Motion, Selector, Shift, Value, Word, bits_of};

use crate::lower::{Op, Registers, Step};

impl Selector<'_, '_> {
    /// `dst &= imm`, put off; it clears something.
    #[inline(always)]
    pub(super) fn mask(&mut self, width: Width, dst: Register, imm: i32) {
        // Nothing of the upper half is kept, or it is not there.
        let width = if imm >= 0 || self.bits(dst) <= 32 { Width::W32 } else { width };
        if self.pending.has(dst) {
            return self.mask_pending(width, dst, imm);
        }
        self.put_off(dst, Word::masked(dst, width, imm));
    }

    #[inline(never)]
    fn mask_pending(&mut self, width: Width, dst: Register, imm: i32) {
        let from = self.steady_source(dst, width);
        self.define_word(dst, Word::masked(from, width, imm));
    }

    /// The instructions for a mask.
    #[inline(never)]
    pub(super) fn put_masked(&mut self, register: Register, Masked { from, imm, width }: Masked) {
        let (dst, from) = (native(register), native(from));
        if let Some(size) = super::alu::whole_bytes(imm) {
            return self.out.zero_extend(size, dst, Rm::Reg(from));
        }
        if dst != from {
            self.out.copy(width, dst, from);
        }
        self.out.arith(Arith::And, width, dst, Source::Imm(imm));
        self.set_flags(register, width, true);
    }

    /// By what a register under a mask that is read no more, not being in place, is compared
    /// with 0, at a width.
    #[inline(always)]
    pub(super) fn tested(&mut self, cond: Cond, width: Width, lhs: Register) -> Option<Flag> {
        if !self.pending.has(lhs) || self.live.has(lhs) {
            return None;
        }
        self.tested_in_parts(cond, width, lhs)
    }

    /// The same of one that may be read again, if it is put off: it stays so. Of low bits with
    /// their sign, these alone are looked at.
    #[inline(never)]
    pub(super) fn tested_in_parts(
        &mut self,
        cond: Cond,
        width: Width,
        lhs: Register,
    ) -> Option<Flag> {
        if let Some((from, size, signed)) = self.signed(lhs) {
            let known = match cond {
                Cond::Eq | Cond::Ne => true,
                Cond::Sgt | Cond::Sge | Cond::Slt | Cond::Sle => {
                    signed == Width::W64 || width == Width::W32
                }
                _ => false,
            };
            return known.then(|| {
                self.out.test_part(size, native(from));
                flag(cond)
            });
        }
        let Masked { from, imm, width: masked } = self.word(lhs).under_mask()?;
        let whole = width == Width::W64 || masked == Width::W32;
        if !whole || !matches!(cond, Cond::Eq | Cond::Ne) {
            return None;
        }
        self.out.test(masked, native(from), Source::Imm(imm));
        Some(flag(cond))
    }

    /// The register of the CPU's that counts as one does in a shift of a width, if its value is
    /// put off.
    fn counting(&self, count: Register, width: Width) -> Option<Register> {
        let all = i32::from(bits_of(width)).wrapping_sub(1);
        match self.value(count) {
            Value::Masked(Masked { from, imm, .. }) => (imm & all == all).then_some(from),
            value => value.copied(Width::W32),
        }
    }

    /// Sees to it that a register counts.
    pub(super) fn ready_count(&mut self, count: Register, width: Width) {
        if self.pending.has(count) && self.counting(count, width).is_none() {
            self.own(count);
        }
    }

    /// The register of the CPU's that counts as a ready one does.
    pub(super) fn count_of(&self, count: Register, width: Width) -> Register {
        if !self.pending.has(count) {
            return count;
        }
        self.counting(count, width).unwrap_or(count)
    }

    /// `1 << count`, put off, where `dst` is 1; whether it is.
    pub(super) fn counts_out(&mut self, width: Width, dst: Register, count: Register) -> bool {
        if self.value(dst) != Value::Const(1) || dst == count {
            return false;
        }
        self.ready_count(count, width);
        let from = self.count_of(count, width);
        let bit = Value::Shift(Shift { from, motion: Motion::Bit, by: 0, width });
        if from == dst || !self.is_stable(dst, bit) {
            return false;
        }
        self.define(dst, bit);
        true
    }

    /// `!(1 << count)`, put off, where `dst` is the one without the other; whether it is.
    pub(super) fn turns_bits(&mut self, width: Width, dst: Register) -> bool {
        let Value::Shift(Shift { from, motion: Motion::Bit, by, width: counted }) = self.value(dst)
        else {
            return false;
        };
        let others = Value::Shift(Shift { from, motion: Motion::OtherBits, by, width });
        if counted != width || !self.is_stable(dst, others) {
            return false;
        }
        self.define(dst, others);
        true
    }

    /// The instructions for such a number.
    #[inline(never)]
    pub(super) fn put_bit(&mut self, register: Register, Shift { from, motion, width, .. }: Shift) {
        let (dst, from) = (native(register), native(from));
        if motion == Motion::Bit {
            self.out.set(dst, 0);
            return self.out.bit(Bit::Set, width, dst, from);
        }
        self.out.set(dst, if width == Width::W32 { u32::MAX.into() } else { u64::MAX });
        self.out.bit(Bit::Clear, width, dst, from);
    }

    /// Whether either of two registers is put off as one bit, or all but one.
    #[inline(always)]
    pub(super) fn is_either_a_bit(&self, one: Register, two: Register) -> bool {
        self.word(one).is_bit() || self.word(two).is_bit()
    }

    /// What an operation with a register does to one bit, and which register counts it.
    fn bit_of(&self, op: AluOp, width: Width, other: Register) -> Option<(Bit, Register)> {
        let Value::Shift(Shift { from, motion, width: counted, .. }) = self.value(other) else {
            return None;
        };
        let bit = match (op, motion) {
            (AluOp::Or, Motion::Bit) => Bit::Set,
            (AluOp::Xor, Motion::Bit) => Bit::Turn,
            (AluOp::And, Motion::OtherBits) => Bit::Clear,
            _ => return None,
        };
        (counted == width).then_some((bit, from))
    }

    /// `dst op= src`, where one of them is a number of one bit, or all but one; whether it was.
    #[inline(never)]
    pub(super) fn changes_bit(
        &mut self,
        op: AluOp,
        width: Width,
        dst: Register,
        src: Register,
    ) -> bool {
        if dst == src {
            return false;
        }
        if self.bit_of(op, width, src).is_some() {
            let reg = self.modify(dst);
            // What is counted by the register that changes is in place now.
            let Some((bit, from)) = self.bit_of(op, width, src) else { return false };
            self.out.bit(bit, width, reg, native(from));
            return true;
        }
        if self.bit_of(op, width, dst).is_none() {
            return false;
        }
        self.ready(src, width);
        self.spare_readers(dst, None);
        let Some((bit, from)) = self.bit_of(op, width, dst) else { return false };
        let src = self.register_of(src, width);
        if src == native(dst) {
            return false;
        }
        self.forget(dst);
        self.out.copy(width, native(dst), src);
        self.out.bit(bit, width, native(dst), native(from));
        true
    }

    /// Where this is an `and` with a bit that is counted out, and its result is compared with 0
    /// and read no more, it and the comparison become one. How many steps behind it are done with,
    /// then.
    #[inline(never)]
    pub(super) fn tests_bits(
        &mut self,
        step: &Step,
        width: Width,
        dst: Register,
        src: Register,
    ) -> Option<u32> {
        let is_bit = |register| self.bit_of(AluOp::Or, width, register).is_some();
        if !is_bit(dst) && !is_bit(src) {
            return None;
        }
        let next = self.following_on(step, dst).filter(|next| next.effect.turns())?;
        let Op::Branch { cond, width: compared, lhs, rhs: Operand::Imm(0), target } =
            self.lowered.op(&next)
        else {
            return None;
        };
        let cond = match cond {
            Cond::Eq => Cond::Eq,
            Cond::Ne => Cond::Set,
            _ => return None,
        };
        let behind = self.lowered.live_behind(&next);
        let whole = compared == Width::W64 || width == Width::W32;
        if lhs != dst || behind.has(dst) || !whole || self.is_over_move(&next, target) {
            return None;
        }
        self.live = behind;
        self.needed = behind.with(Registers::of(dst)).with(Registers::of(src));
        let what = Compared { cond, common: true, width, lhs, rhs: Operand::Reg(src) };
        let more = self.branch_on_bits(&next, target, what);
        Some(more.saturating_add(1))
    }

    /// By what a bit that is counted out is known to be set in a register, or with
    /// [`Cond::Eq`] not to be.
    pub(super) fn asked_bit(
        &mut self,
        cond: Cond,
        width: Width,
        lhs: Register,
        rhs: Register,
    ) -> Option<Flag> {
        if lhs == rhs {
            return None;
        }
        for (bits, bit) in [(lhs, rhs), (rhs, lhs)] {
            if !self.pending.has(bit) || self.bit_of(AluOp::Or, width, bit).is_none() {
                continue;
            }
            self.ready(bits, width);
            // It is in place where it is counted by what has been put in place.
            let Some((_, from)) = self.bit_of(AluOp::Or, width, bit) else { continue };
            self.out.bit(Bit::Ask, width, self.register_of(bits, width), native(from));
            return Some(if cond == Cond::Eq { Flag::AboveOrEqual } else { Flag::Below });
        }
        None
    }
}
