//! Loops whose summary is tempting and wrong: each is refused, or its bound holds.

mod common;

use bpf_profile::ActiveProfile;
use bpf_verifier::{Verifier, VerifyErrorKind};
use common::{LOOKUP, SOCKET, program};

/// Refused, as it does not end or was not proven to, within a budget that a
/// summary would not need.
#[track_caller]
fn endless(text: &str) {
    let program = program(bpf_bytecode::BpfProgType::SocketFilter, text);
    let result = Verifier::<ActiveProfile>::new().step_limit(20_000).verify(&program);
    let kind = result.expect_err(text).kind();
    let expected =
        matches!(kind, VerifyErrorKind::TooComplex { .. } | VerifyErrorKind::InfiniteLoop { .. });
    assert!(expected, "{kind:?}\n{text}");
}

#[test]
fn loops_that_do_not_end() {
    // Passes the number that it is compared with.
    endless("r0 = 0\nagain: r0 += 2\nif r0 != 7 goto again\nexit");
    // Wraps at 32 bits before it gets there, or at 64.
    endless("r0 = 0\nr1 = 0x100000000 ll\nagain: w0 += 1\nif r0 < r1 goto again\nexit");
    endless("r0 = 0\nagain: r0 += 1\nif r0 <= -1 goto again\nexit");
    endless("r0 = 5\nagain: r0 -= 1\nif r0 >= 0 goto again\nexit");
    endless("w0 = 5\nagain: w0 -= 1\nif w0 >= 0 goto again\nr0 = 0\nexit");
    // Stands still where it is 0.
    endless("r1 = *(u32 *)(r1 +0)\nr0 = 0\nagain: r1 >>= 1\nif r1 < 100 goto again\nexit");
    endless("r1 = *(u32 *)(r1 +0)\nr1 &= 7\nagain: r1 <<= 1\nif r1 < 100 goto again\nr0 = 0\nexit");
    // The step is skipped on one way.
    endless(
        "r6 = *(u32 *)(r1 +0)
         r0 = 0
         again: if r6 == 7 goto skip
         r0 += 1
         skip: if r0 < 10 goto again
         exit",
    );
    // The step may be 0.
    endless(
        "r6 = *(u32 *)(r1 +0)
         r6 &= 3
         r0 = 0
         again: r0 += r6
         if r0 < 10 goto again
         exit",
    );
    // Taken back where nothing shows it.
    endless(
        "r7 = r1
         r0 = 0
         again: r6 = *(u32 *)(r7 +0)
         r0 += 1
         if r6 != 7 goto on
         r0 -= 1
         on: if r0 < 10 goto again
         exit",
    );
    // The bound moves along.
    endless("r0 = 0\nr6 = 10\nagain: r0 += 1\nr6 += 1\nif r0 < r6 goto again\nexit");
    // Another variable decides.
    endless("r0 = 0\nr6 = 0\nagain: r6 += 1\nif r0 < 10 goto again\nexit");
    // Changed through a pointer to the stack.
    endless(
        "*(u64 *)(r10 -8) = 0
         r6 = r10
         r6 += -8
         again: r0 = *(u64 *)(r10 -8)
         r0 += 1
         *(u64 *)(r10 -8) = r0
         *(u64 *)(r6 +0) = 0
         if r0 < 10 goto again
         exit",
    );
    // Set back at the end of every outer round, by the inner loop.
    endless(
        "r0 = 0
         outer: r6 = 0
         inner: r6 += 1
         if r6 < 10 goto inner
         r0 += 1
         r0 -= 1
         if r0 < 10 goto outer
         exit",
    );
    // Set back to a number that it comes to by itself on another way, past the same place.
    for by_itself in ["if w2 == 7 goto meet", "if w2 != 7 goto set\ngoto meet"] {
        let text = |set: &str| {
            format!(
                "r7 = r1
                 r2 = *(u32 *)(r7 +0)
                 again: w2 += 1
                 if w2 == 0 goto out
                 {by_itself}
                 set: r6 = *(u32 *)(r7 +4)
                 if r6 != 3 goto again
                 {set}
                 meet: r0 = 1
                 r0 = 2
                 r0 = 3
                 r0 = 4
                 r1 = *(u32 *)(r7 +8)
                 if r1 == 3 goto again
                 r0 = 4
                 goto again
                 out: r0 = 0
                 exit"
            )
        };
        SOCKET.accepts(&text("r0 = 7"));
        endless(&text("w2 = 7"));
    }
    // Set back in a function.
    endless(
        "r6 = r10
         r6 += -8
         *(u64 *)(r10 -8) = 0
         again: r1 = r6
         call local f
         r0 = *(u64 *)(r10 -8)
         r0 += 1
         *(u64 *)(r10 -8) = r0
         if r0 < 10 goto again
         exit
         f: *(u64 *)(r1 +0) = 0
         r0 = 0
         exit",
    );
}

#[test]
fn accesses_in_the_last_round() {
    let text = |more: &str, test: &str| {
        format!(
            "{LOOKUP}
             if r0 == 0 goto out
             r6 = 0
             again: r1 = r0
             r1 += r6
             r2 = *(u8 *)(r1 +0)
             r6 += 1
             {more}
             {test} goto again
             out: r0 = 0
             exit"
        )
    };
    SOCKET.accepts(&text("", "if r6 < 48"));
    SOCKET.rejects("invalid access", &text("", "if r6 <= 48"));
    SOCKET.rejects("invalid access", &text("", "if r6 != 49"));
    // Changed on a rare way.
    let rare = "r3 = *(u8 *)(r0 +3)\nif r3 != 77 goto common\nr6 += 1\ncommon: r3 = 0";
    SOCKET.accepts(&text(rare, "if r6 < 48"));
    SOCKET.rejects("", &text(rare, "if r6 != 48"));
    // The one that is compared is not the one that is used.
    let other = text("r7 = r6", "if r7 < 48").replace("r1 = r0", "r6 += 30\nr1 = r0");
    SOCKET.rejects("invalid access", &other);
}

#[test]
fn behind_the_loop() {
    // The number is as large as the last round leaves it.
    let text = |limit: u32| {
        format!(
            "{LOOKUP}
             if r0 == 0 goto out
             r6 = 0
             again: r6 += 5
             if r6 < {limit} goto again
             r0 += r6
             r1 = *(u8 *)(r0 +0)
             out: r0 = 0
             exit"
        )
    };
    SOCKET.accepts(&text(44));
    SOCKET.rejects("invalid access", &text(46));
    // Pointers that were null in one round only.
    SOCKET.rejects(
        "map_value_or_null",
        &format!(
            "r6 = 0
             again: {LOOKUP}
             r7 = r0
             r6 += 1
             if r6 < 1000 goto again
             r0 = *(u64 *)(r7 +0)
             exit"
        ),
    );
    // Memory that every round reserves and none releases.
    SOCKET.rejects(
        "",
        "r6 = 0
         again: r1 = map[idx:2] ll
         r2 = 8
         r3 = 0
         call 131
         r6 += 1
         if r6 < 1000 goto again
         r0 = 0
         exit",
    );
}

/// A load into the frame pointer, refused inside of a loop whose summary is
/// looked for: the walk must not try to go on behind it for ever.
#[test]
fn the_frame_pointer_is_not_written_in_a_loop() {
    let text = "r0 = 0\nagain: r0 += 1\nr10 = *(u64 *)(r10 -8)\nif r0 < 100 goto again\nexit";
    let program = program(bpf_bytecode::BpfProgType::SocketFilter, text);
    let kind = Verifier::<ActiveProfile>::new().verify(&program).expect_err(text).kind();
    assert_eq!(kind, VerifyErrorKind::FramePointerWrite);
}

/// Looks for a number in a map's value, by what R1 is when it was cut so, and reads where the
/// number, or R6 by then, says.
fn found_by(load: &str, cut: &str, test: &str, index: &str) -> String {
    format!(
        "{LOOKUP}
         if r0 == 0 goto out
         r7 = r0
         r8 = 0
         again: r6 = *({load} *)(r7 +0)
         r1 = r6
         {cut}
         {test} goto next
         {index}
         r7 += r6
         r1 = *(u8 *)(r7 +0)
         goto out
         next: r8 += 1
         if r8 < 1000 goto again
         out: r0 = 0
         exit"
    )
}

/// A number that was raised by 32 bits and added to is, lowered again, the sum only where
/// that has room in 32 bits: what it is compared with says nothing of the number else.
#[test]
fn sums_between_two_shifts() {
    let text = |load: &str, sum: &str, test: &str, index: &str| {
        found_by(load, &format!("r1 <<= 32\n{sum}"), test, index)
    };
    let more = |by: &str, op: &str, back: &str| format!("r2 = {by} ll\nr1 {op} r2\nr1 {back} 32");
    let one = "0x100000000";
    let three = "0x300000000";
    // The number is the one that is compared, less or more.
    SOCKET.accepts(&text("u16", &more(one, "+=", ">>="), "if r1 > 48", ""));
    SOCKET.accepts(&text("u16", &more(three, "-=", "s>>="), "if r1 s> 44", ""));
    SOCKET.rejects("invalid access", &text("u16", &more(one, "+=", ">>="), "if r1 > 49", ""));
    SOCKET.rejects("invalid access", &text("u16", &more(three, "-=", "s>>="), "if r1 s> 45", ""));
    // The upper half was lost before.
    for back in [">>=", "s>>="] {
        SOCKET.rejects("", &text("u64", &more("0", "+=", back), "if r1 > 7", ""));
        SOCKET.rejects("", &text("u64", &more(one, "+=", back), "if r1 > 7", ""));
    }
    // The sum passes an end: 2^32 is 0, -1 is the greatest number, and so on.
    SOCKET.rejects("", &text("u32", &more(one, "+=", ">>="), "if r1 > 7", ""));
    let from_end = "r3 = 0xffffffff ll\nr3 -= r6\nr6 = r3";
    let down = more(one, "-=", ">>=");
    SOCKET.rejects("", &text("u32", &down, "r4 = 0xfffffff8 ll\nif r1 < r4", from_end));
    let from_least = "r6 += 0x7fffffff\nr6 += 1";
    let up = more(one, "+=", "s>>=");
    SOCKET.rejects("", &text("s32", &up, "if r1 s> -0x7ffffff9", from_least));
    let from_most = "r3 = 0x7fffffff\nr3 -= r6\nr6 = r3";
    let down = more(one, "-=", "s>>=");
    SOCKET.rejects("", &text("s32", &down, "if r1 s< 0x7ffffff8", from_most));
    // Halves of one make one.
    let halves = "r2 = 0x80000000 ll\nr1 -= r2\nr1 -= r2\nr1 s>>= 32";
    SOCKET.rejects("invalid access", &text("u16", halves, "if r1 s> 47", ""));
}

/// The low bits of a number are not the number.
#[test]
fn masks_in_a_loop() {
    for (load, mask) in [("u16", "r1 &= 0xff"), ("u64", "w1 &= 0xffff"), ("u64", "w1 &= -1")] {
        SOCKET.rejects("", &found_by(load, mask, "if r1 > 7", ""));
    }
}
