//! Programs made at random, and the longest run that each may have.
#![allow(dead_code, reason = "not every test uses everything")]

use bpf_bytecode::BpfProgType;
use bpf_profile::ActiveProfile;
use bpf_verifier::Verifier;

use crate::common::program;
use crate::machine::Machine;

/// What became of a program.
pub enum Outcome {
    Refused,
    /// Its bound is so far that it was not run.
    Far,
    /// It has too many runs.
    Many,
    /// All of its runs were looked at.
    Compared {
        /// Instructions of the longest one.
        longest: u64,
        /// What was proven of that.
        bound: u64,
        /// Instructions that the verifier walked.
        processed: u64,
    },
}

/// Verifies the program of a seed in so many steps. If it is accepted, and with no greater bound
/// than `most`, no run of it is longer than that.
pub fn beside_longest_run(seed: u64, text: &str, steps: u64, most: u64) -> Outcome {
    let program = program(BpfProgType::Xdp, text);
    let verifier = Verifier::<ActiveProfile>::new().step_limit(steps);
    let Ok(verified) = verifier.verify_program(&program) else { return Outcome::Refused };
    let (bound, processed) = (verified.info().max_insns, verified.info().processed);
    if bound > most {
        return Outcome::Far;
    }
    let Some(longest) = Machine::new(&program, 0).longest() else { return Outcome::Many };
    assert!(longest <= bound, "seed {seed}: {longest}, the bound is {bound}\n{text}");
    Outcome::Compared { longest, bound, processed }
}
