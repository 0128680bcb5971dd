//! What is done with such numbers: where they begin, how they move, where they end.

use super::Maker;

/// How R1 is cut to some of its bits, or is what it is in another way.
pub(super) const CUTS: [&str; 12] = [
    "r1 += 0",
    "w1 = w1",
    "r1 = (s32)r1",
    "r1 <<= 32; r1 >>= 32",
    "r1 <<= 32; r1 s>>= 32",
    "w1 += 1; w1 += -1",
    "w1 += 1; r1 = (s32)r1; r1 += -1",
    "r1 = (s16)r1",
    "r1 &= 0xff",
    "w1 = (s8)w1",
    "r1 &= -8",
    "r1 |= 1",
];

impl Maker<'_, '_> {
    /// R0 is any number.
    pub(super) fn any(&mut self) {
        if self.once(3) {
            return self.code("call 7");
        }
        let size = self.out.pick(&["u8", "u16", "u32", "u64", "u8", "s32"]);
        let off = 8 * self.out.input.below(8);
        self.code(&format!("r0 = map[idx:1][0]+{off} ll; r0 = *({size} *)(r0 +0)"));
    }

    /// Goes to a label, or not.
    fn fork(&mut self, to: &str) {
        self.any();
        let bit = self.of(&[1, 2, 4]);
        self.code(&format!("if r0 & {bit} goto {to}"));
    }

    fn any_below(&mut self, register: &str) {
        self.any();
        let most = self.most + self.slip();
        match self.out.input.below(4) {
            0 => self.code(&format!("if r0 > {most} goto end")),
            1 => self.code(&format!("w0 = w0; if w0 s> {most} goto end; if w0 s< 0 goto end")),
            2 => self.code("r0 &= 31"),
            _ => self.code("r0 &= 7"),
        }
        self.code(&format!("r{register} = r0"));
    }

    /// Where a number begins.
    pub(super) fn begin(&mut self, register: &str) {
        let other = self.number();
        if self.walks && register == "9" {
            return self.address("9");
        }
        match self.out.input.below(12) {
            0..3 => {
                let from = if self.step < 0 { self.most } else { 0 } + self.slip();
                self.code(&format!("r{register} = {from}"));
            }
            3 => {
                let edge = self.of(&[
                    -1,
                    -self.most,
                    self.most,
                    0x7fff_ffff,
                    0x8000_0000,
                    0xffff_ffff,
                    i64::MAX,
                    i64::MIN,
                    -0x8000_0000,
                    1 << 32,
                    1 << 62,
                ]);
                let less = self.of(&[0, 0, 1, 8, -1, -8]);
                self.code(&format!("r{register} = {} ll", edge.wrapping_sub(less)));
            }
            4..6 => self.any_below(register),
            6..9 => {
                let more = self.of(&[0, 0, 1, -1]);
                self.code(&format!("r1 = r{other}"));
                self.cut_at_times();
                self.code(&format!("r1 += {more}; r{register} = r1"));
            }
            9 => {
                let by = self.of(&[1, 2, 3]);
                self.code(&format!("r1 = r{other}; r1 <<= {by}; r{register} = r1"));
            }
            10 => self.code(&format!("r1 = {}; r1 -= r{other}; r{register} = r1", self.most)),
            _ => self.code(&format!("r1 = 0; r1 -= r{other}; r{register} = r1")),
        }
    }

    /// It begins where the loops around begin or are, or a little further.
    pub(super) fn begin_at_outer(&mut self, register: &str) {
        let outer = ["6", "7"][self.out.input.below(2)];
        if self.depth == 0 || outer == register {
            return self.begin_at_end(register);
        }
        let more = self.of(&[0, 0, self.step, 1, -1]);
        self.code(&format!("r{register} = r{outer}; r{register} += {more}"));
    }

    /// It begins at the end from which it goes to the other one.
    pub(super) fn begin_at_end(&mut self, register: &str) {
        let from = if self.step < 0 { self.most } else { 0 };
        self.code(&format!("r{register} = {from}"));
    }

    /// Two numbers are compared at once, and what bounds both is used of either.
    pub(super) fn bound_both(&mut self, x: &str, y: &str, over: &str) {
        let most = self.most + self.slip();
        let join = self.out.pick(&[
            "r1 = rX; r1 |= rY",
            "w1 = wX; w1 |= wY",
            "r1 = rX; w1 |= wY",
            "w1 = wX; r1 |= rY",
            "r1 = rX; r1 |= rY; r1 <<= 32; r1 >>= 32",
            "r1 = rX; r1 |= rY; r1 <<= 32; r1 s>>= 32",
            "r1 = rX; r1 ^= rY",
            "r1 = rX; r1 |= rY; r1 >>= 1",
            "r1 = rX; r1 |= 3; r1 |= rY",
            "rX |= rY; r1 = rX",
        ]);
        self.code(&join.replace('X', x).replace('Y', y));
        let moved = self.out.pick(&["", "", "", "X", "Y", "1"]);
        let moved = moved.replace('X', x).replace('Y', y);
        if !moved.is_empty() {
            let by = self.of(&[1, -1, 8, 64]);
            self.code(&format!("r{moved} += {by}"));
        }
        if self.once(6) {
            let met = self.out.label();
            self.fork(&met);
            self.code(&format!("r1 = 0; {met}: r0 = 1"));
        }
        let width = self.out.pick(&["r", "r", "w"]);
        let cond = self.out.pick(&[">", ">", "!=", "s>", ">="]);
        self.code(&format!("if {width}1 {cond} {most} goto {over}"));
        let used = self.out.pick(&[x, y]).to_owned();
        self.access(&used);
    }

    pub(super) fn cut_at_times(&mut self) {
        if self.once(4) {
            let cut = self.out.pick(&CUTS);
            self.code(cut);
        }
    }

    /// A register moves by a constant.
    pub(super) fn moves(&mut self, register: &str, by: i64) {
        let by = by + self.slip();
        if self.walks && register == "9" {
            return self.code(&format!("r9 += {by}"));
        }
        match self.out.input.below(9) {
            0 => self.code(&format!("w{register} += {by}")),
            1 => self.code(&format!("r1 = r{register}; r1 += {by}; r{register} = r1")),
            2 => self.code(&format!("r{register} += {}; r{register} += -1", by + 1)),
            3 => self.code(&format!("r{register} -= {}", -by)),
            _ => self.code(&format!("r{register} += {by}")),
        }
    }

    pub(super) fn moved_at_times(&mut self, register: &str, over: &str) {
        self.fork(over);
        let by = self.step * self.of(&[1, -1, 2]);
        self.moves(register, by);
    }

    pub(super) fn begins_anew(&mut self, register: &str, over: &str) {
        self.fork(over);
        self.begin(register);
    }

    /// A number becomes what it is with some of its bits.
    pub(super) fn recut(&mut self, register: &str) {
        let cut = self.out.pick(&CUTS);
        self.code(&format!("r1 = r{register}; {cut}; r{register} = r1"));
    }

    /// What a number that moves by this step is compared with, and how, where it ends.
    fn bound(&mut self, step: i64) -> (&'static str, i64) {
        let end = if step < 0 { 0 } else { self.most } + self.slip();
        let same = ["==", if step < 0 { "s<=" } else { ">=" }];
        let cond = match self.out.input.below(8) {
            0..4 => same[1],
            4 | 5 => same[0],
            6 if step < 0 => "s<",
            6 => ">",
            _ => self.out.pick(&["s>=", "s>", "<", "s<", "<=", ">"]),
        };
        (cond, end)
    }

    /// Goes out of the loop where its number, or one beside, is far enough.
    pub(super) fn ends(&mut self, register: &str, step: i64, out: &str) {
        let width = self.out.pick(&["r", "r", "r", "w"]);
        let (cond, end) = self.bound(step);
        if self.once(3) {
            let other = self.number();
            let cond = if self.once(2) { "==" } else { cond };
            return self.code(&format!("if {width}{register} {cond} {width}{other} goto {out}"));
        }
        self.code(&format!("if {width}{register} {cond} {end} goto {out}"));
    }

    /// Goes back to the head while the number is not far enough.
    pub(super) fn goes_on(&mut self, register: &str, step: i64, head: &str) {
        let width = self.out.pick(&["r", "r", "r", "w"]);
        let (cond, end) = self.bound(step);
        let cond = match cond {
            "==" => "!=",
            ">=" => "<",
            ">" => "<=",
            "s<=" => "s>",
            "s<" => "s>=",
            "s>=" => "s<",
            "s>" => "s<=",
            "<" => ">=",
            _ => ">",
        };
        if self.once(3) {
            let other = self.number();
            return self.code(&format!("if {width}{register} {cond} {width}{other} goto {head}"));
        }
        self.code(&format!("if {width}{register} {cond} {end} goto {head}"));
    }

    /// Goes to a label by how two numbers compare, or one and where it may end.
    pub(super) fn compare(&mut self, x: &str, y: &str, to: &str) {
        let width = self.out.pick(&["r", "r", "r", "w"]);
        let cond = self.out.pick(&["<", "<=", ">", ">=", "s<", "s<=", "s>", "s>=", "==", "!="]);
        if x == y || self.once(3) {
            let end = self.of(&[0, self.most, self.most - 1, self.most >> 1]);
            return self.code(&format!("if {width}{x} {cond} {end} goto {to}"));
        }
        self.code(&format!("if {width}{x} {cond} {width}{y} goto {to}"));
    }

    /// The next round, or the end of a loop.
    pub(super) fn leave(&mut self, x: &str, y: &str) {
        if self.around.is_empty() {
            return;
        }
        let at = self.out.input.below(self.around.len());
        let way = self.out.input.below(2);
        let to = self.around[at][way].clone();
        if self.once(3) {
            self.fork(&to);
        } else {
            self.compare(x, y, &to);
        }
    }

    /// An iterator's place on the stack.
    pub(super) fn begin_iterator(&mut self) -> i64 {
        self.count += 1;
        let place = -128 - 8 * i64::try_from(self.count).unwrap_or(1);
        let (from, to) = (self.of(&[0, 0, 1, -1]), self.most + self.slip());
        self.code(&format!("r1 = r10; r1 += {place}; r2 = {from}; r3 = {to}"));
        if self.once(3) {
            let number = self.number();
            self.code(&format!("r3 = r{number}"));
        }
        self.code("call kfunc 1");
        place
    }

    /// What an iterator gives, which is the loop's number or nobody's.
    pub(super) fn next_of(&mut self, place: i64, register: &str, out: &str) {
        self.code(&format!("r1 = r10; r1 += {place}; call kfunc 2; if r0 == 0 goto {out}"));
        if !self.once(3) {
            let size = self.out.pick(&["u32", "s32"]);
            self.code(&format!("r{register} = *({size} *)(r0 +0)"));
        }
    }
}
