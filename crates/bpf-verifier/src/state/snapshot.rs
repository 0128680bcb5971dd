//! States at rest: as few words as they need.
//!
//! A snapshot begins with its size and its number of cells, the registers it
//! holds, frame and references. What follows are, as [`origins`](super::origins),
//! the dependencies of every entry (the registers that are set, then the cells) and,
//! behind each cell's, the bytes that it rests on; and then the entries themselves, in
//! half words ([`entry`]).
//! What is stripped has the entries alone, and only those that matter, and behind many which one
//! told a state apart last ([`apart`]); others may leave out some that another snapshot holds
//! ([`sharing`]).

mod apart;
mod entry;
mod plain;
mod sharing;
#[cfg(test)]
#[allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests may panic"
)]
mod tests;

use super::cells::{DIFFERENCES, Packed, REFS, SAVED, origins_of};
use super::class::Class;
use super::cover::entry_bit;
use super::origins::{self, In, code_words, own_words};
use super::{NO_RANGE, State, Value};
use crate::arena::{Arena, At, HalfWords, NONE, NoRoom, Writable, high, low, pair};
use apart::note_words;
use entry::{
    ANY_NUMBER, Found, each_of_cell, each_of_value, halves_of_cell, halves_of_value, is_number,
    range_place, without_index,
};
pub(super) use entry::{Reader, Sight, glance};
pub(crate) use plain::{PLAIN_WORDS, Plain};
pub(crate) use sharing::Plan;

const HEAD_WORDS: u32 = 2;
/// Every register, by its bit.
pub(crate) const ALL_REGS: u16 = 0x3ff;
/// Beside the registers that are set: how many they are, in four bits.
const COUNT_SHIFT: u32 = 10;
/// In the same place: what entries depend on is not kept.
const STRIPPED: u32 = 1 << 15;
/// In the same place: entries that another snapshot holds are left out.
const SHARING: u32 = 1 << 14;
/// In the same place, above the frame: the cells are left out, as they are those of the node
/// that the path was at last.
const ALIKE: u32 = 1 << 31;
/// Beside the references, of which there are fewer: the words between the head and the codes of
/// what entries rest on.
const MORE_SHIFT: u32 = 29;

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
        let (deps, live) = origins_of(cell);
        let sets = own_words(deps).wrapping_add(own_words(live));
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
        Self::measure_with(state, arena, ALL_REGS)
    }

    /// The same, of no other registers than these.
    fn measure_with(state: &State, arena: &Arena<'_>, kept: u16) -> Size {
        let (mut size, mut sets) = (Size::HEAD, state.cells.len().saturating_mul(2));
        for value in state.regs_of(kept).map(|(_, value)| value) {
            sets = sets.saturating_add(1);
            size.add_value(value, halves_of_value(value, Class::of(&value.number)));
        }
        for cell in state.cells.all(arena) {
            size.add_cell(cell, halves_of_cell(cell));
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
        let mask = state.set_of(plan.regs);
        let cells = if plan.alike { 0 } else { state.cells.len() };
        let flag = if plan.base == NONE { 0 } else { SHARING };
        let flag = if plan.alike { flag | ALIKE } else { flag };
        arena.set(at, pair(plan.words, cells));
        let count = mask.count_ones().wrapping_shl(COUNT_SHIFT);
        let entries = mask.count_ones().saturating_add(cells);
        let more = plan.more_words(arena, entries);
        let refs = state.refs | more.wrapping_shl(MORE_SHIFT);
        let second = pair(mask | count | flag | state.frame.wrapping_shl(16), refs);
        arena.set(at.saturating_add(1), second);
        plan.write(arena, Self(at));
        let mut origins = origins::Out::new(Self(at).head_words(arena), plan.words);
        let mut out = Out::new(Self(at).entries_at(arena).saturating_sub(at));
        let mut shared = plan.shared;
        let mut is_shared = || {
            let first = shared & 1 == 1;
            shared = shared.wrapping_shr(1);
            first
        };
        let (held, words) = state.cells.all_beside(arena, (at, plan.words));
        for (number, value) in (0_u32..).zip(state.regs()) {
            if mask.wrapping_shr(number) & 1 == 0 {
                continue;
            }
            origins.add(words, value.deps);
            if !is_shared() {
                let class = Class::of(&value.number);
                each_of_value(value, class, |half| out.put(words, half));
            }
        }
        for cell in held.iter().take(cells as usize) {
            if !is_shared() {
                each_of_cell(cell, |half| out.put(words, half));
            }
            let (deps, live) = origins_of(cell);
            origins.add(words, deps);
            origins.add(words, live);
        }
        origins.finish(words);
        out.finish(words);
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

    #[inline]
    fn is_stripped(self, arena: &Arena<'_>) -> bool {
        low(self.second(arena)) & STRIPPED != 0
    }

    pub fn frame(self, arena: &Arena<'_>) -> u32 {
        (low(self.second(arena)) & !ALIKE).wrapping_shr(16)
    }

    pub fn refs(self, arena: &Arena<'_>) -> u32 {
        high(self.second(arena)) & ((1 << MORE_SHIFT) - 1)
    }

    /// Words in front of the codes of what entries rest on.
    fn head_words(self, arena: &Arena<'_>) -> u32 {
        HEAD_WORDS.saturating_add(high(self.second(arena)).wrapping_shr(MORE_SHIFT))
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
    #[inline]
    pub fn origins_of(self, arena: &Arena<'_>, bits: u64, bytes: bool) -> u64 {
        let one = self.origin_of_one(arena.half_words(), bits, bytes);
        one.unwrap_or_else(|| self.origins_of_several(arena, bits, bytes))
    }

    /// The same of any entries.
    fn origins_of_several(self, arena: &Arena<'_>, bits: u64, bytes: bool) -> u64 {
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

    /// The same for one entry that came from one, or none: most are such. None of any other.
    #[inline]
    fn origin_of_one(self, words: HalfWords<'_>, bits: u64, bytes: bool) -> Option<u64> {
        let (first, second) = (words.word(self.0), words.word(self.0.saturating_add(1)));
        let (index, regs) = (bits.trailing_zeros(), low(second).wrapping_shr(COUNT_SHIFT) & 0xf);
        let one = bits & bits.wrapping_sub(1) == 0 && index < 63;
        if !one || low(second) & STRIPPED != 0 || index >= regs.saturating_add(high(first)) {
            return None;
        }
        let behind = match index.checked_sub(regs) {
            None if bytes => return Some(0),
            None => 0,
            Some(cell) => cell.wrapping_add(bytes.into()),
        };
        let more = high(second).wrapping_shr(MORE_SHIFT);
        let from = self.0.saturating_add(HEAD_WORDS).saturating_add(more);
        origins::one_at(words, from, index.wrapping_add(behind))
    }

    /// Where its entries begin, in half words, if it was stripped.
    #[inline]
    pub(super) fn glances(self, arena: &Arena<'_>) -> Option<u32> {
        let first = self.0.saturating_add(HEAD_WORDS).saturating_mul(2);
        self.is_stripped(arena).then_some(first)
    }

    /// Where its own entries begin.
    #[inline]
    fn entries_at(self, arena: &Arena<'_>) -> At {
        // What is stripped has all of its entries, and nothing in front of them.
        if self.is_stripped(arena) {
            return self.0.saturating_add(HEAD_WORDS);
        }
        let sets = self.regs(arena).saturating_add(self.cells(arena).saturating_mul(2));
        let skip = code_words(sets);
        self.0.saturating_add(self.head_words(arena)).saturating_add(skip)
    }

    /// Hands on what serves comparisons alone, as half words that lie there: of the bytes those
    /// with a bit in `read`, of the numbers those with one in `exact`. Other numbers may be
    /// any: of these, only the span is handed on. How many cells that are.
    fn strip(
        self,
        arena: &mut Arena<'_>,
        (to, most): (At, u32),
        (read, exact): (u64, u64),
        mut keep: impl FnMut(&mut Writable<'_>, Stripped),
    ) -> u32 {
        let (cells, regs) = (self.cells(arena), self.regs(arena));
        let (mut entries, mut kept) = (self.read(arena), 0_u32);
        let mut words = arena.writable(to, most as usize);
        for index in 0..regs.saturating_add(cells) {
            let (cell, bit) = (index >= regs, entry_bit(index));
            let halves = words.half_words();
            let Found { at, addr, head, held, end } = entries.find(halves, cell);
            if cell {
                let marks = if (DIFFERENCES..REFS).contains(&addr) { exact } else { read };
                if (addr < SAVED || (DIFFERENCES..REFS).contains(&addr)) && marks & bit == 0 {
                    continue;
                }
                kept = kept.wrapping_add(1);
            }
            let matters = exact & bit != 0;
            let any = !matters && is_number(held);
            let range = if matters || any { None } else { range_place(held) };
            let reach = range.map(|range| (head, head.wrapping_add(range)));
            keep(&mut words, Stripped { at, end: if any { head } else { end }, any, reach });
        }
        kept
    }

    /// Keeps what serves comparisons alone, of the bytes those that the first of the marks
    /// names, of the numbers those that the second does: behind `head` words of a block.
    pub fn keep_stripped(
        self,
        arena: &mut Arena<'_>,
        head: u32,
        marks: (u64, u64),
    ) -> Result<At, NoRoom> {
        // Written behind everything, it is measured at the same time. It has no entry that
        // the snapshot does not have, and what handling that counts as is more than those
        // take.
        let most = self.weight(arena).saturating_add(HEAD_WORDS);
        if let Some(draft) = arena.behind(most as usize)
            // What goes beyond the storage is not written.
            && let words = self.write_stripped(arena, (draft, most), marks)
            && words <= most
        {
            let at = arena.alloc_apart(words.saturating_add(head) as usize)?;
            arena.copy(draft, at.saturating_add(head), words as usize);
            return Ok(at);
        }
        let words = self.measure_stripped(arena, marks);
        let at = arena.alloc_apart(words.saturating_add(head) as usize)?;
        self.write_stripped(arena, (at.saturating_add(head), words), marks);
        Ok(at)
    }

    fn measure_stripped(self, arena: &mut Arena<'_>, marks: (u64, u64)) -> u32 {
        let mut size = Size::HEAD;
        let kept = self.strip(arena, (NONE, 0), marks, |_, Stripped { at, end, any, .. }| {
            let own = end.saturating_sub(at).saturating_add(any.into());
            size.halves = size.halves.saturating_add(own);
        });
        size.words().saturating_add(note_words(kept))
    }

    /// Writes it at `to`, where it has so many words at the most. The words it takes.
    fn write_stripped(
        self,
        arena: &mut Arena<'_>,
        (to, most): (At, u32),
        marks: (u64, u64),
    ) -> u32 {
        let second = self.second(arena) & !pair(SHARING, u32::MAX.wrapping_shl(MORE_SHIFT));
        let mut out = Out::new(to.saturating_add(HEAD_WORDS));
        let kept = self.strip(arena, (to, most), marks, |words, entry| {
            match entry.reach {
                None => out.copy(words, entry.at, entry.end),
                Some((head, range)) => {
                    out.copy(words, entry.at, head);
                    let first = words.half_words().at(head);
                    out.put(words.all, without_index(first));
                    out.copy(words, head.wrapping_add(1), range);
                    out.put(words.all, NO_RANGE.cast_unsigned());
                    out.copy(words, range.wrapping_add(1), entry.end);
                }
            }
            if entry.any {
                out.put(words.all, ANY_NUMBER);
            }
        });
        let end = out.finish(arena.writable(to, most as usize).all);
        let more = note_words(kept);
        let words = end.saturating_sub(to).saturating_add(more);
        if more > 0 && words <= most {
            arena.set(end, 0);
        }
        arena.set(to, pair(words, kept));
        arena.set(to.saturating_add(1), second | u64::from(STRIPPED));
        words
    }

    /// Makes `state` what the snapshot was taken of.
    pub fn load(self, arena: &mut Arena<'_>, state: &mut State) -> Result<(), NoRoom> {
        let (mut entries, mut origins) = self.load_regs(arena, state);
        let mut origin = |arena: &Arena<'_>| origins.as_mut().map_or(0, |set| set.next(arena));
        let cells = self.cells(arena);
        let lying = state.make_room(arena, self.base(arena), cells)?;
        for index in 0..cells {
            let origins = (origin(arena), origin(arena));
            entries.load_cell(arena, state, (index, lying), origins);
        }
        Ok(())
    }

    /// The same, where the snapshot was taken behind `last`, the last node on a path, and
    /// that is the last one again.
    pub fn resume(
        self,
        arena: &mut Arena<'_>,
        state: &mut State,
        last: Self,
    ) -> Result<(), NoRoom> {
        let base = last.base(arena).unwrap_or(last);
        if low(self.second(arena)) & ALIKE == 0 {
            self.load(arena, state)?;
        } else {
            self.load_regs(arena, state);
            last.load_cells(arena, state)?;
        }
        // What is noted to lie as it is lies there.
        state.kept = base.0;
        Ok(())
    }

    /// Makes the cells of `state` those of the snapshot of the last node on its path, which were
    /// not touched since.
    fn load_cells(self, arena: &mut Arena<'_>, state: &mut State) -> Result<(), NoRoom> {
        let base = self.base(arena).unwrap_or(self);
        if state.kept == base.0 && state.cells.are_of(self.0) {
            return Ok(());
        }
        let (regs, cells) = (self.regs(arena), self.cells(arena));
        let mut entries = self.read_as_shared(arena);
        for _ in 0..regs {
            entries.place(arena.half_words(), false);
        }
        let lying = state.make_room(arena, Some(base), cells)?;
        for index in 0..cells {
            let bit = entry_bit(regs.wrapping_add(index));
            entries.load_cell(arena, state, (index, lying), (bit, bit));
        }
        state.cells.set_untouched(self.0);
        Ok(())
    }

    /// Whether it is noted what of `state`, which came from the node that this was taken of, lies
    /// in the snapshot that this one shares with.
    pub fn is_noted(self, arena: &Arena<'_>, state: &State) -> bool {
        state.kept == self.base(arena).unwrap_or(self).0
    }

    /// Whether the cells of `state`, which came from the node that this was taken of, are those
    /// that it has, and can be found in it again.
    pub fn has_cells_of(self, arena: &Arena<'_>, state: &State) -> bool {
        let told_apart = self.entries(arena) <= u128::BITS;
        self.is_noted(arena, state) && told_apart && state.cells.is_untouched()
    }

    /// Makes registers, frame and references of `state` those of the snapshot; what is behind.
    fn load_regs(self, arena: &Arena<'_>, state: &mut State) -> (Reader, Option<In>) {
        let mask = self.reg_mask(arena);
        (state.frame, state.refs) = (self.frame(arena), self.refs(arena));
        let mut entries = self.read(arena);
        let mut origins = self.origins(arena);
        let lies = self.base(arena).is_some_and(|base| base.0 == state.kept);
        let lying = if lies { state.kept_regs } else { 0 };
        let mut kept = 0;
        for (number, value) in (0_u32..).zip(&mut state.regs) {
            let bit = 1_u16.wrapping_shl(number);
            if mask.wrapping_shr(number) & 1 == 0 {
                if value.is_init() {
                    *value = Value::NOT_INIT;
                }
                continue;
            }
            let entry = entries.turn();
            kept |= if entry.is_some() { bit } else { 0 };
            if kept & lying & bit == 0 {
                *value = entries.value_at(arena, entry);
            }
            value.deps = origins.as_mut().map_or(0, |set| set.next(arena));
        }
        state.kept_regs = kept;
        (entries, origins)
    }
}

impl State {
    /// Makes room for so many cells of a snapshot that shares with `base`. As many of the
    /// first ones as are told may lie as they are there.
    fn make_room(
        &mut self,
        arena: &mut Arena<'_>,
        base: Option<Snapshot>,
        cells: u32,
    ) -> Result<u32, NoRoom> {
        let kept = core::mem::replace(&mut self.kept, NONE);
        let before = self.cells.refill(arena, cells)?;
        Ok(if base.is_some_and(|base| base.0 == kept) { before } else { 0 })
    }
}

impl Reader {
    /// Makes the cell at an index what the next entry is, with what it rests on. Before
    /// `lying`, one that is noted to be as it is there need not be read.
    #[inline(always)]
    fn load_cell(
        &mut self,
        arena: &mut Arena<'_>,
        state: &mut State,
        (index, lying): (u32, u32),
        origins: (u64, u64),
    ) {
        let entry = self.turn();
        self.place_cell(arena, state, (index, lying), (entry, origins));
    }

    /// The same of the entry that was turned to.
    #[inline(always)]
    fn place_cell(
        &mut self,
        arena: &mut Arena<'_>,
        state: &mut State,
        (index, lying): (u32, u32),
        (entry, origins): (Option<u32>, (u64, u64)),
    ) {
        let lies = index < lying && entry.is_some();
        if !lies || !state.cells.keep(arena, index, entry, origins) {
            self.read_cell(arena, state, (index, entry), origins);
        }
    }

    /// Makes the cell at an index what the entry is that was turned to.
    #[inline(never)]
    fn read_cell(
        &mut self,
        arena: &mut Arena<'_>,
        state: &mut State,
        (index, entry): (u32, Option<u32>),
        origins: (u64, u64),
    ) {
        let cell = self.packed(arena, entry, origins);
        state.cells.set_packed(arena, index, &cell);
    }
}

/// An entry as it is kept of a done node: half words that lie elsewhere, and then the head
/// of a number that may be any, if it is one.
struct Stripped {
    at: u32,
    end: u32,
    any: bool,
    /// Of an address in a packet of which it does not matter how far that reaches: where the
    /// head is, and where that is said.
    reach: Option<(u32, u32)>,
}

/// Writes half words one after the other into words.
struct Out {
    /// The next one.
    at: u32,
    /// The one before it, if that is the first of its word.
    first: u32,
}

impl Out {
    /// From the word at an index on.
    const fn new(at: u32) -> Self {
        Self { at: at.saturating_mul(2), first: 0 }
    }

    #[inline]
    fn put(&mut self, words: &mut [u64], half: u32) {
        if self.at & 1 == 0 {
            self.first = half;
        } else if let Some(word) = words.get_mut((self.at / 2) as usize) {
            *word = pair(self.first, half);
        }
        self.at = self.at.wrapping_add(1);
    }

    /// Puts half words that lie elsewhere.
    #[inline]
    fn copy(&mut self, words: &mut Writable<'_>, from: u32, end: u32) {
        let mut at = from;
        while at < end {
            let half = words.half_words().at(at);
            self.put(words.all, half);
            at = at.wrapping_add(1);
        }
    }

    /// All were written. The index of the word behind the last one.
    fn finish(self, words: &mut [u64]) -> u32 {
        if self.at & 1 == 1
            && let Some(word) = words.get_mut((self.at / 2) as usize)
        {
            *word = self.first.into();
        }
        self.at.div_ceil(2)
    }
}
