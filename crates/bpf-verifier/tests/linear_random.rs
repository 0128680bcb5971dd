//! Loops that move an address in a fixed ratio to a number, or almost so, made at random, beside
//! every run that they may have: none leaves the stack, and none is longer than its bound.

mod common;
#[path = "common/concrete.rs"]
mod concrete;
#[path = "bounds/machine.rs"]
mod machine;

use bpf_bytecode::BpfProgType;
use bpf_profile::ActiveProfile;
use bpf_verifier::{StackPolicy, Verifier};
use common::chance::Chance;
use common::program;
use machine::Machine;

/// Bytes of a frame: the machine fails on accesses elsewhere.
const FRAME: i32 = 64;
/// Programs that are made, and others that were accepted once and leave it.
const SEEDS: u64 = 1_000;
const FOUND: [u64; 1] = [67_774];
/// Where chance decides in a program, at the most.
const FORKS: u32 = 4;
/// Lines of a program, at the most.
const LINES: usize = 120;

/// A program in the making. R6 is the outer number and R8 the address that goes with it, R7 and
/// R9 are those of the inner loop; R2 to R5 are not used.
struct Maker {
    chance: Chance,
    labels: u32,
    forks: u32,
    times: i32,
}

impl Maker {
    fn label(&mut self) -> String {
        self.labels += 1;
        format!("l{}", self.labels)
    }

    fn small(&mut self, most: i32) -> i32 {
        i32::try_from(self.chance.below(usize::try_from(most).unwrap())).unwrap()
    }

    /// Mostly nothing.
    fn slip(&mut self) -> i32 {
        self.chance.of(&[0, 0, 0, 0, 0, 0, 0, 0, 1, -1])
    }

    /// Leads to a label, or not.
    fn fork(&mut self, to: &str) -> String {
        if self.forks < FORKS {
            self.forks += 1;
            return format!("call 7\nif r0 == {} goto {to}\n", self.small(3));
        }
        format!("if r6 s> {} goto {to}\n", self.small(16))
    }

    /// The number is `at`, and the address what goes with that.
    fn begin(&mut self, at: i32, base: i32) -> String {
        let off = base + self.times * at + self.slip();
        format!("r6 = {at}\nr8 = r10\nr8 += {off}\n")
    }

    /// Both are moved, in proportion.
    fn moves(&mut self, (number, address): (&str, &str), by: i32) -> String {
        let much = by * self.times + self.slip();
        match self.chance.below(3) {
            0 => format!("r{address} += {much}\nr{number} += {by}\n"),
            _ => format!("r{number} += {by}\nr{address} += {much}\n"),
        }
    }

    fn store(&mut self, address: &str) -> String {
        let off = self.chance.of(&[0, 0, 0, 0, 0, 1, -1]);
        format!("*(u8 *)(r{address} {off:+}) = 0\n")
    }

    fn guard(&mut self, number: &str, to: &str) -> String {
        let cond = self.chance.of(&["s>", "s<", ">", "<", "==", "!="]);
        let width = self.chance.of(&["r", "r", "w"]);
        format!("if {width}{number} {cond} {} goto {to}\n", self.small(16))
    }

    fn inner(&mut self, ends: (&str, &str)) -> String {
        let (again, on) = (self.label(), self.label());
        let (less, slip) = (self.chance.of(&[0, 0, 1, -1]), self.slip());
        let mut out = match self.chance.below(6) {
            0 => format!("r7 = {}\nr9 = r8\n", self.small(12)),
            1 => format!("w7 = w6\nr9 = r8\nr9 += {slip}\n"),
            _ => format!("r7 = r6\nr7 += {less}\nr9 = r8\nr9 += {}\n", less * self.times + slip),
        };
        let by = self.chance.of(&[-1, -1, -1, 1, -2, 2]);
        if self.chance.below(4) == 0 {
            out += &self.guard("7", &on);
        }
        out = out + &again + ": r0 = 0\n";
        let moves = self.moves(("7", "9"), by);
        let before = self.chance.below(2) == 0;
        out += if before { &moves } else { "" };
        for _ in 0..self.chance.below(4) {
            let over = self.label();
            out += &match self.chance.below(6) {
                0 => self.fork(ends.0),
                1 => self.fork(ends.1),
                2 => self.fork(&on),
                3 => self.fork(&over) + &self.moves(("7", "9"), by) + &format!("{over}: r0 = 0\n"),
                4 => self.guard("7", &over) + &self.store("9") + &format!("{over}: r0 = 0\n"),
                _ => self.store("9"),
            };
        }
        out += &self.store("9");
        out += if before { "" } else { &moves };
        let end = self.small(3) + if by > 0 { 10 } else { 0 };
        let cond = if by > 0 { "s<" } else { "s>" };
        let cond = self.chance.of(&[cond, cond, "!="]);
        out + &format!("if r7 {cond} {end} goto {again}\n{on}: r0 = 0\n")
    }

    fn item(&mut self, base: i32, head: &str, end: &str) -> String {
        let over = self.label();
        let on = format!("{over}: r0 = 0\n");
        match self.chance.below(12) {
            0..=4 => self.inner((head, end)),
            5 => self.fork(&over) + &self.inner((head, end)) + &on,
            6 => self.store("8"),
            7 => self.guard("6", &over) + &self.store("8") + &on,
            8 => self.fork(end),
            9 => self.fork(&over) + &self.moves(("6", "8"), 1) + &on,
            10 => {
                let at = self.small(14);
                self.fork(&over) + &self.begin(at, base) + &on
            }
            _ => self.guard("6", head),
        }
    }

    fn text(&mut self) -> String {
        self.times = self.chance.of(&[4, 4, 2, 3, -4, 1, -1, 8]);
        let most = FRAME / self.times.abs();
        let (first, last) = (self.small(3), most - self.small(4));
        let base = if self.times > 0 { -FRAME } else { -1 } + self.chance.of(&[0, 0, 0, 4, -4, 1]);
        let mut out = self.begin(first, base);
        if self.chance.below(3) == 0 {
            let (at, over) = (self.small(6), self.label());
            out += &(self.fork(&over) + &self.begin(at, base) + &format!("{over}: r0 = 0\n"));
        }
        let (first, last, by) = match self.chance.below(4) {
            0 => (last, first, -1),
            _ => (first, last, self.chance.of(&[1, 1, 1, 2])),
        };
        if by < 0 {
            out = self.begin(first, base);
        }
        out += "head: r0 = 0\n";
        for _ in 0..=self.chance.below(3) {
            out += &self.item(base, "next", "end");
        }
        out += "next: r0 = 0\n";
        out += &self.moves(("6", "8"), by);
        let cond = if by > 0 { "s<" } else { "s>" };
        let cond = self.chance.of(&[cond, cond, "!="]);
        out + &format!("if r6 {cond} {last} goto head\nend: r0 = 0\nexit\n")
    }
}

#[test]
fn no_run_leaves_the_stack() {
    let policy = StackPolicy::new::<ActiveProfile>(64, 64, 1).expect("a small stack");
    let (mut accepted, mut refused) = (0, 0);
    for seed in (0..SEEDS).chain(FOUND) {
        let chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let text = Maker { chance, labels: 0, forks: 0, times: 0 }.text();
        if text.lines().count() > LINES {
            continue;
        }
        let program = program(BpfProgType::Xdp, &text);
        let verifier = Verifier::<ActiveProfile>::new().stack_policy(policy).step_limit(5_000);
        let Ok(verified) = verifier.verify_program(&program) else {
            refused += 1;
            continue;
        };
        accepted += 1;
        let bound = verified.info().max_insns;
        let longest = std::panic::catch_unwind(|| Machine::new(&program, 0).longest());
        let longest = longest.unwrap_or_else(|_| panic!("seed {seed} leaves the stack\n{text}"));
        if let Some(longest) = longest {
            assert!(longest <= bound, "seed {seed}: {longest}, the bound is {bound}\n{text}");
        }
    }
    println!("{accepted} accepted, {refused} refused");
    assert!(accepted > 100 && refused > 100, "{accepted} {refused}");
}
