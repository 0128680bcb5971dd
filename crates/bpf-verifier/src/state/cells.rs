//! The part of a state that varies in size: bytes on the stack, registers that
//! callers keep, open references. A sorted list of cells in working memory.

use super::class::Class;
use super::reg::{FREE_BITS, Kind, VALUE_WORDS, Value, is_lent, split_head};
use crate::arena::{Arena, At, NONE, NoRoom, high, low, pair};
use crate::domain::Scalar;

/// Cells from this address on are registers and return addresses of callers.
pub(crate) const SAVED: u32 = 0x8000_0000;
/// Cells from this address on are differences of numbers.
pub(crate) const DIFFERENCES: u32 = 0xa000_0000;
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
pub(super) type Packed = [u64; CELL_WORDS];

/// Address and length of a cell.
pub(super) const fn span_of([span, ..]: &Packed) -> (u32, u32) {
    (low(*span), high(*span) & LEN_MASK)
}

/// The kind of a cell's value, and whether it is lent to a slice.
pub(super) const fn kind_of([_, _, head, ..]: &Packed) -> (Kind, bool) {
    let (kind, index, _) = split_head(*head);
    (kind, is_lent(kind, index))
}

/// How snapshots keep a cell's number.
pub(super) const fn class_of([_, _, head, ..]: &Packed) -> Class {
    Class::from_bits(low(*head).wrapping_shr(FREE_BITS) & 0xf)
}

/// The identity of a cell's value.
pub(super) const fn id_of([_, _, head, ..]: &Packed) -> u32 {
    high(*head)
}

/// The number of a cell and its offset, if that is known.
pub(super) const fn known_of([_, _, _, place, value, mask, ..]: &Packed) -> Option<(u64, i32)> {
    if *mask == 0 { Some((*value, low(*place).cast_signed())) } else { None }
}

/// What a cell rests on: its value, and its bytes.
pub(super) const fn origins_of([_, live, .., deps]: &Packed) -> (u64, u64) {
    (*deps, *live)
}

/// Which entry a cell is in the snapshot that the state names.
pub(super) const fn kept_as([span, ..]: &Packed) -> Option<u32> {
    let bits = high(*span);
    if bits & KEPT == 0 { None } else { Some((bits & !KEPT).wrapping_shr(KEPT_SHIFT)) }
}

/// A cell's length has the low bits of its half word; no stack has more bytes.
const LEN_MASK: u32 = (1 << KEPT_SHIFT) - 1;
/// Above these, of a cell that is as a snapshot holds it: which entry it is there
/// ([`kept_as`]), and a bit that says so. Whatever makes a cell another one clears them.
const KEPT_SHIFT: u32 = 24;
const KEPT: u32 = 1 << 31;
/// Entries that fit between.
const KEPT_ENTRIES: u32 = 1 << (31 - KEPT_SHIFT);

/// An entry of a snapshot as it is noted beside a cell's length.
pub(super) const fn kept_bits(entry: Option<u32>) -> u32 {
    match entry {
        Some(entry) if entry < KEPT_ENTRIES => KEPT | entry.wrapping_shl(KEPT_SHIFT),
        _ => 0,
    }
}

/// The value of a cell.
pub(super) fn value_of(cell: &Packed) -> Value {
    let [_, _, value @ ..] = cell;
    Value::unpack(value)
}

/// Index of the first of some cells that ends behind `addr`, where it is not before `from`,
/// and most likely close behind.
#[inline]
pub(super) fn first_behind(cells: &[Packed], addr: u32, from: u32) -> u32 {
    let mut index = from;
    for _ in 0..CLOSE {
        match cells.get(index as usize) {
            Some(cell) if !ends_behind(cell, addr) => index = index.wrapping_add(1),
            _ => return index,
        }
    }
    find_between(cells, addr, index)
}

/// The same, of any behind `from`.
fn find_between(cells: &[Packed], addr: u32, from: u32) -> u32 {
    let behind = cells.get(from as usize..).unwrap_or_default();
    let before = behind.partition_point(|cell| !ends_behind(cell, addr));
    from.wrapping_add(u32::try_from(before).unwrap_or(0))
}

const fn ends_behind(cell: &Packed, addr: u32) -> bool {
    let (start, len) = span_of(cell);
    start.saturating_add(len) > addr
}

/// Cells that are looked at one by one before others.
const CLOSE: u32 = 4;

const CELL_WORDS: usize = VALUE_WORDS + 2;
pub(super) const CELL_STRIDE: u32 = 13;
const _: () = assert!(CELL_STRIDE as usize == CELL_WORDS);

/// Cells that an instruction adds, for the most part: one that is cut in two, and what lies
/// between.
const MOST_ADDED: u32 = 3;

/// Words that so many cells take.
fn words_of(cells: u32) -> usize {
    (cells as usize).saturating_mul(CELL_WORDS)
}

/// Sorted by address, without overlap.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cells {
    at: At,
    len: u32,
    room: u32,
    /// The snapshot of the last node, if they are as they were when that was made, and rest on
    /// themselves.
    untouched: At,
    /// While they are: the half words that their entries take, 0 if nobody knows.
    halves: u32,
}

impl Cells {
    pub const fn len(&self) -> u32 {
        self.len
    }

    const fn place(&self, index: u32) -> At {
        self.at.wrapping_add(index.wrapping_mul(CELL_STRIDE))
    }

    /// Address and length of the cell at `index`.
    pub fn span(&self, arena: &Arena<'_>, index: u32) -> (u32, u32) {
        let word = arena.word(self.place(index));
        (low(word), high(word) & LEN_MASK)
    }

    /// Makes the cell at `index` rest on these: its value, and its bytes.
    #[cfg(test)]
    pub(super) fn set_origins(&mut self, arena: &mut Arena<'_>, index: u32, origins: (u64, u64)) {
        if let [_, live, .., deps] = arena.slice_mut(self.place(index), CELL_WORDS) {
            (*deps, *live) = origins;
        }
    }

    /// Makes the cell at `index` rest on these, its value and its bytes, if it is noted to be this
    /// entry of the snapshot that the state names. Whether it is.
    #[inline(always)]
    pub(super) fn keep(
        &mut self,
        arena: &mut Arena<'_>,
        index: u32,
        entry: Option<u32>,
        origins: (u64, u64),
    ) -> bool {
        let cell = arena.slice_mut(self.place(index), CELL_WORDS).first_chunk_mut();
        let Some(cell) = cell.filter(|cell| kept_as(cell) == entry) else { return false };
        let [_, live, .., deps]: &mut Packed = cell;
        (*deps, *live) = origins;
        true
    }

    /// Makes each cell rest on a bit, and notes which entry it is in the snapshot that the
    /// state names, as `noted` says of one after the other.
    pub(super) fn rebase(
        &self,
        arena: &mut Arena<'_>,
        mut noted: impl FnMut() -> (u64, Option<u32>),
    ) {
        let words = arena.slice_mut(self.at, words_of(self.len));
        let (cells, _): (&mut [Packed], _) = words.as_chunks_mut();
        for [span, live, .., deps] in cells {
            let ((addr, len), (bit, entry)) = ((low(*span), high(*span) & LEN_MASK), noted());
            (*span, *live, *deps) = (pair(addr, len | kept_bits(entry)), bit, bit);
        }
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
        Some(Cell { addr: low(*span), len: high(*span) & LEN_MASK, value, live: *live })
    }

    pub fn set(&mut self, arena: &mut Arena<'_>, index: u32, cell: &Cell) {
        self.untouched = NONE;
        let words = arena.slice_mut(self.place(index), CELL_WORDS);
        if let Some((span, rest)) = words.split_first_mut()
            && let Some((live, rest)) = rest.split_first_mut()
            && let Some(value) = rest.first_chunk_mut()
        {
            let packed = cell.value.pack(Class::of(&cell.value.number));
            let as_was = (low(*span), high(*span) & LEN_MASK) == (cell.addr, cell.len)
                && value.iter().zip(&packed).take(VALUE_WORDS - 1).all(|(was, is)| was == is);
            if !as_was {
                *span = pair(cell.addr, cell.len);
            }
            *live = cell.live;
            *value = packed;
        }
    }

    /// Sets a cell as it is to lie there.
    pub(super) fn set_packed(&mut self, arena: &mut Arena<'_>, index: u32, cell: &Packed) {
        let words = arena.slice_mut(self.place(index), CELL_WORDS);
        if let Some(words) = words.first_chunk_mut() {
            *words = *cell;
        }
    }

    /// Makes the cell at `index` one that was copied to `from`.
    pub(super) fn set_from(&self, arena: &mut Arena<'_>, index: u32, from: At) {
        arena.copy(from, self.place(index), CELL_WORDS);
    }

    /// All of them as they lie there.
    #[inline]
    pub(super) fn all<'a>(&self, arena: &'a Arena<'_>) -> &'a [Packed] {
        arena.slice(self.at, words_of(self.len)).as_chunks().0
    }

    /// All of them as they lie there, and the words of a block that are to be written.
    pub(super) fn all_beside<'a>(
        &self,
        arena: &'a mut Arena<'_>,
        (at, words): (At, u32),
    ) -> (&'a [Packed], &'a mut [u64]) {
        let (cells, words) = arena.two((self.at, words_of(self.len)), (at, words as usize));
        (cells.as_chunks().0, words)
    }

    /// The cell at `index` as it lies there.
    #[inline]
    pub(super) fn words<'a>(&self, arena: &'a Arena<'_>, index: u32) -> Option<&'a Packed> {
        if index >= self.len {
            return None;
        }
        arena.slice(self.place(index), CELL_WORDS).first_chunk()
    }

    /// The value of the cell at `index` and the bytes that it rests on, if it has this span and
    /// programs may look into it.
    #[inline]
    pub fn whole(&self, arena: &Arena<'_>, index: u32, span: (u32, u32)) -> Option<(Value, u64)> {
        let cell = self.words(arena, index).filter(|cell| span_of(cell) == span)?;
        let (kind, _) = kind_of(cell);
        (!kind.is_opaque()).then(|| (value_of(cell), origins_of(cell).1))
    }

    /// Index of the first cell that ends behind `addr`.
    pub fn find(&self, arena: &Arena<'_>, addr: u32) -> u32 {
        find_between(self.all(arena), addr, 0)
    }

    /// The same, where it is not before `from`, and most likely close behind.
    pub fn find_from(&self, arena: &Arena<'_>, addr: u32, from: u32) -> u32 {
        first_behind(self.all(arena), addr, from)
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
        self.untouched = NONE;
        let added = u32::try_from(cells.len()).unwrap_or(u32::MAX);
        let removed = to.saturating_sub(from);
        let len = self.len.saturating_sub(removed).saturating_add(added);
        if len > self.room {
            self.reserve(arena, len)?;
        }
        let moved = self.len.saturating_sub(to);
        if removed != added && moved != 0 {
            let words = words_of(moved);
            arena.copy(self.place(to), self.place(from.saturating_add(added)), words);
        }
        self.len = len;
        for (index, cell) in (from..).zip(cells) {
            if index >= to {
                // What is noted there is another cell's, or was one's that is no more.
                arena.set(self.place(index), 0);
            }
            self.set(arena, index, cell);
        }
        Ok(())
    }

    /// Takes the cell at `index` out.
    pub fn remove(&mut self, arena: &mut Arena<'_>, index: u32) {
        self.untouched = NONE;
        let next = index.saturating_add(1);
        let words = words_of(self.len.saturating_sub(next));
        arena.copy(self.place(next), self.place(index), words);
        self.len = self.len.saturating_sub(1);
    }

    /// Appends a cell, which comes last in the order.
    pub fn push(&mut self, arena: &mut Arena<'_>, cell: &Cell) -> Result<(), NoRoom> {
        self.splice(arena, self.len, self.len, core::slice::from_ref(cell))
    }

    pub fn clear(&mut self) {
        (self.len, self.untouched) = (0, NONE);
    }

    /// Whether they are as they were when the last node was made, and rest on themselves.
    pub(super) const fn is_untouched(&self) -> bool {
        self.untouched != NONE
    }

    /// The same of the node that has this snapshot.
    pub(super) const fn are_of(&self, snapshot: At) -> bool {
        self.untouched == snapshot && snapshot != NONE
    }

    /// Notes that they are those of a node with this snapshot, or of none.
    pub(super) fn set_untouched(&mut self, since: At) {
        (self.untouched, self.halves) = (since, 0);
    }

    /// The half words that their entries take, where they are untouched.
    pub(super) fn halves(&mut self, arena: &Arena<'_>, of: impl Fn(&Packed) -> u32) -> u32 {
        if self.halves == 0 {
            let all = self.all(arena).iter();
            self.halves = all.fold(0, |sum, cell| sum.wrapping_add(of(cell)));
        }
        self.halves
    }

    /// Notes how many these are.
    pub(super) const fn set_halves(&mut self, halves: u32) {
        self.halves = halves;
    }

    /// Makes it so many cells, which are to be set, but for those that are as they were:
    /// how many of the first ones still lie there.
    pub(super) fn refill(&mut self, arena: &mut Arena<'_>, len: u32) -> Result<u32, NoRoom> {
        self.untouched = NONE;
        let mut before = core::mem::take(&mut self.len);
        if len > self.room {
            // Nothing of what is there is kept.
            self.release(arena);
            self.reserve(arena, len)?;
            before = 0;
        }
        self.len = len;
        Ok(before)
    }

    /// Copies all of them to `to`, one behind the other.
    pub(super) fn copy_to(&self, arena: &mut Arena<'_>, to: At) {
        arena.copy(self.at, to, words_of(self.len));
    }

    /// Makes them so many that were copied to `from`.
    pub(super) fn copy_from(
        &mut self,
        arena: &mut Arena<'_>,
        from: At,
        len: u32,
    ) -> Result<(), NoRoom> {
        self.refill(arena, len)?;
        arena.copy(from, self.at, words_of(len));
        Ok(())
    }

    /// Room for so many cells, and for some more if there is any.
    fn reserve(&mut self, arena: &mut Arena<'_>, len: u32) -> Result<(), NoRoom> {
        let more = len.saturating_add(len / 8).saturating_add(4);
        let (room, at) = match arena.alloc_apart(words_of(more)) {
            Ok(at) => (more, at),
            Err(_) => (len, arena.alloc_apart(words_of(len))?),
        };
        if self.at != NONE {
            arena.copy(self.at, at, words_of(self.len));
            arena.free(self.at, words_of(self.room));
        }
        (self.at, self.room) = (at, room);
        Ok(())
    }

    /// Whether there might be no room for what one instruction adds to those there are.
    pub const fn are_many(&self) -> bool {
        self.room > 0 && self.room.saturating_sub(self.len) < MOST_ADDED
    }

    /// Makes room for what one instruction adds.
    pub fn make_room(&mut self, arena: &mut Arena<'_>) -> Result<(), NoRoom> {
        self.reserve(arena, self.len.saturating_add(MOST_ADDED))
    }

    /// Gives room back that is not in use, up to a half.
    pub fn shorten(&mut self, arena: &mut Arena<'_>) {
        let kept = self.len.saturating_add(MOST_ADDED).max(self.room / 2);
        if self.at != NONE && kept < self.room {
            arena.shorten(self.at, words_of(self.room), words_of(kept));
            self.room = kept;
        }
    }

    /// Gives all room back.
    pub fn release(&mut self, arena: &mut Arena<'_>) {
        if self.at != NONE {
            arena.free(self.at, words_of(self.room));
        }
        (self.at, self.len, self.room) = (NONE, 0, 0);
    }
}
