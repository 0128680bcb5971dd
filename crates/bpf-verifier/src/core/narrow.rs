//! Guesses that are made narrower.
//!
//! A guess goes as far as values may come that start as far off as they can. What a loop keeps
//! of its counter, such as the place of the least element so far, is then anything, though each
//! way round leaves it or makes it what the counter was, and that lies within bounds. Where a
//! guess holds such a value and leads to an error, in the loop or behind it, the loop is gone
//! round with the guess once more, past all errors, and each value that some way round made
//! another one becomes what it was at the start, and what those ways made it. Ways that leave it
//! add nothing to that. As always, it is checked whether the new guess holds.
//!
//! Where that makes nothing narrower, numbers that the loop counts become what it compares them
//! with: where a counter and what is kept of something else moved alike in the first round, the
//! one was guessed to go as far as the other.

use super::carried::Place;
use super::node::Node;
use super::trial::{Change, Phase, Trial};
use super::{Explorer, Step};
use crate::domain::Scalar;
use crate::state::Value;
use crate::state::cover::plus;

/// Values of a head that may be made narrower, at the most.
const MAX_OTHERS: usize = 16;

/// The number of a value, and of an address its unknown part, as seen from one `like` it.
fn number_by(value: &Value, like: &Value) -> Option<Scalar> {
    let same = value.kind == like.kind && value.lookup() == like.lookup();
    if !same || value.is_scalar() {
        return Some(value.number).filter(|_| same);
    }
    let apart = value.off.checked_sub(like.off)?;
    (value.kind.is_pointer() && value.index == like.index).then(|| plus(value.number, apart))
}

impl Explorer<'_> {
    /// Notes what an entry of the head's state became on a way round, if it was not left as it is.
    pub(super) fn note_other(
        &mut self,
        trial: Trial,
        entry: u32,
        change: Change,
        (before, after): (&Value, &Value),
    ) {
        // All ways are to be seen, and not one that stands for another.
        self.mark_precise(after.deps);
        // What is cut off to its lower half is as it was, if the guess becomes as narrow as that.
        let is_half = before.is_scalar() && before.name().is_some() && after.same_bits() == 32;
        let cut = is_half && (after.id, after.off) == (before.id, before.off);
        if change == Change::Sum(0, 0) || cut {
            return;
        }
        let number = number_by(after, before);
        let end = |number: i64| i32::try_from(number).ok();
        let ends = number.and_then(|all| {
            let (least, most) = (end(all.smin()), end(all.smax()));
            // What only goes down comes no further up by that.
            match change {
                Change::Sum(0.., _) => most.zip(most),
                Change::Sum(_, ..=0) => least.zip(least),
                _ => least.zip(most),
            }
        });
        trial.note_reset(&mut self.arena, entry, ends);
    }

    /// All ways round were walked: makes the guess narrower by what they made of it.
    pub(super) fn narrow(&mut self, trial: Trial, node: Node) -> Step {
        let guess = node.snapshot(&self.arena);
        let mut others: [(Place, (i32, i32)); MAX_OTHERS] = [(0, (0, 0)); MAX_OTHERS];
        let mut slots = others.iter_mut();
        self.each_place(guess, |place, entry| {
            if let Some((_, Some(ends))) = trial.sum_and_resets(&self.arena, entry)
                && let Some(slot) = slots.next()
            {
                *slot = (place, ends);
            }
        });
        guess.load(&mut self.arena, &mut self.state)?;
        trial.first(&self.arena).load(&mut self.arena, &mut self.scratch)?;
        let mut narrower = false;
        for (place, (least, most)) in others.into_iter().filter(|(place, _)| *place != 0) {
            let now = self.at_place(&self.state, place);
            let start = self.at_place(&self.scratch, place);
            let (Some(now), Some(start)) = (now, start) else { continue };
            let Some(from) = number_by(&start, &now) else { continue };
            let (least, most) = (from.smin().min(least.into()), from.smax().max(most.into()));
            let number = now.number.meet(Scalar::signed_between(least, most));
            if let Some(number) = number.filter(|number| *number != now.number) {
                self.set_number(place, number);
                narrower = true;
            }
        }
        if !narrower {
            for (place, _) in others.into_iter().filter(|(place, _)| *place != 0) {
                narrower |= self.end_at_threshold(trial, place);
            }
        }
        if !narrower {
            return self.try_numbers(trial);
        }
        self.unwind(trial);
        // Where it was wider, inner loops went round too often.
        self.forget_hints(trial.first_id(&self.arena));
        self.begin(trial, Phase::Body)
    }

    /// The state is a guess, beside it what the loop begins with: a number that goes further than
    /// the last of what it is compared with, on the way from there, ends at that.
    fn end_at_threshold(&mut self, trial: Trial, place: Place) -> bool {
        let now = self.at_place(&self.state, place).filter(Value::is_scalar);
        let start = self.at_place(&self.scratch, place).filter(Value::is_scalar);
        let (Some(now), Some(start)) = (now, start) else { return false };
        let (known, count) = trial.thresholds(&self.arena);
        let own = known.iter().take(count).filter(|known| known.id == now.id && known.bits == 64);
        let ends = || own.clone().map(|known| known.at.wrapping_add(now.off.into()));
        let (low, high) = (now.number.smin(), now.number.smax());
        let most = ends().filter(|end| (start.number.smax()..high).contains(end)).max();
        let least = ends().filter(|end| low < *end && *end <= start.number.smin()).min();
        let number = Scalar::signed_between(least.unwrap_or(low), most.unwrap_or(high));
        let number = now.number.meet(number).filter(|number| *number != now.number);
        number.is_some_and(|number| {
            self.set_number(place, number);
            true
        })
    }
}
