//! Guesses that go further than any round.
//!
//! A guess goes as far as values may come while all that a loop changes is as far off as it can
//! be. The head of a queue, which is compared with the tail, was found to come as far as that did,
//! before the tail's own end was known; and so the guess holds, with the head anywhere up to
//! there, though no round leaves it beyond 64. What bounds the rounds is its width then.
//!
//! So where a guess has held, what bounds its rounds becomes what it is at the start and what came
//! back. What comes back of a narrower guess is no more than what came back of this one, so that
//! holds as well, as a rule. As always, it is checked whether it does; if not, guesses are made
//! wider again, and none narrower.

use super::Explorer;
use super::carried::Place;
use super::summary::rounds_of;
use super::trial::{Change, MAX_RANKS, Trial, ends_at, widen};
use crate::arena::Arena;
use crate::domain::Scalar;
use crate::state::Value;
use crate::state::snapshot::Snapshot;

/// Words for between what entries came back: one with a bit for each that did, and for each that
/// came from beyond what is listed; and the ends.
pub(super) const TIGHTEN_WORDS: u32 = 1 + MAX_RANKS;
/// Where in the first word it is noted that an entry came from beyond.
const BEYOND: u32 = 16;
/// There: that guesses are made no narrower from here on.
const OVER: u64 = 1 << 32;
/// By how many times as many rounds a guess bounds less than it could, at least.
const MUCH: u64 = 2;
/// Guesses of which something is made narrower, at the most.
const MAX_PLACES: usize = 4;

impl Trial {
    /// A trial begins.
    pub(super) fn begin_tight(self, arena: &mut Arena<'_>) {
        arena.set(self.tighten_field(), 0);
    }

    /// A phase begins: nothing came back.
    pub(super) fn clear_tight(self, arena: &mut Arena<'_>) {
        let over = arena.word(self.tighten_field()) & OVER;
        arena.set(self.tighten_field(), over);
    }

    /// An entry of the head, a number, came back within these bounds; none, if that is not known.
    pub(super) fn note_back(self, arena: &mut Arena<'_>, entry: u32, ends: Option<(i32, i32)>) {
        let Some(rank) = self.rank(arena, entry) else { return };
        let (field, bit) = (self.tighten_field(), 1_u64.wrapping_shl(rank));
        let mask = arena.word(field);
        let at = field.saturating_add(1).saturating_add(rank);
        if let Some(ends) = ends {
            widen(arena, at, mask & bit != 0, ends);
            arena.set(field, mask | bit);
        } else {
            arena.set(field, mask | bit.wrapping_shl(BEYOND));
        }
    }

    /// Between what an entry of the head came back on all ways, if any did.
    fn back(self, arena: &Arena<'_>, entry: u32) -> Option<(i32, i32)> {
        let rank = self.rank(arena, entry)?;
        let (field, bit) = (self.tighten_field(), 1_u64.wrapping_shl(rank));
        let mask = arena.word(field);
        let known = mask & bit != 0 && mask & bit.wrapping_shl(BEYOND) == 0;
        known.then(|| ends_at(arena, field.saturating_add(1).saturating_add(rank)))
    }
}

impl Explorer<'_> {
    /// The guess, which the state is, has held, and bounds the rounds by so many: makes it narrower
    /// where that bounds them by far fewer, once.
    pub(super) fn tighten(&mut self, trial: Trial, guess: Snapshot, rounds: u64) {
        let word = self.arena.word(trial.tighten_field());
        if word & OVER != 0 {
            return;
        }
        let mut found = [(0, Scalar::UNKNOWN); MAX_PLACES];
        let mut free = found.iter_mut();
        self.each_entry(guess, |place, entry, value| {
            if let Some(number) = self.tighter(trial, guess, (place, entry, value), rounds)
                && let Some(slot) = free.next()
            {
                *slot = (place, number);
            }
        });
        for (place, number) in found.into_iter().filter(|(place, _)| *place != 0) {
            self.set_number(place, number);
            self.arena.set(trial.tighten_field(), word | OVER);
        }
    }

    /// What an entry of a guess may be that bounds the rounds by so many, if it is one of them, and
    /// that bounds them by far fewer.
    fn tighter(
        &self,
        trial: Trial,
        guess: Snapshot,
        (place, entry, value): (Place, u32, &Value),
        rounds: u64,
    ) -> Option<Scalar> {
        let arena = &self.arena;
        let change = trial.change(arena, entry)?;
        let counts = value.is_scalar() && matches!(change, Change::Sum(..));
        if !counts || rounds_of(value, change) != Some(rounds) {
            return None;
        }
        let otherwise = self.carried_entries(trial, guess).contains(&Some(entry))
            || self.linear_entries(trial, guess).contains(&Some(entry))
            || trial.stride(arena).is_some_and(|(by, _)| by == place);
        let now = self.at_place(&self.state, place)?;
        let start = self.in_guess(trial.first(arena), place).filter(Value::is_scalar)?;
        if otherwise || now.id != value.id {
            return None;
        }
        let (least, most) = trial.back(arena, entry)?;
        let (least, most) = (i64::from(least), i64::from(most));
        let start = start.number;
        let all = Scalar::signed_between(least.min(start.smin()), most.max(start.smax()));
        let number = now.number.meet(all).filter(|number| number.covers(&start))?;
        let fewer = rounds_of(&Value { number, ..*value }, change)?;
        (fewer.saturating_mul(MUCH) <= rounds).then_some(number)
    }
}
