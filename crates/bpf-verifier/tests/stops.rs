//! Functions that tell the helper that calls them to stop, and numbers that they count by.
#![allow(clippy::format_push_string, reason = "texts are put together as they are read")]

mod common;

use common::{MAPS, SOCKET, XDP};

/// A loop of `rounds` rounds over the function `f`, with two words on the stack as its context:
/// both 0, at R10-16 and R10-8. What begins in front of it may set them otherwise.
fn looping(rounds: &str, front: &str, behind: &str, function: &str) -> String {
    format!(
        "*(u64 *)(r10 -16) = 0
         *(u64 *)(r10 -8) = 0
         {front}
         r1 = {rounds}
         r2 = subprog[f] ll
         r3 = r10
         r3 += -16
         r4 = 0
         call 181
         {behind}
         r0 = 0
         exit
         f: {function}"
    )
}

/// Stores behind so many words of the stack, at the number in one word of the context.
fn store(word: i32, room: i32) -> String {
    format!(
        "r1 = *(u64 *)(r10 -{word})
         r2 = r10
         r2 += -{}
         r2 += r1
         *(u8 *)(r2 +0) = 1",
        16 + room
    )
}

/// Counts in the first word of the context, and stops where that is more than `limit`.
fn counting(limit: u32, more: &str) -> String {
    format!(
        "r1 = *(u64 *)(r2 +0)
         r1 += 1
         *(u64 *)(r2 +0) = r1
         {more}
         if r1 > {limit} goto stop
         r0 = 0
         exit
         stop: r0 = 1
         exit"
    )
}

/// Gives 0 or 1, and both are numbers that are known.
const EITHER: &str =
    "r6 = r2\ncall 7\nr1 = r0\nr0 = 0\nif r1 == 3 goto one\ngoto join\none: r0 = 1\njoin: r2 = r6";

#[test]
fn no_round_follows_the_last_one() {
    // Of a million rounds the first is the last.
    let info = SOCKET.accepts(&looping("1000000", "", "", "*(u64 *)(r2 +0) = 1\nr0 = 1\nexit"));
    assert!(info.max_insns < 20, "{info:?}");
    assert!(info.processed < 20, "{info:?}");
    // What it counted is what it was told to stop at, or less where there were fewer rounds.
    let text = |room| looping("1000", "", &store(16, room), &counting(5, ""));
    SOCKET.accepts(&text(-9));
    SOCKET.rejects("stack", &text(-10));
    // A number that is not less than the limit of rounds.
    let late = |room| looping("3", "", &store(16, room), &counting(5, ""));
    SOCKET.accepts(&late(-12));
    SOCKET.rejects("stack", &late(-13));
}

/// What lies behind the call is walked for each of the ways there.
#[test]
fn all_ways_out_count() {
    let text = |rounds: &str, front: &str, function: &str| {
        looping(rounds, front, &store(16, 1), &format!("{EITHER}\n{function}"))
    };
    let (stops, goes_on) = ("if r0 == 1 goto over", "if r0 == 0 goto over");
    let set = |what: i32| format!("*(u64 *)(r2 +0) = {what}\nover: exit");
    SOCKET.accepts(&text("9", "", &set(0)));
    // The round after which it stops leaves a number that is too great.
    SOCKET.rejects("stack", &text("9", "", &format!("{goes_on}\n{}", set(17))));
    // All others do, and the last may be one of these.
    SOCKET.rejects("stack", &text("9", "", &format!("{stops}\n{}", set(17))));
    let kept = format!("*(u64 *)(r2 +0) = 0\n{stops}\n{}", set(17));
    SOCKET.rejects("stack", &text("9", "", &kept));
    // There may be no round at all.
    let always = "*(u64 *)(r2 +0) = 0\nr0 = 1\nexit";
    let none = |rounds: &str| looping(rounds, "*(u64 *)(r10 -16) = 17", &store(16, 1), always);
    SOCKET.rejects("stack", &none("9"));
    SOCKET.rejects("stack", &none("0"));
    SOCKET.rejects("stack", &none("0\ncall 7\nr1 = r0"));
}

/// A round after which the helper goes on is not taken for one after which it stops.
#[test]
fn rounds_that_stop_stand_for_no_others() {
    // The second round leaves a number that is too great, if it comes.
    let second = |end: &str| {
        let function = format!(
            "r1 = *(u64 *)(r2 +8)
             if r1 == 0 goto first
             *(u64 *)(r2 +0) = 17
             first: *(u64 *)(r2 +8) = 1
             {end}"
        );
        looping("9", "", &store(16, 1), &function)
    };
    SOCKET.accepts(&second("r0 = 1\nexit"));
    SOCKET.rejects("stack", &second("r0 = 0\nexit"));
    SOCKET.rejects("stack", &second(&format!("{EITHER}\nexit")));
    SOCKET.rejects("stack", &second(&format!("{EITHER}\nr0 ^= 1\nexit")));
    // It is not known which.
    SOCKET.rejects("stack", &second("call 7\nr0 &= 1\nexit"));
    SOCKET.rejects("stack", &second("call 7\nr0 >>= 31\nr0 &= 1\nexit"));
    // What is 1 in its low half alone is refused, as it was.
    SOCKET.rejects("R0", &second("r0 = 0x100000001 ll\nexit"));
    // It is not known how many rounds there were.
    let told = "r1 = r0\nr2 = r10\nr2 += -17\nr2 += r1\n*(u8 *)(r2 +0) = 1";
    SOCKET.rejects("", &looping("9", "", told, "r0 = 1\nexit"));
    SOCKET.rejects("R2", &looping("9", "", "r0 = r2", "r0 = 1\nexit"));
}

#[test]
fn what_is_held_where_it_stops() {
    let reserve = "r1 = map[idx:2] ll\nr2 = 8\nr3 = 0\ncall 131\n";
    let submit = "r1 = r0\nr2 = 0\ncall 132\n";
    let inside = |rest: &str| format!("{reserve}if r0 == 0 goto none\n{rest}none: r0 = 0\nexit");
    SOCKET.accepts(&looping("9", "", "", &inside(&format!("{submit}r0 = 1\nexit\n"))));
    SOCKET.rejects("reference", &looping("9", "", "", &inside("r0 = 1\nexit\n")));
    let held = |function: &str, behind: &str| {
        format!(
            "{reserve}if r0 == 0 goto none
             r6 = r0
             *(u64 *)(r10 -8) = r6
             r1 = 100
             r2 = subprog[f] ll
             r3 = r10
             r3 += -8
             r4 = 0
             call 181
             {behind}
             none: r0 = 0
             exit
             f: {function}"
        )
    };
    let write = "r1 = *(u64 *)(r2 +0)\n*(u64 *)(r1 +0) = 1\nr0 = 1\nexit";
    SOCKET.accepts(&held(write, "r1 = r6\nr2 = 0\ncall 132"));
    SOCKET.rejects("reference", &held(write, ""));
    let release = "r1 = *(u64 *)(r2 +0)\nr2 = 0\ncall 132\nr0 = 1\nexit";
    SOCKET.rejects("", &held(release, ""));
    SOCKET.rejects("", &held(release, "r1 = r6\nr2 = 0\ncall 132"));
}

/// Neither the key that was shown nor the function's frame is left where it stopped.
#[test]
fn what_ends_with_the_last_round() {
    let each = |function: &str, behind: &str| {
        format!(
            "*(u64 *)(r10 -8) = 0
             r1 = map[idx:6] ll
             r2 = subprog[f] ll
             r3 = r10
             r3 += -8
             r4 = 0
             call 164
             {behind}
             r0 = 0
             exit
             f: {function}
             r0 = 1
             exit"
        )
    };
    let read = "r1 = *(u64 *)(r10 -8)\nif r1 == 0 goto none\nr1 = *(u32 *)(r1 +0)\nnone: r1 = 0";
    SOCKET.rejects("", &each("*(u64 *)(r4 +0) = r2", read));
    SOCKET
        .rejects("", &each("r1 = r10\nr1 += -8\n*(u64 *)(r1 +0) = 1\n*(u64 *)(r4 +0) = r1", read));
    let info = SOCKET.accepts(&each("r1 = *(u32 *)(r2 +0)\n*(u64 *)(r3 +0) = r1", ""));
    assert!(info.max_insns < 20 && MAPS[6].max_entries > 1, "{info:?}");
}

/// One that stops leaves its own call, and none around that.
#[test]
fn one_in_another_stops_alone() {
    let nested = |outer: &str, inner: &str| {
        looping(
            "50",
            "",
            &store(16, 1),
            &format!(
                "r6 = r2
                 r1 = 60
                 r2 = subprog[g] ll
                 r3 = r6
                 r4 = 0
                 call 181
                 {outer}
                 g: {inner}"
            ),
        )
    };
    // The second round of the outer one, which comes although the inner one stops.
    let second = "r1 = *(u64 *)(r6 +8)
                  if r1 == 0 goto first
                  *(u64 *)(r6 +0) = 17
                  first: *(u64 *)(r6 +8) = 1";
    let stop = "r0 = 1\nexit";
    SOCKET.rejects("stack", &nested(&format!("{second}\nr0 = 0\nexit"), stop));
    let info = SOCKET.accepts(&nested(&format!("{second}\nr0 = 1\nexit"), stop));
    assert!(info.max_insns < 40, "{info:?}");
    // The second round of the inner one.
    let inner = "r1 = *(u64 *)(r2 +8)
                 if r1 == 0 goto begins
                 *(u64 *)(r2 +0) = 17
                 begins: *(u64 *)(r2 +8) = 1";
    SOCKET.rejects("stack", &nested(stop, &format!("{inner}\nr0 = 0\nexit")));
    SOCKET.accepts(&nested(stop, &format!("{inner}\nr0 = 1\nexit")));
    SOCKET.rejects("stack", &nested("r0 = 0\nexit", &format!("{inner}\nr0 = 1\nexit")));
}

/// In a loop of the program, and of a function that has one: what stops leaves both as they are.
#[test]
fn loops_around_and_inside() {
    let around = |rounds: u32, end: &str| {
        format!(
            "r6 = 0
             *(u64 *)(r10 -16) = 0
             *(u64 *)(r10 -8) = 0
             again: r1 = 9
             r2 = subprog[f] ll
             r3 = r10
             r3 += -16
             r4 = 0
             call 181
             r6 += 1
             if r6 != {rounds} goto again
             {}
             r0 = 0
             exit
             f: r1 = *(u64 *)(r2 +0)
             r1 += 1
             *(u64 *)(r2 +0) = r1
             {end}",
            store(16, 20)
        )
    };
    SOCKET.accepts(&around(20, "r0 = 1\nexit"));
    SOCKET.rejects("stack", &around(37, "r0 = 1\nexit"));
    SOCKET.rejects("stack", &around(20, "r0 = 0\nexit"));
    let inside = "r1 = 0
         r3 = *(u64 *)(r2 +8)
         more: r1 += 1
         if r1 > 100 goto over
         if r1 != r3 goto more
         *(u64 *)(r2 +0) = r1
         r0 = 1
         exit
         over: r0 = 0
         exit";
    let text = |room: i32| looping("9", "call 7\n*(u64 *)(r10 -8) = r0", &store(16, room), inside);
    SOCKET.accepts(&text(101));
    SOCKET.rejects("stack", &text(80));
}

/// What is walked does not depend on how far a function counts.
#[test]
fn counting_far_takes_no_longer() {
    let processed = |limit: u32| {
        let info = SOCKET.accepts(&looping("1000000", "", "", &counting(limit, "")));
        assert!(info.max_insns < 20 + 8 * 1_000_010, "{info:?}");
        info.processed
    };
    let far = [10, 100, 1000, 100_000, 10_000_000].map(processed);
    assert!(far.iter().all(|steps| *steps < 200), "{far:?}");
    // The same of a sum.
    let sum = |limit: u32| {
        let add = format!(
            "r6 = r2
             call 7
             r0 &= 255
             r1 = *(u64 *)(r6 +0)
             r1 += r0
             *(u64 *)(r6 +0) = r1
             r0 = 0
             if r1 > {limit} goto stop
             exit
             stop: r0 = 1
             exit"
        );
        SOCKET.accepts(&looping("1000000", "", "", &add)).processed
    };
    let sums = [300, 3000, 30_000, 3_000_000].map(sum);
    assert!(sums.iter().all(|steps| *steps < 250), "{sums:?}");
}

/// The same of one in another, where the outer one decides on what the inner one counts.
#[test]
fn counting_far_in_another_takes_no_longer() {
    let nested = |limit: u32| {
        let text = looping(
            "1000",
            "",
            "",
            &format!(
                "r6 = r2
                 r1 = 1000
                 r2 = subprog[g] ll
                 r3 = r6
                 r4 = 0
                 call 181
                 r1 = *(u64 *)(r6 +0)
                 r0 = 0
                 if r1 > {limit} goto over
                 exit
                 over: r0 = 1
                 exit
                 g: r6 = r2
                 call 7
                 r0 &= 7
                 r1 = *(u64 *)(r6 +0)
                 r1 += r0
                 *(u64 *)(r6 +0) = r1
                 r0 = 0
                 exit"
            ),
        );
        let info = SOCKET.accepts(&text);
        assert!(info.max_insns < 3 * 1000 * 1000 * 8, "{info:?}");
        info.processed
    };
    let steps = [50, 5000, 500_000].map(nested);
    assert!(steps.iter().all(|steps| *steps < 600), "{steps:?}");
}

/// A guess at what holds in all rounds is one that is checked.
#[test]
fn a_count_bounds_where_it_is_compared() {
    // A word of the stack for each number below the limit, and for it.
    let indexed = |limit: u32, rounds: &str, room: i32| {
        let function = format!(
            "r1 = *(u64 *)(r2 +0)
             if r1 >= {limit} goto stop
             r3 = r2
             r3 += -{room}
             r3 += r1
             *(u8 *)(r3 +0) = 1
             r1 += 1
             *(u64 *)(r2 +0) = r1
             r0 = 0
             exit
             stop: r0 = 1
             exit"
        );
        looping(rounds, &format!("*(u64 *)(r10 -{}) = 0", 16 + room), "", &function)
    };
    SOCKET.accepts(&indexed(300, "1000", 304));
    SOCKET.rejects("", &indexed(300 + 21, "1000", 304));
    // Nothing but the number of rounds bounds it: these are walked one by one.
    let all = 1 << 20;
    SOCKET.accepts(&indexed(all, "8", 8));
    SOCKET.accepts(&indexed(all, "24", 24));
    SOCKET.accepts(&indexed(all, "96", 96));
    SOCKET.rejects("", &indexed(all, "48", 16));
    SOCKET.rejects("", &indexed(all, "9000", 480));
}

/// Rounds that were made one count once: one helper calls so often, and no more often.
#[test]
fn rounds_made_one_count_once() {
    let info = XDP.accepts(&looping("1000", "", "", &counting(700, "")));
    // Six instructions a round.
    assert!((6 * 1000..7 * 1000).contains(&info.max_insns), "{info:?}");
}

/// The same of a loop in a loop: how many rounds the inner one has left is known in each.
#[test]
fn rounds_made_one_in_others_count_once() {
    let nested = |rounds: u32| {
        let function = format!(
            "r6 = r2
             r1 = {rounds}
             r2 = subprog[g] ll
             r3 = r6
             r4 = 0
             call 181
             r1 = *(u64 *)(r6 +0)
             r0 = 0
             if r1 > 100000 goto stop
             exit
             stop: r0 = 1
             exit
             g: r1 = *(u64 *)(r2 +0)
             r1 += 1
             *(u64 *)(r2 +0) = r1
             r0 = 0
             exit"
        );
        SOCKET.accepts(&looping(&rounds.to_string(), "", "", &function)).max_insns
    };
    for rounds in [8_u32, 32, 100] {
        // Five instructions a round, ten around them.
        let (rounds, bound) = (u64::from(rounds), nested(rounds));
        let longest = 10 + rounds * (10 + 5 * rounds);
        assert!((longest..=longest + longest / 4).contains(&bound), "{rounds}: {bound} {longest}");
    }
}

/// Where a helper calls a few times at the most, rounds are walked: which of them ends is known.
#[test]
fn few_rounds_are_walked_one_by_one() {
    // The third of them leaves what only a state of that round says.
    let function = counting(2, "if r1 < 3 goto on\n*(u64 *)(r2 +8) = r1\non: r3 = 0");
    for rounds in [3, 5, 8] {
        let info = SOCKET.accepts(&looping(&rounds.to_string(), "", "", &function));
        // Two rounds of eight, and one of nine.
        assert_eq!(info.max_insns, 10 + 2 * 8 + 9, "{info:?}");
    }
    let info = SOCKET.accepts(&looping("9", "", "", &function));
    assert!(info.max_insns >= 10 + 2 * 8 + 9, "{info:?}");
}
