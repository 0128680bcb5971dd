//! States that are made one where paths join.
#![allow(clippy::expect_used, reason = "tests may panic")]

mod common;

use std::fmt::Write as _;

use bpf_bytecode::BpfProgType;
use bpf_profile::ActiveProfile;
use bpf_verifier::{Verifier, VerifyErrorKind};
use common::{PACKET, XDP, program};

/// Counts in R8 how many of so many words of the context are not zero: after `n` of
/// them, the count is one of `n + 1` numbers, on which nothing is decided until the
/// end.
fn counting(words: usize, end: &str) -> String {
    let mut text = String::from("r6 = r1\nr8 = 0\n");
    for at in 0..words {
        let _ = write!(text, "r3 = *(u32 *)(r6 +4)\nif r3 == {at} goto o{at}\nr8 += 1\no{at}:\n");
        text += "r3 += 1\nr3 ^= 5\nr3 *= 3\nr3 -= 7\nr3 &= 255\n";
    }
    text + end
}

/// The byte at `off` and the count from the end of the frame.
fn storing(off: usize) -> String {
    format!("r2 = r10\nr2 += -{off}\nr2 += r8\n*(u8 *)(r2 +0) = 1\nr0 = 0\nexit")
}

#[test]
fn many_counts_are_one_range() {
    let (words, per_word) = (28_u64, 3 + 5);
    let program = program(BpfProgType::SocketFilter, &counting(28, &storing(29)));
    let info = *Verifier::<ActiveProfile>::new().verify_program(&program).expect("safe").info();
    // Each count after each word by itself would be 28 * 29 / 2 times what a word takes.
    assert!(info.processed < 10 * words * per_word, "{info:?}");
    assert_eq!(info.max_insns, 2 + words * per_word + 6);
}

/// Only where every word was counted, which one path of very many does, the store is
/// beyond the frame.
#[test]
fn what_one_path_does_is_refused() {
    let program = program(BpfProgType::SocketFilter, &counting(28, &storing(28)));
    let error = Verifier::<ActiveProfile>::new().verify_program(&program).expect_err("unsafe");
    assert!(matches!(error.kind(), VerifyErrorKind::StackOutOfBounds { .. }), "{error}");
}

/// Two registers count the same, but not so that it shows: a state that was made of
/// two does not know it, and every state is walked alone.
#[test]
fn where_it_fails_states_are_walked_alone() {
    let mut text = String::from("r6 = r1\nr8 = 0\nr9 = 0\n");
    for at in 0..7 {
        let bit = 1 << at;
        let _ = write!(text, "r3 = *(u32 *)(r6 +4)\nif r3 == {at} goto o{at}\n");
        let _ = write!(text, "r8 |= {bit}\nr9 |= {bit}\no{at}: r8 += 0\n");
    }
    text += "r8 -= r9\n";
    text += &storing(1);
    let program = program(BpfProgType::SocketFilter, &text);
    let info = *Verifier::<ActiveProfile>::new().verify_program(&program).expect("safe").info();
    assert!(info.processed > 128 * 7, "{info:?}");
    assert_eq!(info.max_insns, 3 + 7 * 5 + 1 + 6);
}

/// Headers of a packet, one behind the other, each of one of three kinds that say
/// differently how long they are; ten of them at the most.
const HEADERS: &str = "
    r2 = *(u32 *)(r1 +0)
    r3 = *(u32 *)(r1 +4)
    r6 = 0
    next:
    r4 = r2
    r4 += 2
    if r4 > r3 goto out
    r4 = *(u8 *)(r2 +0)
    r5 = *(u8 *)(r2 +1)
    if r4 == 1 goto eights
    if r4 == 2 goto fours
    if r4 != 3 goto out
    r2 += 8
    goto on
    eights: r5 <<= 3
    r2 += r5
    goto on
    fours: r5 <<= 2
    r2 += r5
    on: r6 += 1
    if r6 != 10 goto next
    out: r0 = r6
    exit";

/// Where the next header is differs in what each of those before it was. In a round the
/// states are made one, and rounds are not: by their number they end.
#[test]
fn states_of_one_round_are_made_one() {
    let program = program(BpfProgType::Xdp, HEADERS);
    let info = *Verifier::<ActiveProfile>::new().verify_program(&program).expect("safe").info();
    // Each way through the rounds by itself would be 3^9 rounds at the end.
    assert!(info.processed < 10_000, "{info:?}");
    // The kind that takes longest in every round.
    assert_eq!(info.max_insns, 3 + 10 * 12 + 2);
}

/// A walk round by round, where two ways part and meet again inside of each round, and
/// nothing parts between where they meet and the head.
fn options(rounds: u32, size: u32) -> String {
    let text = "r1 = ROUNDS
         again: r4 = r2
         r4 += 2
         if r4 > r3 goto out
         r5 = *(u8 *)(r2 +0)
         r6 = r2
         if r5 == 1 goto found
         r6 += 1
         found: r5 = *(u8 *)(r6 +0)
         r5 = *(u8 *)(r2 +1)
         r5 <<= 3
         r2 += r5
         r2 += 2
         r1 += -1
         if r1 != 0 goto again
         r4 = r2
         r4 += SIZE
         if r4 > r3 goto out
         r0 = *(u8 *)(r2 +1)
         out: r0 = 0
         exit";
    let text = text.replace("ROUNDS", &rounds.to_string()).replace("SIZE", &size.to_string());
    String::from(PACKET) + &text
}

#[test]
fn ways_that_met_are_one_in_the_next_round() {
    let info = XDP.accepts(&options(16, 2));
    // And not 2 to the power of 16.
    assert!(info.processed < 16 * 60, "{}", info.processed);
    XDP.rejects("invalid access to packet", &options(16, 1));
}

/// A function that `bpf_loop` calls 400 times, with where it is in a packet and what it has
/// seen so far as its context: each of its options says how long it is.
fn called(rest: &str) -> String {
    let text = "r6 = r1
         r7 = 0
         *(u64 *)(r10 -8) = r6
         *(u64 *)(r10 -16) = 14
         *(u64 *)(r10 -24) = 0
         *(u64 *)(r10 -32) = 0
         *(u64 *)(r10 -40) = 0
         r1 = 400
         r2 = subprog[f] ll
         r3 = r10
         r3 += -40
         r4 = 0
         call 181
         r1 = *(u64 *)(r10 -40)
         r2 = *(u64 *)(r10 -32)
         r1 += r2
         r2 = *(u64 *)(r10 -24)
         r1 += r2
         r2 = r10
         r2 += -4
         r2 += r1
         *(u8 *)(r2 +0) = 1
         r0 = 0
         exit
         f: r6 = r2
         r1 = *(u64 *)(r6 +32)
         r2 = *(u32 *)(r1 +0)
         r3 = *(u32 *)(r1 +4)
         r7 = *(u64 *)(r6 +24)
         if r7 > 9000 goto out
         r2 += r7
         r4 = r2
         r4 += 2
         if r4 > r3 goto out
         r5 = *(u8 *)(r2 +1)
         r7 += 2
         r7 += r5
         *(u64 *)(r6 +24) = r7
         r5 = *(u8 *)(r2 +0)
         if r5 == 1 goto one
         if r5 == 2 goto two
         if r5 == 3 goto three
         REST
         r0 = 0
         exit
         one: *(u64 *)(r6 +0) = 1
         r0 = 0
         exit
         two: *(u64 *)(r6 +8) = 1
         r0 = 0
         exit
         three: *(u64 *)(r6 +16) = 1
         r0 = 0
         exit
         out: r0 = 1
         exit";
    text.replace("REST", rest)
}

/// Where an option is differs in every round, and grows; which ones were seen decides
/// something at the end.
#[test]
fn rounds_are_made_one() {
    let info = XDP.accepts(&called(""));
    assert!(info.processed < 20_000, "{}", info.processed);
}

/// What late rounds do counts, too.
#[test]
fn a_late_round_is_not_forgotten() {
    // All three were seen, and one of them counts twice: the store is behind the frame.
    XDP.rejects("stack", &called("*(u64 *)(r6 +16) = 2"));
    // The same, but only far behind the first option.
    XDP.rejects("stack", &called("if r7 < 1500 goto ok\n*(u64 *)(r6 +8) = 2\nok:"));
    // A number that no round bounds.
    XDP.rejects("stack", &called("r1 = *(u64 *)(r6 +8)\nr1 += 1\n*(u64 *)(r6 +8) = r1"));
    // An offset that nothing compares in the end.
    XDP.rejects("packet", &called("r2 += r5\nr0 = *(u8 *)(r2 +3)"));
}

/// A loop of 8 rounds in one of 15 at the most, by `bpf_loop` both: a number in the frame
/// below is made larger in each round of the inner one and compared in each of the outer one.
fn nested(at_end: &str) -> String {
    let text = "r6 = *(u32 *)(r1 +0)
         r7 = *(u32 *)(r1 +4)
         r8 = r6
         r8 += 14
         if r8 > r7 goto none
         r2 = *(u8 *)(r6 +0)
         *(u64 *)(r10 -16) = 0
         *(u32 *)(r10 -12) = r2
         r1 = *(u8 *)(r6 +1)
         r1 &= 15
         r2 = subprog[outer] ll
         r3 = r10
         r3 += -16
         r4 = 0
         call 181
         r1 = *(u32 *)(r10 -12)
         AT_END
         none: r0 = 0
         exit
         outer: r6 = r2
         *(u32 *)(r6 +0) = r1
         r1 = 8
         r2 = subprog[inner] ll
         r3 = r6
         r4 = 0
         call 181
         r1 = *(u32 *)(r6 +4)
         r0 = 1
         if w1 > 100000 goto end
         r0 = 0
         end: exit
         inner: r3 = *(u32 *)(r2 +0)
         r4 = r3
         r4 |= r1
         if r4 > 7 goto over
         w3 <<= 3
         w3 |= w1
         r1 = *(u32 *)(r2 +4)
         r4 = r1
         w4 <<= 1
         w4 ^= w3
         w4 += w1
         *(u32 *)(r2 +4) = r4
         over: r0 = 0
         exit";
    text.replace("AT_END", at_end)
}

/// Whether it is accepted. (To compare everything takes long here.)
fn is_accepted(text: &str) -> bool {
    let result = Verifier::<ActiveProfile>::new().verify(&program(BpfProgType::Xdp, text));
    let stack = |kind| matches!(kind, VerifyErrorKind::StackOutOfBounds { .. });
    assert!(result.as_ref().map_or_else(|error| stack(error.kind()), |()| true), "{result:?}");
    result.is_ok()
}

#[test]
fn rounds_in_rounds_are_made_one() {
    assert!(is_accepted(&nested("r1 &= 7\nr2 = r10\nr2 += -8\nr2 += r1\n*(u8 *)(r2 +0) = 1")));
    // It comes to be anything.
    let store = "r2 = r10\nr2 += -16\nr2 += r1\n*(u8 *)(r2 +0) = 1";
    assert!(!is_accepted(&nested(&format!("if r1 > 16 goto none\n{store}"))));
    let far = format!("if r1 < 300000 goto none\nr1 -= 300000\n{store}");
    assert!(!is_accepted(&nested(&far)));
}

/// So many numbers that a function takes from bits of one and gives as an offset below `size`
/// or as -1 for none, which decides at each of the calls for itself.
fn asking(calls: usize, size: usize) -> String {
    let mut text = String::from("r8 = *(u32 *)(r1 +8)\nr7 = 0\n*(u64 *)(r10 -8) = 0\n");
    for at in 0..calls {
        let _ = write!(text, "r1 = r8\nr1 >>= {at}\ncall local offset\nr0 <<= 32\nr0 s>>= 32\n");
        let _ = write!(text, "if r0 s< 0 goto o{at}\nr1 = r10\nr1 += -{size}\nr1 += r0\n");
        let _ = write!(text, "r1 = *(u8 *)(r1 +0)\nr7 += r1\no{at}:\n");
    }
    text + "
        r0 = r7
        exit
        offset: r0 = 5
        r2 = r1
        r2 &= 7
        if r2 == 0 goto end
        if r2 == 2 goto none
        if r2 != 1 goto mask
        r0 = 7
        goto end
        none: r0 = 0xffffffff ll
        goto end
        mask: r1 &= 3
        r0 = r1
        end: exit"
}

/// What a function gave decides where it is used, and nothing behind: ways that did not meet
/// where the function ends meet there.
#[test]
fn ways_that_part_in_a_function_meet_behind_its_use() {
    let info = |calls| {
        let program = program(BpfProgType::SocketFilter, &asking(calls, 8));
        *Verifier::<ActiveProfile>::new().verify_program(&program).expect("safe").info()
    };
    let (half, whole) = (info(5), info(10));
    // Each call would take four times what those before it took.
    assert!(whole.processed < 4 * half.processed, "{half:?} {whole:?}");
    let error = Verifier::<ActiveProfile>::new()
        .verify_program(&program(BpfProgType::SocketFilter, &asking(10, 7)))
        .expect_err("unsafe");
    assert!(matches!(error.kind(), VerifyErrorKind::StackOutOfBounds { .. }), "{error}");
}

/// Blocks of which two are left past a join, and go on where the path through it does, with no
/// branch behind the join. What follows up to the next one is walked for the first of them.
#[test]
fn ways_past_a_join_meet_the_one_through_it() {
    let (blocks, slots) = (9, 24);
    let mut text = String::from("r6 = r1\nr7 = 1\n");
    for at in 0..blocks {
        let _ = write!(
            text,
            "if r7 == 0 goto n{at}
             r3 = *(u32 *)(r6 +4)
             if r3 == {at} goto m{at}
             r4 = *(u32 *)(r6 +0)
             if r4 == 1 goto j{at}
             r4 = 1
             j{at}: r7 = *(u32 *)(r6 +4)
             r3 = r4
             r3 += 1
             r3 ^= 5
             goto n{at}
             m{at}: r3 += 0
             n{at}: r0 = r3\n"
        );
        text += &"r0 ^= 3\n".repeat(11);
    }
    text += "r0 = 0\nexit";
    let program = program(BpfProgType::SocketFilter, &text);
    let info = *Verifier::<ActiveProfile>::new().verify_program(&program).expect("safe").info();
    assert!(info.processed < blocks * (slots + 6), "{info:?}");
    assert_eq!(info.max_insns, 4 + blocks * (slots - 1));
}
