//! What Linux refuses and this verifier can prove; see the module
//! `beyond_linux`.

mod common;

use common::{SOCKET, UNPRIVILEGED, XDP, with_value};

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
