//! Patterns of published soundness bugs of verifiers, each in a program of our
//! own. Every one must be refused.

mod common;

use bpf_verifier::ErrorClass;
use common::{LOOKUP, PACKET, SOCKET, XDP, with_value};

/// The program is refused for what it does with memory or addresses.
#[track_caller]
fn unsafe_program(text: &str) {
    let class = SOCKET.rejects("", text).class();
    let right =
        matches!(class, ErrorClass::MemorySafety | ErrorClass::Pointer | ErrorClass::Resource);
    assert!(right, "refused for {class}: {text}");
}

/// As [`unsafe_program`], behind a lookup whose result, not null, is in R0.
#[track_caller]
fn unsafe_value(text: &str) {
    unsafe_program(&with_value(text));
}

/// Bounds of 32-bit arithmetic taken for those of 64 bits (CVE-2020-8835, and
/// CVE-2021-31440 the other way round).
#[test]
fn halves_are_not_wholes() {
    // w1 <= 8 says nothing of the upper half.
    unsafe_value(
        "r1 = *(u64 *)(r0 +0)
         if w1 > 8 goto out
         r0 += r1
         r0 = *(u8 *)(r0 +0)
         exit
         out: r0 = 0
         exit",
    );
    // The value 1 << 32 has a low half of 0.
    unsafe_value(
        "r1 = *(u64 *)(r0 +0)
         r2 = 1
         r2 <<= 32
         if r1 > r2 goto out
         if w1 > 8 goto out
         r0 += r1
         r0 = *(u8 *)(r0 +0)
         exit
         out: r0 = 0
         exit",
    );
    // s32 bounds of a number that need not fit 32 bits.
    unsafe_value(
        "r1 = *(u64 *)(r0 +0)
         if w1 s< 0 goto out
         if w1 s> 8 goto out
         r0 += r1
         r0 = *(u8 *)(r0 +0)
         exit
         out: r0 = 0
         exit",
    );
}

/// 32-bit results whose bounds were not cut to 32 bits (CVE-2017-16995, and the
/// truncation bugs of 2018 and 2020).
#[test]
fn narrow_results_wrap() {
    unsafe_value(
        "r1 = *(u64 *)(r0 +0)
         r1 &= 1
         w1 += -1
         r0 += r1
         r0 = *(u8 *)(r0 +0)
         exit",
    );
    // A 32-bit move of a negative number is a large positive one.
    unsafe_value(
        "w1 = -1
         if r1 == -1 goto safe
         r0 += r1
         r0 = *(u8 *)(r0 +0)
         exit
         safe: r0 = 0
         exit",
    );
    SOCKET.accepts(&with_value(
        "w1 = -1\nif r1 != -1 goto safe\nr0 += r1\nr0 = *(u8 *)(r0 +0)\nexit\nsafe: r0 = 0\nexit",
    ));
    // Multiplied beyond 32 bits.
    unsafe_value(
        "r1 = *(u64 *)(r0 +0)
         r1 &= 0xffff
         w1 *= 0x10001
         r1 >>= 28
         r1 *= 8
         r0 += r1
         r0 = *(u64 *)(r0 +0)
         exit",
    );
}

/// Sign extension taken for zero extension (CVE-2017-16995).
#[test]
fn sign_extension() {
    unsafe_value("r1 = *(s8 *)(r0 +0)\nr0 += r1\nr0 = *(u8 *)(r0 +0)\nexit");
    unsafe_value(
        "r1 = *(u64 *)(r0 +0)
         r1 &= 0xff
         r1 = (s8)r1
         if r1 s> 40 goto out
         r0 += r1
         r0 = *(u8 *)(r0 +0)
         exit
         out: r0 = 0
         exit",
    );
    unsafe_value(
        "r1 = 0x80000000 ll
         r1 = (s32)r1
         r1 >>= 32
         r0 += r1
         r0 = *(u8 *)(r0 +0)
         exit",
    );
}

/// Wrong bounds of shifts (CVE-2017-16996, CVE-2018-18445).
#[test]
fn shifts() {
    unsafe_value(
        "r1 = *(u64 *)(r0 +0)
         r2 = *(u64 *)(r0 +8)
         r1 &= 1
         r1 <<= r2
         r0 += r1
         r0 = *(u8 *)(r0 +0)
         exit",
    );
    // The count is masked: by 32 a low half is not shifted out.
    unsafe_value(
        "r1 = *(u64 *)(r0 +0)
         r2 = 32
         w1 >>= w2
         r0 += r1
         r0 = *(u8 *)(r0 +0)
         exit",
    );
    // Arithmetic shifts keep the sign.
    unsafe_value(
        "r1 = *(u64 *)(r0 +0)
         r1 s>>= 60
         r0 += r1
         r0 = *(u8 *)(r0 +0)
         exit",
    );
    // Of 32 bits, that of the low half.
    unsafe_value(
        "r1 = *(u64 *)(r0 +0)
         w1 s>>= 28
         r0 += r1
         r0 = *(u8 *)(r0 +0)
         exit",
    );
    SOCKET.accepts(&with_value(
        "r1 = *(u64 *)(r0 +0)\nr1 >>= 60\nr0 += r1\nr0 = *(u8 *)(r0 +0)\nexit",
    ));
}

/// Known bits of products, sums and bitwise operations (CVE-2021-3490,
/// CVE-2021-3600).
#[test]
fn bitwise() {
    unsafe_value(
        "r1 = *(u64 *)(r0 +0)
         w1 |= 64
         r1 &= 0x7f
         r0 += r1
         r0 = *(u8 *)(r0 +0)
         exit",
    );
    unsafe_value(
        "r1 = *(u64 *)(r0 +0)
         r2 = *(u64 *)(r0 +8)
         r1 &= 0x30
         r2 &= 0x0f
         r1 ^= r2
         r0 += r1
         r0 = *(u8 *)(r0 +0)
         exit",
    );
    unsafe_value(
        "r1 = *(u64 *)(r0 +0)
         r1 &= 6
         r1 *= r1
         r0 += r1
         r0 = *(u64 *)(r0 +12)
         exit",
    );
    // Division by a zero from a register gives 0, modulo leaves the number.
    unsafe_value(
        "r1 = *(u64 *)(r0 +0)
         r2 = *(u64 *)(r0 +8)
         r2 &= 1
         r1 &= 0xff
         r1 %= r2
         r0 += r1
         r0 = *(u8 *)(r0 +0)
         exit",
    );
    unsafe_value(
        "r2 = 0
         r1 = 100
         r1 %= r2
         r0 += r1
         r0 = *(u8 *)(r0 +0)
         exit",
    );
}

/// Comparisons whose outcome says less than it seems.
#[test]
fn branches() {
    // Not equal to 5 is no bound.
    unsafe_value(
        "r1 = *(u64 *)(r0 +0)
         if r1 == 5 goto out
         r0 += r1
         r0 = *(u8 *)(r0 +0)
         exit
         out: r0 = 0
         exit",
    );
    // JSET with a mask of several bits says nothing of any one.
    unsafe_value(
        "r1 = *(u64 *)(r0 +0)
         if r1 & 0xffffffc0 goto out
         r0 += r1
         r0 = *(u8 *)(r0 +0)
         exit
         out: r0 = 0
         exit",
    );
    // Equality of halves.
    unsafe_value(
        "r1 = *(u64 *)(r0 +0)
         if w1 == 4 goto same
         r0 = 0
         exit
         same: r0 += r1
         r0 = *(u8 *)(r0 +0)
         exit",
    );
    // A bound by another unknown number (CVE-2021-45402 and others).
    unsafe_value(
        "r1 = *(u64 *)(r0 +0)
         r2 = *(u64 *)(r0 +8)
         if r1 > r2 goto out
         r0 += r1
         r0 = *(u8 *)(r0 +0)
         exit
         out: r0 = 0
         exit",
    );
    // Learned of a copy, then the copy changes.
    unsafe_value(
        "r1 = *(u64 *)(r0 +0)
         r2 = r1
         r1 += 8
         if r2 > 8 goto out
         r1 *= 8
         r0 += r1
         r0 = *(u8 *)(r0 +0)
         exit
         out: r0 = 0
         exit",
    );
    // Two copies of different origin.
    unsafe_value(
        "r1 = *(u64 *)(r0 +0)
         r2 = r1
         r1 = *(u64 *)(r0 +8)
         if r2 > 8 goto out
         r0 += r1
         r0 = *(u8 *)(r0 +0)
         exit
         out: r0 = 0
         exit",
    );
}

/// Pointers that may be null, computed with before the check (CVE-2021-4204,
/// CVE-2022-23222).
#[test]
fn nullable_arithmetic() {
    for op in ["r0 += 1", "r0 += -8", "r0 -= 8", "r2 = 8\nr0 += r2"] {
        SOCKET.rejects("null-check it first", &format!("{LOOKUP}\n{op}\nr0 = 0\nexit"));
    }
    SOCKET.rejects(
        "null-check it first",
        "r1 = map[idx:2] ll
         r2 = 32
         r3 = 0
         call 131
         r6 = r0
         r6 += 8
         if r0 == 0 goto out
         r1 = r0
         r2 = 0
         call 132
         out: r0 = 0
         exit",
    );
}

/// A spilled pointer with bytes of something else in it.
#[test]
fn spills() {
    SOCKET.rejects(
        "invalid mem access 'scalar'",
        "*(u64 *)(r10 -8) = r1
         r2 = 0
         *(u16 *)(r10 -6) = r2
         r1 = *(u64 *)(r10 -8)
         r0 = *(u32 *)(r1 +0)
         exit",
    );
    // The two halves of a number, written apart (bounds of the old one).
    unsafe_program(&with_value(
        "r1 = 4
             *(u64 *)(r10 -16) = r1
             r2 = *(u64 *)(r0 +0)
             *(u32 *)(r10 -12) = r2
             r1 = *(u64 *)(r10 -16)
             r0 += r1
             r0 = *(u8 *)(r0 +0)
             exit",
    ));
    // Through a second pointer to the same place.
    unsafe_program(&with_value(
        "r1 = 4
             *(u64 *)(r10 -16) = r1
             r3 = r10
             r3 += -16
             r2 = *(u64 *)(r0 +0)
             *(u64 *)(r3 +0) = r2
             r1 = *(u64 *)(r10 -16)
             r0 += r1
             r0 = *(u8 *)(r0 +0)
             exit",
    ));
    // By an atomic operation (CVE-2022-0264 and the like).
    unsafe_program(&with_value(
        "r1 = 4
             *(u64 *)(r10 -16) = r1
             r2 = *(u64 *)(r0 +0)
             lock *(u64 *)(r10 -16) |= r2
             r1 = *(u64 *)(r10 -16)
             r0 += r1
             r0 = *(u8 *)(r0 +0)
             exit",
    ));
    // By a function that was given its address.
    unsafe_program(&with_value(
        "r6 = r0
             r1 = 4
             *(u64 *)(r10 -16) = r1
             r1 = r10
             r1 += -16
             r2 = *(u64 *)(r0 +0)
             call local f
             r1 = *(u64 *)(r10 -16)
             r6 += r1
             r0 = *(u8 *)(r6 +0)
             exit
             f: *(u64 *)(r1 +0) = r2
             r0 = 0
             exit",
    ));
}

/// Paths that meet: what was proven for one is used for the other.
#[test]
fn joins() {
    // A null check on one path only.
    SOCKET.rejects(
        "it may be null",
        &format!(
            "r7 = r1
             {LOOKUP}
             r1 = *(u32 *)(r7 +0)
             if r1 == 0 goto join
             if r0 == 0 goto out
             join: r0 = *(u8 *)(r0 +0)
             exit
             out: r0 = 0
             exit"
        ),
    );
    // A bound on one path only.
    unsafe_value(
        "r1 = *(u64 *)(r0 +0)
         r2 = *(u64 *)(r0 +8)
         if r2 == 0 goto join
         if r1 > 8 goto out
         join: r0 += r1
         r0 = *(u8 *)(r0 +0)
         exit
         out: r0 = 0
         exit",
    );
    // A packet comparison on one path only.
    XDP.rejects(
        "off=0",
        &format!(
            "r7 = *(u32 *)(r1 +12)
             {PACKET}
             r4 = r2
             r4 += 1
             if r7 == 0 goto join
             if r4 > r3 goto out
             join: r0 = *(u8 *)(r2 +0)
             exit
             out: r0 = 0
             exit"
        ),
    );
    // A reservation on one path only.
    unsafe_program(
        "r6 = r1
         r7 = *(u32 *)(r1 +0)
         r0 = 0
         if r7 == 0 goto join
         r1 = map[idx:2] ll
         r2 = 8
         r3 = 0
         call 131
         join: if r0 == 0 goto out
         r8 = 0
         out: r0 = 0
         exit",
    );
    // Loops that change a bound each round.
    unsafe_value(
        "r6 = r0
         r1 = 0
         r2 = *(u64 *)(r0 +0)
         again: r3 = r6
         r3 += r1
         r4 = *(u8 *)(r3 +0)
         r1 += 8
         if r1 <= 48 goto again
         r0 = 0
         exit",
    );
}

/// Frames of callees that are gone, and initialised bytes of others.
#[test]
fn dead_frames() {
    unsafe_program(
        "r1 = r10
         r1 += -8
         *(u64 *)(r10 -8) = 0
         call local f
         r1 = *(u64 *)(r10 -8)
         r0 = *(u64 *)(r1 -8)
         exit
         f: *(u64 *)(r10 -8) = 7
         *(u64 *)(r1 +0) = r10
         r0 = 0
         exit",
    );
}
