//! The loops of compiled code that was proven.

use alloc::vec::Vec;

use bpf_bytecode::Register;
use bpf_profile::OutOfMemory;

use crate::error::CompileError;
use crate::lower::{Address, Lowered, Registers, Step, Turn};

/// What is known of a program's control flow.
#[derive(Debug, Default)]
pub struct Flow {
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

/// Loops within one among which it is put in its place at once.
const NESTED: usize = 8;

/// Loops around a step that are looked at, and the steps of each.
const LOOPS: usize = 4;
const STEPS: usize = 192;

/// What is stored in a loop, if it depends on what a register was given there: the last few
/// places.
#[derive(Debug, Default)]
struct Kept {
    places: [Option<Address>; 4],
    next: usize,
}

impl Kept {
    fn has(&self, place: Address) -> bool {
        self.places.contains(&Some(place))
    }

    fn store(&mut self, place: Address, depends: bool) {
        for own in self.places.iter_mut().filter(|own| **own == Some(place)) {
            *own = None;
        }
        let len = self.places.len();
        if let Some(own) = self.places.get_mut(self.next).filter(|_| depends) {
            *own = Some(place);
            self.next = self.next.wrapping_add(1) % len;
        }
    }
}

impl Flow {
    /// Finds the loops of a program, in the memory that an earlier one has left.
    ///
    /// # Errors
    /// [`CompileError::OutOfMemory`] without heap memory for the list.
    pub fn find(&mut self, lowered: &Lowered<'_>) -> Result<(), CompileError> {
        self.loops.clear();
        let mut sorted = true;
        for transfer in lowered.transfers.iter().filter(|transfer| transfer.to <= transfer.from) {
            let requested = size_of::<Loop>();
            self.loops.try_reserve(1).map_err(|_| OutOfMemory { requested })?;
            let new = Loop::new(transfer.to, transfer.from);
            // They come by their ends: but for those within it, one is behind all others.
            let inner = self.loops.iter().rev().take(NESTED);
            let inner = inner.take_while(|known| **known > new).count();
            sorted &= inner < NESTED;
            self.loops.insert(self.loops.len().wrapping_sub(inner), new);
        }
        if !sorted {
            self.loops.sort_unstable();
        }
        Ok(())
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
    /// waits longer than a right guess lets it. What depends on it may also have been stored, and
    /// loaded by the next round: so the least and the greatest number of those that came so far
    /// are kept, in a place that is found by what was loaded or stays the same. No other branch is
    /// followed, and far ends of loops are not looked at: what is said makes code faster at best.
    pub fn is_chance(&self, lowered: &Lowered<'_>, branch: &Step, given: Register) -> bool {
        let slot = branch.slot();
        self.around(slot).all(|known| {
            // Of blocks that a compiler has put in another order, jumps back are no loop by
            // themselves, but part of that in which they begin or end.
            let parts = || self.around(slot).filter(|part| known.is_crossed_by(**part));
            let begin = parts().map(|part| part.begin()).fold(known.begin(), usize::min);
            let end = parts().map(|part| part.end()).fold(known.end(), usize::max);
            end.wrapping_sub(begin) <= STEPS
                && comes_of_memory::<false>(lowered, branch, given, [begin, end])
                    .or_else(|| comes_of_memory::<true>(lowered, branch, given, [begin, end]))
                    .unwrap_or(false)
        })
    }
}

/// Whether what a branch in a loop compares comes of memory, and not of a register that is
/// given a value behind it. Of steps in the loop those count that are executed on the way back to
/// the branch where no other one is taken but at a loop's end. Mostly nothing is stored that
/// depends on the register, and what else matters then need not be followed, which takes half of
/// the time: without `STORED`, `None` is said where something is.
fn comes_of_memory<const STORED: bool>(
    lowered: &Lowered<'_>,
    branch: &Step,
    given: Register,
    bounds: [usize; 2],
) -> Option<bool> {
    let slot = branch.pc;
    let [begin, end] = bounds.map(|slot| u32::try_from(slot).unwrap_or(u32::MAX));
    let (mut loaded, mut own) = (Registers::NONE, Registers::of(given));
    // What comes of loads but of those from the stack's fixed places, and what is not the same
    // as at the branch.
    let (mut found, mut changed, mut kept) = (Registers::NONE, Registers::NONE, Kept::default());
    let mut at = slot.wrapping_add(2);
    for _ in 0..STEPS.wrapping_add(1) {
        if at > end {
            at = begin;
        }
        if at == slot {
            let compared = branch.effect.reads();
            return Some(own.and(compared).is_empty() && !loaded.and(compared).is_empty());
        }
        let step = lowered.step(at)?;
        let (reads, writes) = (step.effect.reads(), step.effect.writes());
        let depends = |set: Registers| !reads.and(set).is_empty();
        if depends(own) && step.is_product() {
            return Some(false);
        }
        let mut again = false;
        if STORED {
            match step.place() {
                Some((place, Some(stored))) => kept.store(place, own.has(stored)),
                Some((place, None)) => {
                    let same = !changed.has(place.base) || found.has(place.base);
                    again = same && kept.has(place);
                }
                None => {}
            }
        } else if depends(own)
            && !step.effect.is_pure()
            && let Some((_, Some(stored))) = step.place()
            && own.has(stored)
        {
            return None;
        }
        if !writes.is_empty() {
            let now = |set: Registers, comes: bool| {
                if comes { set.with(writes) } else { set.without(writes) }
            };
            // A number that is given in the loop says which way it went.
            let given = || step.effect.is_pure() && (reads.is_empty() || step.is_load());
            loaded = now(loaded, depends(loaded) || given());
            own = now(own, depends(own) || again);
            if STORED {
                let loads = || step.is_load() && !reads.has(Register::R10);
                found = now(found, depends(found) || loads());
                changed = changed.with(writes);
            }
        }
        let within = |to, last| (begin..=last).contains(&to).then_some(to);
        let turn = if step.effect.turns() { lowered.turn(&step) } else { Turn::On };
        let led = match turn {
            Turn::Jump(to) => within(to, end),
            // The end of a loop around the branch.
            Turn::Perhaps(to) if at > slot => within(to, slot),
            _ => None,
        };
        at = led.unwrap_or(at.wrapping_add(1));
    }
    Some(false)
}
