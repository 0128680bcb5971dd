//! States at rest: as few words as they need.
//!
//! A snapshot begins with its size and its number of cells, the registers it
//! holds, frame and references. What follows are, as [`origins`](super::origins),
//! the dependencies of every entry (the registers that are set, then the cells) and,
//! behind each cell's, the bytes that it rests on; and then the entries themselves, in
//! half words ([`entry`]).
//! What is stripped has the entries alone, and only those that matter; others may leave
//! out some that another snapshot holds ([`sharing`]).

mod entry;
mod sharing;
#[cfg(test)]
#[allow(clippy::expect_used, reason = "tests may panic")]
mod tests;

use bpf_bytecode::Register;

use super::cells::{Packed, SAVED};
use super::class::Class;
use super::cover::entry_bit;
use super::origins::{self, In, code_words, own_words};
use super::{State, Value};
use crate::arena::{Arena, At, NONE, NoRoom, high, low, pair};
use entry::{ANY_NUMBER, each_of_cell, each_of_value, is_number, read_span};
pub(crate) use sharing::Plan;

const HEAD_WORDS: u32 = 2;
/// Beside the registers that are set: how many they are, in four bits.
const COUNT_SHIFT: u32 = 10;
/// In the same place: what entries depend on is not kept.
const STRIPPED: u32 = 1 << 15;
/// In the same place: entries that another snapshot holds are left out.
const SHARING: u32 = 1 << 14;

/// What the parts of a snapshot take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Words of what is not an entry.
    words: u32,
    /// Half words of the entries.
    halves: u32,
}

impl Size {
    const HEAD: Self = Self { words: HEAD_WORDS, halves: 0 };

    /// Words of all.
    pub const fn words(self) -> u32 {
        self.words.saturating_add(self.halves.div_ceil(2))
    }

    /// What handling it counts as, in words: of entries, each half word as five eighths.
    pub const fn weight(self) -> u32 {
        self.words.saturating_add(self.halves / 2).saturating_add(self.halves / 8)
    }

    /// Adds a register, whose entry takes so many half words.
    fn add_value(&mut self, value: &Value, halves: u32) {
        self.words = self.words.wrapping_add(own_words(value.deps));
        self.halves = self.halves.wrapping_add(halves);
    }

    /// Adds a cell, whose entry takes so many half words.
    fn add_cell(&mut self, cell: &Packed, halves: u32) {
        let sets = own_words(cell.deps()).wrapping_add(own_words(cell.live()));
        self.words = self.words.wrapping_add(sets);
        self.halves = self.halves.wrapping_add(halves);
    }

    fn add_sets(&mut self, sets: u32) {
        self.words = self.words.wrapping_add(code_words(sets));
    }
}

/// A snapshot in working memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot(pub At);

impl Snapshot {
    /// What a snapshot of `state` takes.
    pub fn measure(state: &State, arena: &Arena<'_>) -> Size {
        let (mut size, mut sets) = (Size::HEAD, state.cells.len().saturating_mul(2));
        for value in state.regs().iter().filter(|value| value.is_init()) {
            sets = sets.saturating_add(1);
            let mut halves = 0_u32;
            each_of_value(value, Class::of(&value.number), |_| halves = halves.wrapping_add(1));
            size.add_value(value, halves);
        }
        for index in 0..state.cells.len() {
            if let Some(cell) = state.cells.packed(arena, index) {
                let mut halves = 0_u32;
                each_of_cell(&cell, |_| halves = halves.wrapping_add(1));
                size.add_cell(&cell, halves);
            }
        }
        size.add_sets(sets);
        size
    }

    /// Writes a snapshot of `state` with all entries into a block of its size at `at`.
    pub fn write(state: &State, arena: &mut Arena<'_>, at: At, size: Size) -> Self {
        Self::write_planned(state, arena, at, &Plan::whole(size))
    }

    /// Writes a snapshot of `state` as it was planned into a block at `at`.
    pub fn write_planned(state: &State, arena: &mut Arena<'_>, at: At, plan: &Plan) -> Self {
        let mut mask = 0_u32;
        for (number, value) in (0_u32..).zip(state.regs()) {
            if value.is_init() {
                mask |= 1_u32.wrapping_shl(number);
            }
        }
        let cells = state.cells.len();
        let flag = if plan.base == NONE { 0 } else { SHARING };
        arena.set(at, pair(plan.words, cells));
        let count = mask.count_ones().wrapping_shl(COUNT_SHIFT);
        let second = pair(mask | count | flag | state.frame.wrapping_shl(16), state.refs);
        arena.set(at.saturating_add(1), second);
        plan.write(arena, Self(at));
        let (from, end) = (Self(at).head_words(arena), at.saturating_add(plan.words));
        let mut origins = origins::Out::new(at.saturating_add(from), end);
        let mut shared = plan.shared;
        let mut is_shared = || {
            let first = shared & 1 == 1;
            shared = shared.wrapping_shr(1);
            first
        };
        let mut out = Out::new(Self(at).entries_at(arena));
        for value in state.regs().iter().filter(|value| value.is_init()) {
            origins.add(arena, value.deps);
            if !is_shared() {
                let class = Class::of(&value.number);
                each_of_value(value, class, |half| out.put(arena, half));
            }
        }
        for index in 0..cells {
            let Some(cell) = state.cells.packed(arena, index) else { break };
            origins.add(arena, cell.deps());
            origins.add(arena, cell.live());
            if !is_shared() {
                each_of_cell(&cell, |half| out.put(arena, half));
            }
        }
        origins.finish(arena);
        out.finish(arena);
        Self(at)
    }

    pub fn words(self, arena: &Arena<'_>) -> u32 {
        low(arena.word(self.0))
    }

    pub fn cells(self, arena: &Arena<'_>) -> u32 {
        high(arena.word(self.0))
    }

    fn second(self, arena: &Arena<'_>) -> u64 {
        arena.word(self.0.saturating_add(1))
    }

    /// One bit for each register that is set.
    pub fn reg_mask(self, arena: &Arena<'_>) -> u32 {
        low(self.second(arena)) & 0x3ff
    }

    fn is_stripped(self, arena: &Arena<'_>) -> bool {
        low(self.second(arena)) & STRIPPED != 0
    }

    pub fn frame(self, arena: &Arena<'_>) -> u32 {
        low(self.second(arena)).wrapping_shr(16)
    }

    pub fn refs(self, arena: &Arena<'_>) -> u32 {
        high(self.second(arena))
    }

    /// Entries that are registers.
    pub fn regs(self, arena: &Arena<'_>) -> u32 {
        low(self.second(arena)).wrapping_shr(COUNT_SHIFT) & 0xf
    }

    /// What the entries rest on, one after the other, and behind each cell what its bytes
    /// do; nothing, where that was stripped.
    pub(super) fn origins(self, arena: &Arena<'_>) -> Option<In> {
        let end = self.0.saturating_add(self.words(arena));
        let from = self.0.saturating_add(self.head_words(arena));
        (!self.is_stripped(arena)).then(|| In::new(from, end))
    }

    /// What the entries rest on that `bits` stands for, the bytes or the numbers; the
    /// last bit stands for all that have none of their own.
    pub fn origins_of(self, arena: &Arena<'_>, bits: u64, bytes: bool) -> u64 {
        let Some(origins) = self.origins(arena) else { return 0 };
        let (regs, entries) = (self.regs(arena), self.entries(arena));
        // Registers have one set, and cells, which come behind them, two.
        let of = |index: u32| match index.checked_sub(regs) {
            None if bytes => 0,
            None => origins.at(arena, index),
            Some(cell) => {
                let first = index.saturating_add(cell);
                origins.at(arena, first.saturating_add(bytes.into()))
            }
        };
        let (mut rest, mut all) = (bits & !entry_bit(u32::MAX), 0);
        while rest != 0 {
            let index = rest.trailing_zeros();
            if index < entries {
                all |= of(index);
            }
            rest &= rest.wrapping_sub(1);
        }
        if bits & entry_bit(u32::MAX) != 0 {
            let mut origins = origins;
            for index in 0..entries {
                let deps = origins.next(arena);
                let live = if index < regs { 0 } else { origins.next(arena) };
                if index >= 63 {
                    all |= if bytes { live } else { deps };
                }
            }
        }
        all
    }

    /// Where its own entries begin.
    fn entries_at(self, arena: &Arena<'_>) -> At {
        let sets = self.regs(arena).saturating_add(self.cells(arena).saturating_mul(2));
        let skip = if self.is_stripped(arena) { 0 } else { code_words(sets) };
        self.0.saturating_add(self.head_words(arena)).saturating_add(skip)
    }

    /// Hands on what serves comparisons alone, as half words that lie there: of the bytes those
    /// with a bit in `read`, of the numbers those with one in `exact`. Other numbers may be
    /// any: of these, only the span is handed on. How many cells that are.
    fn strip(
        self,
        arena: &mut Arena<'_>,
        (read, exact): (u64, u64),
        mut keep: impl FnMut(&mut Arena<'_>, Stripped),
    ) -> u32 {
        let (cells, regs) = (self.cells(arena), self.regs(arena));
        let (mut entries, mut kept) = (self.read(arena), 0_u32);
        for index in 0..regs.saturating_add(cells) {
            let (cell, bit) = (index >= regs, entry_bit(index));
            let (at, end) = entries.place(arena, cell);
            let mut head = at;
            if cell {
                let (addr, _) = read_span(arena.half_words(), &mut head);
                if addr < SAVED && read & bit == 0 {
                    continue;
                }
                kept = kept.saturating_add(1);
            }
            let any = exact & bit == 0 && is_number(arena.half_words().at(head));
            keep(arena, Stripped { at, end: if any { head } else { end }, any });
        }
        kept
    }

    /// Words of a snapshot of what serves comparisons alone; see [`Self::write_stripped`].
    pub fn measure_stripped(self, arena: &mut Arena<'_>, marks: (u64, u64)) -> u32 {
        let mut size = Size::HEAD;
        self.strip(arena, marks, |_, Stripped { at, end, any }| {
            let own = end.saturating_sub(at).saturating_add(any.into());
            size.halves = size.halves.saturating_add(own);
        });
        size.words()
    }

    /// Keeps at `to` what serves comparisons alone: of the bytes those that the first of
    /// the marks names, of the numbers those that the second does.
    pub fn write_stripped(self, arena: &mut Arena<'_>, to: At, marks: (u64, u64)) {
        let second = self.second(arena) & !u64::from(SHARING);
        let mut out = Out::new(to.saturating_add(HEAD_WORDS));
        let kept = self.strip(arena, marks, |arena, entry| {
            for at in entry.at..entry.end {
                let half = arena.half_words().at(at);
                out.put(arena, half);
            }
            if entry.any {
                out.put(arena, ANY_NUMBER);
            }
        });
        let end = out.finish(arena);
        arena.set(to, pair(end.saturating_sub(to), kept));
        arena.set(to.saturating_add(1), second | u64::from(STRIPPED));
    }

    /// Makes `state` what the snapshot was taken of.
    pub fn load(self, arena: &mut Arena<'_>, state: &mut State) -> Result<(), NoRoom> {
        let mask = self.reg_mask(arena);
        (state.frame, state.refs) = (self.frame(arena), self.refs(arena));
        let (mut entries, mut origins) = (self.read(arena), self.origins(arena));
        let mut origin = |arena: &Arena<'_>| origins.as_mut().map_or(0, |set| set.next(arena));
        for register in Register::all() {
            let mut value = Value::NOT_INIT;
            if mask.wrapping_shr(register.number().into()) & 1 == 1 {
                value = entries.value(arena);
                value.deps = origin(arena);
            }
            state.set_reg(register, value);
        }
        let cells = self.cells(arena);
        state.cells.refill(arena, cells)?;
        for index in 0..cells {
            let (deps, live) = (origin(arena), origin(arena));
            let cell = entries.packed(arena, deps, live);
            state.cells.set_packed(arena, index, &cell);
        }
        Ok(())
    }
}

/// An entry as it is kept of a done node: half words that lie elsewhere, and then the head
/// of a number that may be any, if it is one.
struct Stripped {
    at: u32,
    end: u32,
    any: bool,
}

/// Writes half words one after the other.
struct Out {
    /// The next one.
    at: u32,
    /// The one before it, if that is the first of its word.
    first: u32,
}

impl Out {
    /// From the word at `at` on.
    const fn new(at: At) -> Self {
        Self { at: at.saturating_mul(2), first: 0 }
    }

    #[inline]
    fn put(&mut self, arena: &mut Arena<'_>, half: u32) {
        if self.at & 1 == 0 {
            self.first = half;
        } else {
            arena.set(self.at / 2, pair(self.first, half));
        }
        self.at = self.at.wrapping_add(1);
    }

    /// All were written. The word behind the last one.
    fn finish(self, arena: &mut Arena<'_>) -> At {
        if self.at & 1 == 1 {
            arena.set(self.at / 2, self.first.into());
        }
        self.at.div_ceil(2)
    }
}
