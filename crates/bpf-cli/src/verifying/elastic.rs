//! Storage that grows as it is needed.

use kernel_bpf::bytecode::BpfProgram;
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::{Observer, VerifiedProgram, Verifier, VerifyError};

use super::Target;

/// Bytes that the verifier's working memory may grow to.
const MEMORY: usize = 1 << 30;

/// Gives `body` a verifier. The profile counts no time.
pub fn with_verifier<R>(
    target: Target,
    body: &mut dyn FnMut(&Verifier<'_, ActiveProfile>) -> R,
) -> R {
    body(&Verifier::with_env(target.helpers()).memory_limit(MEMORY))
}

/// Verifies a program before the eyes of an observer.
pub fn verify_program(
    verifier: &Verifier<'_, ActiveProfile>,
    program: &BpfProgram<ActiveProfile>,
    observer: &mut dyn Observer,
) -> Result<VerifiedProgram<ActiveProfile>, VerifyError> {
    verifier.verify_program_with(program, observer)
}
