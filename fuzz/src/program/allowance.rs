//! Programs that ask for the allowance of `may_goto` at many places: in loops in each other, one
//! behind the other, in functions and callbacks, in rounds of iterators and counters; or at places
//! from which jumps lead to any other. What is added to numbers in these rounds decides jumps, and
//! is used as an index.
//!
//! Runs seldom come to where the allowance is used up. They do where it is made small for a search:
//! `MAY_GOTO_ROUNDS` of the verifier's rules, which the engines go by.

use kernel_bpf::bytecode::abi::map::{MapDef, MapType};
use kernel_bpf_tests::case::Case;

use super::functions::Functions;
use super::lines::Lines;
use crate::input::Input;

/// Lines of a program after which nothing long begins.
const LINES: usize = 110;
/// Functions beside the program's own, at the most.
const FUNCTIONS: usize = 3;
/// Loops and sections in each other in one function, at the most.
const DEPTH: usize = 5;

/// How a function is called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Called {
    /// By a function: shared memory in R1, a number in R2.
    Plainly,
    /// By `bpf_loop`: the round in R1, shared memory in R2.
    Loop,
}

/// A loop that is under way.
struct Around {
    head: String,
    out: String,
    /// Whether going back to the head uses something that ends.
    bounded: bool,
}

/// A program in the making. R6 holds the address of 64 bytes that are shared, R7 to R9 hold
/// numbers; R0 to R5 hold nothing between statements.
struct Maker<'i, 'd> {
    out: Lines<'i, 'd>,
    functions: Functions<Called>,
    around: Vec<Around>,
}

/// A program.
pub(super) fn case(input: &mut Input<'_>) -> Case {
    let (out, functions) = (Lines::new(input), Functions::new(FUNCTIONS));
    let mut maker = Maker { out, functions, around: Vec::new() };
    let maps = vec![MapDef::new(MapType::Array, 4, 64, 1)];
    if maker.out.input.below(2) == 0 {
        maker.places();
        return maker.out.case("allowance", maps);
    }
    maker.code(&["r7 = *(u32 *)(r1 +8)", "r6 = r10", "r6 += -64"]);
    for slot in 1..=8 {
        let what = maker.out.pick(&["0", "0", "1", "r7", "5"]);
        maker.out.line(&format!("*(u64 *)(r10 -{}) = {what}", 8 * slot));
    }
    if maker.out.input.below(3) > 0 {
        maker.out.line("r7 = 0");
    }
    maker.code(&["r8 = 0", "r9 = 0"]);
    maker.body(6);
    while let Some((name, called)) = maker.functions.next() {
        maker.at(&name);
        match called {
            Called::Plainly => maker.code(&["r6 = r1", "r7 = r2", "r8 = 0"]),
            Called::Loop => maker.code(&["r6 = r2", "r7 = r1", "r8 = *(u64 *)(r6 +16)"]),
        }
        maker.out.line("r9 = 0");
        maker.body(3);
    }
    maker.out.case("allowance", maps)
}

impl Maker<'_, '_> {
    fn code(&mut self, lines: &[&str]) {
        for line in lines {
            self.out.line(line);
        }
    }

    /// What comes next has this label.
    fn at(&mut self, label: &str) {
        self.out.text.push_str(label);
        self.out.text.push_str(": ");
    }

    fn place(&mut self, label: &str) {
        self.at(label);
        self.out.line("r1 = 1");
    }

    /// Places one behind the other, from each of which jumps lead to any: back only where
    /// something is granted, as a rule.
    fn places(&mut self) {
        self.code(&["r6 = r10", "r6 += -64", "r7 = 0", "r8 = 0", "r9 = 0"]);
        for slot in 1..=8 {
            self.out.line(&format!("*(u64 *)(r10 -{}) = 0", 8 * slot));
        }
        let count = 3 + self.out.input.below(7);
        for at in 0..count {
            self.at(&format!("p{at}"));
            self.code(&["r1 = 1", "r1 = 2", "r1 = 3", "r1 = 4"]);
            for _ in 0..self.out.input.below(3) {
                match self.out.input.below(6) {
                    0..3 => self.simple(),
                    3 => self.access(),
                    _ => self.wrong(),
                }
            }
            let [to, back] = [count - at, at + 1].map(|most| self.out.input.below(most));
            let to = at + 1 + to;
            match self.out.input.below(10) {
                0..3 => self.out.line(&format!("may_goto p{to}")),
                3..5 => self.code(&[&format!("may_goto p{to}"), &format!("goto p{back}")]),
                5 => {
                    let number = self.number();
                    let bound = self.out.pick(&["0", "1", "4", "5", "6", "12"]);
                    self.out.line(&format!("if r{number} > {bound} goto p{to}"));
                }
                6 => self.out.line(&format!("may_goto p{back}")),
                7 => self.out.line(&format!("goto p{to}")),
                kind => {
                    let to = if kind == 9 && self.out.input.below(8) == 0 { back } else { to };
                    self.code(&["call 7", "r0 &= 1", &format!("if r0 == 0 goto p{to}")]);
                }
            }
        }
        self.at(&format!("p{count}"));
        self.code(&["r0 = 0", "exit"]);
    }

    /// Statements, and a function's end.
    fn body(&mut self, most: usize) {
        for _ in 0..=self.out.input.below(2) {
            self.section(most);
        }
        let result = self.out.pick(&["0", "0", "1", "r7"]);
        self.out.line(&format!("r0 = {result}"));
        if result == "r7" {
            self.out.line("r0 &= 1");
        }
        self.out.line("exit");
    }

    /// Some statements, from each of which jumps may lead behind all of them.
    fn section(&mut self, most: usize) {
        let end = self.out.label();
        self.around.push(Around { head: end.clone(), out: end.clone(), bounded: false });
        for _ in 0..=self.out.input.below(most) {
            self.statement();
        }
        self.around.pop();
        self.place(&end);
    }

    fn block(&mut self) {
        for _ in 0..=self.out.input.below(3) {
            self.statement();
        }
    }

    fn number(&mut self) -> &'static str {
        self.out.pick(&["7", "7", "8", "8", "9"])
    }

    fn slot(&mut self) -> usize {
        8 * self.out.input.below(8)
    }

    /// Where a jump leads: out of a loop, to its next round, or over what comes next.
    fn target(&mut self) -> (String, bool) {
        let (count, kind) = (self.around.len(), self.out.input.below(8));
        if count == 0 || kind < 2 {
            return (self.out.label(), true);
        }
        let at = count - 1 - self.out.input.below(count.min(2));
        let Around { head, out, bounded } = &self.around[at];
        let next = *bounded && kind > 5;
        (if next { head.clone() } else { out.clone() }, false)
    }

    /// A jump: what leads there, and perhaps what it leads over.
    fn jump(&mut self, test: &str) {
        let (target, over) = self.target();
        self.out.line(&format!("{test} {target}"));
        if over {
            match self.out.input.below(3) {
                0 => self.wrong(),
                _ => self.simple(),
            }
            self.place(&target);
        }
    }

    fn statement(&mut self) {
        let room = self.out.count < LINES && self.around.len() < DEPTH;
        match self.out.input.below(if room { 29 } else { 17 }) {
            0..4 => self.simple(),
            4..7 => self.jump("may_goto"),
            7..9 => self.any(),
            9..12 => self.decide(),
            12..15 => self.access(),
            15 => self.wrong(),
            16 => self.noted(),
            17..22 => self.granted(),
            22 => self.counted(),
            23 | 24 => self.iterator(),
            25 => self.called(),
            26 => self.section(3),
            _ => self.call_back(),
        }
    }

    /// What changes a number.
    fn simple(&mut self) {
        let number = self.number();
        match self.out.input.below(10) {
            0..4 => {
                let by = self.out.pick(&["1", "1", "2", "8", "-1", "12", "13", "1000000000"]);
                self.out.line(&format!("r{number} += {by}"));
            }
            4 => {
                let (by, op) =
                    (self.out.pick(&["1", "3", "-1"]), self.out.pick(&["+=", "*=", "<<="]));
                let by = if op == "<<=" { "1" } else { by };
                self.out.line(&format!("w{number} {op} {by}"));
            }
            5 => {
                let to = self.out.pick(&["0", "1", "r7", "r8", "5"]);
                self.out.line(&format!("r{number} = {to}"));
            }
            6 => {
                let (slot, by) = (self.slot(), self.out.pick(&["1", "1", "7", "r8"]));
                self.out.line(&format!("r1 = *(u64 *)(r6 +{slot})"));
                self.out.line(&format!("r1 += {by}"));
                self.out.line(&format!("*(u64 *)(r6 +{slot}) = r1"));
            }
            7 => {
                let slot = self.slot();
                self.out.line(&format!("*(u64 *)(r6 +{slot}) = r{number}"));
            }
            8 => {
                let slot = self.slot();
                self.out.line(&format!("r{number} = *(u64 *)(r6 +{slot})"));
            }
            _ => {
                let other = self.number();
                self.out.line(&format!("r{number} += r{other}"));
            }
        }
    }

    /// A jump that nobody foresees.
    fn any(&mut self) {
        self.out.line("call 7");
        let mask = self.out.pick(&["1", "3", "7"]);
        self.out.line(&format!("r0 &= {mask}"));
        self.jump("if r0 == 0 goto");
    }

    fn decide(&mut self) {
        let width = self.out.pick(&["r", "r", "w"]);
        let (number, cond) = (self.number(), self.out.pick(&["==", "!=", "<", ">", "s>", "s<"]));
        let bound = self.out.pick(&["0", "1", "2", "4", "5", "6", "10", "48", "60"]);
        self.jump(&format!("if {width}{number} {cond} {bound} goto"));
    }

    /// An access at an index, with a check or none.
    fn access(&mut self) {
        let (number, over) = (self.number(), self.out.label());
        self.out.line(&format!("r1 = r{number}"));
        match self.out.input.below(6) {
            0 => self.out.line("r1 &= 63"),
            1 => {
                let bound = self.out.pick(&["63", "63", "64"]);
                self.out.line(&format!("if r1 > {bound} goto {over}"));
            }
            2 => {
                let slot = self.slot();
                self.out.line(&format!("r1 = *(u64 *)(r6 +{slot})"));
            }
            _ => {}
        }
        match self.out.pick(&["6", "9"]) {
            "6" => self.out.line("r2 = r6"),
            _ => self.out.line("r2 = map[idx:0][0] ll"),
        }
        self.out.line("r2 += r1");
        let off = self.out.pick(&["0", "0", "1", "4", "38", "58"]);
        let line = match self.out.input.below(2) {
            0 => format!("r0 = *(u8 *)(r2 +{off})"),
            _ => format!("*(u8 *)(r2 +{off}) = r7"),
        };
        self.out.line(&line);
        self.place(&over);
    }

    /// What no run may come to.
    fn wrong(&mut self) {
        let (number, over) = (self.number(), self.out.label());
        if self.out.input.below(4) > 0 {
            let (cond, bound) =
                (self.out.pick(&["==", "!=", "<=", ">"]), self.out.pick(&["0", "1", "5", "6"]));
            self.out.line(&format!("if r{number} {cond} {bound} goto {over}"));
        }
        self.code(&["r1 = 1", "r0 = *(u8 *)(r1 +0)"]);
        self.place(&over);
    }

    /// Who is given nothing, or something, is known by a number.
    fn noted(&mut self) {
        let (number, over, end) = (self.number(), self.out.label(), self.out.label());
        let [granted, refused] = [0, 1].map(|_| self.out.pick(&["0", "1", "r7", "5"]));
        self.out.line(&format!("may_goto {over}"));
        self.out.line(&format!("r{number} = {granted}"));
        self.out.line(&format!("goto {end}"));
        self.at(&over);
        self.out.line(&format!("r{number} = {refused}"));
        self.place(&end);
    }

    fn enter(&mut self, bounded: bool) -> (String, String) {
        let (head, out) = (self.out.label(), self.out.label());
        self.around.push(Around { head: head.clone(), out: out.clone(), bounded });
        (head, out)
    }

    /// A loop of which each round asks, at its head or behind it.
    fn granted(&mut self) {
        if self.out.input.below(2) == 0 {
            let number = self.number();
            self.out.line(&format!("r{number} = 0"));
        }
        let first = self.out.input.below(3) > 0;
        let (head, out) = self.enter(first);
        if first {
            self.at(&head);
        } else {
            self.place(&head);
            self.block();
        }
        // Who is refused may also go on in the loop around.
        let to = match self.around.len().checked_sub(2).map(|at| &self.around[at]) {
            Some(around) if around.bounded && self.out.input.below(4) == 0 => around.head.clone(),
            _ => out.clone(),
        };
        self.out.line(&format!("may_goto {to}"));
        self.block();
        if self.out.input.below(4) > 0 {
            // A run that is granted everything takes long.
            self.code(&["call 7", "r0 &= 3", &format!("if r0 == 0 goto {out}")]);
        }
        self.around.pop();
        self.out.line(&format!("goto {head}"));
        self.place(&out);
    }

    /// A loop that counts in a slot of its own.
    fn counted(&mut self) {
        let slot = 120 + 8 * self.around.len();
        let most = self.out.pick(&["3", "7", "1", "12", "100"]);
        self.out.line(&format!("*(u64 *)(r10 -{slot}) = 0"));
        let (head, out) = self.enter(true);
        self.at(&head);
        self.out.line(&format!("r1 = *(u64 *)(r10 -{slot})"));
        self.out.line(&format!("if r1 > {most} goto {out}"));
        self.out.line("r1 += 1");
        self.out.line(&format!("*(u64 *)(r10 -{slot}) = r1"));
        self.block();
        self.around.pop();
        self.out.line(&format!("goto {head}"));
        self.place(&out);
    }

    fn iterator(&mut self) {
        // Each has eight bytes of its own.
        let place = format!("r1 = r10\nr1 += -{}", 72 + 8 * self.around.len());
        let end = self.out.pick(&["4", "9", "1", "7", "40"]);
        self.code(&["r2 = 0", &format!("r3 = {end}"), &place, "call kfunc 1"]);
        let (head, out) = self.enter(true);
        self.at(&head);
        self.code(&[&place, "call kfunc 2", &format!("if r0 == 0 goto {out}")]);
        if self.out.input.below(2) == 0 {
            let to = self.number();
            self.out.line(&format!("r{to} = *(u32 *)(r0 +0)"));
        }
        self.block();
        self.around.pop();
        self.out.line(&format!("goto {head}"));
        self.at(&out);
        self.code(&[&place, "call kfunc 3"]);
    }

    fn called(&mut self) {
        let Some(name) = self.functions.callee(Called::Plainly) else { return self.simple() };
        let number = self.number();
        self.code(&[&format!("r2 = r{number}"), "r1 = r6", &format!("call local {name}")]);
        if self.out.input.below(2) == 0 {
            let number = self.number();
            self.out.line(&format!("r{number} = r0"));
        }
    }

    fn call_back(&mut self) {
        let Some(name) = self.functions.callee(Called::Loop) else { return self.simple() };
        let rounds = self.out.pick(&["1", "2", "4", "7", "20", "r7"]);
        self.out.line(&format!("r1 = {rounds}"));
        if rounds == "r7" {
            self.out.line("r1 &= 7");
        }
        self.out.line(&format!("r2 = subprog[{name}] ll"));
        self.code(&["r3 = r6", "r4 = 0", "call 181"]);
    }
}
