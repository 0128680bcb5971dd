//! Bounds of programs made at random, of loops in loops that chance leads through, beside
//! their longest run.

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
use bpf_verifier::rules::MAY_GOTO_ROUNDS;
use common::chance::Chance;
use common::{Program, built};
use machine::Machine;

/// A program in the making. R8 is a number from 0 to 3, R7 the caller's memory, if any;
/// the first three slots of a frame are for numbers, the others for what counts rounds.
struct Maker {
    chance: Chance,
    text: String,
    labels: usize,
    functions: String,
    /// Labels of heads and ends of the loops around, in the function.
    around: Vec<(String, String)>,
    /// How many functions are around.
    nest: usize,
    /// Statements after which nothing long begins.
    left: usize,
    /// How often iterators and helpers go round, and whether most of what is made does.
    counts: &'static [&'static str],
    granting: bool,
    /// Whether nothing but numbers bounds loops.
    counting: bool,
    /// Whether `may_goto` bounds some.
    allowing: bool,
}

impl Maker {
    fn line(&mut self, line: &str) {
        writeln!(self.text, "{line}").unwrap();
    }

    fn label(&mut self) -> String {
        self.labels += 1;
        format!("l{}", self.labels)
    }

    fn block(&mut self, depth: usize) {
        if self.granting {
            return self.loops(depth);
        }
        for _ in 0..=self.chance.below(3) {
            self.statement(depth);
        }
    }

    fn statement(&mut self, depth: usize) {
        let deep = depth >= 3 || self.left == 0;
        self.left = self.left.saturating_sub(1);
        if self.allowing && !deep && self.chance.below(3) == 0 {
            return self.allowed(depth);
        }
        match self.chance.below(if deep { 8 } else { 16 }) {
            0..8 => self.small(),
            8..11 => self.branch(depth),
            11..15 if self.counting => self.triangle(depth),
            11..13 => self.iterator(depth),
            13 => match self.chance.below(4) {
                0 => self.counted(depth),
                1 => self.ranked(depth),
                _ => self.triangle(depth),
            },
            _ if self.nest < 2 => self.function(depth),
            _ => self.branch(depth),
        }
    }

    fn small(&mut self) {
        match self.chance.below(8) {
            0 => {
                let line = self.chance.of(&["r8 = 0", "r8 = 1", "r8 = 3"]);
                self.line(line);
            }
            1 => {
                let line = self.chance.of(&[
                    "r8 += 1",
                    "r8 ^= 1",
                    "r8 += 3",
                    if self.granting { "r8 += 2" } else { "call 7\nr8 = r0" },
                ]);
                self.line(&format!("{line}\nr8 &= 3"));
            }
            2 => {
                let slot = 8 * (1 + self.chance.below(3));
                self.line(&format!("*(u64 *)(r10 -{slot}) = r8"));
            }
            3 => {
                let slot = 8 * (1 + self.chance.below(3));
                self.line(&format!("r8 = *(u64 *)(r10 -{slot})"));
            }
            4 | 5 => self.jump_out(),
            6 if self.nest > 0 => self.line("r8 = *(u64 *)(r7 +0)"),
            7 if self.nest > 0 => self.line("*(u64 *)(r7 +0) = r8"),
            _ => self.line("r0 = 0"),
        }
    }

    /// Loops of any kind, one or two of them, and little beside.
    fn loops(&mut self, depth: usize) {
        self.small();
        for _ in 0..=self.chance.below(4) / 3 {
            if depth >= 3 || self.left == 0 {
                self.work();
                continue;
            }
            self.left -= 1;
            if self.allowing && self.chance.below(3) == 0 {
                self.allowed(depth);
                continue;
            }
            match self.chance.below(8) {
                0..5 => self.iterator(depth),
                5 if self.nest < 2 => self.function(depth),
                5 | 6 => self.counted(depth),
                _ => self.ranked(depth),
            }
        }
        self.small();
    }

    fn test(&mut self) -> String {
        let cond = self.chance.of(&["==", "!=", ">"]);
        let with = self.chance.below(3);
        let known = if self.granting { 7 } else { 1 };
        if self.chance.below(known + 1) < known {
            format!("if r8 {cond} {with}")
        } else {
            format!("call 7\nr0 &= 3\nif r0 {cond} {with}")
        }
    }

    fn branch(&mut self, depth: usize) {
        let (test, other, end) = (self.test(), self.label(), self.label());
        self.line(&format!("{test} goto {other}"));
        self.block(depth + 1);
        self.line(&format!("goto {end}\n{other}: r0 = 0"));
        if self.chance.below(2) == 0 {
            self.block(depth + 1);
        }
        self.line(&format!("{end}: r0 = 0"));
    }

    /// To a head or an end of a loop around.
    fn jump_out(&mut self) {
        if self.around.is_empty() {
            return;
        }
        let which = self.chance.below(self.around.len());
        let (head, end) = self.around[which].clone();
        let to = if self.chance.below(3) == 0 { end } else { head };
        if self.allowing && self.chance.below(2) == 0 {
            return self.line(&format!("may_goto {to}"));
        }
        let test = self.test();
        self.line(&format!("{test} goto {to}"));
    }

    fn within(&mut self, head: &str, end: &str, depth: usize) {
        self.around.push((head.to_owned(), end.to_owned()));
        self.block(depth + 1);
        self.around.pop();
    }

    /// Nobody leaves it but by its end, where it is destroyed.
    fn iterator(&mut self, depth: usize) {
        let (head, end) = (self.label(), self.label());
        let place = format!("r1 = r10\nr1 += -{}", 32 + 8 * depth);
        let count = self.chance.of(self.counts);
        let from = self.chance.of(&["0", "0", "1", "r8"]);
        self.line(&format!("{place}\nr2 = {from}\nr3 = {count}\ncall kfunc 1"));
        self.line(&format!("{head}: {place}\ncall kfunc 2\nif r0 == 0 goto {end}"));
        if self.chance.below(2) == 0 {
            self.line("r8 = *(u32 *)(r0 +0)");
        }
        let outer = std::mem::take(&mut self.around);
        self.within(&head, &end, depth);
        if self.chance.below(if self.granting { 8 } else { 3 }) == 0 {
            // Asked at another place, too.
            self.line(&format!("{place}\ncall kfunc 2\nif r0 == 0 goto {end}"));
            self.within(&head, &end, depth);
        }
        self.around = outer;
        self.line(&format!("goto {head}\n{end}: {place}\ncall kfunc 3"));
    }

    /// A loop that goes round as often as is allowed, and asks at its begin, its end or twice.
    fn allowed(&mut self, depth: usize) {
        let (head, end) = (self.label(), self.label());
        let (first, twice) = (self.chance.below(3) > 0, self.chance.below(4) == 0);
        self.line(&format!("{head}: r0 = 0"));
        if first {
            self.line(&format!("may_goto {end}"));
        }
        self.within(&head, &end, depth);
        if twice || !first {
            self.line(&format!("may_goto {end}"));
        }
        if twice {
            self.within(&head, &end, depth);
        }
        self.line(&format!("goto {head}\n{end}: r0 = 0"));
    }

    /// Takes long, and nothing comes of it.
    fn work(&mut self) {
        let (head, end) = (self.label(), self.label());
        let rounds = self.chance.of(&["7", "20", "50"]);
        self.line(&format!("r1 = 0\n{head}: if r1 == {rounds} goto {end}\nr1 += 1\ngoto {head}"));
        self.line(&format!("{end}: r0 = 0"));
    }

    fn counted(&mut self, depth: usize) {
        let (head, end) = (self.label(), self.label());
        let slot = 32 + 8 * depth;
        let most = if self.granting { self.counts } else { &["1", "2", "4", "r8"] };
        let most = self.chance.of(most);
        self.line(&format!("*(u64 *)(r10 -{slot}) = 0\n{head}: r1 = *(u64 *)(r10 -{slot})"));
        self.line(&format!(
            "r2 = {most}\nif r1 >= r2 goto {end}\nr1 += 1\n*(u64 *)(r10 -{slot}) = r1"
        ));
        self.within(&head, &end, depth);
        self.line(&format!("goto {head}\n{end}: r0 = 0"));
    }

    /// A loop by a number that goes up or down, at times by more, or past the end of its width, is
    /// halved or doubled, or counts in parts.
    fn ranked(&mut self, depth: usize) {
        let (head, end) = (self.label(), self.label());
        let slot = 32 + 8 * depth;
        let raised = "r1 <<= 32\nr2 = 0x100000000 ll\nr1 += r2\nr1 s>>= 32";
        let lowered = "r1 <<= 32\nr2 = -0x200000000 ll\nr1 += r2\nr1 s>>= 32";
        let high = "r1 <<= 48\nr2 = 0x3000000000000 ll\nr1 += r2\nr1 s>>= 48";
        let (start, out, step) = match self.chance.below(28) {
            0 => ("0", "if r1 > 20", "r1 += 1"),
            1 => ("r8", "if r1 s> 9", "r1 += 2"),
            2 => ("30", "if r1 == 0", "r1 += -1"),
            3 => ("30", "if r1 s< 1", "r1 -= 3"),
            4 => ("200", "if r1 == 0", "r1 >>= 1"),
            5 => ("1", "if r1 > 99", "r1 <<= 1"),
            6 => ("r8", "if r1 > 30", "r2 = r8\nr2 &= 3\nr2 += 1\nr1 += r2"),
            7 => ("0xffffffec ll", "if w1 == 0", "w1 += 1"),
            8 => ("0xfffffff3 ll", "if w1 == 4", "w1 += 1"),
            9 => ("5", "if w1 s< -7", "w1 += -1"),
            10 => ("0xffffffe1 ll", "if w1 < 40", "w1 += 3"),
            11 => ("0", "r2 = r1\nr2 &= 0xff\nif r2 > 17", "r1 += 1"),
            12 => ("r8", "r2 = r1\nw2 &= 15\nif w2 == 9", "w1 += 2"),
            13 => ("0", "if r1 s> 9", raised),
            14 => ("19", "if r1 s<= 0", lowered),
            15 => {
                ("0xfffffffd ll", "r2 = r1\nr2 += 3\nr2 <<= 32\nr2 >>= 32\nif r2 > 20", "r1 += 3")
            }
            16 => ("0xfffffff1 ll", "r2 = r1\nr2 += 1\nw2 = w2\nif r2 == 4", "r1 += 1"),
            17 => ("0xfff0", "r2 = r1\nr2 <<= 48\nr2 s>>= 48\nif r2 s> 9", "r1 += 1"),
            18 => ("0xfff1", "w2 = w1\nw2 <<= 16\nw2 s>>= 16\nif w2 s> 9", "w1 += 2"),
            19 => ("0xfff2", "w2 = (s16)w1\nif w2 s> 9", "w1 += 1"),
            20 => ("0xfff3", "r2 = (s16)r1\nif r2 s> 9", "r1 += 3"),
            21 => ("0x1fff4", "r2 = r1\nr2 &= 0xffff\nif r2 == 7", "r1 += 1"),
            22 => ("0x30009", "r2 = r1\nr2 += -1\nr2 &= 0xffff\nif r2 > 0xfff0", "r1 += -1"),
            23 => ("0", "if r1 s> 9", high),
            24 => {
                ("0xfffffff6 ll", "r2 = r1\nr2 <<= 32\nr2 >>= 32\nr1 += 1\nif r2 != r1", "r0 = 0")
            }
            25 => ("0", "r2 = (s16)r1\nif r2 s> 9", "r1 += 1\nr1 = (s16)r1"),
            26 => ("r8", "r2 = r1\nr2 <<= 32\nr2 s>>= 32\nif r2 s> 11", "r1 += r8\nr1 += 1"),
            _ => ("r8", "if w1 > 12", "w1 += 1"),
        };
        self.line(&format!(
            "r1 = {start}\n*(u64 *)(r10 -{slot}) = r1\n{head}: r1 = *(u64 *)(r10 -{slot})"
        ));
        self.line(&format!("{out} goto {end}\n{step}\n*(u64 *)(r10 -{slot}) = r1"));
        self.within(&head, &end, depth);
        if self.chance.below(4) == 0 {
            self.line(&format!(
                "r1 = *(u64 *)(r10 -{slot})\n{out} goto {end}\n{step}\n*(u64 *)(r10 -{slot}) = r1"
            ));
        }
        self.line(&format!("goto {head}\n{end}: r0 = 0"));
    }

    /// A loop in a loop that begins or ends where the outer one is.
    fn triangle(&mut self, depth: usize) {
        let [head, end, inner, out] = [0; 4].map(|_| self.label());
        let (i, j) = (32 + 8 * depth, 40 + 8 * depth);
        let (first, last, step) = match self.chance.below(6) {
            0 => ("0", "if r1 > 5", "r1 += 1"),
            1 => ("1", "if r1 == 7", "r1 += 1"),
            2 => ("0", "if r1 s>= 9", "r1 += 2"),
            3 => ("6", "if r1 == 0", "r1 += -1"),
            4 => ("9", "if r1 s< 1", "r1 -= 2"),
            _ => ("r8", "if w1 > 6", "w1 += 1"),
        };
        // Where the inner one begins, what ends it, and how it goes on.
        let (from, until, by) = match self.chance.below(10) {
            0 => ("r1 = 0", "if r1 >= r2", "r1 += 1"),
            1 => ("r1 = 0", "if r1 > r2", "r1 += 1"),
            2 => ("r1 = 1", "if r1 s>= r2", "r1 += 2"),
            3 => ("r1 += 1", "if r1 > 7", "r1 += 1"),
            4 => ("r1 += 0", "if r1 > 8", "r1 += 2"),
            5 => ("r1 += 0", "if r1 == 0", "r1 += -1"),
            6 => ("r1 += 1", "if r1 s<= 0", "r1 -= 2"),
            7 => ("r1 += -1", "if r1 s< 0", "r1 += -1"),
            8 => ("r1 = 7", "if r1 s<= r2", "r1 += -1"),
            _ => ("r1 = 0", "if w1 >= w2", "w1 += 1"),
        };
        let early = self.chance.below(2) == 0;
        let go_on = format!("r1 = *(u64 *)(r10 -{i})\n{step}\n*(u64 *)(r10 -{i}) = r1");
        self.line(&format!(
            "r1 = {first}\n*(u64 *)(r10 -{i}) = r1\n{head}: r1 = *(u64 *)(r10 -{i})
             {last} goto {end}"
        ));
        if self.chance.below(4) == 0 {
            self.within(&head, &end, depth + 1);
        }
        let times = 1 + self.chance.below(8) / 7;
        for time in 0..times {
            self.line(&format!("r1 = *(u64 *)(r10 -{i})\n{from}\n*(u64 *)(r10 -{j}) = r1"));
            if early && time == 0 {
                self.line(&go_on);
            }
            self.line(&format!("{inner}{time}: r1 = *(u64 *)(r10 -{j})\nr2 = *(u64 *)(r10 -{i})"));
            self.line(&format!("{until} goto {out}{time}\n{by}\n*(u64 *)(r10 -{j}) = r1"));
            self.around.push((head.clone(), end.clone()));
            self.within(&format!("{inner}{time}"), &format!("{out}{time}"), depth + 2);
            self.around.pop();
            self.line(&format!("goto {inner}{time}\n{out}{time}: r0 = 0"));
        }
        if !early {
            self.line(&go_on);
        }
        self.line(&format!("goto {head}\n{end}: r0 = 0"));
    }

    fn function(&mut self, depth: usize) {
        let (name, over) = (self.label(), !self.counting && self.chance.below(2) == 0);
        let slot = 8 * (1 + self.chance.below(3));
        let (before, around) = (std::mem::take(&mut self.text), std::mem::take(&mut self.around));
        self.nest += 1;
        self.line(&format!("{name}: r7 = r2\nr8 = *(u64 *)(r7 +0)\n{NUMBERS}"));
        // In a frame of its own there is room for loops again.
        self.block(if self.granting { 0 } else { depth + 1 });
        let result = self.chance.of(&["r0 = 0", "r0 = r8\nr0 &= 1", "call 7\nr0 &= 1"]);
        self.line(&format!("{result}\nexit"));
        self.nest -= 1;
        self.around = around;
        let body = std::mem::replace(&mut self.text, before);
        self.functions += &body;
        self.line(&format!("*(u64 *)(r10 -{slot}) = r8\nr3 = r10\nr3 += -{slot}"));
        if over {
            let rounds = self.chance.of(self.counts);
            self.line(&format!("r1 = {rounds}\nr2 = subprog[{name}] ll\nr4 = 0\ncall 181"));
        } else {
            self.line(&format!("r2 = r3\ncall local {name}"));
        }
        self.line(&format!("r8 = *(u64 *)(r10 -{slot})"));
    }
}

const NUMBERS: &str = "*(u64 *)(r10 -8) = 0\n*(u64 *)(r10 -16) = 1\n*(u64 *)(r10 -24) = 2\nr8 &= 3";

/// Iterators, functions that helpers call and loops that count, most of them in each other,
/// with little that chance decides. So three and more that grant rounds meet, and go round
/// often enough that a summary is tried.
fn granting(seed: u64) -> String {
    let counts = &["3", "4", "5"];
    // Among these programs are two whose bounds were too low before rounds of a third that
    // grants were counted.
    let maker = Maker { counts, granting: true, left: 5, ..maker(seed + 1250) };
    whole(maker)
}

/// Loops that begin or end where the one around them is, with no others that grant rounds.
fn counting(seed: u64) -> String {
    whole(Maker { counting: true, ..maker(seed) })
}

/// As [`nested`] and [`granting`] are, with loops that `may_goto` bounds.
fn allowing(seed: u64) -> String {
    let maker = Maker { allowing: true, ..maker(seed) };
    if seed.is_multiple_of(2) {
        return whole(maker);
    }
    whole(Maker { granting: true, left: 5, counts: &["2", "3"], ..maker })
}

fn nested(seed: u64) -> String {
    whole(maker(seed))
}

fn maker(seed: u64) -> Maker {
    Maker {
        chance: Chance::seeded(seed, 0),
        text: String::new(),
        labels: 0,
        functions: String::new(),
        around: Vec::new(),
        nest: 0,
        left: 24,
        counts: &["1", "2", "3", "r8"],
        granting: false,
        counting: false,
        allowing: false,
    }
}

fn whole(mut maker: Maker) -> String {
    maker.line(&format!("call 7\nr8 = r0\n{NUMBERS}"));
    if maker.granting {
        maker.loops(0);
        // What was written in loops matters behind them.
        for slot in ["-8", "-16", "-24"] {
            maker.line(&format!("r1 = *(u64 *)(r10 {slot})"));
        }
        maker.line("r1 = r8");
    } else {
        for _ in 0..3 {
            maker.statement(0);
        }
    }
    maker.line("r0 = 0\nexit");
    maker.text + &maker.functions
}

const LINES: [&str; 8] = [
    "r8 += 1\nr8 &= 3",
    "r8 ^= 1",
    "r8 = 0",
    "*(u64 *)(r10 -8) = r8",
    "*(u64 *)(r10 -16) = r8",
    "r8 = *(u64 *)(r10 -8)",
    "r8 = *(u64 *)(r10 -16)",
    "r0 = 0\nr0 = 1\nr0 = 2\nr0 = 3\nr0 = 4",
];

/// Places that are jumped to and fro between, each of which asks one of two iterators, at
/// times in a function or in one that a helper calls.
fn tangle(seed: u64) -> String {
    let mut chance = Chance(seed.wrapping_mul(0xd134_2543_de82_ef95));
    let mut text = String::new();
    for slot in [32, 40] {
        let count = chance.of(&["1", "2", "3", "4"]);
        writeln!(text, "r1 = r10\nr1 += -{slot}\nr2 = 0\nr3 = {count}\ncall kfunc 1").unwrap();
    }
    writeln!(text, "r8 = 0\n{NUMBERS}").unwrap();
    let places = 2 + chance.below(5);
    for place in 0..places {
        writeln!(text, "p{place}: r0 = 0").unwrap();
        let slot = chance.of(&["32", "32", "40"]);
        let rounds = chance.of(&["1", "2", "3"]);
        let itself = format!("r1 = r10\nr1 += -{slot}\ncall kfunc 2");
        let ask = match chance.below(8) {
            0 | 1 => format!("r2 = r10\nr2 += -{slot}\ncall local ask"),
            2 => format!(
                "r1 = {rounds}\nr2 = subprog[each] ll\nr3 = r10\nr3 += -{slot}\nr4 = 0
                 call 181\n{itself}"
            ),
            _ => itself,
        };
        let out = if chance.below(3) == 0 && place + 1 < places {
            format!("p{}", place + 1 + chance.below(places - place - 1))
        } else {
            "out".to_owned()
        };
        writeln!(text, "{ask}\nif r0 == 0 goto {out}").unwrap();
        for _ in 0..chance.below(3) {
            writeln!(text, "{}", chance.of(&LINES)).unwrap();
        }
        for _ in 0..=chance.below(2) {
            let (to, with) = (chance.below(places), chance.below(3));
            let cond = chance.of(&["==", "!=", ">"]);
            let unknown = "call 7\nr0 &= 3\nif r0";
            let test = chance.of(&[unknown, unknown, "if r8"]);
            writeln!(text, "{test} {cond} {with} goto p{to}").unwrap();
        }
        if chance.below(4) == 0 {
            writeln!(text, "goto p{}", chance.below(places)).unwrap();
        }
    }
    for (label, slot) in [("out: ", 32), ("", 40)] {
        writeln!(text, "{label}r1 = r10\nr1 += -{slot}\ncall kfunc 3").unwrap();
    }
    text += "r0 = 0\nexit\n";
    if text.contains("local ask") {
        text += "ask: r1 = r2\ncall kfunc 2\nif r0 == 0 goto +1\nr0 = 1\nexit\n";
    }
    if text.contains("[each]") {
        text += "each: r1 = r2\ncall kfunc 2\nif r0 == 0 goto +1\nr0 = 1\nexit\n";
    }
    text
}

/// What is longer is not run.
const LONGEST: u64 = 3_000_000;

/// A loop that compares low bits of what it counts, before or behind the step, and at times more.
fn cut(chance: &mut Chance) -> String {
    let starts = ["0", "5", "0xfff0", "0xffff", "0x10003", "-7", "-0x8001", "0x7ffe"];
    let high = ["0xfffffff5 ll", "0xffffffff ll", "0x100000002 ll", "0x7ffffffd ll", "0x2fffd"];
    let start = chance
        .of(&[starts, [high[0], high[1], high[2], high[3], high[4], "9", "1", "-1"]].concat());
    let step = chance.of(&[
        "r1 += 1", "r1 += 2", "r1 += 3", "r1 -= 1", "r1 -= 5", "w1 += 1", "w1 += 3", "w1 -= 2",
    ]);
    let more = chance.of(&["r0 = 1", "r0 = 1", "r2 += 1", "r2 -= 3", "w2 += 2", "r2 = r2"]);
    let part = chance.of(&[
        "r2 <<= 32\nr2 >>= 32",
        "r2 <<= 32\nr2 s>>= 32",
        "w2 = w2",
        "r2 <<= 48\nr2 >>= 48",
        "r2 <<= 48\nr2 s>>= 48",
        "w2 <<= 16\nw2 >>= 16",
        "w2 <<= 16\nw2 s>>= 16",
        "r2 = (s16)r2",
        "w2 = (s16)w2",
        "r2 = (s32)r2",
        "r2 &= 0xffff",
        "r2 &= 0x1ffff",
        "r2 <<= 56\nr2 >>= 56",
        "r2 <<= 48\nr3 = 0x2000000000000 ll\nr2 += r3\nr2 s>>= 48",
        "r2 <<= 32\nr3 = 0x300000000 ll\nr2 -= r3\nr2 >>= 32",
        "w2 = w2\nr2 &= 0xffff",
    ]);
    let (width, cond) =
        (chance.of(&["r", "w"]), chance.of(&["<", "s<", "!=", ">", "s>", "<=", "s>="]));
    let with = chance.of(&["0", "4", "10", "-3", "16", "1", "0xfff3", "0x7fff", "-0x7ffe"]);
    let test = match chance.below(8) {
        0 => "if r2 == r1".to_owned(),
        1 => "if r2 != r1".to_owned(),
        _ => format!("if {width}2 {cond} {with}"),
    };
    let back = chance.of(&["r0 = 2", "r0 = 2", "r0 = 2", "r1 = r2"]);
    let body = match chance.below(2) {
        0 => format!("{step}\nr2 = r1\n{more}\n{part}"),
        _ => format!("r2 = r1\n{more}\n{part}\n{step}"),
    };
    format!("r1 = {start}\nagain: {body}\n{test} goto on\nr0 = 0\nexit\non: {back}\ngoto again")
}

#[test]
fn counters_of_which_low_bits_are_compared() {
    let (mut looked_at, mut exact) = (0, 0);
    for seed in 0..CUT {
        let text = cut(&mut Chance::seeded(seed, 0));
        let Ok(insns) = assemble::<ActiveProfile>(&text) else { panic!("{text}") };
        let program = built(BpfProgType::Xdp, &insns);
        // Not walked round by round, unless there are few.
        let verifier = Verifier::<ActiveProfile>::new().step_limit(400);
        let Ok(verified) = verifier.verify_program(&program) else { continue };
        let bound = verified.info().max_insns;
        let known = (bound < LONGEST).then(|| Machine::new(&program, 0).longest());
        let Some(longest) = known.flatten() else { continue };
        assert!(longest <= bound, "{longest} instructions, the bound is {bound}\n{text}");
        looked_at += u32::from(longest > 200);
        exact += u32::from(longest > 200 && longest == bound);
    }
    println!("{looked_at} {exact}");
    assert!(looked_at > 20 && exact > 10, "{looked_at} looked at, {exact} exact");
}

/// Programs of each sort.
const CUT: u64 = 4_000;
const PROGRAMS: u64 = 250;
const ALLOWED: u64 = 100;

#[test]
fn no_run_is_longer_than_its_bound() {
    let (mut looked_at, mut exact) = (0, 0);
    let all = |seed| [nested(seed), tangle(seed), granting(seed), counting(seed)];
    for text in (0..PROGRAMS).flat_map(all) {
        // Too long for the profile, as the case may be.
        let Ok(insns) = assemble::<ActiveProfile>(&text) else { continue };
        let program = built(BpfProgType::Xdp, &insns);
        let verifier = Verifier::<ActiveProfile>::new().step_limit(20_000);
        let Ok(verified) = verifier.verify_program(&program) else { continue };
        let bound = verified.info().max_insns;
        // The run might be as long.
        let known = (bound < LONGEST).then(|| Machine::new(&program, 0).longest());
        let Some(longest) = known.flatten() else { continue };
        assert!(longest <= bound, "{longest} instructions, the bound is {bound}\n{text}");
        looked_at += 1;
        exact += u32::from(longest == bound);
    }
    // Otherwise the test would show nothing.
    assert!(looked_at > 450 && exact > 130, "{looked_at} looked at, {exact} exact");
}

/// Instructions of the longest run with all that `may_goto` grants, if from so many times
/// eight rounds on eight more always cost the same; none, where they do not at first.
fn longest_from(program: &Program, times: u32) -> Option<u64> {
    const MORE: u32 = 8;
    let [first, second, third] =
        [0, 1, 2].map(|more| Machine::new(program, (times + more) * MORE).longest());
    // With more that is allowed, a run may come to its costliest end no longer.
    let (before, cost) = (second?.checked_sub(first?)?, third?.checked_sub(second?)?);
    let rest = MAY_GOTO_ROUNDS / MORE - times - 2;
    (cost > 0 && before == cost).then_some(third? + cost * u64::from(rest))
}

#[test]
fn no_run_is_longer_with_all_that_is_allowed() {
    let (mut looked_at, mut exact) = (0, 0);
    for text in (0..ALLOWED).map(allowing) {
        let Ok(insns) = assemble::<ActiveProfile>(&text) else { continue };
        let program = built(BpfProgType::Xdp, &insns);
        let verifier = Verifier::<ActiveProfile>::new().step_limit(20_000);
        let Ok(verified) = verifier.verify_program(&program) else { continue };
        let bound = verified.info().max_insns;
        let Some(mut longest) = longest_from(&program, 2) else { continue };
        if longest > bound {
            // A number may end a loop, after many rounds.
            let Some(later) = longest_from(&program, 150) else { continue };
            longest = later;
        }
        assert!(longest <= bound, "{longest} instructions, the bound is {bound}\n{text}");
        looked_at += 1;
        exact += u32::from(longest == bound);
    }
    assert!(looked_at > 20 && exact > 1, "{looked_at} looked at, {exact} exact");
}
