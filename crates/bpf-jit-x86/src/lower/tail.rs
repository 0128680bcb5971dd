//! Ends of loops, of which there are copies.
//!
//! A compiler lets all ways through the body of a loop end in the same few steps, which
//! count and go back. All but one get there by a jump, and then take another: two in a few
//! instructions, where a CPU fetches from one place at a time, and has the same branch to
//! guess whichever way it came. So these steps stand in place of the jump, too.

use core::ops::{Range, RangeInclusive};

use bpf_profile::OutOfMemory;

use super::{Effect, Lowered, Transfer, Turn, index};
use crate::error::CompileError;

/// Steps of an end at the most, with that which goes back.
pub const TAIL: usize = 5;

/// Steps behind an end that are looked at, and of what leaves a loop in front of its body.
const LEAVING: usize = 16;

/// The end of a loop, in place of a jump to it.
#[derive(Clone, Copy, Debug)]
pub struct Tail {
    /// Slot of the jump.
    pub jump: u32,
    /// The end's first slot.
    pub first: u32,
    /// The slot behind it.
    pub end: u32,
    /// Whether control may go on there.
    pub ends: bool,
}

impl Lowered<'_> {
    /// Finds the ends that are copied, in the order of the jumps to them. Where control goes
    /// on behind one, it comes from its copies, too.
    pub(super) fn find_tails(&mut self) -> Result<(), CompileError> {
        for number in 0..self.transfers.len() {
            let Some(tail) = self.tail(number) else { continue };
            let requested = size_of::<Tail>();
            self.tails.try_reserve(1).map_err(|_| OutOfMemory { requested })?;
            self.tails.push(tail);
            let end = usize::try_from(tail.end).ok().filter(|_| tail.ends);
            if let Some(note) = end.and_then(|end| self.notes.get_mut(end)) {
                note.effect = note.effect.with(Effect::CROSSING);
            }
        }
        Ok(())
    }

    /// What is copied in place of a jump, if it is one.
    #[inline(always)]
    fn tail(&self, number: usize) -> Option<Tail> {
        let jump = self.transfers.get(number)?;
        let step = self.step(jump.from)?;
        step.effect.is_plain_jump().then(|| self.tail_behind(jump)).flatten()
    }

    #[inline(never)]
    fn tail_behind(&self, jump: &Transfer) -> Option<Tail> {
        let first = jump.to;
        let ahead = self.notes.get(index(first)..)?;
        let pure = ahead.iter().take(TAIL).position(|note| !note.effect.is_pure())?;
        let step = self.step(first.checked_add(u32::try_from(pure).ok()?)?)?;
        if !step.effect.turns() {
            return None;
        }
        // A division takes longer than any jump, and may be long.
        let mut insns = self.insns.get(index(first)..step.slot())?.iter();
        if insns.any(|insn| super::shape::is_division(*insn)) {
            return None;
        }
        let end = step.pc.checked_add(1)?;
        let (head, ends) = match self.turn(&step) {
            // For one that leads to the next slot nothing is emitted.
            Turn::Jump(head) if head != end => (head, false),
            // One that compares nothing asks the host.
            Turn::Perhaps(head) if !step.effect.reads().is_empty() => (head, true),
            _ => return None,
        };
        let is_end = if head > jump.from {
            false
        } else if head <= first {
            // What a compiler has put behind the function's exit is rare.
            let mut between = (end..jump.from).take(LEAVING).filter_map(|slot| self.step(slot));
            between.all(|step| !step.is_exit())
        } else {
            // The body of the loop is behind what leaves it.
            self.leaves(end..head, first..=jump.from)
        };
        is_end.then_some(Tail { jump: jump.from, first, end, ends })
    }

    /// Whether steps leave a loop.
    fn leaves(&self, steps: Range<u32>, body: RangeInclusive<u32>) -> bool {
        let mut goes_on = false;
        if steps.len() > LEAVING {
            return false;
        }
        for slot in steps {
            let Some(step) = self.step(slot) else { return false };
            goes_on = match self.turn(&step) {
                Turn::Jump(target) | Turn::Perhaps(target) if body.contains(&target) => {
                    return false;
                }
                turn => !matches!(turn, Turn::Jump(_) | Turn::End),
            };
        }
        !goes_on
    }
}
