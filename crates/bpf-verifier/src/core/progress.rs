//! Numbers that an inner loop moves on for the loop around it.
//!
//! A tokenizer's outer loop goes on at the index that the inner ones have come to, past the
//! blanks and past the word. What lies at an inner head has a name of its own there, which says
//! nothing of how the number has come from the one at the outer head; so nothing would show that
//! each outer round moves it, and the outer loop could not be summarised.
//!
//! But the inner summary knows: where every way round moves the number up, it is what the inner
//! loop was entered with and something that is not below 0, after however many rounds. What it was
//! entered with is the number of the outer head and something known. So as the proof of an inner
//! loop begins, it is noted with each loop around what the new name comes from, and by how much
//! that was moved at least and at most, as is done with addresses in packets
//! ([`derived`](super::derived)). By such notes a change of the outer number is known like one by
//! a constant between two others, and bounds its rounds.
//!
//! - At least it was moved by as much as before the inner loop, which may have no round at all:
//!   an outer round that moves its number nowhere else shows no progress.
//! - At the most it comes from the least that the outer head may have to the greatest that the
//!   inner head may have. As both are within bounds that are far from any end, and no step inside
//!   passes one, the sum of all steps is the difference of the two numbers, and not only modulo
//!   2^64.
//!
//! Which values these are follows from the phase before (and is kept with guesses that held), so
//! it is a guess like others. When all that follows from the inner head was walked, the ways round
//! it must have moved all that has such a note in the same direction. Otherwise the attempt has
//! failed, and what was found with its help is undone with it: but for what the loops around noted
//! of how their values change, of which the ways found later are more.
//!
//! Where grants bound rounds, nothing of the kind is noted.

use super::Explorer;
use super::carried::Place;
use super::derived::Derived;
use super::summary::rounds_of;
use super::trial::{Change, Trial};
use crate::arena::{Arena, NONE, high, low, pair};
use crate::domain::Scalar;
use crate::state::Value;
use crate::state::snapshot::Snapshot;

/// Values of an inner loop of which it is noted that it moves them, at the most.
const MAX_MOVED: usize = 4;
/// Words for where they lie.
pub(super) const PROGRESS_WORDS: u32 = 2;
/// Beside where a value lies: it is moved down.
const DOWN: Place = 1 << 31;

/// Numbers beyond this are not looked at, so that no difference wraps.
const LARGEST: i64 = 1 << 40;

/// In which direction a loop moves a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

impl Way {
    /// The one in which every way round moves a value that does not pass an end by that.
    fn of(value: &Value, change: Change) -> Option<Self> {
        let Change::Sum(least, _) = change else { return None };
        rounds_of(value, change)?;
        Some(if least > 0 { Self::Up } else { Self::Down })
    }
}

/// Whether a number is far from any end. So it is none of which nothing is known: such a one may
/// go unmarked where states are compared, and that it is as before would not be looked at.
fn is_near(number: &Scalar) -> bool {
    number.smin() >= LARGEST.wrapping_neg() && number.smax() <= LARGEST
}

impl Trial {
    /// Where the values lie that the loop moves; 0 for no more.
    fn moved(self, arena: &Arena<'_>) -> [Place; MAX_MOVED] {
        let at = self.progress_field();
        let (a, b) = (arena.word(at), arena.word(at.saturating_add(1)));
        [low(a), high(a), low(b), high(b)]
    }

    pub(super) fn clear_moved(self, arena: &mut Arena<'_>) {
        self.set_moved(arena, [0; MAX_MOVED]);
    }

    fn set_moved(self, arena: &mut Arena<'_>, [a, b, c, d]: [Place; MAX_MOVED]) {
        let at = self.progress_field();
        arena.set(at, pair(a, b));
        arena.set(at.saturating_add(1), pair(c, d));
    }
}

impl Explorer<'_> {
    /// All ways round were walked once: what they move in one direction, in a loop in a loop.
    pub(super) fn find_moved(&mut self, trial: Trial, guess: Snapshot) {
        let mut moved = [0; MAX_MOVED];
        if !self.code.has_rounds() && trial.outer(&self.arena).0 != NONE {
            let mut free = moved.iter_mut();
            self.each_entry(guess, |place, entry, value| {
                let change = trial.change(&self.arena, entry);
                let way = change.and_then(|change| Way::of(value, change));
                if place < DOWN
                    && let Some(way) = way
                    && let Some(slot) = free.next()
                {
                    *slot = if way == Way::Down { place | DOWN } else { place };
                }
            });
        }
        trial.set_moved(&mut self.arena, moved);
    }

    /// The proof of a guess begins: what the loops around may count on. What they count on already
    /// stays.
    pub(super) fn note_moved(&mut self, trial: Trial, guess: Snapshot) {
        for place in trial.moved(&self.arena).into_iter().filter(|place| *place != 0) {
            let way = if place & DOWN == 0 { Way::Up } else { Way::Down };
            let place = place & !DOWN;
            let Some(value) = self.in_guess(guess, place) else { continue };
            let mut outer = trial.outer(&self.arena);
            while outer.0 != NONE {
                self.charge(guess.weight(&self.arena) as usize);
                if outer.derived(&self.arena, value.id).is_none()
                    && let Some(found) = self.moved_from(trial, outer, (place, &value), way)
                {
                    outer.note_derived(&mut self.arena, value.id, found);
                }
                outer = outer.outer(&self.arena);
            }
        }
    }

    /// All that follows from the head was walked: whether the ways round move what a loop around
    /// counts on as it was noted.
    pub(super) fn keeps_moved(&self, trial: Trial, guess: Snapshot) -> bool {
        let (arena, mut keeps) = (&self.arena, true);
        self.each_entry(guess, |place, entry, value| {
            if value.id <= trial.first_id(arena) {
                return;
            }
            for outer in trial.outer(arena).outwards(arena) {
                let Some(noted) = outer.derived(arena, value.id) else { continue };
                keeps &= match trial.change(arena, entry) {
                    // It is as the loop was entered with.
                    None | Some(Change::Sum(0, 0)) => true,
                    Some(change) => Way::of(value, change)
                        .and_then(|way| self.moved_from(trial, outer, (place, value), way))
                        .is_some_and(|found| noted.covers(found)),
                };
            }
        });
        keeps
    }

    /// What a value at the head of a loop comes from that is moved so, as seen from a loop around.
    fn moved_from(
        &self,
        trial: Trial,
        outer: Trial,
        (place, value): (Place, &Value),
        way: Way,
    ) -> Option<Derived> {
        // Guesses have the cells of what the loop is entered with, so it is of the same length.
        let start = self.in_guess(trial.first(&self.arena), place)?;
        if start.kind != value.kind || value.number_named().is_none() {
            return None;
        }
        let begun = outer.derived(&self.arena, start.id)?;
        let base = self.named_at_head(outer, begun.from)?;
        let begun = begun.then(&start, &base)?.less(value.off)?;
        let here = value.number_named()?;
        if !is_near(&here) || !is_near(&base) {
            return None;
        }
        match way {
            Way::Up => begun.up_to(here.smax().checked_sub(base.smin())?),
            Way::Down => begun.down_to(here.smin().checked_sub(base.smax())?),
        }
    }

    /// The number that is named so at the head of a loop.
    fn named_at_head(&self, trial: Trial, id: u32) -> Option<Scalar> {
        let node = trial.node(&self.arena);
        let mut found = None;
        if node.0 != NONE {
            self.each_entry(node.snapshot(&self.arena), |_, _, value| {
                if value.id == id && found.is_none() {
                    found = value.number_named();
                }
            });
        }
        found
    }
}
