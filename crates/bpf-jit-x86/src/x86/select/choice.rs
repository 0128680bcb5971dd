//! One of two values: a branch over nothing but a move.
//!
//! A compiler has no other way to say which of two values a register gets, so that is what
//! becomes of `?:`, of a smaller or a greater one, and of a comparison whose outcome is a
//! number. Which way it goes is often a matter of chance, and a wrong guess of the CPU's costs
//! more than both values. Where what is chosen decides what is compared in the next round
//! of a loop, a guess is still better: the CPU need not wait. So it is where a number is only
//! kept within a bound.

use bpf_bytecode::Register;
use bpf_bytecode::instruction::Operand;
use bpf_bytecode::opcode::{Cond, Width};

use super::super::buffer::{CodeBuffer, Flag};
use super::super::control::flag;
use super::super::encode::Source;
use super::super::regs::{SCRATCH, native};
use super::{Selector, Value, bits_of};

use crate::lower::{Effect, Op, Registers, Step};

/// Steps between an outcome and the branch that asks for it at the most.
const BETWEEN: u32 = 2;

/// What a register gets where a branch is not taken.
#[derive(Clone, Copy, Debug)]
enum Chosen {
    /// What another one holds, or its lower half.
    Copy(Width, Register),
    /// A number that is an immediate.
    Number(u64),
    /// Whether the branch is not taken, where it has the opposite as yet.
    Outcome,
    /// The same, but whether it is taken.
    Opposite,
}

/// A comparison, or a question for bits that both have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compared {
    pub(super) cond: Cond,
    /// Whether it is about bits in common: whether there are any, or with [`Cond::Eq`] none.
    pub(super) common: bool,
    pub(super) width: Width,
    pub(super) lhs: Register,
    pub(super) rhs: Operand,
}

impl Compared {
    /// Whether a register that is compared with a number is not to go beyond it, `number` being
    /// the last that it may have. Mostly it does not, or does again and again.
    fn is_bound(self, register: Register, number: u64) -> bool {
        let Operand::Imm(imm) = self.rhs else { return false };
        let bound = i64::from(imm).wrapping_sub(number.cast_signed());
        !self.common && self.lhs == register && (-1..=1).contains(&bound)
    }

    /// Registers that are compared.
    fn reads(self) -> Registers {
        match self.rhs {
            Operand::Reg(rhs) => Registers::of(self.lhs).with(Registers::of(rhs)),
            Operand::Imm(_) => Registers::of(self.lhs),
        }
    }

    /// Whether it does not hold.
    fn opposite(self) -> Option<Self> {
        let cond = match self.cond {
            Cond::Eq if self.common => Cond::Set,
            Cond::Set if self.common => Cond::Eq,
            Cond::Eq => Cond::Ne,
            Cond::Ne => Cond::Eq,
            Cond::Gt => Cond::Le,
            Cond::Ge => Cond::Lt,
            Cond::Lt => Cond::Ge,
            Cond::Le => Cond::Gt,
            Cond::Sgt => Cond::Sle,
            Cond::Sge => Cond::Slt,
            Cond::Slt => Cond::Sge,
            Cond::Sle => Cond::Sgt,
            Cond::Set => return None,
        };
        Some(Self { cond, ..self })
    }
}

impl Selector<'_, '_> {
    /// Whether a branch may lead over nothing but a move; false where it leads over more.
    #[inline(always)]
    pub(super) fn is_over_move(&self, step: &Step, target: u32) -> bool {
        let last = step.pc.wrapping_add(2);
        if target != last && !self.lowered.effect(last).is_some_and(Effect::is_plain_jump) {
            return false;
        }
        let next = self.lowered.step(step.pc.wrapping_add(1));
        next.is_some_and(|next| !next.effect.is_joined() && next.may_move())
    }

    /// Where all that a branch leads over is a move, it is a conditional move. How many
    /// steps behind it are done with, then.
    #[inline(never)]
    pub(super) fn chooses(&mut self, step: &Step, target: u32, what: Compared) -> Option<u32> {
        let next = self.following(step).filter(Step::may_move)?;
        let (dst, chosen) = self.chosen(&next)?;
        let steps = if target == step.pc.wrapping_add(2) {
            1
        } else {
            let last = self.following(&next)?;
            (self.lowered.op(&last) == Op::Jump { target }).then_some(2)?
        };
        if let Chosen::Number(number) = chosen
            && what.is_bound(dst, number)
        {
            return None;
        }
        if matches!(chosen, Chosen::Outcome | Chosen::Opposite) && step.effect.reads().has(dst) {
            return None;
        }
        if self.out.random.is_none()
            && steps == 1
            && matches!(chosen, Chosen::Outcome | Chosen::Opposite)
            && let Some(more) = self.decides(target, dst, matches!(chosen, Chosen::Opposite), what)
        {
            return Some(more.saturating_add(1));
        }
        let there = self.lowered.live_at(target);
        if self.out.random.is_some()
            || !there.has(dst)
            || !self.flow.is_chance(self.lowered, step, dst)
        {
            return None;
        }
        // Where nothing else leads to what is behind the move, control does not part.
        let straight =
            steps == 1 && self.lowered.effect(target).is_some_and(Effect::is_joined_once);
        self.straight = if straight { target } else { u32::MAX };
        // The shorter form leaves no upper half.
        let narrow = self.bits(dst) <= 32;
        let mut bits = 64;
        match chosen {
            Chosen::Copy(width, src) => {
                self.settle_choice(target, dst, what);
                self.ready(src, width);
                let half = width == Width::W32 && !narrow;
                if half {
                    self.out.copy(width, SCRATCH, self.register_of(src, width));
                }
                let flag = self.outcome(what);
                let from = if half { SCRATCH } else { self.register_of(src, width) };
                let short = narrow && (width == Width::W32 || self.bits(src) <= 32);
                let moved = if short { Width::W32 } else { Width::W64 };
                self.move_if(moved, flag.turned(), dst, from);
                if short {
                    bits = self.bits(src).min(32).max(self.bits(dst));
                }
            }
            Chosen::Number(value) => {
                self.settle_choice(target, dst, what);
                self.out.set(SCRATCH, value);
                let flag = self.outcome(what);
                let moved = if narrow { Width::W32 } else { Width::W64 };
                self.move_if(moved, flag.turned(), dst, SCRATCH);
                bits = bits_of(moved);
            }
            Chosen::Outcome | Chosen::Opposite => {
                self.forget(dst);
                self.settle_choice(target, dst, what);
                self.spare_readers(dst, None);
                self.out.set(native(dst), 0);
                let flag = self.outcome(what);
                let outcome = matches!(chosen, Chosen::Outcome);
                self.set_if(if outcome { flag.turned() } else { flag }, dst);
                bits = 1;
            }
        }
        self.set_bits(dst, bits);
        if steps == 2 {
            self.live = there;
            self.needed = there;
            self.settle();
            self.out.code.jump(CodeBuffer::slot(target));
        }
        Some(steps)
    }

    /// Where all that an outcome, or with `same` the opposite, is for is a branch right behind it,
    /// or behind copies and constants that have no part in it, that is a branch on what is
    /// compared. How many steps behind the outcome's are done with.
    fn decides(&mut self, slot: u32, dst: Register, same: bool, what: Compared) -> Option<u32> {
        let mut next = self.lowered.step(slot).filter(|next| next.effect.is_joined_once())?;
        let read = what.reads();
        let mut between = 0_u32;
        while !next.effect.turns() {
            let parts = next.effect.reads().has(dst)
                || !next.effect.writes().and(read.with(Registers::of(dst))).is_empty();
            let moves = matches!(self.lowered.op(&next), Op::Const { .. } | Op::Move { .. });
            if parts || !moves || between == BETWEEN {
                return None;
            }
            between = between.wrapping_add(1);
            next = self.following(&next)?;
        }
        let Op::Branch { cond, lhs, rhs: Operand::Imm(number @ (0 | 1)), target, .. } =
            self.lowered.op(&next)
        else {
            return None;
        };
        let behind = self.lowered.live_behind(&next);
        if lhs != dst || !matches!(cond, Cond::Eq | Cond::Ne) || behind.has(dst) {
            return None;
        }
        let where_set = (cond == Cond::Ne) == (number == 0);
        let what = if where_set == same { what } else { what.opposite()? };
        self.forget(dst);
        for step in (0..between).filter_map(|at| self.lowered.step(slot.wrapping_add(at))) {
            self.live = self.lowered.live_behind(&step).without(Registers::of(dst)).with(read);
            self.needed = self.live.with(step.effect.reads());
            match self.lowered.op(&step) {
                Op::Const { dst, value } => self.constant(dst, value),
                Op::Move { width, dst, src } => self.move_register(width, dst, src),
                _ => {}
            }
        }
        self.live = behind;
        self.needed = behind.with(read);
        let more = if what.common {
            self.branch_on_bits(&next, target, what)
        } else {
            self.branch(&next, target, what.cond, what.width, what.lhs, what.rhs)
        };
        Some(more.saturating_add(between).saturating_add(1))
    }

    /// Puts in place what has to be in front of a choice: all that is read behind it, where
    /// control comes there from elsewhere, too, or else what the register holds that gets
    /// another value.
    fn settle_choice(&mut self, target: u32, dst: Register, what: Compared) {
        if self.straight == target {
            self.modify(dst);
        } else {
            self.settle_for(target, what.lhs);
        }
    }

    /// What a step gives a register, if it is a matter of one instruction under a condition.
    fn chosen(&self, step: &Step) -> Option<(Register, Chosen)> {
        match self.lowered.op(step) {
            Op::Move { width, dst, src } => {
                let width = if self.bits(src) <= 32 { Width::W64 } else { width };
                Some((dst, Chosen::Copy(width, src)))
            }
            Op::Const { dst, value } => match (value, self.value(dst)) {
                (1, Value::Const(0)) => Some((dst, Chosen::Outcome)),
                (0, Value::Const(1)) => Some((dst, Chosen::Opposite)),
                (number, _) if u32::try_from(number).is_ok() && self.flow.is_repeated(step) => {
                    Some((dst, Chosen::Number(number)))
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Compares, and says by what it is known that the condition holds.
    fn outcome(&mut self, what: Compared) -> Flag {
        let Compared { cond, common, width, lhs, rhs } = what;
        if common {
            return self.test_bits(cond, width, lhs, rhs);
        }
        if rhs == Operand::Imm(0)
            && self.pending.has(lhs)
            && let Some(flag) = self.tested_in_parts(cond, width, lhs)
        {
            return flag;
        }
        let width = self.compared_width(cond, width, lhs, rhs);
        self.ready(lhs, width);
        let rhs = self.placed(rhs, width);
        if rhs == Source::Imm(0)
            && let Some(flag) = self.flag_at_hand(cond, width, lhs)
        {
            return flag;
        }
        let lhs = self.register_of(lhs, width);
        match (cond, rhs) {
            // What asks for two flags is slower.
            (Cond::Gt, Source::Reg(rhs)) => {
                self.compare(width, rhs, Source::Reg(lhs));
                Flag::Below
            }
            (Cond::Le, Source::Reg(rhs)) => {
                self.compare(width, rhs, Source::Reg(lhs));
                Flag::AboveOrEqual
            }
            (Cond::Gt | Cond::Le, Source::Imm(imm)) if next_is_as_short(imm) => {
                self.compare(width, lhs, Source::Imm(imm.wrapping_add(1)));
                if cond == Cond::Gt { Flag::AboveOrEqual } else { Flag::Below }
            }
            _ => {
                self.compare(width, lhs, rhs);
                flag(cond)
            }
        }
    }
}

/// Whether the next number is greater by 1 without a sign, too, and no longer as an immediate.
const fn next_is_as_short(imm: i32) -> bool {
    !matches!(imm, -1 | 0x7f | i32::MAX)
}
