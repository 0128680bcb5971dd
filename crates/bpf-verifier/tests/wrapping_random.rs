//! Loops made at random that count past the ends of 32 bits, or of which low bits are compared:
//! the bound beside the longest run.

mod common;
#[path = "common/concrete.rs"]
mod concrete;
#[path = "bounds/machine.rs"]
mod machine;

use std::fmt::Write;

use bpf_bytecode::BpfProgType;
use bpf_bytecode::text::assemble;
use bpf_profile::ActiveProfile;
use bpf_verifier::Verifier;
use common::built;
use common::chance::Chance;
use machine::Machine;

const PROGRAMS: u64 = 900;
/// Bounds beyond are not compared: runs take too long.
const LONGEST: u64 = 80_000;

const CONDS: [&str; 10] = ["==", "!=", ">", "<", "s>", "s<", ">=", "<=", "s<=", "s>="];
/// What most loops go round on.
const ENDS: [&str; 9] = ["!=", "!=", "!=", ">", "<", "s<", "s>", "<=", ">="];
/// What the loops count in, the outermost first.
const COUNTERS: [&str; 3] = ["6", "7", "9"];

impl Chance {
    /// What is added in a round.
    fn step(&mut self) -> i64 {
        let step = self.of(&[1, 2, 3, 5, 7, 9, 16, 20]);
        if self.below(2) == 0 { step } else { -step }
    }
}

/// A program in the making. R8 is a number from 0 to 3.
struct Maker {
    chance: Chance,
    text: String,
    /// Loops in each other.
    depth: usize,
    /// Whether all numbers are near the ends of 32 bits, or 0.
    near: bool,
}

impl Maker {
    fn line(&mut self, line: &str) {
        writeln!(self.text, "{line}").unwrap();
    }

    fn number(&mut self) -> i64 {
        let small = i64::try_from(self.chance.below(24)).unwrap() - 12;
        match self.chance.below(8) {
            0 => i64::from(i32::MIN) + small.abs(),
            1 => i64::from(i32::MAX) - small.abs(),
            2 if !self.near => small * 1000,
            _ => small,
        }
    }

    /// What a loop begins at, if it is entered in one way or in several.
    fn begin(&mut self, depth: usize) {
        let (r, start, other) = (COUNTERS[depth], self.number(), self.number());
        let line = match self.chance.below(5) {
            0 => format!(
                "w{r} = {start}\nif r8 == 1 goto h{depth}
                 w{r} = {other}\nif r8 == 2 goto h{depth}\nw{r} += 1"
            ),
            1 => format!("w{r} = w8\nw{r} += {start}"),
            2 => format!("call 7\nw{r} = w0\nw{r} &= 3\nw{r} += {start}"),
            _ => format!("w{r} = {start}"),
        };
        self.line(&format!("{line}\nh{depth}: r0 = 0"));
    }

    /// What happens to numbers in a round, or ends it.
    fn statement(&mut self, depth: usize) {
        let (r, other) = (COUNTERS[depth], self.chance.of(&COUNTERS));
        let (cond, small, few) =
            (self.chance.of(&CONDS), self.chance.below(12), self.chance.below(4));
        let (number, more, step) = (self.number(), self.number(), self.chance.step());
        let line = match self.chance.below(12) {
            0 => {
                let head = self.chance.below(self.depth);
                format!("call 7\nr0 &= 3\nif r0 == {few} goto h{head}")
            }
            1 => {
                let change = self.chance.of(&["=", "+="]);
                format!("if w{other} {cond} {number} goto +1\nw{r} {change} {more}")
            }
            2 => format!("if r8 == {few} goto +1\nw{r} += {step}"),
            3 => format!("w{r} += {step}"),
            4 => {
                let mask = self.chance.of(&[1, 3, 7, 15, 255, 65535]);
                format!("r1 = r{r}\nw1 &= {mask}\nif w1 {cond} {small} goto e{depth}")
            }
            5 => {
                let (back, raised) = (self.chance.of(&["s>>=", ">>="]), step << 32);
                format!("r1 = r{r}\nr1 <<= 32\nr2 = {raised} ll\nr1 += r2\nr1 {back} 32\nr{r} = r1")
            }
            6 => format!("call 7\nif r0 == 2 goto +1\nw{r} += {step}"),
            7 => {
                let half = self.chance.of(&["r", "w"]);
                format!("{half}1 = {half}{r}\nw1 += {step}\nif w1 {cond} {number} goto e{depth}")
            }
            8 => format!("r{r} += {step}"),
            9 => format!("w{r} += {step}\n{}", extended(r)),
            10 => {
                let half = self.chance.of(&["r", "w"]);
                format!(
                    "r1 = r{r}\nw1 += {more}\n{}\nif {half}1 {cond} {number} goto e{depth}",
                    extended("1")
                )
            }
            _ => format!("if w{r} != {number} goto +1\nw{r} = {more}"),
        };
        self.line(&line);
    }

    /// The step, and the way back.
    fn end(&mut self, depth: usize) {
        let (r, cond, number) = (COUNTERS[depth], self.chance.of(&ENDS), self.number());
        let step = self.chance.step();
        let step = if self.chance.below(2) == 0 { step.signum() } else { step };
        match self.chance.below(3) {
            0 => {}
            1 => self.line(&format!("r1 = r{r}")),
            _ => {
                let few = self.chance.below(4);
                self.line(&format!("call 7\nif r0 == {few} goto +1\nr0 = 0"));
            }
        }
        // Compilers compare a sum where the number was moved by another one before.
        if self.chance.below(3) == 0 {
            let (half, more) = (self.chance.of(&["r", "w"]), self.chance.step());
            self.line(&format!(
                "{half}{r} += {step}\nw1 = w{r}\nw1 += {more}
                 if w1 {cond} {number} goto h{depth}\ne{depth}: r0 = 0"
            ));
            return;
        }
        // Or extend the sign of the sum, to compare it whole.
        let (sign, half) = match self.chance.below(2) {
            0 => (String::new(), "w"),
            _ => (extended(r), self.chance.of(&["r", "w"])),
        };
        self.line(&format!(
            "w{r} += {step}\n{sign}\nif {half}{r} {cond} {number} goto h{depth}\ne{depth}: r0 = 0"
        ));
    }
}

/// The low half of a register, and its sign.
fn extended(register: &str) -> String {
    format!("r{register} <<= 32\nr{register} s>>= 32")
}

fn wrapping(seed: u64) -> String {
    let mut chance = Chance::seeded(seed, 0x1234_5678_9abc);
    let (near, depth) = (chance.below(3) > 0, 1 + chance.below(3));
    let mut maker = Maker { chance, text: String::new(), depth, near };
    maker.line("call 7\nr8 = r0\nr8 &= 3\nr9 = 0\nr7 = 0");
    for depth in 0..depth {
        maker.begin(depth);
    }
    for depth in (0..depth).rev() {
        for _ in 0..maker.chance.below(3) {
            maker.statement(depth);
        }
        if maker.chance.below(3) == 0 {
            maker.line("r0 = 0\nr0 = 1\nr0 = 2\nr0 = 3\nr0 = 4\nr0 = 5");
        }
        maker.end(depth);
    }
    maker.line("r0 = 0\nexit");
    maker.text
}

#[test]
fn no_run_is_longer_than_its_bound() {
    let (mut looked_at, mut exact) = (0, 0);
    for text in (0..PROGRAMS).map(wrapping) {
        let insns =
            assemble::<ActiveProfile>(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let program = built(BpfProgType::Xdp, &insns);
        let verifier = Verifier::<ActiveProfile>::new().step_limit(4_000);
        let Ok(verified) = verifier.verify_program(&program) else { continue };
        let bound = verified.info().max_insns;
        if bound > LONGEST {
            continue;
        }
        let Some(longest) = Machine::new(&program, 0).longest() else { continue };
        assert!(longest <= bound, "{longest} instructions, the bound is {bound}\n{text}");
        looked_at += 1;
        exact += u32::from(longest == bound);
    }
    assert!(looked_at > 100 && exact > 50, "{looked_at} looked at, {exact} exact");
}
