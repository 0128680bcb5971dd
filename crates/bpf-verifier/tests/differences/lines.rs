//! The lines of such programs: what is done with numbers that are compared.

use super::{FORKS, Maker, Pair};

impl Maker {
    pub(super) fn small(&mut self, most: usize) -> i32 {
        i32::try_from(self.chance.below(most)).unwrap()
    }

    /// Mostly 0.
    pub(super) fn slip(&mut self) -> i32 {
        if self.slips == 0 || !self.chance.in_all(6) {
            return 0;
        }
        self.slips -= 1;
        self.chance.of(&[1, -1])
    }

    /// Whether something is not as it should be.
    pub(super) fn slips_now(&mut self) -> bool {
        self.slip() != 0
    }

    /// R0 is what chance decides.
    fn decide(&mut self) {
        self.draft.code("r0 = map[idx:1][0] ll; r0 = *(u8 *)(r0 +0)");
    }

    /// Goes to a label by chance, where that does not decide too often.
    pub(super) fn fork(&mut self, to: &str) {
        if self.forks == FORKS {
            return;
        }
        self.forks += 1;
        self.decide();
        let number = self.small(3);
        self.draft.code(&format!("if r0 == {number} goto {to}"));
    }

    /// A number that chance decides, below where numbers end.
    pub(super) fn random(&mut self, register: u8) {
        let factor = (self.most - 1) / 3;
        self.decide();
        self.draft.code(&format!("r0 &= 3; r0 *= {factor}"));
        if self.forks < FORKS && self.chance.in_all(2) {
            self.forks += 1;
            self.draft.code("r1 = r0");
            self.decide();
            let most = self.most - 1 + self.slip();
            self.draft.code(&format!("r0 &= 3; r0 += r1; if r0 > {most} goto end"));
        }
        self.draft.code(&format!("r{register} = r0"));
    }

    pub(super) fn copy(&mut self, to: u8, from: u8) {
        match self.chance.below(8) {
            0 => self.draft.code(&format!("w{to} = w{from}")),
            1 => self.draft.code(&format!("r{to} = (s32)r{from}")),
            2 if !self.free.is_empty() => {
                let slot = self.chance.of(&self.free.clone());
                let bits = self.chance.of(&[32, 64]);
                self.draft.code(&format!("*(u64 *)(r10 {slot}) = r{from}"));
                self.draft.code(&format!("r{to} = *(u{bits} *)(r10 {slot})"));
            }
            _ => self.draft.code(&format!("r{to} = r{from}")),
        }
    }

    pub(super) fn copy_less(&mut self, to: u8, from: u8, less: i32) {
        self.copy(to, from);
        let by = self.slip() - less;
        if by != 0 {
            let width = self.chance.of(&['r', 'r', 'w']);
            self.draft.code(&format!("{width}{to} += {by}"));
        }
    }

    /// Goes to a label by how two numbers compare.
    pub(super) fn compare(&mut self, a: u8, cond: &str, b: u8, to: &str) {
        let width = self.chance.of(&['r', 'r', 'r', 'r', 'w']);
        if self.chance.in_all(3) {
            let turned = |sign| match sign {
                '<' => '>',
                '>' => '<',
                other => other,
            };
            let cond: String = cond.chars().map(turned).collect();
            self.draft.code(&format!("if {width}{b} {cond} {width}{a} goto {to}"));
        } else {
            self.draft.code(&format!("if {width}{a} {cond} {width}{b} goto {to}"));
        }
    }

    pub(super) fn guard(&mut self, [high, low]: Pair, to: &str) {
        let cond = self.chance.of(&["<", "<=", "s<", "s<=", "==", "!=", ">", "s>"]);
        self.compare(high, cond, low, to);
    }

    pub(super) fn moves(&mut self, register: u8, by: i32) {
        let by = by + self.slip();
        match self.chance.below(9) {
            0 => self.draft.code(&format!("w{register} += {by}")),
            1 => self.draft.code(&format!("r3 = r{register}; r3 += {by}; r{register} = r3")),
            2 => self.draft.code(&format!("r{register} += {}; r{register} += -1", by + 1)),
            3 if self.forks < FORKS && self.slips > 0 => {
                let over = self.draft.label();
                self.draft.code(&format!("r{register} += {by}"));
                self.fork(&over);
                self.draft.code(&format!("r{register} += {by}"));
                self.draft.place(&over);
            }
            _ => self.draft.code(&format!("r{register} += {by}")),
        }
    }

    /// One from below, one from above, or both come nearer.
    pub(super) fn meet(&mut self, low: u8, high: u8) {
        let [over, met] = [(); 2].map(|()| self.draft.label());
        if self.chance.in_all(4) {
            self.moves(low, 1);
            return self.moves(high, -1);
        }
        self.forks = self.forks.min(FORKS - 1);
        self.fork(&over);
        self.moves(low, 1);
        self.draft.code(&format!("goto {met}"));
        self.draft.place(&over);
        self.moves(high, -1);
        self.draft.place(&met);
    }

    /// R1 is where what is counted begins.
    fn base(&mut self, register: u8) {
        let base = if self.on_stack { "r10" } else { "map[idx:1][0] ll" };
        self.draft.code(&format!("r{register} = {base}"));
        if self.on_stack {
            self.draft.code(&format!("r{register} += -64"));
        }
    }

    /// Something is written at R0, which is so much more than that: as far from the first as it
    /// may be, mostly.
    fn write(&mut self) {
        if self.scale > 0 {
            self.draft.code(&format!("r0 <<= {}", self.scale));
        }
        self.base(1);
        let last = self.bytes - (self.most << self.scale);
        let within = self.small(1 << self.scale);
        let off = self.chance.of(&[0, 0, within, last + within]) + self.slip();
        self.draft.code(&format!("r1 += r0; *(u8 *)(r1 {off:+}) = 0"));
    }

    /// What is as far from the first as one number is from another, and a constant.
    pub(super) fn access(&mut self, [a, b]: Pair, more: i32) {
        let more = more + self.slip();
        match self.chance.below(6) {
            0 => self.draft.code(&format!("w0 = w{a}; w0 -= w{b}")),
            1 => self.draft.code(&format!("r0 = 0; r0 -= r{b}; r0 += r{a}")),
            2 => self.draft.code(&format!("r0 = r{a}; r0 += {more}; r0 -= r{b}; r0 += {}", -more)),
            _ => self.draft.code(&format!("r0 = r{a}; r0 -= r{b}")),
        }
        if more != 0 {
            self.draft.code(&format!("r0 += {more}"));
        }
        self.write();
    }

    /// Something is written at an address.
    pub(super) fn store(&mut self, address: u8) {
        let off = self.slip();
        self.draft.code(&format!("*(u8 *)(r{address} {off:+}) = 0"));
    }

    /// What is as far from the first as a number says.
    pub(super) fn single(&mut self, register: u8) {
        let more = self.slip();
        self.draft.code(&format!("r0 = r{register}"));
        if more != 0 {
            self.draft.code(&format!("r0 += {more}"));
        }
        self.write();
    }

    /// An address begins where a number says, or where the distance of two does.
    pub(super) fn place_address(&mut self, address: u8, at: u8, [high, low]: Pair, apart: bool) {
        if apart && self.chance.in_all(3) {
            self.draft.code(&format!("r0 = r{high}; r0 -= r{low}"));
        } else {
            self.draft.code(&format!("r0 = r{at}"));
        }
        if self.scale > 0 {
            self.draft.code(&format!("r0 <<= {}", self.scale));
        }
        self.base(address);
        let last = self.bytes - (self.most << self.scale);
        let less = if apart { -(1 << self.scale) - self.slip().abs() } else { last };
        let off = self.chance.of(&[0, 0, last, less]) + self.slip();
        self.draft.code(&format!("r{address} += r0"));
        if off != 0 {
            self.draft.code(&format!("r{address} += {off}"));
        }
    }

    /// A number goes to the stack and comes back.
    pub(super) fn spill(&mut self, register: u8) {
        let Some(slot) = self.free.last().copied() else { return };
        let (to, from) = self.chance.of(&[(64, 64), (64, 32), (32, 32), (64, 64)]);
        self.draft.code(&format!("*(u{to} *)(r10 {slot}) = r{register}; r{register} = 7"));
        self.joins();
        self.draft.code(&format!("r{register} = *(u{from} *)(r10 {slot})"));
    }

    /// R3 is another form of a number; or the number becomes what that stands for.
    pub(super) fn form(&mut self, register: u8, there: bool) {
        let (code, back) = self.chance.of(&[
            ("r3 = rX; r3 <<= 32", "rX = r3; rX >>= 32"),
            ("r3 = rX; r3 <<= 32", "rX = r3; rX s>>= 32"),
            ("w3 = wX; w3 += 1", "rX = (s32)r3; rX += -1"),
            ("w3 = wX; w3 += -1", "rX = (s32)r3; rX += 1"),
            ("r3 = rX", "rX = r3"),
            ("r3 = rX; r3 += 5", "rX = r3; rX += -5"),
            ("w3 = wX", "wX = w3"),
        ]);
        let register = register.to_string();
        if there {
            self.draft.code(&code.replace('X', &register));
            self.back = back.replace('X', &register);
        } else {
            let back = std::mem::take(&mut self.back);
            self.draft.code(&back);
        }
    }

    /// A comparison, after which ways meet; what was compared comes back behind that, in another
    /// form before.
    pub(super) fn late(&mut self, pair: Pair, over: &str) {
        let one = self.chance.of(&pair);
        let met = self.draft.label();
        self.form(one, true);
        self.guard(pair, &met);
        self.draft.code("r0 = 0");
        if self.chance.in_all(3) {
            self.draft.code("r0 = 1; r0 = 2");
        }
        self.draft.place(&met);
        self.form(one, false);
        if self.chance.in_all(3) {
            self.guard(pair, over);
        }
        let more = self.chance.of(&[0, -1, -1]);
        self.access(pair, more);
    }

    /// What one way says of two numbers decides a comparison behind where it meets another.
    pub(super) fn decided(&mut self, pair: Pair, over: &str) {
        let [past, met] = [(); 2].map(|()| self.draft.label());
        let first = self.chance.in_all(2);
        self.fork(&past);
        if !first {
            self.draft.code(&format!("goto {met}"));
            self.draft.place(&past);
        }
        self.guard(pair, over);
        self.draft.place(if first { &past } else { &met });
        self.draft.code("r0 = 0; r0 = 0");
        self.guard(pair, over);
        match self.chance.below(3) {
            0 => {
                // Nobody may come here.
                self.base(1);
                self.draft.code("*(u8 *)(r1 -1) = 0");
            }
            1 => self.access(pair, 0),
            _ => self.access(pair, -1),
        }
    }

    /// Ways part and meet, so that a state is kept.
    pub(super) fn joins(&mut self) {
        let met = self.draft.label();
        self.fork(&met);
        self.draft.code("r0 = 0; r0 = 0");
        self.draft.place(&met);
        self.draft.code("r0 = 0; r0 = 0");
    }

    /// Chance decides what is in the high half of a number.
    pub(super) fn high(&mut self, register: u8) {
        self.decide();
        self.draft.code(&format!("r0 <<= 32; r{register} += r0"));
    }

    /// Numbers that are as far apart as 2^62, or almost, or more.
    pub(super) fn far(&mut self) {
        let on = self.draft.label();
        for register in [6, 7] {
            self.decide();
            self.draft.code(&format!("r{register} = r0; r{register} <<= 62"));
            self.decide();
            self.draft.code(&format!("r{register} += r0; r{register} += -1"));
        }
        let end = 1_i64 << 62;
        for (register, cond) in [(6, "s>"), (6, "s<"), (7, "s>"), (7, "s<")] {
            let end = if cond == "s>" { end } else { -end } + i64::from(self.small(3)) - 1;
            self.draft.code(&format!("r0 = {end} ll; if r{register} {cond} r0 goto end"));
        }
        let [head, next] = [(); 2].map(|()| self.draft.label());
        self.draft.code("r8 = 0");
        self.draft.place(&head);
        self.guard([6, 7], &next);
        self.draft.code("r0 = r6; r0 -= r7");
        let shift = self.chance.of(&["r0 >>= 63", "r0 s>>= 63", "r0 >>= 62", "r0 s>>= 62"]);
        self.draft.code(&format!("{shift}; r0 <<= 6"));
        self.base(1);
        self.draft.code("r1 += r0; *(u8 *)(r1 +0) = 0");
        self.draft.place(&next);
        self.draft.code(&format!("r8 += 1; if r8 == 3 goto {on}"));
        self.guard([6, 7], &head);
        self.draft.place(&on);
    }
}
