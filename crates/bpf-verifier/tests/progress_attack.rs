//! Loops in loops that move one number in ways that almost show progress, made at random: what is
//! accepted ends, within its bound.

#![allow(clippy::format_push_string, reason = "texts are short")]

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
const LONGEST: u64 = 60_000;

/// A program in the making. R6 is the number, R7 a copy of it; R8 counts and R9 marks ways.
struct Maker {
    chance: Chance,
    labels: u32,
    /// Odd things that may still be put in.
    odd: u32,
    /// The outer loop goes up.
    up: bool,
    narrow: bool,
    first: i64,
    last: i64,
    functions: String,
}

impl Maker {
    fn label(&mut self) -> String {
        self.labels += 1;
        format!("l{}", self.labels)
    }

    fn is_odd(&mut self) -> bool {
        let is_so = self.odd > 0 && self.chance.below(4) == 0;
        self.odd -= u32::from(is_so);
        is_so
    }

    fn fork(&mut self, to: &str) -> String {
        let cond = self.chance.of(&["==", "!="]);
        format!("call 7\nif r0 {cond} {} goto {to}\n", self.chance.below(3))
    }

    fn work(&mut self) -> String {
        "r1 = 1\nr2 = 1\nr3 = 1\nr4 = 1\n".repeat(self.chance.below(3))
    }

    /// Joins ways, so that states are kept.
    fn meet(&mut self) -> String {
        let on = self.label();
        let fork = self.fork(&on);
        let set = self.chance.of(&["r9 ^= 1\n", "r9 = 1\n", "r9 = 0\n", "r8 = 1\n", "r0 = 0\n"]);
        let work = self.work();
        format!("{fork}{set}{on}: r0 = 0\n{work}")
    }

    /// Moves a register in a direction.
    fn step(&mut self, own: u32, up: bool) -> String {
        let way = if up { 1 } else { -1 };
        let by = self.chance.of(&[1, 1, 1, 2, 3]) * way;
        if self.is_odd() {
            return self.odd_step(own, by);
        }
        let short = if self.narrow || self.chance.below(6) == 0 { 'w' } else { 'r' };
        match self.chance.below(8) {
            0 => format!("r5 = r{own}\nr5 += {by}\nr{own} = r5\n"),
            1 => format!("{short}5 = {short}{own}\n{short}5 += {by}\n{short}{own} = {short}5\n"),
            _ => format!("{short}{own} += {by}\n"),
        }
    }

    fn odd_step(&mut self, own: u32, by: i32) -> String {
        let on = self.label();
        let fork = self.fork(&on);
        let (other, first, last) = (self.chance.of(&[6, 7, 8, 9]), self.first, self.last);
        match self.chance.below(26) {
            0 => format!("r{own} += {}\n", -by),
            1 => format!("r{own} += 0\n"),
            2 => format!("{fork}r{own} += {by}\n{on}: r0 = 0\n"),
            3 => format!("{fork}r{own} += {}\n{on}: r{own} += {by}\n", -by),
            4 => format!("{fork}r{own} += {}\n{on}: r{own} += {by}\n", -2 * by),
            5 => format!("r{own} = r{other}\n"),
            6 => format!("{fork}r{own} = r{other}\n{on}: r0 = 0\n"),
            7 => format!("w{own} = w{other}\nw{own} += {by}\n"),
            8 => format!("r{own} &= {}\n", self.chance.of(&[7, 15, 31, 255, 65535])),
            9 => format!("{fork}r{own} = {first}\n{on}: r{own} += {by}\n"),
            10 => format!("{fork}r{own} = {last}\n{on}: r{own} += {by}\n"),
            11 => format!("w5 = 0\nw5 -= w{own}\nw{own} = w5\n"),
            12 => format!("r5 = 0\nr5 -= r{own}\nr{own} = r5\nr{own} &= 31\n"),
            13 => format!("r{own} >>= 1\n"),
            14 => format!("r{own} <<= 1\n"),
            15 => format!("w{own} += {}\n", self.chance.of(&[0x7fff_ffff, -0x7fff_ffff, 1 << 30])),
            16 => format!("r{own} += {}\n", self.chance.of(&[0x7fff_ffff, -0x7fff_ffff, 1 << 30])),
            17 => format!("if r{own} != r{other} goto {on}\nr{own} += {by}\n{on}: r0 = 0\n"),
            18 => format!("{fork}r{other} = r{own}\nr{other} += {}\n{on}: r0 = 0\n", -by),
            19 => format!("r{own} += r0\n"),
            20 => format!("r{own} -= r0\n"),
            21 => format!("r{own} ^= 1\n"),
            22 => format!("w{own} = w{own}\n"),
            23 => format!("r{own} <<= 32\nr{own} s>>= 32\nr{own} += {by}\n"),
            24 => format!("r{own} = (s32)r{own}\nr{own} += {by}\n"),
            _ => format!("call 7\nr0 &= 3\nr{own} += r0\nr{own} += {}\n", -by),
        }
    }

    /// Keeps the number on the stack for a while, or some bytes of it.
    fn kept(&mut self, own: u32) -> String {
        let at = self.chance.of(&[-8, -24]);
        let on = self.label();
        let fork = self.fork(&on);
        let by = if self.up { 1 } else { -1 };
        let by = if self.is_odd() { self.chance.of(&[0, -by, -2 * by]) } else { by };
        let mut text = format!("*(u64 *)(r10 {at}) = r{own}\n");
        if self.chance.below(2) == 0 {
            text += &format!("r{own} = 0\n");
        }
        if self.is_odd() {
            let size = self.chance.of(&["u8", "u16", "u32"]);
            let more = self.chance.of(&[0, 0, 4]);
            let value = self.chance.of(&["r9", "r8", "r7", "r6"]);
            let some = self.fork(&on);
            text += &format!("{some}r1 = {value}\n*({size} *)(r10 {}) = r1\n", at + more);
        } else {
            text +=
                &format!("{fork}r1 = *(u64 *)(r10 {at})\nr1 += {by}\n*(u64 *)(r10 {at}) = r1\n");
        }
        let work = self.work();
        text += &format!("{on}: r0 = 0\n{work}");
        let size = if self.is_odd() { self.chance.of(&["u32", "u16", "u8"]) } else { "u64" };
        text + &format!("r{own} = *({size} *)(r10 {at})\n")
    }

    /// How an inner loop ends at a number.
    fn past(&mut self, own: u32, up: bool, to: &str) -> String {
        let (first, last) = (self.first.min(self.last), self.first.max(self.last));
        let end = if up {
            last - i64::from(self.chance.of(&[0, 1, 3, 5]))
        } else {
            first + i64::from(self.chance.of(&[0, 1, 3]))
        };
        let sign = if self.narrow && self.chance.below(2) == 0 { "" } else { "s" };
        let short = if self.narrow || self.is_odd() { 'w' } else { 'r' };
        let cond = if up { ">" } else { "<" };
        format!("if {short}{own} {sign}{cond} {end} goto {to}\n")
    }

    fn inner(&mut self, up: bool, deep: u32) -> String {
        let up = if self.is_odd() { !up } else { up };
        let own = self.chance.of(&[6, 6, 7]);
        let (again, on) = (self.label(), self.label());
        let mut start = String::new();
        if own == 7 {
            start += self.chance.of(&["r7 = r6\n", "r7 = r6\n", "w7 = w6\n"]);
            if self.is_odd() {
                let over = self.label();
                let fork = self.fork(&over);
                let by = self.chance.of(&[-1, 1, 2]);
                start += &format!("{fork}r7 += {by}\n{over}: r0 = 0\n");
            } else if self.chance.below(3) == 0 {
                start += &self.step(7, up);
            }
        }
        let mut body = String::new();
        for _ in 0..self.chance.below(3) {
            body += &match self.chance.below(7) {
                0 => self.fork(&on),
                1 => self.meet(),
                2 if deep < 2 => self.inner(up, deep + 1),
                3 => self.kept(own),
                4 => self.step(own, up),
                5 => self.other_exit(own, &on),
                _ => String::from("r9 = r9\n"),
            };
        }
        let step = self.step(own, up);
        let past = self.past(own, up, &on);
        let fork = self.fork(&on);
        let all = match self.chance.below(4) {
            0 => format!("{again}: {past}{fork}{step}{body}goto {again}\n"),
            1 => format!("{again}: {past}{fork}{body}{step}goto {again}\n"),
            2 => format!("{again}: {step}{past}{body}{fork}goto {again}\n"),
            _ => format!(
                "r8 = 0\n{again}: {past}{body}{step}r8 += 1\nif r8 s< {} goto {again}\n",
                2 + self.chance.below(4)
            ),
        };
        let mut back = String::new();
        if own == 7 {
            back += self.chance.of(&["r6 = r7\n", "r6 = r7\n", "w6 = w7\n"]);
            if self.is_odd() {
                let over = self.label();
                let fork = self.fork(&over);
                back = format!("{fork}{back}{over}: r0 = 0\n");
            }
        }
        format!("{start}{all}{on}: r0 = 0\n{back}")
    }

    /// Another way out, on which the number may become another.
    fn other_exit(&mut self, own: u32, to: &str) -> String {
        let over = self.label();
        let fork = self.fork(&over);
        let (first, odd) = (self.first, self.is_odd());
        let change = if odd {
            let by = if self.up { -1 } else { 1 };
            match self.chance.below(5) {
                0 => format!("r{own} = {first}\n"),
                1 => format!("r{own} += {by}\n"),
                2 => format!("r{own} = r9\n"),
                3 => format!("r{own} = r6\n"),
                _ => format!("w{own} += {by}\n"),
            }
        } else {
            self.step(own, self.up)
        };
        format!("{fork}{change}goto {to}\n{over}: r0 = 0\n")
    }

    /// A function that moves the number.
    fn called(&mut self) -> String {
        let name = format!("f{}", self.label());
        let by = if self.up { 1 } else { -1 };
        let (again, past) = (self.label(), self.label());
        let before = if self.is_odd() { self.odd_step(6, by) } else { String::new() };
        let (step, end) = (self.step(6, self.up), self.past(6, self.up, &past));
        let (fork, meet) = (self.fork(&past), self.meet());
        let behind = if self.is_odd() { self.odd_step(6, by) } else { String::new() };
        self.functions += &format!(
            "{name}: r6 = r1\nr7 = 0\nr8 = 0\nr9 = 0\n{before}{again}: {end}{fork}{meet}{step}\
             goto {again}\n{past}: r0 = 0\n{behind}r0 = r6\nexit\n"
        );
        let mut text = format!("r1 = r6\ncall {name}\nr6 = r0\n");
        if self.chance.below(3) == 0 {
            text = text.repeat(2);
        }
        text
    }

    /// Saves a copy before something, and takes that.
    fn saved(&mut self) -> String {
        let inner = self.inner(self.up, 1);
        let on = self.label();
        let fork = self.fork(&on);
        format!("r9 = r6\n{inner}{fork}r6 = r9\n{on}: r0 = 0\n")
    }

    /// An inner loop that goes on as it was said before it, on one way or another.
    fn flagged(&mut self) -> String {
        let (again, on, other, there) = (self.label(), self.label(), self.label(), self.label());
        let fork = self.fork(&again);
        let values = self.chance.of(&[(1, 0), (0, 1), (1, 2)]);
        let (by, odd) = (if self.up { 1 } else { -1 }, self.is_odd());
        let first = self.step(6, self.up);
        let second = if odd { self.odd_step(6, by) } else { self.step(6, self.up) };
        let (first, second) = self.chance.of(&[(&first, &second), (&second, &first)]);
        let (low, high) = (self.past(6, false, &on), self.past(6, true, &on));
        let out = self.fork(&on);
        let count = match self.chance.below(2) {
            0 => format!("r9 += 1\nif r9 s< {} goto {again}\n", 2 + self.chance.below(20)),
            _ => format!("goto {again}\n"),
        };
        let work = self.work();
        let behind = if self.chance.below(2) == 0 { self.step(6, self.up) } else { String::new() };
        format!(
            "r9 = 0\nr8 = {}\n{fork}r8 = {}\n{again}: {low}{high}{out}if r8 == 1 goto {other}\n\
             {first}goto {there}\n{other}: r0 = 0\n{second}{there}: r0 = 0\n{work}{count}\
             {on}: r0 = 0\n{behind}",
            values.0, values.1
        )
    }

    fn packet_step(&mut self) -> String {
        let on = self.label();
        let fork = self.fork(&on);
        let by = self.chance.of(&[1, 1, 2, 4]);
        let shown = "r1 = *(u8 *)(r6 +0)\n";
        if self.is_odd() {
            return match self.chance.below(8) {
                0 => "r6 += -1\n".into(),
                1 => format!("{fork}r6 += -1\n{on}: r6 += {by}\n"),
                2 => format!("{fork}r6 += -{by}\n{on}: r6 += {by}\n"),
                3 => "r6 = r7\n".into(),
                4 => format!("{fork}r6 = r7\n{on}: r0 = 0\n"),
                5 => format!("{shown}r1 &= 3\nr6 += r1\n"),
                6 => format!("{shown}r1 &= 3\nr6 -= r1\nr6 += {by}\n"),
                _ => "r6 += 0\n".into(),
            };
        }
        match self.chance.below(5) {
            0 => format!("{shown}r1 &= 3\nr6 += r1\nr6 += {by}\n"),
            1 => format!("{fork}r6 += {by}\n{on}: r6 += 1\n"),
            _ => format!("r6 += {by}\n"),
        }
    }

    fn packet_loop(&mut self, deep: u32) -> String {
        let (again, on) = (self.label(), self.label());
        let (fork, step, meet) = (self.fork(&on), self.packet_step(), self.meet());
        let meet = if self.chance.below(2) == 0 { meet } else { String::new() };
        let inner = match self.chance.below(3) {
            0 if deep < 2 => self.packet_loop(deep + 1),
            _ => String::new(),
        };
        let save = self.chance.of(&["", "r7 = r6\n", ""]);
        format!(
            "{save}{again}: r4 = r6\nr4 += 1\nif r4 > r8 goto {on}\n{fork}{inner}{step}{meet}\
             goto {again}\n{on}: r0 = 0\n"
        )
    }

    /// The number is an address in a packet.
    fn packet_text(&mut self) -> String {
        let mut body = String::new();
        for _ in 0..=self.chance.below(2) {
            body += &match self.chance.below(4) {
                0..=2 => self.packet_loop(0),
                _ => self.meet(),
            };
        }
        let save = self.chance.of(&["", "r7 = r6\n", ""]);
        let step = if self.chance.below(5) == 0 { String::new() } else { self.packet_step() };
        let body = body.replace("r8 = 1\n", "r9 = 1\n");
        format!(
            "r6 = *(u32 *)(r1 +0)\nr8 = *(u32 *)(r1 +4)\nr7 = r6\nr9 = 0\n\
             head: r4 = r6\nr4 += 1\nif r4 > r8 goto out\n{save}{body}r4 = r6\nr4 += 1\n\
             if r4 > r8 goto out\n{step}goto head\nout: r0 = 0\nexit\n"
        )
    }

    /// The outer loop keeps its number on the stack alone.
    fn on_stack(&mut self, body: &str, step: &str) -> String {
        let (first, last) = (self.first, self.last);
        let inside = if self.up { "<" } else { ">" };
        let slot = "*(u64 *)(r10 -40)";
        let by = if self.up { 1 } else { -1 };
        let over = self.label();
        let fork = self.fork(&over);
        let change = if self.is_odd() {
            match self.chance.below(6) {
                0 => "r1 = 1\n*(u8 *)(r10 -40) = r1\n".into(),
                1 => "r1 = 1\n*(u32 *)(r10 -40) = r1\n".into(),
                2 => format!("r1 = {first}\n{slot} = r1\n"),
                3 => format!("r1 = {slot}\nr1 += {}\n{slot} = r1\n", -by),
                4 => format!("r1 = {slot}\nr1 &= 15\n{slot} = r1\n"),
                _ => format!("{slot} = r9\n"),
            }
        } else {
            format!("r1 = {slot}\nr1 += {by}\n{slot} = r1\n")
        };
        let (work, more) = (self.work(), self.work());
        format!(
            "r6 = {first}\nr7 = {first}\nr8 = 0\nr9 = {first}\n*(u64 *)(r10 -8) = r6\n\
             *(u64 *)(r10 -24) = r6\n{slot} = r6\nr6 = 0\nhead: r6 = {slot}\n{body}\
             last: {slot} = r6\nr6 = 0\n{fork}{work}{change}{over}: r0 = 0\n{work}{more}\
             r6 = {slot}\n{step}{slot} = r6\nif r6 s{inside} {last} goto on_\nr0 = 0\nexit\n\
             on_: r6 = 0\ngoto head\nout: r0 = 0\nexit\n{}",
            self.functions
        )
    }

    fn text(&mut self) -> String {
        if self.chance.below(6) == 0 {
            return self.packet_text();
        }
        let mut body = String::new();
        for _ in 0..=self.chance.below(3) {
            body += &match self.chance.below(15) {
                12..15 => self.flagged(),
                0..=4 => self.inner(self.up, 0),
                5 => self.kept(6),
                6 => self.meet(),
                7 => self.step(6, self.up),
                8 => self.called(),
                9 if self.is_odd() => self.saved(),
                10 => self.other_exit(6, "last"),
                _ => self.inner(self.up, 1),
            };
        }
        let step = if self.chance.below(6) == 0 { String::new() } else { self.step(6, self.up) };
        let (first, last) = (self.first, self.last);
        if self.chance.below(3) == 0 {
            return self.on_stack(&body, &step);
        }
        let short = if self.narrow { 'w' } else { 'r' };
        let sign = if self.narrow && self.chance.below(2) == 0 { "" } else { "s" };
        let inside = if self.up { "<" } else { ">" };
        let end = match self.chance.below(3) {
            0 => {
                let sides = (first.min(last), first.max(last));
                format!(
                    "if {short}6 {sign}> {} goto out\nif {short}6 {sign}< {} goto out\ngoto head\n",
                    sides.1 + 3,
                    (sides.0 - 3).max(if sign.is_empty() { 0 } else { i64::from(i32::MIN) })
                )
            }
            _ => format!("if {short}6 {sign}{inside} {last} goto head\n"),
        };
        format!(
            "r6 = {first}\nr7 = {first}\nr8 = 0\nr9 = {first}\n*(u64 *)(r10 -8) = r6\n\
             *(u64 *)(r10 -24) = r6\nhead: r0 = 0\n{body}last: r0 = 0\n{step}{end}\
             out: r0 = 0\nexit\n{}",
            self.functions
        )
    }
}

fn maker(seed: u64) -> Maker {
    let mut chance = Chance::seeded(seed, 77);
    let up = chance.below(3) != 0;
    let narrow = chance.below(4) == 0;
    let span = i64::from(8 + u32::try_from(chance.below(30)).unwrap());
    let base = match chance.below(8) {
        0 if narrow => i64::from(i32::MAX) - span - 4,
        1 => -span / 2,
        2 => i64::from(i32::MIN) + 8,
        3 => i64::from(i32::MAX) - span - 4,
        _ => 0,
    };
    let (first, last) = if up { (base, base + span) } else { (base + span, base) };
    let odd = u32::try_from(chance.below(3)).unwrap();
    Maker { chance, labels: 0, odd, up, narrow, first, last, functions: String::new() }
}

#[test]
fn near_misses_end_within_their_bound() {
    let (first, count) = (number("SEED", 1), number("COUNT", 250));
    let (mut compared, mut summed, mut refused, mut many, mut far) = (0, 0, 0, 0, 0);
    let mut close = 0;
    for seed in first..first + count {
        let text = maker(seed).text();
        let steps = if seed % 2 == 0 { 4_000 } else { 12_000 };
        match beside_longest_run(seed, &text, steps, LONGEST) {
            Outcome::Refused => refused += 1,
            Outcome::Far => far += 1,
            Outcome::Many => many += 1,
            Outcome::Compared { longest, bound, processed } => {
                close += u32::from(longest * 10 > bound * 9);
                (compared, summed) = (compared + 1, summed + u32::from(processed < 500));
            }
        }
    }
    println!(
        "{compared} compared ({close} close), {summed} of these in few steps, {refused} refused, \
         {far} far, {many} many"
    );
    assert!(count < 250 || compared > 30 && summed > 10, "{compared} {summed}");
}
