//! The verifier with the storage of a host.

use std::time::Duration;

use kernel_bpf::bytecode::BpfProgram;
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::{
    Effort, Event, HelperTable, Observer, Path, StateView, VerifiedInfo, VerifiedProgram, Verifier,
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
        let verified = storage::verify_program(verifier, program);
        verified.map_err(|error| Box::new(explain(verifier, program, error)))
    })
}

/// Whether the program is refused for the engines here, too, and for the same
/// reason.
pub fn refuses(program: &BpfProgram<ActiveProfile>, error: &VerifyError) -> bool {
    storage::with_verifier(Target::ENGINES, &mut |verifier| {
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
/// verifier alone.
pub fn measure(
    program: &BpfProgram<ActiveProfile>,
    target: Target,
) -> (Result<VerifiedInfo, VerifyError>, EffortShape) {
    storage::with_verifier(target, &mut |verifier| {
        let mut counter = Counter::default();
        let outcome = verifier.verify_with(program, &mut counter);
        let begun = Clock::start();
        let mut best = Duration::MAX;
        for _ in 0..RUNS {
            let run = Clock::start();
            // The outcome is known.
            let _ = verifier.verify(program);
            best = best.min(run.elapsed());
            if begun.elapsed() > PATIENCE {
                break;
            }
        }
        (outcome, EffortShape { time_us: micros(best), ..counter.0 })
    })
}

/// Microseconds, to the tenth.
pub fn micros(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e7).round() / 10.0
}

/// Keeps what a verification took.
#[derive(Default)]
struct Counter(EffortShape);

impl Observer for Counter {
    fn ended(&mut self, effort: Effort<'_>) {
        self.0 = EffortShape {
            processed: effort.processed(),
            total_states: effort.total_states(),
            peak_states: effort.peak_states(),
            max_states_per_insn: effort.max_states_per_insn(),
            workspace_bytes: effort.workspace_bytes(),
            time_us: 0.0,
        };
    }
}

/// Verifies a rejected program once more and looks on.
fn explain(
    verifier: &Verifier<'_, ActiveProfile>,
    program: &BpfProgram<ActiveProfile>,
    error: VerifyError,
) -> Failure {
    let mut witness =
        Witness(Failure { error, path: Vec::new(), omitted: 0, state: String::new() });
    // The outcome is known; it is the way there that is wanted.
    let _ = verifier.verify_with(program, &mut witness);
    witness.0
}

/// Keeps what is seen at a rejection.
struct Witness(Failure);

impl Observer for Witness {
    fn rejected(&mut self, _: &VerifyError, path: Path<'_>, state: &StateView<'_>) {
        let failure = &mut self.0;
        failure.state = state.to_string();
        for event in path {
            if failure.path.len() < KEPT_EVENTS {
                failure.path.push(event);
            } else {
                failure.omitted += 1;
            }
        }
    }
}
