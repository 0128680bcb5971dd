//! Programs made at random, beside every run that they may have.

use bpf_bytecode::BpfProgType;
use bpf_profile::ActiveProfile;
use bpf_verifier::{StackPolicy, Verifier};

use crate::common::program;
use crate::machine::{MOST_STEPS, Machine};

const STEPS: u64 = 8_000;

/// Verifies the programs of these seeds, each in a workspace of so many words, or in none of its
/// own: no run of one that is accepted leaves what it may access, and none is longer than its
/// bound. How many are accepted, and how many are refused.
pub fn beside_every_run(
    seeds: impl Iterator<Item = u64>,
    made: fn(u64) -> String,
    words: impl Fn(u64) -> Option<usize>,
) -> (u64, u64) {
    let policy = StackPolicy::new::<ActiveProfile>(64, 128, 2).expect("a small stack");
    let (mut accepted, mut refused) = (0, 0);
    for seed in seeds {
        let text = made(seed);
        let program = program(BpfProgType::Xdp, &text);
        let mut room = vec![0; words(seed).unwrap_or(0)];
        let verifier = match words(seed) {
            Some(_) => Verifier::<ActiveProfile>::with_workspace(&mut room),
            None => Verifier::<ActiveProfile>::new(),
        };
        let verifier = verifier.stack_policy(policy).step_limit(STEPS);
        let Ok(verified) = verifier.verify_program(&program) else {
            refused += 1;
            continue;
        };
        accepted += 1;
        let bound = verified.info().max_insns;
        if bound > MOST_STEPS {
            continue;
        }
        let longest = std::panic::catch_unwind(|| Machine::new(&program, 0).longest());
        let longest = longest.unwrap_or_else(|_| panic!("seed {seed} does\n{text}"));
        if let Some(longest) = longest {
            assert!(longest <= bound, "seed {seed}: {longest}, the bound is {bound}\n{text}");
        }
    }
    println!("{accepted} accepted, {refused} refused");
    (accepted, refused)
}
