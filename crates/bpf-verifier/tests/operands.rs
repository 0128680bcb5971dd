//! What a comparison of two numbers' bits together says of each of them.

mod common;

use std::fmt::Write as _;

use bpf_bytecode::BpfProgType;
use bpf_bytecode::text::assemble;
use bpf_profile::ActiveProfile;
use bpf_verifier::Verifier;
use common::chance::Chance;
use common::{SOCKET, built, with_value};

const OUT: &str = "within its 48 bytes";

/// What any two numbers in R6 and R7 lead to in a value of 48 bytes, behind these lines, where
/// one of them chooses the byte.
fn indexed(lines: &str, by: &str) -> String {
    with_value(&format!(
        "r9 = r0\ncall 7\nr6 = r0\ncall 7\nr7 = r0\ncall 7\nr8 = r0\n{lines}
         r9 += {by}\nr0 = *(u8 *)(r9 +0)\nout: r0 = 0\nexit"
    ))
}

/// Both are told.
#[track_caller]
fn tells(lines: &str) {
    for by in ["r6", "r7"] {
        SOCKET.accepts(&indexed(lines, by));
    }
}

/// One of these, or both, are not.
#[track_caller]
fn leaves(lines: &str, by: &[&str]) {
    for by in by {
        SOCKET.rejects("", &indexed(lines, by));
    }
}

#[test]
fn neither_is_greater_than_both_together() {
    for compare in ["if r0 > 47", "if r0 >= 48", "if r0 != 0", "if r0 & -32", "r5 = 47\nif r5 < r0"]
    {
        tells(&format!("r0 = r6\nr0 |= r7\n{compare} goto out"));
    }
    tells("r0 = r6\nr0 |= r7\nif r0 == 0 goto in\ngoto out\nin: r0 = 1");
    leaves("r0 = r6\nr0 |= r7\nif r0 > 48 goto out", &["r6", "r7"]);
    leaves("r0 = r6\nr0 |= r7\nif r0 s> 47 goto out", &["r6", "r7"]);
    leaves("r0 = r6\nr0 |= r7\nif r0 < 48 goto out", &["r6", "r7"]);
    for op in ["&=", "^=", "+=", "-=", "*="] {
        leaves(&format!("r0 = r6\nr0 {op} r7\nif r0 > 47 goto out"), &["r6", "r7"]);
    }
}

#[test]
fn of_the_low_halves_it_says_no_more() {
    let narrow = "w6 = w6\nw7 = w7\n";
    let both = "r0 = r6\nw0 |= w7\nif w0 > 31 goto out";
    tells(&format!("{narrow}{both}"));
    leaves(both, &["r6", "r7"]);
    tells(&format!("{narrow}w0 = w6\nr0 |= r7\nif r0 > 31 goto out"));
    // A copy of the low half; the other one is whole.
    let copied = "w0 = w6\nr0 |= r7\nif r0 > 31 goto out";
    SOCKET.accepts(&indexed(copied, "r7"));
    leaves(copied, &["r6"]);
    tells(&format!("{narrow}r0 = r6\nr0 |= r7\nif w0 > 31 goto out"));
    leaves("r0 = r6\nr0 |= r7\nif w0 > 31 goto out", &["r6", "r7"]);
}

#[test]
fn two_shifts_leave_the_low_half() {
    let narrow = "w6 = w6\nw7 = w7\n";
    let both = |first: &str, second: &str| {
        format!("r0 = r6\nr0 |= r7\nr0 <<= {first}\nr0 {second}\nif r0 > 31 goto out")
    };
    tells(&format!("{narrow}{}", both("32", ">>= 32")));
    tells(&format!("{narrow}{}", both("32", "s>>= 32")));
    leaves(&both("32", ">>= 32"), &["r6", "r7"]);
    leaves(&format!("{narrow}{}", both("31", ">>= 32")), &["r6", "r7"]);
    leaves(&format!("{narrow}{}", both("33", ">>= 32")), &["r6", "r7"]);
    leaves(&format!("{narrow}{}", both("32", ">>= 33")), &["r6", "r7"]);
    leaves(&format!("{narrow}r0 = r6\nr0 |= r7\nr0 >>= 32\nif r0 > 31 goto out"), &["r6", "r7"]);
    let copied = "r0 = r6\nr0 |= r7\nr0 <<= 32\nr5 = r0\nr5 >>= 32\nif r5 > 31 goto out";
    leaves(&format!("{narrow}{copied}"), &["r6", "r7"]);
}

#[test]
fn a_number_that_was_changed_since() {
    let changed = |line: &str| format!("r0 = r6\nr0 |= r7\n{line}\nif r0 > 31 goto out");
    tells(&changed("r5 = r8"));
    tells(&changed("if r8 == 5 goto out"));
    for (line, by) in
        [("r6 = r8", "r6"), ("r7 = r8", "r7"), ("r7 += 100", "r7"), ("r6 = -r6", "r6")]
    {
        leaves(&changed(line), &[by]);
    }
    leaves(&changed("r0 = r8"), &["r6", "r7"]);
    leaves(&changed("r0 -= 1"), &["r6", "r7"]);
    leaves("r0 = r6\nr6 = r8\nr0 |= r7\nif r0 > 31 goto out", &["r6"]);
    leaves("r0 = r6\nr0 |= r7\nr6 = *(u64 *)(r9 +0)\nif r0 > 31 goto out", &["r6"]);
    leaves("r0 = r6\nr0 |= r7\nr7 = 0x100000000 ll\nif r0 > 31 goto out", &["r7"]);
    leaves("r0 = r6\nr0 |= r7\nr7 = be64 r7\nif r0 > 31 goto out", &["r7"]);
    leaves("r0 = r6\nr0 |= r7\nr7 = (s8)r7\nif r0 > 31 goto out", &["r7"]);
    leaves(
        "r0 = r6\nr0 |= r7\nr7 = atomic_fetch_add((u64 *)(r9 +0), r7)\nif r0 > 31 goto out",
        &["r7"],
    );
}

#[test]
fn several_together() {
    tells("r0 = r8\nr0 |= r6\nr0 |= 16\nr0 |= r7\nif r0 > 31 goto out");
    tells("r6 |= r7\nif r6 > 31 goto out");
    tells("r0 = r6\nr0 |= r7\nr5 = r0\nif r5 > 31 goto out");
    SOCKET.accepts(&indexed("r0 = r6\nr0 |= r8\nr0 |= r7\nr8 = r7\nif r0 > 31 goto out", "r8"));
    leaves("r6 |= r6\nif r6 > 31 goto out", &["r7"]);
    // What was in the register before it became a copy.
    leaves("r0 = r7\nr0 = r6\nr0 |= r8\nif r0 > 31 goto out", &["r7"]);
    leaves("r0 = r8\nr0 |= r7\nr0 = r6\nif r0 > 31 goto out", &["r7"]);
}

/// Another way leads to the comparison.
#[test]
fn where_ways_meet() {
    let joined =
        |before: &str| format!("r0 = r6\n{before}r0 |= r7\njoin: r5 = 0\nif r0 > 31 goto out");
    tells(&joined(""));
    leaves(&joined("if r8 == 5 goto join\n"), &["r7"]);
    leaves("r0 = 1\nif r8 == 5 goto join\nr0 = r6\nr0 |= r7\njoin: if r0 > 31 goto out", &["r7"]);
    // The sum of bits is asked for on either way, and others were walked from there before.
    let two = |first: &str, second: &str| {
        format!(
            "if r8 == 5 goto second\n{first}\ngoto join\nsecond: {second}\n\
             join: r5 = 1\nr5 += 2\nr5 += 3\nr0 = r6\nr0 |= r7\nif r0 > 31 goto out"
        )
    };
    tells(&two("r6 &= 255\nr7 &= 255", "r6 += 1"));
    tells(&two("r6 += 1", "r6 = -1"));
    let not_two = |first: &str, second: &str| two(first, second).replace("> 31", "> 48");
    leaves(&not_two("r6 &= 31\nr7 &= 31", "r6 += 1"), &["r6", "r7"]);
    leaves(&not_two("r6 += 1", "r6 &= 31\nr7 &= 31"), &["r6", "r7"]);
    // In front of it stands the end of another function.
    let function = "call inner\ngoto out\ninner: r0 = r6\nr0 |= r7\nexit";
    leaves(&format!("{function}\nafter: if r0 > 31 goto out"), &[]);
}

/// A loop that ends with either of two numbers, which are asked for at once.
#[test]
fn a_loop_of_two_numbers() {
    let text = |end: i32| {
        format!(
            "r9 = r0\nr6 = 0\nr7 = 0\nr8 = 0\nhead: r0 = r6\nw0 |= w7\nif w0 > {end} goto out
             r1 = r9\nr1 += r6\nr1 = *(u8 *)(r1 +0)\nr1 = r9\nr1 += r7\nr1 = *(u8 *)(r1 +0)
             r8 += 1\nif r8 > 1000 goto out\ncall 7\nif r0 & 1 goto other\nr6 += 1\ngoto head
             other: r7 += 1\ngoto head\nout: r0 = 0\nexit"
        )
    };
    assert!(SOCKET.accepts(&with_value(&text(31))).processed < 200);
    SOCKET.rejects(OUT, &with_value(&text(63)));
}

/// Lines, and what they do to R0, R5, R6, R7 and R8.
type Line = (&'static str, fn(&mut [u64; 5]));

const LINES: [Line; 22] = [
    ("r0 = r6", |r| r[0] = r[2]),
    ("r0 = r7", |r| r[0] = r[3]),
    ("w0 = w6", |r| r[0] = low(r[2])),
    ("r5 = r0", |r| r[1] = r[0]),
    ("w5 = w0", |r| r[1] = low(r[0])),
    ("r6 = r0", |r| r[2] = r[0]),
    ("r7 = r5", |r| r[3] = r[1]),
    ("r0 |= r7", |r| r[0] |= r[3]),
    ("r0 |= r7", |r| r[0] |= r[3]),
    ("w0 |= w7", |r| r[0] = low(r[0] | r[3])),
    ("w0 |= w6", |r| r[0] = low(r[0] | r[2])),
    ("r0 |= r5", |r| r[0] |= r[1]),
    ("r5 |= r6", |r| r[1] |= r[2]),
    ("r6 |= r7", |r| r[2] |= r[3]),
    ("r0 |= 3", |r| r[0] |= 3),
    ("r0 <<= 32", |r| r[0] <<= 32),
    ("r0 >>= 32", |r| r[0] >>= 32),
    ("r0 s>>= 32", |r| r[0] = (r[0].cast_signed() >> 32).cast_unsigned()),
    ("r6 += 1", |r| r[2] = r[2].wrapping_add(1)),
    ("w7 = w7", |r| r[3] = low(r[3])),
    ("w6 = w6", |r| r[2] = low(r[2])),
    ("r7 = r8", |r| r[3] = r[4]),
];

/// Comparisons that lead out, and whether they do.
type Test = (&'static str, fn(&[u64; 5]) -> bool);

const TESTS: [Test; 7] = [
    ("if r0 > 31", |r| r[0] > 31),
    ("if w0 > 31", |r| low(r[0]) > 31),
    ("if r0 != 0", |r| r[0] != 0),
    ("if w0 != 0", |r| low(r[0]) != 0),
    ("if r6 > 40", |r| r[2] > 40),
    ("if w5 > 40", |r| low(r[1]) > 40),
    ("if r5 > 31", |r| r[1] > 31),
];

const fn low(number: u64) -> u64 {
    number & 0xffff_ffff
}

/// Programs that are made.
const PROGRAMS: u64 = if cfg!(debug_assertions) { 8_000 } else { 400_000 };

/// Whatever is accepted, no number leads out of the value.
#[test]
fn no_number_leads_out() {
    let some = [0, 1, 2, 31, 32, 47, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 32) + 7, 1 << 63];
    let inputs = || some.iter().flat_map(|x| some.iter().map(move |y| (*x, *y)));
    let (mut accepted, mut by_both) = (0, 0);
    for seed in 0..PROGRAMS {
        let mut chance = Chance::seeded(seed, 0);
        let (mut text, mut run) = (String::from("r0 = 0\nr5 = 0\n"), Vec::new());
        for _ in 0..=chance.below(2) {
            for _ in 0..=chance.below(5) {
                let line = chance.of(&LINES);
                writeln!(text, "{}", line.0).unwrap();
                run.push(Ok(line.1));
            }
            let test = chance.of(&TESTS);
            writeln!(text, "{} goto out", test.0).unwrap();
            run.push(Err(test.1));
        }
        let (by, at) = chance.of(&[("r6", 2), ("r7", 3)]);
        let text = indexed(&text, by);
        let insns = assemble::<ActiveProfile>(&text).unwrap();
        let program = built(BpfProgType::SocketFilter, &insns);
        if Verifier::<ActiveProfile>::new().verify_program(&program).is_err() {
            continue;
        }
        let mut reached = false;
        for (x, y) in inputs() {
            let mut regs = [0, 0, x, y, x ^ y];
            let goes_on = run.iter().all(|step| match step {
                Ok(line) => {
                    line(&mut regs);
                    true
                }
                Err(test) => !test(&regs),
            });
            assert!(!goes_on || regs[at] < 48, "{x:#x} {y:#x} lead to {}\n{text}", regs[at]);
            reached |= goes_on;
        }
        accepted += u32::from(reached);
        by_both += u32::from(reached && text.contains("|= ") && !text.contains("if r6 > 40"));
    }
    // Otherwise the test would show nothing.
    assert!(accepted > 100 && by_both > 30, "{accepted} accepted, {by_both} by both");
}
