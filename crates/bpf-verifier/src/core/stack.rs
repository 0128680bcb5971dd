//! Access to the stack.

use bpf_bytecode::Register;
use bpf_bytecode::instruction::{Instruction, Operand};
use bpf_bytecode::opcode::Size;

use super::memory::Span;
use super::{Explorer, Step, reject};
use crate::domain::Scalar;
use crate::error::{Access, Sink, VerifyErrorKind};
use crate::rules::Privilege;
use crate::state::Value;
use crate::state::stack::{StackFault, StackRun, fits};
use crate::verified::InsnFact;

/// Bytes of a frame that may be accessed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Address of the lowest one.
    pub addr: u32,
    /// Bytes from there to the highest one.
    pub len: u32,
    /// Whether the access is exactly to these.
    pub exact: bool,
}

impl Explorer<'_> {
    /// Proves that a stack access stays inside of its frame, and notes how deep
    /// it reaches.
    pub(super) fn stack_room(&mut self, span: &Span) -> Step<Room> {
        let (min, max) = (span.min(), span.max());
        let end = max.saturating_add(span.size.into());
        let limit = self.state.frame_bytes;
        let frame = span.base.index;
        let ends = (self.state.stack_addr(frame, min), self.state.stack_addr(frame, end));
        let (Some(addr), Some(end)) = ends else {
            let (reg, size) = (span.reg, span.size);
            return reject(VerifyErrorKind::StackOutOfBounds { reg, min, max, size, limit });
        };
        if end < addr || max < min {
            let (reg, size) = (span.reg, span.size);
            return reject(VerifyErrorKind::StackOutOfBounds { reg, min, max, size, limit });
        }
        let depth = u32::try_from(min.unsigned_abs()).unwrap_or(u32::MAX);
        let function = self.function_of_frame(frame);
        self.code.note_depth(&mut self.arena, function, depth);
        Ok(Room { addr, len: end.saturating_sub(addr), exact: min == max })
    }

    /// Loads what a cell of the running frame holds, no more and no less, as code does that was
    /// short of registers. Whether it was that; otherwise nothing was done.
    pub(super) fn load_spilled(&mut self, size: Size, dst: Register, off: i16) -> Step<bool> {
        let (len, depth) = (size.bits() / 8, u32::from(off.unsigned_abs()));
        let aligned = depth & len.saturating_sub(1) == 0;
        if off >= 0 || len > depth || !aligned || self.dynptrs {
            return Ok(false);
        }
        let Some(addr) = self.state.stack_addr(self.state.frame, off.into()) else {
            return Ok(false);
        };
        let index = self.state.cells.find(&self.arena, addr);
        let Some((value, live)) = self.state.cells.whole(&self.arena, index, (addr, len)) else {
            return Ok(false);
        };
        let function = self.function_of_frame(self.state.frame);
        self.code.note_depth(&mut self.arena, function, depth);
        self.note(InsnFact::Stack)?;
        self.mark_read(live);
        let room = Room { addr, len, exact: true };
        let value = self.link_stack(room, len, value)?;
        self.write(dst, value)?;
        Ok(true)
    }

    pub(super) fn load_stack(&mut self, span: &Span) -> Step<Value> {
        let room = self.stack_room(span)?;
        Self::check_alignment(span)?;
        self.note(InsnFact::Stack)?;
        let lent = room.exact && self.reads_lent(room);
        if lent || !room.exact {
            self.check_stack_init(room, span.size)?;
            self.figures.unwritten_reads |= lent;
            return Ok(Value::scalar(Scalar::of_bits(span.size.saturating_mul(8))));
        }
        let value = self.read_room(room, span.size)?;
        self.link_stack(room, span.size, value)
    }

    /// Whether some of these bytes are lent to a slice, by one who may read what was not
    /// written: whatever is there by now, it is taken for a number of which nothing is known.
    fn reads_lent(&self, room: Room) -> bool {
        self.dynptrs
            && self.rules.privilege == Privilege::Privileged
            && self.state.written(&self.arena, room.addr, room.len).lent
    }

    /// What lies in these bytes. Nobody may have an iterator in a register.
    fn read_room(&mut self, room: Room, size: u32) -> Step<Value> {
        match self.state.read_stack(&self.arena, room.addr, size) {
            Ok(read) if read.value.kind.is_opaque() => self.uninit(room.addr, size),
            Ok(read) => {
                self.mark_read(read.live);
                self.figures.unwritten_reads |= read.unwritten;
                Ok(read.value)
            }
            Err(StackFault::Uninit(_)) => self.uninit(room.addr, size),
            Err(StackFault::PartOfPointer) => self.partial(room.addr, size),
        }
    }

    /// A number that fits these bytes, the low ones of where it lies, gets an
    /// identity, which its copy shares.
    fn link_stack(&mut self, room: Room, size: u32, value: Value) -> Step<Value> {
        let named = value.id != 0 && value.range == 0;
        if !value.is_scalar() || named || value.number.as_constant().is_some() {
            return Ok(value);
        }
        let index = self.state.cells.find(&self.arena, room.addr);
        let Some(mut cell) = self.state.cells.get(&self.arena, index) else { return Ok(value) };
        if cell.addr == room.addr
            && cell.value.is_scalar()
            && cell.value.number == value.number
            && (cell.len == size || (cell.len < 8 && fits(&value, size)))
        {
            (cell.value.id, cell.value.off, cell.value.range) = (self.fresh_id(), 0, 0);
            self.state.cells.set(&mut self.arena, index, &cell);
            return Ok(cell.value);
        }
        let inside = cell.addr <= room.addr && room.addr.saturating_add(size) <= cell.end();
        if inside && cell.len > 8 && cell.value.is_scalar() && self.is_decided_on() {
            let named = Value { id: self.fresh_id(), ..value };
            self.charge_cells(u32::MAX);
            self.make_room_for_cells();
            self.state.name_stack(&mut self.arena, room.addr, size, named)?;
            return Ok(named);
        }
        Ok(value)
    }

    /// Whether what the instruction loads is decided on by the next one, and still there behind
    /// a call: who loads it again then will rest on that. By itself every part of what is not
    /// known makes states larger.
    fn is_decided_on(&self) -> bool {
        let pc = self.walker.pc;
        let behind = pc.saturating_add(1);
        // Mostly their registers say that it is not.
        let register = |pc: usize| self.code.insns.get(pc).map(|insn| insn.dst());
        let kept = |register: u8| register >= Register::R6.number();
        if register(pc) != register(behind) || !register(pc).is_some_and(kept) {
            return false;
        }
        let (here, next) = (self.code.insn(pc), self.code.insn(behind));
        match (here, next) {
            (Ok(Instruction::Load { dst, .. }), Ok(Instruction::JumpIf { dst: decided, .. })) => {
                dst == decided && dst >= Register::R6
            }
            _ => false,
        }
    }

    pub(super) fn store_stack(&mut self, span: &Span, value: Value, src: Operand) -> Step {
        let room = self.stack_room(span)?;
        Self::check_alignment(span)?;
        self.note(InsnFact::Stack)?;
        self.make_room_for_cells();
        if value.kind.is_pointer() {
            if span.size != 8 {
                return self.partial(room.addr, span.size);
            }
            if value.kind == crate::state::Kind::Stack && value.index > span.base.index {
                return reject(VerifyErrorKind::StackPointerEscapes);
            }
        }
        if self.guards_addresses() {
            self.guard_overwrite(room, span.size)?;
        }
        self.end_dynptrs(room.addr, room.len);
        if room.exact {
            let mut value = value;
            if let Operand::Reg(register) = src
                && fits(&value, span.size)
            {
                value = self.linked(register, value);
            }
            self.state.write_stack(&mut self.arena, room.addr, span.size, value)?;
            return Ok(());
        }
        // One place of several: what lies there now is a number, or was not
        // written at all.
        if let Operand::Reg(reg) = src
            && value.kind.is_pointer()
            && self.guards_addresses()
        {
            let into = Sink::Memory(span.base.kind);
            return reject(VerifyErrorKind::PointerLeak { reg, into });
        }
        let zero = (value.as_constant() == Some(0)).then_some(value.deps);
        self.state.blur_stack(&mut self.arena, room.addr, room.len, zero)?;
        Ok(())
    }

    /// An atomic operation leaves an unknown number; gives what was there before.
    pub(super) fn atomic_stack(&mut self, span: &Span) -> Step<Value> {
        let room = self.stack_room(span)?;
        self.note(InsnFact::Stack)?;
        self.end_dynptrs(room.addr, room.len);
        if !room.exact {
            self.check_stack_init(room, span.size)?;
            self.state.blur_stack(&mut self.arena, room.addr, room.len, None)?;
            return Ok(Value::scalar(Scalar::of_bits(span.size.saturating_mul(8))));
        }
        let old = self.read_room(room, span.size)?;
        if old.kind.is_pointer() && self.guards_addresses() {
            // It would become a number.
            return self.partial(room.addr, span.size);
        }
        self.state.fill_stack(&mut self.arena, room.addr, span.size)?;
        let Value { number, deps, .. } = old;
        Ok(if old.is_scalar() { Value { deps, ..Value::scalar(number) } } else { old })
    }

    /// Requires bytes that may be read; where addresses are guarded, no pointer
    /// among them.
    fn check_stack_init(&mut self, room: Room, size: u32) -> Step {
        self.charge_cells(room.len);
        match self.state.check_init(&self.arena, room.addr, room.len) {
            Ok(run) => {
                self.mark_run(run);
                if run.pointer && self.guards_addresses() {
                    return self.partial(room.addr, size);
                }
                Ok(())
            }
            Err(addr) => self.uninit(addr, size),
        }
    }

    /// Bytes are read.
    fn mark_run(&mut self, run: StackRun) {
        self.mark_read(run.live);
        self.figures.unwritten_reads |= run.unwritten;
    }

    /// Those who may not see addresses may not overwrite part of one either.
    fn guard_overwrite(&mut self, room: Room, size: u32) -> Step {
        let run = self.state.written(&self.arena, room.addr, room.len);
        self.mark_read(run.live);
        if run.pointer && !(room.exact && size == 8) {
            return self.partial(room.addr, size);
        }
        Ok(())
    }

    /// Memory on the stack that someone else reads or fills: `into` whom it goes.
    pub(super) fn helper_stack(&mut self, span: &Span, into: Sink, whole: bool) -> Step {
        let room = self.stack_room(span)?;
        if span.access == Access::Write {
            self.end_dynptrs(room.addr, room.len);
        }
        if span.access == Access::Write && room.exact && whole {
            if self.guards_addresses() {
                self.guard_overwrite(room, span.size)?;
            }
            self.state.fill_stack(&mut self.arena, room.addr, room.len)?;
            return Ok(());
        }
        match self.state.check_init(&self.arena, room.addr, room.len) {
            Ok(run) => {
                self.mark_run(run);
                if run.pointer && self.guards_addresses() {
                    return reject(VerifyErrorKind::PointerLeak { reg: span.reg, into });
                }
            }
            Err(addr) => return self.uninit(addr, room.len),
        }
        if span.access == Access::Write {
            self.state.blur_stack(&mut self.arena, room.addr, room.len, None)?;
        }
        Ok(())
    }

    fn uninit<T>(&self, addr: u32, size: u32) -> Step<T> {
        let (_, off) = self.state.stack_place(addr);
        reject(VerifyErrorKind::UninitStack { off, size })
    }

    fn partial<T>(&self, addr: u32, size: u32) -> Step<T> {
        let (_, off) = self.state.stack_place(addr);
        reject(VerifyErrorKind::PartialPointer { off, size })
    }
}
