//! What is known of each slot: half a word.

use super::{ALL_LIVE, Code};
use crate::arena::{Arena, At, Halves, NoRoom};
use crate::verified::InsnFact;

/// What is known of a slot, as bits of its half word.
pub(super) mod bit {
    /// Ten bits, where states are compared: registers that are live before the instruction.
    pub const LIVE: u32 = 0;
    /// The second half of an instruction.
    pub const SECOND: u32 = 1 << 10;
    /// The first slot of a function.
    pub const FUNCTION: u32 = 1 << 11;
    /// Some path of the graph leads here.
    pub const REACHED: u32 = 1 << 12;
    /// An edge leads here.
    pub const ENTERED: u32 = 1 << 13;
    /// States are compared here: several edges, or returns, lead here.
    pub const JOIN: u32 = 1 << 14;
    /// The head of a loop whose rounds are bounded otherwise.
    pub const ROUND: u32 = 1 << 15;
    /// The head of a loop: flow comes back here.
    pub const HEAD: u32 = 1 << 16;
    /// The first slot of a function whose result matters to somebody.
    pub const RESULT: u32 = 1 << 17;
    /// Five bits: what the instruction was found to access.
    pub const FACT: u32 = 18;
    /// Nine bits: how many joins of the same run of slots are before this one.
    pub const BEFORE: u32 = 23;
}

const FACT_BITS: u32 = 0x1f;

/// A slot's half word, to be asked more than once.
#[derive(Clone, Copy)]
pub(crate) struct Known(u32);

impl Known {
    pub const NOTHING: Self = Self(0);

    /// Whether states are compared at the slot.
    #[inline]
    pub const fn is_point(self) -> bool {
        self.0 & bit::JOIN != 0
    }

    /// Whether some path came to the slot.
    #[inline]
    pub const fn is_reached(self) -> bool {
        self.0 & FACT_BITS.wrapping_shl(bit::FACT) != 0
    }
}

/// Slots for which it is said once where their points begin: as many as a slot's half
/// word can count joins.
const RUN: usize = 1 << (u32::BITS - bit::BEFORE);

impl Code<'_> {
    /// Whether a slot has a flag.
    pub(super) fn has(&self, arena: &Arena<'_>, pc: usize, flag: u32) -> bool {
        self.slots.get(arena, pc) & flag != 0
    }

    pub(super) fn mark(&self, arena: &mut Arena<'_>, pc: usize, flag: u32) {
        let half = self.slots.get(arena, pc);
        self.slots.set(arena, pc, half | flag);
    }

    /// The first slot from `from` on that has a flag.
    pub(super) fn next_with(&self, arena: &Arena<'_>, from: usize, flag: u32) -> Option<usize> {
        self.slots.find(arena, from, flag)
    }

    /// How many slots have a flag.
    pub(super) fn count_with(&self, arena: &Arena<'_>, flag: u32) -> usize {
        self.slots.count(arena, flag)
    }

    /// Makes a point for each place where paths join.
    pub(super) fn make_points(&mut self, arena: &mut Arena<'_>) -> Result<(), NoRoom> {
        let joins = self.count_with(arena, bit::JOIN);
        if joins == 0 {
            return Ok(());
        }
        let mut point = arena.alloc_for_good(joins)?;
        arena.slice_mut(point, joins).fill(0);
        (self.points, self.point_count) = (point, super::slot_number(joins));
        self.runs = Halves::new(arena, self.insns.len().div_ceil(RUN))?;
        let mut from = 0;
        let mut first = point;
        let mut run = None;
        while let Some(pc) = self.next_with(arena, from, bit::JOIN) {
            from = pc.saturating_add(1);
            if run != Some(pc / RUN) {
                (run, first) = (Some(pc / RUN), point);
                self.runs.set(arena, pc / RUN, first);
            }
            self.mark(arena, pc, point.saturating_sub(first).wrapping_shl(bit::BEFORE));
            point = point.saturating_add(1);
        }
        Ok(())
    }

    /// What is known of a slot at the moment.
    #[inline]
    pub fn known(&self, arena: &Arena<'_>, pc: usize) -> Known {
        Known(self.slots.get(arena, pc))
    }

    /// Where states at a slot are kept; none, where they are not compared.
    #[inline]
    pub fn point(&self, arena: &Arena<'_>, pc: usize) -> Option<At> {
        let half = self.slots.get(arena, pc);
        if half & bit::JOIN == 0 {
            return None;
        }
        let first = self.runs.get(arena, pc / RUN);
        Some(first.saturating_add(half.wrapping_shr(bit::BEFORE)))
    }

    /// Registers that are live before the instruction at a slot, where states are
    /// compared; elsewhere all count as such.
    #[allow(clippy::cast_possible_truncation, reason = "masked")]
    pub fn live(&self, arena: &Arena<'_>, pc: usize) -> u16 {
        let half = self.slots.get(arena, pc);
        if half & bit::JOIN == 0 {
            ALL_LIVE
        } else {
            half.wrapping_shr(bit::LIVE) as u16 & ALL_LIVE
        }
    }

    pub(super) fn set_live(&self, arena: &mut Arena<'_>, pc: usize, live: u16) {
        let rest = self.slots.get(arena, pc) & !u32::from(ALL_LIVE).wrapping_shl(bit::LIVE);
        self.slots.set(arena, pc, rest | u32::from(live).wrapping_shl(bit::LIVE));
    }

    /// What the instruction at a slot was found to access.
    pub fn fact(&self, arena: &Arena<'_>, pc: usize) -> InsnFact {
        InsnFact::from_bits(self.slots.get(arena, pc).wrapping_shr(bit::FACT) & FACT_BITS)
    }

    /// Notes that the instruction at a slot is reached; whether that is so for the
    /// first time.
    #[inline]
    pub fn reach(&self, arena: &mut Arena<'_>, pc: usize) -> bool {
        let fact = self.slots.get(arena, pc).wrapping_shr(bit::FACT) & FACT_BITS;
        let first = fact == InsnFact::Unreached.to_bits();
        if first {
            self.set_fact(arena, pc, InsnFact::Plain);
        }
        first
    }

    /// Notes what the instruction at a slot was found to access.
    pub fn set_fact(&self, arena: &mut Arena<'_>, pc: usize, fact: InsnFact) {
        let rest = self.slots.get(arena, pc) & !FACT_BITS.wrapping_shl(bit::FACT);
        self.slots.set(arena, pc, rest | fact.to_bits().wrapping_shl(bit::FACT));
    }
}
