//! Loops with much more at their heads than what they count by, and more comparisons.

mod common;

use std::fmt::Write as _;

use bpf_profile::ActiveProfile;
use bpf_verifier::{VerifiedInfo, Verifier, VerifyErrorKind};
use common::{XDP, program};

/// Accepted in so many steps at the most, with a bound that is no less than what a walk round by
/// round finds.
#[track_caller]
fn quick(most: u64, text: &str) -> VerifiedInfo {
    let info = XDP.accepts(text);
    assert!(info.processed <= most, "{info:?}\n{text}");
    let program = program(XDP.0, text);
    let verifier = Verifier::<ActiveProfile>::new().step_limit(50_000).unroll_loops();
    if let Ok(unrolled) = verifier.verify_program(&program) {
        assert!(info.max_insns >= unrolled.info().max_insns, "{info:?}\n{text}");
    }
    info
}

#[track_caller]
fn beyond(text: &str) {
    let kind = XDP.rejects("packet", text);
    assert!(matches!(kind, VerifyErrorKind::PacketBounds { .. }), "{kind:?}");
}

/// A loop through `rounds` times `step` bytes of 512, by an address that is kept on the stack above
/// so many numbers that are not touched.
fn above(kept: u32, rounds: u32, step: u32) -> String {
    let mut text = String::from(
        "r0 = *(u32 *)(r1 +0)
         r3 = *(u32 *)(r1 +4)
         r2 = r0
         r2 += 512
         if r2 > r3 goto out\n",
    );
    let mut sum = String::new();
    for cell in 0..kept {
        let at = 24 + 8 * cell;
        writeln!(text, "r1 = *(u8 *)(r0 +{cell})\n*(u64 *)(r10 -{at}) = r1").expect("a string");
        writeln!(sum, "r1 = *(u64 *)(r10 -{at})\nr7 += r1").expect("a string");
    }
    write!(
        text,
        "*(u64 *)(r10 -8) = r0
         r6 = 0
         r7 = 0
         again: r1 = *(u64 *)(r10 -8)
         r2 = *(u8 *)(r1 +0)
         r7 += r2
         r1 += {step}
         *(u64 *)(r10 -8) = r1
         r6 += 1
         if r6 != {rounds} goto again
         {sum}
         r0 = r7
         exit
         out: r0 = 0
         exit"
    )
    .expect("a string");
    text
}

#[test]
fn an_address_above_many_numbers() {
    for kept in [0, 11, 12, 13, 14, 20, 40] {
        let most = 100 + 10 * u64::from(kept);
        quick(most, &above(kept, 128, 4));
        quick(most, &above(kept, 512, 1));
        beyond(&above(kept, 129, 4));
        beyond(&above(kept, 513, 1));
    }
}

/// The greatest and the least of numbers, each compared with many, of `rounds` times two bytes.
fn greatest(rounds: u32) -> String {
    format!(
        "r0 = *(u32 *)(r1 +0)
         r3 = *(u32 *)(r1 +4)
         r2 = r0
         r2 += 512
         if r2 > r3 goto out
         r3 = 0
         r4 = 0
         w5 = -1
         r6 = 0
         again: r1 = *(u16 *)(r0 +0)
         if r1 <= r4 goto least
         r4 = r1
         least: if r1 >= r5 goto first
         r5 = r1
         first: if r5 > 1000 goto second
         r6 += 1
         second: if r4 > 2000 goto third
         r6 += 1
         third: if r5 > 3000 goto fourth
         r6 += 1
         fourth: if r4 > 4000 goto next
         r6 += 1
         next: r0 += 2
         r3 += 1
         if r3 != {rounds} goto again
         r0 = r4
         r0 ^= r5
         r0 ^= r6
         exit
         out: r0 = 0
         exit"
    )
}

#[test]
fn a_counter_among_many_comparisons() {
    quick(1300, &greatest(256));
    beyond(&greatest(257));
}
