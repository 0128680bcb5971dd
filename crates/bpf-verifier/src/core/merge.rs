//! Two states at one place made one.
//!
//! Where a program has many paths that differ in what decides little, comparing
//! states is not enough: none covers another, and the walk takes what lies behind a
//! join once for each of them. Once it has taken much more steps than there are
//! instructions, a state that nothing covers is made one with another that was walked
//! from the same place: a state that covers both, from which everything that follows
//! is walked, with every check. It becomes a node like others, and covers whoever comes
//! later. After an error the walk goes on with the state alone, as if nothing had been
//! tried; what such attempts take is bounded as for summaries of loops.
//!
//! Where a loop's [rounds](super::rounds) are bounded by something else than a number, and
//! what is decided on differs from round to round, no round covers the next one. There the
//! other state is that of the first round of which paths are still to be walked, so
//! that the one that is made of both is a guess at what holds in all of them. It says of
//! the rounds that there were no more than the older one has had. Where a helper calls a function,
//! whose rounds have no summary, that is tried after two rounds, unless it calls a few times at the
//! most, and where it comes to nothing again after twice as many. Of a state that was made so, also
//! the next round is made one with it, and numbers that have become greater once more go on to round
//! bounds: so the steps do not depend on how far a function counts. Like any guess, it holds if all
//! that follows from it can be walked.

use super::done::Done;
use super::node::Node;
use super::trial::{Phase, Trial};
use super::{Explorer, Step};
use crate::arena::{At, NONE, high};
use crate::cfg::Loop;
use crate::state::cover::{Closeness, covers};
use crate::state::join::{Mode, UPWARDS};
use crate::state::snapshot::Snapshot;
use crate::tail::Ask;

/// Steps for each slot of a program before states are made one, and more: one in a small
/// program, another one for so many slots. In a large one, what was made of two takes long.
const MOST_PATIENCE: u64 = 4;
const SLOTS_FOR_MORE: u64 = 512;
const MORE_PATIENCE: u64 = 256;
/// Before rounds are, as many times more than in a large one: by what differs they may end
/// early.
const ROUNDS_PATIENCE: u64 = 4;
/// Rounds of a function that a helper calls, after which they are made one first. Other loops have
/// summaries before.
const FIRST_ROUNDS: u32 = 2;
/// Rounds of such a function that are not made one, where there are no more, and states that were
/// kept since the first one: walking them takes about as long, and tells which of them ends early.
const FEW_ROUNDS: u32 = 8;
const FEW_STATES: u32 = 32;
/// States that are looked at for one that is alike.
const LOOKED_AT: usize = 8;

/// Steps that a program of so many slots takes before states are made one, and rounds.
fn patience(slots: u64) -> (u64, u64) {
    let after = |each: u64| slots.saturating_mul(each).saturating_add(MORE_PATIENCE);
    let each = (slots / SLOTS_FOR_MORE).saturating_add(1).min(MOST_PATIENCE);
    (after(each), after(MOST_PATIENCE).saturating_mul(ROUNDS_PATIENCE))
}

impl Explorer<'_> {
    /// Whether the walk took as many steps as one takes before states are made one.
    pub(super) fn is_long_walk(&self) -> bool {
        self.steps() >= patience(self.code.insns.len() as u64).0
    }

    /// Makes the state one with some that were walked from here. Whether that was tried,
    /// so that the walk goes on elsewhere.
    pub(super) fn try_merge(&mut self, point: At) -> Step<bool> {
        let head = self.calls_back(self.walker.pc);
        // Most walks end before.
        if !head && !self.is_long_walk() || !self.rules.summaries || !self.may_try(Phase::Merge) {
            return Ok(false);
        }
        // Summaries do without.
        if self.walker.active.0 != NONE {
            return Ok(false);
        }
        if head {
            return self.try_merge_rounds(point);
        }
        let mut found = [Done(NONE); LOOKED_AT];
        let mut node = Done(high(self.arena.word(point)));
        let mut free = found.iter_mut();
        while node.0 != NONE {
            let alone = !node.is_inside(&self.arena) && node.owner(&self.arena).is_none();
            if alone && !node.is_tried(&self.arena) {
                let Some(slot) = free.next() else { break };
                *slot = node;
            }
            node = Done(node.next(&self.arena));
        }
        let in_loop = self.code.is_in_any_loop(&self.arena, point);
        // Nothing is begun where it shows that nothing comes of it.
        for node in &mut found {
            if self.is_apart(*node, in_loop) {
                *node = Done(NONE);
            }
        }
        if found.iter().all(|node| node.0 == NONE) {
            return Ok(false);
        }
        let Some(trial) = self.new_merge() else { return Ok(false) };
        if self.merge_with(trial, &found, in_loop)? {
            self.walk_merged(trial, None)?;
        } else {
            self.give_up(trial)?;
        }
        Ok(true)
    }

    /// Whether the state is not alike what was walked from a node, or there is none.
    fn is_apart(&mut self, node: Done, in_loop: bool) -> bool {
        if node.0 == NONE {
            return true;
        }
        self.charge(node.weight(&self.arena));
        node.snapshot(&self.arena).is_apart(&self.state, &self.arena, in_loop)
    }

    /// An attempt with a state that is made of others; none, where there is no room.
    fn new_merge(&mut self) -> Option<Trial> {
        let counted = self.counted_ids();
        let trial = self.new_trial(Loop(NONE))?;
        let until = self.lasts_until(trial, Phase::Merge);
        trial.set_phase(&mut self.arena, Phase::Merge, until, counted);
        Some(trial)
    }

    /// The number of the node from which a state made of two is being walked; 0 for none. By
    /// what it says of rounds, those behind it look like such as were before it.
    pub(super) fn merged_since(&self) -> u32 {
        let last = self.trials;
        let merged = last.0 != NONE && last.phase(&self.arena) == Phase::Merge;
        let node = if merged { last.node(&self.arena) } else { Node(NONE) };
        if node.0 == NONE { 0 } else { node.serial(&self.arena) }
    }

    /// Makes the state one with that of an earlier round. Whether that was tried.
    fn try_merge_rounds(&mut self, point: At) -> Step<bool> {
        let late = self.steps() >= patience(self.code.insns.len() as u64).1;
        let had = self.rounds_had();
        if !late {
            let insn = self.code.insn(self.walker.pc)?;
            if !had.is_power_of_two() || !self.is_round_of_helper(&insn) {
                return Ok(false);
            }
        }
        let Some(earlier) = self.earlier_round(point) else { return Ok(false) };
        let before = earlier.generation(&self.arena);
        if !late && before == 0 && (had < FIRST_ROUNDS || self.are_few_rounds(earlier)) {
            return Ok(false);
        }
        let ask = self.asks();
        let Some(trial) = self.new_merge() else { return Ok(false) };
        earlier.snapshot(&self.arena).load(&mut self.arena, &mut self.state)?;
        // What is greater in a further round, too, goes on to where it ends.
        let far = if before == 0 { 0 } else { before.max(UPWARDS) };
        let mode = Mode::Merge { before: far, in_loop: false };
        if self.join(trial, trial.first(&self.arena), mode)? == Some(true) {
            trial.set_generation(&mut self.arena, before.saturating_add(1));
            self.walk_merged(trial, ask)?;
        } else {
            self.give_up(trial)?;
        }
        Ok(true)
    }

    /// Whether a loop's rounds are so few that they are walked one by one. Other loops in them may
    /// make them long.
    fn are_few_rounds(&self, first: Node) -> bool {
        let kept = self.figures.total_states.saturating_sub(first.serial(&self.arena));
        kept < FEW_STATES && self.most_rounds() <= FEW_ROUNDS
    }

    /// Makes the state one with all of these that are alike. Whether any is, and says
    /// more.
    fn merge_with(&mut self, trial: Trial, found: &[Done], in_loop: bool) -> Step<bool> {
        let (mut merged, mut lies, mut generation) = (false, false, 0);
        let last = found.iter().rposition(|node| node.0 != NONE);
        for (index, node) in found.iter().enumerate().filter(|(_, node)| node.0 != NONE) {
            self.charge(node.weight(&self.arena));
            let before = node.generation(&self.arena);
            let base = match trial.found(&self.arena) {
                NONE => trial.first(&self.arena),
                found => Snapshot(found),
            };
            node.snapshot(&self.arena).load(&mut self.arena, &mut self.state)?;
            lies = self.join(trial, base, Mode::Merge { before, in_loop })? == Some(true);
            if lies {
                node.set_tried(&mut self.arena);
                merged = true;
                generation = before.max(generation);
            }
            if lies && Some(index) != last {
                self.drop_found(trial);
                // Room is not made here: the nodes must stay.
                let size = Snapshot::measure(&self.state, &self.arena);
                let at = self.arena.alloc(size.words() as usize)?;
                Snapshot::write(&self.state, &mut self.arena, at, size);
                trial.set_found(&mut self.arena, at);
            }
        }
        if merged && !lies {
            Snapshot(trial.found(&self.arena)).load(&mut self.arena, &mut self.state)?;
        }
        self.drop_found(trial);
        trial.set_generation(&mut self.arena, generation.saturating_add(1));
        Ok(merged)
    }

    /// Sets out with the state that was made of two, one of which asked so, if it did.
    fn walk_merged(&mut self, trial: Trial, ask: Option<Ask>) -> Step {
        let node = self.add_open_node()?;
        if let Some(ask) = ask {
            node.stands_behind(&mut self.arena, &ask);
        }
        let generation = trial.generation(&self.arena);
        node.set_generation(&mut self.arena, generation);
        trial.set_node(&mut self.arena, node);
        self.settled = true;
        // By the way it was made it covers the state; as all rests on that, it is
        // looked at again.
        trial.first(&self.arena).load(&mut self.arena, &mut self.scratch)?;
        let (own, merged) = (trial.first_id(&self.arena), node.snapshot(&self.arena));
        if covers(merged, &self.scratch, &self.arena, Closeness::Whole { own: false }, own)
            .is_none()
        {
            return self.fail(trial);
        }
        Ok(())
    }

    /// Every path from the node was walked: if it is two states made one, it holds.
    pub(super) fn merge_done(&mut self, node: Node) {
        let trial = self.trials;
        if trial.0 != NONE
            && trial.phase(&self.arena) == Phase::Merge
            && trial.node(&self.arena) == node
        {
            self.trials = trial.below(&self.arena);
            self.drop_trial(trial);
        }
    }
}
