//! Loops through a packet, in which addresses are made anew from its start and a counter, made at
//! random, beside runs over all short packets: none leaves the packet, and none is longer than its
//! bound.
//!
//! `KBPF_SCANS_TRIES` sets another number of programs, `KBPF_SCANS_FIRST` the first one.

mod common;
#[path = "common/concrete.rs"]
mod concrete;
#[path = "packet_scans/machine.rs"]
mod machine;
#[path = "packet_scans/maker.rs"]
mod maker;

use bpf_bytecode::BpfProgType;
use bpf_profile::ActiveProfile;
use bpf_verifier::{StackPolicy, Verifier};
use common::chance::Chance;
use common::{number, program};
use machine::{End, Machine};
use maker::Maker;

const PROGRAMS: u64 = 250;
/// Programs that were accepted once and leave the packet.
const FOUND: [u64; 1] = [1_009_839];
const STEPS: u64 = 6_000;
/// Lengths of packets, and runs over each.
const LENGTHS: u64 = 40;
const RUNS: u64 = 4;

#[test]
fn no_run_leaves_the_packet() {
    let policy = StackPolicy::new::<ActiveProfile>(64, 128, 2).expect("a small stack");
    let first = number("KBPF_SCANS_FIRST", 0);
    let tries = number("KBPF_SCANS_TRIES", PROGRAMS);
    let (mut accepted, mut summed, mut refused, mut reasons, mut wrong) = (0, 0, 0, 0, 0);
    for seed in (first..first + tries).chain(FOUND) {
        let text = Maker::program(seed);
        let program = program(BpfProgType::Xdp, &text);
        let verifier = Verifier::<ActiveProfile>::new().stack_policy(policy).step_limit(STEPS);
        let verdict = verifier.verify_program(&program);
        let machine = Machine::new(&program);
        let (mut leaves, mut longest) = (None, 0);
        for len in 0..LENGTHS {
            for run in 0..RUNS {
                let mut chance = Chance::seeded(seed, len << 8 | run);
                match machine.run(len, &mut chance) {
                    End::After(steps) => longest = longest.max(steps),
                    end @ End::Outside { .. } => leaves = Some(end),
                }
            }
        }
        let Ok(verified) = verdict else {
            refused += 1;
            reasons += u64::from(leaves.is_some());
            continue;
        };
        accepted += 1;
        let info = verified.info();
        summed += u64::from(info.max_insns > 3 * info.processed);
        if leaves.is_some() || longest > info.max_insns {
            println!("seed {seed}: {leaves:?}, {longest} of {}\n{text}", info.max_insns);
            wrong += 1;
        }
    }
    println!(
        "{accepted} accepted, {summed} by summaries, {refused} refused, {reasons} with reason"
    );
    assert!(wrong == 0, "{wrong} programs");
    assert!(accepted > tries / 20 && reasons > tries / 5, "{accepted} {reasons}");
}
