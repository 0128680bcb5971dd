//! States that wait as they are.
//!
//! Most of the states that are kept at branches are taken up again soon. Those need not be
//! made small: registers and cells are copied, one way and the other; of a register's number
//! that is known, or any, only that is kept. What is noted beside them is kept, too, where it
//! says how they lie in the node that the path goes on from. Cells that were not touched since
//! that node was made may be left out, as they are the node's; of others, it may be said which
//! ones lie in the snapshot that the node shares with.

use super::{ALL_REGS, Snapshot, origins};
use crate::arena::{Arena, At, NONE, NoRoom, high, low, pair, slot_words};
use crate::domain::Scalar;
use crate::state::cells::{CELL_STRIDE, Packed, kept_as, origins_of};
use crate::state::class::Class;
use crate::state::reg::{FREE_BITS, pack_number, unpack_number};
use crate::state::{State, Value};

const HEAD_WORDS: u32 = 3;
/// Words of a register but for its number: head, place, and what it rests on.
const REG_WORDS: usize = 3;

/// In the first word, above the registers that are set: the cells were not touched.
const UNTOUCHED: u32 = 1 << 16;
/// In the same place: and they are left out.
const ALIKE: u32 = 1 << 17;
/// In the same place: cells that lie in the base have a word that says so.
const NAMED: u32 = 1 << 18;

/// In the same word, above the registers that lie as they are: how many words it has.
const WORDS_SHIFT: u32 = 16;
/// Words that it may have.
pub(crate) const PLAIN_WORDS: u32 = 512;

/// How a number is copied: a known one, any, or all of its words.
fn class_of(number: &Scalar) -> Class {
    if number.as_constant().is_some() {
        Class::Constant
    } else if number.is_unknown() {
        Class::Unknown
    } else {
        Class::General
    }
}

/// The same, by the head of a register.
const fn class_of_head(head: u64) -> Class {
    Class::from_bits(low(head).wrapping_shr(FREE_BITS) & 0xf)
}

/// Words of a register whose number is copied so.
const fn reg_words(class: Class) -> usize {
    REG_WORDS.wrapping_add(class.halves() as usize / 2)
}

/// In a word, the entry that a cell is in the base, and what it rests on, if that is so and no
/// set of several entries. It is less than any first word of a cell, which has some length.
fn name_of(cell: &Packed) -> Option<u64> {
    let (deps, live) = origins_of(cell);
    let deps = origins::small_code(deps)?.wrapping_shl(8);
    let live = origins::small_code(live)?.wrapping_shl(16);
    kept_as(cell).map(|entry| u64::from(entry) | deps | live)
}

/// A copy of a state in working memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plain(pub At);

impl Plain {
    /// Words that a copy of `state` takes.
    pub fn words_for(state: &State) -> u32 {
        let cells = state.cells.len().saturating_mul(CELL_STRIDE);
        Self::words_without_cells(state, ALL_REGS).saturating_add(cells)
    }

    /// The same, of these registers alone.
    pub fn words_without_cells(state: &State, regs: u16) -> u32 {
        let regs = state.regs_of(regs).map(|(_, value)| reg_words(class_of(&value.number)));
        HEAD_WORDS.saturating_add(slot_words(regs.sum::<usize>()))
    }

    /// Writes a copy of `state`, which came from the node with the snapshot `last`, into a
    /// block at `at`.
    pub fn write(state: &State, arena: &mut Arena<'_>, at: At, last: Option<Snapshot>) -> Self {
        let to = Self::write_regs(state, arena, at, (last, ALL_REGS, 0));
        state.cells.copy_to(arena, to);
        let end = to.saturating_add(state.cells.len().saturating_mul(CELL_STRIDE));
        Self(at).end_at(arena, end);
        Self(at)
    }

    /// The same of a state whose cells are those of `last`, which are left out, and of these
    /// registers alone.
    pub fn write_alike(state: &State, arena: &mut Arena<'_>, at: At, last: Snapshot, regs: u16) {
        let end = Self::write_regs(state, arena, at, (Some(last), regs, ALIKE));
        Self(at).end_at(arena, end);
    }

    /// Words of a copy of a state, with these registers alone, where cells that lie in the base
    /// of the last node are not copied.
    pub fn words_with_names(state: &State, arena: &Arena<'_>, regs: u16) -> u32 {
        let cells = state.cells.all(arena).iter();
        let words = cells.map(|cell| if name_of(cell).is_some() { 1 } else { CELL_STRIDE });
        words.fold(Self::words_without_cells(state, regs), u32::saturating_add)
    }

    /// Writes such a copy, of so many words, of a state of which it is noted what lies in the base
    /// of `last`.
    pub fn write_with_names(
        state: &State,
        arena: &mut Arena<'_>,
        (at, words): (At, u32),
        last: Snapshot,
        regs: u16,
    ) {
        let to = Self::write_regs(state, arena, at, (Some(last), regs, NAMED));
        let end = at.saturating_add(words);
        let (cells, mut rest) = state.cells.all_beside(arena, (to, end.saturating_sub(to)));
        for cell in cells {
            let name = name_of(cell);
            let taken = if name.is_some() { 1 } else { cell.len() };
            let Some((words, behind)) = rest.split_at_mut_checked(taken) else { break };
            match (name, words) {
                (Some(name), [word]) => *word = name,
                (_, words) => words.copy_from_slice(cell),
            }
            rest = behind;
        }
        Self(at).end_at(arena, end);
    }

    /// Makes the cells of `state` so many that were written from `at` on, where they are named by
    /// what they are in `base`.
    fn load_named(
        arena: &mut Arena<'_>,
        state: &mut State,
        at: At,
        (base, cells): (Snapshot, u32),
    ) -> Result<(), NoRoom> {
        let lying = state.make_room(arena, Some(base), cells)?;
        let (mut entries, mut from) = (base.read_as_shared(arena), at);
        for index in 0..cells {
            let word = arena.word(from);
            if high(word) != 0 {
                state.cells.set_from(arena, index, from);
                from = from.saturating_add(CELL_STRIDE);
                continue;
            }
            let [entry, deps, live, ..] = word.to_le_bytes();
            let origins = (origins::set_of_code(deps.into()), origins::set_of_code(live.into()));
            entries.place_cell(arena, state, (index, lying), (Some(entry.into()), origins));
            from = from.saturating_add(1);
        }
        Ok(())
    }

    /// Notes where the copy ends.
    fn end_at(self, arena: &mut Arena<'_>, end: At) {
        let words = end.saturating_sub(self.0).wrapping_shl(WORDS_SHIFT);
        let first = arena.word(self.0);
        arena.set(self.0, pair(low(first), high(first) | words));
    }

    /// Writes what is not a cell, of these registers. What is behind.
    fn write_regs(
        state: &State,
        arena: &mut Arena<'_>,
        at: At,
        (last, which, flags): (Option<Snapshot>, u16, u32),
    ) -> At {
        let base = last.map_or(NONE, |last| last.base(arena).unwrap_or(last).0);
        let noted = base != NONE && state.kept == base;
        let (kept, regs) = if noted { (base, state.kept_regs & which) } else { (NONE, 0) };
        let untouched = if noted && state.cells.is_untouched() { UNTOUCHED } else { 0 };
        let mask = state.set_of(which);
        arena.set(at, pair(mask | untouched | flags, regs.into()));
        arena.set(at.saturating_add(1), pair(state.frame, state.refs));
        arena.set(at.saturating_add(2), pair(kept, state.cells.len()));
        let mut to = at.saturating_add(HEAD_WORDS);
        for (_, value) in state.regs_of(which) {
            let class = class_of(&value.number);
            let words = reg_words(class);
            let (head, place) = value.pack_head(class);
            if let [first, second, third, number @ ..] = arena.slice_mut(to, words) {
                (*first, *second, *third) = (head, place, value.deps);
                if let [slot] = number {
                    *slot = value.number.bits().value();
                } else if let Some(slot) = number.first_chunk_mut() {
                    *slot = pack_number(&value.number);
                }
            }
            to = to.saturating_add(slot_words(words));
        }
        to
    }

    /// Words that it takes.
    pub fn words(self, arena: &Arena<'_>) -> u32 {
        high(arena.word(self.0)).wrapping_shr(WORDS_SHIFT)
    }

    /// Makes `state` what it was. The node that it came from, of which `last` is the snapshot,
    /// must be there still.
    pub fn load(
        self,
        arena: &mut Arena<'_>,
        state: &mut State,
        last: Snapshot,
    ) -> Result<(), NoRoom> {
        let [first, place, lies] = [0, 1, 2].map(|field| arena.word(self.0.saturating_add(field)));
        let mut from = self.0.saturating_add(HEAD_WORDS);
        for (number, value) in (0_u32..).zip(&mut state.regs) {
            if low(first).wrapping_shr(number) & 1 == 0 {
                if value.is_init() {
                    *value = Value::NOT_INIT;
                }
                continue;
            }
            let words = reg_words(class_of_head(arena.word(from)));
            if let [head, place, deps, number @ ..] = arena.slice(from, words) {
                let number = match number {
                    [] => Scalar::UNKNOWN,
                    [known] => Scalar::constant(*known),
                    all => all.first_chunk().map_or(Scalar::UNKNOWN, |all| unpack_number(*all)),
                };
                *value = Value::unpack_with(*head, *place, number, *deps);
            }
            from = from.saturating_add(slot_words(words));
        }
        (state.frame, state.refs) = (low(place), high(place));
        if low(first) & ALIKE != 0 {
            last.load_cells(arena, state)?;
        } else if low(first) & NAMED != 0 {
            let held = (Snapshot(low(lies)), high(lies));
            Self::load_named(arena, state, from, held)?;
        } else {
            state.forget_kept();
            state.cells.copy_from(arena, from, high(lies))?;
        }
        let kept_regs = high(first) & ((1 << WORDS_SHIFT) - 1);
        (state.kept, state.kept_regs) = (low(lies), u16::try_from(kept_regs).unwrap_or(0));
        state.cells.set_untouched(if low(first) & UNTOUCHED == 0 { NONE } else { last.0 });
        Ok(())
    }
}
