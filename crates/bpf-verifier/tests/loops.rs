//! Loops: bounds, circles, what is compared where paths join.
#![allow(clippy::format_push_string, reason = "texts are put together as they are read")]

mod common;

use bpf_bytecode::BpfProgType;
use bpf_profile::ActiveProfile;
use bpf_verifier::{Verifier, VerifyErrorKind};
use common::{PACKET, SOCKET, UNPRIVILEGED, XDP, program, with_value};

/// Counts to `rounds`.
fn counting(rounds: u32) -> String {
    format!("r0 = 0\nr1 = 0\nagain: r0 += 2\nr1 += 1\nif r1 < {rounds} goto again\nexit")
}

#[test]
fn counted_loops_have_exact_bounds() {
    for rounds in [1, 2, 10, 1000, 50_000] {
        assert_eq!(SOCKET.accepts(&counting(rounds)).max_insns, 3 + 3 * u64::from(rounds));
    }
    // Down, by a product, nested.
    SOCKET.accepts("r0 = 100\nagain: r0 += -1\nif r0 != 0 goto again\nexit");
    SOCKET.accepts("r0 = 1\nagain: r0 *= 3\nif r0 < 1000 goto again\nexit");
    let nested = SOCKET.accepts(
        "r0 = 0
         r1 = 0
         outer: r2 = 0
         inner: r0 += 1
         r2 += 1
         if r2 < 10 goto inner
         r1 += 1
         if r1 < 20 goto outer
         exit",
    );
    assert_eq!(nested.max_insns, 2 + 20 * (1 + 10 * 3 + 2) + 1);
}

#[test]
fn circles() {
    SOCKET.rejects("infinite loop", "r0 = 0\nagain: goto again");
    SOCKET.rejects("infinite loop", "r0 = 0\nagain: r0 = 1\nif r0 == 1 goto again\nexit");
    SOCKET.rejects(
        "infinite loop",
        "r0 = 0\nagain: r1 = r0\ncall 5\nr0 = 0\nif r0 == 0 goto again\nexit",
    );
    // In a register, on the stack, in a function.
    SOCKET.rejects(
        "infinite loop",
        "*(u64 *)(r10 -8) = 3
         again: r0 = *(u64 *)(r10 -8)
         if r0 == 3 goto again
         exit",
    );
    SOCKET.rejects(
        "infinite loop",
        "call local f\nexit\nf: r0 = 0\nagain: if r0 == 0 goto again\nexit",
    );
}

/// A loop whose rounds differ, with a circle in its third one, which comes through places that
/// were come to in each: the rounds' head does not speak for what lies in them.
#[test]
fn circles_in_later_rounds() {
    let inner = "in: call 7
                 r7 = 2
                 if r0 == 3 goto more
                 r8 = 3
                 more: r9 = 4
                 r8 = 5
                 goto in";
    for (stay, then) in [("again", ""), ("one", ""), ("in", inner)] {
        let text = format!(
            "r6 = 0
             again: call 7
             if r0 == 1 goto one
             r7 = 1
             one: r7 = 2
             r8 = 3
             r9 = 4
             if r6 == 3 goto {stay}
             r6 += 1
             if r6 < 5 goto again
             exit
             {then}"
        );
        let program = program(BpfProgType::SocketFilter, &text);
        let error = Verifier::<ActiveProfile>::new().unroll_loops().verify(&program);
        let error = error.expect_err("it never ends").kind();
        assert!(matches!(error, VerifyErrorKind::InfiniteLoop { .. }), "{stay}: {error}");
        SOCKET.rejects("infinite loop", &text);
    }
}

#[test]
fn loops_that_do_not_end_cost_the_budget_at_most() {
    // The counter is never the same twice, and never large enough.
    let endless =
        program(BpfProgType::SocketFilter, "r0 = 0\nagain: r0 += 2\nif r0 != 7 goto again\nexit");
    let error = Verifier::<ActiveProfile>::new().verify(&endless).unwrap_err();
    assert_eq!(error.kind(), VerifyErrorKind::TooComplex { limit: 1_500_000 });
    let error = Verifier::<ActiveProfile>::new().step_limit(5000).verify(&endless).unwrap_err();
    assert_eq!(error.kind(), VerifyErrorKind::TooComplex { limit: 5000 });
    // Depends on data that nobody bounds.
    SOCKET.rejects("", "r6 = r1\nagain: call 7\nif r0 != 0 goto again\nexit");
}

#[test]
fn bounded_by_what_is_read() {
    // At most as many rounds as the mask allows.
    let info = SOCKET.accepts(
        "r0 = *(u32 *)(r1 +0)
         r0 &= 15
         r2 = 0
         again: if r2 >= r0 goto out
         r2 += 1
         goto again
         out: exit",
    );
    assert!((48..60).contains(&info.max_insns), "{info:?}");
    // A walk over a packet.
    XDP.accepts(&format!(
        "{PACKET}
         r0 = 0
         r5 = 0
         again: r4 = r2
         r4 += 1
         if r4 > r3 goto out
         r6 = *(u8 *)(r2 +0)
         r0 += r6
         r2 += 1
         r5 += 1
         if r5 < 64 goto again
         out: exit"
    ));
}

/// Sums that differ on every path, and on which nothing is decided, do not
/// multiply the work.
#[test]
fn what_decides_nothing_is_not_compared() {
    let text = "r6 = r1
         r0 = 0
         r7 = 0
         again: r2 = *(u32 *)(r6 +0)
         if r2 & 1 goto odd
         r0 += 3
         goto both
         odd: r0 += 5
         both: r7 += 1
         if r7 < 200 goto again
         exit";
    let program = program(BpfProgType::SocketFilter, text);
    let verifier = Verifier::<ActiveProfile>::new();
    let info = *verifier.verify_program(&program).expect("safe").info();
    assert!(info.processed < 5000, "{info:?}");
    assert_eq!(info.max_insns, 3 + 200 * 6 + 1);
    let unrolled = Verifier::<ActiveProfile>::new().unroll_loops();
    let info = *unrolled.verify_program(&program).expect("safe").info();
    assert!(info.processed < 5000, "{info:?}");
    let unrolled = Verifier::<ActiveProfile>::new().unroll_loops();
    let error = unrolled.compare_everything().verify(&program);
    assert!(matches!(error.unwrap_err().kind(), VerifyErrorKind::TooComplex { .. }));
}

/// The same number decides about an access later: then it is compared. The side
/// that behaves is walked first in each of these programs.
#[test]
#[allow(clippy::too_many_lines, reason = "a list of programs")]
fn what_decides_later_is_compared() {
    XDP.rejects(
        "invalid stack access",
        "r6 = *(u32 *)(r1 +12)
         r0 = 16
         r0 *= 40
         if r6 == 0 goto join
         r0 = 8
         join: r7 = r0
         r7 += 0
         r2 = r10
         r7 = -r7
         r2 += r7
         *(u8 *)(r2 +0) = 1
         r0 = 0
         exit",
    );
    // By way of the stack.
    XDP.rejects(
        "invalid stack access",
        "r6 = *(u32 *)(r1 +12)
         *(u64 *)(r10 -8) = 640
         if r6 == 0 goto join
         *(u64 *)(r10 -8) = 8
         join: r7 = *(u64 *)(r10 -8)
         r2 = r10
         r7 = -r7
         r2 += r7
         *(u8 *)(r2 +0) = 1
         r0 = 0
         exit",
    );
    // As the bound of another number.
    SOCKET.rejects(
        "invalid stack access",
        "r6 = *(u32 *)(r1 +0)
         r7 = *(u32 *)(r1 +4)
         r8 = 6400
         if r6 == 0 goto join
         r8 = 8
         join: if r7 > r8 goto out
         r2 = r10
         r2 += -8
         r7 = -r7
         r2 += r7
         *(u8 *)(r2 +0) = 1
         out: r0 = 0
         exit",
    );
    // As the bound of a copy of the number that is used.
    SOCKET.rejects(
        "invalid stack access",
        "r6 = *(u32 *)(r1 +0)
         r7 = *(u32 *)(r1 +4)
         *(u64 *)(r10 -8) = r7
         r8 = 6400
         if r6 == 0 goto join
         r8 = 8
         join: if r7 > r8 goto out
         r7 = 0
         r3 = *(u64 *)(r10 -8)
         r2 = r10
         r2 += -8
         r3 = -r3
         r2 += r3
         *(u8 *)(r2 +0) = 1
         out: r0 = 0
         exit",
    );
    // As copies on one path, as strangers on the other.
    SOCKET.rejects(
        "invalid stack access",
        "r6 = *(u32 *)(r1 +0)
         r7 = *(u32 *)(r1 +4)
         r7 &= 0xffff
         r8 = *(u32 *)(r1 +8)
         r8 &= 0xffff
         if r6 == 0 goto join
         r8 = r7
         join: if r8 > 100 goto out
         r8 = 0
         r2 = r10
         r2 += -8
         r7 = -r7
         r2 += r7
         *(u8 *)(r2 +0) = 1
         out: r0 = 0
         exit",
    );
    // Where a jump goes one way only.
    SOCKET.rejects(
        "R9 !read_ok",
        "r6 = *(u32 *)(r1 +0)
         r7 = 0
         if r6 == 0 goto join
         r7 = 1
         join: r8 = 1
         r8 = 1
         if r7 != 0 goto out
         r0 = r9
         out: r0 = 0
         exit",
    );
    // As a size that a helper is passed.
    SOCKET.rejects(
        "invalid stack access",
        "r6 = *(u32 *)(r1 +0)
         r4 = 16
         if r6 == 0 goto join
         r4 = 8
         join: r2 = 0
         r3 = r10
         r3 += -8
         call 26
         r0 = 0
         exit",
    );
    // A zero on the stack, read with its neighbours.
    SOCKET.rejects(
        "unbounded or large value",
        "r6 = *(u32 *)(r1 +0)
         *(u64 *)(r10 -8) = 0
         *(u32 *)(r10 -16) = 0
         *(u32 *)(r10 -12) = 1
         if r6 == 0 goto join
         *(u32 *)(r10 -12) = 0
         join: r7 = *(u64 *)(r10 -16)
         r2 = r10
         r7 = -r7
         r2 += r7
         *(u8 *)(r2 -1) = 1
         r0 = 0
         exit",
    );
    // Bytes that only one side has written.
    UNPRIVILEGED.rejects(
        "invalid read from stack",
        "r6 = *(u32 *)(r1 +0)
         if r6 == 0 goto join
         *(u64 *)(r10 -8) = 0
         r7 = 0
         join: r8 = 0
         r8 = 1
         r0 = *(u64 *)(r10 -8)
         exit",
    );
    // Bytes that a helper reads, a frame further up.
    UNPRIVILEGED.rejects(
        "invalid read from stack",
        "r6 = *(u32 *)(r1 +0)
         r1 = r10
         r1 += -8
         if r6 == 0 goto join
         *(u64 *)(r10 -8) = 0
         r7 = 0
         join: r8 = 0
         r8 = 1
         call local f
         r0 = 0
         exit
         f: r2 = r1
         r1 = map[idx:0] ll
         call 1
         r0 = 0
         exit",
    );
}

#[test]
fn bounds_count_the_longest_path_through_joins() {
    let info = SOCKET.accepts(
        "r0 = *(u32 *)(r1 +0)
         if r0 == 0 goto short
         r2 = 1
         r2 = 2
         r2 = 3
         r2 = 4
         r2 = 5
         r2 = 6
         short: r0 = 0
         r0 = 1
         r0 = 2
         exit",
    );
    assert_eq!(info.max_insns, 12);
    // The short side comes second and is cut off at the join.
    let info = SOCKET.accepts(
        "r0 = *(u32 *)(r1 +0)
         if r0 == 0 goto long
         r2 = 1
         goto join
         long: r2 = 1
         r2 = 2
         r2 = 3
         r2 = 4
         r2 = 5
         r2 = 6
         goto join
         join: r0 = 0
         r0 = 1
         r0 = 2
         exit",
    );
    assert_eq!(info.max_insns, 2 + 7 + 4);
}

/// Three ways to `join`: the first two behave, and differ in R8 until `low`,
/// where the second one's walk ends as the first one's covers it. What that one
/// needed, the second one needs, too; the third has other than that.
fn three_ways(third: &str, first: &str, needed: &str) -> String {
    format!(
        "r6 = *(u32 *)(r1 +0)
         r9 = *(u32 *)(r1 +4)
         r5 = *(u32 *)(r1 +8)
         r8 = 1
         {third}
         if r6 == 0 goto join
         {first}
         if r9 == 0 goto join
         r8 = 0
         r3 = 0
         join: r3 = 1
         r3 = 2
         if r5 > 50 goto low
         if r8 == 0 goto low
         r3 = 4
         low: r8 = 0
         r3 = 7
         r2 = r10
         {needed}
         r0 = 0
         exit"
    )
}

#[test]
fn what_a_covering_state_needs_is_needed() {
    let number = "r7 = -r7\nr2 += r7\n*(u8 *)(r2 +0) = 1";
    SOCKET.accepts(&three_ways("r7 = 8", "r7 = 16", number));
    SOCKET.rejects("invalid stack access", &three_ways("r7 = 640", "r7 = 8", number));
    let bytes = "r7 = *(u64 *)(r10 -8)";
    SOCKET.accepts(&three_ways("*(u64 *)(r10 -8) = 3", "*(u64 *)(r10 -8) = 4", bytes));
    UNPRIVILEGED.rejects("invalid read", &three_ways("r7 = 0", "*(u64 *)(r10 -8) = 4", bytes));
}

/// What is decided behind a second join matters at the first one. The second and
/// the third are joins by the graph only, so that no state meets another there.
#[test]
fn needs_go_back_over_several_joins() {
    let text = |other: &str, first: &str, needed: &str| {
        format!(
            "r6 = *(u32 *)(r1 +0)
             r9 = *(u32 *)(r1 +4)
             {other}
             if r6 == 0 goto first
             {first}
             r3 = 1
             first: r3 = 2
             r8 = r7
             if r9 == 0 goto out
             r3 = 3
             if r3 == 9 goto second
             r3 = 4
             second: r3 = 5
             if r9 == 1 goto out
             r3 = 6
             if r3 == 9 goto third
             r3 = 7
             third: r2 = r10
             {needed}
             out: r0 = 0
             exit"
        )
    };
    let number = "r8 = -r8\nr2 += r8\n*(u8 *)(r2 +0) = 1";
    SOCKET.accepts(&text("r7 = 16", "r7 = 8", number));
    SOCKET.rejects("invalid stack access", &text("r7 = 640", "r7 = 8", number));
    let bytes = "r8 = *(u64 *)(r10 -8)";
    SOCKET.accepts(&text("r7 = 0\n*(u64 *)(r10 -8) = 3", "*(u64 *)(r10 -8) = 4", bytes));
    UNPRIVILEGED.rejects("invalid read", &text("r7 = 0", "*(u64 *)(r10 -8) = 4", bytes));
}

/// More on the stack than there are bits for what a number rests on.
#[test]
fn crowded_stacks() {
    let text = |other: u32, bytes: usize| {
        let mut text = String::from("r6 = *(u32 *)(r1 +0)\n");
        for at in 0..bytes {
            text.extend([
                "*(u8 *)(r10 -",
                &(9 + at).to_string(),
                ") = ",
                &(1 + at % 7).to_string(),
                "\n",
            ]);
        }
        text + &format!(
            "*(u64 *)(r10 -8) = {other}
             if r6 == 0 goto join
             *(u64 *)(r10 -8) = 8
             r3 = 1
             r3 = 2
             join: r3 = 3
             if r6 == 9 goto out
             r3 = 4
             if r3 == 9 goto next
             r3 = 5
             next: r3 = 6
             r3 = *(u64 *)(r10 -8)
             r2 = r10
             r3 = -r3
             r2 += r3
             *(u8 *)(r2 +0) = 1
             out: r0 = 0
             exit"
        )
    };
    for bytes in [1, 58, 59, 60, 61, 62, 63, 64, 100] {
        SOCKET.accepts(&text(16, bytes));
        SOCKET.rejects("invalid stack access", &text(640, bytes));
    }
}

/// A pattern with `?` and `*` is looked for in a packet: the walk goes round by round, and in the
/// end comes to states that it has walked from, behind many of other rounds.
#[test]
fn many_rounds_in_between_are_no_reason_to_forget_one() {
    let rest = with_value(
        "r4 = r7
         r4 += 42
         *(u64 *)(r10 -16) = r4
         r7 += 43
         if r6 < r7 goto done
         r8 = 64
         r2 = 0
         r3 = -1
         r1 = r2
         r5 = r2
         again: r7 = *(u64 *)(r10 -16)
         r7 += r5
         r7 = *(u8 *)(r7 +0)
         if w1 s> 4 goto past
         r4 = r0
         r4 += r1
         r5 = *(u8 *)(r4 +0)
         r5 <<= 56
         r5 s>>= 56
         if w5 == w7 goto both
         if w5 != 63 goto other
         both: w1 += 1
         r1 <<= 32
         r1 s>>= 32
         w2 += 1
         r2 <<= 32
         r2 s>>= 32
         goto next
         other: if w5 != 42 goto past
         r4 = r1
         w4 += 1
         r4 <<= 32
         r3 = r1
         r1 = r4
         r1 s>>= 32
         next: r5 = r8
         w5 += -1
         w8 = w5
         if w5 == 0 goto out
         r5 = r2
         r4 = r2
         r4 += 1
         r7 = *(u64 *)(r10 -16)
         r7 += r4
         if r6 < r7 goto out
         if w2 != 61 goto again
         out: *(u32 *)(r0 +0) = r1
         r0 = 3
         exit
         past: if w3 == -1 goto out
         r1 = r3
         goto both
         done: r0 = 2
         exit",
    );
    let text = format!("r7 = *(u32 *)(r1 +0)\nr6 = *(u32 *)(r1 +4)\n{rest}");
    let program = program(BpfProgType::Xdp, &text);
    Verifier::<ActiveProfile>::new().verify(&program).expect("safe");
}

/// Numbers below `end` on the stack are crossed out, as multiples of `i` from `i * i` on, which is
/// counted apart from what is compared.
fn sieve(end: usize, test: &str) -> String {
    let zeros: Vec<String> =
        (1..=end / 8).map(|n| format!("*(u64 *)(r10 -{}) = 0", 8 * n)).collect();
    let zeros = zeros.join("\n");
    format!(
        "{zeros}
         r1 = 4
         r2 = 2
         r3 = 5
         goto test
         inner: r6 = r10
         r6 += -{end}
         r6 += r5
         *(u8 *)(r6 +0) = 1
         r5 += r2
         if r5 < {end} goto inner
         next: w1 += w3
         r3 += 2
         r2 += 1
         if r2 == {end} goto out
         test: r5 = r10
         r5 += -{end}
         r5 += r2
         r5 = *(u8 *)(r5 +0)
         if w5 != 0 goto next
         r5 = r2
         r5 *= r5
         if {test} goto next
         r5 = r1
         goto inner
         out: r0 = 0
         exit"
    )
}

/// Guesses at the outer loop fail, and with them those that are made of the inner one meanwhile.
/// By itself that is proven again and again, and not walked round by round.
#[test]
fn a_loop_in_one_that_is_walked_round_by_round_is_not() {
    for (end, most) in [(64, 2_000), (200, 6_000)] {
        let info = SOCKET.accepts(&sieve(end, &format!("r5 > {}", end - 1)));
        assert!(info.processed < most, "{info:?}");
    }
    // No number has crossed out 11, and its square is beyond the end.
    SOCKET.rejects("invalid", &sieve(64, "r5 > 121"));
}
