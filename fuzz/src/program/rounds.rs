//! Programs of functions that share memory: called, called back by `bpf_loop` and
//! `bpf_for_each_map_elem`, around loops by iterators, by `may_goto` and by
//! counters. Numbers go from one to the other in memory on the stack of the
//! outermost, and are used as indexes there.

use kernel_bpf::bytecode::abi::map::{MapDef, MapType, flags};
use kernel_bpf_tests::case::Case;

use super::functions::Functions;
use super::lines::Lines;
use crate::input::Input;

/// Lines of a program after which nothing long begins.
const LINES: usize = 130;
/// Functions beside the program's own, at the most.
const FUNCTIONS: usize = 5;
/// Blocks in blocks of one function, at the most.
const DEPTH: usize = 3;

/// How a function is called, which says what it is given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Called {
    /// The program's own: the context in R1.
    First,
    /// By a function: shared memory in R1, a number in R2.
    Plainly,
    /// By `bpf_loop`: the round in R1, shared memory in R2.
    Loop,
    /// By `bpf_for_each_map_elem`: map, key, value, shared memory in R1 to R4.
    Each,
}

/// A program in the making. In every function R6 holds the address of 64 bytes
/// that are shared, R9 that of a map's value, R7 and R8 hold numbers, and so do
/// R0 to R5 between statements.
struct Maker<'i, 'd> {
    out: Lines<'i, 'd>,
    functions: Functions<Called>,
    /// Whether the function keeps the address of a key that it is shown.
    shown: bool,
}

/// A program.
pub(super) fn case(input: &mut Input<'_>) -> Case {
    let (out, functions) = (Lines::new(input), Functions::new(FUNCTIONS));
    let mut maker = Maker { out, functions, shown: false };
    maker.function(Called::First);
    while let Some((name, called)) = maker.functions.next() {
        maker.out.text.push_str(&name);
        maker.out.text.push_str(": ");
        maker.function(called);
    }
    let maps = vec![
        MapDef::new(MapType::Array, 4, 64, 1),
        MapDef::new(MapType::Array, 4, 64, 3),
        MapDef::new(MapType::Hash, 8, 64, 8),
        MapDef::new(MapType::Array, 4, 64, 1).with_flags(flags::BPF_F_RDONLY_PROG),
    ];
    maker.out.case("rounds", maps)
}

impl Maker<'_, '_> {
    fn code(&mut self, lines: &[&str]) {
        for line in lines {
            self.out.line(line);
        }
    }

    /// A register that holds a number.
    fn number(&mut self) -> &'static str {
        self.out.pick(&["0", "1", "2", "3", "4", "5", "7", "8", "7", "8"])
    }

    /// A register that holds a number until the next call.
    fn scratch(&mut self) -> &'static str {
        self.out.pick(&["0", "1", "2", "3", "4", "5"])
    }

    /// The offset of a slot of the shared memory.
    fn slot(&mut self) -> usize {
        8 * self.out.input.below(8)
    }

    /// Numbers in the registers that a call takes away, R0 perhaps apart.
    fn again(&mut self, with_r0: bool) {
        for register in u8::from(!with_r0)..6 {
            let from = self.out.pick(&["1", "3", "r7", "r8", "r7"]);
            self.out.line(&format!("r{register} = {from}"));
        }
    }

    fn function(&mut self, called: Called) {
        let own = "r6 = r10\nr6 += -64";
        self.shown = called == Called::Each;
        match called {
            Called::First => self.code(&["r7 = *(u64 *)(r1 +8)", "r8 = *(u32 *)(r1 +16)", own]),
            Called::Plainly => self.code(&["r6 = r1", "r7 = r2", "r8 = *(u64 *)(r6 +8)"]),
            Called::Loop => self.code(&["r6 = r2", "r7 = r1", "r8 = *(u64 *)(r6 +16)"]),
            Called::Each => {
                let key = self.out.pick(&["r7 = *(u32 *)(r2 +0)", "r7 = 4"]);
                let keep = "*(u64 *)(r10 -144) = r2";
                self.code(&["r6 = r4", "r9 = r3", key, keep, "r8 = *(u64 *)(r6 +24)"]);
            }
        }
        if called == Called::First {
            for slot in 0..8 {
                let what = self.out.pick(&["0", "1", "r7", "r8", "7"]);
                self.out.line(&format!("*(u64 *)(r10 -{}) = {what}", 64 - 8 * slot));
            }
        }
        if called != Called::Each {
            self.out.line("r9 = map[idx:0][0] ll");
        }
        self.again(true);
        let most = if called == Called::First { 8 } else { 4 };
        for _ in 0..=self.out.input.below(most) {
            self.statement(0, None);
        }
        match (called, self.out.input.below(4)) {
            (Called::Loop | Called::Each, 0) => {
                let (number, out) = (self.number(), self.out.label());
                let bound = self.out.pick(&["3", "0", "7", "100"]);
                self.out.line(&format!("r1 = r{number}"));
                self.code(&["r0 = 0", &format!("if r1 < {bound} goto {out}"), "r0 = 1"]);
                self.out.text.push_str(&out);
                self.out.text.push_str(": ");
            }
            (Called::Plainly, 0) => self.out.line("r0 = r7"),
            (_, 1) => self.out.line("r0 = 1"),
            _ => self.out.line("r0 = 0"),
        }
        self.out.line("exit");
    }

    fn cond(&mut self) -> &'static str {
        self.out.pick(&["==", "!=", "<", "<=", ">", ">=", "s<", "s<=", "s>", "s>=", "&"])
    }

    fn test(&mut self) -> String {
        let width = self.width();
        let (number, cond) = (self.number(), self.cond());
        if self.out.input.below(4) == 0 {
            return format!("if {width}{number} {cond} {width}{}", self.number());
        }
        let bound = self.out.pick(&["0", "1", "7", "8", "63", "64", "-1", "100"]);
        format!("if {width}{number} {cond} {bound}")
    }

    fn width(&mut self) -> &'static str {
        if self.out.input.below(3) == 0 { "w" } else { "r" }
    }

    /// Some statements in a row, of which each may lead to `out`.
    fn block(&mut self, depth: usize, out: Option<&str>) {
        for _ in 0..=self.out.input.below(3) {
            self.statement(depth, out);
        }
    }

    fn statement(&mut self, depth: usize, out: Option<&str>) {
        let room = self.out.count < LINES && depth < DEPTH;
        match self.out.input.below(if room { 30 } else { 19 }) {
            0 | 1 => self.arithmetic(),
            2 => {
                let (size, slot, to) = (self.size(), self.slot(), self.number());
                self.out.line(&format!("r{to} = *({size} *)(r6 +{slot})"));
            }
            3 | 4 => {
                let (size, slot, from) = (self.size(), self.slot(), self.number());
                self.out.line(&format!("*({size} *)(r6 +{slot}) = r{from}"));
            }
            5 => {
                let (size, slot) = (self.size(), self.slot());
                let number = self.out.pick(&["0", "1", "8", "56", "63", "64", "-1"]);
                self.out.line(&format!("*({size} *)(r6 +{slot}) = {number}"));
            }
            6 => self.add_in_memory(),
            7..10 => self.index(),
            10 => self.indexed_by_memory(),
            11 => self.leave(out),
            12 => self.addresses(),
            13 => {
                let slot = self.slot();
                let (number, op) = (self.scratch(), self.out.pick(&["+=", "&=", "|=", "^="]));
                self.out.line(&format!("lock *(u64 *)(r6 +{slot}) {op} r{number}"));
            }
            14 => self.call_random(),
            15 | 16 => self.constant(),
            17 | 18 => self.entry(),
            19..22 => self.branch(depth, out),
            22 | 23 => self.counted(depth),
            24 => self.may_goto(depth),
            25 | 26 => self.iterator(depth),
            27 => self.called(),
            28 => self.call_back_loop(),
            _ => self.call_back_each(),
        }
    }

    fn size(&mut self) -> &'static str {
        self.out.pick(&["u64", "u64", "u64", "u32", "u16", "u8"])
    }

    fn arithmetic(&mut self) {
        let (width, to) = (self.width(), self.number());
        let op = self.out.pick(&["+=", "-=", "*=", "&=", "|=", "^=", ">>=", "<<=", "=", "s>>="]);
        if self.out.input.below(3) == 0 && op != ">>=" && op != "<<=" && op != "s>>=" {
            let from = self.number();
            return self.out.line(&format!("{width}{to} {op} {width}{from}"));
        }
        let number = self.out.pick(&["1", "2", "3", "7", "8", "15", "31"]);
        self.out.line(&format!("{width}{to} {op} {number}"));
    }

    /// A counter in shared memory.
    fn add_in_memory(&mut self) {
        let (slot, by) = (self.slot(), self.out.pick(&["1", "1", "8", "-1", "3"]));
        self.out.line(&format!("r1 = *(u64 *)(r6 +{slot})"));
        self.out.line(&format!("r1 += {by}"));
        match self.out.input.below(3) {
            0 => {
                let mask = self.out.pick(&["7", "63", "56"]);
                self.out.line(&format!("r1 &= {mask}"));
            }
            1 => {
                let (out, bound) = (self.out.label(), self.out.pick(&["7", "63", "56", "64"]));
                self.out.line(&format!("if r1 > {bound} goto {out}"));
                self.out.line(&format!("*(u64 *)(r6 +{slot}) = r1"));
                return self.out.line(&format!("{out}: r1 = 1"));
            }
            _ => {}
        }
        self.out.line(&format!("*(u64 *)(r6 +{slot}) = r1"));
    }

    /// An access at an index: to shared memory or to a map's value.
    fn index(&mut self) {
        let number = self.number();
        self.out.line(&format!("r1 = r{number}"));
        self.access();
    }

    /// The same with an index that lies in shared memory, with a check or none.
    fn indexed_by_memory(&mut self) {
        let slot = self.slot();
        self.out.line(&format!("r1 = *(u64 *)(r6 +{slot})"));
        self.access();
    }

    fn access(&mut self) {
        let over = self.out.label();
        let wide = self.out.input.below(2) == 0;
        match self.out.input.below(if wide { 6 } else { 8 }) {
            0..3 => {
                let mask = if wide { "56" } else { self.out.pick(&["63", "31", "7"]) };
                self.out.line(&format!("r1 &= {mask}"));
            }
            3..6 => {
                let bound = if wide { "56" } else { self.out.pick(&["63", "62", "64"]) };
                let more = self.out.pick(&["r1 &= -8", "r1 >>= 3\nr1 <<= 3"]);
                self.out.line(&format!("if r1 > {bound} goto {over}"));
                if wide {
                    self.out.line(more);
                }
            }
            // What is known of it has to do.
            _ => {}
        }
        let base = self.out.pick(&["6", "9", "6"]);
        self.out.line(&format!("r2 = r{base}"));
        self.out.line("r2 += r1");
        let to = self.number();
        let access = match (wide, self.out.input.below(2)) {
            (true, 0) => format!("r{to} = *(u64 *)(r2 +0)"),
            (true, _) => "*(u64 *)(r2 +0) = r7".to_owned(),
            (false, 0) => format!("r{to} = *(u8 *)(r2 +0)"),
            (false, _) => "*(u8 *)(r2 +0) = r8".to_owned(),
        };
        self.out.line(&access);
        self.out.line(&format!("{over}: r1 = 1"));
        self.out.line("r2 = 2");
    }

    /// A constant of a map, as an index or as any number.
    fn constant(&mut self) {
        let base = 8 * self.out.input.below(6);
        if self.out.input.below(3) > 0 {
            self.out.line(&format!("r1 = map[idx:3][0]+{base} ll"));
            self.load_constant("1");
        } else {
            self.code(&["*(u32 *)(r10 -136) = 0", "r2 = r10", "r2 += -136"]);
            let over = self.out.label();
            self.code(&["r1 = map[idx:3] ll", "call 1", &format!("if r0 == 0 goto {over}")]);
            self.load_constant("0");
            self.out.text.push_str(&over);
            self.out.text.push_str(": ");
            self.again(true);
        }
    }

    fn load_constant(&mut self, base: &str) {
        let size = self.out.pick(&["u64", "u32", "u16", "u8", "s32", "s16", "s8"]);
        let offs = ["+0", "+4", "+1", "+8", "+12", "+16", "+2", "-1", "+25", "+60"];
        let (off, number) = (self.out.pick(&offs), self.number());
        self.out.line(&format!("r{number} = *({size} *)(r{base} {off})"));
        if self.out.input.below(2) == 0 {
            self.out.line(&format!("r1 = r{number}"));
            self.access();
        }
    }

    /// What becomes of an entry of the hash map: a look, another value, none.
    fn entry(&mut self) {
        let number = self.number();
        self.out.line(&format!("r1 = r{number}"));
        if self.out.input.below(3) > 0 {
            self.out.line("r1 &= 7");
        }
        self.code(&["*(u64 *)(r10 -136) = r1", "r2 = r10", "r2 += -136"]);
        // The very key that is shown, or the one that was.
        match self.out.input.below(4) {
            0 if self.shown => self.out.line("r2 = *(u64 *)(r10 -144)"),
            1 if self.shown => {
                let slot = self.slot();
                self.out.line("r1 = *(u64 *)(r10 -144)");
                self.out.line(&format!("*(u64 *)(r6 +{slot}) = r1"));
                self.out.line(&format!("r1 = *(u64 *)(r6 +{slot})"));
                self.code(&["r7 = *(u8 *)(r1 +3)", "r1 = 1"]);
            }
            _ => {}
        }
        match self.out.input.below(6) {
            0..2 => {
                let from = self.out.pick(&["r6", "r9"]);
                let flags = self.out.pick(&["0", "0", "1", "2"]);
                self.out.line(&format!("r3 = {from}"));
                self.out.line(&format!("r4 = {flags}"));
                self.code(&["r1 = map[idx:2] ll", "call 2"]);
                self.again(false);
            }
            2..4 => {
                self.code(&["r1 = map[idx:2] ll", "call 3"]);
                self.again(false);
            }
            _ => {
                let over = self.out.label();
                self.code(&["r1 = map[idx:2] ll", "call 1", &format!("if r0 == 0 goto {over}")]);
                self.out.line("r9 = r0");
                self.out.text.push_str(&over);
                self.out.text.push_str(": ");
                self.again(true);
            }
        }
    }

    fn leave(&mut self, out: Option<&str>) {
        let Some(out) = out else { return self.arithmetic() };
        let test = self.test();
        self.out.line(&format!("{test} goto {out}"));
    }

    /// Addresses in memory: on the own stack, and where they may dangle.
    fn addresses(&mut self) {
        match self.out.input.below(16) {
            0..6 => {
                self.code(&["*(u64 *)(r10 -96) = r6", "r1 = *(u64 *)(r10 -96)"]);
                let slot = self.slot();
                self.out.line(&format!("r1 = *(u64 *)(r1 +{slot})"));
            }
            6..11 => {
                self.code(&["*(u64 *)(r10 -96) = r9", "r1 = *(u64 *)(r10 -96)"]);
                self.code(&["r1 = *(u64 *)(r1 +8)", "*(u64 *)(r10 -96) = r1"]);
            }
            // Over what a callee or a caller has there.
            11..13 => {
                let slot = self.slot();
                self.out.line(&format!("*(u64 *)(r6 +{slot}) = r9"));
                self.out.line(&format!("r1 = *(u64 *)(r6 +{slot})"));
                self.code(&["r1 = *(u64 *)(r1 +0)"]);
            }
            13 => {
                let slot = self.slot();
                self.out.line(&format!("*(u64 *)(r6 +{slot}) = r10"));
            }
            _ => {
                self.code(&["r1 = r6", "r1 += 8", "*(u64 *)(r10 -96) = r1"]);
                self.code(&["r1 = *(u64 *)(r10 -96)", "*(u32 *)(r1 +4) = r8", "r1 = 1"]);
            }
        }
    }

    fn call_random(&mut self) {
        let helper = self.out.pick(&["5", "7", "8"]);
        self.out.line(&format!("call {helper}"));
        self.again(false);
    }

    fn branch(&mut self, depth: usize, out: Option<&str>) {
        let (test, over) = (self.test(), self.out.label());
        self.out.line(&format!("{test} goto {over}"));
        self.block(depth + 1, out);
        if self.out.input.below(3) == 0 {
            let end = self.out.label();
            self.out.line(&format!("goto {end}"));
            self.out.line(&format!("{over}: r0 = 1"));
            self.block(depth + 1, out);
            return self.out.line(&format!("{end}: r1 = 1"));
        }
        self.out.line(&format!("{over}: r1 = 1"));
    }

    /// A loop that counts in a slot of its own.
    fn counted(&mut self, depth: usize) {
        let (head, out) = (self.out.label(), self.out.label());
        let slot = 104 + 8 * depth;
        let most = self.out.pick(&["3", "7", "1", "12", "40"]);
        if self.out.input.below(2) == 0 {
            self.out.line(&format!("*(u64 *)(r10 -{slot}) = 0"));
        } else {
            self.out.line("r1 = r8");
            self.out.line("r1 &= 7");
            self.out.line(&format!("*(u64 *)(r10 -{slot}) = r1"));
        }
        self.out.line(&format!("{head}: r1 = *(u64 *)(r10 -{slot})"));
        let cond = self.out.pick(&[">", ">=", "s>", "=="]);
        self.out.line(&format!("if r1 {cond} {most} goto {out}"));
        self.out.line("r1 += 1");
        self.out.line(&format!("*(u64 *)(r10 -{slot}) = r1"));
        self.block(depth + 1, Some(&out));
        self.out.line(&format!("goto {head}"));
        self.out.line(&format!("{out}: r1 = 1"));
    }

    fn may_goto(&mut self, depth: usize) {
        let (head, out) = (self.out.label(), self.out.label());
        let counted = self.out.input.below(4) > 0;
        if counted {
            self.out.line("r8 = 0");
        }
        self.out.line(&format!("{head}: may_goto {out}"));
        self.block(depth + 1, Some(&out));
        if counted {
            let bound = self.out.pick(&["5", "9", "r7"]);
            self.out.line("r8 += 1");
            self.out.line(&format!("if r8 > {bound} goto {out}"));
        } else {
            self.leave(Some(&out));
        }
        self.out.line(&format!("goto {head}"));
        self.out.line(&format!("{out}: r1 = 1"));
    }

    fn iterator(&mut self, depth: usize) {
        let (head, out) = (self.out.label(), self.out.label());
        // Each has eight bytes of its own.
        let place = format!("r1 = r10\nr1 += -{}", 72 + 8 * depth);
        let start = self.out.pick(&["0", "0", "1", "-3", "r7"]);
        let end = self.out.pick(&["4", "9", "0", "3", "r8"]);
        self.out.line(&format!("r2 = {start}"));
        self.out.line(&format!("r3 = {end}"));
        if end == "r8" {
            self.out.line("r3 &= 15");
        }
        self.code(&[&place, "call kfunc 1"]);
        self.out.text.push_str(&head);
        self.out.text.push_str(": ");
        self.code(&[&place, "call kfunc 2", &format!("if r0 == 0 goto {out}")]);
        let to = self.out.pick(&["7", "8", "1"]);
        let signed = self.out.pick(&["u32", "s32"]);
        self.out.line(&format!("r{to} = *({signed} *)(r0 +0)"));
        self.again(true);
        self.block(depth + 1, Some(&out));
        self.out.line(&format!("goto {head}"));
        self.out.text.push_str(&out);
        self.out.text.push_str(": ");
        self.code(&[&place, "call kfunc 3"]);
        self.again(true);
    }

    fn called(&mut self) {
        let Some(name) = self.functions.callee(Called::Plainly) else { return self.index() };
        let number = self.number();
        self.out.line(&format!("r2 = r{number}"));
        self.out.line("r1 = r6");
        self.out.line(&format!("call local {name}"));
        self.again(false);
    }

    fn call_back_loop(&mut self) {
        let Some(name) = self.functions.callee(Called::Loop) else { return self.index() };
        match self.out.input.below(8) {
            0 => self.out.line("r1 = r8"),
            1 | 2 => self.code(&["r1 = r7", "r1 &= 7"]),
            _ => {
                let rounds = self.out.pick(&["0", "1", "2", "4", "7", "20"]);
                self.out.line(&format!("r1 = {rounds}"));
            }
        }
        self.out.line(&format!("r2 = subprog[{name}] ll"));
        self.code(&["r3 = r6", "r4 = 0", "call 181"]);
        self.again(false);
    }

    fn call_back_each(&mut self) {
        let Some(name) = self.functions.callee(Called::Each) else { return self.index() };
        let map = self.out.pick(&["0", "1", "2"]);
        self.out.line(&format!("r1 = map[idx:{map}] ll"));
        self.out.line(&format!("r2 = subprog[{name}] ll"));
        self.code(&["r3 = r6", "r4 = 0", "call 164"]);
        self.again(false);
    }
}
