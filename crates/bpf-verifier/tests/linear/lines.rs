//! The lines of such programs: what is done with a number and what goes with it.

use super::{BYTES, FORKS, Ground, Maker, PAIRS, Pair};

impl Maker {
    pub(super) fn small(&mut self, most: i32) -> i32 {
        i32::try_from(self.chance.below(usize::try_from(most).unwrap())).unwrap()
    }

    /// Mostly nothing.
    pub(super) fn slip(&mut self) -> i32 {
        if self.slips == 0 || !self.chance.in_all(8) {
            return 0;
        }
        self.slips -= 1;
        self.chance.of(&[1, -1, 1, -1, self.times, -self.times])
    }

    /// Numbers that there are addresses for.
    pub(super) fn most(&self) -> i32 {
        BYTES / self.times.abs()
    }

    /// Goes to a label by chance.
    pub(super) fn fork(&mut self, to: &str) {
        if self.forks < FORKS {
            self.forks += 1;
            let number = self.small(3);
            self.draft.code("r0 = map[idx:1][0] ll; r0 = *(u8 *)(r0 +0)");
            self.draft.code(&format!("if r0 == {number} goto {to}"));
        } else {
            let at = self.small(16);
            self.guard(PAIRS[0], to, at);
        }
    }

    /// Goes to a label by how a number compares with one that is so far from the first.
    pub(super) fn compare(&mut self, register: u8, cond: &str, at: i32, to: &str) {
        if self.origin == 0 {
            let half = self.chance.in_all(4) && !cond.starts_with('s');
            let width = if half { 'w' } else { 'r' };
            self.draft.code(&format!("if {width}{register} {cond} {at} goto {to}"));
        } else {
            let at = self.origin.wrapping_add(at.into());
            self.draft.code(&format!("r0 = {at} ll; if r{register} {cond} r0 goto {to}"));
        }
    }

    pub(super) fn guard(&mut self, [number, address]: Pair, to: &str, at: i32) {
        let cond = self.chance.of(&["s>", "s<", ">", "<", "==", "!="]);
        match self.chance.below(8) {
            0 if self.ground == Ground::Number => {
                self.draft.code(&format!("if r{address} {cond} {} goto {to}", self.times * at));
            }
            1 if self.ground == Ground::Number && self.origin == 0 => {
                self.draft.code(&format!("if r{address} {cond} r{number} goto {to}"));
            }
            2 if self.origin == 0 => {
                self.draft.code(&format!("r0 = r{number}; r0 += 1; if r0 {cond} {at} goto {to}"));
            }
            _ => self.compare(number, cond, at, to),
        }
    }

    /// The pair becomes a number so far from the first, and what goes with that.
    pub(super) fn put(&mut self, [number, address]: Pair, at: i32) {
        let base = if self.times > 0 { 0 } else { BYTES - 1 };
        let off = base + self.times * at + self.slip();
        let begin = match self.ground {
            Ground::Value => format!("r{address} = map[idx:1][0] ll; r{address} += {off}"),
            Ground::Stack => format!("r{address} = r10; r{address} += {}", off - BYTES),
            Ground::Packet => format!("r{address} = *(u64 *)(r10 -64); r{address} += {off}"),
            Ground::Number => format!("r{address} = {off}"),
        };
        self.number(number, at);
        self.draft.code(&begin);
    }

    /// A number is so far from the first.
    pub(super) fn number(&mut self, register: u8, at: i32) {
        let from = self.origin.wrapping_add(at.into());
        let far = if self.origin == 0 { "" } else { " ll" };
        self.draft.code(&format!("r{register} = {from}{far}"));
    }

    /// The pair becomes what another one is, but so much more.
    pub(super) fn copy(&mut self, [number, address]: Pair, [from, with]: Pair) {
        let by = self.chance.of(&[0, 0, 0, 1, -1]);
        let width = if self.origin == 0 && self.chance.in_all(5) { 'w' } else { 'r' };
        if self.chance.in_all(6) && self.free.contains(&-16) {
            let size = if width == 'w' { 32 } else { 64 };
            self.draft.code(&format!("*(u64 *)(r10 -40) = r{from}"));
            self.draft.code(&format!("r{number} = *(u{size} *)(r10 -40)"));
            self.draft
                .code(&format!("*(u64 *)(r10 -48) = r{with}; r{address} = *(u64 *)(r10 -48)"));
        } else {
            self.draft.code(&format!("{width}{number} = {width}{from}; r{address} = r{with}"));
        }
        let (more, less) = (by * self.times + self.slip(), self.slip());
        if more != 0 || self.chance.in_all(3) {
            self.draft.code(&format!("r{address} += {more}"));
        }
        if by + less != 0 {
            self.draft.code(&format!("{width}{number} += {}", by + less));
        }
    }

    /// Both are moved, in proportion.
    pub(super) fn moves(&mut self, [number, address]: Pair, by: i32) {
        let much = by * self.times + self.slip();
        let width = if self.origin == 0 && self.chance.in_all(6) { 'w' } else { 'r' };
        let first = format!("{width}{number} += {by}");
        let second = format!("r{address} += {much}");
        match self.chance.below(6) {
            0 => self.draft.code(&format!("{second}; {first}")),
            1 => self.draft.code(&format!("r0 = r{number}; r0 += {by}; {second}; r{number} = r0")),
            2 => {
                let more = by + 1;
                self.draft.code(&format!("r{number} += {more}; {second}; r{number} += -1"));
            }
            _ => self.draft.code(&format!("{first}; {second}")),
        }
    }

    pub(super) fn store(&mut self, address: u8) {
        let off = self.slip().signum();
        if self.ground == Ground::Number {
            self.draft
                .code(&format!("r0 = map[idx:1][0] ll; r0 += r{address}; *(u8 *)(r0 {off:+}) = 0"));
        } else {
            self.draft.code(&format!("*(u8 *)(r{address} {off:+}) = 0"));
        }
    }

    /// Something that holds a number: what it is read as, behind `code`.
    pub(super) fn read(&mut self, variable: i32) -> String {
        if variable < 0 {
            self.draft.code(&format!("r0 = *(u64 *)(r10 {variable})"));
            return "r0".to_owned();
        }
        format!("r{variable}")
    }

    pub(super) fn write(&mut self, variable: i32, what: &str) {
        if variable < 0 {
            self.draft.code(&format!("*(u64 *)(r10 {variable}) = {what}"));
        } else {
            self.draft.code(&format!("r{variable} = {what}"));
        }
    }

    /// Adds to it; what it is read as.
    pub(super) fn add(&mut self, variable: i32, by: i32) -> String {
        let register = self.read(variable);
        self.draft.code(&format!("{register} += {by}"));
        if variable < 0 {
            self.write(variable, &register);
        }
        register
    }

    pub(super) fn variable(&mut self) -> Option<i32> {
        if self.free.is_empty() {
            return None;
        }
        let at = self.chance.below(self.free.len());
        Some(self.free.swap_remove(at))
    }

    /// Ways part and meet, so that a state is kept.
    pub(super) fn joins(&mut self) {
        let met = self.draft.label();
        self.draft.code("r0 = map[idx:1][0] ll; r0 = *(u8 *)(r0 +0)");
        self.draft.code(&format!("if r0 == 3 goto {met}; r0 = 0; r0 = 0"));
        self.draft.code(&format!("{met}: r0 = 0; r0 = 0; r0 = 0"));
    }

    /// A call of a function that goes down or up from the pair.
    pub(super) fn function(&mut self, [number, address]: Pair) {
        let [name, again, end] = [(); 3].map(|()| self.draft.label());
        self.draft.code(&format!("r1 = r{number}; r2 = r{address}; call local {name}"));
        let (before, lines) = (self.draft.begin_function(), self.draft.lines);
        let pair = PAIRS[2];
        let by = self.chance.of(&[-1, 1]);
        self.draft.code(&format!("{name}: r0 = 0"));
        if self.chance.in_all(3) {
            let at = self.small(self.most());
            self.fork(&again);
            self.put(pair, at);
        }
        self.draft.place(&again);
        self.store(pair[1]);
        self.moves(pair, by);
        let (cond, last) = if by > 0 { ("s<", self.most()) } else { ("s>", -1) };
        let last = last + self.slip().signum();
        self.compare(pair[0], cond, last, &again);
        self.draft.code(&format!("{end}: r0 = 0; exit"));
        self.draft.end_function(before);
        self.draft.lines = lines;
    }
}
