//! Attempts: how they begin, and how they are undone.
//!
//! See [`summary`](super::summary) and [`merge`](super::merge).

use super::done::Done;
use super::node::Node;
use super::trial::{Phase, TRIAL_WORDS, Trial};
use super::{Explorer, Step};
use crate::arena::{At, NONE, high, low, pair};
use crate::cfg::Loop;
use crate::state::snapshot::Snapshot;

/// Steps that attempts at loops may waste, those that attempts with states that were made one may,
/// and the part of all steps that each may waste beyond these, before no other one is begun.
/// Of the latter nothing is gained in most programs that are walked in a few thousand steps.
const WASTED_FREE: u64 = 8192;
const WASTED_FREE_MERGED: u64 = 1024;
const WASTED_PART: u64 = 4;

/// Steps that attempts took which came to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wasted {
    /// At loops.
    summaries: u64,
    /// With states that were made one. Where a loop's summary takes too long, these may be
    /// what helps.
    merges: u64,
}

impl Wasted {
    const fn of(&mut self, phase: Phase) -> &mut u64 {
        match phase {
            Phase::Merge => &mut self.merges,
            _ => &mut self.summaries,
        }
    }
}

impl Explorer<'_> {
    /// Keeps the state, to go on from it should an attempt fail; none, where there is no
    /// room.
    pub(super) fn new_trial(&mut self, subject: Loop) -> Option<Trial> {
        let size = Snapshot::measure(&self.state, &self.arena);
        let words = size.words() as usize;
        let Ok(start) = self.arena.alloc(words) else {
            self.figures.not_tried = true;
            return None;
        };
        let Ok(at) = self.arena.alloc(TRIAL_WORDS as usize) else {
            self.figures.not_tried = true;
            self.arena.free(start, words);
            return None;
        };
        self.charge(size.weight() as usize);
        self.charge_parts(size.weight());
        Snapshot::write(&self.state, &mut self.arena, start, size);
        let trial = Trial(at);
        let more = (self.pending, start, self.last_id, self.state.frame);
        trial.write(&mut self.arena, (self.trials, subject), more, &self.walker);
        let steps = self.steps();
        trial.begin(&mut self.arena, steps);
        self.trials = trial;
        Some(trial)
    }

    /// Whether attempts of the kind that begins like this, and came to nothing, left steps for
    /// another.
    pub(super) fn may_try(&mut self, phase: Phase) -> bool {
        let free = if phase == Phase::Merge { WASTED_FREE_MERGED } else { WASTED_FREE };
        *self.wasted.of(phase) <= free.saturating_add(self.steps() / WASTED_PART)
    }

    /// Nothing came of an attempt: where it began the walk goes on without, at least
    /// for a while.
    pub(super) fn fail(&mut self, trial: Trial) -> Step {
        if trial.is_early(&self.arena) {
            trial.subject(&self.arena).did_not_hold(&mut self.arena);
            return self.give_up(trial);
        }
        if self.assume(trial)? || self.try_loose(trial)? || self.try_differences(trial)? {
            return Ok(());
        }
        let taken = self.steps().saturating_sub(trial.began(&self.arena));
        let phase = trial.phase(&self.arena);
        let wasted = self.wasted.of(phase);
        *wasted = wasted.saturating_add(taken);
        if phase != Phase::Merge {
            trial.subject(&self.arena).failed(&mut self.arena);
        }
        self.give_up(trial)
    }

    /// Goes on from where the trial began as if it had not.
    pub(super) fn give_up(&mut self, trial: Trial) -> Step {
        self.unwind(trial);
        self.walker = trial.start(&self.arena);
        let first = trial.first(&self.arena);
        let loaded = self.load_with_room(|arena, state| Ok(first.load(arena, state)?));
        self.trials = trial.below(&self.arena);
        self.drop_trial(trial);
        loaded?;
        self.settle()?;
        self.settled = true;
        Ok(())
    }

    pub(super) fn drop_trial(&mut self, trial: Trial) {
        self.drop_found(trial);
        trial.free_derived(&mut self.arena);
        let first = trial.first(&self.arena);
        let words = first.words(&self.arena) as usize;
        self.arena.free(first.0, words);
        trial.drop_triangles(&mut self.arena);
        self.arena.free(trial.0, TRIAL_WORDS as usize);
    }

    /// Frees everything that the phase has kept, and the trials that were begun
    /// in it.
    pub(super) fn unwind(&mut self, trial: Trial) {
        while self.trials.0 != NONE && self.trials != trial {
            let inner = self.trials;
            self.trials = inner.below(&self.arena);
            self.free_resting(inner);
            self.drop_trial(inner);
        }
        let base = trial.pending(&self.arena);
        while self.pending != base && self.pending != NONE {
            self.drop_pending();
            self.dropped = self.dropped.saturating_add(1);
        }
        self.forget_path(trial.start(&self.arena).parent);
        trial.set_node(&mut self.arena, Node(NONE));
        self.free_resting(trial);
    }

    /// Frees the done nodes that rest on a summary.
    pub(super) fn free_resting(&mut self, trial: Trial) {
        let first = trial.resting(&self.arena);
        let mut node = first;
        while node.0 != NONE {
            node.kill(&mut self.arena);
            node = Done(node.next_resting(&self.arena));
        }
        node = first;
        while node.0 != NONE {
            if let Some(point) = self.code.point(&self.arena, node.pc(&self.arena)) {
                self.bury(point);
            }
            node = Done(node.next_resting(&self.arena));
        }
        node = first;
        while node.0 != NONE {
            let next = node.next_resting(&self.arena);
            self.forget_done(node);
            node = Done(next);
        }
        trial.clear_resting(&mut self.arena);
    }

    /// Takes the nodes that are to be freed out of a point's list.
    fn bury(&mut self, point: At) {
        let word = self.arena.word(point);
        let (mut last, mut node) = (Done(NONE), Done(high(word)));
        while node.0 != NONE {
            let next = node.next(&self.arena);
            if !node.is_dead(&self.arena) {
                last = node;
            } else if last.0 == NONE {
                let word = self.arena.word(point);
                self.arena.set(point, pair(low(word), next));
            } else {
                last.set_next(&mut self.arena, next);
            }
            node = Done(next);
        }
    }
}
