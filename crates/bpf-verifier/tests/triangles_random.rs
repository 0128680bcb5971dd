//! Loops whose rounds depend on the round of the loop around them, made at random: the bound
//! beside the longest run.

mod common;
#[path = "common/concrete.rs"]
mod concrete;
#[path = "bounds/longest.rs"]
mod longest;
#[path = "bounds/machine.rs"]
mod machine;

use std::fmt::Write;

use longest::{Outcome, beside_longest_run};

/// Where chance decides in a program, at the most.
const FORKS: u32 = 4;
/// Lines of a program, at the most: all profiles have room for these.
const LINES: usize = 240;
/// Bounds beyond are not compared: runs take too long.
const LONGEST: u64 = 80_000;

/// Numbers that look like chance.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        let factor = 6_364_136_223_846_793_005;
        self.0 = self.0.wrapping_mul(factor).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }
}

/// A program in the making. R6 is the outer number, R7 the inner one, R8 the one in that; R8
/// and R9 are others, too.
struct Maker {
    chance: Chance,
    labels: u32,
    forks: u32,
}

impl Maker {
    fn label(&mut self) -> String {
        self.labels += 1;
        format!("l{}", self.labels)
    }

    /// Leads to a label, or not.
    fn fork(&mut self, to: &str) -> String {
        let cond = self.chance.of(&["==", "!=", "s>", "s<", "&"]);
        if self.forks < FORKS && self.chance.below(4) > 0 {
            self.forks += 1;
            return format!("call 7\nif r0 {cond} {} goto {to}\n", self.chance.below(3));
        }
        let register = self.chance.of(&["r8", "r9", "r6", "r8"]);
        format!("if {register} {cond} {} goto {to}\n", self.chance.below(40))
    }

    /// Something that takes time.
    fn work(&mut self) -> String {
        let label = self.label();
        match self.chance.below(3) {
            0 => "r0 = 1\n".repeat(1 + self.chance.below(30)),
            1 => {
                let rounds = 2 + self.chance.below(60);
                format!("r1 = {rounds}\n{label}: r1 += -1\nif r1 != 0 goto {label}\n")
            }
            _ => String::from("r1 = 0\nr2 = 0\nr3 = 0\nr4 = 0\nr5 = 0\n"),
        }
    }

    fn small(&mut self) -> String {
        let lines = ["r8 += 1", "r8 = 3", "r9 = 1", "r8 = r6", "r9 ^= 1", "r9 = 0", "r8 += -1"];
        format!("{}\n", self.chance.of(&lines))
    }

    /// A loop that begins at the number of the one around it, mostly. `head` and `end` are of
    /// that one.
    fn inner(&mut self, head: &str, end: &str, nested: bool) -> String {
        let (outer, own) = if nested { ("7", "8") } else { ("6", "7") };
        let (again, on) = (self.label(), self.label());
        let some = self.chance.below(30);
        let start = match self.chance.below(10) {
            0..=3 => format!("r{own} = r{outer}\n"),
            4 => format!("r{own} = r{outer}\nr{own} += {some}\nr{own} += -10\n"),
            5 => format!("r{own} = r{outer}\nr{own} += r9\n"),
            6 => format!("r{own} = 39\n"),
            7 => format!("w{own} = w{outer}\n"),
            8 => format!("r{own} = r{outer}\nif r{own} s> {some} goto {head}\n"),
            _ => format!("r{own} = r{outer}\nif r{own} s< {some} goto {on}\n"),
        };
        let by = 1 + self.chance.below(3);
        let (step, more) = match self.chance.below(5) {
            0 => (String::from("-1"), format!("r{own} s> {}", self.chance.below(4))),
            1 => (format!("-{by}"), format!("r{own} s> 0")),
            2 => (String::from("1"), format!("r{own} s< {}", 30 + some)),
            3 => (by.to_string(), format!("r{own} s< {}", 30 + 2 * some)),
            _ => (String::from("1"), format!("w{own} s< {}", 30 + some)),
        };
        let step = format!("r{own} += {step}\n");
        let mut body = String::new();
        for _ in 0..self.chance.below(3) {
            let over = self.label();
            body += &match self.chance.below(7) {
                0 => self.fork(head),
                1 => self.fork(end),
                2 => self.fork(&on),
                3 => self.fork(&over) + &self.work() + &format!("{over}: r0 = 0\n"),
                4 => self.fork(&over) + &step + &format!("{over}: r0 = 0\n"),
                5 if !nested => self.inner(&again, &on, true),
                5 => self.small(),
                _ => self.work(),
            };
        }
        format!("{start}{again}: {step}{body}if {more} goto {again}\n{on}: r0 = 0\n")
    }

    fn item(&mut self, head: &str, end: &str) -> String {
        let over = self.label();
        match self.chance.below(9) {
            0..=3 => self.inner(head, end, false),
            4 => {
                let way = self.inner(head, end, false);
                self.fork(&over) + &way + &format!("{over}: r0 = 0\n")
            }
            5 => self.fork(&over) + &self.work() + &format!("{over}: r0 = 0\n"),
            6 => self.work() + &self.fork(head),
            7 => self.fork(end),
            _ => self.small(),
        }
    }

    fn text(&mut self) -> String {
        let first = self.chance.of(&["0", "5", "40", "1", "20"]);
        let mut out = format!("r8 = 0\nr9 = 1\nr6 = {first}\n");
        match self.chance.below(4) {
            0 => {
                let (small, work) = (self.small(), self.work());
                write!(out, "call 7\nif r0 == 0 goto head\n{small}{work}r0 = 0\n").unwrap();
            }
            1 => out += "call 7\nr6 = r0\nr6 &= 15\n",
            _ => {}
        }
        let (by, limit) = (1 + self.chance.below(3), self.chance.below(40));
        let (step, limit) = if self.chance.below(3) == 0 {
            (format!("r6 += -{by}\n"), format!("if r6 s< {} goto end\n", limit % 5))
        } else {
            (format!("r6 += {by}\n"), format!("if r6 s> {} goto end\n", 20 + limit))
        };
        let before = self.chance.below(2) == 0;
        write!(out, "head: r0 = 0\n{}{limit}", if before { &step } else { "" }).unwrap();
        for _ in 0..=self.chance.below(4) {
            out += &self.item("head", "end");
        }
        out + if before { "" } else { &step } + "goto head\nend: r0 = 0\nexit\n"
    }
}

#[test]
fn no_run_is_longer_than_its_bound() {
    let (mut compared, mut exact) = (0, 0);
    for seed in 400..900_u64 {
        let chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let text = Maker { chance, labels: 0, forks: 0 }.text();
        if text.lines().count() > LINES {
            continue;
        }
        if let Outcome::Compared { longest, bound, .. } =
            beside_longest_run(seed, &text, 5_000, LONGEST)
        {
            (compared, exact) = (compared + 1, exact + u32::from(longest == bound));
        }
    }
    println!("{compared} compared, {exact} exact");
    assert!(compared > 200 && exact > 80, "{compared} {exact}");
}
