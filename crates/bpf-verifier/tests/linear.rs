//! Addresses that a loop moves in a fixed ratio to a number, whose bounds are theirs.

mod common;

use common::{TC, XDP};

/// An insertion sort of 128 numbers, which are all of the stack, as compilers make it: R2 and R4
/// are addresses of what R1 and R0 count. The inner loop begins `more` bytes behind, and goes
/// `step` bytes.
fn sorts(last: i32, more: i32, step: i32) -> String {
    format!(
        "r1 = 1
         r2 = r10
         r2 += -508
         outer: r3 = *(u32 *)(r2 +0)
         r4 = r2
         r4 += {more}
         r0 = r1
         inner: r5 = r0
         r5 += -1
         r6 = r5
         r6 <<= 32
         r6 >>= 32
         r6 <<= 2
         r7 = r10
         r7 += -512
         r7 += r6
         r7 = *(u32 *)(r7 +0)
         r6 = r0
         if w7 <= w3 goto put
         *(u32 *)(r4 +0) = r7
         r6 = 0
         r4 += {step}
         r7 = r5
         r7 += 1
         r0 = r5
         if r7 s> 1 goto inner
         put: r6 <<= 32
         r6 s>>= 32
         r6 <<= 2
         r5 = r10
         r5 += -512
         r5 += r6
         *(u32 *)(r5 +0) = r3
         r2 += 4
         r1 += 1
         if r1 != {last} goto outer
         r0 = 0
         exit"
    )
}

#[test]
fn an_insertion_sort() {
    let info = XDP.accepts(&sorts(128, 0, -4));
    assert!(info.processed < 1000, "{info:?}");
    for (last, more, step) in [(129, 0, -4), (128, 4, -4), (128, -8, -4), (128, 0, -8)] {
        XDP.rejects("", &sorts(last, more, step));
    }
    // Whatever is left of the ratio, or of what goes with it.
    for (from, to) in [
        ("r2 += 4\n", "r2 += 8\n"),
        ("r2 += 4\n", "if r7 == 9 goto on\nr2 += 4\non: "),
        ("r1 += 1\n", "if r7 == 9 goto on\nr1 += 1\non: "),
        ("r0 = r1\n", "r0 = r1\nr0 += 1\n"),
        ("r2 += -508\n", "r2 += -504\n"),
        ("r0 = r5\n", "r0 = r5\nif r6 == r7 goto inner\nr0 += 1\n"),
    ] {
        let program = sorts(128, 0, -4);
        assert!(program.contains(from));
        XDP.rejects("", &program.replace(from, to));
    }
}

/// `inside` is what a round does with R2, the address of what R1 counts from 0 to 63: two bytes
/// each, from the stack's first one on.
fn rounds(begin: &str, inside: &str) -> String {
    format!(
        "r6 = r1
         call 7
         r9 = r0
         {begin}
         head: call 7
         {inside}
         next: r2 = r8
         r8 += 8
         r7 += 1
         if r7 != 64 goto head
         end: r0 = 0
         exit"
    )
}

const BEGIN: &str = "r7 = 0\nr8 = r10\nr8 += -512";

/// An inner loop from where the outer one is down to the first.
const DOWN: &str = "down: *(u64 *)(r3 +0) = 0\nr3 += -8\nr4 += -1\nif r4 s> -1 goto down\n";

#[test]
fn ways_that_meet_before_an_inner_loop() {
    let way = "r3 = r8\nr4 = r7";
    // Both are within the stack, and do not go together.
    for other in ["r3 = r10\nr3 += -512\nr4 = r7", "r3 = r8\nr4 = 3", "r3 = r8\nr4 = r7\nr4 += 1"] {
        for (first, second) in [(way, other), (other, way)] {
            let meet = |first: &str, second: &str, on: &str| {
                let ways = format!("if r0 == 1 goto two\n{first}\ngoto met\ntwo: {second}\n");
                rounds(
                    BEGIN,
                    &format!("r5 = 0\nif r0 == 2 goto next\n{ways}met: r0 = 0\n{DOWN}{on}"),
                )
            };
            // With, and without a way back to the outer loop behind it.
            for on in ["", "if r5 == 0 goto end\n"] {
                XDP.accepts(&meet(way, way, on));
                XDP.rejects("", &meet(first, second, on));
            }
        }
    }
}

/// The same where the outer loop's own number and address are what differs, and no way leads back
/// to its head: what was walked from where the ways meet rests on how the two are related.
#[test]
fn ways_that_meet_and_do_not_go_back() {
    let meet = |first: &str, second: &str| {
        let ways = format!("if r0 == 1 goto two\n{first}\ngoto met\ntwo: {second}\n");
        let behind = format!("met: r3 = r8\nr4 = r7\n{DOWN}if r5 == 0 goto end\n");
        rounds(BEGIN, &format!("r5 = 0\nif r0 == 2 goto next\n{ways}{behind}"))
    };
    XDP.accepts(&meet("r2 = 0", "r2 = 1"));
    XDP.accepts(&meet("r2 = 0", "r7 = 0"));
    for other in ["r8 = r10\nr8 += -512", "r7 = 5", "r8 = r10\nr8 += -504", "r7 += 1"] {
        XDP.rejects("", &meet("r2 = 0", other));
        XDP.rejects("", &meet(other, "r2 = 0"));
    }
}

/// A way that is not gone while the loop is only looked at, as what is done on it is refused there.
#[test]
fn a_way_that_is_found_late() {
    let program = |by: i32| {
        let way = format!("lock *(u64 *)(r8 +0) += r9\nr8 += {by}");
        rounds(BEGIN, &format!("if r0 == 2 goto next\n{way}"))
    };
    XDP.accepts(&program(0));
    for by in [8, 1] {
        XDP.rejects("", &program(by));
    }
    // Those rounds leave the address where it is, so that it gets no further.
    XDP.accepts(&program(-8));
    XDP.rejects("", &program(-16));
}

#[test]
fn ways_into_the_outer_loop() {
    let program = |first: i32, second: i32, on: &str| {
        let begin = format!(
            "r7 = 0\nr8 = r10\nr8 += {first}\nif r9 == 7 goto head\n
             r7 = 0\nr8 = r10\nr8 += {second}"
        );
        rounds(&begin, &format!("r5 = 0\nif r0 == 2 goto next\nr3 = r8\nr4 = r7\n{DOWN}{on}"))
    };
    for on in ["", "if r5 == 0 goto end\n"] {
        XDP.accepts(&program(-512, -512, on));
        for (first, second) in [(-512, -504), (-504, -512), (-512, -520), (-520, -512)] {
            XDP.rejects("", &program(first, second, on));
        }
    }
}

/// The loop is come to twice, each time within the same bounds, and related otherwise: what was
/// walked in the one says nothing of the other.
#[test]
fn other_relations_within_the_bounds() {
    let program = |first: &str, second: &str, on: &str| {
        let begin = format!("{first}\nif r9 == 7 goto head\n{second}");
        // Ways meet, so that a state is kept between the two heads.
        let meet = "if r0 == 1 goto met\nr2 = 0\nr2 = 1\nmet: r3 = r8\nr4 = r7\n";
        rounds(&begin, &format!("r5 = 0\nif r0 == 2 goto next\n{meet}{DOWN}{on}"))
    };
    let off = |number: i32, off: i32| format!("r7 = {number}\nr8 = r10\nr8 += {off}");
    for on in ["", "if r5 == 0 goto end\n"] {
        XDP.accepts(&program(BEGIN, &off(10, -432), on));
        for other in [off(10, -512), off(2, -504), off(10, -440)] {
            XDP.rejects("", &program(BEGIN, &other, on));
            XDP.rejects("", &program(&other, BEGIN, on));
        }
    }
}

/// What is learned of the number in a round is learned of the address.
#[test]
fn a_number_bounds_an_address_in_a_round() {
    let begin = "r7 = 0\nr8 = r10\nr8 += -256";
    let program = |inside: &str| rounds(begin, inside);
    for (guard, fine) in [
        ("if r7 > 31 goto next", true),
        ("if r7 > 32 goto next", false),
        ("if w7 > 31 goto next", true),
        ("if r7 s>= 33 goto next", false),
        ("r3 = r7\nr3 += 1\nif r3 > 32 goto next", true),
        ("r3 = r7\nr3 += 1\nif r3 > 33 goto next", false),
    ] {
        let text = program(&format!("{guard}\n*(u64 *)(r8 +0) = 0"));
        if fine {
            let info = XDP.accepts(&text);
            assert!(info.processed < 1500, "{guard}: {info:?}");
        } else {
            XDP.rejects("", &text);
        }
    }
    // On one way it was moved before, on the other it was not.
    let moved = |by: i32, most: i32| {
        program(&format!(
            "r2 = r8\nif r0 == 1 goto on\nr2 += {by}\non: r0 = 0\nif r7 > {most} goto next\n*(u64 *)(r2 +0) = 0"
        ))
    };
    XDP.accepts(&moved(8, 30));
    XDP.rejects("", &moved(8, 31));
    XDP.accepts(&moved(-8, 31));
    XDP.rejects("", &moved(-8, 32));
}

/// The product of what it counts by wraps, but the address does not.
#[test]
fn products_that_wrap() {
    let program = |first: &str, rounds: i64, more: i64| {
        let last = first.parse::<i64>().unwrap().wrapping_add(rounds);
        format!(
            "r1 = {first} ll
             r3 = {last} ll
             r2 = r10
             r2 += -512
             r2 += {more}
             head: *(u64 *)(r2 +0) = 0
             r2 += 8
             r1 += 1
             if r1 != r3 goto head
             r0 = 0
             exit"
        )
    };
    for first in ["0", "-3", "2305843009213693952", "9223372036854775800", "-9223372036854775808"] {
        XDP.accepts(&program(first, 64, 0));
        XDP.rejects("", &program(first, 65, 0));
        XDP.rejects("", &program(first, 64, 8));
        XDP.rejects("", &program(first, 64, -8));
    }
}

/// The inner loop begins with constants, and on one way round, which the first looks do not come
/// to, with the numbers of the outer one: what is done between the two heads serves nobody who
/// comes to the outer one with numbers that are not related.
#[test]
fn a_way_round_may_rest_on_the_outer_loop() {
    let program = |entry: &str| {
        format!(
            "{entry}
         outer: call 7
         r5 = 0
         if r0 == 7 goto next
         r1 = 0
         if r0 == 3 goto N
         r1 = 0
         r1 = 0
         N: r0 = 0
         r9 = r10
         r9 += -4
         r7 = 127
         r1 = 0
         r2 = 0
         r3 = 0
         r4 = 0
         inner: *(u32 *)(r9 +0) = 0
         r4 += 3
         if r4 s> 1900 goto done
         r9 += -4
         r7 += -1
         if r7 s< 0 goto done
         if r3 != 1 goto noreset
         r9 = r8
         r7 = r6
         r1 = 2
         r2 = 2
         noreset: r3 = r2
         r2 = r1
         if r1 != 0 goto inner
         r1 = 1
         r4 += 1
         goto inner
         done: if r5 == 0 goto end
         next: r8 += 4
         r6 += 1
         if r6 s< 128 goto outer
         end: r0 = 0
         exit"
        )
    };
    let related = "r6 = 0\nr8 = r10\nr8 += -512";
    XDP.accepts(&program(related));
    for (first, second) in [(0, 127), (127, 0)] {
        let either = format!(
            "call 7\nr6 = {first}\nif r0 != 1 goto on\nr6 = {second}\non: r8 = r10\nr8 += -512"
        );
        XDP.rejects("", &program(&either));
        let before = |number: i32| format!("r6 = {number}\nr8 = r10\nr8 += -512");
        let (one, other) = (before(first), before(second));
        XDP.rejects("", &program(&format!("call 7\n{one}\nif r0 != 1 goto outer\n{other}")));
        let jumps = format!("call 7\n{one}\nif r0 == 1 goto bad\ngoto outer\nbad: {other}");
        XDP.rejects("", &program(&jumps));
    }
}

/// The address and the number are kept on the stack from round to round, in `-264` and `-272`.
fn kept(inside: &str, address: i32) -> String {
    format!(
        "r8 = r10
         r8 += -256
         *(u64 *)(r10 -264) = r8
         *(u64 *)(r10 -272) = 0
         head: call 7
         r3 = *(u64 *)(r10 -264)
         r4 = *(u64 *)(r10 -272)
         {DOWN}
         {inside}
         r8 = *(u64 *)(r10 -264)
         r8 += {address}
         *(u64 *)(r10 -264) = r8
         r7 = *(u64 *)(r10 -272)
         r7 += 1
         *(u64 *)(r10 -272) = r7
         if r7 != 32 goto head
         r0 = 0
         exit"
    )
}

#[test]
fn on_the_stack() {
    let info = XDP.accepts(&kept("", 8));
    assert!(info.processed < 400, "{info:?}");
    XDP.accepts(&kept(
        "r1 = *(u64 *)(r10 -272)\n*(u64 *)(r10 -272) = 0\n*(u64 *)(r10 -272) = r1",
        8,
    ));
    XDP.rejects("", &kept("", 16));
    for change in [
        "*(u64 *)(r10 -272) = 9",
        "*(u32 *)(r10 -272) = 9",
        "*(u32 *)(r10 -268) = 9",
        "*(u8 *)(r10 -272) = 9",
        "r1 = *(u64 *)(r10 -272)\nr1 += 1\n*(u64 *)(r10 -272) = r1",
        "r1 = *(u64 *)(r10 -264)\nr1 += 8\n*(u64 *)(r10 -264) = r1",
        "r1 = r10\nr1 += -256\n*(u64 *)(r10 -264) = r1",
        // Eight bytes somewhere from the number on.
        "r0 &= 8\nr1 = r10\nr1 += -272\nr1 += r0\n*(u64 *)(r1 +0) = 9",
    ] {
        XDP.rejects("", &kept(&format!("if r0 == 1 goto on\n{change}\non:"), 8));
    }
}

/// As `rounds`, but R8 and R7 lie in `-8` and `-16` from round to round, and there are 58.
fn kept_rounds(begin: &str, inside: &str) -> String {
    format!(
        "r6 = r1
         call 7
         r9 = r0
         r7 = 0
         r8 = r10
         r8 += -512
         {begin}
         *(u64 *)(r10 -8) = r8
         *(u64 *)(r10 -16) = r7
         head: call 7
         {inside}
         next: r8 = *(u64 *)(r10 -8)
         r8 += 8
         *(u64 *)(r10 -8) = r8
         r7 = *(u64 *)(r10 -16)
         r7 += 1
         *(u64 *)(r10 -16) = r7
         if r7 != 58 goto head
         end: r0 = 0
         exit"
    )
}

/// The inner loop has both on the stack, too: in `-24` and `-32`.
const DOWN_KEPT: &str = "
    down: r3 = *(u64 *)(r10 -24)
    *(u64 *)(r3 +0) = 0
    r3 += -8
    *(u64 *)(r10 -24) = r3
    r4 = *(u64 *)(r10 -32)
    r4 += -1
    *(u64 *)(r10 -32) = r4
    if r4 s> -1 goto down
";

/// What the inner loop begins with.
const FROM_OUTER: &str = "
    r3 = *(u64 *)(r10 -8)
    *(u64 *)(r10 -24) = r3
    r4 = *(u64 *)(r10 -16)
    *(u64 *)(r10 -32) = r4
";

/// The inner loop with one of both on the stack, or none.
fn partly_kept() -> [String; 3] {
    let number = "r4 = *(u64 *)(r10 -32)";
    let address = "r3 = *(u64 *)(r10 -24)";
    let put = |register: i32, slot: i32| format!("*(u64 *)(r10 {slot}) = r{register}");
    let (put_number, put_address) = (put(4, -32), put(3, -24));
    let inner = |[first, second]: [&str; 2], [read, moved, next, done]: [&str; 4]| {
        format!(
            "{first}\n{second}\ndown: r5 = 0\n{read}\n*(u64 *)(r3 +0) = 0\nr3 += -8\n{moved}\n\
             {next}\nr4 += -1\n{done}\nif r4 s> -1 goto down\n"
        )
    };
    [
        inner([address, number], ["", "", "", ""]),
        inner([address, ""], ["", "", number, &put_number]),
        inner([number, ""], [address, &put_address, "", ""]),
    ]
}

#[test]
fn ways_that_meet_with_something_else_on_the_stack() {
    let meet = |first: &str, second: &str, inner: &str| {
        let ways = format!("if r0 == 1 goto two\n{first}\ngoto met\ntwo: {second}\n");
        // No way leads back to the outer loop.
        let behind = format!("met: r5 = 0\n{inner}if r5 == 0 goto end");
        kept_rounds("", &format!("if r0 == 2 goto next\n{ways}{behind}"))
    };
    let with = |more: &str| format!("{FROM_OUTER}{more}");
    let bad = [
        "r3 = r10\nr3 += -512\n*(u64 *)(r10 -24) = r3",
        "*(u64 *)(r10 -32) = 3",
        "*(u32 *)(r10 -32) = 9",
        "*(u8 *)(r10 -31) = 1",
        "r4 += 1\n*(u32 *)(r10 -32) = r4",
        "r2 = r10\nr2 += -32\nr4 += 1\n*(u64 *)(r2 +0) = r4",
        "r0 = r9\nr0 &= 8\nr2 = r10\nr2 += r0\n*(u64 *)(r2 -40) = 9",
        "r1 = r6\nr2 = 0\nr3 = r10\nr3 += -32\nr4 = 1\ncall 26",
    ];
    let fine = [
        "r3 += 8\n*(u64 *)(r10 -24) = r3\nr4 += 1\n*(u64 *)(r10 -32) = r4",
        "*(u64 *)(r10 -32) = 0",
        "r2 = r10\nr2 += -32\n*(u64 *)(r2 +0) = 9\n*(u64 *)(r2 +0) = r4",
    ];
    let inners = [vec![DOWN_KEPT.to_owned()], partly_kept().to_vec()].concat();
    for (index, inner) in inners.iter().enumerate() {
        for more in fine {
            TC.accepts(&meet(FROM_OUTER, &with(more), inner));
            TC.accepts(&meet(&with(more), FROM_OUTER, inner));
        }
        for more in bad.iter().skip(index).step_by(2) {
            TC.rejects("", &meet(FROM_OUTER, &with(more), inner));
            TC.rejects("", &meet(&with(more), FROM_OUTER, inner));
        }
    }
}

/// The outer loop's own number and address differ where ways meet, or where it begins.
#[test]
fn something_else_of_the_outer_loop_on_the_stack() {
    let program = |begin: &str, ways: &str| {
        let inside = format!("{ways}r5 = 0\n{FROM_OUTER}{DOWN_KEPT}if r5 == 0 goto end");
        kept_rounds(begin, &format!("if r0 == 2 goto next\n{inside}"))
    };
    let meet = |first: &str, second: &str| {
        let ways = format!("if r0 == 1 goto two\n{first}\ngoto met\ntwo: {second}\nmet: ");
        let text = program("", &ways);
        let called = ways.contains("call local");
        let behind = if called { "write: *(u64 *)(r1 -16) = 5\nr0 = 0\nexit" } else { "" };
        format!("{text}\n{behind}")
    };
    TC.accepts(&meet("r2 = 0", "r2 = 1"));
    TC.accepts(&meet("r2 = 0", "*(u64 *)(r10 -16) = 0"));
    for other in [
        "*(u64 *)(r10 -16) = 5",
        "*(u32 *)(r10 -16) = 5",
        "r2 = r10\nr2 += -504\n*(u64 *)(r10 -8) = r2",
        "r2 = *(u64 *)(r10 -16)\nr2 += 1\n*(u32 *)(r10 -16) = r2",
        "r1 = r6\nr2 = 0\nr3 = r10\nr3 += -16\nr4 = 2\ncall 26",
        "r1 = r10\ncall local write",
    ] {
        TC.rejects("", &meet("r2 = 0", other));
        TC.rejects("", &meet(other, "r2 = 0"));
    }
    let enter = |first: &str, second: &str| {
        let put = "*(u64 *)(r10 -8) = r8\n*(u64 *)(r10 -16) = r7";
        program(&format!("{first}\n{put}\nif r9 == 7 goto head\n{second}"), "")
    };
    let off = |number: i32, off: i32| format!("r7 = {number}\nr8 = r10\nr8 += {off}");
    TC.accepts(&enter("", &off(10, -432)));
    for (number, address) in [(10, -512), (2, -504), (10, -440)] {
        TC.rejects("", &enter("", &off(number, address)));
        TC.rejects("", &enter(&off(number, address), ""));
    }
}

/// The loops are in a function, and what they keep is on its caller's stack.
#[test]
fn on_the_stack_of_a_caller() {
    let program = |begin: &str, step: i32, change: &str| {
        format!(
            "r8 = r10
             r8 += -480
             *(u64 *)(r10 -8) = r8
             *(u64 *)(r10 -16) = 0
             {begin}
             r1 = r10
             r1 += -16
             call local loops
             r0 = 0
             exit
             loops: r6 = r1
             head: call 7
             r3 = *(u64 *)(r6 +8)
             r4 = *(u64 *)(r6 +0)
             {DOWN}
             {change}
             on: r3 = *(u64 *)(r6 +8)
             r3 += {step}
             *(u64 *)(r6 +8) = r3
             r4 = *(u64 *)(r6 +0)
             r4 += 1
             *(u64 *)(r6 +0) = r4
             if r4 != 50 goto head
             r0 = 0
             exit"
        )
    };
    let info = XDP.accepts(&program("", 8, ""));
    assert!(info.processed < 400, "{info:?}");
    XDP.accepts(&program("", 8, "r3 = *(u64 *)(r6 +0)\n*(u64 *)(r6 +0) = 1\n*(u64 *)(r6 +0) = r3"));
    XDP.rejects("", &program("", 16, ""));
    for change in [
        "*(u32 *)(r6 +0) = 9",
        "r3 = *(u64 *)(r6 +8)\nr3 += -8\n*(u64 *)(r6 +8) = r3",
        "r3 = *(u64 *)(r6 +0)\nr3 += 1\n*(u32 *)(r6 +0) = r3",
    ] {
        XDP.rejects("", &program("", 8, &format!("if r0 == 1 goto on\n{change}")));
        XDP.rejects("", &program("", 8, &format!("if r0 != 1 goto on\n{change}")));
    }
    for number in [7, 40] {
        let begin = |cond: &str| {
            format!("call 7\nif r0 {cond} 1 goto met\n*(u64 *)(r10 -16) = {number}\nmet: r0 = 0")
        };
        XDP.rejects("", &program(&begin("=="), 8, ""));
        XDP.rejects("", &program(&begin("!="), 8, ""));
    }
}
