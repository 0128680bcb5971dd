//! Loops that something else bounds than a number in the program.

mod common;

use bpf_bytecode::BpfProgType;
use bpf_profile::ActiveProfile;
use bpf_verifier::{Verifier, VerifyErrorKind};
use common::{SOCKET, UNPRIVILEGED, XDP, program};

/// Rounds that `may_goto` grants.
const GRANTED: u64 = 8 << 20;

#[test]
fn may_goto_bounds_endless_loops() {
    let info = SOCKET.accepts("r0 = 0\nagain: may_goto out\nr0 += 1\ngoto again\nout: exit");
    // The first round, the last one, and those that were found to be the same.
    assert!(info.processed < 60, "{info:?}");
    assert!((GRANTED * 3..GRANTED * 3 + 20).contains(&info.max_insns), "{info:?}");
    // Before the loop, in it and behind it.
    let info = SOCKET.accepts(
        "r6 = 0
         r7 = *(u32 *)(r1 +0)
         again: r6 += 1
         r7 += 1
         if r7 == 5 goto out
         may_goto out
         goto again
         out: r0 = 0
         exit",
    );
    assert!(info.max_insns > GRANTED * 5 && info.max_insns < GRANTED * 5 + 40, "{info:?}");
}

#[test]
fn a_loop_past_may_goto_is_endless_all_the_same() {
    // The exhausted side leads back to the instruction itself.
    SOCKET.rejects("infinite loop", "r0 = 0\nagain: may_goto over\nover: goto again");
    // A loop that may_goto is not part of.
    SOCKET.rejects(
        "infinite loop",
        "r0 = 0\nmay_goto next\nnext: r1 = 0\nagain: r1 = 1\nif r0 == 0 goto again\nexit",
    );
    // A number that never agrees, on the side where nothing is granted.
    let never = "r0 = 0\nagain: may_goto over\nexit\nover: r0 += 1\ngoto again";
    let verifier = Verifier::<ActiveProfile>::new().step_limit(500);
    let error = verifier.verify(&program(BpfProgType::SocketFilter, never)).unwrap_err();
    assert_eq!(error.kind(), VerifyErrorKind::TooComplex { limit: 500 });
}

/// A loop that uses a ring of `size` bytes on the stack, the index of which comes
/// back to 0 behind `last`.
fn ring(last: u32, size: u32, rest: &str) -> String {
    format!(
        "r6 = 0
         r8 = 0
         r7 = *(u32 *)(r1 +0)
         again: may_goto out
         r6 += 1
         if r6 <= {last} goto on
         r6 = 0
         on: r1 = r10
         r1 += -{size}
         r1 += r6
         *(u8 *)(r1 +0) = 0
         r7 *= 3
         if r7 == 7 goto out
         {rest}
         goto again
         out: r0 = 0
         exit"
    )
}

#[test]
fn what_comes_back_after_many_rounds_is_found() {
    for size in [16, 64, 200, 256] {
        let info = SOCKET.accepts(&ring(size - 1, size, ""));
        assert!(info.processed < 12_000, "{size}: {info:?}");
        assert!(info.max_insns > GRANTED * 9, "{size}: {info:?}");
        // One more does not fit, in the last of the rounds.
        SOCKET.rejects("stack", &ring(size, size, ""));
    }
    // What is decided on a number that goes on is no round of before.
    let counted = "r8 += 1\nif r8 != 300 goto again\nr0 = *(u8 *)(r10 +0)";
    SOCKET.rejects("stack", &ring(63, 64, counted));
    let stored = "*(u64 *)(r10 -72) = r8\nr8 += 1\nr1 = *(u64 *)(r10 -72)
                  if r1 != 300 goto again\nr0 = *(u8 *)(r10 +0)";
    SOCKET.rejects("stack", &ring(63, 64, stored));
}

#[test]
fn what_a_round_changes_is_forgotten() {
    // An address that moves on from round to round leaves its object.
    SOCKET.rejects(
        "stack",
        "r1 = r10
         r1 += -512
         r0 = 0
         again: may_goto out
         *(u64 *)(r1 +0) = 0
         r1 += 8
         goto again
         out: exit",
    );
    // A number that grows is no index.
    SOCKET.rejects(
        "",
        "r6 = 0
         r0 = 0
         again: may_goto out
         r1 = r10
         r1 += -512
         r1 += r6
         *(u8 *)(r1 +0) = 0
         r6 += 1
         goto again
         out: exit",
    );
    // Unless it is compared.
    SOCKET.accepts(
        "r6 = 0
         r0 = 0
         again: if r6 >= 100 goto out
         may_goto out
         r1 = r10
         r1 += -512
         r1 += r6
         *(u8 *)(r1 +0) = 0
         r6 += 1
         goto again
         out: exit",
    );
    // On the stack: the round before may have changed it.
    SOCKET.rejects(
        "stack",
        "*(u64 *)(r10 -8) = 0
         r0 = 0
         again: may_goto out
         r2 = *(u64 *)(r10 -8)
         r2 += 64
         *(u64 *)(r10 -8) = r2
         goto again
         out: r1 = r10
         r1 += -512
         r2 = *(u64 *)(r10 -8)
         r1 += r2
         *(u64 *)(r1 +0) = 0
         exit",
    );
}

#[test]
fn loops_in_loops() {
    let info = SOCKET.accepts(
        "r0 = 0
         outer: may_goto out
         inner: may_goto next
         r0 += 1
         goto inner
         next: goto outer
         out: exit",
    );
    // One allowance serves both.
    assert!((GRANTED * 3..GRANTED * 10).contains(&info.max_insns), "{info:?}");
    // One loop behind the other is no loop in a loop.
    let info = SOCKET.accepts(
        "r0 = 0
         one: may_goto between
         r0 += 1
         goto one
         between: may_goto out
         r0 += 1
         goto between
         out: exit",
    );
    assert!(info.max_insns < GRANTED * 7, "{info:?}");
    // The same function's loop, entered twice.
    let info = SOCKET.accepts(
        "call local f
         call local f
         exit
         f: r0 = 0
         again: may_goto out
         r0 += 1
         goto again
         out: exit",
    );
    assert!(info.max_insns > GRANTED * 6 && info.max_insns < GRANTED * 7, "{info:?}");
}

#[test]
fn branches_in_rounds() {
    // Both ways of every round lead to the same state; the longer one counts.
    let info = XDP.accepts(
        "r6 = r1
         r0 = 0
         again: may_goto out
         r1 = *(u32 *)(r6 +4)
         if r1 == 3 goto again
         r0 += 1
         r0 += 1
         r0 += 1
         if r1 != 7 goto again
         out: r0 = 2
         exit",
    );
    assert!((GRANTED * 7..GRANTED * 14).contains(&info.max_insns), "{info:?}");
    // Null on one way only.
    SOCKET.rejects(
        "null",
        &format!(
            "{} r6 = r0
             again: may_goto out
             if r6 == 0 goto again
             goto again
             out: r0 = *(u64 *)(r6 +0)
             exit",
            common::LOOKUP
        ),
    );
}

/// A loop that counts up at R10-8, and in every round calls a function once that
/// may change the numbers there and at R10-16.
fn counting(function: &str) -> String {
    format!(
        "*(u64 *)(r10 -8) = 0
         *(u64 *)(r10 -16) = 0
         again: r1 = 1
         r2 = subprog[f] ll
         r3 = r10
         r3 += -16
         r4 = 0
         call 181
         r1 = *(u64 *)(r10 -8)
         r1 += 1
         *(u64 *)(r10 -8) = r1
         if r1 < 100 goto again
         r0 = 0
         exit
         f: {function}
         r0 = 0
         exit"
    )
}

#[test]
fn what_a_loop_counts_by_is_counted_in_rounds_too() {
    let info = SOCKET.accepts(&counting("r0 = 0"));
    assert!(info.processed < 200 && info.max_insns < 2_000, "{info:?}");
    // Another number changes.
    let other = "r1 = *(u64 *)(r2 +0)\nr1 += 3\n*(u64 *)(r2 +0) = r1";
    let info = SOCKET.accepts(&counting(other));
    assert!(info.processed < 400 && info.max_insns < 3_000, "{info:?}");
    // What the loop counts up, the function counts down again: it never ends.
    let undone = "r1 = *(u64 *)(r2 +8)
         if r1 == 0 goto over
         r1 += -1
         *(u64 *)(r2 +8) = r1
         over: r0 = 0";
    SOCKET.rejects("infinite loop", &counting(undone));
}

#[test]
fn loops_in_rounds_of_loops_take_no_longer_than_they_may() {
    // Summaries that are never over, one behind the other.
    let text = "r6 = 0
         head: r7 = 100
         again: may_goto done
         if r6 == 0 goto over
         r6 += -1
         over: r7 += -1
         if r7 != 0 goto again
         done: r6 += 1
         if r6 < 100 goto head
         r0 = 0
         exit";
    let verifier = Verifier::<ActiveProfile>::new().step_limit(100_000);
    let _: Result<_, _> = verifier.verify(&program(BpfProgType::SocketFilter, text));
}

#[test]
fn an_address_is_none_the_less_one_in_a_later_round() {
    // Those who may not see addresses do not get this one as a number, which the two
    // words of zeros were before.
    let text = "
         *(u64 *)(r10 -16) = 0
         *(u64 *)(r10 -8) = 0
         again: may_goto out
         *(u64 *)(r10 -16) = r10
         goto again
         out: r0 = *(u64 *)(r10 -16)
         exit";
    UNPRIVILEGED.rejects("R0 leaks", text);
    SOCKET.accepts(text);
}

/// A loop that is closed at two of its rounds, one of them behind the other, has its
/// rounds once.
#[test]
fn rounds_are_counted_once() {
    let info = SOCKET.accepts(
        "r6 = r1
         r8 = 0
         again: may_goto out
         r2 = *(u32 *)(r6 +0)
         if r2 == 1 goto again
         if r2 == 2 goto reset
         if r8 == 1 goto again
         r8 = 1
         goto again
         reset: r8 = 0
         goto again
         out: r0 = r8
         exit",
    );
    // By turns, R8 is set and reset. What goes through both nodes counts as one round.
    let real = GRANTED / 2 * (7 + 6);
    assert!((real..2 * real + 20).contains(&info.max_insns), "{} {real}", info.max_insns);
}

/// Rounds of few instructions are compared as well, in whatever other loop they are.
#[test]
fn short_rounds() {
    let iterator = |place: &str, rounds: u32, name: &str, body: &str| {
        format!(
            "r1 = {place}\nr2 = 0\nr3 = {rounds}\ncall kfunc 1
             {name}: r1 = {place}\ncall kfunc 2\nif r0 == 0 goto {name}_out\n{body}
             goto {name}\n{name}_out: r1 = {place}\ncall kfunc 3\n"
        )
    };
    let places = "r6 = r10\nr6 += -8\nr7 = r10\nr7 += -16\n";
    let inner = iterator("r6", 100_000, "inner", "");
    let called =
        |rounds: u32| format!("r1 = {rounds}\nr2 = subprog[f] ll\nr3 = 0\nr4 = 0\ncall 181\n");
    let end = "r0 = 0\nexit\n";
    let of_iterators = format!("{places}{}{end}", iterator("r7", 100, "outer", &inner));
    let in_may_goto = format!("{places}again: may_goto out\n{inner}goto again\nout: {end}");
    let in_callback = format!("{}{end}f: {places}{inner}{end}", called(100));
    let of_callbacks =
        format!("{places}{}{end}f: {end}", iterator("r7", 100, "outer", &called(100_000)));
    for text in [of_iterators, in_may_goto, in_callback, of_callbacks] {
        let info = SOCKET.accepts(&text);
        assert!(info.processed < 60, "{info:?}\n{text}");
        assert!(info.max_insns > 20_000_000, "{info:?}\n{text}");
    }
}

/// What follows from a place in a loop counts the grant that led there. Who comes there by
/// another way has not used it, and another loop may.
#[test]
fn a_round_under_way_is_none_elsewhere() {
    let long = "r0 = 0\n".repeat(28);
    let info = SOCKET.accepts(&format!(
        "call 7
         r7 = 0
         if r0 != 0 goto first
         second: r0 = 0
         may_goto out
         r7 = 1
         r0 = 0
         r0 = 0
         r0 = 0
         call 7
         if r0 > 1 goto second
         r0 = 0
         r0 = 0
         r0 = 0
         goto second
         first: r7 = 1
         again: may_goto left
         {long}goto again
         left: r0 = 0
         goto second
         out: if r7 == 1 goto other
         r0 = 0
         exit
         other: r0 = 1
         exit"
    ));
    let longest = 4 + 30 * GRANTED + 1 + 2 + 2 + 3;
    assert!((longest..longest * 3 / 2).contains(&info.max_insns), "{} {longest}", info.max_insns);
}

/// Where more was granted on the older path, less is left there. The other one is the longest
/// by a loop in front.
#[test]
fn all_that_is_left_counts() {
    let info = SOCKET.accepts(
        "call 7
         r7 = 0
         if r0 != 0 goto skip
         may_goto left
         r7 = 1
         may_goto left
         r0 = 0
         exit
         left: r0 = 0
         r0 = 0
         r0 = 0
         r0 = 0
         call 7
         if r0 > 3 goto mid
         r0 = 0
         goto mid
         skip: r7 = 1
         r1 = 0
         long: r1 += 1
         if r1 != 400000000 goto long
         mid: r0 = 0
         r0 = 0
         r0 = 0
         r0 = 0
         r0 = 0
         second: may_goto out
         r0 = 0
         r0 = 0
         goto second
         out: if r7 == 1 goto other
         r0 = 1
         exit
         other: r0 = 2
         exit",
    );
    let longest = 3 + 2 + 800_000_000 + 5 + 4 * GRANTED + 1 + 3;
    assert_eq!(info.max_insns, longest);
}

/// What asked before a loop of something else has used a grant that its first round may count
/// for its own, and no other round may: there is nothing left.
#[test]
fn a_grant_stands_for_one_round_of_another_loop() {
    let long = "r0 = 0\n".repeat(28);
    let short = "r0 = 0\n".repeat(20);
    let rounds = 1_000_000;
    let info = SOCKET.accepts(&format!(
        "may_goto out
         r1 = {rounds}
         r2 = subprog[each] ll
         r3 = r10
         r4 = 0
         call 181
         out: r0 = 0
         exit
         each: may_goto left
         {long}goto each
         left: {short}r0 = 0
         exit"
    ));
    let longest = 6 + 30 * (GRANTED - 1) + rounds * (1 + 22) + 2;
    assert!((longest..longest * 3 / 2).contains(&info.max_insns), "{} {longest}", info.max_insns);
    // An iterator that goes round, and one in it that does not begin there.
    let ask = |slot: u32| format!("r1 = r10\nr1 += -{slot}\ncall kfunc 2");
    let new =
        |slot: u32, end: u64| format!("r1 = r10\nr1 += -{slot}\nr2 = 0\nr3 = {end}\ncall kfunc 1");
    let (outer, inner) = (1000, 100);
    let info = SOCKET.accepts(&format!(
        "{}
         {}
         {}
         if r0 == 0 goto out
         again: {}
         if r0 == 0 goto out
         more: {}
         if r0 == 0 goto left
         {long}goto more
         left: {short}goto again
         out: r1 = r10
         r1 += -8
         call kfunc 3
         r1 = r10
         r1 += -16
         call kfunc 3
         r0 = 0
         exit",
        new(8, outer),
        new(16, inner),
        ask(16),
        ask(8),
        ask(16)
    ));
    let longest = 10 + 4 + (outer * (4 + 4 + 21) + 4) + (inner - 1) * 33 + 8;
    assert!((longest..longest * 3 / 2).contains(&info.max_insns), "{} {longest}", info.max_insns);
}

/// What asked once more, and got nothing, comes to where others are that have used a grant since
/// they asked: theirs stands for a round behind, and here there is none.
#[test]
fn a_grant_that_was_used_stands_for_no_round() {
    let ask = "r0 = 0\nr1 = r10\nr1 += -8\ncall kfunc 2";
    for rounds in [1, 2, 3, 20] {
        let info = SOCKET.accepts(&format!(
            "r1 = r10
             r1 += -8
             r2 = 0
             r3 = {rounds}
             call kfunc 1
             first: {ask}
             if r0 == 0 goto out
             call 7
             r0 &= 3
             if r0 > 0 goto first
             goto last
             middle: {ask}
             if r0 == 0 goto last
             call 7
             r0 &= 3
             if r0 != 2 goto first
             last: {ask}
             if r0 == 0 goto out
             call 7
             r0 &= 3
             if r0 > 0 goto middle
             goto last
             out: r1 = r10
             r1 += -8
             call kfunc 3
             r0 = 0
             exit"
        ));
        // From the first to the last and back to itself, and with the last number to the middle.
        let longest = if rounds == 1 { 24 } else { 5 + 9 * (rounds - 1) + 8 + 2 * 5 + 5 };
        assert!((longest..longest * 2).contains(&info.max_insns), "{} {rounds}", info.max_insns);
    }
}
