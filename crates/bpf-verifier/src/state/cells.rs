//! The part of a state that varies in size: bytes on the stack, registers that
//! callers keep, open references. A sorted list of cells in working memory.

use super::class::Class;
use super::reg::{FREE_BITS, VALUE_WORDS, Value};
use crate::arena::{Arena, At, NONE, NoRoom, high, low, pair};
use crate::domain::Scalar;

/// Cells from this address on are registers and return addresses of callers.
pub(crate) const SAVED: u32 = 0x8000_0000;
/// Cells from this address on are references.
pub(crate) const REFS: u32 = 0xc000_0000;

/// A run of bytes with one content, or something else that a state keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    /// Address of the first byte; see [`State`](super::State).
    pub addr: u32,
    /// Bytes.
    pub len: u32,
    /// Content. Of more than eight bytes, only zero or unknown.
    pub value: Value,
    /// Which cells of the last checkpoint the bytes were initialised by, one
    /// bit each.
    pub live: u64,
}

impl Cell {
    pub const fn end(&self) -> u32 {
        self.addr.saturating_add(self.len)
    }

    /// Whether the bytes may be any.
    pub fn is_unknown(&self) -> bool {
        let bits = self.len.saturating_mul(8).clamp(1, 64);
        self.value.is_scalar() && self.value.number == Scalar::of_bits(bits)
    }
}

/// A cell as it lies in working memory: where and how long, the bytes that it rests on,
/// and the value, with how snapshots keep its number.
#[derive(Clone, Copy)]
pub(super) struct Packed(pub [u64; CELL_WORDS]);

impl Packed {
    const fn head(&self) -> u32 {
        let [_, _, head, ..] = self.0;
        low(head)
    }

    pub const fn addr(&self) -> u32 {
        let [span, ..] = self.0;
        low(span)
    }

    pub const fn live(&self) -> u64 {
        let [_, live, ..] = self.0;
        live
    }

    pub const fn deps(&self) -> u64 {
        let [.., deps] = self.0;
        deps
    }

    pub const fn class(&self) -> Class {
        Class::from_bits(self.head().wrapping_shr(FREE_BITS) & 0xf)
    }
}

/// Cells that are looked at one by one before others.
const CLOSE: u32 = 4;

const CELL_WORDS: usize = VALUE_WORDS + 2;
const CELL_STRIDE: u32 = 13;
const _: () = assert!(CELL_STRIDE as usize == CELL_WORDS);

/// Sorted by address, without overlap.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cells {
    at: At,
    len: u32,
    room: u32,
}

impl Cells {
    pub const fn len(&self) -> u32 {
        self.len
    }

    const fn place(&self, index: u32) -> At {
        self.at.saturating_add(index.saturating_mul(CELL_STRIDE))
    }

    /// Address and length of the cell at `index`.
    pub fn span(&self, arena: &Arena<'_>, index: u32) -> (u32, u32) {
        let word = arena.word(self.place(index));
        (low(word), high(word))
    }

    /// The identity of the value at `index`.
    pub fn id(&self, arena: &Arena<'_>, index: u32) -> u32 {
        high(arena.word(self.place(index).saturating_add(2)))
    }

    pub fn get(&self, arena: &Arena<'_>, index: u32) -> Option<Cell> {
        if index >= self.len {
            return None;
        }
        let words = arena.slice(self.place(index), CELL_WORDS);
        let (span, rest) = words.split_first()?;
        let (live, rest) = rest.split_first()?;
        let value = Value::unpack(rest.first_chunk()?);
        Some(Cell { addr: low(*span), len: high(*span), value, live: *live })
    }

    pub fn set(&self, arena: &mut Arena<'_>, index: u32, cell: &Cell) {
        let words = arena.slice_mut(self.place(index), CELL_WORDS);
        if let Some((span, rest)) = words.split_first_mut()
            && let Some((live, rest)) = rest.split_first_mut()
            && let Some(value) = rest.first_chunk_mut()
        {
            *span = pair(cell.addr, cell.len);
            *live = cell.live;
            *value = cell.value.pack(Class::of(&cell.value.number));
        }
    }

    /// Sets a cell as it is to lie there.
    pub(super) fn set_packed(&self, arena: &mut Arena<'_>, index: u32, cell: &Packed) {
        let words = arena.slice_mut(self.place(index), CELL_WORDS);
        if let Some(words) = words.first_chunk_mut() {
            *words = cell.0;
        }
    }

    /// The cell at `index` as it lies there.
    pub(super) fn packed(&self, arena: &Arena<'_>, index: u32) -> Option<Packed> {
        if index >= self.len {
            return None;
        }
        arena.slice(self.place(index), CELL_WORDS).first_chunk().copied().map(Packed)
    }

    /// Makes the cell at `index` rest on itself.
    pub fn rebase(&self, arena: &mut Arena<'_>, index: u32, bit: u64) {
        let at = self.place(index);
        arena.set(at.saturating_add(1), bit);
        arena.set(at.saturating_add(CELL_STRIDE).saturating_sub(1), bit);
    }

    /// Index of the first cell that ends behind `addr`.
    pub fn find(&self, arena: &Arena<'_>, addr: u32) -> u32 {
        self.find_between(arena, addr, 0, self.len)
    }

    /// The same, where it is not before `from`, and most likely close behind.
    pub fn find_from(&self, arena: &Arena<'_>, addr: u32, from: u32) -> u32 {
        for index in from..from.saturating_add(CLOSE).min(self.len) {
            let (start, len) = self.span(arena, index);
            if start.saturating_add(len) > addr {
                return index;
            }
        }
        self.find_between(arena, addr, from.saturating_add(CLOSE).min(self.len), self.len)
    }

    fn find_between(&self, arena: &Arena<'_>, addr: u32, from: u32, to: u32) -> u32 {
        let (mut from, mut to) = (from, to);
        while from < to {
            let middle = from.midpoint(to);
            let (start, len) = self.span(arena, middle);
            if start.saturating_add(len) > addr {
                to = middle;
            } else {
                from = middle.saturating_add(1);
            }
        }
        from
    }

    /// The cell at exactly `addr`.
    pub fn at_addr(&self, arena: &Arena<'_>, addr: u32) -> Option<(u32, Cell)> {
        let index = self.find(arena, addr);
        let cell = self.get(arena, index)?;
        (cell.addr == addr).then_some((index, cell))
    }

    /// Replaces the cells from `from` up to `to` by `cells`.
    pub fn splice(
        &mut self,
        arena: &mut Arena<'_>,
        from: u32,
        to: u32,
        cells: &[Cell],
    ) -> Result<(), NoRoom> {
        let added = u32::try_from(cells.len()).unwrap_or(u32::MAX);
        let removed = to.saturating_sub(from);
        let len = self.len.saturating_sub(removed).saturating_add(added);
        if len > self.room {
            self.reserve(arena, len)?;
        }
        let moved = self.len.saturating_sub(to);
        if removed != added && moved != 0 {
            let words = (moved as usize).saturating_mul(CELL_WORDS);
            arena.copy(self.place(to), self.place(from.saturating_add(added)), words);
        }
        self.len = len;
        for (index, cell) in (from..).zip(cells) {
            self.set(arena, index, cell);
        }
        Ok(())
    }

    /// Takes the cell at `index` out.
    pub fn remove(&mut self, arena: &mut Arena<'_>, index: u32) {
        let next = index.saturating_add(1);
        let words = (self.len.saturating_sub(next) as usize).saturating_mul(CELL_WORDS);
        arena.copy(self.place(next), self.place(index), words);
        self.len = self.len.saturating_sub(1);
    }

    /// Appends a cell, which comes last in the order.
    pub fn push(&mut self, arena: &mut Arena<'_>, cell: &Cell) -> Result<(), NoRoom> {
        self.splice(arena, self.len, self.len, core::slice::from_ref(cell))
    }

    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Makes it so many cells, which are to be set.
    pub(super) fn refill(&mut self, arena: &mut Arena<'_>, len: u32) -> Result<(), NoRoom> {
        self.len = 0;
        if len > self.room {
            self.reserve(arena, len)?;
        }
        self.len = len;
        Ok(())
    }

    fn reserve(&mut self, arena: &mut Arena<'_>, len: u32) -> Result<(), NoRoom> {
        let room = len.saturating_add(len / 4).saturating_add(4);
        let words = |cells: u32| (cells as usize).saturating_mul(CELL_WORDS);
        let at = arena.alloc(words(room))?;
        if self.at != NONE {
            arena.copy(self.at, at, words(self.len));
            arena.free(self.at, words(self.room));
        }
        (self.at, self.room) = (at, room);
        Ok(())
    }
}
