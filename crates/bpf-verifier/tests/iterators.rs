//! Open-coded iterators. Kernel function 1 makes one, 2 asks it, 3 destroys it.
#![allow(clippy::format_push_string, reason = "texts are put together as they are read")]

mod common;

use bpf_bytecode::BpfProgType;
use bpf_profile::ActiveProfile;
use bpf_verifier::{HelperTable, Verifier, VerifyErrorKind};
use common::{SOCKET, UNPRIVILEGED, program};

const IT: &str = "r1 = r10\nr1 += -8\n";

/// Makes an iterator from `from` to `to` in the slot at R10-8.
fn new(from: &str, to: &str) -> String {
    format!("{IT}r2 = {from}\nr3 = {to}\ncall kfunc 1\n")
}

/// A loop over the iterator with this body, which ends with a destroyed one.
fn each(body: &str) -> String {
    format!("again: {IT}call kfunc 2\nif r0 == 0 goto out\n{body}\ngoto again\nout: {}", destroy())
}

fn destroy() -> String {
    format!("{IT}call kfunc 3\n")
}

const END: &str = "r0 = 0\nexit";

#[test]
fn rounds_count() {
    let text = format!("{}{}{END}", new("0", "1000000"), each("r6 = 1"));
    let info = SOCKET.accepts(&text);
    assert!(info.processed < 60, "{info:?}");
    // Six instructions a round.
    assert!((6_000_000..6_100_000).contains(&info.max_insns), "{info:?}");
    // Bounds that nobody knows.
    let text = format!("call 7\nr6 = r0\n{}{}{END}", new("r6", "r0"), each("r6 = 1"));
    let info = SOCKET.accepts(&text);
    assert!((6 << 23..(6 << 23) + 100).contains(&info.max_insns), "{info:?}");
    // A few rounds, and none.
    assert!(SOCKET.accepts(&format!("{}{}{END}", new("0", "3"), each("r6 = 1"))).max_insns < 60);
    assert!(SOCKET.accepts(&format!("{}{}{END}", new("3", "0"), each("r6 = 1"))).max_insns < 30);
}

/// The way with no rounds is walked first, and does not stand for the other one.
#[test]
fn rounds_of_one_way_are_not_those_of_another() {
    let either = format!("call 7\nif r0 > 63 goto more\n{}goto again", new("0", "0"));
    let text = format!("{either}\nmore: {}{}{END}", new("0", "1000"), each("r6 = 1"));
    let info = SOCKET.accepts(&text);
    assert!((6_000..6_100).contains(&info.max_insns), "{info:?}");
}

/// Ways that make iterators of other numbers meet behind that.
#[test]
fn numbers_of_one_way_are_not_those_of_another() {
    let index = "r1 = *(u32 *)(r0 +0)\nr2 = r6\nr2 += r1\nr2 = *(u8 *)(r2 +0)";
    let text = |one: &str, other: &str| {
        let value = common::with_value("r6 = r0\ncall 7\nif r0 s< 0 goto other");
        let (one, other) = (new("0", one), new("0", other));
        format!("{value}\n{one}goto meet\nother: {other}meet: r0 = 0\n{}{END}", each(index))
    };
    SOCKET.accepts(&text("9", "48"));
    SOCKET.rejects("R2", &text("9", "49"));
    SOCKET.rejects("R2", &text("49", "9"));
}

#[test]
fn what_is_given() {
    SOCKET.accepts(&format!("{}{}{END}", new("0", "9"), each("r1 = *(u32 *)(r0 +0)")));
    SOCKET.rejects("", &format!("{}{}{END}", new("0", "9"), each("r1 = *(u64 *)(r0 +0)")));
    SOCKET.rejects("", &format!("{}{}{END}", new("0", "9"), each("*(u32 *)(r0 +0) = 1")));
    SOCKET.rejects("", &format!("{}{}{END}", new("0", "9"), each("r1 = *(u32 *)(r0 +4)")));
    // Without a look whether something was given.
    SOCKET.rejects(
        "",
        &format!("{}{IT}call kfunc 2\nr1 = *(u32 *)(r0 +0)\n{}{END}", new("0", "9"), destroy()),
    );
    // After the end.
    SOCKET.rejects(
        "",
        &format!("r7 = r10\n{}{}r1 = *(u32 *)(r7 +0)\n{END}", new("0", "9"), each("r7 = r0")),
    );
}

#[test]
fn life() {
    let (make, destroy) = (new("0", "9"), destroy());
    SOCKET.accepts(&format!("{make}{destroy}{END}"));
    SOCKET.accepts(&format!("{make}{destroy}{make}{destroy}{END}"));
    // Not destroyed at all, or on one way only.
    SOCKET.rejects("reference", &format!("{make}{END}"));
    SOCKET.rejects(
        "reference",
        &format!("call 7\nr6 = r0\n{make}if r6 == 0 goto over\n{destroy}over: {END}"),
    );
    SOCKET.rejects(
        "reference",
        &format!("{make}again: {IT}call kfunc 2\nif r0 != 0 goto again\n{END}"),
    );
    // Made twice, destroyed twice, asked before and afterwards.
    SOCKET.rejects("iterator", &format!("{make}{make}{destroy}{END}"));
    SOCKET.rejects("iterator", &format!("{make}{destroy}{destroy}{END}"));
    SOCKET.rejects("iterator", &format!("{IT}call kfunc 2\n{END}"));
    SOCKET.rejects("iterator", &format!("{IT}call kfunc 3\n{END}"));
    SOCKET.rejects("iterator", &format!("{make}{destroy}{IT}call kfunc 2\n{END}"));
    // In a function's frame, of which nothing is left.
    SOCKET.rejects("reference", &format!("call local f\n{END}\nf: {make}{END}"));
    // A tail call would leave it behind.
    SOCKET.rejects(
        "",
        &format!("r6 = r1\n{make}r1 = r6\nr2 = map[idx:3] ll\nr3 = 0\ncall 12\n{destroy}{END}"),
    );
}

#[test]
fn places() {
    let at =
        |place: &str| format!("{place}r2 = 0\nr3 = 9\ncall kfunc 1\n{place}call kfunc 3\n{END}");
    SOCKET.accepts(&at("r1 = r10\nr1 += -8\n"));
    SOCKET.rejects("", &at("r1 = r10\nr1 += -12\n"));
    SOCKET.rejects("", &at("r1 = r10\nr1 += -4\n"));
    SOCKET.rejects("", &at("r1 = r10\nr1 += -520\n"));
    SOCKET.rejects("iterator", &at("r1 = 8\n"));
    SOCKET.rejects("iterator", &format!("r6 = r1\n{}", at("r1 = r6\n")));
    // One place of several.
    SOCKET.rejects(
        "",
        &format!("call 7\nr6 = r0\nr6 &= 8\n{}", at("r1 = r10\nr1 += -16\nr1 += r6\n")),
    );
    // Addresses in the place of bounds.
    SOCKET.rejects("R2", &format!("{}{}{END}", new("r10", "9"), destroy()));
}

#[test]
fn what_overwrites_an_iterator_ends_it() {
    let (make, destroy) = (new("0", "9"), destroy());
    for write in [
        "*(u64 *)(r10 -8) = 0",
        "*(u8 *)(r10 -1) = 0",
        "call 7\nr0 &= 8\nr1 = r10\nr1 += -16\nr1 += r0\n*(u64 *)(r1 +0) = 0",
    ] {
        let text = format!("*(u64 *)(r10 -16) = 0\n{make}{write}\n{destroy}{END}");
        SOCKET.rejects("iterator", &text);
        SOCKET.rejects("reference", &format!("*(u64 *)(r10 -16) = 0\n{make}{write}\n{END}"));
    }
    // It cannot be copied either.
    for suite in [SOCKET, UNPRIVILEGED] {
        suite.rejects(
            "",
            &format!("{make}r6 = *(u64 *)(r10 -8)\n*(u64 *)(r10 -16) = r6\n{destroy}{END}"),
        );
    }
    // Nor does a helper read it.
    let print = "r1 = r10\nr1 += -16\nr2 = 16\nr3 = 1\ncall 6\n";
    SOCKET.rejects(
        "invalid read from stack",
        &format!("{make}*(u64 *)(r10 -16) = 0\n{print}{destroy}{END}"),
    );
}

#[test]
fn loops_that_an_iterator_does_not_bound() {
    // The loop around it.
    SOCKET.rejects("", &format!("around: {}{}goto around", new("0", "9"), each("r6 = 1")));
    // The side where nothing is given leads back.
    SOCKET
        .rejects("infinite loop", &format!("{}again: {IT}call kfunc 2\ngoto again", new("0", "9")));
    // An inner loop makes the outer one's iterator anew.
    let text = format!(
        "{}outer: {IT}call kfunc 2
         if r0 == 0 goto out
         r1 = r10
         r1 += -16
         r2 = 0
         r3 = 2
         call kfunc 1
         inner: r1 = r10
         r1 += -16
         call kfunc 2
         if r0 == 0 goto next
         {}{}
         goto inner
         next: r1 = r10
         r1 += -16
         call kfunc 3
         goto outer
         out: {}{END}",
        new("0", "9"),
        destroy(),
        new("0", "9"),
        destroy()
    );
    let verifier = Verifier::<ActiveProfile>::new().step_limit(5_000);
    let error = verifier.verify(&program(BpfProgType::SocketFilter, &text)).unwrap_err();
    assert_eq!(error.kind(), VerifyErrorKind::TooComplex { limit: 5_000 });
}

#[test]
fn loops_in_loops() {
    let text = format!(
        "{}outer: {IT}call kfunc 2
         if r0 == 0 goto out
         r1 = r10
         r1 += -16
         r2 = 0
         r3 = 2000
         call kfunc 1
         inner: r1 = r10
         r1 += -16
         call kfunc 2
         if r0 == 0 goto next
         r6 = 1
         goto inner
         next: r1 = r10
         r1 += -16
         call kfunc 3
         goto outer
         out: {}{END}",
        new("0", "1000"),
        destroy(),
    );
    let info = SOCKET.accepts(&text);
    assert!(info.processed < 200, "{info:?}");
    assert!((12_000_000..17_000_000).contains(&info.max_insns), "{info:?}");
}

/// The counter decides something in every round, so that no round is like another.
#[test]
fn a_counter_beside_an_iterator() {
    let body = "r1 = *(u32 *)(r10 -12)
                if r1 == 7 goto seven
                r6 = 1
                seven: w1 += 1
                *(u32 *)(r10 -12) = r1";
    let text = format!("*(u32 *)(r10 -12) = 0\n{}{}{END}", new("0", "1000000"), each(body));
    let info = SOCKET.accepts(&text);
    assert!(info.processed < 300, "{info:?}");
    // Ten instructions a round; the counter bounds nothing, as it may go round.
    assert!((9_999_990..10_100_000).contains(&info.max_insns), "{info:?}");
    // What holds in the first rounds alone is still found round by round.
    let body = "r1 = *(u32 *)(r10 -12)
                r2 = r10
                r2 += r1
                *(u8 *)(r2 -32) = 0
                w1 += 1
                *(u32 *)(r10 -12) = r1";
    let text = |to| format!("*(u32 *)(r10 -12) = 0\n{}{}{END}", new("0", to), each(body));
    SOCKET.accepts(&text("9"));
    SOCKET.rejects("", &text("40"));
}

#[test]
fn an_iterator_is_asked_where_it_was_made() {
    // Both ways hold one iterator and numbers of eight bytes where paths meet.
    let made = |asked: i32| {
        format!(
            "r6 = *(u32 *)(r1 +0)
             *(u64 *)(r10 -8) = 7
             *(u64 *)(r10 -16) = 7
             r1 = r10
             r1 += -8
             if r6 == 0 goto other
             r2 = 0
             r3 = 9
             call kfunc 1
             goto both
             other: r1 += {asked}
             r2 = 0
             r3 = 9
             call kfunc 1
             both: r6 = 0
             r6 += 1
             {IT}call kfunc 2
             {}{END}",
            destroy()
        )
    };
    SOCKET.accepts(&made(0));
    SOCKET.rejects("iterator", &made(-8));
}

#[test]
fn no_register_holds_an_iterator() {
    for taken in ["r2 = *(u64 *)(r10 -8)", "r2 = atomic_fetch_or((u64 *)(r10 -8), r2)"] {
        let text = format!("{}r2 = 0\n{taken}\n{}{END}", new("0", "9"), destroy());
        SOCKET.rejects("invalid read from stack", &text);
    }
}

/// A loop over the bits of the word in R10-24, by the iterator in R10-16.
fn bits(make: &str, body: &str, end: &str) -> String {
    let it = "r1 = r10\nr1 += -16\n";
    format!(
        "*(u64 *)(r10 -24) = 5\n{it}r2 = r10\nr2 += -24\n{make}\ncall kfunc 132
         again: {it}call kfunc 133\nif r0 == 0 goto out\n{body}\ngoto again
         out: {it}{end}\nr0 = 0\nexit"
    )
}

#[test]
fn iterators_over_bits() {
    let verify = |text: &str| {
        let program = program(BpfProgType::Xdp, text);
        let verifier = Verifier::<ActiveProfile>::with_env(HelperTable::linux());
        let mut info = None;
        let result = verifier
            .verify_with(&program, &mut common::Last::default())
            .map(|found| info = Some(found));
        let strict = Verifier::<ActiveProfile>::with_env(HelperTable::linux());
        let strict = strict.compare_everything().verify(&program);
        assert_eq!(result.is_ok(), strict.is_ok(), "{text}");
        result.map(|()| info.expect("what was proven"))
    };
    let destroy = "call kfunc 134";
    let accepts = |text: &str| verify(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let rejects = |reason: &str, text: &str| {
        let error = verify(text).expect_err(text);
        assert!(error.to_string().contains(reason), "{error}\nnot: {reason}\n{text}");
    };
    let read = "r3 = *(u32 *)(r0 +0)";
    // 64 bits a word, six instructions a round; 511 words at the most.
    let info = accepts(&bits("r3 = 2", read, destroy));
    assert!((128 * 6..128 * 6 + 100).contains(&info.max_insns), "{info:?}");
    let info = accepts(&bits("r3 = 1000000", read, destroy));
    assert!((511 * 64 * 6..511 * 64 * 6 + 100).contains(&info.max_insns), "{info:?}");
    rejects("", &bits("r3 = 2", "r3 = *(u64 *)(r0 +0)", destroy));
    rejects("Unreleased reference", &bits("r3 = 2", read, ""));
    // Neither half may be written over, and no half is an iterator.
    rejects("iterator", &bits("r3 = 2", "*(u64 *)(r10 -16) = 0", destroy));
    rejects("iterator", &bits("r3 = 2", "*(u64 *)(r10 -8) = 0", destroy));
    rejects("iterator", &bits("r3 = 2", "*(u8 *)(r10 -8) = 0", destroy));
    rejects("invalid stack access", &bits("r3 = 2", read, &format!("r1 += 8\n{destroy}")));
    // One kind is not the other.
    rejects("iterator", &bits("r3 = 2", read, "call kfunc 3"));
    rejects("iterator", &bits("r3 = 2", "r1 = r10\nr1 += -16\ncall kfunc 2", destroy));
    let twice = "r1 = r10\nr1 += -16\nr2 = 0\nr3 = 1\ncall kfunc 132";
    rejects("iterator", &bits("r3 = 2", twice, destroy));
    rejects("iterator", &bits("r3 = 2", &twice.replace("-16", "-24"), destroy));
    // The engines have none.
    let text = program(BpfProgType::Xdp, &bits("r3 = 2", read, destroy));
    let error = Verifier::<ActiveProfile>::new().verify(&text).expect_err("not here");
    assert!(error.to_string().contains("bpf_iter_bits_new"), "{error}");
}

#[test]
fn a_number_counts_for_one_round_in_all() {
    // A machine of three states, which go to each other in many ways.
    let states = "r6 = 0
         r1 = r10
         r1 += -8
         r2 = 0
         r3 = 100
         call kfunc 1
         again: r1 = r10
         r1 += -8
         call kfunc 2
         if r0 == 0 goto out
         call 7
         if r6 == 1 goto one
         if r6 == 2 goto two
         if r0 == 0 goto again
         r6 = 1
         if r0 == 1 goto again
         r6 = 2
         goto again
         one: if r0 == 0 goto again
         r6 = 2
         goto again
         two: if r0 == 0 goto again
         r6 = 0
         goto again
         out: r1 = r10
         r1 += -8
         call kfunc 3
         r0 = r6
         exit";
    // The longest round has twelve instructions, and ten the one that must come between.
    let info = SOCKET.accepts(states);
    let real = 50 * (12 + 10) + 15;
    assert!((real..real + real / 8).contains(&info.max_insns), "{info:?}");
}

#[test]
fn what_three_things_grant_is_counted_each() {
    // A function that a helper calls, an iterator in it, and a helper that calls in its rounds.
    let nested = "r3 = 0
         r1 = 1
         r2 = subprog[outer] ll
         r4 = 0
         call 181
         r0 = 0
         exit
         outer: r1 = r10
         r1 += -8
         r2 = 0
         r3 = 3
         call kfunc 1
         call 7
         r8 = r0
         r8 &= 3
         again: r1 = r10
         r1 += -8
         call kfunc 2
         if r0 == 0 goto out
         *(u64 *)(r10 -16) = r8
         r3 = r10
         r3 += -16
         r1 = 1
         r2 = subprog[inner] ll
         r4 = 0
         call 181
         r8 = *(u64 *)(r10 -16)
         goto again
         out: r1 = r10
         r1 += -8
         call kfunc 3
         r0 = 0
         exit
         inner: r0 = 0
         *(u64 *)(r2 +0) = 1
         exit";
    let info = SOCKET.accepts(nested);
    // Before the rounds and behind them, in the program and in the function; the rounds.
    assert_eq!(info.max_insns, 5 + 8 + 9 + 2 + 3 * 16, "{info:?}");
}

#[test]
fn what_gives_nothing_stands_for_no_round() {
    // The loop is left where nothing is given, and the same iterator is asked again.
    let info = SOCKET.accepts(
        "r1 = r10
         r1 += -8
         r2 = 0
         r3 = 2
         call kfunc 1
         r1 = r10
         r1 += -8
         call kfunc 2
         if r0 == 0 goto end
         again: r1 = r10
         r1 += -8
         call kfunc 2
         if r0 == 0 goto out
         goto again
         out: r0 = 0\nr0 = 1\nr0 = 2\nr0 = 3\nr0 = 4\nr0 = 5\nr0 = 6\nr0 = 7\nr0 = 8\nr0 = 9
         more: r1 = r10
         r1 += -8
         call kfunc 2
         if r0 == 0 goto end
         r0 = 0\nr0 = 1\nr0 = 2
         goto more
         end: r1 = r10
         r1 += -8
         call kfunc 3
         r0 = 0
         exit",
    );
    let real = 5 + 4 + 5 + 4 + 10 + 4 + 5;
    assert!((real..real + 10).contains(&info.max_insns), "{info:?}");
}

/// The body's number is what was given, in R1.
fn numbers(from: &str, to: &str, body: &str) -> String {
    let given = format!("r7 = r0\nr1 = *(u32 *)(r0 +0)\n{body}");
    format!("{}{}{END}", new(from, to), each(&given))
}

/// A byte of the nine that end at R10-32.
const BYTE: &str = "r2 = r10\nr2 += r1\n*(u8 *)(r2 -40) = 0";

#[test]
fn what_is_given_lies_between_the_ends() {
    SOCKET.accepts(&numbers("0", "9", BYTE));
    SOCKET.accepts(&numbers("0", "32", BYTE));
    SOCKET.rejects("iterator", &numbers("0", "33", BYTE));
    SOCKET.rejects("", &numbers("0", "1000", BYTE));
    // Not before the first one.
    let from_five = format!("r1 -= 5\n{BYTE}");
    SOCKET.accepts(&numbers("5", "9", &from_five));
    SOCKET.rejects("", &numbers("r10", "9", &from_five));
    let below = "r2 = r10\nr2 += r1\n*(u8 *)(r2 -517) = 0";
    SOCKET.accepts(&numbers("5", "9", below));
    SOCKET.rejects("invalid stack access", &numbers("4", "9", below));
    // As the half of a number that it is.
    let signed = format!("r1 = (s32)r1\nr1 += 5\n{BYTE}");
    SOCKET.accepts(&numbers("-5", "5", &signed));
    SOCKET.rejects("", &numbers("-6", "1000", &signed));
    SOCKET.rejects("", &numbers("-5", "5", BYTE));
    // Ends that are known to lie in a range.
    let either = |to: &str| format!("call 7\nr6 = r0\nr6 &= {to}\n");
    SOCKET.accepts(&format!("{}{}", either("31"), numbers("0", "r6", BYTE)));
    SOCKET.rejects("", &format!("{}{}", either("63"), numbers("0", "r6", BYTE)));
    SOCKET.accepts(&format!("{}{}", either("31"), numbers("r6", "32", BYTE)));
    // Those of an outer one are not those of an inner one.
    let inner = "*(u64 *)(r10 -24) = r1
         r1 = r10\nr1 += -16\nr2 = 0\nr3 = 1000\ncall kfunc 1
         inner: r1 = r10\nr1 += -16\ncall kfunc 2\nif r0 == 0 goto over
         r1 = *(u32 *)(FROM +0)\nr2 = r10\nr2 += r1\n*(u8 *)(r2 -100) = 0\ngoto inner
         over: r1 = r10\nr1 += -16\ncall kfunc 3";
    SOCKET.accepts(&numbers("0", "9", &inner.replace("FROM", "r7")));
    SOCKET.rejects("", &numbers("0", "9", &inner.replace("FROM", "r0")));
}

#[test]
fn what_was_given_becomes_zero_at_the_end() {
    // R7 keeps where the last number lies; it is 5 at the least, or 0 behind the end.
    let text = |more: &str| {
        let look = "if r7 == 0 goto none\nr1 = *(u32 *)(r7 +0)";
        let write = format!("r1 -= 5\n{BYTE}");
        format!(
            "r7 = 0\n{}again: {IT}call kfunc 2\nif r0 == 0 goto out\nr7 = r0\n{more}goto again
             out: {look}\n{write}\nnone: {}{END}",
            new("5", "9"),
            destroy()
        )
    };
    SOCKET.rejects("", &text(""));
    // Where the loop is left before its end, it is there still.
    let asked = format!("{}{IT}call kfunc 2\nif r0 == 0 goto none\n", new("5", "9"));
    let after = |more: &str| {
        format!(
            "{asked}r7 = r0\n{more}r1 = *(u32 *)(r7 +0)\nr1 -= 5\n{BYTE}\nnone: {}{END}",
            destroy()
        )
    };
    SOCKET.accepts(&after(""));
    SOCKET.accepts(&after(&format!("{IT}call kfunc 2\nif r0 == 0 goto none\n")));
    SOCKET.rejects("", &after(&format!("{IT}call kfunc 2\n")));
    // What is written over an iterator is what is there.
    SOCKET.rejects("invalid stack access", &after("*(u32 *)(r10 -8) = 700\n"));
}

/// The inner one's number of rounds is the outer one's number.
#[test]
fn ends_that_another_gave() {
    let inner = "r3 = *(u32 *)(r0 +0)
         r1 = r10\nr1 += -16\nr2 = 0\ncall kfunc 1
         inner: r1 = r10\nr1 += -16\ncall kfunc 2\nif r0 == 0 goto over
         goto inner
         over: r1 = r10\nr1 += -16\ncall kfunc 3";
    let info = SOCKET.accepts(&format!("{}{}{END}", new("0", "100"), each(inner)));
    assert!(info.max_insns < 100 * (100 * 5 + 17) + 100, "{info:?}");
}

#[test]
fn rounds_of_three_that_grant_are_all_counted() {
    // A function that is called once, four numbers, four numbers for each of them, and for
    // each of these a loop of its own.
    let info = SOCKET.accepts(
        "r1 = 1
         r2 = subprog[+5]
         r3 = 0
         r4 = 0
         call 181
         exit
         r7 = 0
         r8 = 0
         r2 = 0
         r3 = 4
         r1 = r10
         r1 += -72
         call kfunc 1
         outer: r1 = r10
         r1 += -72
         call kfunc 2
         if r0 == 0 goto out
         r7 = 1
         r2 = 0
         r3 = 4
         r1 = r10
         r1 += -80
         call kfunc 1
         inner: r1 = r10
         r1 += -80
         call kfunc 2
         if r0 == 0 goto end
         r8 = 1
         r1 = 0
         count: if r1 == 40 goto inner
         r1 += 1
         goto count
         end: r1 = r10
         r1 += -80
         call kfunc 3
         goto outer
         out: r1 = r10
         r1 += -72
         call kfunc 3
         r1 = r8
         r1 = r7
         r0 = 1
         exit",
    );
    let inner = 4 * (4 + 2 + 40 * 3 + 1) + 4;
    let outer = 4 * (4 + 6 + inner + 4) + 4;
    let real = 6 + 7 + outer + 6 + 1;
    assert!((real..2 * real).contains(&info.max_insns), "{real}: {info:?}");
}

/// So many loops over iterators in each other, each in a slot of its own and asked at its end
/// once more, around this body.
fn nest(depth: usize, body: &str) -> String {
    (0..depth).rev().fold(body.to_owned(), |inside, at| {
        let it = format!("r1 = r10\nr1 += -{}\n", 8 * (at + 1));
        format!(
            "{it}r2 = 0\nr3 = 10\ncall kfunc 1
             {it}call kfunc 2
             if r0 == 0 goto out{at}
             round{at}: {inside}
             {it}call kfunc 2
             if r0 != 0 goto round{at}
             out{at}: {it}call kfunc 3"
        )
    })
}

/// A guess that held is of iterators, and of what else was held then, that are over. It is made
/// again of what is there now: otherwise every loop would be guessed anew in every phase of the
/// one around it.
#[test]
fn a_guess_of_iterators_that_are_over_holds_of_others() {
    let steps = |depth| {
        let text = format!("r6 = 0\n{}\n{END}", nest(depth, "w6 += 1"));
        SOCKET.accepts(&text).processed
    };
    let (three, five) = (steps(3), steps(5));
    assert!(five < 6 * three && five < 4000, "{three}, {five}");
    // In each of them the number grows, and the store comes to an iterator.
    let store = |room: u32| {
        let body = format!("r6 += 1\nr1 = r10\nr1 += -{room}\nr1 += r6\n*(u8 *)(r1 + 0) = 0");
        format!("r6 = 0\n{}\n{END}", nest(2, &body))
    };
    SOCKET.rejects("does not point to an iterator", &store(24));
}
