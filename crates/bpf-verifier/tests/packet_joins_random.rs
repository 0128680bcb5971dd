//! Pointers into a packet that are compared with its end, kept on the stack and different on
//! ways that meet, made at random, beside where they really lead. Half of the programs have so
//! many ways in the middle that states are made one, or covered by what is kept of others.

mod common;

use std::fmt::Write;

use bpf_bytecode::BpfProgType;
use bpf_profile::ActiveProfile;
use bpf_verifier::Verifier;
use common::chance::Chance;
use common::{PACKET, program};

/// R4 to R7 point into the packet, and so do two slots of the stack.
const POINTERS: usize = 4;
const SLOTS: usize = 2;
/// What a pointer is compared with the end by.
const CONDS: [&str; 4] = ["<", "<=", ">", ">="];

#[derive(Clone, Copy)]
enum Part {
    Copy(usize, usize),
    Move(usize, i64),
    /// A number from 0 to 7 is added.
    Add(usize),
    Spill(usize, usize),
    Fill(usize, usize),
    /// The program ends where a comparison holds.
    Leave(usize, usize),
    /// Both ways go on, from either side of the comparison.
    Learn(usize, usize, bool),
}

/// What is done on every way, and then on either of two.
struct Section {
    all: Vec<Part>,
    ways: [Vec<Part>; 2],
}

/// What is wrong on some way, if it is.
#[derive(Clone, Copy)]
enum Last {
    /// An access to a byte that is not there.
    Load(usize, i64),
    /// That a comparison does not hold.
    Holds(usize, usize),
}

struct Made {
    base: i64,
    sections: Vec<Section>,
    /// In front of which section there are many ways.
    many: Option<usize>,
    last: Last,
}

impl Chance {
    fn pointer(&mut self) -> usize {
        self.below(POINTERS)
    }

    fn parts(&mut self, most: usize) -> Vec<Part> {
        (0..=self.below(most)).map(|_| self.part()).collect()
    }

    fn part(&mut self) -> Part {
        let at = self.pointer();
        match self.below(13) {
            0 | 1 => Part::Copy(at, self.pointer()),
            2 | 3 => Part::Move(at, self.of(&[-2, -1, 4, 8, 14])),
            4 => Part::Add(at),
            5 | 6 => Part::Spill(self.below(SLOTS), at),
            7 | 8 => Part::Fill(at, self.below(SLOTS)),
            9 | 10 => Part::Leave(self.below(4), at),
            _ => Part::Learn(self.below(4), at, self.below(2) == 0),
        }
    }

    fn made(&mut self) -> Made {
        let sections: Vec<_> = (0..2 + self.below(4))
            .map(|_| {
                let (all, one) = (self.parts(3), self.parts(4));
                // The same on both ways as often as not.
                let other = match self.below(3) {
                    0 => Vec::new(),
                    1 => one.clone(),
                    _ => self.parts(4),
                };
                Section { all, ways: [one, other] }
            })
            .collect();
        let many = (self.below(2) == 0).then(|| self.below(sections.len()));
        let last = match self.below(3) {
            0 => Last::Load(self.pointer(), self.of(&[0, -4, 3, 7, 12])),
            _ => Last::Holds(self.below(4), self.pointer()),
        };
        Made { base: self.of(&[0, 4, 14, 40]), sections, many, last }
    }
}

fn holds(cond: usize, at: i64, len: i64) -> bool {
    match CONDS[cond] {
        "<" => at < len,
        "<=" => at <= len,
        ">" => at > len,
        _ => at >= len,
    }
}

/// Where all that points into the packet does.
struct Places {
    pointers: [i64; POINTERS],
    slots: [i64; SLOTS],
}

impl Places {
    /// Does these things; whether the program goes on.
    fn go(&mut self, parts: &[Part], len: i64, chance: &mut Chance) -> bool {
        parts.iter().all(|part| {
            match *part {
                Part::Copy(to, from) => self.pointers[to] = self.pointers[from],
                Part::Move(at, by) => self.pointers[at] += by,
                Part::Add(at) => self.pointers[at] += i64::try_from(chance.below(8)).unwrap(),
                Part::Spill(slot, at) => self.slots[slot] = self.pointers[at],
                Part::Fill(at, slot) => self.pointers[at] = self.slots[slot],
                Part::Leave(cond, at) => return !holds(cond, self.pointers[at], len),
                Part::Learn(..) => {}
            }
            true
        })
    }
}

impl Made {
    /// One run over a packet of some length; whether all was right.
    fn run(&self, chance: &mut Chance) -> bool {
        let near = i64::try_from(chance.below(40)).unwrap();
        let len = near + if chance.below(4) == 0 { 0 } else { (self.base - 4).max(0) };
        let mut places = Places { pointers: [self.base; POINTERS], slots: [self.base; SLOTS] };
        for section in &self.sections {
            let way = chance.below(2);
            if !places.go(&section.all, len, chance) || !places.go(&section.ways[way], len, chance)
            {
                return true;
            }
        }
        match self.last {
            Last::Load(at, off) => (0..len).contains(&(places.pointers[at] + off)),
            Last::Holds(cond, at) => holds(cond, places.pointers[at], len),
        }
    }

    fn text(&self) -> String {
        let base = self.base;
        let mut out = format!("{PACKET}r4 = r2\nr4 += {base}\nr5 = r4\nr6 = r4\nr7 = r4\n");
        out += "*(u64 *)(r10 -8) = r4\n*(u64 *)(r10 -16) = r4\nr8 = 0\n";
        let mut labels = 0;
        for (at, section) in self.sections.iter().enumerate() {
            if self.many == Some(at) {
                for bit in 0..8 {
                    out += "r0 = *(u32 *)(r1 +16)\nr8 <<= 1\n";
                    writeln!(out, "if r0 > {bit} goto b{bit}\nr8 |= 1\nb{bit}: r0 = 0").unwrap();
                }
            }
            write(&section.all, &mut labels, &mut out);
            writeln!(out, "r0 = *(u32 *)(r1 +16)\nif r0 == 9 goto way{at}").unwrap();
            write(&section.ways[0], &mut labels, &mut out);
            writeln!(out, "r0 = 0\ngoto met{at}\nway{at}: r0 = 0").unwrap();
            write(&section.ways[1], &mut labels, &mut out);
            writeln!(out, "met{at}: r0 = 0").unwrap();
        }
        // What tells the ways apart matters at last.
        out += "if r8 > 1000 goto out\n";
        match self.last {
            Last::Load(at, off) => writeln!(out, "r0 = *(u8 *)(r{} {off:+})", at + 4),
            // R9 has no value.
            Last::Holds(cond, at) => {
                writeln!(out, "if r{} {} r3 goto out\nr0 = r9", at + 4, CONDS[cond])
            }
        }
        .unwrap();
        out + "out: r0 = 0\nexit"
    }
}

fn write(parts: &[Part], labels: &mut u32, out: &mut String) {
    for part in parts {
        *labels += 1;
        match *part {
            Part::Copy(to, from) => writeln!(out, "r{} = r{}", to + 4, from + 4),
            Part::Move(at, by) => writeln!(out, "r{} += {by}", at + 4),
            Part::Add(at) => {
                writeln!(out, "r0 = *(u32 *)(r1 +16)\nr0 &= 7\nr{} += r0", at + 4)
            }
            Part::Spill(slot, at) => writeln!(out, "*(u64 *)(r10 -{}) = r{}", 8 + 8 * slot, at + 4),
            Part::Fill(at, slot) => writeln!(out, "r{} = *(u64 *)(r10 -{})", at + 4, 8 + 8 * slot),
            Part::Leave(cond, at) => writeln!(out, "if r{} {} r3 goto out", at + 4, CONDS[cond]),
            Part::Learn(cond, at, first) => {
                let (pointer, end) = (format!("r{}", at + 4), String::from("r3"));
                let (a, b) = if first { (pointer, end) } else { (end, pointer) };
                let (cond, label) = (CONDS[cond], *labels);
                writeln!(out, "if {a} {cond} {b} goto q{label}\nr0 = 0\nr0 = 0\nq{label}: r0 = 1")
            }
        }
        .unwrap();
    }
}

#[test]
fn what_is_known_of_a_packet_is_true() {
    let (mut chance, mut accepted, mut refused) = (Chance(3), 0, 0);
    for _ in 0..1500 {
        let made = chance.made();
        let text = made.text();
        let program = program(BpfProgType::Xdp, &text);
        let verdict = Verifier::<ActiveProfile>::new().step_limit(20_000).verify(&program);
        let right = (0..100).all(|_| made.run(&mut chance));
        match verdict {
            Ok(()) => {
                accepted += 1;
                assert!(right, "{text}");
            }
            Err(_) => refused += u32::from(!right),
        }
    }
    println!("{accepted} accepted, {refused} refused with reason");
    assert!(accepted > 300 && refused > 600, "{accepted} {refused}");
}
