//! The verifier answers: to any program, in bounded time and memory, twice the
//! same, with an error that points into the program.

use kernel_bpf::bytecode::BpfProgram;
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::{Verifier, VerifyError, VerifyErrorKind};

use crate::program;

/// Instructions that the verifier may walk.
const STEPS: u64 = 20_000;

/// Working memory, in words.
const WORDS: usize = 1 << 16;

/// Verifies a program with much working memory and with little.
///
/// # Panics
/// When the verifier gives different answers, breaks a bound, or points an
/// error at what is no slot of the program.
pub fn check(data: &[u8]) {
    let Some(program) = program::build(&program::case(data)) else { return };
    let first = verify(&program, WORDS);
    assert_eq!(verify(&program, WORDS), first, "{}", program.listing());
    match first {
        Ok(processed) => assert!(processed <= STEPS, "{processed}\n{}", program.listing()),
        Err(error) => {
            assert!(error.pc() < program.len(), "{error}\n{}", program.listing());
            assert!(!error.to_string().is_empty());
        }
    }
    // Less memory may be too little, or leave no room for what saves steps; it
    // must not change the answer else.
    let words = data.len() * 37 % 4096;
    match verify(&program, words) {
        Err(error)
            if matches!(
                error.kind(),
                VerifyErrorKind::WorkspaceExhausted { .. } | VerifyErrorKind::TooComplex { .. }
            ) => {}
        answer => assert_eq!(answer.is_ok(), first.is_ok(), "{words} words\n{}", program.listing()),
    }
}

/// The number of instructions walked.
fn verify(program: &BpfProgram<ActiveProfile>, words: usize) -> Result<u64, VerifyError> {
    let mut workspace = vec![0_u64; words];
    let verifier = Verifier::<ActiveProfile>::with_workspace(&mut workspace).step_limit(STEPS);
    verifier.verify_program(program).map(|verified| verified.info().processed)
}
