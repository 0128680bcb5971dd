//! What a comparison of a 32-bit sum, which may have wrapped, says of the number.

mod common;
#[path = "common/concrete.rs"]
mod concrete;

use std::fmt::Write;

use bpf_bytecode::BpfProgType;
use bpf_bytecode::opcode::{AluOp, Cond};
use bpf_bytecode::text::assemble;
use bpf_profile::ActiveProfile;
use bpf_verifier::Verifier;
use common::chance::Chance;
use common::{SOCKET, built, with_value};

/// What an unknown number in R6 leads to in a value of 48 bytes, behind these lines.
fn indexed(lines: &str, access: &str) -> String {
    with_value(&format!(
        "r7 = r0
         call 7
         r6 = r0
         {lines}
         r7 += r6
         r0 = *(u8 *)(r7 {access})
         out: r0 = 0
         exit"
    ))
}

const OUT: &str = "within its 48 bytes";

/// From 1 to 48, as it is asked with one comparison.
#[test]
fn two_bounds_in_one_comparison() {
    for begin in ["r6 &= 0xffff", "w6 = w6"] {
        for copy in ["r4 = r6", "w4 = w6"] {
            let asked = format!("{begin}\n{copy}\nw4 += -49\nif w4 < -48 goto out");
            SOCKET.accepts(&indexed(&asked, "-1"));
            SOCKET.rejects(OUT, &indexed(&asked, "-2"));
            SOCKET.rejects(OUT, &indexed(&asked, "+0"));
            // The number itself becomes the sum, and the copy is what it was.
            let moved = format!("{begin}\nr4 = r6\nw6 += -49\nif w6 < -48 goto out\nr6 = r4");
            SOCKET.accepts(&indexed(&moved, "-1"));
            SOCKET.rejects(OUT, &indexed(&moved, "+0"));
        }
    }
    // From 8 to 55: it wraps at neither end, or at the other.
    SOCKET.accepts(&indexed("w6 = w6\nr4 = r6\nw4 += -8\nif w4 > 47 goto out", "-8"));
    SOCKET.rejects(OUT, &indexed("w6 = w6\nr4 = r6\nw4 += -8\nif w4 > 48 goto out", "-8"));
    let high = "w6 = w6\nr4 = r6\nw4 += 48\nif w4 > 47 goto out\nr6 = r6\nr6 <<= 32\nr6 s>>= 32";
    SOCKET.accepts(&indexed(high, "+48"));
    SOCKET.rejects(OUT, &indexed(high, "+47"));
    SOCKET.rejects(OUT, &indexed(high, "+49"));
}

/// Other comparisons of the same sum.
#[test]
fn other_comparisons() {
    let asked = |test: &str| format!("w6 = w6\nr4 = r6\nw4 += -49\n{test} goto out");
    SOCKET.accepts(&indexed(&asked("if w4 s>= 0 goto out\nif w4 s< -48"), "-1"));
    SOCKET.accepts(
        &indexed(&asked("if r4 < 0xffffffd0 ll"), "-1")
            .replace("if r4 < 0xffffffd0 ll", "r5 = 0xffffffd0 ll\nif r4 < r5"),
    );
    // With a sign it is from -48 to a large number.
    SOCKET.rejects(OUT, &indexed(&asked("if w4 s< -48"), "-1"));
    SOCKET.rejects(OUT, &indexed(&asked("if w4 s> -1"), "-1"));
    // The whole of the sum has no sign, so all of it is less than this, and nothing more.
    SOCKET.rejects("", &indexed(&asked("if r4 s< -48"), "-1"));
    // What is equal is one number.
    SOCKET.accepts(&indexed(&asked("if w4 != -9"), "+0"));
    SOCKET.accepts(&indexed(&asked("if w4 != -9"), "+7"));
    SOCKET.rejects(OUT, &indexed(&asked("if w4 != -9"), "+8"));
}

/// A number with another half, of which the sum says nothing.
#[test]
fn numbers_of_more_than_32_bits() {
    SOCKET.rejects("", &indexed("r4 = r6\nw4 += -49\nif w4 < -48 goto out", "-1"));
    let shifted = "r6 &= 0xffff\nr4 = r6\nw4 += -49\nr6 <<= 32\nif w4 < -48 goto out";
    SOCKET.rejects("", &indexed(shifted, "-1"));
    let more = "r5 = 0x100000000 ll\nw6 = w6\nr4 = r6\nw4 += -49\nr6 += r5\n\
                if w4 < -48 goto out";
    SOCKET.rejects("", &indexed(more, "-1"));
    // A copy that goes below 0 has the other half of a number less than 0.
    let below = "r6 &= 0xffff\nr4 = r6\nw4 += -49\nr6 += -100\nif w4 < -48 goto out";
    SOCKET.rejects("", &indexed(below, "-1"));
    // A copy that went beyond 32 bits.
    let beyond = |width: &str| {
        format!(
            "w6 = w6\nr4 = r6\n{width}6 += 0x20000000\nw4 += 4\nif w4 > 10 goto out\n\
             {width}6 += -0x1ffffffc"
        )
    };
    SOCKET.accepts(&indexed(&beyond("w"), "+37"));
    SOCKET.rejects(OUT, &indexed(&beyond("r"), "+37"));
}

/// What was changed since says nothing, nor is anything said of it.
#[test]
fn numbers_that_were_changed_since() {
    let changed = |line: &str, test: &str| {
        indexed(&format!("w6 = w6\nr4 = r6\nw4 += -49\n{line}\nif w4 {test} goto out"), "-1")
    };
    SOCKET.accepts(&changed("r5 = 1", "< -48"));
    for line in ["w4 += 1", "w4 -= 1", "r4 += 1", "w4 <<= 1", "w4 ^= 1", "w4 = -w4", "r4 = r9"] {
        let text = changed(&line.replace("r9", "r8"), "< -48");
        SOCKET.rejects("", &text.replace("r7 = r0", "r7 = r0\nr8 = *(u64 *)(r7 +0)"));
    }
    for line in ["w6 ^= 1", "w6 <<= 1", "w6 += 1", "w6 -= 1"] {
        SOCKET.rejects(OUT, &changed(line, "< -48"));
    }
    // From 2 to 49, and from 0 to 47.
    let moved = |line: &str, access: &str| {
        let asked = format!("r6 &= 0xff\nr6 += 1\nr4 = r6\nw4 += -49\n{line}");
        indexed(&format!("{asked}\nif w4 < -48 goto out"), access)
    };
    SOCKET.accepts(&moved("r6 += 1", "-2"));
    SOCKET.rejects(OUT, &moved("r6 += 1", "-1"));
    SOCKET.accepts(&moved("r6 -= 1", "+0"));
    SOCKET.rejects(OUT, &moved("r6 -= 1", "+1"));
}

/// Where a path meets one that was walked, the sum must be that of the same number.
#[test]
fn a_sum_of_another_number() {
    for (one, other) in [("r6", "r8"), ("r8", "r6")] {
        let lines = |first: &str, second: &str| {
            format!(
                "w6 = w6\ncall 7\nr8 = r0\nw8 = w8\ncall 7\nif r0 == 1 goto second\n\
                 r4 = {first}\nw4 += -49\ngoto join\n\
                 second: r4 = {second}\nw4 += -49\n\
                 join: r0 = 0\nif w4 < -48 goto out"
            )
        };
        SOCKET.rejects(OUT, &indexed(&lines(one, other), "-1"));
        SOCKET.accepts(&indexed(&lines("r6", "r6"), "-1"));
        // Or that of the number and something else.
        let off = lines("r6", "r6").replace(&format!("second: r4 = {}", "r6"), "second: r4 = r6");
        let (begin, end) = off.split_once("second: ").unwrap();
        let off = format!("{begin}second: {}", end.replace("-49", "-50"));
        SOCKET.rejects(OUT, &indexed(&off, "-1"));
    }
}

/// The loop ends where the bound on its rounds does.
#[test]
fn rounds_of_a_loop() {
    let text = |test: &str| {
        format!(
            "call 7\nr6 = r0\nr6 &= 0xffff\nr4 = r6\nw4 += -65\n{test}r5 = 0\n\
             head: r5 += 1\nr7 = *(u32 *)(r10 -8)\nif r7 == 35 goto out\n\
             if r5 != r6 goto head\nout: r0 = 0\nexit"
        )
    };
    let bounded = SOCKET.accepts(&text("if w4 < -64 goto out\n"));
    assert!(bounded.max_insns < 400, "{}", bounded.max_insns);
}

/// A line of a program: of R4 to R6, by number from 0, or with a constant.
#[derive(Clone, Copy)]
enum Line {
    Copy { bits: u32, dst: usize, src: usize },
    Alu { op: AluOp, bits: u32, dst: usize, by: i32 },
    OutIf { cond: Cond, bits: u32, reg: usize, with: i32 },
}

const OPS: [(AluOp, &str); 3] = [(AluOp::Add, "+="), (AluOp::Sub, "-="), (AluOp::And, "&=")];
const CONDS: [(Cond, &str); 10] = [
    (Cond::Eq, "=="),
    (Cond::Ne, "!="),
    (Cond::Gt, ">"),
    (Cond::Ge, ">="),
    (Cond::Lt, "<"),
    (Cond::Le, "<="),
    (Cond::Sgt, "s>"),
    (Cond::Sge, "s>="),
    (Cond::Slt, "s<"),
    (Cond::Sle, "s<="),
];
const STEPS: [i32; 12] = [1, -1, 2, 40, -40, -49, -48, 48, 49, 1 << 30, -(1 << 30), i32::MIN];
const BOUNDS: [i32; 14] =
    [0, 1, -1, -48, -49, -47, -40, 48, 47, 88, -88, i32::MAX, i32::MIN, 1 << 30];

impl Line {
    fn text(self) -> String {
        let reg =
            |bits: u32, reg: usize| format!("{}{}", if bits == 32 { 'w' } else { 'r' }, reg + 4);
        match self {
            Self::Copy { bits, dst, src } => format!("{} = {}", reg(bits, dst), reg(bits, src)),
            Self::Alu { op, bits, dst, by } => {
                let sign = OPS.iter().find(|(of, _)| *of == op).unwrap().1;
                format!("{} {sign} {by}", reg(bits, dst))
            }
            Self::OutIf { cond, bits, reg: of, with } => {
                let sign = CONDS.iter().find(|(of, _)| *of == cond).unwrap().1;
                format!("if {} {sign} {with} goto out", reg(bits, of))
            }
        }
    }

    /// Whether the program goes on behind it.
    fn run(self, regs: &mut [u64; 3]) -> bool {
        let whole = |number: i32| i64::from(number).cast_unsigned();
        match self {
            Self::Copy { bits, dst, src } => regs[dst] = concrete::low(regs[src], bits),
            Self::Alu { op, bits, dst, by } => {
                regs[dst] = concrete::alu(op, regs[dst], whole(by), bits);
            }
            Self::OutIf { cond, bits, reg, with } => {
                return !concrete::holds(cond, regs[reg], whole(with), bits);
            }
        }
        true
    }
}

fn lines(chance: &mut Chance) -> Vec<Line> {
    let mut out = Vec::new();
    match chance.below(4) {
        0 => out.push(Line::Alu { op: AluOp::And, bits: 64, dst: 2, by: 0xff }),
        1 => out.push(Line::Alu { op: AluOp::And, bits: 64, dst: 2, by: i32::MAX }),
        2 => out.push(Line::Copy { bits: 32, dst: 2, src: 2 }),
        _ => {}
    }
    for _ in 0..=chance.below(3) {
        let (bits, dst) = (chance.of(&[32, 64]), chance.below(3));
        out.push(Line::Copy { bits, dst, src: chance.of(&[2, 2, 0, 1]) });
        let step = |chance: &mut Chance, dst| Line::Alu {
            op: chance.of(&[AluOp::Add, AluOp::Add, AluOp::Add, AluOp::Sub]),
            bits: chance.of(&[32, 32, 64]),
            dst,
            by: chance.of(&STEPS),
        };
        out.push(step(chance, dst));
        if chance.below(3) == 0 {
            let dst = chance.below(3);
            out.push(step(chance, dst));
        }
        for _ in 0..=chance.below(2) {
            out.push(Line::OutIf {
                cond: chance.of(&CONDS).0,
                bits: chance.of(&[32, 32, 64]),
                reg: chance.of(&[dst, dst, 2]),
                with: chance.of(&BOUNDS),
            });
        }
    }
    out
}

/// Programs that are made.
const PROGRAMS: u64 = if cfg!(debug_assertions) { 6_000 } else { 400_000 };

/// Whatever is accepted, no number leads out of the value.
#[test]
fn no_number_leads_out() {
    let mut inputs: Vec<u64> = (0..=255).collect();
    for edge in [0, 1_u64 << 30, 1 << 31, 3 << 30, 1 << 32, 1 << 33, 1 << 63] {
        inputs.extend((0..200).map(|by| edge.wrapping_add(by).wrapping_sub(100)));
    }
    let (mut accepted, mut by_sums) = (0, 0);
    for seed in 0..PROGRAMS {
        let mut chance = Chance::seeded(seed, 0);
        let lines = lines(&mut chance);
        let access = chance.of(&[0_i64, 0, -1, 1, -40, 40, -48, 8, -8, 47]);
        let mut text = String::from("r4 = 0\nr5 = 0\n");
        for line in &lines {
            writeln!(text, "{}", line.text()).unwrap();
        }
        let text = indexed(&text, &format!("{access:+}"));
        let insns = assemble::<ActiveProfile>(&text).unwrap();
        let program = built(BpfProgType::SocketFilter, &insns);
        if Verifier::<ActiveProfile>::new().verify_program(&program).is_err() {
            continue;
        }
        let mut reached = false;
        for input in &inputs {
            let mut regs = [0, 0, *input];
            if lines.iter().all(|line| line.run(&mut regs)) {
                let at = regs[2].cast_signed().wrapping_add(access);
                assert!((0..48).contains(&at), "{input:#x} leads to {at}\n{text}");
                reached = true;
            }
        }
        accepted += u32::from(reached);
        let sum = |line: &Line| matches!(line, Line::OutIf { bits: 32, reg: 0 | 1, .. });
        by_sums += u32::from(reached && lines.iter().any(sum));
    }
    // Otherwise the test would show nothing.
    assert!(accepted > 100 && by_sums > 30, "{accepted} accepted, {by_sums} by sums");
}
