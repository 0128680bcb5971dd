//! Jumps and calls.

use bpf_bytecode::Register;
use bpf_bytecode::abi::helper::id;
use bpf_bytecode::instruction::Operand;
use bpf_bytecode::opcode::{Cond, Width};
use bpf_verifier::callback::MAX_LOOPS;

use super::super::buffer::{CodeBuffer, Flag};
use super::super::control::flag;
use super::choice::Compared;
use super::{Selector, Value};

use crate::lower::{Op, Registers, Step};

/// Where a branch leads, and whether that is where its condition does not hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) target: u32,
    pub(super) turned: bool,
}

impl Selector<'_, '_> {
    /// The step behind a step, if control comes to it from there alone and it may be
    /// combined with others.
    #[inline(always)]
    pub(super) fn following(&self, step: &Step) -> Option<Step> {
        let next = self.lowered.step(step.pc.wrapping_add(1))?;
        (!next.effect.is_joined() && !self.stands_alone(&next)).then_some(next)
    }

    /// The same, if it reads a register.
    #[inline(always)]
    pub(super) fn following_on(&self, step: &Step, register: Register) -> Option<Step> {
        self.following(step).filter(|next| next.effect.reads().has(register))
    }

    #[inline(always)]
    fn stands_alone(&self, step: &Step) -> bool {
        self.out.random.is_some() && self.out.stands_alone(&self.lowered.op(step))
    }

    pub(super) fn jump(&mut self, step: &Step, target: u32) {
        self.settle();
        if target != step.pc.saturating_add(1) {
            self.go_on_at(target);
        }
    }

    /// Jumps to a slot. Nothing is put off.
    pub(super) fn go_on_at(&mut self, target: u32) {
        let target = self.jump_at(target).unwrap_or(target);
        let goes_back = self.lowered.step(target).is_some_and(|step| step.is_exit());
        if goes_back && self.out.returns_shortly() {
            return self.out.ret();
        }
        self.out.code.jump(CodeBuffer::slot(target));
    }

    /// Where a slot leads that does nothing but jump.
    fn jump_at(&self, slot: u32) -> Option<u32> {
        let step = self.lowered.step(slot).filter(|step| step.effect.is_plain_jump())?;
        match self.lowered.op(&step) {
            Op::Jump { target } => Some(target),
            _ => None,
        }
    }

    pub(super) fn call(&mut self, target: u32) {
        self.needed = self.needed.with(self.lowered.live_at(target));
        self.settle();
        let function = self.functions.at(target);
        let saved = self.live.and(function.writes).and(Registers::KEPT);
        self.out.call_function(CodeBuffer::slot(target), saved, function.framed);
        for register in Registers::LOST.iter() {
            self.set_bits(register, 64);
        }
    }

    pub(super) fn function_reference(&mut self, dst: Register, slot: u32) {
        if self.out.random.is_some() {
            return self.constant(dst, bpf_interp::Run::function_handle(slot));
        }
        self.define(dst, Value::Function(slot));
        self.set_bits(dst, 64);
    }

    /// A helper that calls functions. `bpf_loop` is a loop here where it is known what it
    /// calls, and that it has no flags; the host does everything else.
    pub(super) fn call_back(&mut self, step: &Step, helper: u32) {
        let (called, flags) = (self.value(Register::R2), self.value(Register::R4));
        let most = MAX_LOOPS.cast_signed();
        let some = matches!(self.value(Register::R1), Value::Const(n) if (1..=most).contains(&n));
        let (id::LOOP, Value::Function(slot), Value::Const(0)) = (helper, called, flags) else {
            return self.plain(step, self.lowered.op(step));
        };
        for known in [Register::R2, Register::R4, Register::R5] {
            self.forget(known);
        }
        self.settle();
        let function = self.functions.at(slot);
        let saved = self.live.and(function.writes).and(Registers::KEPT);
        self.out.rounds(CodeBuffer::slot(slot), some, saved, function.framed);
        for register in Registers::LOST.iter() {
            self.set_bits(register, 64);
        }
    }

    /// How many steps behind it are done with, too. What is compared with a number and what with
    /// a register is compiled by itself, so that it is asked but once which it is.
    #[inline(always)]
    pub(super) fn branch(
        &mut self,
        step: &Step,
        target: u32,
        cond: Cond,
        width: Width,
        lhs: Register,
        rhs: Operand,
    ) -> u32 {
        if target == step.pc.saturating_add(1) {
            return 0;
        }
        if cond == Cond::Set {
            let what = Compared { cond, common: true, width, lhs, rhs };
            return self.branch_on_bits(step, target, what);
        }
        match rhs {
            Operand::Imm(number) => self.branch_by_number(step, target, cond, width, lhs, number),
            Operand::Reg(other) => self.branch_by_other(step, target, cond, width, lhs, other),
        }
    }

    #[inline(never)]
    fn branch_by_number(
        &mut self,
        step: &Step,
        target: u32,
        cond: Cond,
        width: Width,
        lhs: Register,
        number: i32,
    ) -> u32 {
        let way = self.way(step, target);
        let (cond, number) = self.beside_zero(cond, lhs, number);
        let rhs = Operand::Imm(number);
        if !way.turned
            && self.is_over_move(step, target)
            && let Some(steps) =
                self.chooses(step, target, Compared { cond, common: false, width, lhs, rhs })
        {
            return steps;
        }
        // Mostly nothing is put off.
        if !self.pending.is_empty() {
            self.settle_for(way.target, lhs);
            if number == 0
                && let Some(flag) = self.tested(cond, width, lhs)
            {
                return self.go(way, flag);
            }
        }
        let width = self.compared_width(cond, width, lhs, rhs);
        self.ready(lhs, width);
        if self.out.hides(rhs) {
            let rhs = self.out.chosen(rhs);
            let lhs = self.register_of(lhs, width);
            self.compare(width, lhs, rhs);
            return self.go_and_hold(way, flag(cond));
        }
        if number == 0
            && let Some(flag) = self.flag_at_hand(cond, width, lhs)
        {
            return self.go(way, flag);
        }
        let lhs = self.register_of(lhs, width);
        self.compare_number(width, lhs, number);
        self.go_and_hold(way, flag(cond))
    }

    #[inline(never)]
    fn branch_by_other(
        &mut self,
        step: &Step,
        target: u32,
        cond: Cond,
        width: Width,
        lhs: Register,
        other: Register,
    ) -> u32 {
        let what = Compared { cond, common: false, width, lhs, rhs: Operand::Reg(other) };
        if self.pending.has(other)
            && let Some(number) = self.word(other).number()
        {
            return self.branch_by_number(step, target, cond, width, lhs, number);
        }
        let way = self.way(step, target);
        if !way.turned
            && self.is_over_move(step, target)
            && let Some(steps) = self.chooses(step, target, what)
        {
            return steps;
        }
        if !self.pending.is_empty() {
            self.settle_for(way.target, lhs);
        }
        let width = self.compared_width(cond, width, lhs, what.rhs);
        self.ready(lhs, width);
        self.ready(other, width);
        let (lhs, other) = (self.register_of(lhs, width), self.register_of(other, width));
        self.compare_two(width, lhs, other);
        self.go_and_hold(way, flag(cond))
    }

    /// Goes a way on what is compared, which the flags say behind that, too.
    #[inline(always)]
    fn go_and_hold(&mut self, way: Way, flag: Flag) -> u32 {
        let steps = self.go(way, flag);
        self.held.at = self.out.code.len();
        steps
    }

    /// A branch on whether operands have bits in common. How many steps behind it are done
    /// with, too.
    pub(super) fn branch_on_bits(&mut self, branch: &Step, target: u32, what: Compared) -> u32 {
        let way = self.way(branch, target);
        if !way.turned
            && self.is_over_move(branch, target)
            && let Some(steps) = self.chooses(branch, target, what)
        {
            return steps;
        }
        let Compared { cond, width, lhs, rhs, .. } = what;
        self.settle_for(way.target, lhs);
        let flag = self.test_bits(cond, width, lhs, rhs);
        self.go(way, flag)
    }

    /// Asks for bits that operands have in common; what says that there are some, or with
    /// [`Cond::Eq`] none.
    pub(super) fn test_bits(
        &mut self,
        cond: Cond,
        width: Width,
        lhs: Register,
        rhs: Operand,
    ) -> Flag {
        if let Operand::Reg(other) = rhs
            && self.is_either_a_bit(lhs, other)
            && let Some(flag) = self.asked_bit(cond, width, lhs, other)
        {
            return flag;
        }
        self.ready(lhs, width);
        let rhs = self.placed(rhs, width);
        let lhs = self.register_of(lhs, width);
        self.out.test(width, lhs, rhs);
        flag(cond)
    }

    /// Has what is compared with a number beside 0 compared with that, where it says the same: its
    /// flags may be at hand.
    #[inline(always)]
    fn beside_zero(&self, cond: Cond, lhs: Register, number: i32) -> (Cond, i32) {
        let cond = match (number, cond) {
            (-1, Cond::Sgt) => Cond::Sge,
            (-1, Cond::Sle) => Cond::Slt,
            (1, Cond::Eq) if self.bits(lhs) <= 1 => Cond::Ne,
            (1, Cond::Ne) if self.bits(lhs) <= 1 => Cond::Eq,
            _ => return (cond, number),
        };
        (cond, 0)
    }

    /// Where a branch leads. One over a jump is a branch to where that leads, under the
    /// opposite condition.
    #[inline(always)]
    pub(super) fn way(&self, branch: &Step, target: u32) -> Way {
        if target == branch.pc.saturating_add(2) {
            self.way_over(branch, target)
        } else {
            Way { target, turned: false }
        }
    }

    #[inline(never)]
    fn way_over(&self, branch: &Step, target: u32) -> Way {
        if let Some(next) = self.following(branch)
            && let Op::Jump { target } = self.lowered.op(&next)
        {
            return Way { target, turned: true };
        }
        Way { target, turned: false }
    }

    /// Goes a way if a condition holds, or does not. How many steps behind the branch are
    /// done with.
    pub(super) fn go(&mut self, way: Way, flag: Flag) -> u32 {
        let flag = if way.turned { flag.turned() } else { flag };
        self.out.code.jump_if(flag, CodeBuffer::slot(way.target));
        u32::from(way.turned)
    }

    /// Puts in place what is read at the target; what is only read behind the
    /// jump may wait. `last`, if it has to be put in place, comes last, so that
    /// the flags are its.
    pub(super) fn settle_for(&mut self, target: u32, last: Register) {
        let there = self.lowered.live_at(target);
        let last = Registers::of(last);
        for register in self.pending.without(last).iter() {
            if there.has(register) {
                self.own(register);
            } else if !self.needed.has(register) {
                self.forget(register);
            }
        }
        for register in self.pending.and(last).and(there).iter() {
            self.own(register);
        }
    }

    /// 32 bits, where the upper halves are known to be zero and do not matter.
    pub(super) fn compared_width(
        &self,
        cond: Cond,
        width: Width,
        lhs: Register,
        rhs: Operand,
    ) -> Width {
        let most = match cond {
            Cond::Sgt | Cond::Sge | Cond::Slt | Cond::Sle => 31,
            _ => 32,
        };
        let small = match rhs {
            Operand::Reg(rhs) => self.bits(rhs) <= most,
            Operand::Imm(imm) => imm >= 0,
        };
        if small && self.bits(lhs) <= most { Width::W32 } else { width }
    }

    /// The condition on the flags as they are that says how a register compares
    /// with 0.
    pub(super) fn flag_at_hand(&self, cond: Cond, width: Width, lhs: Register) -> Option<Flag> {
        let here = self.out.code.len();
        if self.held.at == here
            && let Some((register, flag)) = self.held.outcome
            && register == lhs
            && !self.pending.has(lhs)
        {
            return match cond {
                Cond::Eq => Some(flag.turned()),
                Cond::Ne => Some(flag),
                _ => None,
            };
        }
        let flags = self.flags?;
        let current = flags.at == here && flags.register == lhs;
        if !current || self.pending.has(lhs) {
            return None;
        }
        let same = flags.width == width;
        match cond {
            // A 32-bit result has no upper half.
            Cond::Eq | Cond::Ne if same || flags.width == Width::W32 => Some(flag(cond)),
            // Nor does one of which it is known.
            Cond::Eq | Cond::Ne if self.bits(lhs) <= 32 => Some(flag(cond)),
            Cond::Slt if same => Some(Flag::Negative),
            Cond::Sge if same => Some(Flag::NotNegative),
            Cond::Sgt | Cond::Sle if same && flags.exact => Some(flag(cond)),
            _ => None,
        }
    }
}
