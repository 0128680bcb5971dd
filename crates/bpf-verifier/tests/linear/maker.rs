//! Programs with loops in loops, of which each moves an address in a fixed ratio to a number, or
//! almost so: made at random.

mod kept;
mod lines;

use crate::common::chance::Chance;
use crate::common::draft::Draft;

/// Bytes that addresses may lie in.
const BYTES: i32 = 64;
/// Lines of a program after which nothing long begins.
const LINES: usize = 110;
/// Where chance decides, outside of what is bounded by fuel.
const FORKS: u32 = 5;

/// What addresses are of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ground {
    Value,
    Stack,
    Packet,
    /// They are numbers, which are added to an address of a value.
    Number,
}

/// Registers of a number and of what goes with it.
type Pair = [u8; 2];
const PAIRS: [Pair; 3] = [[6, 8], [7, 9], [1, 2]];

/// A program in the making. R0 is used everywhere.
pub struct Maker {
    chance: Chance,
    draft: Draft,
    forks: u32,
    ground: Ground,
    times: i32,
    /// What numbers begin from.
    origin: i64,
    /// Places where something is not as it should be.
    slips: u32,
    /// Whether it calls functions of its own, so that R1 to R5 keep nothing.
    calls: bool,
    /// Whether the outer loop is come to twice, each time with numbers that are related otherwise,
    /// and the inner one ends the program.
    apart: bool,
    /// Heads and ends of the loops around.
    around: Vec<[String; 2]>,
    /// Variables that are not used yet: registers, and slots of the stack below 0.
    free: Vec<i32>,
    /// Labels of the loops' heads, by their level.
    heads: Vec<(usize, String)>,
}

impl Maker {
    /// A program of `seed`.
    pub fn program(seed: u64) -> String {
        Self::made(seed).draft.whole()
    }

    /// The same, of which registers are kept on the stack, where that has room.
    pub fn kept(seed: u64) -> String {
        let mut maker = Self::made(seed);
        let text = std::mem::take(&mut maker.draft).whole();
        if maker.ground == Ground::Stack {
            return text;
        }
        kept::kept(&mut maker.chance, &text, &maker.heads, (&PAIRS[..], maker.times))
    }

    fn made(seed: u64) -> Self {
        let mut chance = Chance::seeded(seed, 0x1e);
        let grounds = [Ground::Value, Ground::Value, Ground::Stack, Ground::Packet, Ground::Number];
        let ground = chance.of(&grounds);
        let times = chance.of(&[4, 4, 2, 3, -4, -8, 1, -1, 8, 8, 12]);
        let far = chance.below(12) == 0 && matches!(times, 2 | 4 | 8 | -4 | -8);
        let slips = chance.of(&[0, 0, 1, 1, 2]);
        let apart = chance.below(3) == 0;
        let calls = ground != Ground::Stack && chance.below(4) == 0;
        let mut free: Vec<i32> = if calls { vec![] } else { vec![3, 4, 5] };
        if ground != Ground::Stack {
            free.extend([-8, -16, -24, -32]);
        }
        let mut maker = Self {
            chance,
            draft: Draft::default(),
            forks: 0,
            ground,
            times,
            origin: if far { i64::MIN.checked_div(times.abs().into()).unwrap() * 2 } else { 0 },
            slips,
            calls,
            apart,
            around: Vec::new(),
            free,
            heads: Vec::new(),
        };
        if ground == Ground::Packet {
            maker.draft.code("r2 = *(u32 *)(r1 +0); r3 = *(u32 *)(r1 +4); *(u64 *)(r10 -64) = r2");
            maker.draft.code("r2 += 64; if r2 > r3 goto end");
        }
        maker.looped(0);
        maker.draft.code("end: r0 = 0; exit");
        maker
    }

    /// A loop at a level, and what it begins with.
    fn looped(&mut self, level: usize) {
        let pair = PAIRS[level];
        let [again, middle, next, on] = [(); 4].map(|()| self.draft.label());
        let (most, outer) = (self.most(), level.checked_sub(1).map(|outer| PAIRS[outer]));
        let by = match level {
            0 => self.chance.of(&[1, 1, 1, 2, -1]),
            _ => self.chance.of(&[-1, -1, -1, 1, -2, 2]),
        };
        let (low, high) = (self.small(3), most - 1 - self.small(3).min(most / 2));
        let start = if by > 0 { low } else { high };
        // It begins with constants, and is where the outer one is after some rounds.
        let late = self.apart && level == 1 && self.chance.in_all(2);
        match outer {
            Some(outer) if !late && !self.chance.in_all(3) => self.copy(pair, outer),
            _ => self.put(pair, start),
        }
        let twice = self.apart && level == 0;
        if twice {
            // Not what goes with it; the other entry is walked first.
            let other = self.small(most);
            self.number(pair[0], other);
        }
        // What brings something that is not seen in the first rounds: a line of variables.
        let mut line = Vec::new();
        if late || self.chance.in_all(2) {
            for _ in 0..1 + usize::from(late) + self.chance.below(3) {
                line.extend(self.variable());
            }
        }
        let fuel = if !line.is_empty() || self.chance.in_all(6) { self.variable() } else { None };
        for variable in line.iter().chain(&fuel) {
            self.write(*variable, "0");
        }
        if twice || (!late && self.chance.in_all(3)) {
            let to = if self.chance.in_all(4) { &middle } else { &again };
            self.fork(to);
            self.second_entry(pair, outer, if twice { Some(start) } else { None });
        }
        self.draft.place(&again);
        self.heads.push((level, again.clone()));
        if let Some(fuel) = fuel {
            let step = self.chance.of(&[1, 3]);
            let last = self.chance.of(&[20, 40, 60, 150]) + self.small(20);
            let register = self.add(fuel, step);
            self.draft.code(&format!("if {register} s> {last} goto {on}"));
        }
        let early = self.chance.in_all(3);
        if early {
            self.store(pair[1]);
            self.moves(pair, by);
        }
        self.around.push([next.clone(), on.clone()]);
        if twice {
            self.fork(&next);
        }
        self.inside(level, by, &middle);
        self.around.pop();
        if self.draft.lines < 2 * LINES && !early {
            self.store(pair[1]);
        }
        let end = if by > 0 { high } else { low } + self.slip().signum();
        if level > 0 && self.chance.in_all(2) {
            // The rounds end where the number does.
            let cond = if by > 0 { "s>=" } else { "s<=" };
            self.compare(pair[0], cond, end, &on);
        }
        self.draft.place(&next);
        if !early {
            self.moves(pair, by);
        }
        let goes_on = fuel.is_some() && (late || self.chance.in_all(2));
        if goes_on {
            let (cond, last) = if by > 0 { ("s>", high) } else { ("s<", 0) };
            self.compare(pair[0], cond, last, &on);
        }
        if !line.is_empty() {
            self.late(pair, outer, &line);
        }
        match (fuel, line.first()) {
            (Some(fuel), Some(first)) if late || self.chance.in_all(4) => {
                // Ways go back on which there is not as much fuel left.
                let register = self.read(*first);
                self.draft.code(&format!("if {register} != 0 goto {again}"));
                self.write(*first, "1");
                self.add(fuel, 1);
            }
            (_, Some(first)) => self.feed(*first),
            _ => {}
        }
        if goes_on {
            self.draft.code(&format!("goto {again}"));
        } else {
            let cond = if by > 0 { "s<" } else { "s>" };
            let cond = self.chance.of(&[cond, cond, cond, "!="]);
            self.compare(pair[0], cond, end, &again);
        }
        self.draft.place(&on);
        if level > 0 && (self.apart || self.chance.in_all(3)) {
            // No way goes on, which is not seen at once.
            self.draft.code("r0 = 0; if r0 == 0 goto end");
        }
        self.free.extend(line);
        self.free.extend(fuel);
    }

    /// Puts something into a line, if it begins with nothing.
    fn feed(&mut self, first: i32) {
        let over = self.draft.label();
        let register = self.read(first);
        self.draft.code(&format!("if {register} != 0 goto {over}"));
        self.write(first, "1");
        self.draft.place(&over);
    }

    /// What else a loop may begin with.
    fn second_entry(&mut self, pair: Pair, outer: Option<Pair>, at: Option<i32>) {
        let most = self.most();
        match outer {
            Some(outer) if self.chance.in_all(2) => self.copy(pair, outer),
            _ => {
                let start = at.unwrap_or_else(|| self.small(most));
                self.put(pair, start);
                if at.is_none() && self.chance.in_all(6) {
                    let other = self.small(most);
                    self.number(pair[0], other);
                }
            }
        }
    }

    /// What a round does, with another loop in it or none.
    fn inside(&mut self, level: usize, by: i32, middle: &str) {
        for _ in 0..self.chance.below(3) {
            self.item(level, by);
        }
        self.draft.place(middle);
        let deeper = match level {
            0 => true,
            1 => !self.calls && self.chance.in_all(3),
            _ => false,
        };
        if deeper && self.draft.lines < LINES {
            if (self.apart && level == 0) || self.chance.in_all(3) {
                self.joins();
            }
            if self.calls && self.chance.in_all(2) {
                self.function(PAIRS[level]);
            } else {
                self.looped(level + 1);
            }
        }
        for _ in 0..self.chance.below(3) {
            self.item(level, by);
        }
    }

    /// Once what was put into the line has come through it, the pair becomes another one.
    fn late(&mut self, pair: Pair, outer: Option<Pair>, line: &[i32]) {
        let over = self.draft.label();
        let last = *line.last().unwrap();
        let register = self.read(last);
        let value = self.chance.of(&[1, 1, 2]);
        self.draft.code(&format!("if {register} != {value} goto {over}"));
        match outer {
            Some(outer) if !self.chance.in_all(4) => self.copy(pair, outer),
            _ if self.chance.in_all(3) => self.moves(pair, 1),
            _ => {
                let at = self.small(self.most());
                self.put(pair, at);
            }
        }
        self.write(line[0], "2");
        self.draft.place(&over);
        for at in (1..line.len()).rev() {
            let what = self.read(line[at - 1]);
            self.write(line[at], &what);
        }
    }

    fn item(&mut self, level: usize, by: i32) {
        let over = self.draft.label();
        let pair = PAIRS[self.chance.below(level + 1)];
        let [next, end] = self.around[self.chance.below(level + 1)].clone();
        let at = self.small(self.most());
        match self.chance.below(12) {
            0 => self.fork(&next),
            1 => self.fork(&end),
            2 => {
                self.fork(&over);
                self.moves(pair, by);
            }
            3 | 4 => {
                self.guard(pair, &over, at);
                self.store(pair[1]);
            }
            5 => self.guard(pair, &next, at),
            6 => self.guard(pair, &end, at),
            7 => self.store(pair[1]),
            8 => {
                self.fork(&over);
                self.put(pair, at);
            }
            9 if level > 0 => {
                self.fork(&over);
                self.copy(PAIRS[level], PAIRS[level - 1]);
            }
            10 => self.fork("end"),
            _ => self.joins(),
        }
        self.draft.place(&over);
    }
}
