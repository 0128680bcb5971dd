//! Nests of loops that move a pointer, or a number that is added to one, made at random,
//! beside what they really do.

mod common;

use std::collections::BTreeSet;
use std::fmt::Write;

use bpf_profile::ActiveProfile;
use bpf_verifier::Verifier;
use common::{LOOKUP, program};

/// Bytes that the pointer may access.
const SIZE: i32 = 48;
/// Loops in loops, at the most: each has a register for its count.
const DEPTH: usize = 3;

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

    fn parts(&mut self, depth: usize) -> Vec<Part> {
        (0..=self.below(3)).map(|_| self.part(depth)).collect()
    }

    fn part(&mut self, depth: usize) -> Part {
        const STEPS: [i32; 6] = [4, 4, 8, -4, 1, 0];
        match self.below(10) {
            0..=2 => Part::Store,
            3..=5 => Part::Move(STEPS[self.index(6)]),
            6 if self.below(2) == 0 => Part::Anywhere([4, 12, 28][self.index(3)]),
            6 => Part::Reset(i32::try_from(self.below(12)).unwrap() * 4),
            7 => Part::Maybe(self.parts(depth)),
            _ if depth == DEPTH => Part::Store,
            _ => Part::Loop(u32::try_from(self.below(14)).unwrap() + 1, self.parts(depth + 1)),
        }
    }
}

/// Where the pointer can be afterwards; none, if an access can fail on the way.
fn run(parts: &[Part], at: BTreeSet<i32>) -> Option<BTreeSet<i32>> {
    parts.iter().try_fold(at, |at, part| match part {
        Part::Move(by) => Some(at.iter().map(|off| off + by).collect()),
        Part::Store => at.iter().all(|off| (0..=SIZE - 4).contains(off)).then_some(at),
        Part::Reset(to) => Some(BTreeSet::from([*to])),
        Part::Anywhere(most) => Some((0..=*most).step_by(4).collect()),
        Part::Maybe(inner) => Some(&run(inner, at.clone())? | &at),
        Part::Loop(rounds, inner) => (0..*rounds).try_fold(at, |at, _| run(inner, at)),
    })
}

fn write(parts: &[Part], number: bool, depth: usize, labels: &mut u32, out: &mut String) {
    for part in parts {
        *labels += 1;
        let label = *labels;
        match part {
            Part::Move(by) => writeln!(out, "r6 += {by}"),
            Part::Store if number => {
                writeln!(out, "r1 = *(u64 *)(r10 -16)\nr1 += r6\n*(u32 *)(r1 +0) = 1")
            }
            Part::Store => writeln!(out, "*(u32 *)(r6 +0) = 1"),
            Part::Reset(to) if number => writeln!(out, "r6 = {to}"),
            Part::Anywhere(most) if number => writeln!(out, "call 7\nr0 &= {most}\nr6 = r0"),
            Part::Anywhere(most) => {
                writeln!(out, "call 7\nr0 &= {most}\nr6 = *(u64 *)(r10 -16)\nr6 += r0")
            }
            Part::Reset(to) => writeln!(out, "r6 = *(u64 *)(r10 -16)\nr6 += {to}"),
            Part::Maybe(inner) => {
                writeln!(out, "call 7\nif r0 == 7 goto l{label}").unwrap();
                write(inner, number, depth, labels, out);
                writeln!(out, "l{label}:")
            }
            Part::Loop(rounds, inner) => {
                let count = 7 + depth;
                writeln!(out, "r{count} = 0\nl{label}:").unwrap();
                write(inner, number, depth + 1, labels, out);
                writeln!(out, "r{count} += 1\nif r{count} != {rounds} goto l{label}")
            }
        }
        .unwrap();
    }
}

#[test]
fn what_is_accepted_stays_inside() {
    for (number, least) in [(false, 100), (true, 80)] {
        random_nests(number, least);
    }
}

fn random_nests(number: bool, least: u32) {
    let (mut chance, mut accepted, mut refused, mut summed) = (Chance(1), 0, 0, 0);
    for _ in 0..400 {
        let parts = vec![
            Part::Reset(i32::try_from(chance.below(6)).unwrap() * 8),
            Part::Loop(u32::try_from(chance.below(14)).unwrap() + 1, chance.parts(1)),
            Part::Loop(u32::try_from(chance.below(14)).unwrap() + 1, chance.parts(1)),
        ];
        let mut body = String::new();
        write(&parts, number, 0, &mut 0, &mut body);
        let text = format!(
            "{LOOKUP}\nif r0 == 0 goto out\n*(u64 *)(r10 -16) = r0\n{body}out: r0 = 0\nexit"
        );
        let program = program(bpf_bytecode::BpfProgType::SocketFilter, &text);
        let result = Verifier::<ActiveProfile>::new().step_limit(5000).verify_program(&program);
        let inside = run(&parts, BTreeSet::new()).is_some();
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
    assert!(accepted > least && refused > 100 && summed > 15);
}
