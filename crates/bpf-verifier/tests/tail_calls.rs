//! Functions that end before their exit: by tail calls, and where a packet is too
//! short for a deprecated load.

mod common;

use common::{LOOKUP, PACKET, SOCKET, XDP};

/// Calls program 0 of the array, with the context in R6.
const TAIL: &str = "r1 = r6\nr2 = map[idx:3] ll\nr3 = 0\ncall 12\n";

/// A function that may end by a tail call, and else returns 0; its argument is the
/// context.
fn function(text: &str) -> String {
    format!("{text}\nf: r6 = r1\n{TAIL}r0 = 0\nexit")
}

#[test]
fn whatever_takes_over_returns_any_number() {
    let info = SOCKET.accepts(&function("call local f\nexit"));
    assert!(info.tail_calls);
    // Two in a chain, and one in the first function.
    SOCKET.accepts(&format!(
        "r6 = r1\ncall local g\n{TAIL}r0 = 0\nexit
         g: r6 = r1\ncall local f\nexit
         f: r6 = r1\n{TAIL}r0 = 0\nexit"
    ));
    let decided = "if r0 == 0 goto out\nr0 = r9\nout: exit";
    SOCKET.rejects("R9 !read_ok", &function(&format!("call local f\n{decided}")));
    // It is a number in all of its 64 bits.
    let bounded = "w1 = w0\nif r1 == r0 goto out\nr0 = r9\nout: exit";
    SOCKET.rejects("R9 !read_ok", &function(&format!("call local f\n{bounded}")));
}

#[test]
fn registers_of_the_caller_come_back() {
    SOCKET.accepts(&function("r7 = 3\nr8 = r10\ncall local f\n*(u64 *)(r8 -8) = r7\nexit"));
    SOCKET.rejects("R1 !read_ok", &function("call local f\nr0 = r1\nexit"));
}

/// What takes over may move the packet, and so may what calls it.
#[test]
fn packets_of_the_caller_may_have_moved() {
    let caller = |call: &str| {
        format!(
            "r6 = r1
             {PACKET}
             r7 = r2
             r2 += 8
             if r2 > r3 goto out
             r1 = r6
             {call}
             r0 = *(u8 *)(r7 +0)
             exit
             out: r0 = 0
             exit"
        )
    };
    XDP.accepts(&format!("{}\nf: r0 = 0\nexit", caller("call local f")));
    XDP.rejects("R7 invalid mem access 'scalar'", &function(&caller("call local f")));
    // In the first function nobody comes back.
    XDP.accepts(&caller(TAIL));
}

#[test]
fn nothing_is_held_by_callers() {
    let reserved = "r6 = r1
         r1 = map[idx:2] ll
         r2 = 8
         r3 = 0
         call 131
         r7 = r0
         if r7 == 0 goto out
         r1 = r6
         call local f
         r1 = r7
         r2 = 0
         call 132
         out: r0 = 0
         exit";
    SOCKET.rejects("tail_call would lead to reference leak", &function(reserved));
    let load = "\nf: r6 = r1\nr0 = *(u8 *)skb[0]\nexit";
    SOCKET.rejects("Unreleased reference", &format!("{reserved}{load}"));
    SOCKET.accepts(&format!("{reserved}\nf: r0 = 0\nexit"));
}

#[test]
fn functions_that_helpers_call_make_none() {
    let text = |inner: &str| {
        format!(
            "*(u64 *)(r10 -8) = r1\nr3 = r10\nr3 += -8\nr1 = 4\nr2 = subprog[f] ll\nr4 = 0\ncall 181\nr0 = 0\nexit
             f: r6 = *(u64 *)(r2 +0)\n{inner}r0 = 0\nexit"
        )
    };
    SOCKET.accepts(&text(""));
    SOCKET.rejects("tail calls from functions that helpers call", &text(TAIL));
}

/// A short packet ends the function with 0.
#[test]
fn deprecated_loads_in_functions() {
    let caller = |after: &str| {
        format!("call local f\n{after}\nr0 = 1\nexit\nf: r6 = r1\nr0 = *(u8 *)skb[0]\nr0 = 5\nexit")
    };
    SOCKET.accepts(&caller("if r0 == 5 goto +2\nif r0 == 0 goto +1\nr0 = r9"));
    SOCKET.rejects("R9 !read_ok", &caller("if r0 == 5 goto +1\nr0 = r9"));
    SOCKET.rejects("R9 !read_ok", &caller("if r0 == 0 goto +1\nr0 = r9"));
    // What the caller knew it still knows.
    SOCKET.accepts(&format!(
        "{LOOKUP}\nr7 = r0\nif r7 == 0 goto out\nr1 = 0\ncall local f\nr0 = *(u8 *)(r7 +0)
         exit\nout: r0 = 0\nexit\nf: r0 = 0\nexit"
    ));
    // The context must be in the function's own R6.
    SOCKET.rejects("R6", "r6 = r1\ncall local f\nexit\nf: r0 = *(u8 *)skb[0]\nexit");
    // A short packet may be what is refused.
    SOCKET.rejects(
        "R2 !read_ok",
        "call local f\nif r0 != 0 goto out\nr0 = r2\nout: exit
         f: r6 = r1\nr0 = *(u16 *)skb[12]\nr0 |= 1\nexit",
    );
}

/// A loop that ends by either is bounded as others are.
#[test]
fn in_loops() {
    let info = SOCKET.accepts(
        "call local f
         exit
         f: r6 = r1
         r7 = 0
         again: r0 = *(u8 *)skb[r7 + 0]
         r7 += 1
         if r7 < 1000 goto again
         r0 = 1
         exit",
    );
    assert_eq!(info.max_insns, 1 + 2 + 3 * 1000 + 3);
    SOCKET.accepts(&format!(
        "call local f
         exit
         f: r6 = r1
         r7 = 0
         again: {TAIL}r7 += 1
         if r7 < 1000 goto again
         r0 = 1
         exit"
    ));
}
