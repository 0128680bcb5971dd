//! Where code begins.
//!
//! A CPU fetches code, and keeps what it has decoded, by lines of 64 bytes. Wherever one line
//! ends among steps that are executed together, it takes a cycle more for these. In a short
//! loop that can be half of its time or all of it again, depending on nothing but what stands
//! in front. So code begins at that byte of a line which has fewest lines end within its
//! loops. Behind a jump nothing is executed together with what is in front of it, and behind a
//! branch not always.

use super::buffer::{CodeBuffer, Kind, index};
use super::relax::Jump;

/// Bytes that a CPU fetches together.
const LINE: u32 = 64;

/// What it costs that a line ends in a loop, for each of its jumps back, and what of that is
/// spared behind a jump and behind a branch.
const ENDS: i32 = 2;
const BEHIND_JUMP: i32 = 2;
const BEHIND_BRANCH: i32 = 1;

/// For each byte of a line what it costs more than in front of the byte before that lines end in
/// front of such bytes of the code.
struct Costs([i32; LINE as usize]);

impl Costs {
    fn change(&mut self, place: u32, cost: i32) {
        if let Some(entry) = index(place % LINE).and_then(|at| self.0.get_mut(at)) {
            *entry = entry.wrapping_add(cost);
        }
    }

    /// Adds what it costs that a line ends in front of one of some bytes. Whole lines cost the
    /// same wherever they begin, and do not count.
    fn add(&mut self, first: u32, bytes: u32, cost: i32) {
        let (first, bytes) = (first % LINE, bytes % LINE);
        let end = first.wrapping_add(bytes);
        self.change(first, cost);
        self.change(end, cost.wrapping_neg());
        if end >= LINE {
            self.change(0, cost);
        }
    }

    /// The byte of a line at which code should begin, the first of equals.
    fn best(&self) -> u32 {
        // That in front of which a line ends, as seen from there, comes the other way round.
        let (mut sum, mut least, mut best) = (0_i32, i32::MAX, 0);
        for (start, change) in (1..=LINE).rev().zip(self.0) {
            sum = sum.wrapping_add(change);
            if sum <= least {
                (least, best) = (sum, start);
            }
        }
        let [begins_a_line, ..] = self.0;
        if begins_a_line <= least { 0 } else { best % LINE }
    }
}

impl CodeBuffer {
    /// At which byte of a line the code begins best, by what is saved in front of each fixup.
    pub(super) fn best_start(&self, jumps: &mut [Jump], saved: &[u32]) -> u32 {
        let mut loops = 0_usize;
        for number in 0..jumps.len() {
            let Some(begin) = jumps.get(number).and_then(|jump| jump.begin_of_loop(number)) else {
                continue;
            };
            if let Some(first) = jumps.get_mut(begin) {
                first.enter_loop();
                loops = loops.wrapping_add(1);
            }
        }
        if loops == 0 {
            return 0;
        }
        let mut costs = Costs([0; LINE as usize]);
        let mut depth = 0_i32;
        let behind = saved.iter().skip(1);
        for (number, ((jump, fixup), behind)) in
            jumps.iter().zip(&self.fixups).zip(behind).enumerate()
        {
            depth = depth.wrapping_add(jump.loops.into());
            let end = jump.end(fixup, *behind);
            if jump.begin_of_loop(number).is_some() {
                depth = depth.wrapping_sub(1);
                let first = jump.target(saved).wrapping_add(1);
                costs.add(first, end.wrapping_sub(first), ENDS);
            }
            let spares = match fixup.kind {
                Kind::Jump => BEHIND_JUMP,
                Kind::JumpIf(_) => BEHIND_BRANCH,
                Kind::Long(_) => 0,
            };
            costs.add(end, 1, depth.wrapping_mul(spares).wrapping_neg());
        }
        costs.best()
    }
}
