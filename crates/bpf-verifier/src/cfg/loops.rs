//! Loops: where jumps lead backwards.
//!
//! A loop is its *head*, the target of a backward jump, and the slots from there
//! to the last one that jumps back to it. Where two such stretches overlap, the
//! first one is taken to reach to the end of both, so that of any two loops one
//! lies within the other, or they are apart.
//!
//! That is how compilers order code. Where it is not, or where flow enters a loop
//! behind its head, the stretch is a bad guess of what belongs to the loop, which
//! costs time and no soundness.

use super::{Code, bit};
use crate::arena::{Arena, At, NONE, NoRoom, high, low, pair};

/// Words of a loop's record: first and last slot; failures, and the arrival from
/// which on to try again; arrivals so far, and a guess that held.
const LOOP_WORDS: u32 = 3;

/// A loop's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Loop(pub At);

impl Loop {
    const fn field(self, index: u32) -> At {
        self.0.saturating_add(index)
    }

    /// The first slot.
    pub fn head(self, arena: &Arena<'_>) -> usize {
        low(arena.word(self.0)) as usize
    }

    fn end(self, arena: &Arena<'_>) -> usize {
        high(arena.word(self.0)) as usize
    }

    /// Whether the slot belongs to the loop.
    pub fn contains(self, arena: &Arena<'_>, pc: usize) -> bool {
        self.head(arena) <= pc && pc <= self.end(arena)
    }

    /// Slots.
    pub fn len(self, arena: &Arena<'_>) -> u64 {
        (self.end(arena).saturating_sub(self.head(arena)) as u64).saturating_add(1)
    }

    /// Counts an arrival; whether it is time to try a summary.
    pub fn arrive(self, arena: &mut Arena<'_>) -> bool {
        let word = arena.word(self.field(2));
        let count = low(word).saturating_add(1);
        arena.set(self.field(2), pair(count, high(word)));
        high(arena.word(self.field(1))) <= count
    }

    /// A summary could not be found: the next tries come ever later.
    pub fn failed(self, arena: &mut Arena<'_>) {
        let failures = low(arena.word(self.field(1))).saturating_add(1);
        let pause = 1_u32.wrapping_shl(failures.min(30));
        let next = low(arena.word(self.field(2))).saturating_add(pause);
        arena.set(self.field(1), pair(failures, next));
    }

    /// A guess that held, in a block of its own; or none.
    pub fn hint(self, arena: &Arena<'_>) -> At {
        high(arena.word(self.field(2)))
    }

    pub fn set_hint(self, arena: &mut Arena<'_>, hint: At) {
        let count = low(arena.word(self.field(2)));
        arena.set(self.field(2), pair(count, hint));
    }
}

impl Code<'_> {
    /// Makes a record for each loop. Heads are marked already.
    pub(super) fn find_loops(&mut self, arena: &mut Arena<'_>) -> Result<(), NoRoom> {
        let heads = (0..self.insns.len()).filter(|&pc| self.has(arena, pc, bit::HEAD)).count();
        if heads == 0 {
            return Ok(());
        }
        let words = heads.saturating_mul(LOOP_WORDS as usize);
        self.loops = arena.alloc(words)?;
        arena.slice_mut(self.loops, words).fill(0);
        self.loop_count = super::slot_number(heads);
        let mut at = self.loops;
        for pc in 0..self.insns.len() {
            if self.has(arena, pc, bit::HEAD) {
                arena.set(at, pair(super::slot_number(pc), super::slot_number(pc)));
                at = at.saturating_add(LOOP_WORDS);
            }
        }
        for pc in 0..self.insns.len() {
            if !self.has(arena, pc, bit::REACHED) {
                continue;
            }
            let Ok(insn) = self.insn(pc) else { continue };
            let (first, second) = super::edges::successors(pc, &insn);
            for target in [first, second].into_iter().flatten().filter(|&to| to <= pc) {
                if let Some(found) = self.loop_at(arena, target) {
                    let end = found.end(arena).max(pc);
                    arena.set(found.0, pair(super::slot_number(target), super::slot_number(end)));
                }
            }
        }
        self.nest_loops(arena);
        Ok(())
    }

    /// Extends loops that overlap others; those that lie in no other one, from
    /// the last to the first, make a list meanwhile.
    fn nest_loops(&self, arena: &mut Arena<'_>) {
        let mut top = NONE;
        for index in (0..self.loop_count).rev() {
            let found = self.loop_number(index);
            let mut end = found.end(arena);
            while top != NONE && Loop(top).head(arena) <= end {
                end = end.max(Loop(top).end(arena));
                top = low(arena.word(Loop(top).field(2)));
            }
            let head = super::slot_number(found.head(arena));
            arena.set(found.0, pair(head, super::slot_number(end)));
            arena.set(found.field(2), top.into());
            top = found.0;
        }
        for index in 0..self.loop_count {
            arena.set(self.loop_number(index).field(2), 0);
        }
    }

    const fn loop_number(&self, index: u32) -> Loop {
        Loop(self.loops.saturating_add(index.saturating_mul(LOOP_WORDS)))
    }

    /// The loop with this head.
    pub fn loop_at(&self, arena: &Arena<'_>, pc: usize) -> Option<Loop> {
        if !self.has(arena, pc, bit::HEAD) {
            return None;
        }
        let (mut from, mut to) = (0, self.loop_count);
        while from < to {
            let middle = from.midpoint(to);
            if self.loop_number(middle).head(arena) < pc {
                from = middle.saturating_add(1);
            } else {
                to = middle;
            }
        }
        (from < self.loop_count).then(|| self.loop_number(from))
    }

    /// Every loop.
    pub fn loops(&self) -> impl Iterator<Item = Loop> + use<> {
        let (first, count) = (self.loops, self.loop_count);
        (0..count).map(move |index| Loop(first.saturating_add(index.saturating_mul(LOOP_WORDS))))
    }
}
