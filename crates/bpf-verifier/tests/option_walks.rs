//! Loops that move a pointer into a packet by numbers that they read there, and count their
//! rounds.

mod common;

use common::{PACKET, XDP};

/// Offsets behind which a comparison with the packet's end proves nothing.
const END: i32 = 0xffff;

/// Reads four bytes at R6, if the packet goes as far, and counts the round.
const READ: &str = "
    r4 = r6
    r4 += 4
    if r4 > r9 goto out
    r5 = *(u32 *)(r6 +0)
    r7 += 1
";

/// Options of up to 255 bytes each, of which the second byte says how many.
fn options(step: &str, rounds: u32) -> String {
    format!(
        "{PACKET}
         r6 = r2
         r6 += 14
         r7 = 0
         again:
         r4 = r6
         r4 += 2
         if r4 > r3 goto out
         r5 = *(u8 *)(r6 +0)
         if r5 == 0 goto out
         if r5 == 1 goto nop
         r5 = *(u8 *)(r6 +1)
         {step}
         goto on
         nop: r6 += 1
         on: r7 += 1
         if r7 != {rounds} goto again
         out: r0 = 0
         exit"
    )
}

#[test]
fn the_rounds_bound_an_option_walk() {
    for rounds in [3, 20, 200] {
        let info = XDP.accepts(&options("r6 += r5", rounds));
        assert!(info.processed < 250, "{info:?}");
    }
    XDP.rejects("", &options("r6 += r5", 300));
    // In units of eight bytes, and with a header.
    XDP.accepts(&options("r5 <<= 3\nr6 += r5\nr6 += 8", 30));
    XDP.rejects("", &options("r5 <<= 3\nr6 += r5\nr6 += 8", 40));
    // Nothing counts the rounds, or the count is set back.
    XDP.rejects("", &options("r6 += r5\ngoto again", 20));
    XDP.rejects("", &options("r6 += r5\nr7 = 0", 20));
    // Back in front of the packet.
    XDP.rejects("", &options("r6 -= r5", 20));
    XDP.rejects("", &options("r6 += r5\nr6 += -16", 3));
}

/// Ten rounds, in each of which R6 goes on by up to eight bytes, or `other` happens to it. It
/// begins, as R8 does, so far behind the packet's start.
fn ways(first: i32, step: &str, other: &str) -> String {
    format!(
        "{PACKET}
         r8 = r2
         r8 += {first}
         r9 = r3
         r6 = r8
         r7 = 0
         again:
         call 7
         if r0 s> 5 goto other
         call 7
         r0 &= 8
         {step}
         goto on
         other:
         call 7
         {other}
         on:
         r0 = 0
         r1 = 0
         r2 = 0
         r3 = 0
         {READ}
         if r7 != 10 goto again
         out: r0 = 0
         exit"
    )
}

/// What one way does to the pointer stands for no other way that leads to the same place, even
/// if that leads to where the first one may as well.
#[test]
fn where_ways_meet() {
    let step = "r6 += r0";
    // The most that is right, and one more.
    for other in ["", "r6 += 8", "r0 &= 7\nr6 += r0", "r6 = r8"] {
        XDP.accepts(&ways(END - 4 - 80, step, other));
        XDP.rejects("", &ways(END - 4 - 79, step, other));
    }
    // Another pointer, from which nine rounds go on.
    for other in ["r0 &= 63\nr6 = r8\nr6 += r0", "r6 = r8\nr6 += 60"] {
        XDP.rejects("", &ways(END - 4 - 80, step, other));
        XDP.accepts(&ways(END - 4 - 72 - 63, step, other));
    }
    // Further than the first way.
    XDP.rejects("", &ways(END - 4 - 80, step, "r0 &= 8\nr6 += r0\nr6 += 1"));
    XDP.rejects("", &ways(END - 4 - 80, step, "r6 += 9"));
    // By way of the stack.
    let spilled = "*(u64 *)(r10 -8) = r6\nr6 = *(u64 *)(r10 -8)\nr6 += r0";
    XDP.rejects("", &ways(END - 4 - 80, spilled, "r0 &= 63\nr6 = r8\nr6 += r0"));
}

/// A sum of another pointer that goes on as well, and is as far on, is another one.
#[test]
fn where_the_ways_of_two_pointers_meet() {
    let program = |first: i32, other: &str| {
        ways(first, "r1 = r6\nr6 += r0", other)
            .replacen("r6 = r8\n", "r6 = r8\nr8 += 60\n", 1)
            .replacen("r0 = 0\n", "r0 = 0\nr8 += 1\n", 1)
    };
    let other = "r0 &= 8\nr6 = r8\nr6 += r0";
    XDP.rejects("", &program(END - 4 - 80, other));
    XDP.accepts(&program(END - 4 - 200, other));
    XDP.accepts(&program(END - 4 - 80, "r0 &= 8\nr6 += r0"));
}

/// The same where nothing but the name tells both sums apart: as much was added to both, and the
/// other one is within the bounds of the first. In every round R8 is another one of up to 63.
#[test]
fn where_only_the_origin_differs() {
    let another = "call 7\nr0 &= 63\nr8 += r0\n";
    let program = |first: i32, other: &str| {
        ways(first, "r6 += r0", other)
            .replacen("r6 = r8\n", &format!("r6 = r8\n*(u64 *)(r10 -8) = r8\n{another}"), 1)
            .replacen("r0 = 0\n", &format!("r8 = *(u64 *)(r10 -8)\n{another}r0 = 0\n"), 1)
    };
    let other = "r0 &= 8\nr6 = r8\nr6 += r0";
    XDP.rejects("", &program(END - 4 - 80, other));
    XDP.accepts(&program(END - 4 - 80 - 63, other));
    XDP.accepts(&program(END - 4 - 80, "r0 &= 8\nr6 += r0"));
}

/// The same, where a pointer waits on the stack, and where ways meet at a head whose rounds
/// something else grants.
#[test]
fn where_rounds_meet() {
    let program = |first: i32, other: &str| {
        format!(
            "{PACKET}
             r8 = r2
             r8 += {first}
             r9 = r3
             *(u64 *)(r10 -8) = r8
             r7 = 0
             again:
             call 7
             r0 &= 8
             r6 = *(u64 *)(r10 -8)
             r6 += r0
             *(u64 *)(r10 -8) = r6
             inner:
             may_goto behind
             call 7
             if r0 s> 5 goto inner
             call 7
             {other}
             goto inner
             behind:
             r6 = *(u64 *)(r10 -8)
             {READ}
             if r7 != 10 goto again
             out: r0 = 0
             exit"
        )
    };
    XDP.accepts(&program(END - 4 - 80, ""));
    XDP.rejects("", &program(END - 4 - 79, ""));
    let reset = "r0 &= 63\nr6 = r8\nr6 += r0\n*(u64 *)(r10 -8) = r6";
    XDP.rejects("", &program(END - 4 - 80, reset));
    XDP.accepts(&program(END - 4 - 72 - 63, reset));
}

/// The same, where the path has left the loop, and comes back to where a round of it is open by
/// way of a loop around it that nothing but the allowance bounds: too long to be summarised at
/// once, and to be assembled where memory is fixed.
#[cfg(feature = "cloud-profile")]
#[test]
fn where_a_round_closes_that_was_left() {
    let program = |first: i32, leave: &str| {
        let long = "r0 += 1\n".repeat(1030);
        format!(
            "{PACKET}
             r8 = r2
             r9 = r3
             call 7
             r0 &= 15
             r0 += {first}
             r8 += r0
             r7 = 0
             r6 = r8
             outer:
             call 7
             if r0 != 77 goto short
             {long}
             short:
             r0 = 0
             r1 = 0
             r2 = 0
             r3 = 0
             r4 = 0
             r5 = 0
             head:
             call 7
             r0 &= 8
             r6 -= r0
             r0 = 0
             r1 = 0
             r2 = 0
             r3 = 0
             r4 = 0
             r5 = 0
             may_goto behind
             call 7
             if r0 s> 5 goto leave
             behind:
             {READ}
             if r7 != 10 goto head
             out: r0 = 0
             exit
             leave:
             {leave}
             goto outer"
        )
    };
    // Ten rounds go on from there, in front of the packet.
    XDP.rejects("", &program(80, "r6 = r8\nr6 += -60"));
    XDP.rejects("", &program(80, "call 7\nr0 &= 63\nr6 = r8\nr6 -= r0"));
    XDP.rejects("", &program(80, "call 7\nr0 &= 7\nr6 = r8\nr6 -= r0"));
    XDP.accepts(&program(80, "r6 = r8"));
}
