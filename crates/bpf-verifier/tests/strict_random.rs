//! Programs made at random, full of what states are compared for, beside a walk of every path.
//!
//! `KBPF_STRICT_TRIES` sets another number of programs, `KBPF_STRICT_FIRST` the first one.

mod common;
#[path = "strict/maker.rs"]
mod maker;

use bpf_bytecode::BpfProgType;
use bpf_bytecode::text::assemble;
use bpf_profile::ActiveProfile;
use bpf_profile::config::PROGRAM_CAPACITY;
use bpf_verifier::{ErrorClass, HelperTable, Verifier, VerifyError};
use common::{Program, built, number};
use maker::Maker;

const PROGRAMS: u64 = 400;
/// Instructions to walk at the most.
const STEPS: u64 = 10_000;
/// The same where every path is walked.
const ALL_STEPS: u64 = 20_000;

/// Whether it says nothing of the program but that more of it is to be walked, or that it goes
/// on and on.
fn is_limit(error: &VerifyError) -> bool {
    matches!(error.kind().class(), ErrorClass::Limit | ErrorClass::Termination)
}

/// What a walk of every path says, if it comes to an end, and what a shorter one does.
fn verdicts(program: &Program) -> Option<[Result<(), VerifyError>; 2]> {
    let verifier = || Verifier::<ActiveProfile>::with_env(HelperTable::linux());
    let short = verifier().step_limit(STEPS).verify(program);
    if short.as_ref().is_err_and(is_limit) {
        return None;
    }
    let all = verifier().step_limit(ALL_STEPS).walk_every_path().verify(program);
    let ended = !all.as_ref().is_err_and(is_limit);
    ended.then_some([short, all])
}

#[test]
fn nothing_is_accepted_that_some_path_refuses() {
    let first = number("KBPF_STRICT_FIRST", 0);
    let tries = number("KBPF_STRICT_TRIES", PROGRAMS);
    let (mut accepted, mut refused, mut wrong) = (0, 0, Vec::new());
    for seed in first..first + tries {
        let text = Maker::program(seed);
        let insns = assemble::<ActiveProfile>(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        if insns.len() > PROGRAM_CAPACITY {
            continue;
        }
        let program = built(BpfProgType::SchedCls, &insns);
        match verdicts(&program) {
            Some([Ok(()), Ok(())]) => accepted += 1,
            Some([Ok(()), Err(error)]) => {
                wrong.push(format!("{seed}: {error}\n{}", program.listing()));
            }
            // What is forgotten from round to round may have been of use.
            Some([Err(_), _]) => refused += 1,
            None => {}
        }
    }
    assert!(wrong.is_empty(), "{} programs:\n{}", wrong.len(), wrong.join("\n"));
    println!("{accepted} accepted, {refused} refused");
    assert!(accepted > tries / 4 && refused > tries / 4, "{accepted} accepted, {refused} refused");
}
