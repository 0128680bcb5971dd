//! Pointers that a loop carries along, bounded by nothing but the rounds.

mod common;

use common::{LOOKUP, PACKET, SOCKET, XDP};

/// Stores four bytes at `r6` in every round, and goes `step` bytes further, after
/// `before` has made R6 of the map's value of 48 bytes, which is in R0.
fn stores(before: &str, step: i32, rounds: u32) -> String {
    format!(
        "{LOOKUP}
         if r0 == 0 goto out
         {before}
         r7 = 0
         again: *(u32 *)(r6 +0) = 1
         r6 += {step}
         r7 += 1
         if r7 != {rounds} goto again
         out: r0 = 0
         exit"
    )
}

#[test]
fn the_rounds_bound_a_pointer() {
    for (before, step, rounds) in [
        ("r6 = r0", 4, 12),
        ("r6 = r0\nr6 += 8", 4, 10),
        ("r6 = r0\nr6 += 44", -4, 12),
        ("r6 = r0\nr6 += 40", -8, 6),
    ] {
        let info = SOCKET.accepts(&stores(before, step, rounds));
        assert!(info.processed < 150, "{info:?}");
        SOCKET.rejects("", &stores(before, step, rounds + 1));
    }
}

/// A loop that is come to in two ways: what was found for the one says nothing of
/// the other, whichever is walked first.
#[test]
fn another_start() {
    let either = |taken: i32, other: i32| {
        format!(
            "call 7\nr8 = r0\n{LOOKUP}\nif r0 == 0 goto out\nr6 = r0\nr6 += {other}\nif r8 == 7 goto on\nr6 = r0\nr6 += {taken}\non: "
        )
    };
    let program = |taken, other, rounds: u32| {
        format!(
            "{}
             r7 = 0
             again: *(u32 *)(r6 +0) = 1
             r6 += 4
             r7 += 1
             if r7 != {rounds} goto again
             out: r0 = 0
             exit",
            either(taken, other)
        )
    };
    SOCKET.accepts(&program(0, 16, 8));
    SOCKET.accepts(&program(16, 0, 8));
    SOCKET.rejects("", &program(0, 20, 8));
    SOCKET.rejects("", &program(20, 0, 8));
}

/// In the middle of a loop, the pointer is where the rounds before have brought it.
#[test]
fn nested() {
    let program = |inner: u32, outer: u32, reset: &str| {
        format!(
            "{LOOKUP}
             if r0 == 0 goto out
             r6 = r0
             r8 = 0
             outer: {reset}
             r7 = 0
             again: *(u32 *)(r6 +0) = 1
             r6 += 4
             r7 += 1
             if r7 != {inner} goto again
             r8 += 1
             if r8 != {outer} goto outer
             out: r0 = 0
             exit"
        )
    };
    SOCKET.accepts(&program(4, 3, ""));
    SOCKET.rejects("", &program(4, 4, ""));
    SOCKET.rejects("", &program(7, 2, ""));
    let info = SOCKET.accepts(&program(12, 1000, "r6 = r0"));
    assert!(info.processed < 1000, "{info:?}");
    SOCKET.rejects("", &program(13, 2, "r6 = r0"));
}

#[test]
fn not_every_round_is_alike() {
    let program = |more: &str, rounds: u32| {
        format!(
            "{LOOKUP}
             if r0 == 0 goto out
             r6 = r0
             r9 = r0
             r7 = 0
             again: call 7
             *(u32 *)(r6 +0) = 1
             if r0 == 7 goto on
             {more}
             on: r7 += 1
             if r7 != {rounds} goto again
             out: r0 = 0
             exit"
        )
    };
    // Further in some rounds only.
    SOCKET.accepts(&program("r6 += 4", 12));
    SOCKET.rejects("", &program("r6 += 4", 13));
    // Back again in some, or back to the start.
    SOCKET.rejects("", &program("r6 += -4", 12));
    SOCKET.accepts(&program("r6 = r9", 1000));
    SOCKET.rejects("", &program("r6 += 4\nr6 += 4", 12));
    // Round again without a count: only its own bounds could end it.
    SOCKET.rejects("", &program("r6 += 4\ngoto again", 12));
    // By what is not known, though it is little.
    SOCKET.rejects("", &program("r1 = r0\nr1 &= 7\nr6 += r1", 12));
    // The count goes back where the pointer does not.
    SOCKET.rejects("", &program("r6 += 4\nr7 = 0", 12));
}

#[test]
fn on_the_stack() {
    let program = |rounds: u32| {
        format!(
            "{LOOKUP}
             if r0 == 0 goto out
             *(u64 *)(r10 -16) = r0
             r7 = 0
             again: r6 = *(u64 *)(r10 -16)
             *(u32 *)(r6 +0) = 1
             r6 += 4
             *(u64 *)(r10 -16) = r6
             r7 += 1
             if r7 != {rounds} goto again
             out: r0 = 0
             exit"
        )
    };
    let info = SOCKET.accepts(&program(12));
    assert!(info.processed < 200, "{info:?}");
    SOCKET.rejects("", &program(13));
}

/// R6 is an offset into the map's value of 48 bytes, by which `access` goes; from `start` on
/// it goes through so many rounds, each of which goes through one of the ways.
fn walks(start: i32, access: &str, ways: [&str; 2], rounds: u32) -> String {
    format!(
        "{LOOKUP}
         if r0 == 0 goto out
         r9 = r0
         w6 = {start}
         r7 = 0
         again:
         r1 = r9
         r1 += r6
         {access}
         call 7
         if r0 s> 5 goto other
         {}
         goto on
         other: {}
         on: r7 += 1
         if r7 != {rounds} goto again
         out: r0 = 0
         exit",
        ways[0], ways[1]
    )
}

#[test]
fn the_rounds_bound_a_number_that_some_rounds_mask() {
    let (byte, mask) = ("r2 = *(u8 *)(r1 +0)", "r6 += r0\nr6 &= 31");
    // 31 and one for each round but the last.
    let info = SOCKET.accepts(&walks(0, byte, ["r6 += 1", mask], 17));
    assert!(info.processed < 200, "{info:?}");
    SOCKET.rejects("R1", &walks(0, byte, ["r6 += 1", mask], 19));
    // In 32 bits, too, and where the mask comes first in the text.
    SOCKET.accepts(&walks(0, byte, ["w6 += 1", "w6 += w0\nw6 &= 31"], 16));
    SOCKET.accepts(&walks(0, byte, [mask, "r6 += 1"], 16));
    SOCKET.accepts(&walks(40, byte, ["r6 = 7", "r6 += 1"], 8));
    SOCKET.rejects("R1", &walks(40, byte, ["r6 = 7", "r6 += 1"], 9));
    SOCKET.rejects("R1", &walks(0, byte, ["r6 = 40", "r6 += 1"], 10));
    SOCKET.rejects("R1", &walks(0, byte, ["r6 += 1", "r6 += r0\nr6 &= 63"], 2));
    SOCKET.rejects("R1", &walks(0, byte, ["r6 += 2", mask], 14));
    // Two ways that add.
    SOCKET.accepts(&walks(0, byte, ["r6 += 2", "r6 += 1"], 24));
    SOCKET.rejects("R1", &walks(0, byte, ["r6 += 2", "r6 += 1"], 25));
    // Down from where it was.
    SOCKET.accepts(&walks(47, byte, ["r6 += -1", "r6 = 40"], 40));
    SOCKET.rejects("R1", &walks(47, byte, ["r6 += -1", "r6 = 40"], 43));
    // What it becomes is a multiple of what it was.
    SOCKET.rejects("R1", &walks(1, byte, ["r6 += 1", "r6 <<= 1"], 12));
    SOCKET.rejects("R1", &walks(0, byte, ["r6 += 1", "r6 = r0"], 3));
}

/// What the first looks at a loop do not find is looked at all the same: there R6 may be
/// anything, and a way with another access is refused, with all that is behind it.
#[test]
fn what_is_found_late_counts() {
    let byte = "r2 = *(u8 *)(r1 +0)";
    let late =
        |to: &str| format!("r1 = r6\nr1 -= r8\nr1 += r9\nr2 = load_acquire((u8 *)(r1 +0))\n{to}");
    // R6 is the offset and R8.
    let walks = |base: u32, ways: [&str; 2], rounds| {
        let base = format!("r8 = 1\nr8 <<= {base}\nr6 += r8\nagain:");
        let text = walks(0, byte, ways, rounds).replace("again:", &base);
        text.replace("r1 += r6", "r1 = r6\nr1 -= r8\nr1 += r9")
    };
    for base in [0, 40] {
        let [small, large] = ["r6 = r8\nr6 += 8", "r6 = r8\nr6 += 28"].map(late);
        SOCKET.accepts(&walks(base, ["r6 += 4", "r2 = 0"], 8));
        SOCKET.accepts(&walks(base, ["r6 += 4", &small], 8));
        SOCKET.rejects("R1", &walks(base, ["r6 += 4", &large], 10));
        SOCKET.rejects("R1", &walks(base, [&large, "r6 += 4"], 10));
        // Of two numbers that it may become, either counts.
        for (one, other) in [(28, 0), (0, 28)] {
            let either = format!(
                "r6 = r8\nr6 += {one}\nif r0 == 9 goto one\nr6 = r8\nr6 += {other}\none: r2 = 0"
            );
            SOCKET.rejects("R1", &walks(base, ["r6 += 4", &either], 10));
            SOCKET.rejects("R1", &walks(base, ["r6 += 4", &late(&either)], 10));
        }
    }
}

/// The same where the first guess has as many rounds as there are: it covers the number that
/// is found late, and not what comes of that.
#[test]
fn what_is_found_late_counts_in_a_guess_that_covers_it() {
    let program = |begin: &str, late: &str, other: &str, reset: u32| {
        let text = format!(
            "{LOOKUP}
             if r0 == 0 goto out
             r9 = r0
             r7 = 0
             r8 = 0
             r6 = {begin}
             again: r3 = {begin}
             r1 = r6
             r1 -= r3
             r1 += r9
             r2 = *(u8 *)(r1 +0)
             call 7
             r3 = {begin}
             if r0 s> 5 goto other
             r6 += 4
             {other}
             goto on
             other: r1 = r6
             r1 -= r3
             r1 += r9
             r2 = {late}
             r6 = r3
             r6 += {reset}
             on: r7 += 1
             if r7 < 10 goto again
             out: r0 = 0
             exit"
        );
        SOCKET.verify(&text)
    };
    // That it is found late: with an access that is as good the summary holds, or none does.
    let late = "load_acquire((u8 *)(r1 +0))";
    assert!(program("1", late, "r0 = 0", 8).is_ok());
    assert!(program("1", late, "r0 = 0", 28).is_err());
    // What does not fit into 32 bits is found to be lost. R8 is why numbers are carried.
    let large = "0x10000000000 ll";
    assert!(program(large, late, "r8 += 4", 8).is_ok());
    assert!(program(large, late, "r8 += 4", 28).is_err());
}

/// R6 is an offset into the map's value, by which long rounds read; `more` happens at the end
/// of each.
fn long_rounds(start: i32, more: &str) -> String {
    format!(
        "{LOOKUP}
         if r0 == 0 goto out
         r9 = r0
         r6 = {start}
         r7 = 0
         again:
         r1 = r9
         r1 += r6
         r2 = *(u8 *)(r1 +0)
         {}
         {more} goto again
         out: r0 = 0
         exit",
        "r2 += 1\n".repeat(100)
    )
}

#[test]
fn numbers_are_not_carried_in_vain() {
    // Nothing shows that a sum of threes comes to be twelve: four rounds are walked after
    // one attempt, which takes as many steps as two.
    let info = SOCKET.accepts(&long_rounds(0, "r6 += 11\nr7 += 3\nif r7 != 12"));
    assert!(info.processed < 1000, "{info:?}");
    SOCKET.rejects("R1", &long_rounds(0, "r6 += 16\nr7 += 3\nif r7 != 12"));
    // The number counts the rounds itself.
    let info = SOCKET.accepts(&long_rounds(32, "r6 += -8\nif r6 != 8"));
    assert!(info.processed < 900, "{info:?}");
    SOCKET.rejects("R1", &long_rounds(32, "r6 += -8\nif r6 != -16"));
}

/// Of a packet of `bytes` bytes at least, behind `start`, one of `size` bits is read in every
/// round, and then gone so far on.
fn scans(start: &str, (bytes, size): (i32, i32), step: i32, rounds: i32) -> String {
    format!(
        "r9 = *(u32 *)(r1 +16)
         {PACKET}
         {start}
         r4 = r2
         r4 += {bytes}
         if r4 > r3 goto out
         r7 = 0
         again: r5 = *(u{size} *)(r2 +0)
         r2 += {step}
         r7 += 1
         if r7 != {rounds} goto again
         out: r0 = 0
         exit"
    )
}

/// Bytes that were proven once, in front of the loop, are there in each round.
#[test]
fn a_packet_reaches_as_far_as_the_rounds_go() {
    let unknown = "r9 &= 15\nr2 += r9";
    let low_end = "r9 &= 7\nr9 += 8\nr2 += r9";
    for start in ["", "r2 += 14", unknown, low_end] {
        for (size, step, rounds) in [(8, 1, 1024), (8, 3, 300), (16, 2, 256), (32, 4, 64)] {
            let bytes = step * (rounds - 1) + size / 8;
            let info = XDP.accepts(&scans(start, (bytes, size), step, rounds));
            assert!(info.processed < 200, "{start} {step}: {info:?}");
            XDP.rejects("", &scans(start, (bytes - 1, size), step, rounds));
            XDP.rejects("", &scans(start, (bytes, size), step, rounds + 1));
        }
    }
}

/// It is another packet once a helper has moved it, and another start has another end.
#[test]
fn a_packet_reaches_no_farther_than_where_it_began() {
    let either = |first: i32, second: i32| {
        let start =
            format!("r8 = r2\nr8 += {first}\nif r9 == 7 goto on\nr8 = r2\nr8 += {second}\non: ");
        let end = "r2 = r8\nr4 = 0";
        scans("", (64, 8), 1, 32).replace("r7 = 0\n", &format!("{start}{end}\nr7 = 0\n"))
    };
    XDP.accepts(&either(0, 32));
    XDP.accepts(&either(32, 0));
    XDP.rejects("", &either(0, 33));
    XDP.rejects("", &either(33, 0));
    let moved = |again: &str| {
        format!(
            "r6 = r1
             {PACKET}
             r4 = r2
             r4 += 64
             if r4 > r3 goto out
             r7 = 0
             r8 = r2
             again: r5 = *(u8 *)(r8 +0)
             {again}
             r8 += 1
             r7 += 1
             if r7 != 64 goto again
             out: r0 = 0
             exit"
        )
    };
    XDP.accepts(&moved(""));
    XDP.rejects("", &moved("r1 = r6\nr2 = 8\ncall 44"));
    let anew = "r1 = r6\nr2 = 8\ncall 44\nr8 = *(u32 *)(r6 +0)\nr8 += r7";
    XDP.rejects("", &moved(anew));
}

/// Nor where it is another packet on one way round only, whichever is walked first, and whether
/// both meet before they come round or not.
#[test]
fn a_packet_that_moves_on_one_way_round_reaches_no_farther() {
    let moves = |anew: &str| {
        format!(
            "r1 = r6\nr2 = 0\ncall 44
             r2 = *(u32 *)(r6 +0)
             r3 = *(u32 *)(r6 +4)
             {anew}
             r4 = r2
             r4 += 1
             if r4 > r3 goto out
             r8 = r2"
        )
    };
    let ways = |test: &str, first: &str, second: &str, check: i32| {
        format!(
            "r6 = r1
             r9 = *(u32 *)(r1 +16)
             {PACKET}
             r4 = r2
             r4 += {check}
             if r4 > r3 goto out
             r7 = 0
             r8 = r2
             again: r5 = *(u8 *)(r8 +0)
             r9 += -1
             if r9 {test} goto other
             {first}
             goto on
             other: {second}
             on: r8 += 1
             r7 += 1
             if r7 != 64 goto again
             out: r0 = 0
             exit"
        )
    };
    for anew in ["", "r2 += r7"] {
        for test in ["== 7", "!= 7"] {
            let (one, two) = (ways(test, &moves(anew), "", 64), ways(test, "", &moves(anew), 64));
            for text in [&one, &two] {
                XDP.rejects("", text);
                XDP.rejects(
                    "",
                    &text.replace("on: r8 += 1", "on: r1 = 0\nr2 = 0\nr3 = 0\nr4 = 0\nr8 += 1"),
                );
            }
        }
    }
    XDP.accepts(&ways("== 7", "r5 = 1", "r5 = 2", 64));
    XDP.rejects("", &ways("== 7", "r5 = 1", "r5 = 2", 63));
}
