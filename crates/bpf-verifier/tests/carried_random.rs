//! Nests of loops that move a pointer, or a number that is added to one, made at random,
//! beside what they really do.
//!
//! Pointers into packets are moved by unknown numbers, too, and compared with the end before
//! each access. What is left to go wrong is an access in front of the packet, and a comparison
//! of an address so far behind its start that the sum might wrap.

mod common;

use std::collections::BTreeSet;
use std::fmt::Write;

use bpf_bytecode::BpfProgType;
use bpf_profile::ActiveProfile;
use bpf_verifier::Verifier;
use common::{LOOKUP, PACKET, program};

/// Bytes that the pointer may access.
const SIZE: i32 = 48;
/// Lines of a nest.
const LONGEST: usize = 150;
/// Loops in loops, at the most: each has a register for its count.
const DEPTH: usize = 3;

/// What is moved.
#[derive(Clone, Copy, PartialEq)]
enum Moved {
    /// A pointer to the value of a map.
    Pointer,
    /// A number that is added to that.
    Number,
    /// A pointer into a packet, so far behind its start at first.
    Packet(i32),
}

impl Moved {
    const fn is_packet(self) -> bool {
        matches!(self, Self::Packet(_))
    }

    /// Where an access of four bytes is fine.
    const fn fine(self) -> core::ops::RangeInclusive<i32> {
        match self {
            Self::Packet(base) => -base..=0xffff - 4 - base,
            _ => 0..=SIZE - 4,
        }
    }
}

enum Part {
    Move(i32),
    Store,
    /// Back to the start, and so far from there.
    Reset(i32),
    /// To somewhere from the start on up to so far, by fours.
    Anywhere(i32),
    /// A way that may be taken or not.
    Maybe(Vec<Self>),
    Loop(u32, Vec<Self>),
    /// A number from 0 on up to so much is added, by fours, or taken away.
    Add(i32),
    Sub(i32),
    /// One way or the other.
    Either(Vec<Self>, Vec<Self>),
}

/// Numbers that look like chance.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % limit
    }

    fn index(&mut self, limit: u64) -> usize {
        usize::try_from(self.below(limit)).unwrap()
    }

    fn parts(&mut self, moved: Moved, depth: usize) -> Vec<Part> {
        let most = if moved.is_packet() { 2 } else { 3 };
        (0..=self.below(most)).map(|_| self.part(moved, depth)).collect()
    }

    fn part(&mut self, moved: Moved, depth: usize) -> Part {
        const STEPS: [i32; 6] = [4, 4, 8, -4, 1, 0];
        if moved.is_packet() {
            let most = [4, 12, 28][self.index(3)];
            match self.below(12) {
                0..=3 => return Part::Add(most),
                4 => return Part::Sub(most),
                5..=7 => return Part::Either(self.parts(moved, depth), self.parts(moved, depth)),
                _ => {}
            }
        }
        match self.below(10) {
            0..=2 => Part::Store,
            3..=5 => Part::Move(STEPS[self.index(6)]),
            6 if self.below(2) == 0 => Part::Anywhere([4, 12, 28][self.index(3)]),
            6 => Part::Reset(i32::try_from(self.below(12)).unwrap() * 4),
            7 => Part::Maybe(self.parts(moved, depth)),
            _ if depth == DEPTH || (depth == 2 && moved.is_packet()) => Part::Store,
            _ => {
                Part::Loop(u32::try_from(self.below(14)).unwrap() + 1, self.parts(moved, depth + 1))
            }
        }
    }
}

/// Where the pointer can be afterwards; none, if an access can fail on the way.
fn run(moved: Moved, parts: &[Part], at: BTreeSet<i32>) -> Option<BTreeSet<i32>> {
    let moves = |at: &BTreeSet<i32>, most: i32, sign: i32| {
        let numbers = || (0..=most).step_by(4);
        at.iter().flat_map(|off| numbers().map(move |by| off + sign * by)).collect()
    };
    parts.iter().try_fold(at, |at, part| match part {
        Part::Move(by) => Some(at.iter().map(|off| off + by).collect()),
        Part::Store => at.iter().all(|off| moved.fine().contains(off)).then_some(at),
        Part::Reset(to) => Some(BTreeSet::from([*to])),
        Part::Anywhere(most) => Some((0..=*most).step_by(4).collect()),
        Part::Maybe(inner) => Some(&run(moved, inner, at.clone())? | &at),
        Part::Loop(rounds, inner) => (0..*rounds).try_fold(at, |at, _| run(moved, inner, at)),
        Part::Add(most) => Some(moves(&at, *most, 1)),
        Part::Sub(most) => Some(moves(&at, *most, -1)),
        Part::Either(one, other) => Some(&run(moved, one, at.clone())? | &run(moved, other, at)?),
    })
}

fn write(parts: &[Part], moved: Moved, depth: usize, labels: &mut u32, out: &mut String) {
    let number = moved == Moved::Number;
    for part in parts {
        *labels += 1;
        let label = *labels;
        match part {
            Part::Move(by) => writeln!(out, "r6 += {by}"),
            Part::Store if number => {
                writeln!(out, "r1 = *(u64 *)(r10 -16)\nr1 += r6\n*(u32 *)(r1 +0) = 1")
            }
            Part::Store if moved == Moved::Pointer => writeln!(out, "*(u32 *)(r6 +0) = 1"),
            Part::Store => {
                let compared = "r3 = *(u64 *)(r10 -24)\nr4 = r6\nr4 += 4\nif r4 > r3 goto out";
                writeln!(out, "{compared}\nr4 = *(u32 *)(r6 +0)")
            }
            Part::Reset(to) if number => writeln!(out, "r6 = {to}"),
            Part::Anywhere(most) if number => writeln!(out, "call 7\nr0 &= {most}\nr6 = r0"),
            Part::Anywhere(most) => {
                writeln!(out, "call 7\nr0 &= {most}\nr6 = *(u64 *)(r10 -16)\nr6 += r0")
            }
            Part::Reset(to) => writeln!(out, "r6 = *(u64 *)(r10 -16)\nr6 += {to}"),
            Part::Maybe(inner) => {
                writeln!(out, "call 7\nif r0 == 7 goto l{label}").unwrap();
                write(inner, moved, depth, labels, out);
                writeln!(out, "l{label}:")
            }
            Part::Loop(rounds, inner) => {
                let count = 7 + depth;
                writeln!(out, "r{count} = 0\nl{label}:").unwrap();
                write(inner, moved, depth + 1, labels, out);
                writeln!(out, "r{count} += 1\nif r{count} != {rounds} goto l{label}")
            }
            Part::Add(most) => writeln!(out, "call 7\nr0 &= {most}\nr6 += r0"),
            Part::Sub(most) => writeln!(out, "call 7\nr0 &= {most}\nr6 -= r0"),
            Part::Either(one, other) => {
                writeln!(out, "call 7\nif r0 == 7 goto l{label}").unwrap();
                write(one, moved, depth, labels, out);
                writeln!(out, "goto m{label}\nl{label}:").unwrap();
                write(other, moved, depth, labels, out);
                writeln!(out, "m{label}:\nr0 = 0\nr1 = 0\nr4 = 0\nr5 = 0")
            }
        }
        .unwrap();
    }
}

#[test]
fn what_is_accepted_stays_inside() {
    random_nests(|_| Moved::Pointer, 400, (100, 15));
    random_nests(|_| Moved::Number, 400, (80, 15));
    let bases = [0, 40, 200, 0xffff - 60, 0xffff - 200];
    random_nests(|chance| Moved::Packet(bases[chance.index(5)]), 150, (40, 4));
}

/// What lies where all nests begin, with an address that they go back to on the stack.
fn before(moved: Moved) -> String {
    match moved {
        Moved::Packet(base) => {
            format!("{PACKET}\n*(u64 *)(r10 -24) = r3\nr2 += {base}\n*(u64 *)(r10 -16) = r2")
        }
        _ => format!("{LOOKUP}\nif r0 == 0 goto out\n*(u64 *)(r10 -16) = r0"),
    }
}

fn random_nests(moved: impl Fn(&mut Chance) -> Moved, nests: u32, least: (u32, u32)) {
    let (mut chance, mut accepted, mut refused, mut summed) = (Chance(1), 0, 0, 0);
    for _ in 0..nests {
        let moved = moved(&mut chance);
        let (prog_type, rounds) = match moved {
            Moved::Packet(_) => (BpfProgType::Xdp, 30),
            _ => (BpfProgType::SocketFilter, 14),
        };
        let parts = vec![
            Part::Reset(i32::try_from(chance.below(6)).unwrap() * 8),
            Part::Loop(u32::try_from(chance.below(rounds)).unwrap() + 1, chance.parts(moved, 1)),
            Part::Loop(u32::try_from(chance.below(rounds)).unwrap() + 1, chance.parts(moved, 1)),
        ];
        let mut body = String::new();
        write(&parts, moved, 0, &mut 0, &mut body);
        if body.lines().count() > LONGEST {
            continue;
        }
        let text = format!("{}\n{body}out: r0 = 0\nexit", before(moved));
        let program = program(prog_type, &text);
        let result = Verifier::<ActiveProfile>::new().step_limit(5000).verify_program(&program);
        let inside = run(moved, &parts, BTreeSet::new()).is_some();
        match result {
            Ok(verified) => {
                accepted += 1;
                assert!(inside, "{text}");
                let info = verified.info();
                summed += u32::from(info.max_insns > 3 * info.processed);
            }
            Err(_) => refused += 1,
        }
    }
    println!("{accepted} accepted, {refused} refused, {summed} by summaries");
    assert!(accepted > least.0 && refused > 40 && summed > least.1);
}
