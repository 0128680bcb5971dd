//! The verifier with the storage of a host.

use kernel_bpf::bytecode::BpfProgram;
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::{
    Event, Observer, Path, StateView, VerifiedProgram, Verifier, VerifyError,
};

// Storage that grows, or as much as a host can well set aside.
#[cfg_attr(feature = "cloud-profile", path = "verifying/elastic.rs")]
#[cfg_attr(feature = "embedded-profile", path = "verifying/fixed.rs")]
mod storage;

/// Events that are kept of the way to an error; the last ones count.
const KEPT_EVENTS: usize = 16;

/// What the verifier found, and how it got there.
#[derive(Debug)]
pub struct Failure {
    /// What is wrong, and where.
    pub error: VerifyError,
    /// The last branches, calls and returns that lead there, in order, and how
    /// many times in a row.
    pub path: Vec<(Event, usize)>,
    /// How many there were before them.
    pub omitted: usize,
    /// What is known of registers and stack there; empty where no path leads
    /// there.
    pub state: String,
}

/// Verifies a program; within `wcet` units of time, where it is given and the
/// profile counts time.
pub fn verify(
    program: &BpfProgram<ActiveProfile>,
    wcet: Option<u64>,
) -> Result<VerifiedProgram<ActiveProfile>, Box<Failure>> {
    storage::with_verifier(wcet, &mut |verifier| {
        let verified = storage::verify_program(verifier, program);
        verified.map_err(|error| Box::new(explain(verifier, program, error)))
    })
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
        // A path through a loop may be long: no more is kept than is shown.
        for event in path {
            match failure.path.last_mut() {
                Some((last, times)) if *last == event => *times += 1,
                _ => failure.path.push((event, 1)),
            }
            if failure.path.len() > KEPT_EVENTS {
                failure.omitted += failure.path.remove(0).1;
            }
        }
    }
}
