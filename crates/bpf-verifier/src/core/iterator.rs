//! Open-coded iterators: `bpf_iter_num_new`, `bpf_iter_num_next`,
//! `bpf_iter_num_destroy`, and the same of `bpf_iter_bits`.
//!
//! An iterator is eight bytes on the stack, or twice as many. It counts as a reference until it is
//! destroyed; whoever writes over it loses it, and so cannot end the program.
//! The call that asks for the next number is the head of a loop: where the walk
//! comes to it with the same iterator again, another number was given in between.
//!
//! What it gives lies where it begins or behind, and before its end, as they were known
//! when it was made: so says the number of its slot, and so does a load of what was given.
//! Where it has nothing more to give, what was given before becomes 0.

use bpf_bytecode::Register;
use bpf_bytecode::abi::kfunc::{
    ITER_BITS_BYTES, ITER_BITS_WORDS, ITER_NUM_BYTES, Kfunc, KfuncName,
};
use bpf_bytecode::instruction::Instruction;

use super::memory::Span;
use super::{Explorer, Flow, Step, reject};
use crate::cfg::slot_number;
use crate::domain::Scalar;
use crate::error::{Access, Feature, VerifyErrorKind};
use crate::state::cells::Cell;
use crate::state::{Kind, NOTHING_GIVEN, OVER, Value};

/// What an iterator gives. This is the index of the iterator's first slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Numbers in order.
    Numbers = 0,
    /// The places of bits that are set.
    Bits = 1,
}

/// The index of an iterator's further slots.
const REST: u32 = 2;
/// Bytes of a slot.
const SLOT: u32 = 8;

impl Family {
    /// That of a kernel function.
    pub fn of(number: i32) -> Self {
        match Kfunc::from_number(number) {
            Some(Kfunc::IterBitsNew | Kfunc::IterBitsNext | Kfunc::IterBitsDestroy) => Self::Bits,
            _ => Self::Numbers,
        }
    }

    const fn bytes(self) -> u32 {
        match self {
            Self::Numbers => ITER_NUM_BYTES,
            Self::Bits => ITER_BITS_BYTES,
        }
    }
}

/// Whether the kernel function of this number asks an iterator.
pub(crate) fn asks(number: i32) -> bool {
    [Kfunc::IterNumNext, Kfunc::IterBitsNext].iter().any(|kfunc| kfunc.number() == number)
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
        let family = Family::of(number);
        match kfunc {
            Kfunc::IterNumNew | Kfunc::IterBitsNew => self.new_iterator(family)?,
            Kfunc::IterNumNext | Kfunc::IterBitsNext => {
                let iterator = self.iterator(family)?;
                if iterator.value.range.unsigned_abs() < iterator.value.gives() {
                    self.fork(insn)?;
                }
                return Ok(Flow::To(self.take_side(insn, false)?));
            }
            Kfunc::IterNumDestroy | Kfunc::IterBitsDestroy => self.destroy_iterator(family)?,
            Kfunc::Throw => return self.throw(),
            Kfunc::DynptrFromSkb
            | Kfunc::DynptrFromXdp
            | Kfunc::DynptrSlice
            | Kfunc::DynptrSliceRdwr
            | Kfunc::DynptrAdjust
            | Kfunc::DynptrIsNull
            | Kfunc::DynptrIsRdonly
            | Kfunc::DynptrSize
            | Kfunc::DynptrClone => self.dynptr_kfunc(kfunc)?,
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
    fn iterator_place(&mut self, family: Family) -> Step<u32> {
        let (reg, base) = (Register::R1, self.read(Register::R1)?);
        if base.kind != Kind::Stack {
            return reject(VerifyErrorKind::NoIterator { reg, found: base.kind });
        }
        let (size, access) = (SLOT, Access::Write);
        let span = Span { reg, base, off: 0, size, access };
        Self::check_alignment(&span)?;
        let room = self.stack_room(&Span { size: family.bytes(), ..span })?;
        if !room.exact {
            return reject(VerifyErrorKind::NoIterator { reg, found: base.kind });
        }
        Ok(room.addr)
    }

    /// The cell of the iterator that R1 points to.
    fn iterator(&mut self, family: Family) -> Step<Cell> {
        let addr = self.iterator_place(family)?;
        let none = VerifyErrorKind::NoIterator { reg: Register::R1, found: Kind::Stack };
        let Some(first) = self.slot(addr, family as u32) else { return reject(none) };
        self.mark_read(first.live);
        for off in (SLOT..family.bytes()).step_by(SLOT as usize) {
            // All of it must be what was made.
            match self.slot(addr.saturating_add(off), REST) {
                Some(rest) if rest.value.id == first.value.id => self.mark_read(rest.live),
                _ => return reject(none),
            }
        }
        Ok(first)
    }

    /// A slot of an iterator.
    fn slot(&self, addr: u32, index: u32) -> Option<Cell> {
        let (_, cell) = self.state.cells.at_addr(&self.arena, addr)?;
        (cell.value.kind == Kind::Iterator && cell.value.index == index).then_some(cell)
    }

    /// The iterator that the call at the current instruction asks, if it does.
    pub(super) fn asked_iterator(&self) -> Option<Value> {
        let base = self.state.reg(Register::R1);
        let off = base.known_offset().filter(|_| base.kind == Kind::Stack)?;
        let addr = self.state.stack_addr(base.index, off)?;
        let (_, cell) = self.state.cells.at_addr(&self.arena, addr)?;
        (cell.value.kind == Kind::Iterator && cell.value.index != REST).then_some(cell.value)
    }

    fn new_iterator(&mut self, family: Family) -> Step {
        let addr = self.iterator_place(family)?;
        let slots = (0..family.bytes()).step_by(SLOT as usize);
        for off in slots.clone() {
            let held = self.state.cells.at_addr(&self.arena, addr.saturating_add(off));
            if held.is_some_and(|(_, cell)| cell.value.kind == Kind::Iterator) {
                let (reg, found) = (Register::R1, Kind::Iterator);
                return reject(VerifyErrorKind::NoIterator { reg, found });
            }
        }
        self.end_dynptrs(addr, family.bytes());
        // Where it begins at the least, and ends at the most.
        let (start, end) = match family {
            Family::Numbers => {
                let start = self.iterator_bound(Register::R2)?.half().smin;
                (start, self.iterator_bound(Register::R3)?.half().smax)
            }
            Family::Bits => {
                // Words that cannot be read count as none; they are the kernel's matter.
                let words = self.iterator_bound(Register::R3)?.half().umax;
                let bits = words.min(ITER_BITS_WORDS.into()).saturating_mul(64);
                (0, i64::try_from(bits).unwrap_or(i64::MAX))
            }
        };
        let id = self.fresh_id();
        self.state.acquire(&mut self.arena, id, slot_number(self.walker.pc))?;
        let mut first = Value::pointer(Kind::Iterator, family as u32, id);
        if start < end {
            first.number = Scalar::signed_between(start, end.saturating_sub(1));
        } else {
            first.off = NOTHING_GIVEN;
        }
        for (off, value) in slots.zip([first, Value::pointer(Kind::Iterator, REST, id)]) {
            self.state.write_stack(&mut self.arena, addr.saturating_add(off), SLOT, value)?;
        }
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
    pub(super) fn ask_iterator(&mut self, family: Family, given: bool) -> Step {
        let cell = self.iterator(family)?;
        let value = cell.value;
        let result = if given {
            let asked = Value { range: value.range.saturating_add(1), ..value };
            self.state.write_stack(&mut self.arena, cell.addr, SLOT, asked)?;
            Value { range: 4, ..Value::pointer(Kind::Memory, 0, value.id) }
        } else {
            self.state.for_each_named(&mut self.arena, value.id, |given| {
                let found = given.kind == Kind::Memory;
                given.index = if found { OVER } else { given.index };
                found
            });
            Value::scalar(Scalar::constant(0))
        };
        self.clear_arguments();
        self.write(Register::R0, result)
    }

    /// The number that an access reads, where it was given by an iterator: it lies within
    /// what that one gives, as long as it has more to give and nothing was written over it.
    pub(super) fn given_number(&mut self, span: &Span) -> Option<Scalar> {
        let at = |off: i64| (span.min(), span.max()) == (off, off);
        if span.base.kind != Kind::Memory || span.base.index == OVER || span.size != 4 || !at(0) {
            return None;
        }
        let id = span.base.id;
        let named = |index: &u32| self.state.cells.id(&self.arena, *index) == id;
        let cells = (0..self.state.cells.len()).filter(named);
        let mut cells = cells.filter_map(|index| self.state.cells.get(&self.arena, index));
        let iterator = |cell: &Cell| cell.value.kind == Kind::Iterator && cell.value.index != REST;
        let found = cells.find(iterator)?;
        self.mark_read(found.live);
        Some(found.value.number.low_half())
    }

    fn destroy_iterator(&mut self, family: Family) -> Step {
        let cell = self.iterator(family)?;
        self.release(cell.value.id)?;
        self.state.fill_stack(&mut self.arena, cell.addr, family.bytes())?;
        self.clear_arguments();
        // Nothing is left in R0.
        self.write(Register::R0, Value::NOT_INIT)
    }
}
