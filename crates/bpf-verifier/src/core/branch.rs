//! Conditional jumps.

use bpf_bytecode::Register;
use bpf_bytecode::instruction::{CallTarget, Instruction, Operand, jump_target};
use bpf_bytecode::opcode::{AluOp, Cond, Width};

use super::ends::may_end_function;
use super::iterator::Family;
use super::packet::decided_by_end;
use super::{Explorer, Flow, LOST, Step, reject};
use crate::arena::NONE;
use crate::domain::{Range, Scalar, alu, one_side, shows_that_it_holds};
use crate::error::{Sink, VerifyErrorKind};
use crate::state::{Kind, Value};

/// A conditional jump with its operands.
#[derive(Clone, Copy)]
struct Test {
    cond: Cond,
    width: Width,
    dst: Register,
    src: Operand,
    a: Value,
    b: Value,
}

impl Test {
    fn one_side(&self, holds: bool) -> Option<(Scalar, Scalar)> {
        one_side(holds, self.cond, self.width, self.a.number, self.b.number)
    }

    /// Whether it shows at once that the condition may hold.
    fn shows_that_it_holds(&self) -> bool {
        let b = self.b.as_constant();
        b.is_some_and(|b| shows_that_it_holds(self.cond, self.width, &self.a.number, b))
    }

    /// Whether the comparison alone says that the first operand is `a`, whatever was known of
    /// it: where it equals a number that is known.
    fn tells_first(&self, holds: bool, a: Scalar) -> bool {
        let said = || one_side(holds, self.cond, self.width, Scalar::UNKNOWN, self.b.number);
        self.may_tell(a) && said().is_none_or(|said| said.0 == a)
    }

    /// The same of the second one.
    fn tells_second(&self, holds: bool, b: Scalar) -> bool {
        let said = || one_side(holds, self.cond, self.width, self.a.number, Scalar::UNKNOWN);
        self.may_tell(b) && said().is_none_or(|said| said.1 == b)
    }

    /// Whether the comparison alone may say that an operand is `number`: of the upper half
    /// those of 32 bits say nothing.
    fn may_tell(&self, number: Scalar) -> bool {
        matches!(self.width, Width::W64) && number.as_constant().is_some()
    }
}

/// Where a conditional jump at `pc` leads, if it is taken or not.
pub(super) fn side_of(insn: &Instruction, pc: usize, taken: bool) -> usize {
    let target = if taken { insn.jump_offset().and_then(|off| jump_target(pc, off)) } else { None };
    target.unwrap_or(pc.saturating_add(1))
}

/// What kind of comparison it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Numbers,
    /// Of an address, which may be null, with null.
    NullCheck {
        holds_if_null: bool,
    },
    /// Of an address that is not null with null.
    NotNull {
        holds_if_null: bool,
    },
    /// Of an address that may be null with one that is not.
    WithNotNull {
        holds_if_equal: bool,
    },
    /// Anything else: either side, and nothing is learned but packet bounds.
    Addresses,
}

impl Explorer<'_> {
    /// Walks on behind a conditional jump; keeps the state where both sides are
    /// possible.
    pub(super) fn branch(&mut self, insn: &Instruction) -> Step<Flow> {
        let Some(test) = self.test(insn)? else { return Ok(Flow::End) };
        let sort = self.sort(&test);
        let (mut known, mut apart) = (None, None);
        let (holds, fails) = match sort {
            Sort::Numbers => {
                self.note_thresholds(test.cond, test.width, &test.a, &test.b);
                let fails = test.one_side(false);
                let may_fail = fails.is_some();
                // What the other side says is asked again where that is walked.
                let holds = if may_fail && test.shows_that_it_holds() {
                    known = fails;
                    true
                } else {
                    let holds = test.one_side(true);
                    let may_hold = holds.is_some();
                    known = fails.or(holds);
                    may_hold
                };
                // Where neither is possible, no execution comes here at all.
                let sides = (!may_fail || holds, !holds || may_fail);
                apart = self.said_apart(test.cond, test.width, &test.a, &test.b);
                let left = apart.map_or(sides, |apart| apart.sides(sides));
                if left != sides {
                    known = test.one_side(left.0);
                }
                left
            }
            Sort::NotNull { holds_if_null } => (!holds_if_null, holds_if_null),
            Sort::Addresses => {
                let holds = decided_by_end(test.cond, test.width, &test.a, &test.b);
                (holds != Some(false), holds != Some(true))
            }
            Sort::NullCheck { .. } | Sort::WithNotNull { .. } => (true, true),
        };
        if matches!(sort, Sort::Addresses | Sort::WithNotNull { .. }) {
            self.check_comparison(&test)?;
        }
        if holds && fails {
            self.note_way_out(insn, test.a.deps | test.b.deps);
            self.fork(insn)?;
        } else {
            let apart = apart.map_or(0, |apart| apart.said.deps);
            self.mark_precise(test.a.deps | test.b.deps | apart);
        }
        if matches!(sort, Sort::NullCheck { .. } | Sort::NotNull { .. }) {
            // That the other operand is null was decided on its number.
            let number = if test.a.is_scalar() { test.a } else { test.b };
            self.mark_precise(number.deps);
        }
        // Nothing was changed since the operands were read.
        let (pc, taken) = (self.walker.pc, !fails);
        self.note_side(taken);
        self.learn_side(&test, sort, taken, known.as_ref())?;
        Ok(Flow::To(side_of(insn, pc, taken)))
    }

    /// The jump of a `may_goto` is taken where the allowance is used up, which
    /// can be at any time. What follows then is walked first: what it decides on
    /// must not be forgotten from round to round. Where it was used up before, it still is.
    pub(super) fn may_goto(&mut self, insn: &Instruction) -> Step<Flow> {
        if !self.asks_in_vain() {
            self.fork(insn)?;
        }
        Ok(Flow::To(self.take_side(insn, false)?))
    }

    /// Learns what one side of a conditional jump says, and gives the slot that
    /// it leads to.
    pub(super) fn take_side(&mut self, insn: &Instruction, taken: bool) -> Step<usize> {
        let pc = self.walker.pc;
        self.note_side(taken);
        if let Some(test) = self.test(insn)? {
            let sort = self.sort(&test);
            let known = if sort == Sort::Numbers { test.one_side(taken) } else { None };
            self.learn_side(&test, sort, taken, known.as_ref())?;
        }
        if may_end_function(insn) {
            let next = pc.saturating_add(insn.slots());
            return if taken { self.end_function(insn) } else { Ok(next) };
        }
        if let Instruction::Call(CallTarget::Kfunc(number)) = insn {
            self.ask_iterator(Family::of(*number), taken)?;
            return Ok(pc.saturating_add(1));
        }
        if let Instruction::Call(_) = insn {
            return if taken { self.enter_callback() } else { Ok(pc.saturating_add(1)) };
        }
        if let Instruction::MayGoto { .. } = insn {
            // The side that waits is the one where a further round is granted.
            self.walker.grants = self.walker.grants.saturating_add(u32::from(taken));
        }
        let taken = taken != matches!(insn, Instruction::MayGoto { .. });
        Ok(side_of(insn, pc, taken))
    }

    /// Notes in the trail which way a jump goes.
    pub(super) fn note_side(&mut self, taken: bool) {
        self.walker.trail = self.walker.trail.wrapping_shl(1) | u64::from(taken);
        if self.walker.trail_len != LOST {
            self.walker.trail_len = self.walker.trail_len.saturating_add(1);
        }
    }

    /// Learns what one side of a comparison says; of numbers, they are known to be these.
    fn learn_side(
        &mut self,
        test: &Test,
        sort: Sort,
        taken: bool,
        known: Option<&(Scalar, Scalar)>,
    ) -> Step {
        match sort {
            Sort::Numbers => {
                if let Some((a, b)) = known {
                    self.learn_numbers(test, taken, *a, *b);
                    if self.differences > 0 {
                        self.learn_apart(test, taken)?;
                    }
                }
            }
            Sort::NullCheck { holds_if_null } => {
                let pointer = if test.a.kind.is_pointer() { test.a } else { test.b };
                self.learn_null(pointer, taken == holds_if_null)?;
            }
            Sort::WithNotNull { holds_if_equal } => {
                let pointer = if test.a.kind.is_nullable() { test.a } else { test.b };
                if taken == holds_if_equal {
                    self.learn_null(pointer, false)?;
                }
            }
            Sort::NotNull { .. } => {}
            Sort::Addresses => self.learn_packet(test.cond, test.width, taken, test.a, test.b),
        }
        Ok(())
    }

    /// The comparison that an instruction makes, if it does. Put into its callers: the result is
    /// large.
    #[inline(always)]
    fn test(&self, insn: &Instruction) -> Step<Option<Test>> {
        let Instruction::JumpIf { cond, width, dst, src, .. } = *insn else { return Ok(None) };
        let a = self.read(dst)?;
        let b = self.operand(src, width.bits())?;
        Ok(Some(Test { cond, width, dst, src, a, b }))
    }

    fn check_comparison(&self, test: &Test) -> Step {
        let packet = test.a.kind.is_packet() && test.b.kind.is_packet();
        if !self.guards_addresses() || packet {
            return Ok(());
        }
        let reg = match test.src {
            Operand::Reg(src) if !test.a.kind.is_pointer() => src,
            _ => test.dst,
        };
        reject(VerifyErrorKind::PointerLeak { reg, into: Sink::Comparison })
    }

    /// Both operands are numbers, and now known to be these.
    ///
    /// Where the comparison alone says which number one of them is, that rests on the other
    /// one, and on nothing that was known before: a state in which it was another comes to
    /// the other side. But whoever goes by its name rests on where it has that from; so it
    /// has none any more, unless a loop counts by that.
    fn learn_numbers(&mut self, test: &Test, taken: bool, a: Scalar, b: Scalar) {
        let deps = test.a.deps | test.b.deps;
        let counted = self.counted_ids();
        let nameless = |value: &Value| value.id == 0 || value.id > counted;
        self.learn_number(test.dst, test.a, a, deps);
        if nameless(&test.a) && test.tells_first(taken, a) {
            self.state.set_reg(test.dst, Value { deps: test.b.deps, ..Value::scalar(a) });
        }
        match test.src {
            Operand::Reg(src) if src != test.dst => {
                self.learn_number(src, test.b, b, deps);
                if nameless(&test.b) && test.tells_second(taken, b) {
                    self.state.set_reg(src, Value { deps: test.a.deps, ..Value::scalar(b) });
                }
            }
            _ => {}
        }
        // No operand was known to be greater than what it is part of.
        let less = |now: &Scalar, before: &Scalar| {
            now.umax() < before.umax() || now.half().umax < before.half().umax
        };
        if less(&a, &test.a.number) {
            self.learn_operands(test.dst, &a, deps);
        }
        if let Operand::Reg(src) = test.src
            && less(&b, &test.b.number)
        {
            self.learn_operands(src, &b, deps);
        }
    }

    /// How far two numbers are apart is known better now, if it was, and what each of them is, by
    /// the other.
    fn learn_apart(&mut self, test: &Test, taken: bool) -> Step {
        let Operand::Reg(src) = test.src else { return Ok(()) };
        let Some(apart) = self.said_apart(test.cond, test.width, &test.a, &test.b) else {
            return self.say_apart((test.cond, test.width), (&test.a, &test.b), taken);
        };
        let Some(number) = apart.side(taken) else { return Ok(()) };
        let deps = test.a.deps | test.b.deps;
        self.state.set_difference(&mut self.arena, &apart.said, number, deps);
        let deps = deps | apart.said.deps;
        let (a, b) = (self.state.reg(test.dst), self.state.reg(src));
        let greater = alu(AluOp::Add, Width::W64, b.number, number);
        if let Some(both) = a.number.meet(greater) {
            self.learn_number(test.dst, a, both, deps);
        }
        let less = alu(AluOp::Sub, Width::W64, a.number, number);
        if let Some(both) = b.number.meet(less) {
            self.learn_number(src, b, both, deps);
        }
        Ok(())
    }

    /// A register's number is now known to be `number`, and so are its copies.
    pub(super) fn learn_number(
        &mut self,
        register: Register,
        before: Value,
        number: Scalar,
        deps: u64,
    ) {
        if before.number == number {
            return;
        }
        let value = Value { number, deps, ..before };
        self.state.set_reg(register, value);
        let bits = before.same_bits();
        if bits > 0 {
            let mut pointers = false;
            self.state.for_each_named(&mut self.arena, before.id, |copy| {
                let both = if copy.is_scalar() { bits.min(copy.same_bits()) } else { bits };
                if both < 64 {
                    let learned = learn_low_bits(copy, &before, number, both);
                    copy.deps |= if learned { deps } else { 0 };
                    return learned;
                }
                let linked = copy.is_scalar() && copy.range == 0;
                // In a loop, the unknown part of an offset may be a number, too.
                let offset = copy.names_offset();
                if linked || offset {
                    learn_sum(copy, &before, number);
                    copy.deps |= deps;
                }
                pointers |= offset;
                linked || offset
            });
            if pointers {
                self.mark_precise(deps);
            }
            if self.walker.active.0 != NONE {
                self.learn_linear(before.id);
            }
        }
    }

    /// An address that may be null is now known to be, or not to be.
    fn learn_null(&mut self, pointer: Value, null: bool) -> Step {
        let (kind, id) = (pointer.kind, pointer.id);
        let Some(known) = kind.not_null() else { return Ok(()) };
        self.state.for_each_named(&mut self.arena, id, |value| {
            let same = value.kind == kind;
            if same && null {
                *value = Value::scalar(Scalar::constant(0));
            } else if same {
                value.kind = known;
                if known == Kind::MapValue {
                    value.id = 0;
                }
            }
            same
        });
        let acquired = kind.is_socket() && pointer.holder() == id;
        if null && (kind == Kind::ReservedOrNull || acquired) {
            self.state.release(&mut self.arena, id)?;
        }
        Ok(())
    }
}

/// `copy` is `known` but for what was added to either, and that is `number` now.
fn learn_sum(copy: &mut Value, known: &Value, number: Scalar) {
    let off = if copy.is_scalar() { copy.off } else { 0 };
    let more = i64::from(off).wrapping_sub(known.off.into());
    let number = match more {
        0 => number,
        _ => alu(AluOp::Add, Width::W64, number, Scalar::signed_constant(more)),
    };
    // What the copy was known to be is as true; where both exclude each other,
    // no execution comes here.
    if let Some(both) = number.meet(copy.number) {
        copy.number = both;
    }
}

/// The same where both are that modulo 2 to the power of `bits` alone. Whether `copy` is
/// another now.
///
/// With `n` for the number that both name, each has the low bits of `n` and its own offset. So
/// those of `copy` are those of `known` and the difference of the offsets. Of what either has
/// besides, that says nothing; but where `copy` lies between two numbers, it lies between the first
/// and the last there of such low bits.
#[inline(never)]
fn learn_low_bits(copy: &mut Value, known: &Value, number: Scalar, bits: u32) -> bool {
    if !copy.is_scalar() || !(1..64).contains(&bits) {
        return false;
    }
    let more = i64::from(copy.off).wrapping_sub(known.off.into());
    let learned = if bits == 32 && copy.number.umax() <= u32::MAX.into() {
        // There is no other half.
        let low = alu(AluOp::Add, Width::W32, number, Scalar::signed_constant(more));
        low.meet(copy.number)
    } else {
        within_low_bits(copy.number, &number, more, bits)
    };
    match learned {
        Some(both) if both != copy.number => {
            copy.number = both;
            true
        }
        _ => false,
    }
}

/// What is left of `number`, the low `bits` of which are those of `known` and so much `more`.
fn within_low_bits(number: Scalar, known: &Scalar, more: i64, bits: u32) -> Option<Scalar> {
    let (full, half) = (known.full(), known.half());
    let mask = 1_u64.wrapping_shl(bits).wrapping_sub(1);
    let signed = |range: &Range| (range.smin.cast_unsigned(), range.smax.cast_unsigned());
    // The low half is all that matters, if there are no more bits.
    let halves = [(half.umin, half.umax), signed(half)].into_iter().filter(|_| bits <= 32);
    let ends = [(full.umin, full.umax), signed(full)].into_iter().chain(halves);
    let ends = ends.map(|(least, most)| (least, most.wrapping_sub(least)));
    let (least, width) = ends.min_by_key(|(_, width)| *width).filter(|(_, width)| *width < mask)?;
    let least = least.wrapping_add_signed(more);
    // How far from the first of such low bits on `at` lies, and how far behind the last.
    let behind = |at: u64| at.wrapping_sub(least) & mask;
    let up = |at: u64| {
        if behind(at) > width { mask.wrapping_sub(behind(at)).wrapping_add(1) } else { 0 }
    };
    let down = |at: u64| behind(at).saturating_sub(width);
    let own = number.full();
    let low = own.umin.checked_add(up(own.umin))?;
    let high = own.umax.checked_sub(down(own.umax))?;
    let least = own.smin.checked_add_unsigned(up(own.smin.cast_unsigned()))?;
    let most = own.smax.checked_sub_unsigned(down(own.smax.cast_unsigned()))?;
    let unsigned = (low <= high).then(|| Scalar::between(low, high))?;
    let signed = (least <= most).then(|| Scalar::signed_between(least, most))?;
    number.meet(unsigned)?.meet(signed)
}

impl Explorer<'_> {
    fn sort(&self, test: &Test) -> Sort {
        let (a, b) = (&test.a, &test.b);
        if a.is_scalar() && b.is_scalar() {
            return Sort::Numbers;
        }
        let holds_if_equal = match (test.cond, test.width) {
            (Cond::Eq, Width::W64) => true,
            (Cond::Ne, Width::W64) => false,
            _ => return Sort::Addresses,
        };
        let pointer = match (a.as_constant(), b.as_constant()) {
            (Some(0), _) => b,
            (_, Some(0)) => a,
            _ if a.kind.is_nullable() && self.is_never_null(b)
                || b.kind.is_nullable() && self.is_never_null(a) =>
            {
                return Sort::WithNotNull { holds_if_equal };
            }
            _ => return Sort::Addresses,
        };
        // Those who may not see addresses may not look for the stack's.
        let hidden = pointer.kind == Kind::Stack && self.guards_addresses();
        if pointer.kind.is_nullable() {
            Sort::NullCheck { holds_if_null: holds_if_equal }
        } else if self.is_never_null(pointer) && !hidden {
            Sort::NotNull { holds_if_null: holds_if_equal }
        } else {
            Sort::Addresses
        }
    }

    /// Whether an address points to an object or right behind one, so that it
    /// cannot be null.
    fn is_never_null(&self, value: &Value) -> bool {
        let (min, max) = (value.min_offset(), value.max_offset());
        let size = match value.kind {
            Kind::Stack => {
                let first = i64::from(self.state.frame_bytes).saturating_neg();
                return first <= min && max <= 0;
            }
            Kind::MapValue => self.map_def(value.index).map_or(0, |def| def.value_size),
            Kind::Reserved | Kind::Memory | Kind::Given | Kind::Slice => value.range.unsigned_abs(),
            Kind::Map | Kind::XdpSocket | Kind::FlowKeys | Kind::GivenDynptr => 0,
            kind if kind.is_socket() && !kind.is_nullable() => 0,
            Kind::MapKey => Self::shown_key(self.map_def(value.index)),
            _ => return false,
        };
        0 <= min && max <= size.into()
    }
}

#[cfg(test)]
mod tests {
    use super::within_low_bits;
    use crate::domain::Scalar;

    /// Beside all numbers of small ranges: none is lost, and of numbers that are not below zero,
    /// the ends of what is left are such numbers.
    #[test]
    fn low_bits_leave_the_numbers_that_have_them() {
        let mut left = 0;
        for bits in [1, 3, 4] {
            let all = 1_i64 << bits;
            let ranges = |from: i64, to: i64| {
                (from..=to).flat_map(move |least| (least..=to).map(move |most| (least, most)))
            };
            for ((least, most), (from, to)) in
                ranges(-9, 21).flat_map(|own| ranges(-8, 9).map(move |known| (own, known)))
            {
                let number = Scalar::signed_between(least, most);
                let known = Scalar::signed_between(from, to);
                for more in [-5, 0, 3] {
                    let has = |n: &i64| (from..=to).any(|k| (n - k - more).rem_euclid(all) == 0);
                    let mut those = (least..=most).filter(has);
                    let Some(out) = within_low_bits(number, &known, more, bits) else { continue };
                    assert!(number.covers(&out));
                    assert!(those.clone().all(|n| out.contains(n.cast_unsigned())));
                    if least >= 0
                        && let Some(first) = those.next()
                    {
                        let last = those.next_back().unwrap_or(first);
                        assert_eq!((out.smin(), out.smax()), (first, last), "{number:?} {known:?}");
                        left += 1;
                    }
                }
            }
        }
        assert!(left > 10_000, "{left}");
    }
}
