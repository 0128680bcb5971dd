//! How close to its proven time a program comes, found by running it.
//!
//! The verifier is asked for the costliest path, and the search goes along it as
//! it does to a mistake. Inputs that take long are changed further, and so are
//! those that go a way that no other went: at any branch that was met, what was
//! compared is made equal or unequal. No run takes more than was proven; that
//! none comes near it may mean that the path can not be taken, or that no input
//! for it was found.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use kernel_bpf::execution::{Observer, Step, Timing};
use kernel_bpf::verifier::{CostTable, Event};
use serde::Serialize;

use super::EVENTS;
use super::change::Changes;
use super::input::{Input, Random};
use super::subject::{InputShape, Subject};
use super::trace::{Mismatch, Trace};
use crate::object::{LoadedFile, Unit};

/// The run that took longest.
#[derive(Clone, Debug, Serialize)]
pub struct Longest {
    /// Units of the cost table that it took.
    pub units: u64,
    /// Executions until the search ended.
    pub runs: u64,
    /// What it was run over.
    #[serde(flatten)]
    pub over: InputShape,
}

impl Longest {
    /// In a few lines, beside what was proven.
    pub fn text(&self, proven: u64) -> String {
        let Self { units, runs, over } = self;
        let hundredths = proven.saturating_mul(100) / (*units).max(1);
        let (whole, rest) = (hundredths / 100, hundredths % 100);
        let took = format!(
            "  longest of {runs} runs: {units} units; WCET is {whole}.{rest:02} times that"
        );
        std::iter::once(took).chain(over.lines()).collect::<Vec<_>>().join("\n    ")
    }
}

/// Looks for an input on which `unit` takes as long as it can, at `path` if that
/// is known, until one takes all that was proven. None where it cannot be run.
pub fn search(
    file: &LoadedFile,
    unit: &Unit,
    path: &[Event],
    proven: Proven,
    patience: Duration,
) -> Option<Longest> {
    let subject = Subject::new(file, unit)?;
    let path: Vec<Event> = path.iter().take(EVENTS).copied().collect();
    let begun = Instant::now();
    let late = || begun.elapsed() >= patience;
    let mut random = Random::new();
    let (mut runs, mut best) = (0, None::<Candidate>);
    while best.as_ref().is_none_or(|best| best.units < proven.time) && !late() {
        let mut search = Search::new(subject, &path, proven);
        search.go(&mut random, &late);
        runs += search.runs;
        let longest = search.pool.into_iter().chain(best).max_by_key(|known| known.units);
        best = Some(longest?);
    }
    let Candidate { input, units, .. } = best?;
    // What a run asks for is noted as it runs.
    subject.execute(&input, proven.insns, |maps| Trace::new(subject.program, &[], maps, NONE));
    Some(Longest { units, runs, over: subject.shape(&input) })
}

/// What no run goes beyond.
#[derive(Clone, Copy, Debug)]
pub struct Proven {
    /// Units of the cost table.
    pub time: u64,
    /// Executed instructions.
    pub insns: u64,
}

/// No slot is at fault.
const NONE: usize = usize::MAX;
/// Runs without anything new after which a search begins anew, from other inputs.
const STALE: u64 = 10_000;

/// A search from its beginning until nothing new turns up.
struct Search<'s> {
    subject: Subject<'s>,
    path: &'s [Event],
    proven: Proven,
    /// Ways that some run went: a branch, and whether it was taken.
    ways: BTreeSet<(usize, bool)>,
    pool: Vec<Candidate>,
    runs: u64,
    /// Runs when the pool grew last.
    grown: u64,
}

struct Candidate {
    input: Input,
    trace: Trace,
    branches: Vec<Mismatch>,
    units: u64,
    tries: u32,
}

impl<'s> Search<'s> {
    const fn new(subject: Subject<'s>, path: &'s [Event], proven: Proven) -> Self {
        Self { subject, path, proven, ways: BTreeSet::new(), pool: Vec::new(), runs: 0, grown: 0 }
    }

    fn go(&mut self, random: &mut Random, late: &dyn Fn() -> bool) {
        for input in Input::first(self.subject.program, random) {
            self.attempt(input.of_zeros(), 0);
            self.attempt(input, 0);
        }
        while !self.pool.is_empty() && self.runs - self.grown < STALE {
            let at = self.choose(random);
            self.pool[at].tries += 1;
            let Candidate { input, trace, branches, tries, .. } = &self.pool[at];
            let tries = *tries;
            let mut changes = Changes::of(input, trace, random);
            for _ in 0..4 {
                if let Some(branch) = branches.get(random.below(branches.len())) {
                    // What is changed already is changed once more.
                    let at = random.below(changes.0.len() * 2);
                    let from = changes.0.get(at).unwrap_or(input).clone();
                    changes.turn(&from, branch);
                }
            }
            for input in changes.0 {
                if self.attempt(input, tries) >= self.proven.time || late() {
                    return;
                }
            }
        }
    }

    /// Which input to change: the longest, the one that went farthest along the
    /// path, the one that was changed least often, or any.
    fn choose(&self, random: &mut Random) -> usize {
        let all = self.pool.iter().enumerate();
        let fresh = |known: &Candidate| std::cmp::Reverse(known.tries);
        let best = match random.below(4) {
            0 => all.max_by_key(|(_, known)| (known.units, fresh(known))),
            1 => all.max_by_key(|(_, known)| (known.trace.progress(), fresh(known))),
            2 => all.max_by_key(|(_, known)| fresh(known)),
            _ => None,
        };
        best.map_or_else(|| random.below(self.pool.len()), |(at, _)| at)
    }

    /// Runs an input; keeps it where it is worth it. Gives the units that it took.
    fn attempt(&mut self, input: Input, tries: u32) -> u64 {
        self.runs += 1;
        let Some((timed, Ok(_))) = self.subject.execute(&input, self.proven.insns, |maps| {
            Timed::new(Trace::new(self.subject.program, self.path, maps, NONE))
        }) else {
            return 0;
        };
        let Timed { trace, timing, branches } = timed;
        let units = timing.units();
        let before = self.ways.len();
        self.ways.extend(branches.keys().copied());
        let longest = self.pool.iter().map(|known| known.units).max().unwrap_or(0);
        let farthest = self.pool.iter().map(|known| known.trace.progress()).max();
        let grows =
            self.ways.len() > before || units > longest || Some(trace.progress()) > farthest;
        let branches = branches.into_values().collect();
        let candidate = Candidate { input, trace, branches, units, tries };
        if grows {
            self.pool.push(candidate);
            self.grown = self.runs;
        } else if units == longest
            && let Some(known) = self.pool.iter_mut().find(|known| known.units == units)
        {
            // A neighbour that is as good may lead on.
            *known = Candidate { tries: known.tries, ..candidate };
        }
        units
    }
}

/// A run, its time, and where it branched.
struct Timed {
    trace: Trace,
    timing: Timing<'static>,
    /// What was compared last at a branch that was taken, or not.
    branches: BTreeMap<(usize, bool), Mismatch>,
}

impl Timed {
    fn new(trace: Trace) -> Self {
        Self { trace, timing: Timing::new(CostTable::DEFAULT), branches: BTreeMap::new() }
    }
}

impl Observer for Timed {
    fn step(&mut self, step: &Step<'_, '_>) {
        if step.tail_called.is_some() {
            return;
        }
        if let Some((from, operands)) = self.trace.branch() {
            let taken = step.pc != from + 1;
            self.branches.insert((from, taken), operands);
        }
        if let Some(insn) = self.trace.instruction(step.pc) {
            self.timing.step(&insn, step);
        }
        self.trace.step(step);
    }
}
