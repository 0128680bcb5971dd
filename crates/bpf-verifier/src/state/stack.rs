//! Bytes on the stack.

use super::State;
use super::cells::{Cell, Packed, kind_of, origins_of, span_of};
use super::class::Class;
use super::reg::{Kind, Value, split_head};
use crate::arena::{Arena, NoRoom};
use crate::domain::{Scalar, alu};
use crate::rules::Privilege;
use bpf_bytecode::opcode::{AluOp, Width};

/// Why bytes cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StackFault {
    /// The byte at this address is not initialised, and the loader may not see
    /// what lies there.
    Uninit(u32),
    /// Part of a pointer.
    PartOfPointer,
}

/// What was read, and the bytes it rests on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StackRead {
    pub value: Value,
    /// See [`Cell::live`].
    pub live: u64,
    /// Whether bytes are among it that the program has not written.
    pub unwritten: bool,
}

/// What is known of a run of bytes.
#[allow(clippy::struct_excessive_bools, reason = "each may be so without the others")]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StackRun {
    /// See [`Cell::live`].
    pub live: u64,
    /// Whether a pointer is among them.
    pub pointer: bool,
    /// Whether bytes are among them that programs do not look into.
    pub opaque: bool,
    /// Whether bytes are among them that are lent to a slice.
    pub lent: bool,
    /// Whether bytes are among them that the program has not written.
    pub unwritten: bool,
}

/// Every value of so many bytes.
fn unknown(bytes: u32) -> Scalar {
    Scalar::of_bits(bytes.saturating_mul(8).clamp(1, 64))
}

/// The unknown content of so many bytes.
fn misc(bytes: u32) -> Value {
    Value::scalar(unknown(bytes))
}

/// What cells merge by: bytes of which nothing is known, or that are zero.
#[derive(PartialEq, Eq)]
enum Plain {
    Misc,
    Zero,
}

fn plain(cell: &Cell) -> Option<Plain> {
    if !cell.value.is_scalar() || cell.value.id != 0 {
        return None;
    }
    if cell.value.number.as_constant() == Some(0) {
        return Some(Plain::Zero);
    }
    (cell.value.number == unknown(cell.len)).then_some(Plain::Misc)
}

/// Whether a cell's bytes may be any, eight of them or more, and name nothing.
fn is_blank(cell: &Packed) -> bool {
    let [_, _, head, place, ..] = *cell;
    (head, place) == Value::UNKNOWN.pack_head(Class::Unknown)
}

/// Whether a cell is a number without a name.
fn is_nameless(cell: &Packed) -> bool {
    let [_, _, head, ..] = *cell;
    let (kind, _, id) = split_head(head);
    kind == Kind::Scalar && id == 0
}

/// Whether a number has no bits beyond so many bytes.
pub(crate) fn fits(value: &Value, bytes: u32) -> bool {
    unknown(bytes).umax() >= value.number.umax()
}

/// The content of `len` bytes at `addr`, all inside of `cell`.
fn part(cell: &Cell, addr: u32, len: u32) -> Value {
    if addr == cell.addr && len == cell.len {
        return cell.value;
    }
    // The low bytes of a number that has no others are the number itself.
    let low = addr == cell.addr && cfg!(target_endian = "little") && cell.len <= 8;
    if low && cell.value.is_scalar() && fits(&cell.value, len) {
        return cell.value;
    }
    let deps = cell.value.deps;
    let number = if !cell.value.is_scalar() {
        unknown(len)
    } else if cell.value.number.as_constant() == Some(0) {
        Scalar::constant(0)
    } else if cell.len <= 8 && cfg!(target_endian = "little") {
        let shift = u64::from(addr.saturating_sub(cell.addr).saturating_mul(8));
        let rest = alu(AluOp::Rsh, Width::W64, cell.value.number, Scalar::constant(shift));
        rest.low(len.saturating_mul(8))
    } else {
        unknown(len)
    };
    Value { deps, ..Value::scalar(number) }
}

impl State {
    /// Whether bytes that were never written may be read, as unknown numbers.
    /// Linux lets those who may see addresses do so.
    fn may_read_unwritten(&self) -> bool {
        self.privilege == Privilege::Privileged
    }

    /// Reads up to eight bytes.
    pub fn read_stack(
        &self,
        arena: &Arena<'_>,
        addr: u32,
        size: u32,
    ) -> Result<StackRead, StackFault> {
        self.read_stack_at(arena, self.cells.find(arena, addr), addr, size)
    }

    /// The same, where the first cell that ends behind `addr` is the one at `index`.
    pub fn read_stack_at(
        &self,
        arena: &Arena<'_>,
        index: u32,
        addr: u32,
        size: u32,
    ) -> Result<StackRead, StackFault> {
        let (end, mut index) = (addr.saturating_add(size), index);
        let (mut pos, mut live, mut deps, mut unwritten) = (addr, 0, 0, false);
        let mut known = Some(0_u64);
        while pos < end {
            let cell = match self.cells.get(arena, index) {
                Some(cell) if cell.addr <= pos => cell,
                _ if !self.may_read_unwritten() => return Err(StackFault::Uninit(pos)),
                next => {
                    (known, unwritten) = (None, true);
                    pos = next.map_or(end, |cell| cell.addr.min(end));
                    continue;
                }
            };
            if cell.addr <= addr && end <= cell.end() {
                let whole = cell.addr == addr && cell.end() == end;
                if cell.value.kind.is_pointer() && !whole {
                    return Err(StackFault::PartOfPointer);
                }
                if cell.value.kind.is_opaque() && !whole {
                    return Err(StackFault::Uninit(pos));
                }
                let value = part(&cell, addr, size);
                return Ok(StackRead { value, live: cell.live, unwritten: false });
            }
            if cell.value.kind.is_pointer() {
                return Err(StackFault::PartOfPointer);
            }
            if cell.value.kind.is_opaque() {
                return Err(StackFault::Uninit(pos));
            }
            let stop = end.min(cell.end());
            let piece = part(&cell, pos, stop.saturating_sub(pos)).number.as_constant();
            known = match (known, piece) {
                (Some(sum), Some(piece))
                    if cfg!(target_endian = "little") || (sum | piece) == 0 =>
                {
                    let shift = pos.saturating_sub(addr).saturating_mul(8);
                    Some(sum | piece.wrapping_shl(shift))
                }
                _ => None,
            };
            (live, deps) = (live | cell.live, deps | cell.value.deps);
            pos = stop;
            index = index.saturating_add(1);
        }
        let number = known.map_or_else(|| unknown(size), Scalar::constant);
        Ok(StackRead { value: Value { deps, ..Value::scalar(number) }, live, unwritten })
    }

    /// What is known of `len` bytes that are to be read; or the first of them
    /// that may not be.
    pub fn check_init(&self, arena: &Arena<'_>, addr: u32, len: u32) -> Result<StackRun, u32> {
        let run = self.written(arena, addr, len);
        if run.opaque {
            return Err(addr);
        }
        if run.unwritten && !self.may_read_unwritten() {
            return Err(self.first_unwritten(arena, addr));
        }
        Ok(run)
    }

    /// The first byte from `addr` on that was not written.
    fn first_unwritten(&self, arena: &Arena<'_>, addr: u32) -> u32 {
        let mut index = self.cells.find(arena, addr);
        let mut pos = addr;
        while let Some(cell) = self.cells.get(arena, index)
            && cell.addr <= pos
        {
            pos = cell.end();
            index = index.saturating_add(1);
        }
        pos
    }

    /// What is known of `len` bytes, whether they were written or not.
    pub fn written(&self, arena: &Arena<'_>, addr: u32, len: u32) -> StackRun {
        let end = addr.saturating_add(len);
        let mut index = self.cells.find(arena, addr);
        let (mut pos, mut run) = (addr, StackRun::default());
        while let Some(cell) = self.cells.words(arena, index)
            && let (addr, len) = span_of(cell)
            && addr < end
        {
            let ((_, live), (kind, lent)) = (origins_of(cell), kind_of(cell));
            run.live |= live;
            run.pointer |= kind.is_pointer();
            // What is lent is a number, of which nothing is known.
            run.lent |= lent;
            run.opaque |= kind.is_opaque() && !lent;
            run.unwritten |= addr > pos;
            pos = addr.saturating_add(len);
            index = index.saturating_add(1);
        }
        run.unwritten |= pos < end;
        run
    }

    /// Writes a register's low `size` bytes.
    pub fn write_stack(
        &mut self,
        arena: &mut Arena<'_>,
        addr: u32,
        size: u32,
        value: Value,
    ) -> Result<(), NoRoom> {
        let mut value = value;
        if value.is_scalar() && size < 8 {
            let low = value.number.low(size.saturating_mul(8));
            if low != value.number {
                value = Value { deps: value.deps, ..Value::scalar(low) };
            }
        }
        self.put(arena, Cell { addr, len: size, value, live: 0 })
    }

    /// Makes what lies in some bytes of a cell a cell of its own, with this value, which is what
    /// it was.
    pub fn name_stack(
        &mut self,
        arena: &mut Arena<'_>,
        addr: u32,
        len: u32,
        value: Value,
    ) -> Result<(), NoRoom> {
        let cell = self.cells.get(arena, self.cells.find(arena, addr));
        let live = cell.map_or(0, |cell| cell.live);
        self.put(arena, Cell { addr, len, value, live })
    }

    /// Fills `len` bytes with what is not known.
    pub fn fill_stack(&mut self, arena: &mut Arena<'_>, addr: u32, len: u32) -> Result<(), NoRoom> {
        if len == 0 || self.is_filled(arena, addr, len) {
            return Ok(());
        }
        self.put(arena, Cell { addr, len, value: misc(len), live: 0 })
    }

    /// Puts what is not known there, whatever lies there.
    #[cfg(test)]
    pub(super) fn put_misc(&mut self, arena: &mut Arena<'_>, addr: u32, len: u32) {
        self.put(arena, Cell { addr, len, value: misc(len), live: 0 }).ok();
    }

    /// Whether bytes are part of a cell of which nothing is known, which stays as it is where
    /// they are filled again: no neighbour becomes one with it.
    fn is_filled(&self, arena: &Arena<'_>, addr: u32, len: u32) -> bool {
        let index = self.cells.find(arena, addr);
        let Some(cell) = self.cells.words(arena, index).filter(|cell| is_blank(cell)) else {
            return false;
        };
        let ((start, size), end) = (span_of(cell), addr.saturating_add(len));
        let stop = start.saturating_add(size);
        if start > addr || end > stop || size == len {
            return false;
        }
        let apart = |index: Option<u32>, meets: fn((u32, u32)) -> u32, at: u32| {
            let beside = index.and_then(|index| self.cells.words(arena, index));
            beside.is_none_or(|cell| meets(span_of(cell)) != at || !is_nameless(cell))
        };
        let (before, behind) = (index.checked_sub(1), index.checked_add(1));
        (start < addr || apart(before, |(addr, len)| addr.saturating_add(len), addr))
            && (end < stop || apart(behind, |(addr, _)| addr, end))
    }

    /// Forgets the content of those of `len` bytes that are initialised: one
    /// of them may have been written. Zeros stay where `zero` was written.
    pub fn blur_stack(
        &mut self,
        arena: &mut Arena<'_>,
        addr: u32,
        len: u32,
        zero: Option<u64>,
    ) -> Result<(), NoRoom> {
        let end = addr.saturating_add(len);
        let mut pos = addr;
        while let Some(cell) = self.cells.get(arena, self.cells.find(arena, pos))
            && cell.addr < end
            && pos < end
        {
            let (start, stop) = (cell.addr.max(pos), cell.end().min(end));
            let len = stop.saturating_sub(start);
            let mut value = misc(len);
            if let Some(deps) = zero
                && plain(&cell) == Some(Plain::Zero)
            {
                value =
                    Value { deps: deps | cell.value.deps, ..Value::scalar(Scalar::constant(0)) };
            }
            self.put(arena, Cell { addr: start, len, value, live: cell.live })?;
            pos = stop;
        }
        Ok(())
    }

    /// Forgets bytes of the running frame that nobody reads any longer: `dead` says whether so
    /// many bytes at an offset from its end are such.
    pub fn drop_dead_stack(
        &mut self,
        arena: &mut Arena<'_>,
        dead: impl Fn(i32, u32) -> bool,
    ) -> Result<(), NoRoom> {
        let start = self.frame.saturating_mul(self.frame_bytes);
        let end = start.saturating_add(self.frame_bytes);
        let dead = |addr: u32, len| dead(addr.cast_signed().saturating_sub_unsigned(end), len);
        let mut index = self.cells.find(arena, start);
        while index < self.cells.len() {
            let (addr, len) = self.cells.span(arena, index);
            if addr >= end {
                break;
            }
            let whole = dead(addr, len);
            let slots = || (addr..addr.saturating_add(len)).step_by(8);
            if !whole && (len <= 8 || !slots().any(|at| dead(at, 8))) {
                index = index.saturating_add(1);
                continue;
            }
            let Some(cell) = self.cells.get(arena, index) else { break };
            // What programs do not look into is nothing that they spill.
            if cell.value.kind.is_opaque() {
                index = index.saturating_add(1);
            } else if whole {
                self.cells.remove(arena, index);
            } else {
                index = self.cut_dead(arena, index, &cell, dead)?;
            }
        }
        Ok(())
    }

    /// Takes the first dead bytes out of a cell of several slots. The index of what is behind.
    fn cut_dead(
        &mut self,
        arena: &mut Arena<'_>,
        index: u32,
        cell: &Cell,
        dead: impl Fn(u32, u32) -> bool,
    ) -> Result<u32, NoRoom> {
        let end = cell.addr.saturating_add(cell.len & !7);
        let mut slots = (cell.addr..end).step_by(8);
        let Some(from) = slots.find(|at| dead(*at, 8)) else {
            return Ok(index.saturating_add(1));
        };
        let to = slots.find(|at| !dead(*at, 8)).unwrap_or(end);
        let pieces = [cut(cell, cell.addr, from), cut(cell, to, cell.end())];
        let left = usize::from(from == cell.addr)..if to < cell.end() { 2 } else { 1 };
        let pieces = pieces.get(left).unwrap_or_default();
        self.cells.splice(arena, index, index.saturating_add(1), pieces)?;
        Ok(index.saturating_add((cell.addr < from).into()))
    }

    /// Puts a cell in the place of what its bytes held.
    fn put(&mut self, arena: &mut Arena<'_>, new: Cell) -> Result<(), NoRoom> {
        let from = self.cells.find(arena, new.addr);
        // The common case: the same bytes again.
        if plain(&new).is_none() {
            let behind = from >= self.cells.len();
            let (addr, len) = if behind { (u32::MAX, 0) } else { self.cells.span(arena, from) };
            if (addr, len) == (new.addr, new.len) {
                self.cells.set(arena, from, &new);
                return Ok(());
            }
            // Or nothing lies there, and what is beside it stays as it is.
            if addr >= new.end() {
                return self.cells.splice(arena, from, from, core::slice::from_ref(&new));
            }
        }
        let (mut from, mut to) = (from, from);
        let mut out = Pieces::new(self.frame_bytes);
        let first = self.cells.get(arena, from).filter(|cell| cell.addr < new.addr);
        if let Some(cell) = first {
            out.add(cut(&cell, cell.addr, new.addr));
        } else if let Some(before) = from.checked_sub(1)
            && let Some(cell) = self.cells.get(arena, before)
            && cell.end() == new.addr
        {
            from = before;
            out.add(cell);
        }
        out.add(new);
        while let Some(cell) = self.cells.get(arena, to)
            && cell.addr <= new.end()
        {
            if cell.addr == new.end() {
                // A neighbour that may be one with what was put.
                out.add(cell);
            } else if cell.end() > new.end() {
                out.add(cut(&cell, new.end(), cell.end()));
            }
            to = to.saturating_add(1);
        }
        self.cells.splice(arena, from, to, out.as_slice())
    }
}

/// The bytes of `cell` from `from` up to `to`.
fn cut(cell: &Cell, from: u32, to: u32) -> Cell {
    let len = to.saturating_sub(from);
    Cell { addr: from, len, value: part(cell, from, len), live: cell.live }
}

/// Cells next to each other, merged where they can be.
struct Pieces {
    cells: [Cell; 5],
    len: usize,
    frame_bytes: u32,
}

impl Pieces {
    const fn new(frame_bytes: u32) -> Self {
        let none = Cell { addr: 0, len: 0, value: Value::NOT_INIT, live: 0 };
        Self { cells: [none; 5], len: 0, frame_bytes }
    }

    fn add(&mut self, cell: Cell) {
        let frame = |addr: u32| addr.checked_div(self.frame_bytes);
        if let Some(before) = self.len.checked_sub(1)
            && let Some(last) = self.cells.get_mut(before)
            && last.end() == cell.addr
            && frame(last.addr) == frame(cell.addr)
            && let Some(sort) = plain(last)
            && plain(&cell) == Some(sort)
        {
            last.len = last.len.saturating_add(cell.len);
            last.live |= cell.live;
            let deps = last.value.deps | cell.value.deps;
            if last.value.number.as_constant().is_none() {
                last.value = misc(last.len);
            }
            last.value.deps = deps;
            return;
        }
        if let Some(slot) = self.cells.get_mut(self.len) {
            *slot = cell;
            self.len = self.len.saturating_add(1);
        }
    }

    fn as_slice(&self) -> &[Cell] {
        self.cells.get(..self.len).unwrap_or_default()
    }
}
