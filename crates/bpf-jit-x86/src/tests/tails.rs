//! Ends of loops, of which there are copies.

use std::format;
use std::string::String;

use iced_x86::{FlowControl, Instruction};

use super::decode::{assert_sound, decode};
use super::{gives, program, proven};

/// How often code goes back or ahead under a condition.
fn branches(text: &str) -> usize {
    let compiled = proven(&program(text));
    assert_sound(&compiled);
    let insns = decode(compiled.code());
    let is_branch = |insn: &&Instruction| insn.flow_control() == FlowControl::ConditionalBranch;
    insns.iter().filter(is_branch).count()
}

/// Ten rounds of a loop of two ways that end in the same steps. R4 has every way that it went.
fn ahead(end: &str) -> String {
    format!(
        "r0 = 0\nr1 = 5\nr3 = 10\nr4 = 0\nagain: r2 = r3\nr2 &= 3\nif r2 == 1 goto other
         r4 <<= 1\nr4 += 1\ngoto next\nother: r4 <<= 1\nr1 += r4\nnext: {end}\nr3 += -1
         if r3 != 0 goto again\nr0 ^= r1\nr0 <<= 10\nr0 += r4\nexit"
    )
}

/// The same, where a compiler has put the end in front of all that comes to it.
fn back(end: &str) -> String {
    format!(
        "r0 = 0\nr1 = 5\nr3 = 10\nr4 = 0\ngoto enter\nnext: {end}\nr3 += -1\nif r3 != 0 goto enter
         r0 ^= r1\nr0 <<= 10\nr0 += r4\nexit\nenter: r2 = r3\nr2 &= 3\nif r2 == 1 goto other\nr4 <<= 1\nr4 += 1\ngoto next
         other: r4 <<= 1\nr1 += r4\ngoto next"
    )
}

fn value(step: fn(u64, u64) -> u64) -> u64 {
    let (mut r0, mut r1, mut r4) = (0_u64, 5_u64, 0_u64);
    for r3 in (1..=10).rev() {
        let other = r3 & 3 == 1;
        r4 = r4 << 1 | u64::from(!other);
        r1 = r1.wrapping_add(if other { r4 } else { 0 });
        r0 = step(r0, r1);
    }
    ((r0 ^ r1) << 10).wrapping_add(r4)
}

/// A step of an end, as text and as a function of R0 and R1.
type Step = (&'static str, fn(u64, u64) -> u64);

const STEPS: [Step; 5] = [
    ("r0 += r1", |r0, r1| r0.wrapping_add(r1)),
    ("r0 ^= r1\nr0 <<= 1", |r0, r1| (r0 ^ r1) << 1),
    ("r0 = r1\nr0 += 7", |_, r1| r1.wrapping_add(7)),
    // A division is not copied, nor is what follows a branch over one step.
    ("r0 += r1\nr0 /= 3", |r0, r1| r0.wrapping_add(r1) / 3),
    ("r0 = 3\nif r1 > 9 goto +1\nr0 = 8", |_, r1| if r1 > 9 { 3 } else { 8 }),
];

#[test]
fn copies_do_the_same() {
    for (text, step) in STEPS {
        gives(&ahead(text), value(step));
        gives(&back(text), value(step));
    }
}

#[test]
fn short_ends_are_copied() {
    let sum = "r0 += r1";
    assert_eq!((branches(&ahead(sum)), branches(&back(sum))), (3, 4));
    let long = "r0 += r1\nr0 ^= 3\nr0 += r1\nr0 ^= 3\nr0 += r1";
    assert_eq!((branches(&ahead(long)), branches(&back(long))), (2, 2));
    let divided = "r0 /= 3";
    assert_eq!((branches(&ahead(divided)), branches(&back(divided))), (2, 2));
}

#[test]
fn ends_of_loops_around_loops_are_copied() {
    let around = |inner: &str| {
        ahead("r0 += r1").replace("r2 = r3\n", &format!("r2 = 3\n{inner}\nr2 = r3\n"))
    };
    let (plain, nested) = (around("r2 += -1"), around("inner: r2 += -1\nif r2 != 0 goto inner"));
    assert_eq!((branches(&plain), branches(&nested)), (3, 4));
    for text in [plain, nested] {
        gives(&text, value(u64::wrapping_add));
    }
}

/// What is only read behind a loop is in its place there, wherever control comes from.
#[test]
fn what_waits_for_the_end_is_in_place() {
    let text = "r0 = 0\nr1 = 5\nr3 = 4\nagain: r2 = r3\nr2 &= 1\nif r2 == 1 goto other
         r0 += 1\ngoto next\nother: r0 += 2\nnext: r4 = r0\nr4 <<= 3\nr3 += -1
         if r3 != 0 goto again\nr4 += r1\nr0 ^= r4\nexit";
    gives(text, 6 ^ (48 + 5));
}

/// An end that is a loop by itself goes back to itself, with other values than it began with.
#[test]
fn an_end_that_is_a_loop() {
    let text = "r0 = 0\nr1 = 0xffffffff ll\nr2 = 0\nr3 = 3\nagain: w0 = w0\nr0 += r1\nr3 += -1
         if r3 != 0 goto again\nr2 += 1\nif r2 == 3 goto out\nw0 = w0\nr3 = 4\ngoto again
         out: exit";
    let mut r0 = 0_u64;
    for rounds in [3, 4, 4] {
        for _ in 0..rounds {
            r0 = (r0 & 0xffff_ffff) + 0xffff_ffff;
        }
        r0 = if rounds == 3 { r0 & 0xffff_ffff } else { r0 };
    }
    gives(text, r0);
    assert_eq!(branches(text), 3, "a copy goes back to the loop");
}

/// Behind the end of a loop stands the jump that goes on with it: its copies take none to that.
#[test]
fn no_jump_leads_to_a_jump() {
    let text =
        "r0 = 0\nr1 = 5\nr3 = 10\nr4 = 0\ngoto again\ndone: r0 ^= r1\nr0 <<= 10\nr0 += r4\nexit
         again: r2 = r3\nr2 &= 3\nif r2 == 1 goto other\nr4 <<= 1\nr4 += 1
         next: r0 += r1\nr3 += -1\nif r3 == 0 goto done\ngoto again
         other: r4 <<= 1\nr1 += r4\ngoto next";
    gives(text, value(u64::wrapping_add));
    assert_eq!(branches(text), 3, "there is a copy");
    let insns = decode(proven(&program(text)).code());
    let jumps = || insns.iter().filter(|insn| insn.is_jmp_short_or_near());
    for jump in jumps() {
        let to = jump.near_branch_target();
        assert!(jumps().all(|other| other.ip() != to), "{jump} leads to a jump");
    }
}

#[test]
fn what_leads_to_the_next_slot_is_no_end() {
    // The last jump leads to one that leads to the slot behind it: to no copy of that.
    gives(
        "r6 = 3\nr0 = 0\nif r6 == 0 goto +1\nonce: goto +0\nr0 += 1\nif r0 > 5 goto done
         goto once\nr0 = 77\nexit\ndone: exit",
        6,
    );
}
