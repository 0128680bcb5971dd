//! States that wait as they are.
//!
//! Most of the states that are kept at branches are taken up again soon. Those need not be
//! made small: registers and cells are copied, one way and the other. What is noted beside
//! them is kept, too, where it says how they lie in the node that the path goes on from.

use super::{ALL_REGS, Snapshot};
use crate::arena::{Arena, At, NONE, NoRoom, high, low, pair};
use crate::state::cells::CELL_STRIDE;
use crate::state::class::Class;
use crate::state::reg::VALUE_WORDS;
use crate::state::{State, Value};

const HEAD_WORDS: u32 = 3;
const REG_WORDS: u32 = 11;
const _: () = assert!(REG_WORDS as usize == VALUE_WORDS);

/// In the first word, above the registers that are set: the cells were not touched.
const UNTOUCHED: u32 = 1 << 16;

/// A copy of a state in working memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plain(pub At);

impl Plain {
    /// Words that a copy of `state` takes.
    pub fn words_for(state: &State) -> u32 {
        let regs = state.set_of(ALL_REGS).count_ones();
        Self::words_of(regs, state.cells.len())
    }

    const fn words_of(regs: u32, cells: u32) -> u32 {
        let cells = cells.saturating_mul(CELL_STRIDE);
        HEAD_WORDS.saturating_add(regs.saturating_mul(REG_WORDS)).saturating_add(cells)
    }

    /// Writes a copy of `state`, which came from the node with the snapshot `last`, into a
    /// block at `at`.
    pub fn write(state: &State, arena: &mut Arena<'_>, at: At, last: Option<Snapshot>) -> Self {
        let base = last.map_or(NONE, |last| last.base(arena).unwrap_or(last).0);
        let noted = base != NONE && state.kept == base;
        let (kept, regs) = if noted { (base, state.kept_regs) } else { (NONE, 0) };
        let flags = if noted && state.cells.is_untouched() { UNTOUCHED } else { 0 };
        let mask = state.set_of(ALL_REGS);
        arena.set(at, pair(mask | flags, regs.into()));
        arena.set(at.saturating_add(1), pair(state.frame, state.refs));
        arena.set(at.saturating_add(2), pair(kept, state.cells.len()));
        let mut to = at.saturating_add(HEAD_WORDS);
        for value in state.regs().iter().filter(|value| value.is_init()) {
            // Of what class the number is does not matter here.
            let words = value.pack(Class::General);
            if let Some(slot) = arena.slice_mut(to, VALUE_WORDS).first_chunk_mut() {
                *slot = words;
            }
            to = to.saturating_add(REG_WORDS);
        }
        state.cells.copy_to(arena, to);
        Self(at)
    }

    /// Words that it takes.
    pub fn words(self, arena: &Arena<'_>) -> u32 {
        let regs = low(arena.word(self.0)) & !UNTOUCHED;
        let cells = high(arena.word(self.0.saturating_add(2)));
        Self::words_of(regs.count_ones(), cells)
    }

    /// Makes `state` what it was. The node that it came from must be there still.
    pub fn load(self, arena: &mut Arena<'_>, state: &mut State) -> Result<(), NoRoom> {
        let [first, place, lies] = [0, 1, 2].map(|field| arena.word(self.0.saturating_add(field)));
        let mut from = self.0.saturating_add(HEAD_WORDS);
        for (number, value) in (0_u32..).zip(&mut state.regs) {
            if low(first).wrapping_shr(number) & 1 == 0 {
                if value.is_init() {
                    *value = Value::NOT_INIT;
                }
            } else if let Some(words) = arena.slice(from, VALUE_WORDS).first_chunk() {
                *value = Value::unpack(words);
                from = from.saturating_add(REG_WORDS);
            }
        }
        (state.frame, state.refs) = (low(place), high(place));
        state.forget_kept();
        state.cells.copy_from(arena, from, high(lies))?;
        let kept_regs = u16::try_from(high(first)).unwrap_or(0);
        (state.kept, state.kept_regs) = (low(lies), kept_regs);
        state.cells.set_untouched(low(first) & UNTOUCHED != 0);
        Ok(())
    }
}
