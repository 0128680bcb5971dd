//! Loops that are not walked round by round.

mod common;

use bpf_verifier::VerifiedInfo;
use common::{LOOKUP, PACKET, SOCKET, Suite, XDP};

/// The program is accepted, and the walk took no more steps than `most`.
#[track_caller]
fn quick(suite: Suite, most: u64, text: &str) -> VerifiedInfo {
    let info = suite.accepts(text);
    println!("processed {} bound {} states {}", info.processed, info.max_insns, info.total_states);
    assert!(info.processed <= most, "{info:?}\n{text}");
    info
}

/// Where a sum of 32 bits has its sign extended, as compilers have it that count an `int` in 64
/// bits, the counter may come to lie below 0.
#[test]
fn counters_with_their_sign_extended_go_below_0() {
    let signs = ["r0 <<= 32\nr0 s>>= 32", "r0 = (s32)r0"];
    let tests = ["if w0 != -1", "if r0 s>= 0", "if r0 != -1", "if w0 s> -1"];
    for rounds in [20, 100_000_000_u64] {
        for (sign, test) in signs.iter().flat_map(|sign| tests.map(|test| (sign, test))) {
            let down = format!("r0 = {rounds}\nagain: w0 += -1\n{sign}\n{test} goto again\nexit");
            let insns = sign.lines().count() as u64 + 2;
            assert_eq!(quick(SOCKET, 110, &down).max_insns, 2 + insns * (rounds + 1));
        }
    }
}

#[test]
fn time_does_not_depend_on_the_rounds() {
    for rounds in [10, 1000, 100_000_000_u64] {
        // Up, checked at the end; r0 may be anything afterwards.
        let up =
            format!("r0 = 0\nr1 = 0\nagain: r0 += 2\nr1 += 1\nif r1 < {rounds} goto again\nexit");
        assert_eq!(quick(SOCKET, 100, &up).max_insns, 3 + 3 * rounds);
        // Checked at the head.
        let head =
            format!("r0 = 0\nagain: if r0 >= {rounds} goto out\nr0 += 1\ngoto again\nout: exit");
        assert_eq!(quick(SOCKET, 100, &head).max_insns, 3 + 3 * rounds);
        // Until it is equal.
        let equal = format!("r0 = 0\nagain: r0 += 1\nif r0 != {rounds} goto again\nexit");
        assert_eq!(quick(SOCKET, 100, &equal).max_insns, 2 + 2 * rounds);
        // Down to zero, at 32 bits.
        let down = format!("w0 = {rounds}\nagain: w0 += -1\nif w0 != 0 goto again\nexit");
        assert_eq!(quick(SOCKET, 100, &down).max_insns, 2 + 2 * rounds);
        // Signed.
        let down = format!("r0 = {rounds}\nagain: r0 += -1\nif r0 s>= 0 goto again\nexit");
        assert_eq!(quick(SOCKET, 100, &down).max_insns, 2 + 2 * (rounds + 1));
        // On the stack.
        let spilled = format!(
            "*(u64 *)(r10 -8) = 0
             again: r1 = *(u64 *)(r10 -8)
             r1 += 1
             *(u64 *)(r10 -8) = r1
             if r1 < {rounds} goto again
             r0 = 0
             exit"
        );
        assert_eq!(quick(SOCKET, 150, &spilled).max_insns, 3 + 4 * rounds);
    }
}

#[test]
fn counters_that_are_cut_to_32_bits_by_shifts() {
    for rounds in [10, 1000, 100_000_000_u64] {
        // As compilers count without instructions of 32 bits.
        let unsigned = format!(
            "r0 = 0\nr1 = 0\nagain: r0 += 2\nr1 += 1\nr2 = r1\nr2 <<= 32\nr2 >>= 32\n\
             if r2 < {rounds} goto again\nexit"
        );
        assert_eq!(quick(SOCKET, 150, &unsigned).max_insns, 3 + 6 * rounds);
        let signed = format!(
            "r0 = 0\nr1 = {rounds}\nagain: r0 += 2\nr1 += -1\nr2 = r1\nr2 <<= 32\n\
             r2 s>>= 32\nif r2 s> 0 goto again\nexit"
        );
        assert_eq!(quick(SOCKET, 150, &signed).max_insns, 3 + 6 * rounds);
    }
}

/// A loop that stores to the stack at `r10 - 8 + r6`, a number that `before` leaves, if `part`
/// of it in R2 is not `beyond`.
fn guarded(before: &str, part: &str, beyond: &str) -> String {
    format!(
        "r6 = *(u32 *)(r1 +0)
         {before}
         r0 = 0
         r3 = 0
         again: r2 = r6
         {part}
         if r2 {beyond} goto next
         r4 = r10
         r4 += -8
         r4 += r6
         *(u8 *)(r4 +0) = 1
         next: r3 += 1
         if r3 < 100 goto again
         exit"
    )
}

#[test]
fn counters_that_count_between_two_shifts() {
    for rounds in [10, 1000, 100_000_000_u64] {
        let up = format!(
            "r0 = 0\nr1 = 0\nr3 = 0x100000000 ll\nagain: r0 += 2\nr1 <<= 32\nr1 += r3\n\
             r1 s>>= 32\nif r1 s< {rounds} goto again\nexit"
        );
        assert_eq!(quick(SOCKET, 150, &up).max_insns, 4 + 5 * rounds);
        let down = up.replace("r1 = 0", &format!("r1 = {rounds}"));
        let down = down.replace("r1 += r3", "r1 -= r3");
        let down = down.replace(&format!("s< {rounds}"), "s> 0");
        assert_eq!(quick(SOCKET, 150, &down).max_insns, 4 + 5 * rounds);
    }
}

/// A number is at hand again, and what was added between the shifts, if the sum fits into the
/// half, and is of the upper one alone.
#[test]
fn what_is_added_between_two_shifts_is_known() {
    let program = |load: &str, more: i64, back: &str, beyond: &str| {
        let part = format!("r5 = {more} ll\nr2 <<= 32\nr2 += r5\nr2 {back} 32");
        guarded(load, &part, beyond)
    };
    let one = 1 << 32;
    let (unsigned, signed) = (">>=", "s>>=");
    SOCKET.accepts(&program("r6 &= 0xffff", one, unsigned, "> 8"));
    SOCKET.accepts(&program("r6 &= 0xffff", one, signed, "s> 8"));
    SOCKET.accepts(&program("r6 >>= 1", one, unsigned, "> 8"));
    SOCKET.accepts(&program("r6 &= 0xffff", -one, signed, "s> 6"));
    for (load, more, back, cond) in [
        // One more than there may be.
        ("r6 &= 0xffff", one, unsigned, "> 9"),
        ("r6 &= 0xffff", -one, signed, "s> 7"),
        // The sum wraps: of the greatest number it is 0, or the least one.
        ("r6 += 0", one, unsigned, "> 8"),
        ("r6 &= 0x7fffffff", one, signed, "s> 8"),
        // Of the low half something is left.
        ("r6 &= 0xffff", one - 1, unsigned, "> 8"),
        ("r6 &= 0xffff", one / 2, unsigned, "> 8"),
    ] {
        SOCKET.rejects("stack", &program(load, more, back, cond));
    }
    // Less, too.
    let less = |by, cond| program("r6 &= 0xffff", by, signed, cond).replace("r2 +=", "r2 -=");
    SOCKET.accepts(&less(one, "s> 6"));
    SOCKET.accepts(&less(-one, "s> 8"));
    for (by, cond) in [(one, "s> 7"), (-one, "s> 9"), (one / 2, "s> 7")] {
        SOCKET.rejects("stack", &less(by, cond));
        SOCKET.rejects("stack", &less(by, cond).replace("0xffff\n", "0xffff\nr6 += 1\n"));
    }
    // Below zero as well, up to where the sum of the greatest wraps.
    let below = |load: &str, most: i32| {
        let text = program(load, 13 * one, signed, &format!("s> {most}"));
        text.replace("r4 += -8", "if r6 s< -12 goto next")
    };
    SOCKET.accepts(&below("r6 &= 0xffff\nr6 -= 12", 12));
    SOCKET.accepts(&below("r6 <<= 32\nr6 s>>= 33", 12));
    for (load, most) in [("r6 &= 0xffff\nr6 -= 12", 13), ("r6 <<= 32\nr6 s>>= 32", 12)] {
        SOCKET.rejects("stack", &below(load, most));
    }
}

/// A 32-bit sum of which the sign is extended is the number and so much, if that fits with a sign.
#[test]
fn a_sum_with_its_sign_extended_is_known() {
    for sign in ["r2 <<= 32\nr2 s>>= 32", "r2 = (s32)r2"] {
        let program =
            |load: &str, sum: &str, cond: &str| guarded(load, &format!("{sum}\n{sign}"), cond);
        for (load, sum, cond) in [
            ("r6 &= 0xffff", "w2 += -1", "s> 6"),
            ("r6 &= 0xffff", "w2 -= 1", "s> 6"),
            ("r6 &= 0xffff", "w2 += -1\nw2 += -1", "s> 5"),
            ("r6 &= 0xffff", "w2 += -3\nw2 += 5", "s> 9"),
            ("r6 >>= 2", "w2 += -1", "s> 6"),
        ] {
            SOCKET.accepts(&program(load, sum, cond));
        }
        for (load, sum, cond) in [
            // One more than there may be.
            ("r6 &= 0xffff", "w2 += -1", "s> 7"),
            ("r6 &= 0xffff", "w2 += -1\nw2 += -1", "s> 6"),
            ("r6 &= 0xffff", "w2 += -3\nw2 += 5", "s> 10"),
            // The sum does not fit: the greatest is negative.
            ("r6 &= 0x7fffffff", "w2 += 1", "s> 8"),
            ("r6 &= 0x7fffffff", "w2 += -1\nw2 += 2", "s> 8"),
            ("r6 += 0", "w2 += -1", "s> 6"),
        ] {
            SOCKET.rejects("stack", &program(load, sum, cond));
        }
    }
    // Below zero as well, down to where the sum of the least wraps.
    let below = |load: &str, sum: &str, most: i32| {
        let text = guarded(load, &format!("{sum}\nr2 <<= 32\nr2 s>>= 32"), &format!("s> {most}"));
        text.replace("r4 += -8", "if r6 s< -12 goto next")
    };
    SOCKET.accepts(&below("r6 &= 0xffff\nr6 -= 12", "w2 += 13", 12));
    SOCKET.accepts(&below("r6 <<= 32\nr6 s>>= 33", "w2 += -13", -14));
    for (load, sum, most) in [
        ("r6 &= 0xffff\nr6 -= 12", "w2 += 13", 13),
        ("r6 <<= 32\nr6 s>>= 32", "w2 += 13", 12),
        // The number has more than 32 bits, and the sum of its low half is small.
        ("r5 = 0x100000000 ll\nr6 &= 7\nr6 *= r5\nr6 -= 8", "w2 += 13", 12),
    ] {
        SOCKET.rejects("stack", &below(load, sum, most));
    }
}

#[test]
fn counters_of_32_bits_below_zero() {
    for rounds in [10, 1000, 100_000_000_u32] {
        // As a number of 64 bits it is a large one, and goes on upwards.
        let end = (1_u32 << 31) + rounds;
        let (start, end) = (i32::MIN, end.cast_signed());
        let signed = format!("w0 = {start}\nagain: w0 += 1\nif w0 s< {end} goto again\nexit");
        let exact = 2 + 2 * u64::from(rounds);
        assert_eq!(quick(SOCKET, 100, &signed).max_insns, exact);
        // Checked at the head, against a register.
        let head = format!(
            "w0 = {start}\nw1 = {end}\nagain: if w0 s>= w1 goto out\nw0 += 1\ngoto again\n\
             out: exit"
        );
        assert_eq!(quick(SOCKET, 100, &head).max_insns, 4 + 3 * u64::from(rounds));
    }
    // It passes no end before it begins anew.
    SOCKET.rejects("", "w0 = -10\nagain: w0 += 2\nif w0 s< 0x7fffffff goto again\nexit");
}

#[test]
fn counters_that_end_past_their_width() {
    for rounds in [10, 1000, 100_000_000_u64] {
        // As compilers count down: from below zero up to it, where the sum wraps.
        let up = format!("w2 = -{rounds}\nagain: w2 += 1\nif w2 != 0 goto again\nr0 = 0\nexit");
        assert_eq!(quick(SOCKET, 150, &up).max_insns, 3 + 2 * rounds);
        let flag = format!(
            "w2 = -{rounds}\ngoto body\ntop: w3 &= 1\nif w3 != 0 goto out\nbody: w2 += 1\n\
             w3 = 1\nif w2 == 0 goto top\nw3 = 0\ngoto top\nout: r0 = 0\nexit"
        );
        assert_eq!(quick(SOCKET, 150, &flag).max_insns, 2 + 7 * rounds);
        let down = format!("w2 = {rounds}\nagain: w2 += -1\nif w2 != -1 goto again\nr0 = 0\nexit");
        assert_eq!(quick(SOCKET, 150, &down).max_insns, 3 + 2 * (rounds + 1));
    }
    // What steps over its end goes round again, more than a billion times.
    for text in ["w2 = -10\nagain: w2 += 3", "w2 = 10\nagain: w2 += -3"] {
        SOCKET.rejects("", &format!("{text}\nif w2 != 0 goto again\nr0 = 0\nexit"));
    }
    // And a counter that never ends, unless it is looked at before it wraps.
    SOCKET.rejects("", "w2 = 1\nagain: w2 += 1\nif w2 > 0 goto on\non: goto again");
}

#[test]
fn counters_of_which_low_bits_are_compared() {
    for rounds in [10, 1000, 60_000_u64] {
        let text = format!(
            "r0 = 0\nw2 = 0\nagain: w3 = w2\nw3 &= 0xffff\nw2 += 1\n\
             if w3 < {rounds} goto again\nexit"
        );
        assert_eq!(quick(SOCKET, 150, &text).max_insns, 3 + 4 * (rounds + 1));
    }
    // Low bits are not the number.
    let program = |mask: u32| guarded("r6 &= 0xfff", &format!("r2 &= {mask}"), "> 7");
    SOCKET.accepts(&program(0xfff));
    SOCKET.rejects("stack", &program(0xff));
    SOCKET.rejects("stack", &program(0x7ff));
}

/// As compilers count where a number begins below zero: its low bits pass the end of their width,
/// and the number itself goes on.
#[test]
fn counters_of_which_low_bits_begin_anew() {
    for rounds in [10, 1000, 30_000_u32] {
        let begin = rounds.wrapping_neg();
        let count = |start: u32, step: u32, test: &str| {
            let text = format!(
                "r0 = 0\nr1 = {start:#x} ll\nagain: r1 += {step}\nr2 = r1\n{test} goto again\nexit"
            );
            quick(SOCKET, 80, &text).max_insns
        };
        let times = |each: u64| 3 + each * u64::from(rounds);
        // By steps, too.
        let low = format!("r2 <<= 32\nr2 >>= 32\nif r2 < {rounds}");
        assert_eq!(count(u32::MAX, 1, &low), times(5) + 5);
        let steps = u64::from(rounds).div_ceil(3) + 1;
        assert_eq!(count(u32::MAX - 2, 3, &low), 3 + 5 * steps);
        assert_eq!(count(begin, 1, "r2 <<= 32\nr2 >>= 32\nif r2 != 0"), times(5));
        assert_eq!(count(begin.wrapping_mul(2), 2, "r2 <<= 32\nr2 s>>= 32\nif r2 s< 0"), times(5));
        assert_eq!(count(begin, 1, "w2 = w2\nif r2 != 0"), times(4));
        assert_eq!(count(begin, 1, "w2 = w1\nif r2 == r1"), times(4));
        // The same at 16 bits.
        let begin = begin & 0xffff;
        for cut in ["r2 <<= 48\nr2 s>>= 48", "w2 <<= 16\nw2 s>>= 16"] {
            for test in ["if w2 != 0", "if w2 s< 0"] {
                assert_eq!(count(begin, 1, &format!("{cut}\n{test}")), times(5));
            }
        }
        for test in
            ["r2 = (s16)r1\nif r2 s< 0", "w2 = (s16)w1\nif w2 s< 0", "r2 &= 0xffff\nif r2 != 0"]
        {
            assert_eq!(count(begin, 1, test), times(4));
        }
    }
    // What never comes to be so.
    for cut in ["r2 <<= 48\nr2 s>>= 48", "r2 = (s16)r1", "r2 &= 0xffff"] {
        let text =
            format!("r1 = 1\nagain: r1 += 2\nr2 = r1\n{cut}\nif r2 != 0 goto again\nr0 = 0\nexit");
        SOCKET.rejects("", &text);
    }
}

/// Where a number lies between two that are no further apart, low bits say which it is; they are
/// those of what was added, too.
#[test]
fn numbers_of_which_low_bits_are_known() {
    for (cut, bits) in [
        ("r2 &= 0xffff", 16),
        ("r2 <<= 48\nr2 >>= 48", 16),
        ("r2 <<= 48\nr2 s>>= 48", 16),
        ("w2 <<= 16\nw2 >>= 16", 16),
        ("w2 <<= 16\nw2 s>>= 16", 16),
        ("r2 = (s16)r2", 16),
        ("w2 = (s16)w2", 16),
        ("r2 &= 0x1ffff", 17),
        ("r2 <<= 32\nr2 >>= 32", 32),
        ("r2 <<= 32\nr2 s>>= 32", 32),
        ("w2 = w2", 32),
        ("r2 = (s32)r2", 32),
        ("r2 <<= 32\nr2 s>>= 32\nr2 &= 0xffff", 16),
    ] {
        // From `begin` on up to `most` more, of which it is known to be no more than `known`.
        let program = |begin: i64, most: u64, more: i32, known: i32| {
            let load = format!("r6 &= {most}\nr5 = {begin} ll\nr6 += r5\nr9 = {begin} ll");
            let part = format!("r2 += {more}\n{cut}");
            let text = guarded(&load, &part, &format!("> {known}"));
            text.replace("r4 += r6", "r7 = r6\nr7 -= r9\nr4 += r7")
        };
        let all = 1_i64 << bits;
        let most = u64::try_from(all - 1).unwrap().min(0x7fff_ffff);
        for begin in [0, all, 3 * all, -all] {
            SOCKET.accepts(&program(begin, most, 0, 7));
            SOCKET.rejects("stack", &program(begin, most, 0, 8));
            SOCKET.accepts(&program(begin, most, -3, 4));
            SOCKET.rejects("stack", &program(begin, most, -3, 5));
            SOCKET.rejects("stack", &program(begin, most, 3, 11));
            // The same low bits twice.
            if bits < 31 {
                SOCKET.rejects("stack", &program(begin, 2 * most + 1, 0, 7));
            }
        }
        SOCKET.accepts(&program(all - 4, most >> 1, 4, 7));
        SOCKET.rejects("stack", &program(all - 4, most >> 1, 4, 8));
    }
}

#[test]
fn what_two_shifts_cut_off_was_there() {
    let program = |before: &str, up: u32, down: u32| {
        guarded(before, &format!("r2 <<= {up}\nr2 >>= {down}"), "> 7")
    };
    SOCKET.accepts(&program("r6 += 0", 32, 32));
    let reason = "stack";
    for (before, up, down) in [("r6 <<= 1", 32, 32), ("r6 += 0", 33, 32), ("r6 += 0", 32, 33)] {
        SOCKET.rejects(reason, &program(before, up, down));
    }
    // The same for what is negative.
    SOCKET.accepts(
        "r6 = *(u32 *)(r1 +0)
         r6 &= 15
         r6 -= 8
         r0 = 0
         r3 = 0
         again: r2 = r6
         r2 <<= 32
         r2 s>>= 32
         if r2 s> -1 goto next
         r4 = r10
         r4 += r6
         *(u8 *)(r4 +0) = 1
         next: r3 += 1
         if r3 < 100 goto again
         exit",
    );
}

#[test]
fn nested() {
    let text = "r0 = 0
         r1 = 0
         outer: r2 = 0
         middle: r3 = 0
         inner: r0 += 1
         r3 += 1
         if r3 < 1000 goto inner
         r2 += 1
         if r2 < 1000 goto middle
         r1 += 1
         if r1 < 1000 goto outer
         exit";
    let inner = 1 + 3 * 1000;
    let middle = 1 + 1000 * (inner + 2);
    assert_eq!(quick(SOCKET, 1500, text).max_insns, 2 + 1000 * (middle + 2) + 1);
}

/// The inner loop goes round as often as the outer one's counter says, which is
/// first looked at where it may be anything.
#[test]
fn a_triangle() {
    let text = "r0 = 0
         r6 = 1
         outer: r3 = r6
         inner: r0 += 1
         r3 += -1
         if r3 == 0 goto next
         goto inner
         next: r6 += 1
         if r6 == 1000 goto out
         goto outer
         out: exit";
    let inner = 4 * 999;
    assert!(quick(SOCKET, 300, text).max_insns <= 3 + 999 * (inner + 4));
}

#[test]
fn strides() {
    quick(SOCKET, 100, "r0 = 0\nagain: r0 += 2\nif r0 < 100000000 goto again\nexit");
    let info = quick(SOCKET, 100, "r0 = 1\nagain: r0 <<= 1\nif r0 < 100000000 goto again\nexit");
    assert!(info.max_insns < 60, "{info:?}");
    let info = quick(
        SOCKET,
        100,
        "r1 = *(u32 *)(r1 +0)\nr0 = 0\nagain: if r1 == 0 goto out\nr0 += 1\nr1 >>= 1\ngoto again\nout: exit",
    );
    assert!(info.max_insns < 150, "{info:?}");
    // By something within bounds.
    let info = quick(
        SOCKET,
        150,
        "r6 = *(u32 *)(r1 +0)
         r6 &= 15
         r6 += 1
         r0 = 0
         again: r0 += r6
         if r0 < 100000000 goto again
         exit",
    );
    assert!((200_000_000..400_000_000).contains(&info.max_insns), "{info:?}");
}

#[test]
fn steps_of_words() {
    for rounds in [10, 1000, 25_000_000_u64] {
        let end = 4 * rounds;
        for counter in ["r1", "w1"] {
            let text = format!(
                "r0 = 0\n{counter} = 0\nagain: {counter} += 4\nif {counter} != {end} goto again\nexit"
            );
            assert_eq!(quick(SOCKET, 100, &text).max_insns, 3 + 2 * rounds);
        }
    }
    // Neither 56 nor 60 is a power of two, and no number of them is one less.
    let words = |end: u32| {
        format!(
            "r1 = 0
             *(u32 *)(r10 -4) = r1
             r2 = r10
             r2 += -4
             r1 = map[idx:1] ll
             call 1
             if r0 == 0 goto out
             r1 = 0
             again: r2 = r0
             r2 += r1
             r3 = *(u32 *)(r2 +4)
             r1 += 4
             if r1 != {end} goto again
             out: r0 = 0
             exit"
        )
    };
    quick(XDP, 60, &words(56));
    quick(XDP, 60, &words(60));
    XDP.rejects("", &words(64));
    XDP.rejects("", &words(58));
}

#[test]
fn bounds_that_are_not_known() {
    let info = quick(
        SOCKET,
        150,
        "r6 = *(u32 *)(r1 +0)
         r0 = 0
         again: if r0 >= r6 goto out
         r0 += 1
         goto again
         out: exit",
    );
    assert!(info.max_insns > 3 * u64::from(u32::MAX), "{info:?}");
}

#[test]
fn bytes_of_a_map_value() {
    // One byte after the other.
    let scan = format!(
        "{LOOKUP}
         if r0 == 0 goto out
         r6 = 0
         r7 = 0
         again: r1 = r0
         r1 += r6
         r2 = *(u8 *)(r1 +0)
         r7 += r2
         r6 += 1
         if r6 != 48 goto again
         out: r0 = 0
         exit"
    );
    quick(SOCKET, 200, &scan);
    // By a pointer and a counter that move together.
    let scan = format!(
        "{LOOKUP}
         if r0 == 0 goto out
         r6 = 0
         r7 = 0
         again: r2 = *(u8 *)(r0 +0)
         r7 += r2
         r0 += 1
         r6 += 1
         if r6 < 48 goto again
         out: r0 = 0
         exit"
    );
    quick(SOCKET, 200, &scan);
    SOCKET.rejects("", &scan.replace("< 48", "< 49"));
}

#[test]
fn in_functions() {
    quick(
        SOCKET,
        150,
        "r6 = 0
         again: call local f
         r6 += 1
         if r6 < 100000 goto again
         exit
         f: r0 = 0
         more: r0 += 1
         if r0 < 100000 goto more
         exit",
    );
}

#[test]
fn packets() {
    quick(
        XDP,
        200,
        &format!(
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
             if r5 < 1500 goto again
             out: exit"
        ),
    );
}

/// Walks that differ in a number come to one loop after the other. Each loop copies two
/// words by an index on the stack, and does not look at the number.
#[allow(clippy::format_push_string, reason = "the text is put together as it is read")]
fn numbers_past_loops(behind: &str) -> String {
    let mut text = String::from("r6 = r1\nr7 = 0\n");
    for way in 0..6 {
        let by = 1 << way;
        text.push_str(&format!(
            "r0 = *(u32 *)(r6 +{})\nif r0 == 0 goto on{way}\nr7 += {by}\non{way}: r3 = r7\n",
            4 * way
        ));
        text.push_str(&format!(
            "r1 = 0\nagain{way}: r2 = r10\nr2 += -16\nr2 += r1\n*(u64 *)(r2 +0) = 0\n\
             r1 += 8\nif r1 < 16 goto again{way}\n"
        ));
    }
    text.push_str(behind);
    text
}

#[test]
fn what_a_round_hands_on_decides_nothing() {
    // 64 numbers come to the last loop.
    let info = quick(SOCKET, 400, &numbers_past_loops("r0 = r7\nexit"));
    assert_eq!(info.max_insns, 2 + 6 * (4 + 1 + 2 * 6) + 2);
    // Where it is decided on behind the loops, each of them counts.
    let index = "r7 <<= 3\nr2 = r10\nr2 += -512\nr2 += r7\n*(u64 *)(r2 +0) = 0\nr0 = 0\nexit";
    SOCKET.accepts(&numbers_past_loops(index));
    let beyond = index.replace("-512", "-496");
    SOCKET.rejects("stack", &numbers_past_loops(&beyond));
}

/// Rounds with an index in R7, which is 0 at first, and a number beside it in R8: 0 on the way
/// that is walked first, and then another one. Behind them the index is that of two words on
/// the stack.
fn index_behind(rounds: &str, beside: u32) -> String {
    format!(
        "r6 = r1
         r7 = 0
         r8 = {beside}
         r0 = *(u32 *)(r6 +0)
         if r0 != 0 goto first
         r8 = 0
         first: r9 = 0
         {rounds}
         r2 = r10
         r2 += -16
         r2 += r7
         *(u64 *)(r2 +0) = 0
         r0 = 0
         exit"
    )
}

#[test]
fn what_a_round_takes_from_others_is_decided_where_they_are() {
    // In each round the index becomes what the number beside it was, and the other way round.
    let exchange = "again: r3 = r7\nr7 = r8\nr8 = r3\nr9 += 1\nif r9 < 101 goto again";
    SOCKET.accepts(&index_behind(exchange, 8));
    SOCKET.rejects("stack", &index_behind(exchange, 16));
}

/// In each round the index becomes one that rests on itself and on the number beside it.
#[test]
fn what_a_round_makes_of_two_is_decided_by_both() {
    let gather = "again: if r9 > 100 goto out\nr7 |= r8\nr9 += 1\ngoto again\nout:";
    SOCKET.accepts(&index_behind(gather, 8));
    SOCKET.rejects("stack", &index_behind(gather, 16));
}

#[test]
fn what_a_loop_compares_beside_its_counter() {
    // Numbers that a round reads anew are compared with more than can be noted.
    for rounds in [32, 400] {
        let text = format!(
            "r6 = r1
             r5 = 0
             r4 = 0
             r0 = 0
             again: r3 = r10
             r3 += -{rounds}
             r3 += r4
             *(u8 *)(r3 +0) = r4
             r1 = *(u32 *)(r6 +0)
             r2 = r1
             if r1 == 3 goto next
             if r1 == 5 goto next
             if r1 == 7 goto next
             if r1 == 9 goto next
             r5 += 1
             r5 &= 255
             if r0 >= r5 goto next
             r0 = r5
             r0 += r2
             next: r4 += 1
             if r4 != {rounds} goto again
             exit"
        );
        quick(SOCKET, 110, &text);
        if rounds == 32 {
            let beyond = text.replace("r3 += r4", "r3 += r4\nr3 += 1");
            SOCKET.rejects("invalid stack access", &beyond);
        }
    }
}

#[test]
fn machines_whose_table_gives_the_next_state() {
    // As compilers check a state of one byte: by a copy that is masked, though it has no more.
    let machine = |most: u32, again: &str| {
        format!(
            "call 7
             *(u64 *)(r10 -8) = r0
             call 7
             *(u64 *)(r10 -16) = r0
             r1 = 0
             r2 = 0
             r0 = 0
             again: w4 = w1
             w4 &= 255
             if w4 > {most} goto out
             {again}
             r3 = r10
             r3 += -16
             r3 += r1
             r1 = *(u8 *)(r3 +0)
             r2 += 1
             if r2 != 100000 goto again
             out: exit"
        )
    };
    for again in ["", "r1 &= 255", "r1 &= 4095", "w1 &= -1"] {
        quick(SOCKET, 80, &machine(15, again));
        SOCKET.rejects("invalid stack access", &machine(16, again));
    }
    // Masks that leave bits out.
    for again in ["r1 &= 127", "w1 &= 254"] {
        quick(SOCKET, 80, &machine(15, again));
    }
    // What is masked is more than a byte.
    let wide = "r0 = *(u8 *)(r3 +0)\nr1 = *(u16 *)(r10 -16)";
    let wide = machine(15, "").replace("r1 = *(u8 *)(r3 +0)", wide);
    SOCKET.rejects("invalid stack access", &wide);
}

#[test]
fn numbers_that_a_loop_compares_with_each_other() {
    // Each has two ends; together they have more than can be noted.
    let greatest = |reg: u32| {
        format!(
            "r1 = *(u32 *)(r6 +{})
             r1 &= 255
             if r1 <= r{reg} goto next{reg}
             r{reg} = r1
             next{reg}: ",
            4 * (reg & 3)
        )
    };
    let all: String = [0, 2, 5, 7, 8].map(greatest).concat();
    for rounds in [32, 400] {
        let text = format!(
            "r6 = r1
             r0 = 0
             r2 = 0
             r5 = 0
             r7 = 0
             r8 = 0
             r4 = 0
             again: r3 = r10
             r3 += -{rounds}
             r3 += r4
             *(u8 *)(r3 +0) = r4
             {all} r4 += 1
             if r4 != {rounds} goto again
             exit"
        );
        quick(SOCKET, 600, &text);
    }
}

#[test]
fn rows_of_many_numbers() {
    // Every one of the row may be changed, and has an identity in a guess.
    let store = |at: u32| format!("*(u8 *)(r10 -{at}) = {}\n", 41 - at);
    let row = (1..=40).map(store).collect::<Vec<_>>().concat();
    let text = format!(
        "r6 = r1
         {row}
         r2 = 0
         outer: r1 = *(u32 *)(r6 +0)
         r0 = r2
         r0 &= 255
         r5 = 0
         inner: r8 = r10
         r8 += -40
         r8 += r5
         r7 = *(u8 *)(r8 +0)
         r7 ^= r1
         r7 &= 255
         if r7 >= r0 goto less
         r0 = r7
         less: r0 += 1
         r0 &= 255
         *(u8 *)(r8 +0) = r0
         r5 += 1
         if r5 != 40 goto inner
         r2 += 1
         if r2 != 1000 goto outer
         r0 = *(u8 *)(r10 -1)
         exit"
    );
    quick(SOCKET, 600, &text);
    SOCKET.rejects("invalid stack access", &text.replace("r5 != 40", "r5 != 41"));
}
