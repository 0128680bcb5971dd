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
    let first = verify(&program, WORDS, STEPS);
    assert_eq!(verify(&program, WORDS, STEPS), first, "{}", program.listing());
    match first {
        Ok(processed) => assert!(processed <= STEPS, "{processed}\n{}", program.listing()),
        Err(error) => {
            assert!(error.pc() < program.len(), "{error}\n{}", program.listing());
            assert!(!error.to_string().is_empty());
        }
    }
    let words = data.len() * 37 % 4096;
    let small = verify(&program, words, STEPS);
    check_small(&program, words, first, small);
}

/// Less memory may be too little. It may also leave no room for what saves steps:
/// states to compare with, guesses about loops. So another number of them is
/// walked, perhaps too many; and yet an accepted program is accepted, and a
/// refused one refused at the same instruction for the same reason.
fn check_small(program: &BpfProgram<ActiveProfile>, words: usize, first: Answer, small: Answer) {
    if is_limit(first) || same(first, small) {
        return;
    }
    let Err(error) = small else { panic!("{first:?}, {small:?}\n{}", program.listing()) };
    let more = match error.kind() {
        VerifyErrorKind::WorkspaceExhausted { .. } => return,
        // Of more steps, no other answer comes.
        VerifyErrorKind::TooComplex { .. } => verify(program, words, 10 * STEPS),
        _ => small,
    };
    assert!(
        is_limit(more) || same(first, more),
        "{words} words: {first:?}, {more:?}\n{}",
        program.listing()
    );
}

/// Whether nothing is said about the program but that it is too large.
fn is_limit(answer: Answer) -> bool {
    let Err(error) = answer else { return false };
    matches!(
        error.kind(),
        VerifyErrorKind::WorkspaceExhausted { .. } | VerifyErrorKind::TooComplex { .. }
    )
}

/// Whether two answers are the same, whatever they took. That a program goes in a circle is
/// noticed at one place of it or at another, by which of its states there was room for.
fn same(first: Answer, second: Answer) -> bool {
    let circles = |answer: Answer| {
        answer.is_err_and(|error| matches!(error.kind(), VerifyErrorKind::InfiniteLoop { .. }))
    };
    circles(first) && circles(second) || first.map(|_| ()) == second.map(|_| ())
}

/// The number of instructions walked, or why the program was refused.
type Answer = Result<u64, VerifyError>;

/// Verifies with so much working memory, in so many steps.
fn verify(program: &BpfProgram<ActiveProfile>, words: usize, steps: u64) -> Answer {
    let mut workspace = vec![0_u64; words];
    let verifier = Verifier::<ActiveProfile>::with_workspace(&mut workspace).step_limit(steps);
    verifier.verify_program(program).map(|verified| verified.info().processed)
}
