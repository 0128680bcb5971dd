//! One of two values.

use std::format;
use std::string::String;
use std::vec::Vec;

use iced_x86::Mnemonic;

use super::decode::decode;
use super::{gives, program, proven};

const VALUES: [u64; 6] = [0, 1, 0x7fff_ffff, 0xffff_ffff, 1 << 63, u64::MAX];

/// A condition, and whether it holds of 64 and of 32 bits.
pub(super) type Condition = (&'static str, fn(u64, u64) -> bool, fn(u32, u32) -> bool);

pub(super) const CONDITIONS: [Condition; 11] = [
    ("&", |a, b| a & b != 0, |a, b| a & b != 0),
    ("==", |a, b| a == b, |a, b| a == b),
    ("!=", |a, b| a != b, |a, b| a != b),
    (">", |a, b| a > b, |a, b| a > b),
    (">=", |a, b| a >= b, |a, b| a >= b),
    ("<", |a, b| a < b, |a, b| a < b),
    ("<=", |a, b| a <= b, |a, b| a <= b),
    ("s>", |a, b| signed(a) > signed(b), |a, b| a.cast_signed() > b.cast_signed()),
    ("s>=", |a, b| signed(a) >= signed(b), |a, b| a.cast_signed() >= b.cast_signed()),
    ("s<", |a, b| signed(a) < signed(b), |a, b| a.cast_signed() < b.cast_signed()),
    ("s<=", |a, b| signed(a) <= signed(b), |a, b| a.cast_signed() <= b.cast_signed()),
];

const fn signed(value: u64) -> i64 {
    value.cast_signed()
}

/// Whether bits are set decides, where the condition is an `and` that is compared with 0. It may
/// be read again.
#[test]
fn bits_decide() {
    for (mask, sign) in [(1, "=="), (0x80, "!="), (-16, "=="), (0x7fff_ffff, "!=")] {
        for (wide, a) in [true, false].into_iter().flat_map(|wide| VALUES.map(|a| (wide, a))) {
            let (part, class) = if wide { (u64::MAX, 'r') } else { (0xffff_ffff, 'w') };
            let masked = a & part & i64::from(mask).cast_unsigned();
            let taken = (masked == 0) == (sign == "==");
            for (again, more) in [("", 0), ("\nr0 += r3", masked)] {
                let text = format!(
                    "r6 = 2\nr0 = 0\nr2 = {a:#x} ll\n*(u64 *)(r10 -8) = r2
                     again: r3 = *(u64 *)(r10 -8)\nr4 = r3\n{class}3 &= {mask}\nw1 = 9
                     if {class}3 {sign} 0 goto +1\nw1 = w4\nr0 += r0\nr0 ^= r1{again}
                     r6 += -1\nif r6 != 0 goto again\nexit"
                );
                let value = if taken { 9 } else { a & 0xffff_ffff };
                let round = |r0: u64| (r0.wrapping_add(r0) ^ value).wrapping_add(more);
                gives(&text, round(round(0)));
            }
        }
    }
}

/// Two rounds of a loop that loads two numbers, and chooses by what they are.
fn chosen(condition: &str, choice: &str) -> String {
    format!(
        "goto begin\nagain: r6 += -1\nif r6 == 0 goto end
         r2 = *(u64 *)(r10 -8)\nr3 = *(u64 *)(r10 -16)\nw8 = w2\nr7 = r3
         {}\nr4 += r4\nr4 ^= r1\ngoto again
         begin: r6 = 3\nr0 = 0\nr4 = 0\nr1 = 0x123456789 ll
         r5 = 0x1000000003 ll\n*(u64 *)(r10 -24) = r5
         A\nB\ngoto again\nend: r0 = r4\nr0 ^= r1\nexit",
        choice.replace('C', condition)
    )
}

/// What is chosen, and the first value of R1 and the one that it has if the condition does
/// not hold; of these, a number for R2 and for its lower half.
type Choice = (&'static str, fn(u64) -> u64, fn(u64) -> u64);

const CHOICES: [Choice; 23] = [
    ("r1 = 1\nif C goto +1\nr1 = 0", |_| 1, |_| 0),
    ("r1 = 0\nif C goto +1\nr1 = 1", |_| 0, |_| 1),
    ("r1 = 5\nif C goto +1\nr1 = 77777", |_| 5, |_| 77_777),
    ("r1 = -5\nif C goto +1\nr1 = r2", |_| u64::MAX - 4, |a| a),
    ("r1 = r2\nr1 += 3\nif C goto +1\nr1 = r8", |a| a.wrapping_add(3), |a| a & 0xffff_ffff),
    ("r1 = 7\nif C goto +1\nw1 = w8", |_| 7, |a| a & 0xffff_ffff),
    ("r1 = 9\nif C goto +2\nr1 = r2\ngoto +0", |_| 9, |a| a),
    ("r1 = 7\nif C goto +1\nw1 = w2", |_| 7, |a| a & 0xffff_ffff),
    ("r1 = r2\nr1 += 3\nif C goto +1\nw1 = w2", |a| a.wrapping_add(3), |a| a & 0xffff_ffff),
    (
        "w1 = w2\nw1 += 3\nif C goto +2\nw1 = w2\ngoto +0",
        |a| a.wrapping_add(3) & 0xffff_ffff,
        |a| a & 0xffff_ffff,
    ),
    ("w1 = w8\nif C goto +1\nw1 = 0", |a| a & 0xffff_ffff, |_| 0),
    // What is put off in front of a choice and read behind it.
    (
        "r1 = r2\nr1 *= 3\nr9 = r1\nr9 += 4\nif C goto +1\nr1 = 9\nr1 += r9",
        |a| a.wrapping_mul(6).wrapping_add(4),
        |a| a.wrapping_mul(3).wrapping_add(13),
    ),
    (
        "r9 = r2\nr9 <<= 2\nr1 = 1\nif C goto +1\nr1 = 0\nr9 += r1\nr1 = r9",
        |a| a.wrapping_mul(4).wrapping_add(1),
        |a| a.wrapping_mul(4),
    ),
    (
        "w9 = w2\nw9 &= 255\nw1 = w8\nif C goto +1\nw1 = w9\nw1 += w9",
        |a| (a & 0xffff_ffff).wrapping_add(a & 255) & 0xffff_ffff,
        |a| (a & 255) * 2,
    ),
    (
        "r9 = r2\nr9 += 4\nr1 = 3\nif r3 == 5 goto +2\nif C goto +1\nr1 = r9\nr1 ^= r9",
        |a| a.wrapping_add(4) ^ 3,
        |_| 0,
    ),
    (
        "r1 = 1\nif C goto +1\nr1 = 0\nr9 = r2\nr5 = 4\nif r1 == 0 goto +1\nr9 = r5\nr1 = r9",
        |_| 4,
        |a| a,
    ),
    (
        "r1 = 1\nif C goto +1\nr1 = 0\nr2 = 9\nif r1 != 0 goto +2\nr1 = r2\ngoto +1\nr1 = 3",
        |_| 3,
        |_| 9,
    ),
    (
        "r9 = r2\nr9 += 7\nr1 = 0\nif C goto +1\nr1 = 1\nw5 = w9\nif w1 == 0 goto +1
         r9 = 5\nr1 = r9\nr1 += r5",
        |a| a.wrapping_add(7).wrapping_add(a.wrapping_add(7) & 0xffff_ffff),
        |a| 5 + (a.wrapping_add(7) & 0xffff_ffff),
    ),
    // An outcome that is asked for right behind it, or soon, and a condition that is asked twice.
    ("r1 = 1\nif C goto +1\nr1 = 0\nif r1 != 1 goto +2\nr1 = 7\ngoto +1\nr1 = 8", |_| 7, |_| 8),
    ("r1 = 0\nif C goto +1\nr1 = 1\nif w1 != 0 goto +2\nr1 = 7\ngoto +1\nr1 = 8", |_| 7, |_| 8),
    (
        "r1 = 1\nif C goto +1\nr1 = 0\nr9 = r2\nif r1 == 0 goto +1\nr9 += 5\nr1 += r9",
        |a| a.wrapping_add(6),
        |a| a,
    ),
    ("r1 = 0\nif C goto +1\nr1 = 1\nr9 = r2\nif w1 == 1 goto +1\nr9 = 12\nr1 = r9", |_| 12, |a| a),
    (
        "r1 = r2\nif C goto +1\nr1 = 4\nr9 = 6\nif C goto +1\nr9 = r2\nr1 ^= r9",
        |a| a ^ 6,
        |a| a ^ 4,
    ),
];

fn expected(pair: [u64; 2], holds: bool, (_, yes, no): Choice) -> u64 {
    let value = if holds { yes(pair[0]) } else { no(pair[0]) };
    let round = |r4: u64| r4.wrapping_add(r4) ^ value;
    round(round(0)) ^ value
}

/// Every condition chooses right, whatever it compares.
#[test]
fn what_is_chosen_is_right() {
    for (number, (sign, long, short)) in CONDITIONS.into_iter().enumerate() {
        for (a, b) in VALUES.into_iter().flat_map(|a| VALUES.map(|b| (a, b))) {
            let imm = i32::try_from(b.cast_signed()).ok();
            let low = |value: u64| u32::try_from(value & 0xffff_ffff).unwrap();
            let holds = [long(a, b), short(low(a), low(b))];
            for (kind, choice) in CHOICES.into_iter().enumerate() {
                // Not every choice with every condition, but with every pair.
                if (kind + number) % 3 != 0 {
                    continue;
                }
                let mut tried = Vec::from([
                    (format!("r2 {sign} r7"), holds[0]),
                    (format!("w8 {sign} w3"), holds[1]),
                ]);
                if let Some(imm) = imm {
                    tried.push((format!("r2 {sign} {imm}"), holds[0]));
                    tried.push((format!("w2 {sign} {imm}"), holds[1]));
                }
                for (condition, holds) in tried {
                    let text = chosen(&condition, choice.0)
                        .replace('A', &format!("r5 = {a:#x} ll\n*(u64 *)(r10 -8) = r5"))
                        .replace('B', &format!("r5 = {b:#x} ll\n*(u64 *)(r10 -16) = r5"));
                    gives(&text, expected([a, b], holds, choice));
                }
            }
        }
    }
}

fn has_conditional_move(text: &str) -> bool {
    let compiled = proven(&program(text));
    decode(compiled.code()).iter().any(|insn| {
        insn.mnemonic() == Mnemonic::Cmova
            || insn.mnemonic() == Mnemonic::Cmovae
            || insn.mnemonic() == Mnemonic::Cmovb
    })
}

/// A loop may be long, but not of any length.
#[test]
fn long_loops_are_looked_at() {
    for (steps, chosen) in [(0, true), (150, true), (250, false)] {
        let filled = "r5 ^= r6\n".repeat(steps);
        let text = format!(
            "r0 = 0\nr3 = 7\nr5 = 0\nr6 = 9\n*(u64 *)(r10 -8) = r3\nagain: r2 = *(u64 *)(r10 -8)
             {filled}r4 = 6\nif r2 < 9 goto +1\nr4 = r6\nr0 += r4\nr0 += r5
             r6 += -1\nif r6 != 0 goto again\nexit"
        );
        assert_eq!(has_conditional_move(&text), chosen, "{steps}");
    }
}

/// What decides in the next round is guessed; so is what is computed of nothing that was
/// loaded in the loop.
#[test]
fn what_the_next_round_waits_for_is_guessed() {
    let looped = |body: &str| {
        format!(
            "r0 = 0\nr3 = 7\nr6 = 9\n*(u64 *)(r10 -8) = r3\nagain: r2 = *(u64 *)(r10 -8)\n{body}
             r6 += -1\nif r6 != 0 goto again\nexit"
        )
    };
    // The greater number stays in one of two places.
    let kept = |which: &str| {
        format!(
            "*(u64 *)(r10 -16) = r3\nr5 = r10\nr5 += -16\n{which}\nr4 &= 8\nr5 += r4
             r7 = *(u64 *)(r5 +0)\nif r7 < r2 goto +1\nr7 = r2\n*(u64 *)(r5 +0) = r7"
        )
    };
    let cases = [
        (true, "r4 = 6\nif r2 < 9 goto +1\nr4 = r6\nr0 += r4"),
        (true, "r4 = r2\nr4 *= 3\nif r4 < 9 goto +1\nr0 = r6"),
        // What says which way the loop went.
        (true, "r7 = 0\nif r2 s> 5 goto +2\nr7 = 3\nr7 += r6\nif r7 < 9 goto +1\nr0 = r6"),
        // The very register, and what depends on it.
        (false, "r0 += r2\nif r0 < 9 goto +1\nr0 = r6"),
        (false, "r4 = r3\nr4 += r2\nif r4 < 9 goto +1\nr0 = r6\nr3 = r0"),
        // What is multiplied in the next round.
        (false, "r5 = r0\nr5 *= 31\nr5 += 7\nif r2 < 9 goto +1\nr5 = r0\nr0 = r5"),
        // What the next round loads again: from the same place, or from one that it finds.
        (false, "if r2 < 9 goto +1\nr2 = r6\n*(u64 *)(r10 -8) = r2"),
        (true, "if r2 < 9 goto +1\nr2 = r6\n*(u64 *)(r10 -16) = r2"),
        (true, "if r2 < 9 goto +1\nr2 = r6\n*(u64 *)(r10 -8) = r2\n*(u64 *)(r10 -8) = r3"),
        (false, &kept("r4 = *(u64 *)(r5 +0)")),
        (true, &kept("r4 = r6")),
        // Nothing that was loaded.
        (false, "r4 = 6\nif r6 < 9 goto +1\nr4 = r2\nr0 += r4"),
    ];
    for (expected, body) in cases {
        assert_eq!(has_conditional_move(&looped(body)), expected, "{body}");
    }
    // A block that lies behind the loop of which it is a part.
    assert!(has_conditional_move(
        "r0 = 0\nr3 = 7\nr6 = 9\n*(u64 *)(r10 -8) = r3\nagain: r2 = *(u64 *)(r10 -8)
         if r2 == 77 goto other\nback: r4 = 6\nif r2 < 9 goto +1\nr4 = r6\nr0 += r4
         r6 += -1\nif r6 != 0 goto again\ngoto end\nother: r0 += 1\ngoto back\nend: exit"
    ));
    // Where the loop is entered lies behind it, and is no part of a round.
    assert!(!has_conditional_move(
        "r0 = 0\nr3 = 7\nr6 = 9\n*(u64 *)(r10 -8) = r3\ngoto enter
         again: r6 += -1\nif r6 == 0 goto end\nmiddle: r2 = *(u64 *)(r10 -8)\nr2 += r4\nr4 = 6
         if r2 < 9 goto +1\nr4 = r6\ngoto again\nenter: r4 = 0\ngoto middle\nend: r0 = r4\nexit"
    ));
}
