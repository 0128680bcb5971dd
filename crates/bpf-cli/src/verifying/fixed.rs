//! Storage that is handed in: more of it than the profile sets aside by itself,
//! so that what a program may do is bounded by the profile's limits alone.

use kernel_bpf::bytecode::BpfProgram;
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::{InsnFact, Observer, VerifiedProgram, Verifier, VerifyError};

use super::Target;

/// Words of the verifier's working memory: 256 MiB, of which the host gives what
/// is touched.
const WORKSPACE_WORDS: usize = 32 << 20;

/// Gives `body` a verifier with a budget of worst-case execution time.
pub fn with_verifier<R>(
    target: Target,
    body: &mut dyn FnMut(&Verifier<'_, ActiveProfile>) -> R,
) -> R {
    let mut workspace = vec![0; WORKSPACE_WORDS];
    let verifier = Verifier::with_workspace(&mut workspace).helpers(target.helpers());
    body(&match target.wcet {
        Some(budget) => verifier.wcet_budget(budget),
        None => verifier,
    })
}

/// Verifies a program before the eyes of an observer. The facts stay as long as the process, which verifies
/// each program once.
pub fn verify_program(
    verifier: &Verifier<'_, ActiveProfile>,
    program: &BpfProgram<ActiveProfile>,
    observer: &mut dyn Observer,
) -> Result<VerifiedProgram<ActiveProfile>, VerifyError> {
    let facts = vec![InsnFact::default(); program.len()];
    verifier.verify_program_into_with(program, Vec::leak(facts), observer)
}
