//! Programs of loops, most of which end: nested, with counters that go up, down,
//! by products and shifts, in registers and on the stack, with branches that skip
//! the step, that change the bound, that leave or go on early; and indexes that
//! rest on what the loop proves.

use std::fmt::Write;

use kernel_bpf::bytecode::abi::map::{MapDef, MapType};
use kernel_bpf_tests::case::Case;

use super::lines::Lines;
use crate::input::Input;

/// Loops in loops at the most.
const DEPTH: usize = 3;
/// Lines of a program at the most.
const LINES: usize = 120;

/// A program in the making.
struct Maker<'i, 'd> {
    out: Lines<'i, 'd>,
    /// Whether the function at the end is called.
    calls: bool,
}

/// A program. R6 holds the context, R9 a value of 64 bytes; the outer loops count
/// in R7, R8 and on the stack.
pub(super) fn case(input: &mut Input<'_>) -> Case {
    let mut maker = Maker { out: Lines::new(input), calls: false };
    maker.program();
    maker.out.case("looping", vec![MapDef::new(MapType::Array, 4, 64, 1)])
}

impl Maker<'_, '_> {
    fn program(&mut self) {
        self.out.line("r6 = r1");
        self.out.line("r9 = map[idx:0][0] ll");
        for (register, at) in [(0, 8), (1, 16), (2, 24), (3, 32), (4, 40)] {
            self.out.line(&format!("r{register} = *(u32 *)(r6 +{at})"));
        }
        self.out.line("r5 = 3");
        self.out.line("r7 = 0");
        self.out.line("r8 = 1");
        self.out.line("*(u64 *)(r10 -8) = 0");
        self.out.line("*(u64 *)(r10 -16) = r1");
        for at in [24, 32, 40, 48] {
            self.out.line(&format!("*(u64 *)(r10 -{at}) = 0"));
        }
        for _ in 0..=self.out.input.below(2) {
            self.loops(0);
        }
        self.out.line("r0 = 0");
        self.out.line("exit");
        if self.calls {
            self.out.line("f: r0 = 0");
            self.out.line("f1: r0 += 1");
            self.out.line("if r0 < r1 goto f2");
            self.out.line("exit");
            self.out.line("f2: if r0 < 20 goto f1");
            self.out.line("exit");
        }
    }

    /// A small number, as often as not of those that make trouble.
    fn number(&mut self) -> i32 {
        match self.out.input.below(12) {
            0 => 0,
            1 => 1,
            2 => -1,
            3 => 63,
            4 => 64,
            5 => 100,
            6 => i32::MAX,
            7 => i32::MIN,
            _ => i32::try_from(self.out.input.below(24)).unwrap_or(0),
        }
    }

    fn scratch(&mut self) -> &'static str {
        self.out.pick(&["0", "1", "2", "3", "4", "5"])
    }

    fn any(&mut self) -> &'static str {
        self.out.pick(&["0", "1", "2", "3", "4", "5", "7", "8"])
    }

    fn cond(&mut self) -> &'static str {
        self.out.pick(&["==", "!=", "<", "<=", ">", ">=", "s<", "s<=", "s>", "s>=", "<", "!=", "&"])
    }

    fn width(&mut self) -> &'static str {
        if self.out.input.below(3) == 0 { "w" } else { "r" }
    }

    /// A comparison as the text of a condition.
    fn test(&mut self, counter: &str) -> String {
        let (width, cond) = (self.width(), self.cond());
        let cut = self.out.input.below(4) == 0;
        let counter = if cut { self.low_half(counter) } else { counter };
        if self.out.input.below(4) == 0 {
            let other = self.any();
            return format!("if {width}{counter} {cond} {width}{other}");
        }
        let number = self.number();
        format!("if {width}{counter} {cond} {number}")
    }

    /// The low 32 bits of a register, in another one: by two shifts, as compilers do
    /// without instructions of 32 bits, or by something like that.
    fn low_half(&mut self, counter: &str) -> &'static str {
        let (to, back) = (self.scratch(), self.out.pick(&[">>=", ">>=", "s>>="]));
        let (up, down) = match self.out.input.below(8) {
            0 => ("31", "32"),
            1 => ("32", "31"),
            _ => ("32", "32"),
        };
        self.out.line(&format!("r{to} = r{counter}"));
        self.out.line(&format!("r{to} <<= {up}"));
        if self.out.input.below(4) == 0 {
            // Paths join here.
            let (other, cond, join) = (self.any(), self.cond(), self.out.label());
            self.out.line(&format!("if r{other} {cond} 3 goto {join}"));
            let moved = self.any();
            self.out.line(&format!("r{to} += r{moved}"));
            self.out.line(&format!("{join}: r0 += 1"));
        }
        self.out.line(&format!("r{to} {back} {down}"));
        to
    }

    fn counter(depth: usize) -> &'static str {
        ["7", "8", "5"][depth.min(2)]
    }

    fn loops(&mut self, depth: usize) {
        let counter = Self::counter(depth);
        let (head, latch, out) = (self.out.label(), self.out.label(), self.out.label());
        let spilled = self.out.input.below(5) == 0;
        match self.out.input.below(6) {
            0 => {
                let other = self.scratch();
                self.out.line(&format!("r{counter} = r{other}"));
            }
            1 => {
                let other = self.scratch();
                let mask = self.out.pick(&["1", "7", "15", "63", "255"]);
                self.out.line(&format!("r{counter} = r{other}"));
                self.out.line(&format!("r{counter} &= {mask}"));
            }
            _ => {
                let number = self.number();
                self.out.line(&format!("r{counter} = {number}"));
            }
        }
        let slot = 8 + 8 * depth;
        if spilled {
            self.out.line(&format!("*(u64 *)(r10 -{slot}) = r{counter}"));
        }
        self.out.line(&format!("{head}: r0 += 1"));
        if spilled {
            self.out.line(&format!("r{counter} = *(u64 *)(r10 -{slot})"));
        }
        let at_head = self.out.input.below(2) == 0;
        if at_head {
            let test = self.test(counter);
            self.out.line(&format!("{test} goto {out}"));
        }
        for _ in 0..self.out.input.below(5) {
            self.statement(depth, (&head, &latch, &out));
        }
        self.out.text.push_str(&latch);
        self.out.text.push_str(": ");
        self.step(counter);
        if spilled {
            self.out.line(&format!("*(u64 *)(r10 -{slot}) = r{counter}"));
        }
        if at_head && self.out.input.below(3) != 0 {
            self.out.line(&format!("goto {head}"));
        } else {
            let test = self.test(counter);
            self.out.line(&format!("{test} goto {head}"));
        }
        self.out.line(&format!("{out}: r0 += 1"));
    }

    fn step(&mut self, counter: &str) {
        let width = self.width();
        let step = match self.out.input.below(10) {
            0..4 => format!("{width}{counter} += 1"),
            4 | 5 => format!("{width}{counter} += -1"),
            6 => {
                let by = self.out.pick(&["2", "3", "-2", "7", "0"]);
                format!("{width}{counter} += {by}")
            }
            7 => {
                let op =
                    self.out.pick(&[">>= 1", "<<= 1", "/= 3", "*= 2", "s>>= 1", "s/= 2", ">>= 0"]);
                format!("{width}{counter} {op}")
            }
            8 => {
                let other = self.scratch();
                let op = self.out.pick(&["+=", "-=", "^="]);
                format!("{width}{counter} {op} {width}{other}")
            }
            _ => "r0 += 2".to_owned(),
        };
        self.out.line(&step);
    }

    #[allow(clippy::too_many_lines, reason = "an arm for each kind of statement")]
    fn statement(&mut self, depth: usize, (head, latch, out): (&str, &str, &str)) {
        if self.out.count > LINES {
            return;
        }
        let counter = Self::counter(self.out.input.below(depth + 1));
        match self.out.input.below(18) {
            0 | 1 if depth + 1 < DEPTH => self.loops(depth + 1),
            2 => {
                let (test, step) = (self.test(counter), self.out.label());
                self.out.line(&format!("{test} goto {step}"));
                self.step(counter);
                self.out.line(&format!("{step}: r0 += 1"));
            }
            3 => {
                let scratch = self.any();
                let (test, to) = (self.test(scratch), self.out.input.below(3));
                self.out.line(&format!("{test} goto {}", [latch, head, out][to]));
            }
            4 | 5 => {
                // An index into the value.
                let (index, check) = (self.any(), self.out.input.below(3));
                self.out.line(&format!("r1 = r{index}"));
                let mask = self.out.pick(&["63", "31", "7", "64"]);
                match check {
                    0 => self.out.line(&format!("r1 &= {mask}")),
                    1 => {
                        let over = self.out.label();
                        self.out.line(&format!("if r1 > {mask} goto {over}"));
                        self.out.line("r2 = r9");
                        self.out.line("r2 += r1");
                        self.out.line("r3 = *(u8 *)(r2 +0)");
                        self.out.line(&format!("{over}: r1 = 1"));
                        return;
                    }
                    _ => {}
                }
                self.out.line("r2 = r9");
                self.out.line("r2 += r1");
                self.out.line("r3 = *(u8 *)(r2 +0)");
            }
            6 => {
                // An index into the stack.
                let index = self.any();
                let scale = self.out.pick(&["1", "0", "3"]);
                self.out.line(&format!("r1 = r{index}"));
                self.out.line("r1 &= 3");
                self.out.line(&format!("r1 <<= {scale}"));
                self.out.line("r2 = r10");
                self.out.line("r2 += -48");
                self.out.line("r2 += r1");
                let access = self.out.pick(&["r3 = *(u8 *)(r2 +0)", "*(u8 *)(r2 +0) = r3"]);
                self.out.line(access);
                self.out.line("r1 = 1");
            }
            7 => {
                let slot = self.out.pick(&["8", "16", "24"]);
                let (to, from) = (self.any(), self.any());
                self.out.line(&format!("r{to} = *(u64 *)(r10 -{slot})"));
                self.out.line(&format!("*(u64 *)(r10 -{slot}) = r{from}"));
            }
            8 => {
                let (to, from) = (self.any(), self.any());
                let width = self.width();
                self.out.line(&format!("{width}{to} = {width}{from}"));
            }
            9 => {
                let at = self.out.pick(&["8", "16", "40", "48"]);
                let to = self.scratch();
                self.out.line(&format!("r{to} = *(u32 *)(r6 +{at})"));
            }
            10 => {
                self.calls = true;
                self.out.line("*(u64 *)(r10 -32) = r5");
                self.out.line("call local f");
                for register in 1..5 {
                    self.out.line(&format!("r{register} = 1"));
                }
                self.out.line("r5 = *(u64 *)(r10 -32)");
            }
            11 => self.step(counter),
            12 => {
                let (to, number) = (self.any(), self.number());
                self.out.line(&format!("r{to} = {number}"));
            }
            13 => {
                let (test, over) = (self.test(counter), self.out.label());
                self.out.line(&format!("{test} goto {over}"));
                let (to, number) = (self.any(), self.number());
                self.out.line(&format!("r{to} = {number}"));
                self.out.line(&format!("{over}: r0 += 1"));
            }
            14 => {
                // A pointer that moves with the loop.
                self.out.line("r4 = r9");
                self.out.line(&format!("r4 += r{counter}"));
                self.out.line("r4 += 1");
                self.out.line("r3 = *(u8 *)(r4 -1)");
                self.out.line("r4 = 2");
            }
            _ => {
                let to = self.scratch();
                let op = self.out.pick(&["+=", "-=", "*=", "&=", "|=", "^=", ">>=", "<<="]);
                let number = self.out.pick(&["1", "2", "3", "7", "15"]);
                let width = self.width();
                let mut line = String::new();
                let _ = write!(line, "{width}{to} {op} {number}");
                self.out.line(&line);
            }
        }
    }
}
