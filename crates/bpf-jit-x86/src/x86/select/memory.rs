//! Loads and stores.

use bpf_bytecode::Register;
use bpf_bytecode::instruction::Operand;
use bpf_bytecode::opcode::{AluOp, Cond, Size, Width};

use super::super::alu::{Arith, width_of};
use super::super::control::flag;
use super::super::encode::{Mem, Rm, Source};
use super::super::regs::native;
use super::choice::Compared;
use super::shift::kept;
use super::{
    Masked, Motion, Parts, Selector, Shift, Stored, Value, Word, bits_of, index, size_bits,
};

use crate::lower::{Address, Effect, Op, Registers, Step};

impl Selector<'_, '_> {
    /// Sees to it that a place can be addressed.
    pub(super) fn ready_place(&mut self, at: Address) {
        if self.pending.has(at.base) {
            self.locate(at.base);
            if self.form_of(at).is_none() {
                self.own(at.base);
            }
        }
    }

    /// A place as the CPU addresses it, if what is put off allows it.
    fn form_of(&self, at: Address) -> Option<Mem> {
        let sum = self.sum_of(at.base, Width::W64)?.offset(at.off.into())?;
        let Parts { base: Some(base), index, disp, width: Width::W64 } = sum.parts() else {
            return None;
        };
        let index = index.map(|(index, scale)| (native(index), scale));
        Some(Mem { base: native(base), index, disp })
    }

    /// A place that is ready.
    #[inline]
    pub(super) fn place(&self, at: Address) -> Mem {
        let form = if self.pending.has(at.base) { self.form_of(at) } else { None };
        form.unwrap_or(Mem::of(at))
    }

    /// How many steps behind it are done with, too. Most loads are compiled where they are
    /// found: nothing that is put off is in the way, and no step behind makes more of them.
    #[inline(always)]
    pub(super) fn load(
        &mut self,
        step: &Step,
        size: Size,
        signed: bool,
        dst: Register,
        at: Address,
    ) -> u32 {
        if self.pending.has(at.base) || (!signed && self.may_make_more(step.pc, size, dst, at.base))
        {
            return self.load_with(step, size, signed, dst, at);
        }
        self.overwrite(dst, at.base);
        self.written(dst, if signed { 64 } else { size_bits(size) });
        self.out.load(size, signed, native(dst), Mem::of(at));
        0
    }

    /// Whether steps behind a load may make more of it; false only where they do not.
    #[inline(always)]
    fn may_make_more(&self, pc: u32, size: Size, dst: Register, base: Register) -> bool {
        let Some(next) = self.lowered.step(pc.wrapping_add(1)) else { return false };
        if next.effect.is_joined() {
            return false;
        }
        let of_heap = base != Register::R10;
        if next.effect.reads().has(dst) {
            if !next.effect.is_pure() {
                return next.effect.turns();
            }
            if next.effect.writes().has(dst) {
                let last = self.lowered.effect(pc.wrapping_add(2));
                if next.effect.is_special()
                    || last.is_some_and(|last| !last.is_pure() && last.reads().has(dst))
                {
                    return true;
                }
            } else if of_heap && matches!(size, Size::W | Size::Dw) {
                return true;
            }
        }
        size != Size::Dw && of_heap && next.may_go_on(dst, base)
    }

    /// The same of a load with which more is done.
    #[inline(never)]
    fn load_with(
        &mut self,
        step: &Step,
        size: Size,
        signed: bool,
        dst: Register,
        at: Address,
    ) -> u32 {
        if let Some(number) = self.known_number(at, size, signed) {
            self.constant(dst, number);
            return 0;
        }
        if !signed && let Some(merged) = self.merges(step, size, dst, at) {
            return self.load_merged(step, at.base, merged);
        }
        let mut swapped = false;
        // What is read behind the next step as it was loaded has to be there.
        if !signed
            && let Some(next) = self.following_on(step, dst)
            && (next.effect.writes().has(dst) || !self.lowered.live_behind(&next).has(dst))
        {
            if next.effect.turns() {
                if let Some(done) = self.compares(&next, size, dst, at) {
                    return done;
                }
            } else if next.may_change(dst) {
                if let Some(last) = self.following_on(&next, dst) {
                    let done = if last.effect.is_pure() {
                        self.extends(&next, &last, size, dst, at)
                    } else {
                        self.changes(&next, &last, size, dst, at)
                    };
                    if done {
                        return 2;
                    }
                }
                swapped =
                    next.effect.is_special() && self.is_swapped(&self.lowered.op(&next), size, dst);
                if swapped {
                    self.live = self.lowered.live_behind(&next);
                    let base = Registers::of(at.base);
                    self.needed = self.live.without(Registers::of(dst)).with(base);
                }
            } else if next.effect.is_pure() && self.combines(&next, size, dst, at) {
                return 1;
            }
        }
        self.ready_place(at);
        self.overwrite(dst, at.base);
        let place = self.place(at);
        self.written(dst, if signed { 64 } else { size_bits(size) });
        if swapped {
            self.out.load_swapped(size, native(dst), place);
            return 1;
        }
        self.out.load(size, signed, native(dst), place);
        0
    }

    /// Whether what was loaded is swapped, and the CPU can do both at once.
    fn is_swapped(&self, next: &Op, size: Size, dst: Register) -> bool {
        let wide = matches!(size, Size::W | Size::Dw);
        wide && self.out.features.movbe && *next == Op::Swap { size, dst }
    }

    /// `if *at cond operand`, where the value is read no more. How many steps behind the load
    /// are done with, then.
    fn compares(&mut self, next: &Step, size: Size, dst: Register, at: Address) -> Option<u32> {
        let Op::Branch { cond, width, lhs, rhs, target } = self.lowered.op(next) else {
            return None;
        };
        if target == next.pc.wrapping_add(1) {
            return None;
        }
        let (cond, other) =
            if lhs == dst { (cond, rhs) } else { (turned(cond)?, Operand::Reg(lhs)) };
        let imm = match other {
            Operand::Imm(imm) => imm,
            Operand::Reg(register) => match self.word(register).number() {
                Some(number) if register != dst => number,
                _ => {
                    let what = Compared { cond, common: false, width, lhs: dst, rhs: other };
                    return self.compares_with(next, target, what, size, at);
                }
            },
        };
        let behind = self.lowered.live_behind(next);
        let fits = match size {
            Size::B => (0..=0xff).contains(&imm),
            // A 16-bit immediate is slow to decode.
            Size::H => (0..=0x7f).contains(&imm),
            Size::W => imm >= 0 || width == Width::W32,
            Size::Dw => width == Width::W64,
        };
        if behind.has(dst) || !is_unsigned(cond) || !fits {
            return None;
        }
        self.live = behind;
        self.needed = behind.with(Registers::of(at.base));
        let way = self.way(next, target);
        self.settle_beside(way.target, Registers::of(at.base));
        self.ready_place(at);
        let place = self.place(at);
        self.written(dst, 64);
        self.out.arith_memory(Arith::Cmp, size, place, Source::Imm(imm));
        Some(self.go(way, flag(cond)).saturating_add(1))
    }

    /// `if *at cond other`, the same of a register that has no bits beyond those. What is on the
    /// stack is loaded by itself, as for arithmetic.
    #[inline(never)]
    fn compares_with(
        &mut self,
        next: &Step,
        target: u32,
        what: Compared,
        size: Size,
        at: Address,
    ) -> Option<u32> {
        let Compared { cond, width, lhs: dst, rhs: Operand::Reg(other), .. } = what else {
            return None;
        };
        let behind = self.lowered.live_behind(next);
        if other == dst || behind.has(dst) || at.base == Register::R10 || cond == Cond::Set {
            return None;
        }
        let whole = match size {
            Size::Dw => width == Width::W64,
            Size::W if width == Width::W32 => true,
            _ => self.bits(other) <= size_bits(size) && is_unsigned(cond),
        };
        let way = self.way(next, target);
        if !whole || (!way.turned && self.is_over_move(next, target)) {
            return None;
        }
        self.live = behind;
        let read = Registers::of(at.base).with(Registers::of(other));
        self.needed = behind.with(read);
        self.settle_beside(way.target, read);
        self.ready(other, width_of(size));
        self.ready_place(at);
        let (place, reg) = (self.place(at), self.register_of(other, width_of(size)));
        self.written(dst, 64);
        self.out.arith_memory(Arith::Cmp, size, place, Source::Reg(reg));
        Some(self.go(way, flag(cond)).saturating_add(1))
    }

    /// Puts in place what is read at a branch's target; what is `read` by the branch may wait.
    fn settle_beside(&mut self, target: u32, read: Registers) {
        let there = self.lowered.live_at(target);
        for register in self.pending.iter() {
            if there.has(register) {
                self.own(register);
            } else if !self.live.has(register) && !read.has(register) {
                self.forget(register);
            }
        }
    }

    /// `other op= *at`, where the value is read no more. What is on the stack is loaded by
    /// itself: a CPU takes the number for a plain load from the register that was stored
    /// there, and for an operand it waits for the store.
    fn combines(&mut self, next: &Step, size: Size, dst: Register, at: Address) -> bool {
        if at.base == Register::R10 || !matches!(size, Size::W | Size::Dw) {
            return false;
        }
        let Op::Alu { op, width, dst: other, src: Operand::Reg(src) } = self.lowered.op(next)
        else {
            return false;
        };
        if src != dst || other == dst {
            return false;
        }
        let behind = self.lowered.live_behind(next);
        let same = width == width_of(size);
        let known = Arith::of(op).is_some() || op == AluOp::Mul;
        if !same || !known || behind.has(dst) {
            return false;
        }
        self.live = behind;
        let sources = Registers::of(at.base).with(Registers::of(other));
        self.needed = behind.with(sources);
        if dst != at.base {
            self.forget(dst);
        }
        self.ready_place(at);
        let reg = self.modify(other);
        // The base may have been put in place for that.
        let place = self.place(at);
        match Arith::of(op) {
            Some(arith) => {
                self.out.arith(arith, width, reg, Source::Mem(place));
                self.set_flags(other, width, matches!(arith, Arith::And | Arith::Or | Arith::Xor));
            }
            None => self.out.multiply(width, reg, reg, Source::Mem(place)),
        }
        self.set_bits(other, super::bits_of(width));
        self.written(dst, 64);
        true
    }

    /// What is loaded and shifted up and down again is loaded with its sign.
    fn extends(
        &mut self,
        next: &Step,
        last: &Step,
        size: Size,
        dst: Register,
        at: Address,
    ) -> bool {
        let Op::Alu { op: AluOp::Lsh, width, dst: shifted, src: Operand::Imm(up) } =
            self.lowered.op(next)
        else {
            return false;
        };
        let down = Op::Alu { op: AluOp::Arsh, width, dst, src: Operand::Imm(up) };
        let whole = u8::try_from(up).ok().and_then(|up| kept(width, up)) == Some(size);
        if shifted != dst || !whole || self.lowered.op(last) != down {
            return false;
        }
        self.live = self.lowered.live_behind(last);
        self.needed = self.live.without(Registers::of(dst)).with(Registers::of(at.base));
        self.ready_place(at);
        self.overwrite(dst, at.base);
        let place = self.place(at);
        self.written(dst, super::bits_of(width));
        self.out.sign_extend(width, size, native(dst), Rm::Mem(place));
        true
    }

    /// `*at op= src`, where the value is read no more.
    fn changes(
        &mut self,
        next: &Step,
        last: &Step,
        size: Size,
        dst: Register,
        at: Address,
    ) -> bool {
        let last_op = self.lowered.op(last);
        let Op::Store { size: stored, at: to, src: Operand::Reg(value), .. } = last_op else {
            return false;
        };
        let Op::Alu { op, width, dst: changed, src } = self.lowered.op(next) else { return false };
        if changed != dst {
            return false;
        }
        let behind = self.lowered.live_behind(last);
        let Some(op) = Arith::of(op) else { return false };
        let same = stored == size && to == at && value == dst && at.base != dst;
        // Slow to decode.
        let slow =
            size == Size::H && matches!(src, Operand::Imm(imm) if i8::try_from(imm).is_err());
        // An operation of 32 bits would clear the upper half.
        let whole = size != Size::Dw || width == Width::W64;
        if !same || !whole || slow || src == Operand::Reg(dst) || behind.has(dst) {
            return false;
        }
        self.live = behind;
        let effect = Effect::of(Op::Store { size, order: crate::lower::Order::Relaxed, at, src });
        self.needed = behind.with(effect.reads());
        self.forget(dst);
        self.ready_source(src, size, at);
        self.ready_place(at);
        let (src, place) = (self.source(src, size), self.place(at));
        self.out.arith_memory(op, size, place, src);
        self.set_bits(dst, 64);
        true
    }

    /// Mostly nothing is put off that is stored or says where.
    #[inline(always)]
    pub(super) fn store(&mut self, size: Size, at: Address, src: Operand) {
        let value = match src {
            _ if self.pending.has(at.base) => return self.store_pending(size, at, src),
            Operand::Imm(_) => self.out.chosen(src),
            Operand::Reg(register) if self.pending.has(register) => {
                return self.store_pending(size, at, src);
            }
            Operand::Reg(register) => Source::Reg(native(register)),
        };
        self.store_at(size, Mem::of(at), value);
    }

    #[inline(never)]
    fn store_pending(&mut self, size: Size, at: Address, src: Operand) {
        self.ready_source(src, size, at);
        self.ready_place(at);
        let (value, place) = (self.source(src, size), self.place(at));
        self.store_at(size, place, value);
    }

    #[inline(always)]
    fn store_at(&mut self, size: Size, place: Mem, value: Source) {
        self.out.store(size, place, value);
        self.stored = Some(Stored { at: self.out.code.len(), size, place, value });
    }

    /// What is at a place, if it has been stored there just now.
    pub(super) fn stored_at(&self, size: Size, place: Mem) -> Option<Source> {
        let stored = self.stored.filter(|stored| stored.at == self.out.code.len())?;
        ((stored.size, stored.place) == (size, place)).then_some(stored.value)
    }

    fn ready_source(&mut self, src: Operand, size: Size, at: Address) {
        if let Operand::Reg(register) = src
            && self.constant_of(register).is_none()
        {
            if size != Size::Dw && register != at.base && !self.live.has(register) {
                self.narrow(register);
            }
            self.ready(register, width_of(size));
        }
    }

    /// Of what is put off and stored for the last time, but not all of it, only the lower half is
    /// computed. That is shorter, and a CPU can take what is loaded there next from the register
    /// that was stored, as nothing is in its upper half.
    fn narrow(&mut self, register: Register) {
        let width = Width::W32;
        let lower = match self.value(register) {
            Value::Sum(sum) => Value::Sum(sum.at(width)),
            Value::Masked(masked) => Value::Masked(Masked { width, ..masked }),
            Value::Shift(shift) if shift.motion == Motion::Left && shift.by < bits_of(width) => {
                Value::Shift(Shift { width, ..shift })
            }
            _ => return,
        };
        if let Some(entry) = self.values.get_mut(index(register)) {
            *entry = Word::of(lower);
        }
    }

    /// A ready operand.
    fn source(&mut self, src: Operand, size: Size) -> Source {
        match src {
            Operand::Imm(_) => self.out.chosen(src),
            Operand::Reg(register) => match self.constant_of(register) {
                Some(value) => Source::Imm(value),
                None => Source::Reg(self.register_of(register, width_of(size))),
            },
        }
    }

    /// The number that a register holds for the last time.
    fn constant_of(&self, register: Register) -> Option<i32> {
        self.word(register).number().filter(|_| !self.live.has(register))
    }

    /// Swaps bytes; with the store behind it, where the value is read no more.
    /// How many steps behind it are done with, too.
    pub(super) fn swap(&mut self, step: &Step, size: Size, dst: Register) -> u32 {
        if self.out.features.movbe
            && size != Size::B
            && let Some(next) = self.following_on(step, dst)
            && let Op::Store { size: stored, at, src, .. } = self.lowered.op(&next)
            && (stored, src) == (size, Operand::Reg(dst))
            && at.base != dst
            && let behind = self.lowered.live_behind(&next)
            && !behind.has(dst)
        {
            self.live = behind;
            self.needed = behind.with(Registers::of(dst)).with(Registers::of(at.base));
            self.ready(dst, width_of(size));
            self.ready_place(at);
            let (place, value) = (self.place(at), self.register_of(dst, width_of(size)));
            self.out.store_swapped(size, place, value);
            self.set_bits(dst, 64);
            return 1;
        }
        let clean = self.bits(dst) <= size_bits(size);
        let reg = self.modify(dst);
        self.out.swap(size, reg, clean);
        self.set_bits(dst, size_bits(size));
        0
    }
}

/// Whether a comparison takes no bit for a sign.
const fn is_unsigned(cond: Cond) -> bool {
    matches!(cond, Cond::Eq | Cond::Ne | Cond::Gt | Cond::Ge | Cond::Lt | Cond::Le)
}

/// What a condition is of its operands in the other order; of bits in common `None`.
const fn turned(cond: Cond) -> Option<Cond> {
    Some(match cond {
        Cond::Eq | Cond::Ne => cond,
        Cond::Gt => Cond::Lt,
        Cond::Ge => Cond::Le,
        Cond::Lt => Cond::Gt,
        Cond::Le => Cond::Ge,
        Cond::Sgt => Cond::Slt,
        Cond::Sge => Cond::Sle,
        Cond::Slt => Cond::Sgt,
        Cond::Sle => Cond::Sge,
        Cond::Set => return None,
    })
}
