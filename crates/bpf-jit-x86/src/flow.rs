//! Where control goes, and which registers are still read afterwards.
//!
//! Of compiled code that was proven. One backward pass over the operations, and
//! more over those of loops.

use alloc::vec::Vec;
use core::cell::Cell;

use bpf_profile::OutOfMemory;

use crate::error::CompileError;
use crate::lower::{Lowered, Registers, Step, Turn};

/// What is known of a program's control flow.
#[derive(Debug, Default)]
pub struct Flow {
    /// For each slot what is live in front of it, and how it is reached.
    slots: Vec<Slot>,
    /// In the order of their slots.
    loops: Vec<Loop>,
}

/// The registers that are read at or behind a slot, and how control comes there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Slot(u32);

impl Slot {
    /// Control comes from somewhere else than from the slot in front.
    const JOINED: u32 = 1 << 30;
    /// It comes from further down.
    const LOOPED: u32 = 1 << 31;

    const fn live(self) -> Registers {
        Registers::ALL.and(Registers(self.0))
    }

    const fn with(self, live: Registers) -> Self {
        Self(self.0 | live.0)
    }

    const fn is(self, how: u32) -> bool {
        self.0 & how != 0
    }
}

/// Where a loop begins, and the last slot that leads back there.
type Loop = (u32, u32);

/// How often steps are looked at, in the mean, before registers count as read at
/// the start of every loop.
const VISITS: usize = 12;

impl Flow {
    /// Finds out about a program, in the memory that an earlier one has left.
    ///
    /// # Errors
    /// [`CompileError::OutOfMemory`] without heap memory for the tables.
    pub fn find(&mut self, lowered: &Lowered<'_>) -> Result<(), CompileError> {
        self.slots.clear();
        self.loops.clear();
        let slots = lowered.steps.len();
        let requested = slots.saturating_mul(size_of::<Slot>());
        self.slots.try_reserve(slots).map_err(|_| OutOfMemory { requested })?;
        self.slots.resize(slots, Slot::default());
        self.find_joins(lowered)?;
        self.find_live(&lowered.steps);
        Ok(())
    }

    /// Whether control comes to a slot from elsewhere than the slot in front.
    #[inline]
    pub fn is_joined(&self, slot: u32) -> bool {
        self.slots.get(index(slot)).is_none_or(|slot| slot.is(Slot::JOINED))
    }

    /// Whether control comes to a slot from further down.
    #[inline]
    pub fn is_looped(&self, slot: u32) -> bool {
        self.slots.get(index(slot)).is_some_and(|slot| slot.is(Slot::LOOPED))
    }

    /// Registers that are read at or behind a slot.
    #[inline]
    pub fn live_at(&self, slot: u32) -> Registers {
        self.slots.get(index(slot)).map_or(Registers::ALL, |slot| slot.live())
    }

    /// Whether control comes to a step from elsewhere than the slot in front, and the
    /// registers that are read behind it.
    #[inline]
    pub fn around(&self, step: &Step) -> (bool, Registers) {
        let own = index(step.pc);
        match self.slots.get(own..own.wrapping_add(2)) {
            Some([slot, next]) => (slot.is(Slot::JOINED), self.live_from(step, next.live())),
            _ => (self.is_joined(step.pc), self.live_behind(step)),
        }
    }

    /// Registers that are read behind a step.
    #[inline]
    pub fn live_behind(&self, step: &Step) -> Registers {
        self.live_from(step, self.live_at(step.pc.saturating_add(1)))
    }

    /// The same, where it is known what is read at the next slot.
    #[inline]
    fn live_from(&self, step: &Step, next: Registers) -> Registers {
        if !step.effect.turns() {
            return next;
        }
        match step.turn() {
            Turn::Jump(target) => self.live_at(target),
            Turn::Perhaps(target) => next.with(self.live_at(target)),
            Turn::End => Registers::NONE,
            Turn::On | Turn::Call(_) => next,
        }
    }

    /// Marks where control meets, and finds the loops.
    fn find_joins(&mut self, lowered: &Lowered<'_>) -> Result<(), CompileError> {
        for transfer in &lowered.transfers {
            let back = transfer.to <= transfer.from;
            if let Some(slot) = self.slots.get_mut(index(transfer.to)) {
                slot.0 |= if back { Slot::JOINED | Slot::LOOPED } else { Slot::JOINED };
            }
            if back {
                let requested = size_of::<Loop>();
                self.loops.try_reserve(1).map_err(|_| OutOfMemory { requested })?;
                self.loops.push((transfer.to, transfer.from));
            }
        }
        self.loops.sort_unstable();
        Ok(())
    }

    /// Goes through the steps from the last to the first, and through those of a
    /// loop again as long as it turns out that more is read at its start.
    fn find_live(&mut self, steps: &[Step]) {
        let mut visits = steps.len().saturating_mul(VISITS);
        let mut end = steps.len();
        while let Some(start) = self.look_back(steps, end) {
            visits = visits.saturating_sub(end.saturating_sub(index(start)));
            if visits == 0 {
                for slot in self.slots.iter_mut().filter(|slot| slot.is(Slot::LOOPED)) {
                    *slot = slot.with(Registers::ALL);
                }
                end = steps.len();
                continue;
            }
            let ends = self.loops.partition_point(|(begin, _)| *begin <= start);
            let last = ends.checked_sub(1).and_then(|last| self.loops.get(last));
            end = last.map_or(steps.len(), |(_, slot)| index(*slot).saturating_add(1));
        }
    }

    /// Goes from the step in front of `end` to the first, or to the start of a
    /// loop where more is read than was known, and gives its slot.
    fn look_back(&mut self, steps: &[Step], end: usize) -> Option<u32> {
        let slots = Cell::from_mut(self.slots.as_mut_slice()).as_slice_of_cells();
        let at = |slot: usize| slots.get(slot).map_or(Registers::ALL, |slot| slot.get().live());
        let mut next = at(end);
        for (step, slot) in steps.get(..end)?.iter().zip(slots).rev() {
            let effect = step.effect;
            next = if effect.turns() {
                let ahead = match step.turn() {
                    Turn::Jump(target) => at(index(target)),
                    Turn::Perhaps(target) => next.with(at(index(target))),
                    // What it writes is not what is read by what it calls.
                    Turn::Call(target) => next.without(effect.writes()).with(at(index(target))),
                    Turn::End => Registers::NONE,
                    Turn::On => next,
                };
                ahead.with(effect.reads())
            } else {
                effect.in_front(next)
            };
            let known = slot.get();
            let now = known.with(next);
            slot.set(now);
            if known.is(Slot::LOOPED) && now != known {
                return Some(step.pc);
            }
        }
        None
    }
}

fn index(slot: u32) -> usize {
    usize::try_from(slot).unwrap_or(usize::MAX)
}
