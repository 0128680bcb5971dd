//! Programs of tests for equality, branches, parts of the stack, loops of few rounds, and
//! what a kernel lends: made at random.

use crate::common::chance::Chance;
use crate::common::draft::Draft;

/// Lines of a program after which nothing long begins.
const LINES: usize = 90;
const DEPTH: usize = 3;

/// A program in the making. R6 to R8 are numbers, R9 is the context. In a frame, bytes from -64
/// on are numbers; at -72 and -80 are addresses or numbers; from -120 on what counts rounds,
/// from -168 on dynptrs, and from -176 on keys.
pub struct Maker {
    chance: Chance,
    draft: Draft,
    /// Functions around, and whether the context is known.
    nest: usize,
    /// Ends of the loops around, in the function, which hold nothing.
    ends: Vec<String>,
}

const NUMBERS: [&str; 3] = ["6", "7", "8"];

impl Maker {
    /// A program of `seed`.
    pub fn program(seed: u64) -> String {
        let mut maker = Self {
            chance: Chance::seeded(seed, 0x51),
            draft: Draft::default(),
            nest: 0,
            ends: Vec::new(),
        };
        maker.draft.code("r9 = r1; r6 = *(u32 *)(r1 +0); r7 = *(u32 *)(r1 +8); r8 = 0");
        maker.frame();
        for _ in 0..3 + maker.chance.below(4) {
            maker.statement(0);
        }
        maker.draft.code("r0 = 0; exit");
        maker.draft.whole()
    }

    fn number(&mut self) -> &'static str {
        self.chance.of(&NUMBERS)
    }

    /// What a frame has at first.
    fn frame(&mut self) {
        for slot in 1..=10 {
            let what = self.chance.of(&["0", "0", "0", "r6", "r7", "5"]);
            self.draft.code(&format!("*(u64 *)(r10 -{}) = {what}", 8 * slot));
        }
    }

    fn block(&mut self, depth: usize) {
        for _ in 0..=self.chance.below(3) {
            self.statement(depth + 1);
        }
    }

    fn statement(&mut self, depth: usize) {
        if self.draft.lines > LINES || depth >= DEPTH {
            return self.small();
        }
        match self.chance.below(34) {
            7..10 => self.branch(depth),
            10..12 => self.index(),
            12..14 => self.told(depth),
            14 | 31 | 32 => self.ways(depth),
            15..17 => self.keep_address(),
            17..19 => self.use_kept(),
            19 => self.value(depth),
            20 => self.counted(depth),
            21 => self.counted_in_memory(depth),
            22 => self.iterator(depth),
            23 => self.allowed(depth),
            24 if self.nest < 2 => self.called_again(depth),
            25 | 26 if self.nest < 2 => self.function(depth),
            27 => self.record(depth),
            28 | 29 => self.dynptr(depth),
            30 => self.packet(depth),
            33 if self.nest == 0 => self.draft.code("if r6 != 9 goto +2; r0 = 0; exit"),
            _ => self.small(),
        }
    }

    fn size(&mut self) -> (usize, usize) {
        let size = 1 << self.chance.below(4);
        (size, size + size * self.chance.below(64 / size))
    }

    fn test(&mut self) -> String {
        let (a, b) = (self.number(), self.number());
        let wide = self.chance.of(&["r", "r", "r", "w"]);
        let cond = self.chance.of(&["==", "!=", "==", "!=", ">", "<", "s>", "s<", "&"]);
        match self.chance.below(8) {
            0 => format!("if {wide}{a} {cond} {wide}{b}"),
            1 => format!(
                "r1 = r{a}; r1 &= {}; if r1 {cond} 3",
                self.chance.of(&["7", "255", "65535"])
            ),
            _ => {
                let with = self.chance.of(&["0", "1", "5", "5", "7", "8", "40", "-1", "256"]);
                format!("if {wide}{a} {cond} {with}")
            }
        }
    }

    /// One instruction on numbers, or two.
    fn small(&mut self) {
        let (a, b) = (self.number(), self.number());
        let (size, at) = self.size();
        let bits = 8 * size;
        match self.chance.below(16) {
            0 | 1 => {
                let field = self.chance.of(&["0", "4", "8", "16"]);
                if self.nest == 0 {
                    self.draft.code(&format!("r{a} = *(u32 *)(r9 +{field})"));
                } else {
                    self.draft.code(&format!("call 7; r{a} = r0"));
                }
            }
            2 => {
                let mask = self.chance.of(&["1", "7", "63", "255", "-8"]);
                self.draft.code(&format!("r{a} &= {mask}"));
            }
            3 => {
                let op = self.chance.of(&[
                    "r# += 1",
                    "r# += -1",
                    "r# ^= 1",
                    "r# <<= 1",
                    "r# >>= 1",
                    "r# s>>= 2",
                    "w# += 1",
                    "w# = w#",
                    "r# = (s8)r#",
                    "w# = (s16)w#",
                    "r# |= 8",
                    "r# *= 3",
                    "r# <<= 32; r# >>= 32",
                    "r# <<= 32; r# s>>= 32",
                    "r# = be16 r#",
                    "w# s>>= 1",
                    "r# %= 7",
                    "r# = -r#",
                ]);
                self.draft.code(&op.replace('#', a));
            }
            4 => self.draft.code(&format!("r{a} = {}", self.chance.0 >> 60)),
            5 => self.draft.code(&format!("r{a} = r{b}")),
            6 => {
                let op = self.chance.of(&["+=", "-=", "|=", "&=", "^="]);
                self.draft.code(&format!("r{a} {op} r{b}"));
            }
            7..10 => self.draft.code(&format!("*(u{bits} *)(r10 -{at}) = r{a}")),
            10 => {
                let what = self.chance.of(&["0", "1", "5", "-1"]);
                self.draft.code(&format!("*(u{bits} *)(r10 -{at}) = {what}"));
            }
            11 if size < 8 && self.chance.in_all(3) => {
                self.draft.code(&format!("r{a} = *(s{bits} *)(r10 -{at})"));
            }
            11..14 => self.draft.code(&format!("r{a} = *(u{bits} *)(r10 -{at})")),
            14 if !self.ends.is_empty() => {
                let (test, end) = (self.test(), self.ends[self.ends.len() - 1].clone());
                self.draft.code(&format!("{test} goto {end}"));
            }
            _ => {
                let add = self.chance.of(&["1", "-1", "5"]);
                let slot = 8 * (1 + self.chance.below(8));
                self.draft.code(&format!("r1 = {add}; lock *(u64 *)(r10 -{slot}) += r1"));
            }
        }
    }

    fn branch(&mut self, depth: usize) {
        let (test, other, end) = (self.test(), self.draft.label(), self.draft.label());
        self.draft.code(&format!("{test} goto {other}"));
        self.block(depth);
        self.draft.code(&format!("goto {end}"));
        self.draft.place(&other);
        if self.chance.in_all(2) {
            self.block(depth);
        }
        self.draft.place(&end);
    }

    /// A number as an index of the bytes that are numbers, mostly checked.
    fn access(&mut self, register: &str) {
        let base = "r3 = r10; r3 += -64";
        let access = self.chance.of(&[
            "*(u8 *)(r3 +0) = 1",
            "*(u8 *)(r3 +0) = r6",
            "r7 = *(u8 *)(r3 +0)",
            "r8 = *(u8 *)(r3 +0)",
        ]);
        self.draft.code(&format!("{base}; r3 += r{register}; {access}"));
    }

    fn index(&mut self) {
        let (a, over) = (self.number(), self.draft.label());
        match self.chance.below(8) {
            0 | 1 => self.draft.code(&format!("if r{a} > 63 goto {over}")),
            2 | 3 => self.draft.code(&format!("r{a} &= 63")),
            4 => {
                let b = self.number();
                self.draft.code(&format!(
                    "r1 = r{a}; if r{b} > 40 goto {over}; if r1 > r{b} goto {over}"
                ));
            }
            5 => self.draft.code(&format!("if w{a} > 63 goto {over}")),
            6 => {
                self.draft
                    .code(&format!("if r{a} == {} goto +1; goto {over}", self.chance.0 >> 58));
            }
            _ => {}
        }
        self.access(a);
        self.draft.place(&over);
    }

    /// Where a number equals another one, it is used as if it were that, it or a copy of it.
    fn told(&mut self, depth: usize) {
        let (a, b, over) = (self.number(), self.number(), self.draft.label());
        let (size, at) = self.size();
        let bits = 8 * size;
        let copy = self.chance.of(&["r2 = r#", "r2 = r#", "r2 = r#; r2 += 3", "r2 = 9"]);
        let kept = self.chance.in_all(3);
        if kept {
            self.draft.code(&format!("*(u{bits} *)(r10 -{at}) = r{a}"));
        }
        let equal = self.chance.of(&["5", "0", "40", "64", "260"]);
        self.draft.code(&copy.replace('#', a));
        match self.chance.below(4) {
            0 => self.draft.code(&format!("r4 = {equal}; if r{a} != r4 goto {over}")),
            1 => self.draft.code(&format!("if r{a} != r{b} goto {over}; if r{b} > 63 goto {over}")),
            2 => self.draft.code(&format!("r4 = r{a}; r4 &= 255; if r4 != {equal} goto {over}")),
            _ => self.draft.code(&format!("if r{a} != {equal} goto {over}")),
        }
        if kept && self.chance.in_all(2) {
            self.draft.code(&format!("r2 = *(u{bits} *)(r10 -{at})"));
        }
        let used = self.chance.of(&["2", "2", "2", a, b]);
        self.access(used);
        if self.chance.in_all(3) {
            self.block(depth);
        }
        self.draft.place(&over);
    }

    /// What names a number, or is known of it, differs on two ways that meet; then a comparison
    /// tells it, and what may be the same is used.
    fn ways(&mut self, depth: usize) {
        let (a, b) = (self.number(), self.number());
        let (size, at) = self.size();
        let (bits, over) = (8 * size, self.draft.label());
        let slot = format!("*(u{bits} *)(r10 -{at})");
        let ends = [self.draft.label(), self.draft.label()];
        let test = self.test();
        self.draft.code(&format!("{test} goto {}", ends[0]));
        for end in &ends {
            let way = self.chance.of(&[
                "$ = r#",
                "$ = r%",
                "$ = 5",
                "$ = 0",
                "r% = r#",
                "r% = r#; r% += 2",
                "r% = 5",
                "r% = 700",
                "r# &= 15",
                "r# = r%",
                "r# = 5",
                "r0 = 0",
            ]);
            let way = way.replace('#', a).replace('%', b).replace('$', &slot);
            self.draft.code(&way);
            if end == &ends[0] {
                self.draft.code(&format!("goto {}", ends[1]));
            }
            self.draft.place(end);
        }
        self.draft.code("r1 = 0; r1 += 2; r1 += 3; r1 += 4");
        if self.chance.in_all(4) {
            self.block(depth);
        }
        let wide = self.chance.of(&["r", "r", "w"]);
        match self.chance.below(6) {
            0 => self.draft.code(&format!("if {wide}{a} != {wide}{b} goto {over}")),
            1 => self.draft.code(&format!("if {wide}{a} > 5 goto {over}")),
            2 => self.draft.code(&format!("r4 = 5; if {wide}{a} != {wide}4 goto {over}")),
            3 => self.draft.code(&format!("r4 = {slot}; if {wide}{a} != {wide}4 goto {over}")),
            _ => self.draft.code(&format!("if {wide}{a} != 5 goto {over}")),
        }
        match self.chance.below(4) {
            0 => self.access(a),
            1 => self.access(b),
            _ => {
                self.draft.code(&format!("r2 = {slot}"));
                self.access("2");
            }
        }
        self.draft.place(&over);
    }

    fn keep_address(&mut self) {
        let slot = self.chance.of(&["-72", "-80"]);
        let over = self.draft.label();
        if self.chance.in_all(2) {
            let test = self.test();
            self.draft.code(&format!("{test} goto {over}"));
        }
        match self.chance.below(7) {
            0..3 => {
                let off = 8 * (1 + self.chance.below(8));
                self.draft.code(&format!("r1 = r10; r1 += -{off}; *(u64 *)(r10 {slot}) = r1"));
            }
            3 => self.draft.code(&format!("r1 = map[idx:1][0] ll; *(u64 *)(r10 {slot}) = r1")),
            4 => self.draft.code(&format!("*(u64 *)(r10 {slot}) = 0")),
            5 => self.draft.code("r1 = *(u64 *)(r10 -72); *(u64 *)(r10 -80) = r1"),
            _ => {
                let part = self.chance.of(&[
                    "*(u8 *)(r10 #) = 1",
                    "*(u32 *)(r10 #) = r7",
                    "*(u64 *)(r10 #) = r6",
                ]);
                self.draft.code(&part.replace('#', slot));
            }
        }
        self.draft.place(&over);
    }

    fn use_kept(&mut self) {
        let (slot, over) = (self.chance.of(&["-72", "-80"]), self.draft.label());
        self.draft.code(&format!("r1 = *(u64 *)(r10 {slot})"));
        match self.chance.below(6) {
            0..4 => self.draft.code(&format!("if r1 == 0 goto {over}")),
            4 => {
                let test = self.test();
                self.draft.code(&format!("{test} goto {over}"));
            }
            _ => {}
        }
        let used = self.chance.of(&[
            "r6 = *(u64 *)(r1 +0)",
            "r7 = *(u8 *)(r1 +3)",
            "*(u8 *)(r1 +0) = 1",
            "*(u64 *)(r1 +0) = r7",
            "r2 = r6; r2 &= 7; r1 += r2; r8 = *(u8 *)(r1 +0)",
        ]);
        self.draft.code(used);
        self.draft.place(&over);
    }

    /// What a map has for a key.
    fn value(&mut self, depth: usize) {
        let (a, over) = (self.number(), self.draft.label());
        let map = self.chance.of(&["0", "6"]);
        self.draft.code(&format!(
            "*(u64 *)(r10 -176) = r{a}; r2 = r10; r2 += -176; r1 = map[idx:{map}] ll; call 1"
        ));
        if self.chance.in_all(3) {
            self.draft.code("*(u64 *)(r10 -72) = r0");
        }
        if !self.chance.in_all(8) {
            self.draft.code(&format!("if r0 == 0 goto {over}"));
        }
        let used = self.chance.of(&[
            "r# = *(u32 *)(r0 +0)",
            "*(u64 *)(r0 +0) = r#",
            "if r# > 7 goto +2; r0 += r#; r7 = *(u8 *)(r0 +0)",
        ]);
        self.draft.code(&used.replace('#', a));
        if self.chance.in_all(3) {
            self.block(depth);
        }
        self.draft.place(&over);
    }

    /// A loop that a register counts.
    fn counted(&mut self, depth: usize) {
        let (a, head, end) = (self.number(), self.draft.label(), self.draft.label());
        let (start, out, step) = self.chance.of(&[
            ("r# = 0", "if r# > 3", "r# += 1"),
            ("r# = 0", "if r# == 4", "r# += 1"),
            ("r# &= 3", "if r# s> 4", "r# += 1"),
            ("r# = 5", "if r# == 0", "r# += -1"),
            ("r# = 1", "if r# > 30", "r# <<= 1"),
            ("r# = 40", "if w# s< 8", "w# += -8"),
            ("r# &= 7", "r1 = r#; r1 &= 7; if r1 == 7", "r# += 1"),
        ]);
        self.draft.code(&start.replace('#', a));
        self.draft.place(&head);
        self.draft.code(&format!("{} goto {end}", out.replace('#', a)));
        self.within(&end, depth);
        self.draft.code(&format!("{}; goto {head}", step.replace('#', a)));
        self.draft.place(&end);
    }

    fn within(&mut self, end: &str, depth: usize) {
        self.ends.push(end.to_owned());
        self.block(depth);
        self.ends.pop();
    }

    /// A loop that a part of a stack slot counts.
    fn counted_in_memory(&mut self, depth: usize) {
        let (head, end) = (self.draft.label(), self.draft.label());
        let at = 88 + 8 * depth;
        let bits = self.chance.of(&["8", "16", "32", "64"]);
        let (most, by) = self.chance.of(&[("3", "1"), ("6", "2"), ("5", "1"), ("2", "1")]);
        self.draft.code(&format!("*(u64 *)(r10 -{at}) = 0"));
        self.draft.place(&head);
        self.draft.code(&format!("r1 = *(u{bits} *)(r10 -{at}); if r1 >= {most} goto {end}; r1 += {by}; *(u{bits} *)(r10 -{at}) = r1"));
        self.within(&end, depth);
        self.draft.code(&format!("goto {head}"));
        self.draft.place(&end);
    }

    fn iterator(&mut self, depth: usize) {
        let (a, head, end) = (self.number(), self.draft.label(), self.draft.label());
        let place = format!("r1 = r10; r1 += -{}", 120 + 8 * depth);
        let from = self.chance.of(&["0", "0", "2", "r6"]);
        let to = self.chance.of(&["3", "64", "5", "r7"]);
        self.draft.code(&format!("r2 = {from}; r3 = {to}; {place}; call kfunc 1"));
        self.draft.place(&head);
        self.draft.code(&format!("{place}; call kfunc 2; if r0 == 0 goto {end}"));
        if self.chance.in_all(2) {
            self.draft.code(&format!("r{a} = *(u32 *)(r0 +0)"));
        }
        self.within(&end, depth);
        self.draft.code(&format!("goto {head}"));
        self.draft.place(&end);
        self.draft.code(&format!("{place}; call kfunc 3"));
    }

    fn allowed(&mut self, depth: usize) {
        let (head, end) = (self.draft.label(), self.draft.label());
        self.draft.place(&head);
        self.draft.code(&format!("may_goto {end}"));
        self.within(&end, depth);
        self.draft.code(&format!("goto {head}"));
        self.draft.place(&end);
    }

    /// A function of its own, of this beginning and some statements, with these results.
    fn body(&mut self, begin: &str, depth: usize, results: &[&'static str]) -> String {
        let name = self.draft.label();
        let before = self.draft.begin_function();
        let ends = std::mem::take(&mut self.ends);
        self.nest += 1;
        self.draft.code(&format!("{name}: {begin}"));
        if self.chance.in_all(2) {
            self.draft.code("r8 = *(u64 *)(r9 +0); *(u64 *)(r10 -72) = r9; *(u64 *)(r10 -80) = 0");
            for slot in 1..=8 {
                self.draft.code(&format!("*(u64 *)(r10 -{}) = 0", 8 * slot));
            }
        } else {
            self.draft.code("r8 = 0");
            self.frame();
        }
        self.block(depth);
        let over = self.chance.of(&[
            "*(u64 *)(r9 +0) = r6",
            "r1 = r6; r1 &= 63; r1 += r9; *(u8 *)(r1 +0) = 0",
            "r0 = 0",
            "r7 = *(u64 *)(r9 +8)",
        ]);
        let result = self.chance.of(results);
        self.draft.code(&format!("{over}; {result}; exit"));
        self.nest -= 1;
        self.ends = ends;
        self.draft.end_function(before);
        name
    }

    fn function(&mut self, depth: usize) {
        let (a, b) = (self.number(), self.number());
        let name = self.body(
            "r9 = r1; r6 = r2; r7 = 1",
            depth,
            &["r0 = r6", "r0 = 0", "r0 = r7; r0 &= 7", "r0 = 5"],
        );
        self.draft.code(&format!("r2 = r{a}; r1 = r10; r1 += -64; call local {name}; r{b} = r0"));
    }

    fn called_again(&mut self, depth: usize) {
        let rounds = self.chance.of(&["1", "2", "4", "r6"]);
        let name = self.body(
            "r9 = r2; r6 = r1; r7 = 1",
            depth,
            &["r0 = 0", "r0 = r7; r0 &= 1", "r0 = r6; r0 &= 1"],
        );
        let function = format!("r2 = subprog[{name}] ll; r3 = r10; r3 += -64; r4 = 0");
        self.draft.code(&format!("r1 = {rounds}; {function}; call 181"));
    }

    fn record(&mut self, depth: usize) {
        let (over, other, end) = (self.draft.label(), self.draft.label(), self.draft.label());
        self.draft.code(&format!(
            "r1 = map[idx:2] ll; r2 = 16; r3 = 0; call 131; *(u64 *)(r10 -{}) = r0",
            184 + 8 * depth
        ));
        self.draft.code(&format!("if r0 == 0 goto {over}"));
        let slot = 184 + 8 * depth;
        let before = std::mem::take(&mut self.ends);
        self.block(depth);
        let test = self.test();
        self.draft.code(&format!(
            "r1 = *(u64 *)(r10 -{slot}); r2 = 0; {test} goto {other}; call 132; goto {end}"
        ));
        self.draft.code(&format!("{other}: call 133"));
        self.draft.place(&end);
        if self.chance.in_all(12) {
            self.draft.code(&format!("r1 = *(u64 *)(r10 -{slot}); r2 = *(u64 *)(r1 +0)"));
        }
        self.ends = before;
        self.draft.place(&over);
    }

    fn dynptr(&mut self, depth: usize) {
        let over = self.draft.label();
        let at = self.chance.of(&["-168", "-152"]);
        let place = format!("r10; r# += {at}");
        let to = |register: &str| format!("r{register} = {}", place.replace('#', register));
        let held = self.chance.in_all(3);
        let ends = std::mem::take(&mut self.ends);
        if held {
            self.draft.code(&format!("r1 = map[idx:2] ll; r2 = 32; r3 = 0; {}; call 198", to("4")));
        } else {
            self.draft
                .code(&format!("r1 = map[idx:1][0] ll; r2 = 64; r3 = 0; {}; call 197", to("4")));
        }
        if self.chance.in_all(3) {
            self.block(depth);
        }
        self.draft.code(&format!("{}; r2 = 0; r3 = 16; call 203; *(u64 *)(r10 -72) = r0", to("1")));
        self.draft.code(&format!("if r0 == 0 goto {over}; r6 = *(u64 *)(r0 +0)"));
        if self.chance.in_all(2) {
            self.block(depth);
        }
        if self.chance.in_all(6) {
            let test = self.test();
            let lost = self.draft.label();
            self.draft.code(&format!("{test} goto {lost}; *(u64 *)(r10 {at}) = 0"));
            self.draft.place(&lost);
        }
        self.draft.place(&over);
        if held {
            let end = self.chance.of(&["199", "200"]);
            self.draft.code(&format!("{}; r2 = 0; call {end}", to("1")));
        }
        if self.chance.in_all(2) {
            let none = self.draft.label();
            self.draft.code(&format!(
                "r1 = *(u64 *)(r10 -72); if r1 == 0 goto {none}; r6 = *(u64 *)(r1 +0)"
            ));
            self.draft.place(&none);
        }
        self.ends = ends;
    }

    /// Bytes of the packet behind a number of them.
    fn packet(&mut self, depth: usize) {
        if self.nest > 0 {
            return self.index();
        }
        let (a, over) = (self.number(), self.draft.label());
        let some = self.chance.of(&["r#", "r#; r4 &= 63", "4", "r#; r4 &= 255"]).replace('#', a);
        self.draft
            .code(&format!("r4 = {some}; r2 = *(u32 *)(r9 +76); r3 = *(u32 *)(r9 +80); r2 += r4"));
        self.draft
            .code(&format!("*(u64 *)(r10 -80) = r2; r1 = r2; r1 += 8; if r1 > r3 goto {over}"));
        if self.chance.in_all(4) {
            let test = self.test();
            let moved = self.draft.label();
            let test = if test.starts_with("if") { test } else { "if r6 == 5".to_owned() };
            self.draft.code(&format!(
                "{test} goto {moved}; r1 = r9; r2 = 8; call 39; r2 = *(u64 *)(r10 -80)"
            ));
            self.draft.place(&moved);
        }
        let off = self.chance.of(&["0", "7", "7", "8"]);
        self.draft.code(&format!("r{a} = *(u8 *)(r2 +{off})"));
        if self.chance.in_all(3) {
            self.block(depth);
        }
        self.draft.place(&over);
    }
}
