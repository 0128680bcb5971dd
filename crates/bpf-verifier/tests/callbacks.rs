//! Helpers that call functions of the program.
#![allow(clippy::format_push_string, reason = "texts are put together as they are read")]

mod common;

use common::{MAPS, SOCKET};

/// A loop of `rounds` rounds over the function `f`, with R10-8 as its context.
fn looping(rounds: &str, behind: &str, function: &str) -> String {
    format!(
        "*(u64 *)(r10 -8) = 0
         r1 = {rounds}
         r2 = subprog[f] ll
         r3 = r10
         r3 += -8
         r4 = 0
         call 181
         {behind}
         f: {function}"
    )
}

#[test]
fn rounds_count() {
    let text = looping("1000000", "r0 = 0\nexit", "r0 = 0\nexit");
    let info = SOCKET.accepts(&text);
    assert!(info.processed < 40, "{info:?}");
    // Two instructions of the function a round, and the others once.
    let once = info.max_insns - 2_000_000;
    assert!((6..12).contains(&once), "{info:?}");
    assert_eq!(info.frames, 2);
    // A number that nobody knows: as many as the helper allows.
    let text = looping("0\ncall 7\nr1 = r0", "r0 = 0\nexit", "r0 = 0\nexit");
    let info = SOCKET.accepts(&text);
    assert!((2 << 23..(2 << 23) + 100).contains(&info.max_insns), "{info:?}");
    // None at all.
    assert!(SOCKET.accepts(&looping("0", "r0 = 0\nexit", "r0 = 0\nexit")).max_insns < 12);
    // A loop in a loop.
    let info = SOCKET.accepts(&looping(
        "1000",
        "r0 = 0\nexit",
        "r1 = 2000
         r2 = subprog[g] ll
         r3 = 0
         r4 = 0
         call 181
         r0 = 0
         exit
         g: r0 = 0
         exit",
    ));
    // The inner function is two instructions a round, the outer one seven more.
    assert_eq!(info.max_insns, 9 + 1000 * (7 + 2000 * 2), "{info:?}");
    assert_eq!(info.frames, 3);
}

#[test]
fn what_a_function_returns() {
    SOCKET.accepts(&looping("5", "r0 = 0\nexit", "r0 = r1\nr0 &= 1\nexit"));
    SOCKET.rejects("R0", &looping("5", "r0 = 0\nexit", "r0 = 2\nexit"));
    SOCKET.rejects("R0", &looping("5", "r0 = 0\nexit", "r0 = r1\nexit"));
    SOCKET.rejects("R0", &looping("5", "r0 = 0\nexit", "r0 = r2\nexit"));
    SOCKET.rejects("R0", &looping("5", "r0 = 0\nexit", "exit"));
    // A number of 64 bits, of which the low half is 0.
    SOCKET.rejects("R0", &looping("5", "r0 = 0\nexit", "r0 = 1\nr0 <<= 32\nexit"));
}

#[test]
fn what_a_function_does_to_its_caller() {
    // The caller's slot is what the function may have made of it.
    let read = "r1 = *(u64 *)(r10 -8)
                r2 = r10
                r2 += -64
                r2 += r1
                *(u8 *)(r2 +0) = 0
                r0 = 0
                exit";
    let bounded = "*(u64 *)(r2 +0) = r1\nr0 = 0\nexit";
    SOCKET.accepts(&looping("40", read, bounded));
    SOCKET.rejects("", &looping("100", read, bounded));
    SOCKET.rejects(
        "",
        &looping("100", read, "r3 = *(u64 *)(r2 +0)\nr3 += 1\n*(u64 *)(r2 +0) = r3\nr0 = 0\nexit"),
    );
    // A pointer there is no pointer any longer.
    let text = "r1 = r10
         r1 += -16
         *(u64 *)(r10 -16) = 0
         *(u64 *)(r10 -8) = r1
         r1 = 1
         r2 = subprog[f] ll
         r3 = r10
         r3 += -8
         r4 = 0
         call 181
         r1 = *(u64 *)(r10 -8)
         r0 = *(u64 *)(r1 +0)
         exit
         f: *(u64 *)(r2 +0) = 1
         r0 = 0
         exit";
    SOCKET.rejects("R1", text);
    // The function's own stack is gone afterwards.
    SOCKET.rejects("stack", &looping("1", read, "r1 = r10\n*(u64 *)(r2 +0) = r1\nr0 = 0\nexit"));
}

#[test]
fn registers_of_the_caller() {
    // R6 to R9 are kept, R1 to R5 lost.
    SOCKET.accepts(&format!(
        "r6 = r10\n{}",
        looping("5", "*(u64 *)(r6 -8) = 1\nr0 = 0\nexit", "r6 = 7\nr0 = 0\nexit")
    ));
    SOCKET.rejects("R3", &looping("5", "r0 = r3\nexit", "r0 = 0\nexit"));
    // The function has none of them, and no R0.
    SOCKET.rejects("R6", &looping("5", "r0 = 0\nexit", "r0 = r6\nexit"));
    SOCKET.rejects("R0", &looping("5", "r0 = 0\nexit", "r1 = r0\nr0 = 0\nexit"));
    SOCKET.rejects("R3", &looping("5", "r0 = 0\nexit", "r1 = r3\nr0 = 0\nexit"));
}

#[test]
fn what_is_called_and_with_what() {
    let call = |setup: &str| {
        format!(
            "r1 = 3\nr2 = subprog[f] ll\nr3 = 0\nr4 = 0\n{setup}\ncall 181\nr0 = 0\nexit\nf: r0 = 0\nexit"
        )
    };
    SOCKET.accepts(&call(""));
    SOCKET.rejects("R2", &call("r2 = 5"));
    SOCKET.rejects("R2", &call("r2 = r10"));
    SOCKET.rejects("R3", &call("r3 = 5"));
    SOCKET.rejects("R2", &call("r2 += 8"));
    // Two functions on two ways to the same call.
    SOCKET.accepts(
        "r6 = *(u32 *)(r1 +0)
         r1 = 100
         r2 = subprog[f] ll
         r3 = 0
         r4 = 0
         if r6 == 0 goto over
         r2 = subprog[g] ll
         over: call 181
         r0 = 0
         exit
         f: r0 = 0
         exit
         g: r0 = 1
         exit",
    );
    // Neither memory nor a number.
    SOCKET.rejects("R2", "r2 = subprog[f] ll\nr0 = *(u64 *)(r2 +0)\nexit\nf: r0 = 0\nexit");
}

#[test]
fn depth() {
    // A function that has itself called.
    SOCKET.rejects(
        "recursi",
        &looping(
            "5",
            "r0 = 0\nexit",
            "r1 = 5\nr2 = subprog[f] ll\nr3 = 0\nr4 = 0\ncall 181\nr0 = 0\nexit",
        ),
    );
    // Its stack counts in the chain.
    let deep = "*(u64 *)(r10 -480) = 0\nr0 = 0\nexit";
    SOCKET.rejects(
        "stack",
        &format!("*(u64 *)(r10 -64) = 0\n{}", looping("5", "r0 = 0\nexit", deep)),
    );
    // A function that the caller did not name itself could be at any depth.
    SOCKET.rejects(
        "not supported",
        "r1 = subprog[f] ll
         call local g
         r0 = 0
         exit
         g: r2 = r1
         r1 = 3
         r3 = 0
         r4 = 0
         call 181
         r0 = 0
         exit
         f: r0 = 0
         exit",
    );
}

#[test]
fn references_and_rounds() {
    let reserve = "r1 = map[idx:2] ll\nr2 = 8\nr3 = 0\ncall 131\n";
    let submit = "r1 = r0\nr2 = 0\ncall 132\n";
    // Acquired and released in one round.
    let inside = format!("{reserve}if r0 == 0 goto none\n{submit}none: r0 = 0\nexit");
    SOCKET.accepts(&looping("100", "r0 = 0\nexit", &inside));
    // Acquired and kept.
    SOCKET.rejects("reference", &looping("1", "r0 = 0\nexit", &format!("{reserve}r0 = 0\nexit")));
    // Held by the caller over all rounds: also where the function uses it.
    let held = |function: &str| {
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
             r1 = r6
             r2 = 0
             call 132
             none: r0 = 0
             exit
             f: {function}"
        )
    };
    SOCKET.accepts(&held("r1 = *(u64 *)(r2 +0)\n*(u64 *)(r1 +0) = 1\nr0 = 0\nexit"));
    // Released by the function: in the next round it is no reservation.
    SOCKET.rejects("", &held("r1 = *(u64 *)(r2 +0)\nr2 = 0\ncall 132\nr0 = 0\nexit"));
}

#[test]
fn endless_in_a_function() {
    SOCKET.rejects("infinite loop", &looping("5", "r0 = 0\nexit", "r0 = 0\nagain: goto again"));
    // The loop around the helper has no bound of its own.
    SOCKET.rejects(
        "",
        "again: r1 = 5
         r2 = subprog[f] ll
         r3 = 0
         r4 = 0
         call 181
         goto again
         f: r0 = 0
         exit",
    );
}

#[test]
fn elements_of_maps() {
    let each = |map: usize, function: &str| {
        format!(
            "r1 = map[idx:{map}] ll
             r2 = subprog[f] ll
             r3 = 0
             r4 = 0
             call 164
             r0 = 0
             exit
             f: {function}"
        )
    };
    let (hash, ring, counters) = (0, 2, 6);
    let info =
        SOCKET.accepts(&each(hash, "r1 = *(u64 *)(r2 +0)\n*(u64 *)(r3 +40) = r1\nr0 = 0\nexit"));
    assert_eq!(info.max_insns, u64::from(MAPS[hash].max_entries) * 4 + 7);
    SOCKET.accepts(&each(counters, "r1 = *(u32 *)(r2 +0)\nr2 = *(u64 *)(r3 +0)\nr0 = 0\nexit"));
    // The key is read only, and as long as it is; so is the value.
    SOCKET.rejects("", &each(hash, "*(u64 *)(r2 +0) = 1\nr0 = 0\nexit"));
    SOCKET.rejects("", &each(hash, "r1 = *(u64 *)(r2 +8)\nr0 = 0\nexit"));
    SOCKET.rejects("", &each(counters, "r1 = *(u64 *)(r2 +0)\nr0 = 0\nexit"));
    SOCKET.rejects("", &each(hash, "r1 = *(u64 *)(r3 +44)\nr0 = 0\nexit"));
    // The context is null here.
    SOCKET.rejects("", &each(hash, "r1 = *(u64 *)(r4 +0)\nr0 = 0\nexit"));
    SOCKET.rejects("", &each(ring, "r0 = 0\nexit"));
    // The map may be changed meanwhile.
    SOCKET.accepts(&each(hash, "call 3\nr0 = 0\nexit"));
}

#[test]
fn keys_are_shown_to_the_function_alone() {
    let text = |between: &str, behind: &str| {
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
             f: *(u64 *)(r4 +0) = r2
             {between}
             r0 = 0
             exit"
        )
    };
    SOCKET.accepts(&text("r1 = *(u64 *)(r4 +0)\nr1 = *(u32 *)(r1 +0)", ""));
    let behind = "r1 = *(u64 *)(r10 -8)\nr1 = *(u32 *)(r1 +0)";
    SOCKET.rejects("", &text("", behind));
    SOCKET.accepts(&text("*(u64 *)(r4 +0) = r3", "r1 = *(u64 *)(r10 -8)"));
}

/// Rounds are counted from 0, so the last one's number is one less than their count.
#[test]
fn the_number_of_a_round_is_less_than_their_count() {
    let text = |rounds: &str| {
        let access = "r2 = map[idx:1][0] ll\nr2 += r1\nr0 = *(u8 *)(r2 +0)\nr0 = 0\nexit";
        looping(rounds, "r0 = 0\nexit", access)
    };
    SOCKET.accepts(&text("64"));
    SOCKET.rejects("invalid access to map_value", &text("65"));
    SOCKET.accepts(&text("0\ncall 7\nr1 = r0\nr1 &= 63\nr1 += 1"));
    SOCKET.rejects("invalid access to map_value", &text("0\ncall 7\nr1 = r0\nr1 &= 127"));
}

/// The helper takes the low half of an address as a count, which may be any number.
#[test]
fn the_number_of_a_round_is_not_known_where_an_address_counts_them() {
    let function = "r2 += r1
        r0 = *(u8 *)(r2 +0)
        r0 = 0
        exit";
    SOCKET.accepts(&looping("1", "r0 = 0\nexit", function));
    for count in ["r10", "r10\nr1 += -8"] {
        SOCKET.accepts(&looping(count, "r0 = 0\nexit", "r0 = 0\nexit"));
        SOCKET.rejects("R2", &looping(count, "r0 = 0\nexit", function));
    }
}

/// What a function is called with says the helper, not what is passed to that as a count.
#[test]
fn a_map_may_count_rounds_and_shows_nothing() {
    let text = |function: &str| {
        format!(
            "r1 = map[idx:1] ll
             r2 = subprog[f] ll
             r3 = 0
             r4 = 0
             call 181
             r0 = 0
             exit
             f: {function}
             r0 = 0
             exit"
        )
    };
    SOCKET.accepts(&text("r1 += 1"));
    SOCKET.rejects("R3", &text("r0 = *(u8 *)(r3 +0)"));
    SOCKET.rejects("R2", &text("r0 = *(u8 *)(r2 +0)"));
}
