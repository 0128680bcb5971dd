//! Summaries of loops: guess what holds at the head, and check it.
//!
//! See the crate's documentation. The head of a summary is a node like others;
//! paths that come back to it end there, where its state covers theirs.

use bpf_bytecode::Register;
use bpf_bytecode::instruction::Instruction;

use super::checkpoint::Arrival;
use super::node::Node;
use super::trial::{Change, EARLY, HINTED, Phase, Trial};
use super::{Explorer, Step};
use crate::arena::{NONE, low};
use crate::domain::Scalar;
use crate::rules::MAY_GOTO_ROUNDS;
use crate::state::cells::REFS;
use crate::state::cover::{Closeness, covers};
use crate::state::join::{Join, Mode};
use crate::state::snapshot::Snapshot;
use crate::state::threshold::Threshold;
use crate::state::{DOUBLED, HALVED, Kind, Value};
use crate::tail::{MAX_NEST, Tail};

/// Rounds of a large loop that a path has come through before a summary is tried, which
/// walks it several times.
const LARGE_ROUNDS: usize = 4;
/// Guesses that may fail before the loop is walked round by round.
const MAX_ATTEMPTS: u32 = 12;
/// The same before no relations are guessed any more that did not hold.
const LINEAR_ATTEMPTS: u32 = 3;
/// Steps that a phase inside of a loop may take for each of its slots, and more.
const PHASE_STEPS: u64 = 64;
/// The same of the first one. Where already one round takes longer, so do the others, and states
/// that are made one help, which summaries do without.
const ONCE_STEPS: u64 = 8;
const MORE_STEPS: u64 = 1024;
/// The part of all steps so far that a merged state may take, and more.
const MERGE_PART: u64 = 4;
const MORE_MERGED: u64 = 4096;
/// The part of all steps that the last phase may take.
const FULL_PART: u64 = 3;
/// Rounds that `may_goto` grants before a loop that compares what it counts is said to be bounded by
/// nothing else.
const MANY_GRANTS: u32 = 256;

impl Explorer<'_> {
    /// Leaves the loops that the current instruction does not belong to. The
    /// path ends where only the inside of one is looked at.
    pub(super) fn leave_loops(&mut self) -> Option<Tail> {
        while self.walker.active.0 != NONE {
            let (trial, arena) = (self.walker.active, &self.arena);
            let frame = trial.frame(arena);
            let here = self.state.frame == frame
                && self.code.is_in_loop(arena, self.walker.pc, trial.subject(arena));
            if here || self.state.frame > frame {
                break;
            }
            if trial.is_inside_only(arena) {
                return Some(Tail::round(trial.level(arena) as usize));
            }
            let (first, outer) = (trial.first_id(arena), trial.outer(arena));
            if self.differences > 0 {
                self.state.drop_differences(&mut self.arena, first);
            }
            self.walker.active = outer;
        }
        None
    }

    /// Whether what is walked proves nothing yet: the innermost summary around it
    /// of which only the inside is looked at.
    pub(super) fn guessing(&self) -> Option<Trial> {
        let mut around = self.walker.active.outwards(&self.arena);
        around.find(|trial| trial.is_inside_only(&self.arena))
    }

    /// Whether the identity was given in a loop that is being summarised.
    pub(super) fn counts_by(&self, id: u32) -> bool {
        let trial = self.walker.active.at_level(&self.arena, 0);
        trial.0 != NONE && id > trial.first_id(&self.arena)
    }

    /// Whether the path comes back to the head of a summary.
    pub(super) fn goes_round(&self) -> bool {
        let (trial, arena) = (self.walker.active, &self.arena);
        trial.0 != NONE
            && trial.frame(arena) == self.state.frame
            && trial.subject(arena).head(arena) == self.walker.pc
    }

    /// The path comes back to the head.
    pub(super) fn round(&mut self) -> Step<Arrival> {
        let trial = self.walker.active;
        let tail = Tail::round(trial.level(&self.arena) as usize);
        if self.is_overdue(trial) {
            self.fail(trial)?;
            return Ok(Arrival::Elsewhere);
        }
        trial.note_grants(&mut self.arena, self.walker.grants);
        let guess = trial.node(&self.arena).snapshot(&self.arena);
        self.charge_parts(guess.weight(&self.arena));
        let phase = trial.phase(&self.arena);
        if matches!(phase, Phase::Once | Phase::Probe) {
            if phase == Phase::Probe {
                self.note_changes(trial, guess);
            }
            self.collect(trial)?;
            return Ok(Arrival::Covered(tail));
        }
        if phase == Phase::Narrow {
            self.note_changes(trial, guess);
        }
        if matches!(phase, Phase::Narrow | Phase::Assume) {
            return Ok(Arrival::Covered(tail));
        }
        self.set_back(trial, guess);
        if !self.keep_stride(trial, guess) {
            trial.refuse_strides(&mut self.arena);
            self.unwind(trial);
            self.begin_once(trial)?;
            return Ok(Arrival::Elsewhere);
        }
        if !self.keep_linear(trial) {
            // It may be so by a guess that does not go far enough.
            if phase == Phase::Body && trial.attempts(&self.arena) < LINEAR_ATTEMPTS {
                self.improve(trial)?;
            } else {
                trial.refuse_linear(&mut self.arena);
                self.unwind(trial);
                self.begin_once(trial)?;
            }
            return Ok(Arrival::Elsewhere);
        }
        if !self.keep_differences(trial) {
            self.improve(trial)?;
            return Ok(Arrival::Elsewhere);
        }
        let first = trial.first_id(&self.arena);
        self.charge(guess.weight(&self.arena) as usize);
        let own = self.walker.parent == trial.node(&self.arena).0;
        let close = Closeness::Whole { own };
        let Some(rests) = covers(guess, &self.state, &self.arena, close, first) else {
            self.improve(trial)?;
            return Ok(Arrival::Elsewhere);
        };
        if !self.looks_for_decisions(trial) {
            self.mark_precise(rests.deps);
        }
        self.mark_read(rests.live);
        self.figures.unwritten_reads |= rests.unwritten;
        self.note_changes(trial, guess);
        if self.most_ways_round(trial).is_none() {
            self.fail(trial)?;
            return Ok(Arrival::Elsewhere);
        }
        Ok(Arrival::Covered(tail))
    }

    /// When a phase that begins now has lasted too long, by the clock of steps.
    pub(super) fn lasts_until(&self, trial: Trial, phase: Phase) -> u64 {
        let limit = match phase {
            Phase::Full => self.rules.steps.checked_div(FULL_PART).unwrap_or(0),
            // It may take a part of what was done before.
            Phase::Merge => (self.steps() / MERGE_PART).saturating_add(MORE_MERGED),
            _ => {
                let slots = trial.subject(&self.arena).len(&self.arena);
                let each = if phase == Phase::Once { ONCE_STEPS } else { PHASE_STEPS };
                slots.saturating_mul(each).saturating_add(MORE_STEPS)
            }
        };
        self.clock().saturating_add(limit)
    }

    /// Whether a phase took too many steps.
    pub(super) fn is_overdue(&self, trial: Trial) -> bool {
        self.clock() > trial.until(&self.arena)
    }

    /// The latest of the trials under way whose phase took too many steps, where that is given up
    /// wherever the walk is: the last one with a state that was made of others, or one of a loop
    /// of which already the first round takes too long.
    pub(super) fn overdue_anywhere(&self) -> Option<Trial> {
        self.overdue().filter(|trial| match trial.phase(&self.arena) {
            Phase::Merge => *trial == self.trials,
            phase => phase == Phase::Once,
        })
    }

    /// The latest of the trials under way whose phase took too many steps.
    fn overdue(&self) -> Option<Trial> {
        // There may be very many, one behind the other.
        if self.clock() <= self.trials.earliest(&self.arena) {
            return None;
        }
        let mut trial = self.trials;
        while trial.0 != NONE && !self.is_overdue(trial) {
            trial = trial.below(&self.arena);
        }
        (trial.0 != NONE).then_some(trial)
    }

    /// Tries a summary of the loop that begins here. Whether the walk goes on in
    /// it, or elsewhere.
    pub(super) fn try_summary(&mut self) -> Step<bool> {
        let Some(found) = self.code.loop_at(&self.arena, self.walker.pc) else {
            return Ok(false);
        };
        if let Some(trial) = self.overdue() {
            self.fail(trial)?;
            return Ok(true);
        }
        let due = found.arrive(&mut self.arena)
            && (!found.is_large(&self.arena) || self.rounds_so_far() >= LARGE_ROUNDS);
        let nest = self.walker.active.nest(&self.arena) as usize;
        // What failed did so in guesses at a loop around, as often as not.
        let early = !due && nest == 0 && found.may_hold_again(&self.arena);
        let tries = (due || early) && self.may_try(Phase::Once);
        if !tries || nest >= MAX_NEST || !self.rules.summaries {
            return Ok(false);
        }
        let Some(trial) = self.new_trial(found) else { return Ok(false) };
        self.expect_differences(trial, found);
        let hint = found.hint(&self.arena);
        if hint.0 != NONE {
            let last = hint.last_id(&self.arena);
            hint.guess().load(&mut self.arena, &mut self.state)?;
            if self.join(trial, trial.first(&self.arena), Mode::Hint(last))?.is_some() {
                trial.set_hinted(&mut self.arena, if early { EARLY } else { HINTED });
                self.take_courses(trial, hint);
                // What follows from it while it may fail would be taken for what an outer loop does.
                let guessing = self.guessing().map(|around| around.phase(&self.arena));
                let looks = matches!(guessing, Some(Phase::Body | Phase::Narrow));
                self.begin(trial, if looks { Phase::Body } else { Phase::Full })?;
                return Ok(true);
            }
        }
        if early {
            trial.set_hinted(&mut self.arena, EARLY);
        }
        self.begin_once(trial)?;
        Ok(true)
    }

    /// Nodes of the path that are kept at the current instruction, as far as it matters.
    fn rounds_so_far(&self) -> usize {
        let Some(point) = self.code.point(&self.arena, self.walker.pc) else { return 0 };
        let last = Node(low(self.arena.word(point)));
        let nodes = core::iter::successors(Some(last), |node| Some(Node(node.next(&self.arena))));
        nodes.take_while(|node| node.0 != NONE).take(LARGE_ROUNDS).count()
    }

    pub(super) fn begin_once(&mut self, trial: Trial) -> Step {
        if trial.is_early(&self.arena) {
            return self.fail(trial);
        }
        trial.set_hinted(&mut self.arena, 0);
        trial.begin_anew(&mut self.arena);
        trial.clear_linear(&mut self.arena);
        trial.first(&self.arena).load(&mut self.arena, &mut self.state)?;
        self.begin(trial, Phase::Once)
    }

    /// Makes the state a guess that covers `old`, by how the state differs from
    /// it: whether anything does; none, if there is no guess.
    pub(super) fn join(&mut self, trial: Trial, old: Snapshot, mode: Mode) -> Step<Option<bool>> {
        self.charge(old.weight(&self.arena) as usize);
        self.charge_parts(old.weight(&self.arena));
        let (thresholds, count) = trial.thresholds(&self.arena);
        let known = thresholds.get(..count).unwrap_or_default();
        let mut join = Join::new(mode, known, self.last_id);
        let done = join.run(old, &self.state, &mut self.scratch, &mut self.arena)?;
        self.last_id = join.last_id;
        let changed = join.changed;
        for (index, known) in (0_u32..).zip(known) {
            let mut kept = join.keeps(index);
            for id in join.renamed(known.id) {
                let renamed = Threshold { id, ..*known };
                if kept {
                    trial.add_threshold(&mut self.arena, renamed, false);
                } else {
                    trial.set_threshold(&mut self.arena, index, renamed);
                    kept = true;
                }
            }
        }
        core::mem::swap(&mut self.state, &mut self.scratch);
        Ok(done.then_some(changed))
    }

    /// A phase begins, with the state as the guess at the head.
    pub(super) fn begin(&mut self, trial: Trial, phase: Phase) -> Step {
        self.name_numbers();
        self.hold_differences(trial, phase)?;
        self.hold_linear(trial);
        self.keep_thresholds(trial);
        let until = self.lasts_until(trial, phase);
        trial.set_phase(&mut self.arena, phase, until, self.last_id);
        trial.set_node(&mut self.arena, Node(NONE));
        self.walker = trial.start(&self.arena);
        self.walker.active = trial;
        let node = self.add_open_node()?;
        trial.set_node(&mut self.arena, node);
        self.rank_entries(trial, node.snapshot(&self.arena));
        self.settled = true;
        if phase != Phase::Full {
            return Ok(());
        }
        // By the way it was made, the guess covers the state that the loop is
        // entered in; as all rests on that, it is looked at again.
        let guess = node.snapshot(&self.arena);
        trial.first(&self.arena).load(&mut self.arena, &mut self.scratch)?;
        if !self.enter_linear(trial) {
            return self.fail(trial);
        }
        let (first, scratch) = (trial.first_id(&self.arena), &self.scratch);
        if covers(guess, scratch, &self.arena, Closeness::Whole { own: false }, first).is_none() {
            return self.fail(trial);
        }
        self.note_moved(trial, guess);
        Ok(())
    }

    /// Numbers that a loop may change get an identity, so that it shows whether
    /// it does.
    fn name_numbers(&mut self) {
        let nameless = |value: &Value| {
            let unnamed = value.id == 0 || value.range != 0;
            value.is_scalar() && unnamed && value.number.as_constant().is_none()
        };
        let mut last = self.last_id;
        let mut name = |value: &mut Value| {
            last = last.saturating_add(1);
            (value.id, value.off, value.range) = (last, 0, 0);
        };
        for value in self.state.regs_mut() {
            if nameless(value) {
                name(value);
            }
        }
        for index in 0..self.state.cells.len() {
            if let Some(mut cell) = self.state.cells.get(&self.arena, index)
                && cell.addr < REFS
                && nameless(&cell.value)
                && !cell.is_unknown()
            {
                name(&mut cell.value);
                self.state.cells.set(&mut self.arena, index, &cell);
            }
        }
        self.last_id = last;
    }

    /// Adds the state to what came round in this phase.
    fn collect(&mut self, trial: Trial) -> Step {
        let found = trial.found(&self.arena);
        if found != NONE {
            if self.join(trial, Snapshot(found), Mode::Union)?.is_none() {
                return Ok(());
            }
            self.drop_found(trial);
        }
        let size = Snapshot::measure(&self.state, &self.arena);
        self.charge_parts(size.weight());
        let at = self.alloc(size.words() as usize)?;
        Snapshot::write(&self.state, &mut self.arena, at, size);
        trial.set_found(&mut self.arena, at);
        Ok(())
    }

    pub(super) fn drop_found(&mut self, trial: Trial) {
        let found = trial.found(&self.arena);
        if found != NONE {
            let words = Snapshot(found).words(&self.arena) as usize;
            self.arena.free(found, words);
            trial.set_found(&mut self.arena, NONE);
        }
    }

    /// A state comes back to the head that the guess does not cover: makes a
    /// better one, if there were not too many.
    fn improve(&mut self, trial: Trial) -> Step {
        if trial.is_hinted(&self.arena) {
            return self.give_up_guess(trial);
        }
        trial.add_attempt(&mut self.arena);
        let guess = trial.node(&self.arena).snapshot(&self.arena);
        self.note_wider_numbers(trial, guess);
        let many = trial.attempts(&self.arena) > MAX_ATTEMPTS;
        if many || self.join(trial, guess, Mode::Next)?.is_none() {
            return self.fail(trial);
        }
        self.unwind(trial);
        self.begin(trial, Phase::Body)
    }

    /// Nothing comes of the guess. If it was one that held before, another one is made.
    pub(super) fn give_up_guess(&mut self, trial: Trial) -> Step {
        if trial.is_hinted(&self.arena) {
            self.unwind(trial);
            return self.begin_once(trial);
        }
        self.fail(trial)
    }

    /// Where the guess does not cover a number, it might help if that was carried, unless
    /// nothing else bounds the rounds.
    fn note_wider_numbers(&mut self, trial: Trial, guess: Snapshot) {
        let (mask, mut entries) = (guess.reg_mask(&self.arena), guess.read(&self.arena));
        let listed = |register: &Register| mask.wrapping_shr(register.number().into()) & 1 == 1;
        self.note_changes(trial, guess);
        let bound = self.most_ways_round(trial);
        for (entry, register) in (0_u32..).zip(Register::all().filter(listed)) {
            let (before, after) = (entries.value(&self.arena), self.state.reg(register));
            let bounds = |change| bound.is_some() && rounds_of(&before, change) == bound;
            if before.is_scalar()
                && after.is_scalar()
                && !before.number.covers(&after.number)
                && !trial.change(&self.arena, entry).is_some_and(bounds)
            {
                trial.note_that_numbers_help(&mut self.arena);
            }
        }
    }

    /// Every path from the head was walked. What the summary says, where that
    /// was the last phase; none, where the walk goes on with the next one.
    pub(super) fn head_done(&mut self, trial: Trial, node: Node) -> Step<Option<Tail>> {
        self.walker.parent = node.0;
        let phase = trial.phase(&self.arena);
        let found = trial.found(&self.arena);
        match phase {
            // It does not go round at all: no need of a summary.
            Phase::Once if found == NONE => self.give_up(trial)?,
            Phase::Once | Phase::Probe => {
                let changes = self.changes(trial, node.snapshot(&self.arena));
                self.unwind(trial);
                if phase == Phase::Probe {
                    // In an extreme state, inner loops went round too often.
                    self.forget_hints(trial.head_id(&self.arena));
                }
                let (mode, next) = match phase {
                    Phase::Once => (Mode::Extreme, Phase::Probe),
                    _ => (Mode::Settle, Phase::Body),
                };
                if found == NONE {
                    self.fail(trial)?;
                    return Ok(None);
                }
                Snapshot(found).load(&mut self.arena, &mut self.state)?;
                self.drop_found(trial);
                match self.join(trial, trial.first(&self.arena), mode)? {
                    Some(true) => {
                        if next == Phase::Body {
                            self.guess_stride(trial, &changes);
                            self.carry(trial, &changes);
                        }
                        self.begin(trial, next)?;
                    }
                    _ => self.fail(trial)?,
                }
            }
            Phase::Body | Phase::Full => {
                let Some(rounds) = self.most_ways_round(trial) else {
                    self.fail(trial)?;
                    return Ok(None);
                };
                if !self.carries(trial, rounds) {
                    self.carry_on(trial, rounds)?;
                    return Ok(None);
                }
                let guess = node.snapshot(&self.arena);
                if phase == Phase::Full {
                    if !self.keeps_moved(trial, guess) {
                        self.give_up_guess(trial)?;
                        return Ok(None);
                    }
                    self.mark_stride(trial);
                    self.mark_linear(trial);
                    return Ok(Some(self.close(trial, node, rounds)));
                }
                self.find_moved(trial, guess);
                guess.load(&mut self.arena, &mut self.state)?;
                if trial.is_loose(&self.arena) {
                    self.loosen(trial, node);
                }
                self.tighten(trial, guess, rounds);
                self.unwind(trial);
                self.begin(trial, Phase::Full)?;
            }
            Phase::Narrow => self.narrow(trial, node)?,
            Phase::Assume => return Ok(Some(self.close(trial, node, 0))),
            // It has no head.
            Phase::Merge => self.fail(trial)?,
        }
        Ok(None)
    }

    /// There are more rounds than the guess was made for: makes one for so many.
    fn carry_on(&mut self, trial: Trial, rounds: u64) -> Step {
        if trial.is_hinted(&self.arena) {
            return self.give_up_guess(trial);
        }
        let many = trial.attempts(&self.arena) > MAX_ATTEMPTS;
        if many || trial.phase(&self.arena) == Phase::Full {
            return self.fail(trial);
        }
        trial.add_attempt(&mut self.arena);
        let guess = trial.node(&self.arena).snapshot(&self.arena);
        let changes = self.changes(trial, guess);
        guess.load(&mut self.arena, &mut self.state)?;
        self.unwind(trial);
        self.carry_for(trial, &changes, (rounds, rounds));
        self.begin(trial, Phase::Body)
    }

    /// The summary holds, or is to be assumed to do so, and the loop goes round so many times at
    /// the most.
    fn close(&mut self, trial: Trial, node: Node, rounds: u64) -> Tail {
        let level = trial.level(&self.arena) as usize;
        let proven = trial.phase(&self.arena) == Phase::Full;
        let paths = node.tail(&self.arena);
        let paths = match self.granted_by(trial, node, rounds) {
            _ if !proven => paths.unrolled(level, rounds),
            Some((instance, most)) => paths.granted(level, instance, most),
            None => match self.in_all(trial, node, rounds) {
                Some(all) => paths.in_all(level, all),
                None => paths.unrolled(level, rounds),
            },
        };
        if proven {
            self.note_triangle(trial, node, rounds);
            if trial.guesses_differences(&self.arena) {
                trial.subject(&self.arena).note_differences(&mut self.arena, true);
            }
        }
        self.free_resting(trial);
        let carried = trial.carried(&self.arena).iter().any(|place| *place != 0)
            || trial.linear(&self.arena).next().is_some();
        let strides = trial.stride(&self.arena).is_some();
        // What is carried alone fits what the loop is entered with once more too seldom.
        if proven && (strides || !carried) && !trial.guesses_differences(&self.arena) {
            self.keep_hint(trial, node);
        }
        let outer = trial.outer(&self.arena);
        node.set_owner(&mut self.arena, outer);
        node.set_tail(&mut self.arena, &paths);
        let parent = Node(node.parent(&self.arena));
        let (own, up) = node.go_round(&self.arena, parent);
        self.trials = trial.below(&self.arena);
        self.drop_trial(trial);
        if carried || strides || !proven {
            self.withdraw(node);
        } else {
            self.done(node, &own);
        }
        up
    }

    /// The iterator that gives something in every round of the loop and has given something
    /// before it, where that bounds the rounds, and how much it has left to give. Or the allowance
    /// of `may_goto`, where nothing else bounds them.
    fn granted_by(&self, trial: Trial, node: Node, rounds: u64) -> Option<(u32, u32)> {
        if trial.uses_grants(&self.arena) && self.counted_ways_round(trial).is_none() {
            let had = trial.start(&self.arena).grants;
            return Some((0, MAY_GOTO_ROUNDS.saturating_sub(had)));
        }
        let guess = node.snapshot(&self.arena);
        let (regs, mut entries) = (guess.regs(&self.arena), guess.read(&self.arena));
        for _ in 0..regs {
            entries.value(&self.arena);
        }
        for entry in 0..guess.cells(&self.arena) {
            let value = entries.cell(&self.arena).value;
            let asked = trial.change(&self.arena, regs.saturating_add(entry));
            if value.kind == Kind::Iterator
                && value.range > 0
                && let Some(change @ Change::Sum(1, _)) = asked
                && rounds_of(&value, change) == Some(rounds)
            {
                return Some((value.id, u32::try_from(rounds).unwrap_or(u32::MAX)));
            }
        }
        None
    }

    /// Notes by how much each entry of the head's state changed on this way.
    fn note_changes(&mut self, trial: Trial, guess: Snapshot) {
        let own = trial.first_id(&self.arena);
        let mut entries = guess.read(&self.arena);
        let (mask, mut entry) = (guess.reg_mask(&self.arena), 0_u32);
        for register in Register::all() {
            if mask.wrapping_shr(register.number().into()) & 1 == 1 {
                let before = entries.value(&self.arena);
                let after = self.state.reg(register);
                self.note_entry(trial, entry, own, (&before, &after));
                entry = entry.saturating_add(1);
            }
        }
        for _ in 0..guess.cells(&self.arena) {
            let cell = entries.cell(&self.arena);
            let found = self.state.cells.at_addr(&self.arena, cell.addr);
            let after = found.filter(|(_, now)| now.len == cell.len);
            let after = after.map_or(Value::NOT_INIT, |(_, now)| now.value);
            self.note_entry(trial, entry, own, (&cell.value, &after));
            entry = entry.saturating_add(1);
        }
    }

    /// How a value came to be in a round, given that at the head.
    pub(super) fn change_in(
        &self,
        trial: Trial,
        before: &Value,
        after: &Value,
        own: u32,
    ) -> Change {
        if before.kind == Kind::Difference {
            return self.change_of_difference(trial, before);
        }
        let derived = trial.derived_change(&self.arena, (before, after));
        derived.unwrap_or_else(|| change(before, after, own))
    }

    fn note_entry(
        &mut self,
        trial: Trial,
        entry: u32,
        own: u32,
        (before, after): (&Value, &Value),
    ) {
        let change = self.change_in(trial, before, after, own);
        if trial.phase(&self.arena) == Phase::Narrow {
            self.note_other(trial, entry, change, (before, after));
            return;
        }
        trial.note_change(&mut self.arena, entry, change);
        let number = after.number;
        let ends = i32::try_from(number.smin()).ok().zip(i32::try_from(number.smax()).ok());
        if before.is_scalar() && trial.phase(&self.arena) == Phase::Body {
            trial.note_back(&mut self.arena, entry, ends);
        }
        if before.is_scalar() && !matches!(change, Change::Sum(..)) {
            trial.note_reset(&mut self.arena, entry, ends.filter(|_| after.is_scalar()));
        }
        if self.looks_for_decisions(trial) {
            return;
        }
        if before.is_scalar() && trial.carries_numbers(&self.arena) {
            // All ways are to be seen, and not one that stands for another.
            self.mark_precise(after.deps);
        }
        let proof = trial.phase(&self.arena) != Phase::Probe;
        if proof && rounds_of(before, change).is_some() {
            // That the loop ends may rest on it, and on what it was at the head.
            self.mark_precise(after.deps);
            if before.kind == Kind::Difference {
                self.mark_difference(trial, before);
            }
            let node = trial.node(&self.arena);
            self.mark_entry(node, entry);
        }
    }

    /// How often the loop can go round at the most, by what every way round does
    /// to some entry of the head's state, which stays within its bounds there;
    /// none, if nothing shows that it ends.
    fn most_ways_round(&self, trial: Trial) -> Option<u64> {
        self.counted_ways_round(trial).or_else(|| self.granted_ways_round(trial))
    }

    /// The same by what `may_goto` allows, where every way round uses some of that, and it was
    /// asked before or is so at the head: there all that it grants is counted. A loop that compares
    /// what it counts may end long before; it is walked for some rounds.
    pub(super) fn granted_ways_round(&self, trial: Trial) -> Option<u64> {
        let arena = &self.arena;
        let (grants, head) = (trial.start(arena).grants, trial.subject(arena).head(arena));
        let asked = grants > 0 || matches!(self.code.insn(head), Ok(Instruction::MayGoto { .. }));
        let many = grants >= MANY_GRANTS || trial.thresholds(arena).1 == 0;
        (trial.uses_grants(arena) && asked && many).then_some(MAY_GOTO_ROUNDS.into())
    }

    /// The same by an entry of the state alone.
    fn counted_ways_round(&self, trial: Trial) -> Option<u64> {
        let arena = &self.arena;
        let guess = trial.node(arena).snapshot(arena);
        let mut entries = guess.read(arena);
        let (regs, cells) = (guess.regs(arena), guess.cells(arena));
        let mut best = None;
        let carried = self.carried_entries(trial, guess);
        let related = self.linear_entries(trial, guess);
        let firm = carried.iter().chain(&related).all(Option::is_none);
        for entry in 0..regs.saturating_add(cells) {
            let value = if entry < regs { entries.value(arena) } else { entries.cell(arena).value };
            let rounds = match trial.change(arena, entry) {
                // No way leads back.
                None => Some(0),
                // What is bounded by the rounds does not bound them, and neither does what is
                // bounded by something else that may be.
                Some(_) if carried.contains(&Some(entry)) || related.contains(&Some(entry)) => None,
                // The same of how far such are apart.
                Some(_) if value.kind == Kind::Difference && !firm => None,
                Some(change) => rounds_of(&value, change),
            };
            best = match (best, rounds) {
                (Some(a), Some(b)) => Some(u64::min(a, b)),
                (a, b) => a.or(b),
            };
        }
        if regs.saturating_add(cells) == 0 { None } else { best }
    }
}

/// Whether `after`, which is `before + by` modulo 2^32, may be another number than `before + by`:
/// one that passed the end is less than what was added to it, or, downwards, as near to the other
/// end.
fn wraps(before: &Scalar, after: &Scalar, by: i32) -> bool {
    let low = 0..=u32::MAX.into();
    let is_low = |number: &Scalar| low.contains(&number.umin()) && low.contains(&number.umax());
    let passed = match u64::from(by.unsigned_abs()) {
        more if by >= 0 => after.umin() < more,
        less => after.umax() > u64::from(u32::MAX).wrapping_sub(less),
    };
    !is_low(before) || !is_low(after) || passed
}

/// How a value came to be, given that at the head.
fn change(before: &Value, after: &Value, own: u32) -> Change {
    if before.kind == Kind::Iterator {
        let same = (Value { range: before.range, deps: before.deps, ..*after }) == *before;
        let asked = after.range.checked_sub(before.range).filter(|_| same);
        return asked.map_or(Change::Other, |more| Change::Sum(more, more));
    }
    let named = before.is_scalar() || before.names_offset();
    if !named || before.kind != after.kind || before.id <= own || before.id != after.id {
        return Change::Other;
    }
    let (Some(least), true) =
        (after.off.checked_sub(before.off), before.range == 0 || !before.is_scalar())
    else {
        return Change::Other;
    };
    match after.range {
        _ if !after.is_scalar() => Change::Sum(least, least),
        HALVED if least == 0 => Change::Halved,
        DOUBLED if least == 0 => Change::Doubled,
        _ if after.same_bits() == 32 => {
            let known = least != 0 && !wraps(&before.number, &after.number, least);
            if known { Change::Sum(least, least) } else { Change::Other }
        }
        more if more >= 0 => match least.checked_add(more) {
            Some(most) => Change::Sum(least, most),
            None => Change::Other,
        },
        _ => Change::Other,
    }
}

/// How often a value within these bounds can change so.
pub(super) fn rounds_of(value: &Value, change: Change) -> Option<u64> {
    let full = value.number.full();
    if value.kind == Kind::Iterator {
        // Whenever it was asked it gave something.
        let Change::Sum(least @ 1.., _) = change else { return None };
        let left = value.gives().saturating_sub(value.range.unsigned_abs());
        return left.checked_div(least.unsigned_abs()).map(u64::from);
    }
    match change {
        Change::Sum(least, most) => {
            let step = if least > 0 { least } else { most.checked_neg().filter(|by| *by > 0)? };
            let signed = full.smax.checked_sub(full.smin).map(i64::cast_unsigned);
            let width = full.umax.wrapping_sub(full.umin).min(signed.unwrap_or(u64::MAX));
            // Both values are within the bounds, so their difference is the sum
            // itself, unless that could wrap.
            let largest = least.unsigned_abs().max(most.unsigned_abs());
            width.checked_add(largest.into())?;
            width.checked_div(step.unsigned_abs().into())
        }
        Change::Halved => Some(full.umax.checked_ilog2().map_or(0, u64::from).saturating_add(1)),
        Change::Doubled => Some(full.umax.checked_ilog2().map_or(0, u64::from)),
        Change::Other => None,
    }
}
