//! The verifier with the storage of a host.

use std::time::Duration;

use kernel_bpf::bytecode::BpfProgram;
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::{
    Effort, Event, HelperTable, Observer, Path, StateView, VerifiedInfo, VerifiedProgram,
    VerifyError,
};
use serde::Serialize;

use crate::clock::Clock;

// Storage that grows, or as much as a host can well set aside.
#[cfg_attr(feature = "cloud-profile", path = "verifying/elastic.rs")]
#[cfg_attr(feature = "embedded-profile", path = "verifying/fixed.rs")]
mod storage;

/// Events that are kept of the way to an error.
const KEPT_EVENTS: usize = 1 << 16;

/// What the verifier found, and how it got there.
#[derive(Debug)]
pub struct Failure {
    /// What is wrong, and where.
    pub error: VerifyError,
    /// The branches, calls and returns that lead there, in order.
    pub path: Vec<Event>,
    /// How many there were beyond those that are kept.
    pub omitted: usize,
    /// What is known of registers and stack there; empty where no path leads
    /// there.
    pub state: String,
}

/// What a program is verified for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Target {
    /// Whether for the engines here, and not for a kernel that has what Linux
    /// declares.
    pub engines: bool,
    /// Units of time at the most.
    #[cfg(feature = "embedded-profile")]
    pub wcet: Option<u64>,
}

impl Target {
    /// The engines here, without a limit on time.
    pub const ENGINES: Self = Self {
        engines: true,
        #[cfg(feature = "embedded-profile")]
        wcet: None,
    };

    fn helpers(self) -> HelperTable<'static> {
        if self.engines { HelperTable::standard() } else { HelperTable::linux() }
    }
}

/// Verifies a program.
pub fn verify(
    program: &BpfProgram<ActiveProfile>,
    target: Target,
) -> Result<VerifiedProgram<ActiveProfile>, Box<Failure>> {
    storage::with_verifier(target, &mut |verifier| {
        let mut witness = Witness::default();
        let verified = storage::verify_program(verifier, program, &mut witness);
        verified.map_err(|error| Box::new(witness.failure(error)))
    })
}

/// The branches of the path that takes `wcet` units, which is the proven worst-case
/// execution time; none where there is no such path alone, as where the rounds of a
/// loop are multiplied.
#[cfg(feature = "embedded-profile")]
pub fn costliest_path(
    program: &BpfProgram<ActiveProfile>,
    target: Target,
    wcet: u64,
) -> Vec<Event> {
    let target = Target { wcet: Some(wcet.saturating_sub(1)), ..target };
    verify(program, target).map_or_else(|failure| failure.path, |_| Vec::new())
}

/// Whether the program, which is refused for a target, is refused for the
/// engines here, too, and for the same reason.
pub fn refuses(program: &BpfProgram<ActiveProfile>, error: &VerifyError, target: Target) -> bool {
    target.engines
        || storage::with_verifier(Target::ENGINES, &mut |verifier| {
            verifier.verify(program).is_err_and(|found| found == *error)
        })
}

/// What a verification took, whichever way it ended.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct EffortShape {
    pub processed: u64,
    pub total_states: u32,
    pub peak_states: u32,
    pub max_states_per_insn: u32,
    pub workspace_bytes: usize,
    pub time_us: f64,
}

/// Verifies a program before the eyes of an observer.
pub fn observe(program: &BpfProgram<ActiveProfile>, target: Target, observer: &mut dyn Observer) {
    storage::with_verifier(target, &mut |verifier| {
        // The observer is told how it ends.
        let _ = verifier.verify_with(program, observer);
    });
}

/// How often a verification is repeated for the best time, and how long at the
/// most.
const RUNS: u32 = 5;
const PATIENCE: Duration = Duration::from_millis(50);

/// What a verification gives, and what it takes: the best time of a few, of the
/// verifier alone, without what reading the clock takes.
pub fn measure(
    program: &BpfProgram<ActiveProfile>,
    target: Target,
) -> (Result<VerifiedInfo, Box<Failure>>, EffortShape) {
    storage::with_verifier(target, &mut |verifier| {
        let mut witness = Witness::default();
        let begun = Clock::start();
        let outcome = verifier.verify_with(program, &mut witness);
        let mut best = begun.elapsed();
        for _ in 0..RUNS {
            if begun.elapsed() > PATIENCE {
                break;
            }
            let run = Clock::start();
            // The outcome is known.
            let _ = verifier.verify(program);
            best = best.min(run.elapsed());
        }
        let best = best.saturating_sub(Clock::least());
        let effort = EffortShape { time_us: micros(best), ..witness.effort };
        (outcome.map_err(|error| Box::new(witness.failure(error))), effort)
    })
}

/// Microseconds, to the tenth.
pub fn micros(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e7).round() / 10.0
}

/// Keeps what a verification took, and what is seen at a rejection.
#[derive(Default)]
struct Witness {
    effort: EffortShape,
    path: Vec<Event>,
    omitted: usize,
    state: String,
}

impl Witness {
    fn failure(self, error: VerifyError) -> Failure {
        Failure { error, path: self.path, omitted: self.omitted, state: self.state }
    }
}

impl Observer for Witness {
    fn rejected(&mut self, _: &VerifyError, path: Path<'_>, state: &StateView<'_>) {
        self.state = state.to_string();
        for event in path {
            if self.path.len() < KEPT_EVENTS {
                self.path.push(event);
            } else {
                self.omitted += 1;
            }
        }
    }

    fn ended(&mut self, effort: Effort<'_>) {
        self.effort = EffortShape {
            processed: effort.processed(),
            total_states: effort.total_states(),
            peak_states: effort.peak_states(),
            max_states_per_insn: effort.max_states_per_insn(),
            workspace_bytes: effort.workspace_bytes(),
            time_us: 0.0,
        };
    }
}
