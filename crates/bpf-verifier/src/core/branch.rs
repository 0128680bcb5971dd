//! Conditional jumps.

use bpf_bytecode::Register;
use bpf_bytecode::instruction::{CallTarget, Instruction, Operand, jump_target};
use bpf_bytecode::opcode::{AluOp, Cond, Width};

use super::ends::may_end_function;
use super::iterator::Family;
use super::packet::decided_by_end;
use super::{Explorer, Flow, LOST, Step, reject};
use crate::domain::{Outcome, Scalar, alu, compare, one_side};
use crate::error::{Sink, VerifyErrorKind};
use crate::state::{Kind, Value, WRAPPED};

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
    fn compare(&self) -> Outcome {
        compare(self.cond, self.width, self.a.number, self.b.number)
    }

    fn one_side(&self, holds: bool) -> Option<(Scalar, Scalar)> {
        one_side(holds, self.cond, self.width, self.a.number, self.b.number)
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
        let mut outcome = None;
        let (holds, fails) = match sort {
            Sort::Numbers => {
                self.note_threshold(&test.a, test.width, &test.b.number);
                self.note_threshold(&test.b, test.width, &test.a.number);
                let Outcome { holds, fails } = outcome.insert(test.compare());
                // Where neither is possible, no execution comes here at all.
                let neither = holds.is_none() && fails.is_none();
                (neither || holds.is_some(), neither || fails.is_some())
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
            self.fork()?;
        } else {
            self.mark_precise(test.a.deps | test.b.deps);
        }
        if matches!(sort, Sort::NullCheck { .. } | Sort::NotNull { .. }) {
            // That the other operand is null was decided on its number.
            let number = if test.a.is_scalar() { test.a } else { test.b };
            self.mark_precise(number.deps);
        }
        // Nothing was changed since the operands were read.
        let (pc, taken) = (self.walker.pc, !fails);
        self.note_side(taken);
        let known = outcome.as_ref().and_then(|of| of.fails.as_ref().or(of.holds.as_ref()));
        self.learn_side(&test, sort, taken, known)?;
        Ok(Flow::To(side_of(insn, pc, taken)))
    }

    /// The jump of a `may_goto` is taken where the allowance is used up, which
    /// can be at any time. What follows then is walked first: what it decides on
    /// must not be forgotten from round to round.
    pub(super) fn may_goto(&mut self, insn: &Instruction) -> Step<Flow> {
        self.fork()?;
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
    fn note_side(&mut self, taken: bool) {
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
                    self.learn_numbers(test, *a, *b);
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
    fn learn_numbers(&mut self, test: &Test, a: Scalar, b: Scalar) {
        let deps = test.a.deps | test.b.deps;
        self.learn_number(test.dst, test.a, a, deps);
        match test.src {
            Operand::Reg(src) if src != test.dst => self.learn_number(src, test.b, b, deps),
            _ => {}
        }
    }

    /// A register's number is now known to be `number`, and so are its copies.
    fn learn_number(&mut self, register: Register, before: Value, number: Scalar, deps: u64) {
        if before.number == number {
            return;
        }
        let value = Value { number, deps, ..before };
        self.state.set_reg(register, value);
        if before.id != 0 && matches!(before.range, 0 | WRAPPED) {
            let mut pointers = false;
            self.state.for_each_named(&mut self.arena, before.id, |copy| {
                if before.range == WRAPPED || (copy.is_scalar() && copy.range == WRAPPED) {
                    let learned = learn_low_half(copy, &before, number);
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

/// The same where one of both, or each, is that modulo 2^32. Whether `copy` is another now.
///
/// With `n` for the number that both name, each has the low half of `n` and its own offset,
/// wrapped or not. So the low half of `copy` is that of `known` and the difference of the
/// offsets, modulo 2^32, and where `copy` has no other half, that is all of it. That a sum
/// wraps, or may, is a matter of the 32-bit addition of sets. Of a half that `known` may
/// have besides, it says nothing.
fn learn_low_half(copy: &mut Value, known: &Value, number: Scalar) -> bool {
    let whole = copy.number.umax() <= u32::MAX.into();
    if !copy.is_scalar() || !matches!(copy.range, 0 | WRAPPED) || !whole {
        return false;
    }
    let more = i64::from(copy.off).wrapping_sub(known.off.into());
    let low = alu(AluOp::Add, Width::W32, number, Scalar::signed_constant(more));
    match low.meet(copy.number) {
        Some(both) if both != copy.number => {
            copy.number = both;
            true
        }
        _ => false,
    }
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
            Kind::Map | Kind::XdpSocket | Kind::FlowKeys => 0,
            kind if kind.is_socket() && !kind.is_nullable() => 0,
            Kind::MapKey => Self::shown_key(self.map_def(value.index)),
            _ => return false,
        };
        0 <= min && max <= size.into()
    }
}
