//! A concrete input on which a refused program goes wrong, found by running it.
//!
//! The verifier knows the branches that lead to the instruction at fault. The
//! search runs the program on the checked interpreter, sees at which of these
//! branches an input goes another way, and changes what was compared there:
//! bytes of the input that hold one operand are set to the other, the packet is
//! made longer or shorter by the distance between two addresses, entries are
//! put into maps that were looked up in vain, fields of the context are set.
//! What is found was run and failed; that nothing is found says nothing.

mod change;
mod descent;
mod fields;
mod input;
#[cfg(feature = "embedded-profile")]
pub mod longest;
mod origins;
mod subject;
mod trace;

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use kernel_bpf::execution::{BpfError, Fault};
use kernel_bpf::verifier::{ErrorClass, Event, VerifyError, VerifyErrorKind};
use serde::Serialize;

use self::change::Changes;
use self::descent::{Reached, Way, descend};
use self::input::{Input, Random};
use self::origins::Outside;
pub use self::subject::InputShape;
use self::subject::Subject;
use self::trace::Trace;
use crate::object::{LoadedFile, Unit};

/// An input on which the program goes wrong.
#[derive(Clone, Debug, Serialize)]
pub struct Counterexample {
    /// What happens.
    pub fault: String,
    /// The slot at which it happens.
    pub pc: usize,
    /// Instructions executed before.
    pub executed: u64,
    /// What it was run over.
    #[serde(flatten)]
    pub over: InputShape,
}

impl Counterexample {
    /// In a few lines.
    pub fn text(&self) -> String {
        let Self { fault, pc, executed, over } = self;
        let shown = format!("insn {pc}: {fault} ({executed} insns executed)");
        std::iter::once(shown).chain(over.lines()).collect::<Vec<_>>().join("\n        ")
    }
}

/// What a search came to.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    pub found: Option<Counterexample>,
    /// Executions that it took.
    pub runs: u64,
}

/// Instructions of one execution, and of one that is to run for ever.
const BUDGET: u64 = 100_000;
const ENDLESS: u64 = 1_000_000;
/// Instructions that are spent on a simpler input, about.
const SIMPLIFYING: u64 = 4_000_000;
/// Events of the path that are followed.
const EVENTS: usize = 4096;
/// Inputs that are kept to be changed further.
const POOL: usize = 48;

/// Looks for an input on which `unit`, refused for `error` at the end of `path`,
/// goes wrong. None where executions do not show errors of this kind.
pub fn search(
    file: &LoadedFile,
    unit: &Unit,
    error: &VerifyError,
    path: &[Event],
    patience: Duration,
) -> Option<Outcome> {
    let subject = Subject::new(file, unit)?;
    let wanted = Wanted::of(error)?;
    if patience.is_zero() {
        return None;
    }
    let path: Vec<Event> = path.iter().take(EVENTS).copied().collect();
    let mut search = Search { subject, wanted, path, runs: 0 };
    let found = search.go(Instant::now(), patience);
    Some(Outcome { found, runs: search.runs })
}

/// What an execution must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    pc: usize,
    kind: WantedKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WantedKind {
    /// A fault, there or behind.
    Fault,
    /// No end.
    Endless,
    /// Records that are still reserved there.
    Held,
}

impl Wanted {
    fn of(error: &VerifyError) -> Option<Self> {
        let kind = match error.kind().class() {
            ErrorClass::MemorySafety | ErrorClass::Pointer | ErrorClass::HelperCall => {
                WantedKind::Fault
            }
            ErrorClass::Termination => WantedKind::Endless,
            ErrorClass::Resource => WantedKind::Held,
            _ => return None,
        };
        // Leaks of addresses and the like are no faults.
        if matches!(error.kind(), VerifyErrorKind::PointerLeak { .. }) {
            return None;
        }
        Some(Self { pc: error.pc(), kind })
    }
}

struct Search<'f> {
    subject: Subject<'f>,
    wanted: Wanted,
    path: Vec<Event>,
    runs: u64,
}

/// An input that was run, and how far it went.
struct Candidate {
    input: Input,
    trace: Trace,
    /// How often it was changed, and what it was made from.
    tries: u32,
}

impl Candidate {
    /// What went farther is worth more, and what was not changed often, and what is
    /// short.
    fn worth(&self) -> (usize, bool, Reverse<(u32, usize)>) {
        let (matched, reached) = self.trace.progress();
        (matched, reached, Reverse((self.tries, self.input.data.len())))
    }
}

/// Which input to change: mostly the one that is worth most, sometimes any.
fn choose(pool: &[Candidate], random: &mut Random) -> usize {
    if random.below(4) == 0 {
        return random.below(pool.len());
    }
    let best = pool.iter().enumerate().max_by_key(|(_, known)| known.worth());
    best.map_or(0, |(at, _)| at)
}

impl Search<'_> {
    fn go(&mut self, begun: Instant, patience: Duration) -> Option<Counterexample> {
        let mut random = Random::new();
        let mut pool: Vec<Candidate> = Vec::new();
        for input in Input::first(self.subject.program, &mut random) {
            // What holds nothing but zeros shows nothing of where numbers go.
            let mut aside = Vec::new();
            let found = self.attempt(input.of_zeros(), 0, &mut aside);
            if let Some(found) = found.or_else(|| self.attempt(input, 0, &mut pool)) {
                return Some(self.simplest(found, begun, patience));
            }
        }
        while begun.elapsed() < patience && !pool.is_empty() {
            let at = choose(&pool, &mut random);
            pool[at].tries += 1;
            let tries = pool[at].tries;
            let way = match tries {
                2 => Some(Way::Up),
                3 => Some(Way::Down),
                _ => None,
            };
            if let Some(way) = way {
                let patient = || begun.elapsed() < patience;
                match descend(self, (&pool[at].input, &pool[at].trace), way, patient) {
                    Reached::Wrong(input, shown) => {
                        return Some(self.simplest((input, shown), begun, patience));
                    }
                    Reached::Farther(input, trace) => {
                        pool.push(Candidate { input, trace: *trace, tries: 0 });
                    }
                    Reached::Same => {}
                }
                continue;
            }
            let changes = Changes::of(&pool[at].input, &pool[at].trace, &mut random);
            for input in changes.0 {
                if let Some(found) = self.attempt(input, tries, &mut pool) {
                    return Some(self.simplest(found, begun, patience));
                }
                if begun.elapsed() >= patience {
                    break;
                }
            }
        }
        None
    }

    /// Runs an input; keeps it where it went far. Gives it back where it shows
    /// what is wanted.
    fn attempt(
        &mut self,
        input: Input,
        tries: u32,
        pool: &mut Vec<Candidate>,
    ) -> Option<(Input, Shown)> {
        if pool.iter().any(|known| known.input == input) {
            return None;
        }
        let (trace, shown) = self.run(&input)?;
        if let Some(shown) = shown {
            return Some((input, shown));
        }
        pool.push(Candidate { input, trace, tries });
        if pool.len() > POOL {
            let worst = pool.iter().enumerate().min_by_key(|(_, known)| known.worth());
            if let Some((at, _)) = worst {
                pool.swap_remove(at);
            }
        }
        None
    }

    /// Runs an input in an environment of its own.
    fn run(&mut self, input: &Input) -> Option<(Trace, Option<Shown>)> {
        self.runs += 1;
        let budget = if self.wanted.kind == WantedKind::Endless { ENDLESS } else { BUDGET };
        let (trace, result) = self.subject.execute(input, budget, |maps| {
            Trace::new(self.subject.program, &self.path, maps, self.wanted.pc)
        })?;
        let shown = match (self.wanted.kind, result) {
            (WantedKind::Held, _) => trace.held.then(|| Shown {
                pc: self.wanted.pc,
                fault: "the reservation is still held".to_owned(),
                executed: trace.executed,
            }),
            (WantedKind::Endless, Err(BpfError::Fault { pc, fault: Fault::Budget })) => {
                Some(Shown {
                    pc: usize::try_from(pc).ok()?,
                    fault: format!("still running after {ENDLESS} instructions"),
                    executed: trace.executed,
                })
            }
            (WantedKind::Fault, Err(BpfError::Fault { pc, fault })) => {
                let bad = matches!(fault, Fault::Memory { .. } | Fault::HelperArgument { .. });
                (bad && trace.reached).then(|| Shown {
                    pc: usize::try_from(pc).unwrap_or(usize::MAX),
                    fault: fault_text(fault),
                    executed: trace.executed,
                })
            }
            _ => None,
        };
        let shown = shown.or_else(|| {
            let outside = trace.outside.filter(|_| self.wanted.kind == WantedKind::Fault);
            let Outside { offset, size, limit } = outside?;
            let fault = format!("{size} bytes at offset {offset} of a map's value of {limit}");
            Some(Shown { pc: self.wanted.pc, fault, executed: trace.executed })
        });
        Some((trace, shown))
    }

    /// The same failure from as little input as a few more runs find.
    fn simplest(
        &mut self,
        found: (Input, Shown),
        begun: Instant,
        patience: Duration,
    ) -> Counterexample {
        let (mut input, mut shown) = found;
        let late = || begun.elapsed() >= patience + patience / 2;
        let mut effort = 0_u64;
        for simpler in 0.. {
            let Some(next) = input.simpler(simpler) else { break };
            effort = effort.saturating_add(shown.executed);
            if late() || effort > SIMPLIFYING {
                break;
            }
            if next == input {
                continue;
            }
            if let Some((_, Some(same))) = self.run(&next)
                && same.pc == shown.pc
            {
                (input, shown) = (next, same);
            }
        }
        self.describe(&input, shown)
    }

    fn describe(&self, input: &Input, shown: Shown) -> Counterexample {
        let Shown { fault, pc, executed } = shown;
        Counterexample { fault, pc, executed, over: self.subject.shape(input) }
    }
}

/// What happened, without addresses, which differ from run to run.
fn fault_text(fault: Fault) -> String {
    /// Bytes at the start of memory that nothing is ever put in.
    const LOW: u64 = 1 << 16;
    match fault {
        Fault::Memory { addr, size } if addr >= LOW => {
            format!("invalid access to memory: {size} bytes, not all of them the program's")
        }
        fault => fault.to_string(),
    }
}

/// What an execution showed.
struct Shown {
    pc: usize,
    fault: String,
    executed: u64,
}
