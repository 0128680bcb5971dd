//! Loops in loops that move an address in a fixed ratio to a number, or almost so, made at random,
//! beside every run that they may have: none leaves what it may access, and none is longer than
//! its bound.
//!
//! `KBPF_LINEAR_TRIES` sets another number of programs, `KBPF_LINEAR_FIRST` the first one.

mod common;
#[path = "common/concrete.rs"]
mod concrete;
#[path = "bounds/machine.rs"]
mod machine;
#[path = "linear/maker.rs"]
mod maker;

use bpf_bytecode::BpfProgType;
use bpf_profile::ActiveProfile;
use bpf_verifier::{StackPolicy, Verifier};
use common::{number, program};
use machine::{MOST_STEPS, Machine};
use maker::Maker;

const PROGRAMS: u64 = 150;
/// Programs that were accepted once and leave what they may access, or last too long.
const FOUND: [u64; 4] = [378, 2_048, 2_684, 5_249];
const STEPS: u64 = 8_000;

#[test]
fn no_run_does_what_it_may_not() {
    tried(Maker::program, &FOUND, false);
}

#[test]
fn nor_where_registers_are_kept() {
    tried(Maker::kept, &[], true);
}

fn tried(made: fn(u64) -> String, found: &[u64], tight: bool) {
    let policy = StackPolicy::new::<ActiveProfile>(64, 128, 2).expect("a small stack");
    let first = number("KBPF_LINEAR_FIRST", 0);
    let tries = number("KBPF_LINEAR_TRIES", PROGRAMS);
    let (mut accepted, mut refused) = (0, 0);
    for seed in (first..first + tries).chain(found.iter().copied()) {
        let text = made(seed);
        let program = program(BpfProgType::Xdp, &text);
        // Some have hardly any room.
        let mut words = vec![0; 2_400];
        let words = words.split_at_mut(600 * usize::try_from(seed % 5).unwrap()).0;
        let verifier = match words.len() {
            0 => Verifier::<ActiveProfile>::new(),
            _ if !tight => Verifier::<ActiveProfile>::new(),
            _ => Verifier::<ActiveProfile>::with_workspace(words),
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
    assert!(accepted > tries / 5 && refused > tries / 5, "{accepted} {refused}");
}
