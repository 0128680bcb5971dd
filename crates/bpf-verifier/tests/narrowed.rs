//! Loops that keep something of their counter, and loops in loops: their guesses are made
//! narrower where they led to an error, and what an inner loop does where the outer one's values
//! are as far off as they can be does not matter.

mod common;

use bpf_profile::ActiveProfile;
use bpf_verifier::{VerifiedInfo, Verifier};
use common::{XDP, program};

/// Steps of a walk that may be given up.
const STEPS: u64 = 20_000;

/// R0 is the value of the map `one`, which has 64 bytes.
const VALUE: &str = "
    r1 = 0
    *(u32 *)(r10 -4) = r1
    r2 = r10
    r2 += -4
    r1 = map[idx:1] ll
    call 1
    if r0 == 0 goto out
";

/// The program is accepted, and the walk took no more steps than `most`.
#[track_caller]
fn quick(most: u64, text: &str) -> VerifiedInfo {
    let info = XDP.accepts(text);
    println!("processed {} bound {}", info.processed, info.max_insns);
    assert!(info.processed <= most, "{info:?}\n{text}");
    // No fewer than a walk round by round has found; where there is one, no run is longer.
    let program = program(XDP.0, text);
    let verifier = Verifier::<ActiveProfile>::new().step_limit(STEPS).unroll_loops();
    if let Ok(unrolled) = verifier.verify_program(&program) {
        assert!(info.max_insns >= unrolled.info().max_insns, "{info:?}\n{text}");
    }
    info
}

/// Refused, whether the walk comes to the fault or is given up before.
#[track_caller]
fn refused(text: &str) {
    let program = program(XDP.0, text);
    let result = Verifier::<ActiveProfile>::new().step_limit(STEPS).verify(&program);
    result.expect_err(text);
}

/// The place of the least byte, which is `kept` when it is found, and read in the end.
fn least(kept: &str, inside: &str) -> String {
    format!(
        "{VALUE}
         r3 = 0
         r4 = 0
         r5 = 1000
         again: r1 = r0
         r1 += r3
         r6 = *(u8 *)(r1 +0)
         {inside}
         if r6 >= r5 goto next
         r5 = r6
         {kept}
         next: r3 += 1
         if r3 != 64 goto again
         r0 += r4
         r5 = *(u8 *)(r0 +0)
         out: r0 = 0
         exit"
    )
}

#[test]
fn the_place_of_the_least() {
    quick(300, &least("r4 = r3", ""));
    quick(300, &least("w4 = w3", ""));
    // Nothing says of this one's copy how it came to be.
    quick(400, &least("w4 = w3\nw4 += 7\nw4 &= 63", ""));
    refused(&least("r4 = r3\nr4 += 1", ""));
    refused(&least("w4 = w3\nw4 += 1", ""));
    refused(&least("w4 = w3\nw4 += 7\nw4 &= 127", ""));
    refused(&least("r4 = r3\nr4 += -1", ""));
}

#[test]
fn the_place_of_the_least_is_read_in_every_round() {
    let inside = "r2 = r0\nr2 += r4\nr5 = *(u8 *)(r2 +0)";
    quick(400, &least("r4 = r3", inside));
    quick(400, &least("w4 = w3\nr4 <<= 32\nr4 s>>= 32", inside));
    refused(&least("r4 = r3\nr4 += 1", inside));
}

/// A sort that exchanges neighbours; the inner loop ends `before` the outer one's number.
fn neighbours(before: u32) -> String {
    format!(
        "{VALUE}
         r1 = 0
         outer: r3 = {before}
         r3 -= r1
         r5 = 0
         inner: r4 = r0
         r4 += r5
         r6 = *(u8 *)(r4 +0)
         r7 = *(u8 *)(r4 +1)
         if r6 <= r7 goto next
         *(u8 *)(r4 +0) = r7
         *(u8 *)(r4 +1) = r6
         next: r5 += 1
         if r5 < r3 goto inner
         r1 += 1
         if r1 != 62 goto outer
         out: r0 = 0
         exit"
    )
}

#[test]
fn an_inner_loop_up_to_what_the_outer_one_leaves() {
    quick(500, &neighbours(63));
    refused(&neighbours(64));
}

/// The longest row of lower numbers, whose length is counted in bytes: where it begins, the length
/// and the counter are one, and to what the length may come says nothing of the counter.
#[test]
fn a_counter_is_guessed_as_far_as_what_moved_alike() {
    let text = |rounds: u32| {
        format!(
            "r1 = 1
             r2 = 0
             r3 = 0
             again: r5 = r10
             r5 += -128
             r5 += r3
             *(u8 *)(r5 +0) = r1
             r4 = 0
             r8 = r10
             r8 += -64
             r8 += r3
             r8 = *(u8 *)(r8 +0)
             goto test
             inner: r6 = r10
             r6 += -64
             r6 += r4
             r7 = *(u8 *)(r6 +0)
             if w7 >= w8 goto less
             r6 = r10
             r6 += -128
             r6 += r4
             r7 = *(u8 *)(r6 +0)
             r7 += 1
             *(u8 *)(r5 +0) = r7
             less: r4 += 1
             test: if r4 < r3 goto inner
             r6 = *(u8 *)(r5 +0)
             if w2 s> w6 goto next
             w2 = w6
             next: r3 += 1
             if r3 != {rounds} goto again
             r0 = 0
             exit"
        )
    };
    quick(1000, &text(64));
    refused(&text(65));
}

/// A sort that carries each byte down, as compilers make it of `j > 0` and bytes: R5 is `j - 1`, and
/// what is compared is its low half and two. It ends at -1.
#[test]
fn a_place_that_goes_down_past_nothing_is_compared_as_a_sum_of_32_bits() {
    let text = |more: u32, least: u32| {
        format!(
            "r2 = 1
             r3 = 0
             again: r4 = r10
             r4 += -64
             r4 += r2
             r4 = *(u8 *)(r4 +0)
             r5 = r3
             inner: r6 = r5
             r6 <<= 32
             r6 >>= 32
             r0 = r10
             r0 += -64
             r0 += r6
             r6 = *(u8 *)(r0 +0)
             if w6 > w4 goto lower
             done: r3 += 1
             w2 += 1
             if w2 == 64 goto out
             goto again
             lower: r7 = r10
             r7 += -64
             r7 += r5
             *(u8 *)(r7 +1) = r6
             *(u8 *)(r0 +0) = r4
             r5 += -1
             w0 = w5
             w0 += {more}
             if w0 s> {least} goto inner
             goto done
             out: r0 = 0
             exit"
        )
    };
    quick(600, &text(2, 1));
    quick(600, &text(3, 2));
    refused(&text(2, 0));
    refused(&text(3, 1));
}

#[test]
fn rows_and_columns() {
    let text = |rows: u32| {
        format!(
            "{VALUE}
             r1 = 0
             outer: r3 = 0
             inner: r4 = r1
             r4 <<= 3
             r4 += r3
             r5 = r0
             r5 += r4
             r6 = *(u8 *)(r5 +0)
             r7 = 0
             last: r7 += 1
             r6 += r7
             if r7 < 8 goto last
             *(u8 *)(r5 +0) = r6
             r3 += 1
             if r3 < 8 goto inner
             r1 += 1
             if r1 < {rows} goto outer
             out: r0 = 0
             exit"
        )
    };
    quick(400, &text(8));
    refused(&text(9));
}

/// A depth that goes up and down within bounds, beside a counter.
fn depth(most: u32, least: i32, at: u32) -> String {
    format!(
        "{VALUE}
         r3 = 0
         r4 = 0
         again: r1 = r0
         r1 += r3
         r6 = *(u8 *)(r1 +0)
         if r6 == 1 goto up
         if r6 == 2 goto down
         goto next
         up: if r4 s> {most} goto out
         r1 = r0
         r1 += r4
         *(u8 *)(r1 +{at}) = 5
         r4 += 1
         goto next
         down: if r4 s<= {least} goto out
         r4 += -1
         r1 = r0
         r1 += r4
         *(u8 *)(r1 +0) = 6
         next: r3 += 1
         if r3 != 64 goto again
         out: r0 = 0
         exit"
    )
}

#[test]
fn a_depth() {
    quick(900, &depth(63, 0, 0));
    quick(900, &depth(15, 0, 48));
    refused(&depth(15, 0, 49));
    refused(&depth(15, -1, 0));
}

/// The place of the greatest of 64 numbers, kept as an address and as an index, of which either
/// becomes what the round before has found.
fn greatest(numbers: &str, behind: u32) -> String {
    format!(
        "{numbers}
         r3 = r10
         r3 += -128
         r2 = r10
         r2 += -126
         w5 = 0
         r1 = -63
         again: w0 = w1
         w0 += 64
         r6 = *(u16 *)(r3 +0)
         r7 = *(u16 *)(r2 +0)
         if w7 > w6 goto take
         w0 = w5
         take: r4 = r2
         if w7 > w6 goto kept
         r4 = r3
         kept: r1 += 1
         if r1 == 0 goto done
         r2 += 2
         w5 = w0
         r3 = r4
         goto again
         done: r1 = *(u16 *)(r4 +0)
         r2 = r0
         r2 <<= 1
         r3 = r10
         r3 += -128
         r3 += r2
         r0 = *(u16 *)(r3 +{behind})
         r0 += r1
         exit"
    )
}

/// The 128 bytes in front of R10 become copies of a register.
fn filled_with(register: &str) -> String {
    let words = (1..17).map(|word| format!("*(u64 *)(r10 -{}) = {register}\n", 8 * word));
    words.collect::<Vec<_>>().concat()
}

#[test]
fn an_index_is_the_lower_half_of_itself() {
    let numbers = format!("call 7\n{}", filled_with("r0"));
    quick(400, &greatest(&numbers, 0));
    refused(&greatest(&numbers, 2));
}

/// The first round shows nothing of what the index becomes: numbers that nothing is decided on
/// do not tell its ways apart. So the guess goes no further than one that does not hold.
#[test]
fn an_index_that_the_first_round_leaves() {
    let clear = filled_with("r7");
    let numbers = format!(
        "r7 = 0
         {clear}
         count: call 7
         r0 &= 63
         r0 <<= 1
         r1 = r10
         r1 += -128
         r1 += r0
         r0 = *(u16 *)(r1 +0)
         r0 += 1
         *(u16 *)(r1 +0) = r0
         r7 += 1
         if r7 != 99 goto count"
    );
    quick(1000, &greatest(&numbers, 0));
    refused(&greatest(&numbers, 2));
}

/// Four loops, one in the other: each is guessed at a few times, and what is found of the inner
/// ones serves the outer ones.
#[test]
fn loops_in_loops_in_loops() {
    let text = |rounds: u32| {
        format!(
            "{VALUE}
             r1 = 0
             planes: r6 = r0
             r6 += r1
             r2 = 0
             rows: r7 = r6
             r7 += r2
             r3 = 0
             pairs: r8 = r7
             r8 += r3
             r4 = 0
             bytes: r9 = r8
             r9 += r4
             r5 = *(u8 *)(r9 +0)
             r4 += 1
             if r4 != 2 goto bytes
             r3 += 2
             if r3 != 8 goto pairs
             r2 += 8
             if r2 != 16 goto rows
             r1 += 16
             if r1 != {rounds} goto planes
             out: r0 = 0
             exit"
        )
    };
    quick(600, &text(64));
    refused(&text(80));
}

/// What is kept of what is kept of a counter, in four bytes beside four others, of which both are 0 where the loop begins.
fn kept_beside(zeros: &str, at: i32, kept: &str, read: i32) -> String {
    format!(
        "{VALUE}
         r1 = 0
         {zeros}
         r6 = 0
         r8 = 0
         r7 = r0
         again: r1 = r7
         r1 += r6
         r1 = *(u8 *)(r1 +0)
         if r1 > 9 goto later
         r8 = r6
         later: if r1 < 5 goto on
         r1 = r8
         {kept}
         *(u32 *)(r10 {at}) = r1
         on: r6 += 1
         if r6 != 64 goto again
         r2 = *(u32 *)(r10 {read})
         r7 += r2
         r0 = *(u8 *)(r7 +0)
         out: r0 = 0
         exit"
    )
}

/// Zeros that lie side by side are one run of bytes, but two numbers.
#[test]
fn what_is_kept_beside_another_is_a_number_of_its_own() {
    let (both, one) = ("*(u64 *)(r10 -8) = r1", "*(u32 *)(r10 -8) = r1");
    for (zeros, at) in [(both, -8), (one, -8), (both, -4), (one, -4)] {
        quick(400, &kept_beside(zeros, at, "", at));
        // The other one stays 0.
        quick(400, &kept_beside(zeros, at, "", -12 - at));
        refused(&kept_beside(zeros, at, "r1 += 1", at));
        refused(&kept_beside(zeros, at, "r1 <<= 1", at));
    }
    // Across the two, and of both, it is no number that is known.
    for zeros in [both, one] {
        for read in ["*(u16 *)(r10 -5)", "*(u64 *)(r10 -8)"] {
            refused(
                &kept_beside(zeros, -4, "", -8)
                    .replace("*(u32 *)(r10 -8)\n         r7", &format!("{read}\n         r7")),
            );
        }
    }
}
