//! Loops in loops that move one number, made at random: what is accepted ends, within its bound.

mod common;
#[path = "common/concrete.rs"]
mod concrete;
#[path = "bounds/longest.rs"]
mod longest;
#[path = "bounds/machine.rs"]
mod machine;

use common::chance::Chance;
use common::number;
use longest::{Outcome, beside_longest_run};

/// Bounds beyond are not compared: runs take too long.
const LONGEST: u64 = 40_000;

/// A program in the making. R6 is the number, R7 what inner loops move in its place, R8 and R9
/// are others.
struct Maker {
    chance: Chance,
    labels: u32,
}

impl Maker {
    fn label(&mut self) -> String {
        self.labels += 1;
        format!("l{}", self.labels)
    }

    /// Leads to a label, or not.
    fn fork(&mut self, to: &str) -> String {
        let cond = self.chance.of(&["==", "!="]);
        format!("call 7\nif r0 {cond} {} goto {to}\n", self.chance.below(3))
    }

    /// Moves a register, mostly up, if the loop goes up.
    fn step(&mut self, own: u32, up: bool) -> String {
        let way = if up { 1 } else { -1 };
        let more = [1, 1, 1, 2, 3, 0, -1, 7];
        let by = self.chance.of(&more) * way;
        match self.chance.below(16) {
            0 => format!("w{own} += {by}\n"),
            1 => format!("r{own} = {}\n", self.chance.below(20)),
            2 => format!("r{own} &= 15\n"),
            3 => format!("r{own} = r8\n"),
            4 => format!("r{own} <<= 32\nr{own} >>= 32\n"),
            _ => format!("r{own} += {by}\n"),
        }
    }

    /// A step on one way only.
    fn way(&mut self, own: u32, up: bool) -> String {
        let over = self.label();
        let (fork, step) = (self.fork(&over), self.step(own, up));
        let other = if self.chance.below(3) == 0 { self.step(own, up) } else { String::new() };
        let work = "r1 = 1\nr2 = 1\nr3 = 1\n".repeat(self.chance.below(3));
        format!("{fork}{step}{over}: r0 = 0\n{work}{other}")
    }

    fn small(&mut self) -> String {
        let lines = ["r8 += 1", "r8 = 3", "r8 = r6", "r8 = 0", "r8 = r7", "r8 &= 7", "r0 = 0"];
        format!("{}\n", self.chance.of(&lines))
    }

    /// Keeps a register on the stack for a while.
    fn kept(&mut self, own: u32) -> String {
        let over = self.label();
        let (fork, by) = (self.fork(&over), self.chance.of(&[0, 1, 1, -1]));
        format!(
            "*(u64 *)(r10 -8) = r{own}\nr{own} = 0\n{fork}r1 = *(u64 *)(r10 -8)\nr1 += {by}\n\
             *(u64 *)(r10 -8) = r1\n{over}: r{own} = *(u64 *)(r10 -8)\n"
        )
    }

    /// An inner loop that moves R6, or a copy of it.
    fn inner(&mut self, up: bool, nested: bool) -> String {
        let own = if self.chance.below(3) == 0 { 6 } else { 7 };
        let (again, on) = (self.label(), self.label());
        let mut start = String::new();
        if own == 7 {
            let over = self.label();
            let copy = self.chance.of(&["r7 = r6\n", "r7 = r6\n", "w7 = w6\n", ""]);
            let more = self.chance.of(&[0, 0, 1, -1, 2]);
            start = match self.chance.below(5) {
                0 => {
                    let fork = self.fork(&over);
                    format!("{copy}{fork}r7 += {more}\n{over}: r0 = 0\n")
                }
                1 => self.fork(&over) + &format!("r7 = r8\n{over}: r0 = 0\n"),
                _ => format!("{copy}r7 += {more}\n"),
            };
        }
        let up = if self.chance.below(12) == 0 { !up } else { up };
        let end = if up { 12 + self.chance.below(20) } else { self.chance.below(6) };
        let (past, inside) = if up { ("s>", "s<") } else { ("s<", "s>") };
        let mut body = String::new();
        for _ in 0..self.chance.below(3) {
            body += &match self.chance.below(5) {
                0 | 1 => self.way(own, up),
                2 if !nested => self.inner(up, true),
                2 | 3 => self.fork(&on),
                _ => self.small(),
            };
        }
        let step = self.step(own, up);
        let all = match self.chance.below(4) {
            0 => format!("{again}: if r{own} {past} {end} goto {on}\n{body}{step}goto {again}\n"),
            1 => format!("{again}: {step}{body}if r{own} {inside} {end} goto {again}\n"),
            2 => format!(
                "r9 = 0\n{again}: {body}{step}r9 += 1\nif r9 s< {} goto {again}\n",
                2 + self.chance.below(5)
            ),
            _ => {
                let fork = self.fork(&on);
                format!(
                    "{again}: if r{own} {past} {end} goto {on}\n{fork}{step}{body}goto {again}\n"
                )
            }
        };
        let back = self.chance.of(&["r6 = r7\n", "r6 = r7\n", "w6 = w7\n", "r6 += 0\n"]);
        let back = if own == 7 { back } else { "" };
        format!("{start}{all}{on}: r0 = 0\n{back}")
    }

    fn text(&mut self) -> String {
        let up = self.chance.below(4) != 0;
        let (first, limit) = if up { (0, 15 + self.chance.below(25)) } else { (30, 1) };
        let mut body = String::new();
        for _ in 0..=self.chance.below(3) {
            body += &match self.chance.below(8) {
                0..=3 => self.inner(up, false),
                4 => self.way(6, up),
                5 => self.kept(6),
                6 => self.small(),
                _ => self.step(6, up),
            };
        }
        let step = if self.chance.below(3) == 0 { String::new() } else { self.step(6, up) };
        let inside = if up { "s<" } else { "s>" };
        format!(
            "r6 = {first}\nr7 = 0\nr8 = 0\nr9 = 0\nhead: r0 = 0\n{body}{step}\
             if r6 {inside} {limit} goto head\nr0 = 0\nexit\n"
        )
    }
}

#[test]
fn what_is_accepted_ends_within_its_bound() {
    let (first, count) = (number("SEED", 1), number("COUNT", 1500));
    let (mut compared, mut summed, mut endless) = (0, 0, 0);
    for seed in first..first + count {
        let text = Maker { chance: Chance::seeded(seed, 33), labels: 0 }.text();
        match beside_longest_run(seed, &text, 4_000, LONGEST) {
            Outcome::Refused => endless += 1,
            Outcome::Compared { processed, .. } => {
                (compared, summed) = (compared + 1, summed + u32::from(processed < 500));
            }
            Outcome::Far | Outcome::Many => {}
        }
    }
    println!("{compared} compared, {summed} of these in few steps, {endless} refused");
    assert!(count < 1500 || compared > 300 && summed > 100, "{compared} {summed}");
}
