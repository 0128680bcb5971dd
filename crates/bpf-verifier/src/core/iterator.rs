//! Open-coded iterators: `bpf_iter_num_new`, `bpf_iter_num_next`,
//! `bpf_iter_num_destroy`.
//!
//! An iterator is eight bytes on the stack. It counts as a reference until it is
//! destroyed; whoever writes over it loses it, and so cannot end the program.
//! The call that asks for the next number is the head of a loop: where the walk
//! comes to it with the same iterator again, another number was given in between.

use bpf_bytecode::Register;
use bpf_bytecode::abi::kfunc::{ITER_NUM_BYTES, ITER_NUM_MOST, Kfunc, KfuncName};
use bpf_bytecode::instruction::Instruction;

use super::memory::Span;
use super::{Explorer, Flow, Step, reject};
use crate::cfg::slot_number;
use crate::domain::Scalar;
use crate::error::{Access, Feature, VerifyErrorKind};
use crate::state::cells::Cell;
use crate::state::{Kind, Value};

/// Whether the kernel function of this number asks an iterator.
pub(crate) fn asks(number: i32) -> bool {
    number == Kfunc::IterNumNext.number()
}

impl Explorer<'_> {
    /// A call of a kernel function.
    pub(super) fn call_kfunc(&mut self, insn: &Instruction, number: i32) -> Step<Flow> {
        let found = Kfunc::from_number(number);
        let here = |kfunc: &Kfunc| kfunc.is_here() || self.rules.helpers.is_foreign();
        let Some(kfunc) = found.filter(here) else {
            let unknown = self.unknown.iter().find(|unknown| unknown.number == number);
            let name = found.map(|kfunc| KfuncName::new(kfunc.name()));
            let name = name.or(unknown.map(|unknown| unknown.name)).unwrap_or_default();
            return reject(VerifyErrorKind::Unsupported(Feature::KernelFunction(name)));
        };
        self.check_unlocked()?;
        match kfunc {
            Kfunc::IterNumNew => self.new_iterator()?,
            Kfunc::IterNumNext => {
                let iterator = self.iterator()?;
                if u64::from(iterator.value.range.unsigned_abs()) < iterator.value.number.umax() {
                    self.fork()?;
                }
                return Ok(Flow::To(self.take_side(insn, false)?));
            }
            Kfunc::IterNumDestroy => self.destroy_iterator()?,
            Kfunc::PreemptDisable
            | Kfunc::PreemptEnable
            | Kfunc::RcuReadLock
            | Kfunc::RcuReadUnlock => {
                self.section(kfunc)?;
                self.clear_arguments();
                self.write(Register::R0, Value::NOT_INIT)?;
            }
        }
        Ok(Flow::To(self.walker.pc.saturating_add(1)))
    }

    /// The place on the stack that R1 points to, of an iterator's size.
    fn iterator_place(&mut self) -> Step<u32> {
        let (reg, base) = (Register::R1, self.read(Register::R1)?);
        if base.kind != Kind::Stack {
            return reject(VerifyErrorKind::NoIterator { reg, found: base.kind });
        }
        let (size, access) = (ITER_NUM_BYTES, Access::Write);
        let span = Span { reg, base, off: 0, size, access };
        Self::check_alignment(&span)?;
        let room = self.stack_room(&span)?;
        if !room.exact {
            return reject(VerifyErrorKind::NoIterator { reg, found: base.kind });
        }
        Ok(room.addr)
    }

    /// The cell of the iterator that R1 points to.
    fn iterator(&mut self) -> Step<Cell> {
        let addr = self.iterator_place()?;
        match self.state.cells.at_addr(&self.arena, addr) {
            Some((_, cell)) if cell.value.kind == Kind::Iterator => {
                self.mark_read(cell.live);
                Ok(cell)
            }
            _ => reject(VerifyErrorKind::NoIterator { reg: Register::R1, found: Kind::Stack }),
        }
    }

    /// The iterator that the call at the current instruction asks, if it does.
    pub(super) fn asked_iterator(&self) -> Option<Value> {
        let base = self.state.reg(Register::R1);
        let off = base.known_offset().filter(|_| base.kind == Kind::Stack)?;
        let addr = self.state.stack_addr(base.index, off)?;
        let (_, cell) = self.state.cells.at_addr(&self.arena, addr)?;
        (cell.value.kind == Kind::Iterator).then_some(cell.value)
    }

    fn new_iterator(&mut self) -> Step {
        let addr = self.iterator_place()?;
        let held = self.state.cells.at_addr(&self.arena, addr);
        if held.is_some_and(|(_, cell)| cell.value.kind == Kind::Iterator) {
            return reject(VerifyErrorKind::NoIterator {
                reg: Register::R1,
                found: Kind::Iterator,
            });
        }
        let start = self.iterator_bound(Register::R2)?.half().smin;
        let end = self.iterator_bound(Register::R3)?.half().smax;
        let most = end.saturating_sub(start).clamp(0, ITER_NUM_MOST.into());
        let id = self.fresh_id();
        self.state.acquire(&mut self.arena, id, slot_number(self.walker.pc))?;
        let number = Scalar::constant(most.unsigned_abs());
        let iterator = Value { number, ..Value::pointer(Kind::Iterator, 0, id) };
        self.state.write_stack(&mut self.arena, addr, ITER_NUM_BYTES, iterator)?;
        self.clear_arguments();
        self.write(Register::R0, Value::UNKNOWN)
    }

    /// A number that an iterator begins or ends at.
    fn iterator_bound(&mut self, reg: Register) -> Step<Scalar> {
        let value = self.read(reg)?;
        if !value.is_scalar() {
            return reject(VerifyErrorKind::NotANumber { reg, found: value.kind });
        }
        self.mark_precise(value.deps);
        Ok(value.number)
    }

    /// One side of asking: another number is given, or there is none.
    pub(super) fn ask_iterator(&mut self, given: bool) -> Step {
        let cell = self.iterator()?;
        let value = cell.value;
        let result = if given {
            let asked = Value { range: value.range.saturating_add(1), ..value };
            self.state.write_stack(&mut self.arena, cell.addr, ITER_NUM_BYTES, asked)?;
            Value { range: 4, ..Value::pointer(Kind::Memory, 0, value.id) }
        } else {
            Value::scalar(Scalar::constant(0))
        };
        self.clear_arguments();
        self.write(Register::R0, result)
    }

    fn destroy_iterator(&mut self) -> Step {
        let cell = self.iterator()?;
        self.release(cell.value.id)?;
        self.state.fill_stack(&mut self.arena, cell.addr, ITER_NUM_BYTES)?;
        self.clear_arguments();
        // Nothing is left in R0.
        self.write(Register::R0, Value::NOT_INIT)
    }
}
