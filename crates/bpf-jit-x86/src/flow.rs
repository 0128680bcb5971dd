//! Where control goes, and which registers are still read afterwards.
//!
//! Of compiled code that was proven. One backward pass over the operations, and
//! more over those of loops.

use alloc::vec::Vec;
use core::cell::Cell;

use bpf_bytecode::Register;
use bpf_profile::OutOfMemory;

use crate::error::CompileError;
use crate::lower::{Lowered, Registers, Step, Turn};

/// What is known of a program's control flow.
#[derive(Debug, Default)]
pub struct Flow {
    /// For each slot the registers that are read at it or behind it; behind the last, all.
    live: Vec<u16>,
    /// In the order of their slots.
    loops: Vec<Loop>,
}

/// Where a loop begins, and a slot that leads back there: in one number, whose order is that
/// of both and is found sooner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Loop(u64);

impl Loop {
    fn new(begin: u32, end: u32) -> Self {
        Self(u64::from(begin) << u32::BITS | u64::from(end))
    }

    fn begin(self) -> usize {
        usize::try_from(self.0 >> u32::BITS).unwrap_or(usize::MAX)
    }

    fn end(self) -> usize {
        usize::try_from(self.0 & u64::from(u32::MAX)).unwrap_or(usize::MAX)
    }

    /// Whether another one that has steps in common has some outside, and lacks some.
    fn is_crossed_by(self, other: Self) -> bool {
        (self.begin() < other.begin() && self.end() < other.end())
            || (other.begin() < self.begin() && other.end() < self.end())
    }
}

/// How often steps are looked at, in the mean, before registers count as read at
/// the start of every loop.
const VISITS: usize = 12;

/// Loops around a step that are looked at, and the steps of each.
const LOOPS: usize = 4;
const STEPS: usize = 96;

impl Flow {
    /// Finds out about a program, in the memory that an earlier one has left.
    ///
    /// # Errors
    /// [`CompileError::OutOfMemory`] without heap memory for the tables.
    pub fn find(&mut self, lowered: &Lowered<'_>) -> Result<(), CompileError> {
        self.live.clear();
        self.loops.clear();
        let entries = lowered.slots.saturating_add(1);
        let requested = entries.saturating_mul(size_of::<u16>());
        self.live.try_reserve(entries).map_err(|_| OutOfMemory { requested })?;
        self.live.resize(lowered.slots, 0);
        self.live.push(to_u16(Registers::ALL));
        self.find_loops(lowered)?;
        self.find_live(lowered);
        Ok(())
    }

    /// Registers that are read at or behind a slot.
    #[inline]
    pub fn live_at(&self, slot: u32) -> Registers {
        self.live.get(index(slot)).map_or(Registers::ALL, |live| Registers((*live).into()))
    }

    /// For each slot the registers that are read at it or behind it; behind the last, all.
    pub fn live(&self) -> &[u16] {
        &self.live
    }

    /// For each slot the registers that are read at the next one or behind that.
    pub fn live_at_next(&self) -> &[u16] {
        self.live.split_first().map_or(&[], |(_, next)| next)
    }

    /// Registers that are read behind a step.
    #[inline(always)]
    pub fn live_behind(&self, lowered: &Lowered<'_>, step: &Step) -> Registers {
        let next = self.live_at(step.pc.wrapping_add(1));
        if step.effect.turns() { self.live_from(lowered, step, next) } else { next }
    }

    /// The same of a step that turns, where it is known what is read at the next slot.
    #[inline(never)]
    pub fn live_from(&self, lowered: &Lowered<'_>, step: &Step, next: Registers) -> Registers {
        match lowered.turn(step) {
            Turn::Jump(target) => self.live_at(target),
            Turn::Perhaps(target) => next.with(self.live_at(target)),
            Turn::End => Registers::NONE,
            Turn::On | Turn::Call(_) => next,
        }
    }

    /// The loops around a slot that begin last in front of it.
    fn around(&self, slot: usize) -> impl Iterator<Item = &Loop> {
        let near = self.loops.partition_point(|known| known.begin() <= slot);
        let near = self.loops.get(..near).unwrap_or_default().iter().rev().take(LOOPS);
        near.filter(move |known| known.end() >= slot)
    }

    /// Whether a step is in a loop, as far as loops are looked at.
    pub fn is_repeated(&self, step: &Step) -> bool {
        self.around(step.slot()).next().is_some()
    }

    /// Whether the outcome of a branch is a matter of chance: in each loop around it what is
    /// compared comes of memory anew, and of nothing that depends on what the register
    /// `given` has got behind the branch; nor is that multiplied, for which the next round
    /// waits longer than a right guess lets it. Steps are taken to follow each other, and far ends
    /// of loops are not looked at: what is said makes code faster at best.
    pub fn is_chance(&self, lowered: &Lowered<'_>, branch: &Step, given: Register) -> bool {
        let slot = branch.slot();
        self.around(slot).all(|known| {
            // Of blocks that a compiler has put in another order, jumps back are no loop by
            // themselves, but part of that in which they begin or end.
            let parts = || self.around(slot).filter(|part| known.is_crossed_by(**part));
            let begin = parts().map(|part| part.begin()).fold(known.begin(), usize::min);
            let end = parts().map(|part| part.end()).fold(known.end(), usize::max);
            end.wrapping_sub(begin) <= STEPS
                && comes_of_memory(lowered, branch, given, [begin, end])
        })
    }

    fn find_loops(&mut self, lowered: &Lowered<'_>) -> Result<(), CompileError> {
        for transfer in lowered.transfers.iter().filter(|transfer| transfer.to <= transfer.from) {
            let requested = size_of::<Loop>();
            self.loops.try_reserve(1).map_err(|_| OutOfMemory { requested })?;
            self.loops.push(Loop::new(transfer.to, transfer.from));
        }
        self.loops.sort_unstable();
        Ok(())
    }

    /// Goes through the steps from the last to the first, and through those of a
    /// loop again as long as it turns out that more is read at its start.
    fn find_live(&mut self, lowered: &Lowered<'_>) {
        let mut visits = lowered.slots.saturating_mul(VISITS);
        let mut end = lowered.slots;
        while let Some(start) = self.look_back(lowered, end) {
            visits = visits.saturating_sub(end.saturating_sub(start));
            if visits == 0 {
                for (live, effect) in self.live.iter_mut().zip(&lowered.effects) {
                    if effect.is_looped() {
                        *live = to_u16(Registers::ALL);
                    }
                }
                end = lowered.slots;
                continue;
            }
            let ends = self.loops.partition_point(|known| known.begin() <= start);
            let last = ends.checked_sub(1).and_then(|last| self.loops.get(last));
            end = last.map_or(lowered.slots, |last| last.end().saturating_add(1));
        }
    }

    /// Goes from the step in front of `end` to the first, or to the start of a
    /// loop where more is read than was known, and gives its slot.
    fn look_back(&mut self, lowered: &Lowered<'_>, end: usize) -> Option<usize> {
        let live = Cell::from_mut(self.live.as_mut_slice()).as_slice_of_cells();
        let at = |slot| {
            let live = live.get(index(slot));
            live.map_or(Registers::ALL, |live| Registers(live.get().into()))
        };
        let mut next = at(u32::try_from(end).unwrap_or(u32::MAX));
        let effects = lowered.effects.get(..end)?;
        for (slot, (effect, own)) in effects.iter().zip(live).enumerate().rev() {
            if effect.is_straight() {
                next = effect.in_front(next);
                own.set(to_u16(next));
                continue;
            }
            let step = u32::try_from(slot).ok().and_then(|slot| lowered.step(slot))?;
            let ahead = match lowered.turn(&step) {
                Turn::Jump(target) => at(target),
                Turn::Perhaps(target) => next.with(at(target)),
                // What it writes is not what is read by what it calls.
                Turn::Call(target) => next.without(effect.writes()).with(at(target)),
                Turn::End => Registers::NONE,
                Turn::On => next.without(effect.writes()),
            };
            next = ahead.with(effect.reads());
            let known = Registers(own.get().into());
            let now = if effect.is_looped() { known.with(next) } else { next };
            own.set(to_u16(now));
            if effect.is_looped() && now != known {
                return Some(slot);
            }
        }
        None
    }
}

/// Whether what a branch in a loop compares comes of memory, and not of a register that is
/// given a value behind it.
fn comes_of_memory(
    lowered: &Lowered<'_>,
    branch: &Step,
    given: Register,
    [begin, end]: [usize; 2],
) -> bool {
    let slot = branch.slot();
    let (mut loaded, mut own) = (Registers::NONE, Registers::of(given));
    for slot in (slot..=end).skip(2).chain(begin..slot) {
        let step = u32::try_from(slot).ok().and_then(|slot| lowered.step(slot));
        let Some(step) = step else { return false };
        let (reads, writes) = (step.effect.reads(), step.effect.writes());
        if !reads.and(own).is_empty() && step.is_product() {
            return false;
        }
        let now = |set: Registers, comes: bool| {
            let left = set.without(writes);
            if comes || !reads.and(set).is_empty() { left.with(writes) } else { left }
        };
        // A number that is given in the loop says which way it went.
        let comes = step.is_load() || step.effect.is_pure() && reads.is_empty();
        (loaded, own) = (now(loaded, comes), now(own, false));
    }
    let compared = branch.effect.reads();
    own.and(compared).is_empty() && !loaded.and(compared).is_empty()
}

/// There are no more than 11 registers.
fn to_u16(registers: Registers) -> u16 {
    u16::try_from(registers.0).unwrap_or(u16::MAX)
}

fn index(slot: u32) -> usize {
    usize::try_from(slot).unwrap_or(usize::MAX)
}
