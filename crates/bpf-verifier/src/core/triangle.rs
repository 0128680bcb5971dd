//! Inner loops that begin where the loop around them is.
//!
//! A loop in a loop, as those of a sort, goes round once, then twice, then three times. That it
//! never goes round more than `n` times, and the outer one neither, says `n * n` in all, and
//! there are half as many. Both loops have a summary. The head of the outer one names a number
//! `X`, which every way round changes by a constant sign, by `s` at the least: so no two of its
//! values are nearer to each other than `s`. The counter of the inner one begins at `X + c`,
//! every way round changes it by `t` at the least, and the guess says that it stays within
//! `low..=high`. So its rounds are `(X + c - low) / t` at the most where it goes down, and
//! `(high - X - c) / t` where it goes up. Summed over the values that `X + c` may have where the
//! loop begins, `s` apart, that is the most where those are the nearest to the end at which
//! there are most rounds ([`Slope::total`]).
//!
//! # Why the outer rounds may cost less
//!
//! The costliest way round counts `n` rounds of the inner loop. If *every* way round comes to the
//! inner head on the path on which that was found, one that has fewer rounds there costs as much
//! less: all of them together are the ways round without inner rounds, and the sum of those
//! ([`Explorer::in_all`]). So it is noted with the outer summary when the inner one is closed,
//! if no way round was found before (no node between the two heads knows of one), and forgotten
//! as soon as a path ends that goes round, or is covered by what does. For until the inner one is
//! closed, all paths that end are on ways behind it, and afterwards none is. No way comes to the
//! place twice: that the walk is still behind it is over when a node before it is done, and only
//! done nodes cover. Where a program asks for grants, open nodes close loops, too: there nothing
//! is noted.
//!
//! What is said of the counter where the inner loop begins holds for whoever is covered by a node
//! before it because the counter is marked there; what is said of `X` at the outer head, as the
//! proof that the outer loop ends rests on it. Between the two heads nobody is covered.

use bpf_bytecode::Register;

use super::Explorer;
use super::carried::place_of;
use super::node::Node;
use super::summary::rounds_of;
use super::trial::{Change, Phase, Trial};
use crate::arena::{Arena, At, NONE, high, low, pair};
use crate::meter::Meter;
use crate::state::Value;
use crate::state::cells::Cell;
use crate::state::snapshot::Snapshot;
use crate::tail::Tail;

/// Numbers beyond this are not looked at, so that no sum wraps.
const LARGEST: i64 = 1 << 40;

/// How many rounds a loop has that begins with a number of the loop around and a constant: what
/// lies between that sum and an end, divided by a step, if it is on the right side of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slope {
    /// The identity of that number.
    named: u32,
    /// Whether the loop goes down, so that there are more rounds the greater the number is.
    down: bool,
    end: i64,
    step: u32,
    /// The range of what the loop begins with: the number and a constant.
    from: i64,
    to: i64,
}

impl Slope {
    /// Rounds in all for so many numbers, of which two are `stride` apart at the least.
    fn total(&self, numbers: u64, stride: u64) -> Option<u64> {
        let (stride, step) = (i128::from(stride), i128::from(self.step));
        let farthest = if self.down { (self.to, self.end) } else { (self.end, self.from) };
        let top = i128::from(farthest.0.checked_sub(farthest.1)?);
        let span = i128::from(self.to.checked_sub(self.from)?);
        if top < 0 || span < 0 {
            return Some(0);
        }
        let fit = span.min(top).checked_div(stride)?.checked_add(1)?;
        let count = fit.min(numbers.into());
        let less = count.checked_mul(count.checked_sub(1)?)?.checked_div(2)?.checked_mul(stride)?;
        let all = count.checked_mul(top)?.checked_sub(less)?.checked_div(step)?;
        u64::try_from(all).ok()
    }
}

/// An inner loop whose rounds depend on the loop around, in a block of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Triangle(pub At);

impl Triangle {
    pub const WORDS: u32 = 5 + Meter::WORDS;

    /// So many at the most each time, of which each costs so much.
    fn store(self, arena: &mut Arena<'_>, slope: &Slope, (most, each): (u32, Meter)) {
        let word = |index: u32| self.0.saturating_add(index);
        arena.set(word(0), pair(slope.named, slope.step));
        arena.set(word(1), pair(most, slope.down.into()));
        for (index, number) in (2..).zip([slope.end, slope.from, slope.to]) {
            arena.set(word(index), number.cast_unsigned());
        }
        each.store(arena, word(5));
    }

    fn load(self, arena: &Arena<'_>) -> (Slope, u32, Meter) {
        let word = |index: u32| arena.word(self.0.saturating_add(index));
        let slope = Slope {
            named: low(word(0)),
            step: high(word(0)),
            down: high(word(1)) != 0,
            end: word(2).cast_signed(),
            from: word(3).cast_signed(),
            to: word(4).cast_signed(),
        };
        (slope, low(word(1)), Meter::load(arena, self.0.saturating_add(5)))
    }
}

/// Whether a value is a number of which all bits are named, within bounds.
fn is_named(value: &Value) -> bool {
    let small = value.number.smin() >= LARGEST.wrapping_neg() && value.number.smax() <= LARGEST;
    value.is_scalar() && value.id != 0 && value.range == 0 && small
}

/// The least by which every way round changes a number that stays within its bounds, and
/// whether it is less then; none, where that is not known.
fn step_of(value: &Value, change: Change) -> Option<(u32, bool)> {
    let Change::Sum(least, most) = change else { return None };
    rounds_of(value, change)?;
    Some((least.unsigned_abs().min(most.unsigned_abs()), most < 0))
}

impl Explorer<'_> {
    /// The summary of a loop holds, with so many rounds at the most: notes with the loop around
    /// how they depend on that, if they do.
    pub(super) fn note_triangle(&mut self, trial: Trial, node: Node, rounds: u64) {
        let outer = trial.outer(&self.arena);
        if self.code.has_rounds() || outer.phase_if_any(&self.arena) != Some(Phase::Full) {
            return;
        }
        // Of rounds that cost less together it is not known what each one costs.
        if trial.triangles(&self.arena).next().is_some() {
            return;
        }
        let level = trial.level(&self.arena) as usize;
        let each = node.tail(&self.arena).back.get(level).copied().unwrap_or(Meter::NONE);
        let (Ok(most), Some((entry, slope))) =
            (u32::try_from(rounds), self.slope(trial, node, outer))
        else {
            return;
        };
        if each.is_none() || self.goes_round_elsewhere(outer, node) {
            return;
        }
        let Ok(at) = self.arena.alloc(Triangle::WORDS as usize) else { return };
        let triangle = Triangle(at);
        if outer.add_triangle(&mut self.arena, triangle) {
            triangle.store(&mut self.arena, &slope, (most, each));
            self.mark_entry(node, entry);
        } else {
            self.arena.free(at, Triangle::WORDS as usize);
        }
    }

    /// Whether some path that is no longer walked leads from the head of a summary back to it
    /// without this node, which is behind the head.
    fn goes_round_elsewhere(&mut self, outer: Trial, node: Node) -> bool {
        let (level, head) = (outer.level(&self.arena) as usize, outer.node(&self.arena));
        let mut before = node;
        while before != head {
            before = Node(before.parent(&self.arena));
            if before.0 == NONE {
                return true;
            }
            self.work(1);
            let back = before.tail(&self.arena).back.get(level).copied();
            if back.is_none_or(|back| !back.is_none()) {
                return true;
            }
        }
        false
    }

    /// A path ends, and this follows: where it goes back to the head of a summary, it does so
    /// without what was noted there before.
    pub(super) fn drop_triangles(&mut self, tail: &Tail) {
        let mut trial = self.walker.active;
        while trial.0 != NONE {
            let level = trial.level(&self.arena) as usize;
            if tail.back.get(level).is_none_or(|back| !back.is_none()) {
                trial.drop_triangles(&mut self.arena);
            }
            trial = trial.outer(&self.arena);
        }
    }

    /// How the rounds of a loop depend on a number of the loop around, and by which entry of its
    /// head.
    fn slope(&self, trial: Trial, node: Node, outer: Trial) -> Option<(u32, Slope)> {
        let arena = &self.arena;
        let (guess, first) = (node.snapshot(arena), trial.first(arena));
        let carried = self.carried_entries(trial, guess);
        let (mut entry, mut found) = (0_u32, None);
        let mut look = |value: &Value, start: Option<Value>| {
            let own = entry;
            entry = entry.saturating_add(1);
            let Some(start) = start.filter(is_named) else { return };
            let around = outer.first_id(arena) < start.id && start.id <= outer.head_id(arena);
            if !around || !is_named(value) || carried.contains(&Some(own)) || found.is_some() {
                return;
            }
            let change = trial.change(arena, own);
            let Some((step, down)) = change.and_then(|change| step_of(value, change)) else {
                return;
            };
            let end = if down { value.number.smin() } else { value.number.smax() };
            let (from, to) = (start.number.smin(), start.number.smax());
            found = Some((own, Slope { named: start.id, down, end, step, from, to }));
        };
        let (mask, mut entries) = (guess.reg_mask(arena), guess.read(arena));
        for register in Register::all() {
            if mask.wrapping_shr(register.number().into()) & 1 == 1 {
                look(&entries.value(arena), self.in_guess(first, place_of(register)));
            }
        }
        for _ in 0..guess.cells(arena) {
            let cell = entries.cell(arena);
            look(&cell.value, self.cell_of(first, &cell));
        }
        found
    }

    /// What lay in just these bytes.
    fn cell_of(&self, state: Snapshot, cell: &Cell) -> Option<Value> {
        let mut entries = state.read(&self.arena);
        for _ in 0..state.regs(&self.arena) {
            entries.value(&self.arena);
        }
        let mut cells = (0..state.cells(&self.arena)).map(|_| entries.cell(&self.arena));
        let found = cells.find(|found| found.addr == cell.addr)?;
        (found.len == cell.len).then_some(found.value)
    }

    /// What all rounds of a loop cost together, of which there are so many at the most, where
    /// those of inner loops depend on it.
    pub(super) fn in_all(&self, trial: Trial, node: Node, rounds: u64) -> Option<Meter> {
        let (arena, level) = (&self.arena, trial.level(&self.arena) as usize);
        let mut back = node.tail(arena).back.get(level).copied()?;
        let (mut sum, mut any) = (Meter::ZERO, false);
        for triangle in trial.triangles(arena) {
            let (slope, most, each) = triangle.load(arena);
            let stride = self.stride(trial, node, slope.named);
            let total = stride.and_then(|stride| slope.total(rounds, stride));
            let less = back.without(each.times(most.into()));
            let all = rounds.saturating_mul(most.into());
            if let (Some(total), Some(less)) = (total.filter(|total| *total < all), less) {
                (back, sum, any) = (less, sum.then(each.times(total)), true);
            }
        }
        any.then(|| back.times(rounds).then(sum))
    }

    /// The least by which every way round changes the number of this name.
    fn stride(&self, trial: Trial, node: Node, id: u32) -> Option<u64> {
        let arena = &self.arena;
        let guess = node.snapshot(arena);
        let mut entries = guess.read(arena);
        let (regs, cells) = (guess.regs(arena), guess.cells(arena));
        (0..regs.saturating_add(cells)).find_map(|entry| {
            let value = if entry < regs { entries.value(arena) } else { entries.cell(arena).value };
            let change = trial.change(arena, entry).filter(|_| value.id == id && is_named(&value));
            change.and_then(|change| step_of(&value, change)).map(|(step, _)| step.into())
        })
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "tests may panic"
)]
mod tests {
    use super::Slope;

    /// As the sum is defined: by all that begin somewhere in the range.
    fn longest(slope: &Slope, numbers: usize, stride: usize) -> i64 {
        let rounds = |x: i64| {
            let way = if slope.down { x - slope.end } else { slope.end - x };
            way.max(0) / i64::from(slope.step)
        };
        let from = |from: i64| (from..=slope.to).step_by(stride).take(numbers).map(rounds).sum();
        (slope.from..=slope.to).map(from).max().unwrap()
    }

    #[test]
    fn no_sequence_has_more_rounds_in_all() {
        let numbers = (1..6_usize).flat_map(|numbers| (1..4).map(move |stride| (numbers, stride)));
        for (numbers, stride) in numbers {
            for (down, end) in [false, true].into_iter().flat_map(|d| (-6..7).map(move |e| (d, e)))
            {
                for (from, to) in (-4..4).flat_map(|from| (from..5).map(move |to| (from, to))) {
                    for step in 1..4 {
                        let slope = Slope { named: 1, down, end, step, from, to };
                        let real = longest(&slope, numbers, stride);
                        let total = slope.total(numbers as u64, stride as u64).unwrap();
                        assert!(i64::try_from(total).unwrap() >= real, "{slope:?} {numbers}");
                        if (step, stride) == (1, 1) {
                            assert_eq!(i64::try_from(total).unwrap(), real, "{slope:?} {numbers}");
                        }
                    }
                }
            }
        }
    }
}
