//! RFC 9669's arithmetic, byte order and conditions, one line each.

mod common;

use bpf_bytecode::opcode::{AtomicOp, Width};
use bpf_interp::semantics;
use common::{minus, run};

/// Runs `text` with R1 and R2 preset, and gives R0.
fn alu(r1: u64, r2: u64, text: &str) -> u64 {
    let text = format!("r1 = {r1:#x} ll\nr2 = {r2:#x} ll\n{text}\nr0 = r1\nexit");
    run(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

const MIN: u64 = 1 << 63;
const MIN32: u64 = 1 << 31;
const ALL: u64 = u64::MAX;

#[test]
fn arithmetic() {
    let cases: &[(u64, u64, &str, u64)] = &[
        (ALL, 1, "r1 += r2", 0),
        (ALL, 1, "w1 += w2", 0),
        (0xffff_ffff, 1, "r1 += r2", 0x1_0000_0000),
        (0, 1, "r1 -= r2", ALL),
        (0, 1, "w1 -= w2", 0xffff_ffff),
        (0, 0, "r1 += -1", ALL),
        (0, 0, "w1 += -1", 0xffff_ffff),
        (0x1_0000_0001, 3, "r1 *= r2", 0x3_0000_0003),
        (0x1_0000_0001, 3, "w1 *= w2", 3),
        (7, 2, "r1 /= r2", 3),
        (ALL, 2, "r1 /= r2", ALL >> 1),
        (7, 0, "r1 /= r2", 0),
        (7, 0, "w1 /= w2", 0),
        (0xffff_ffff_0000_0007, 0, "w1 /= w2", 0),
        (7, 0x1_0000_0000, "w1 /= w2", 0),
        (7, 0x1_0000_0000, "r1 /= r2", 0),
        (MIN, ALL, "r1 s/= r2", MIN),
        (MIN32, 0xffff_ffff, "w1 s/= w2", MIN32),
        (MIN, 0, "r1 s/= r2", 0),
        (MIN32, 0, "w1 s/= w2", 0),
        (minus(13), 4, "r1 s/= r2", minus(3)),
        (13, minus(4), "r1 s/= r2", minus(3)),
        (minus(13), 0, "w1 s/= 4", 0xffff_fffd),
        (13, 0, "r1 s/= -4", minus(3)),
        // An immediate divisor is sign-extended, then taken as unsigned.
        (ALL, 0, "r1 /= -1", 1),
        (7, 4, "r1 %= r2", 3),
        (7, 0, "r1 %= r2", 7),
        (0xffff_ffff_0000_0007, 0, "r1 %= r2", 0xffff_ffff_0000_0007),
        // The destination keeps its low half, and the high half is cleared.
        (0xffff_ffff_0000_0007, 0, "w1 %= w2", 7),
        (0xffff_ffff_0000_0007, 0, "w1 s%= w2", 7),
        (MIN, ALL, "r1 s%= r2", 0),
        (MIN32, 0xffff_ffff, "w1 s%= w2", 0),
        (minus(13), 4, "r1 s%= r2", minus(1)),
        (13, minus(4), "r1 s%= r2", 1),
        (minus(13), 4, "w1 s%= w2", 0xffff_ffff),
        (0xf0, 0x0f, "r1 |= r2", 0xff),
        (0xf0, 0, "r1 |= -1", ALL),
        (0xf0, 0, "w1 |= -1", 0xffff_ffff),
        (ALL, 0x0f, "r1 &= r2", 0x0f),
        (ALL, 0, "r1 &= -16", ALL << 4),
        (ALL, ALL, "r1 ^= r2", 0),
        (1, 65, "r1 <<= r2", 2),
        (1, 64, "r1 <<= r2", 1),
        (1, 33, "w1 <<= w2", 2),
        (MIN, 127, "r1 >>= r2", 1),
        (MIN, 63, "r1 s>>= r2", ALL),
        (MIN32, 63, "w1 s>>= w2", 0xffff_ffff),
        (MIN32, 31, "w1 >>= w2", 1),
        (0xffff_ffff_8000_0000, 4, "w1 >>= w2", 0x0800_0000),
        (5, 0, "r1 = -r1", minus(5)),
        (5, 0, "w1 = -w1", 0xffff_fffb),
        (MIN, 0, "r1 = -r1", MIN),
    ];
    for (r1, r2, text, expected) in cases {
        assert_eq!(alu(*r1, *r2, text), *expected, "{text}, r1 = {r1:#x}, r2 = {r2:#x}");
    }
}

#[test]
fn moves() {
    let value = 0xaabb_ccdd_8899_e1f2;
    let cases: &[(&str, u64)] = &[
        ("r1 = r2", value),
        ("w1 = w2", 0x8899_e1f2),
        ("r1 = -2", minus(2)),
        ("w1 = -2", 0xffff_fffe),
        ("r1 = (s8)r2", 0xffff_ffff_ffff_fff2),
        ("r1 = (s16)r2", 0xffff_ffff_ffff_e1f2),
        ("r1 = (s32)r2", 0xffff_ffff_8899_e1f2),
        ("w1 = (s8)w2", 0xffff_fff2),
        ("w1 = (s16)w2", 0xffff_e1f2),
        ("r1 = 0x1122334455667788 ll", 0x1122_3344_5566_7788),
    ];
    for (text, expected) in cases {
        assert_eq!(alu(0, value, text), *expected, "{text}");
    }
}

#[test]
fn byte_order() {
    let value = 0x1122_3344_5566_7788_u64;
    let (half, word) = (0x7788_u16, 0x5566_7788_u32);
    let cases: &[(&str, u64)] = &[
        ("r1 = be16 r1", u64::from(half.to_be())),
        ("r1 = be32 r1", u64::from(word.to_be())),
        ("r1 = be64 r1", value.to_be()),
        ("r1 = le16 r1", u64::from(half.to_le())),
        ("r1 = le32 r1", u64::from(word.to_le())),
        ("r1 = le64 r1", value.to_le()),
        ("r1 = bswap16 r1", 0x8877),
        ("r1 = bswap32 r1", 0x8877_6655),
        ("r1 = bswap64 r1", 0x8877_6655_4433_2211),
    ];
    for (text, expected) in cases {
        assert_eq!(alu(value, 0, text), *expected, "{text}");
    }
}

#[test]
fn conditions() {
    let big = ALL;
    let cases: &[(u64, u64, &str, bool)] = &[
        (1, 1, "==", true),
        (0x1_0000_0001, 1, "==", false),
        (1, 2, "!=", true),
        (6, 2, "&", true),
        (4, 3, "&", false),
        (big, 1, ">", true),
        (1, 1, ">", false),
        (1, 1, ">=", true),
        (big, 1, "<", false),
        (1, big, "<", true),
        (2, 2, "<=", true),
        (3, 2, "<=", false),
        (big, 1, "s>", false),
        (1, big, "s>", true),
        (big, big, "s>=", true),
        (big, 1, "s<", true),
        (1, 1, "s<", false),
        (1, 1, "s<=", true),
        (1, big, "s<=", false),
    ];
    for (r1, r2, cond, expected) in cases {
        let text = format!(
            "r1 = {r1:#x} ll\nr2 = {r2:#x} ll\nr0 = 1\nif r1 {cond} r2 goto +1\nr0 = 0\nexit"
        );
        assert_eq!(run(&text), Ok(u64::from(*expected)), "{r1:#x} {cond} {r2:#x}");
    }
}

#[test]
fn conditions_on_low_halves() {
    let cases: &[(u64, u64, &str, bool)] = &[
        (0x1_0000_0001, 1, "==", true),
        (0xffff_ffff_0000_0000, 1, ">", false),
        (0xffff_ffff_0000_0000, 1, "<", true),
        (MIN32, 1, "s<", true),
        (0x7fff_ffff, 0xffff_ffff_8000_0000, "s>", true),
        (0x1_0000_0000, 0x1_0000_0000, "&", false),
    ];
    for (r1, r2, cond, expected) in cases {
        let text = format!(
            "r1 = {r1:#x} ll\nr2 = {r2:#x} ll\nr0 = 1\nif w1 {cond} w2 goto +1\nr0 = 0\nexit"
        );
        assert_eq!(run(&text), Ok(u64::from(*expected)), "{r1:#x} {cond} {r2:#x}");
    }
    // An immediate is sign-extended, to the width of the comparison.
    let wide = "r1 = 0xffffffff ll\nr0 = 1\nif r1 == -1 goto +1\nr0 = 0\nexit";
    let narrow = "r1 = 0xffffffff ll\nr0 = 1\nif w1 == -1 goto +1\nr0 = 0\nexit";
    assert_eq!((run(wide), run(narrow)), (Ok(0), Ok(1)));
}

/// The model of atomics that other engines' tests use, against the engine.
#[test]
fn atomics_are_as_their_model_says() {
    let values = [0, 1, 10, MIN32, 0xffff_ffff, MIN, ALL];
    let insns = [
        (AtomicOp::Add, "lock *(u64 *)(r10 -8) += r1"),
        (AtomicOp::Or, "lock *(u64 *)(r10 -8) |= r1"),
        (AtomicOp::And, "lock *(u64 *)(r10 -8) &= r1"),
        (AtomicOp::Xor, "lock *(u64 *)(r10 -8) ^= r1"),
        (AtomicOp::Xchg, "r1 = xchg_64(r10 -8, r1)"),
        (AtomicOp::Cmpxchg, "r0 = cmpxchg_64(r10 -8, r0, r1)"),
    ];
    for (op, insn) in insns {
        for old in values {
            for src in values {
                let text = format!(
                    "r2 = {old:#x} ll\n*(u64 *)(r10 -8) = r2\nr0 = 10\nr1 = {src:#x} ll\n{insn}
                    r0 = *(u64 *)(r10 -8)\nexit"
                );
                let expected = semantics::atomic(op, Width::W64, old, src, 10);
                assert_eq!(run(&text), Ok(expected), "{insn}, {old:#x}, {src:#x}");
            }
        }
    }
    let half = semantics::atomic(AtomicOp::Add, Width::W32, 0xffff_ffff, 2, 0);
    let kept = semantics::atomic(AtomicOp::Cmpxchg, Width::W32, 7, 2, 0x1_0000_0008);
    let put = semantics::atomic(AtomicOp::Cmpxchg, Width::W32, 7, 2, 0x1_0000_0007);
    assert_eq!((half, kept, put), (1, 7, 2));
}
