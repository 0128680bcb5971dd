//! Loops of which ways meet and part again many times: a guess says nothing of numbers that no
//! decision rests on.

mod common;

use std::fmt::Write as _;

use bpf_profile::ActiveProfile;
#[cfg(feature = "cloud-profile")]
use bpf_verifier::VerifiedInfo;
use bpf_verifier::{Verifier, VerifyErrorKind};
use common::{XDP, program};

/// Cells of a row.
const CELLS: usize = 12;
/// Steps of a walk that may be given up.
const STEPS: u64 = 70_000;

/// Accepted in so many steps at the most.
#[cfg(feature = "cloud-profile")]
#[track_caller]
fn quick(most: u64, text: &str) -> VerifiedInfo {
    let verified = Verifier::<ActiveProfile>::new().verify_program(&program(XDP.0, text));
    let info = *verified.expect(text).info();
    assert!(info.processed <= most, "{info:?}\n{text}");
    info
}

/// Refused, whether the walk comes to the fault or is given up before.
#[track_caller]
fn refused(text: &str) {
    let verifier = Verifier::<ActiveProfile>::new().step_limit(STEPS);
    verifier.verify(&program(XDP.0, text)).expect_err(text);
}

/// A row of bytes, of which each becomes the least of three in every round, as where it is counted
/// how far two texts are apart. R0 is a packet of 64 bytes, of which each round takes one, and R6
/// the round.
fn distances(rounds: u32, inside: &str, behind: &str) -> String {
    let mut text = String::from(
        "r0 = *(u32 *)(r1 +0)
         r3 = *(u32 *)(r1 +4)
         r2 = r0
         r2 += 64
         if r2 > r3 goto out
         *(u64 *)(r10 -16) = r0
         r6 = 0\n",
    );
    let at = |cell: usize| 24 + 8 * cell;
    for cell in 0..CELLS {
        let at = at(cell);
        writeln!(text, "r1 = *(u8 *)(r0 +{cell})\n*(u64 *)(r10 -{at}) = r1").expect("a string");
    }
    text += "again: r7 = r6
             r6 += 1
             r9 = *(u64 *)(r10 -16)
             r1 = *(u8 *)(r9 +0)
             r9 += 1
             *(u64 *)(r10 -16) = r9
             r5 = r6\n";
    for cell in 0..CELLS {
        let at = at(cell);
        write!(
            text,
            "r4 = *(u64 *)(r10 -{at})
             r2 = r1
             r2 ^= {cell}
             r2 &= 7
             r2 = -r2
             r2 >>= 63
             r7 += r2
             r8 = r4
             if r4 <= r5 goto up{cell}
             r8 = r5
             up{cell}: r8 += 1
             r5 = r7
             if r7 <= r8 goto diagonal{cell}
             r5 = r8
             diagonal{cell}: r5 &= 255
             *(u64 *)(r10 -{at}) = r5
             r7 = r4\n"
        )
        .expect("a string");
    }
    write!(
        text,
        "{inside}
         if r6 != {rounds} goto again
         {behind}
         out: r0 = 0
         exit"
    )
    .expect("a string");
    text
}

/// Of a packet, a byte at the end of what was proven, or right behind it.
const TIMES: &str = "r0 += r6\nr0 += r6\nr0 += r6\n";

#[cfg(feature = "cloud-profile")]
#[test]
fn rows_of_least_numbers() {
    let info = quick(25_000, &distances(16, "", ""));
    // No fewer than the rounds take that leave out what they can.
    assert!(info.max_insns >= 16 * (CELLS as u64) * 15, "{info:?}");
    let more = quick(25_000, &distances(64, "", ""));
    assert_eq!(more.processed, info.processed);
    // What the rounds were is known.
    let read = format!("{TIMES}r0 = *(u8 *)(r0 +0)");
    quick(25_000, &distances(16, "", &read));
}

/// Refused where the walk comes to a byte behind the packet.
#[track_caller]
fn beyond(text: &str) {
    let error = Verifier::<ActiveProfile>::new().verify(&program(XDP.0, text)).expect_err(text);
    let kind = error.kind();
    // Where memory is fixed, there may be too little to come so far.
    let fixed = cfg!(feature = "embedded-profile");
    assert!(fixed || matches!(kind, VerifyErrorKind::PacketBounds { .. }), "{kind:?}\n{text}");
}

#[test]
fn rounds_that_go_too_far() {
    beyond(&distances(65, "", ""));
    beyond(&distances(16, "", &format!("{TIMES}r0 += r6\nr0 = *(u8 *)(r0 +0)")));
    // A way that is taken in one round of many.
    let bad = "r5 = *(u64 *)(r10 -64)\nif r5 < 2 goto next\nr1 = *(u8 *)(r0 +64)\nnext:";
    beyond(&distances(16, bad, ""));
}

#[test]
fn what_is_let_go_is_not_known() {
    let read = |mask: &str| {
        format!(
            "r5 = *(u64 *)(r10 -64)
             {mask}
             r4 = r0
             r4 += r5
             r5 = *(u8 *)(r4 +0)"
        )
    };
    for mask in ["", "r5 &= 127", "if r5 > 64 goto out"] {
        refused(&distances(16, "", &read(mask)));
        refused(&distances(16, &read(mask), ""));
    }
}

#[test]
fn rounds_that_nothing_bounds() {
    // Not every way round counts.
    let skips = "r5 = *(u64 *)(r10 -64)\nif r5 < 3 goto next\nr6 += -1\nnext:";
    refused(&distances(16, skips, ""));
    refused(&distances(16, "r6 &= 7", ""));
    // Nor does the row.
    let by_row = |end: &str| distances(16, end, "").replace("if r6 != 16 goto again", "goto again");
    refused(&by_row("r5 = *(u64 *)(r10 -64)\nif r5 == 77 goto out"));
    let adds = "r5 = *(u64 *)(r10 -64)\nr5 += 1\n*(u64 *)(r10 -64) = r5\nif r5 == 500 goto out";
    refused(&by_row(adds));
}

/// Rounds that begin so, where R1 is a byte of the packet and a number is kept that is 0 at first.
fn begun(top: &str) -> String {
    let kept = "r6 = 0\n*(u64 *)(r10 -120) = r6\n";
    let text = distances(16, "", "").replacen("r6 = 0\n", kept, 1);
    text.replacen("r5 = r6\n", &format!("{top}\nr5 = r6\n"), 1)
}

/// What is kept is where the packet is read in the next round, and becomes one number where a
/// jump is taken, and another one where it is not.
fn index(taken: u32, other: u32) -> String {
    begun(&format!(
        "r4 = *(u64 *)(r10 -120)
         r4 += r0
         r4 = *(u8 *)(r4 +0)
         r4 = {taken}
         if r1 > 7 goto keep
         r4 = {other}
         keep: *(u64 *)(r10 -120) = r4"
    ))
}

#[cfg(feature = "cloud-profile")]
#[test]
fn what_is_decided_on_is_not_let_go() {
    quick(25_000, &index(5, 9));
}

#[test]
fn what_is_walked_last() {
    // Of the ways of a round, one that begins otherwise is walked behind all that follow.
    beyond(&index(1000, 5));
    beyond(&index(5, 1000));
}
