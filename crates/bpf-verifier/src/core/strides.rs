//! Numbers that a loop counts by in steps which are no power of two.
//!
//! What begins at 0 and goes up by 24 until it is 144 comes back to the head as 136 at the
//! most, by its bounds and its low bits, and is 120 then, as it is a multiple of 24. So a guess
//! that ends at 120 covers all that comes back, where every way round adds a multiple of 24, as
//! the number's identity shows: what is at the head in the first round is the number that the
//! loop begins with, and what differs from that by a multiple of the step still does so in each
//! round that follows, as no sum wraps. Of what comes back, only such numbers are compared with
//! the guess.
//!
//! Unlike what is [carried](super::carried) along, such a number stays within its bounds however
//! many rounds there are, and so it may bound them. But as there, the guess speaks of the first
//! round and those that follow from it, and its node serves no comparison later. The loop may
//! begin with no other number than the one that it was proven for, which is marked.
//!
//! Where grants bound rounds, open nodes close loops; there, nothing of the kind is guessed.

use super::Explorer;
use super::carried::{Changes, drift, is_register};
use super::trial::{Change, Trial};
use crate::domain::Scalar;
use crate::state::Value;
use crate::state::snapshot::Snapshot;
use crate::state::threshold::{Threshold, around};

/// The last number, from `start` on, in so many `steps` of that size that is not beyond `end`,
/// and how many there are; none, if there is not even one.
fn steps_to(start: i64, end: i64, step: i32) -> Option<u64> {
    let (way, step) = (end.checked_sub(start)?, i64::from(step));
    let steps = way.checked_div(step)?;
    u64::try_from(steps).ok().filter(|steps| *steps > 0)
}

/// Of a number that differs from `start` by a multiple of `step`, the bounds.
fn within_stride(number: &Scalar, start: i64, step: i32) -> Option<Scalar> {
    let step = i64::from(step).checked_abs()?;
    let low = number.smin().checked_sub(start)?;
    let low = low.checked_add(low.checked_neg()?.checked_rem_euclid(step)?)?;
    let high = number.smax().checked_sub(start)?;
    let high = high.checked_sub(high.checked_rem_euclid(step)?)?;
    if low > high {
        return None;
    }
    let (low, high) = (start.checked_add(low)?, start.checked_add(high)?);
    number.meet(Scalar::signed_between(low, high))
}

impl Explorer<'_> {
    /// The state is a guess: where a number that began as a constant is changed by a constant
    /// on every way round and compared with something, the guess ends at the last one that
    /// may come back. Numbers are carried then, too.
    pub(super) fn guess_stride(&mut self, trial: Trial, changes: &Changes) {
        trial.set_stride(&mut self.arena, None);
        if self.code.has_rounds() || trial.refuses_strides(&self.arena) {
            return;
        }
        let first = trial.first(&self.arena);
        let (thresholds, count) = trial.thresholds(&self.arena);
        let known = thresholds.get(..count).unwrap_or_default();
        for (place, change, resets) in changes {
            let &Change::Sum(step, most) = change else { continue };
            let plain = is_register(*place) && step == most && resets.is_none();
            if !plain || step == 0 || step.unsigned_abs().is_power_of_two() {
                continue;
            }
            let Some(now) = self.at_place(&self.state, *place) else { continue };
            let start = self.in_guess(first, *place).filter(Value::is_scalar);
            let Some(start) = start.filter(|_| now.is_scalar() && now.range == 0) else { continue };
            let Some(constant) = start.number.as_constant().map(u64::cast_signed) else { continue };
            // Whoever goes on has not come to what it is compared with.
            let own = known.iter().filter(|known| known.id == now.id && now.id != 0);
            let behind = i64::from(step).saturating_sub(step.signum().into());
            let last = |at: i64| at.checked_add(now.off.into())?.checked_add(behind);
            let end = |known: &Threshold| {
                let [down, up] = around((last(known.at)?, known.bits), constant);
                Some(if step < 0 { down } else { up })
            };
            let steps = own.filter_map(|known| steps_to(constant, end(known)?, step)).min();
            let number = steps.and_then(|steps| drift(&start.number, (step, step), steps));
            let Some(number) = number else { continue };
            self.set_number(*place, number);
            trial.set_stride(&mut self.arena, Some((*place, step)));
            // What else it counts has no bounds of its own, as often as not.
            trial.begin_numbers(&mut self.arena);
            return;
        }
    }

    /// The state comes back to the head: whether what goes on by the stride still does so. Its
    /// bounds are then such numbers.
    pub(super) fn keep_stride(&mut self, trial: Trial, guess: Snapshot) -> bool {
        let Some((place, step)) = trial.stride(&self.arena) else { return true };
        let Some(before) = self.in_guess(guess, place) else { return true };
        let start = self.in_guess(trial.first(&self.arena), place);
        let start = start.and_then(|start| start.number.as_constant()).map(u64::cast_signed);
        let after = self.at_place(&self.state, place);
        let (Some(start), Some(after)) = (start, after) else { return false };
        let own = trial.first_id(&self.arena);
        let Change::Sum(least, most) = self.change_in(trial, &before, &after, own) else {
            return false;
        };
        let by = i64::from(least);
        let ends = [before.number.smin(), before.number.smax()];
        let wraps = ends.iter().any(|end| end.checked_add(by).is_none());
        if !before.is_scalar() || least != most || least.checked_rem(step) != Some(0) || wraps {
            return false;
        }
        self.mark_precise(after.deps);
        if let Some(number) = within_stride(&after.number, start, step) {
            self.set_number(place, number);
        }
        true
    }

    /// All ways round were walked with the stride: the proof rests on what the loop began with.
    pub(super) fn mark_stride(&mut self, trial: Trial) {
        let guess = trial.node(&self.arena).snapshot(&self.arena);
        if let Some((place, _)) = trial.stride(&self.arena)
            && let Some((entry, _)) = self.entry_at(guess, place)
        {
            let node = trial.node(&self.arena);
            self.mark_entry(node, entry);
        }
    }
}
