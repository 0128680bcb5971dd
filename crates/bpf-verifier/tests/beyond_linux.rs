//! What Linux refuses and this verifier can prove; see the module
//! `beyond_linux`.

mod common;

use bpf_bytecode::BpfProgType;
use common::{LOOKUP, PACKET, SOCKET, UNPRIVILEGED, XDP, program, verify_linux, with_value};

/// The processor looks at the low bits of a count alone.
#[test]
fn shifts_by_counts_beyond_the_width() {
    let shifted = |count: u32, size: u32| {
        with_value(&format!(
            "r6 = 1
             r7 = {count}
             r6 <<= r7
             r0 += r6
             r0 = *(u8 *)(r0 +{size})
             exit"
        ))
    };
    // 1 << (65 & 63) is 2, in a value of 48 bytes.
    SOCKET.accepts(&shifted(65, 45));
    SOCKET.rejects("within its 48 bytes", &shifted(65, 46));
    SOCKET.rejects("within its 48 bytes", &shifted(70, 0));
}

/// Bytes are known wherever they were written.
#[test]
fn numbers_at_any_place_of_the_stack() {
    let packet = |stores: &str, load: &str| {
        format!(
            "r2 = *(u32 *)(r1 +0)
             r3 = *(u32 *)(r1 +4)
             {stores}
             {load}
             r0 = r2
             r0 += r4
             if r0 > r3 goto out
             r0 = *(u32 *)(r2 +16)
             out: r0 = 0
             exit"
        )
    };
    let low = if cfg!(target_endian = "little") { ("-8", "-4") } else { ("-4", "-8") };
    let halves = |number: u32| {
        format!(
            "w4 = {number}
             w5 = 0
             *(u32 *)(r10 {}) = w4
             *(u32 *)(r10 {}) = w5",
            low.0, low.1
        )
    };
    XDP.accepts(&packet("w4 = 20\n*(u32 *)(r10 -4) = w4", "r4 = *(u32 *)(r10 -4)"));
    XDP.accepts(&packet(&halves(20), "r4 = *(u64 *)(r10 -8)"));
    XDP.rejects("access to packet", &packet(&halves(19), "r4 = *(u64 *)(r10 -8)"));
    // One unknown byte, and nothing is known of the number.
    XDP.rejects("", &packet("w4 = 20\n*(u32 *)(r10 -8) = w4", "r4 = *(u64 *)(r10 -8)"));
}

/// What is stored must not outlive what it points into.
#[test]
fn addresses_of_callers_in_their_frames() {
    let callee = |body: &str| {
        format!(
            "r1 = r10
             r1 += -8
             call local f
             r1 = *(u64 *)(r10 -8)
             r0 = *(u64 *)(r1 +0)
             exit
             f: {body}
             r0 = 0
             exit"
        )
    };
    SOCKET.accepts(&callee("*(u64 *)(r1 +0) = r1"));
    SOCKET.rejects("cannot spill pointers to stack", &callee("*(u64 *)(r1 +0) = r10"));
    SOCKET.rejects(
        "cannot spill pointers to stack",
        &callee("*(u64 *)(r10 -8) = 0\nr2 = r10\nr2 += -8\n*(u64 *)(r1 +0) = r2"),
    );
}

/// Numbers from registers lead anywhere, for those who may not see where.
#[test]
fn sums_of_addresses_that_are_guarded() {
    UNPRIVILEGED.rejects("on a pointer (ctx)", "r2 = 0\nr1 -= r2\nr0 = 0\nexit");
    UNPRIVILEGED.rejects("map_ptr", "r2 = 0\nr1 = map[idx:0] ll\nr1 += r2\nr0 = 0\nexit");
    SOCKET.accepts("r2 = 0\nr1 = map[idx:0] ll\nr1 += r2\nr0 = 0\nexit");
    UNPRIVILEGED.accepts(&with_value("r1 = 8\nr0 += r1\nr0 = *(u8 *)(r0 +0)\nr0 = 0\nexit"));
}

/// A size of zero makes no place of the stack out of another one.
#[test]
fn memory_of_no_size_has_a_place() {
    let output = |off: i32| {
        format!(
            "r6 = *(u32 *)(r1 +0)
             r6 &= 7
             r2 = r10
             r2 += {off}
             r2 += r6
             r1 = map[idx:2] ll
             r3 = 0
             r4 = 0
             call 130
             r0 = 0
             exit"
        )
    };
    SOCKET.accepts(&output(-7));
    SOCKET.rejects("invalid stack access", &output(-6));
}

/// A helper that reads a loop's counter leaves it as it is; one that fills it does not.
#[test]
fn counters_that_serve_as_keys() {
    let counted = |call: &str| {
        format!(
            "r6 = r1
             *(u64 *)(r10 -8) = 0
             again: {call}
             r1 = *(u64 *)(r10 -8)
             r1 += 1
             *(u64 *)(r10 -8) = r1
             if r1 < 3 goto again
             r0 = 0
             exit"
        )
    };
    let info = SOCKET.accepts(&counted("r2 = r10\nr2 += -8\nr1 = map[idx:0] ll\ncall 3"));
    assert_eq!(info.max_insns, 2 + 3 * 8 + 2);
    let fill = "r1 = r6\nr2 = 0\nr3 = r10\nr3 += -8\nr4 = 8\ncall 26";
    SOCKET.rejects("infinite loop", &counted(fill));
}

/// 0 is null in whichever register it is.
#[test]
fn null_in_a_register() {
    let check = |other: &str| {
        format!(
            "{LOOKUP}
             {other}
             if r0 != r6 goto found
             r0 = 0
             exit
             found: r0 = *(u8 *)(r0 +0)
             exit"
        )
    };
    SOCKET.accepts(&check("r6 = 0"));
    SOCKET.rejects("may be null", &check("r6 = 1"));
    SOCKET.rejects("may be null", &check("r6 = *(u64 *)(r10 -8)\nr6 &= 1\nr6 |= 8"));
}

/// Division of known numbers.
#[test]
fn known_quotients() {
    let keys = |number: &str| {
        format!(
            "r6 = r1\nr7 = *(u64 *)(r6 +144)\n{number}\nr7 += r8\nr0 = *(u64 *)(r7 +0)\nr0 = 0\nexit"
        )
    };
    let verify = |text: &str| verify_linux(&program(BpfProgType::FlowDissector, text), text);
    for number in ["r8 = 8\nr8 /= 1", "r8 = 26\nr8 %= 9", "r8 = -16\nr8 s/= -2"] {
        verify(&keys(number)).unwrap_or_else(|error| panic!("{error}: {number}"));
    }
    for number in ["r8 = *(u32 *)(r6 +0)\nr8 &= 8", "r8 = 800\nr8 /= 1"] {
        verify(&keys(number)).expect_err(number);
    }
}

/// What was proven to lie behind a pointer is there behind a place further on, too.
#[test]
fn unknown_offsets_in_proven_bytes() {
    // 16 bytes are there; R5 is from 0 to 7, R6 from 0 to 255.
    let check = |walk: &str| {
        format!(
            "{PACKET}
             r4 = r2
             r4 += 16
             if r4 > r3 goto out
             r6 = *(u8 *)(r2 +0)
             r5 = r6
             r5 &= 7
             {walk}
             out: r0 = 0
             exit"
        )
    };
    XDP.accepts(&check("r2 += r5\nr0 = *(u8 *)(r2 +8)"));
    XDP.rejects("size=1", &check("r2 += r5\nr0 = *(u8 *)(r2 +9)"));
    XDP.accepts(&check("r2 += r5\nr0 = *(u64 *)(r2 +1)"));
    XDP.rejects("size=8", &check("r2 += r5\nr0 = *(u64 *)(r2 +2)"));
    XDP.rejects("size=1", &check("r2 += r5\nr0 = *(u8 *)(r2 -1)"));
    // Twice, and behind a constant.
    XDP.accepts(&check("r2 += r5\nr2 += r5\nr0 = *(u8 *)(r2 +1)"));
    XDP.rejects("size=1", &check("r2 += r5\nr2 += r5\nr0 = *(u8 *)(r2 +2)"));
    XDP.accepts(&check("r2 += 4\nr2 += r5\nr0 = *(u8 *)(r2 +4)"));
    XDP.rejects("size=1", &check("r2 += 4\nr2 += r5\nr0 = *(u8 *)(r2 +5)"));
    // Backwards.
    XDP.accepts(&check("r2 += 16\nr2 -= r5\nr0 = *(u64 *)(r2 -8)"));
    XDP.rejects("size=8", &check("r2 += 16\nr2 -= r5\nr0 = *(u64 *)(r2 -7)"));
    XDP.accepts(&check("r2 += 8\nr2 -= r5\nr0 = *(u8 *)(r2 -1)"));
    XDP.rejects("size=1", &check("r2 += 8\nr2 -= r5\nr0 = *(u8 *)(r2 -2)"));
    // What may be negative leads forwards where it is taken away.
    XDP.rejects("size=1", &check("r5 += -4\nr2 -= r5\nr0 = *(u8 *)(r2 +8)"));
    XDP.rejects("size=1", &check("r2 += 8\nr5 += -8\nr2 += r5\nr0 = *(u8 *)(r2 +8)"));
    // Too far.
    XDP.rejects("size=1", &check("r2 += r6\nr0 = *(u8 *)(r2 +0)"));
    // Around: two times nearly half of all addresses are taken away.
    let far = "r5 = r6\nr5 <<= 55\nr5 >>= 1\nr2 -= r5\nr2 -= r5\nr0 = *(u8 *)(r2 +8)";
    XDP.rejects("unbounded", &check(far));
    // A comparison with what it was says nothing new of what it became.
    let later = |size: u32| {
        check(&format!(
            "r4 = r2
             r4 += r5
             r7 = r2
             r7 += 32
             if r7 > r3 goto out
             r0 = *(u8 *)(r4 +{size})"
        ))
    };
    XDP.accepts(&later(8));
    XDP.rejects("size=1", &later(9));
}

/// All sixteen bytes in a loop that is not unrolled.
#[test]
fn loops_over_proven_bytes() {
    let text = |rounds: u32| {
        format!(
            "{PACKET}
             r0 = 0
             r4 = r2
             r4 += 16
             if r4 > r3 goto out
             r5 = 0
             again: r4 = r2
             r4 += r5
             r6 = *(u8 *)(r4 +0)
             r0 += r6
             r5 += 1
             if r5 != {rounds} goto again
             out: exit"
        )
    };
    assert!(XDP.accepts(&text(16)).processed < 60);
    XDP.rejects("invalid access to packet", &text(17));
}

/// An address may be a constant and less an unknown number, as that of the last of so many bytes.
#[test]
fn bytes_in_front_of_a_constant() {
    // R5 is from 0 to 7, and so many bytes in front of that many R4 points.
    let less = |bytes: i32, access: &str| {
        format!(
            "{PACKET}
             r5 = *(u32 *)(r1 +16)
             r5 &= 7
             r4 = r2
             r4 -= r5
             r4 += {bytes}
             if r4 > r3 goto out
             r0 = {access}
             out: r0 = 0
             exit"
        )
    };
    XDP.accepts(&less(8, "*(u8 *)(r4 -1)"));
    XDP.accepts(&less(15, "*(u64 *)(r4 -8)"));
    for (bytes, access) in [
        (8, "*(u8 *)(r4 +0)"),
        (7, "*(u8 *)(r4 -1)"),
        (8, "*(u16 *)(r4 -1)"),
        (14, "*(u64 *)(r4 -8)"),
        (6, "*(u8 *)(r4 -1)"),
    ] {
        XDP.rejects("access to packet", &less(bytes, access));
    }
}

/// What an unknown number in R6, made so, leads to in a value of 48 bytes.
fn indexed(number: &str, access: &str) -> String {
    with_value(&format!(
        "r7 = r0
         call 7
         r6 = r0
         {number}
         r7 += r6
         r0 = *(u8 *)(r7 {access})
         out: r0 = 0
         exit"
    ))
}

/// A remainder is less than what was divided by.
#[test]
fn unknown_remainders() {
    SOCKET.accepts(&indexed("r6 %= 48", "+0"));
    SOCKET.accepts(&indexed("w6 %= 48", "+0"));
    SOCKET.accepts(&indexed("r6 &= 0xffff\nr6 /= 1366", "+0"));
    SOCKET.rejects("within its 48 bytes", &indexed("r6 %= 49", "+0"));
    SOCKET.rejects("within its 48 bytes", &indexed("w6 %= 48", "+1"));
    SOCKET.rejects("within its 48 bytes", &indexed("r6 &= 0xffff\nr6 /= 1365", "+0"));
    // By 0, the number stays what it is; what is signed may be negative.
    SOCKET.rejects("unbounded", &indexed("r8 = *(u64 *)(r10 -8)\nr8 &= 31\nr6 %= r8", "+0"));
    SOCKET.rejects("within its 48 bytes", &indexed("r6 s%= 48", "+0"));
}

/// Bounds of the low half, behind two shifts or a move that makes it the whole.
#[test]
fn bounds_of_a_half_that_becomes_the_whole() {
    let shifted = "w6 = w6\nif r6 < 6 goto out\nr6 <<= 32\nr6 >>= 32\nif r6 > 8 goto out";
    SOCKET.accepts(&indexed(shifted, "-6"));
    SOCKET.rejects("within its 48 bytes", &indexed(shifted, "-7"));
    let moved = "if w6 s> 15 goto out\nif w6 s< 0 goto out\nr6 = (s32)r6";
    SOCKET.accepts(&indexed(moved, "+32"));
    SOCKET.rejects("within its 48 bytes", &indexed(moved, "+33"));
    // The whole has no such bounds.
    let half = "if w6 s> 15 goto out\nif w6 s< 0 goto out";
    SOCKET.rejects("unbounded", &indexed(half, "+32"));
}
