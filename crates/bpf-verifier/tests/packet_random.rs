//! Pointers into a packet to which numbers are added, made at random, beside where they
//! really lead.

mod common;

use std::collections::BTreeSet;
use std::fmt::Write;

use bpf_profile::ActiveProfile;
use bpf_verifier::Verifier;
use common::{PACKET, program};

/// Where R2 and R7 point, from the packet's start on, and how long the packet is.
type Place = (i64, i64, i64);
/// Lengths of packets: all comparisons are with less.
const LONGEST: i64 = 40;

#[derive(Clone, Copy)]
enum Part {
    /// A constant is added.
    Move(i64),
    /// A number from 0 to so much is added.
    Add(i64),
    Sub(i64),
    /// An access of so many bytes, so far behind the pointer.
    Load(i64, i64),
    /// A comparison: so many bytes behind the pointer are there.
    Proven(i64),
    /// Both change their roles; one becomes the other.
    Swap,
    Copy,
}

/// Numbers that look like chance.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        i64::try_from(self.0 >> 33).unwrap() % limit
    }

    fn part(&mut self) -> Part {
        match self.below(12) {
            0 => Part::Move(self.below(13) - 4),
            1..=2 => Part::Add([1, 3, 7][usize::try_from(self.below(3)).unwrap()]),
            3 => Part::Sub([1, 3, 7][usize::try_from(self.below(3)).unwrap()]),
            4..=6 => {
                Part::Load(self.below(14) - 3, [1, 2, 4][usize::try_from(self.below(3)).unwrap()])
            }
            7..=8 => Part::Proven(self.below(20)),
            9..=10 => Part::Swap,
            _ => Part::Copy,
        }
    }
}

/// What becomes of the places; none, if an access can fail on the way.
fn run(parts: &[Part], mut places: BTreeSet<Place>) -> Option<()> {
    for part in parts {
        let each =
            |step: &dyn Fn(Place) -> Vec<Place>| places.iter().copied().flat_map(step).collect();
        places = match *part {
            Part::Move(by) => each(&|(at, other, len)| vec![(at + by, other, len)]),
            Part::Add(most) => {
                each(&|(at, other, len)| (0..=most).map(|by| (at + by, other, len)).collect())
            }
            Part::Sub(most) => {
                each(&|(at, other, len)| (0..=most).map(|by| (at - by, other, len)).collect())
            }
            Part::Load(off, size) => {
                let inside = |(at, _, len): &Place| at + off >= 0 && at + off + size <= *len;
                places.iter().all(inside).then_some(places)?
            }
            Part::Proven(bytes) => {
                places.into_iter().filter(|(at, _, len)| at + bytes <= *len).collect()
            }
            Part::Swap => each(&|(at, other, len)| vec![(other, at, len)]),
            Part::Copy => each(&|(at, _, len)| vec![(at, at, len)]),
        };
    }
    Some(())
}

fn write(parts: &[Part]) -> String {
    let mut out = format!("r6 = r1\ncall 7\nr8 = r0\nr1 = r6\n{PACKET}\nr7 = r2\n");
    for (shift, part) in parts.iter().enumerate() {
        // Another part of an unknown number each time.
        let unknown = |most: i64, op: &str| {
            format!("r5 = r8\nr5 >>= {}\nr5 &= {most}\nr2 {op}= r5", shift * 3)
        };
        let line = match *part {
            Part::Move(by) => format!("r2 += {by}"),
            Part::Add(most) => unknown(most, "+"),
            Part::Sub(most) => unknown(most, "-"),
            Part::Load(off, size) => format!("r5 = *(u{} *)(r2 +{off})", size * 8),
            Part::Proven(bytes) => format!("r4 = r2\nr4 += {bytes}\nif r4 > r3 goto out"),
            Part::Swap => String::from("r4 = r2\nr2 = r7\nr7 = r4"),
            Part::Copy => String::from("r7 = r2"),
        };
        writeln!(out, "{}", line.replace("+-", "-")).unwrap();
    }
    out + "out: r0 = 0\nexit"
}

#[test]
fn what_is_accepted_stays_in_the_packet() {
    let (mut chance, mut accepted, mut refused) = (Chance(7), 0, 0);
    let start: BTreeSet<Place> = (0..=LONGEST).map(|len| (0, 0, len)).collect();
    for _ in 0..1500 {
        let mut parts = vec![Part::Proven(8 + chance.below(12))];
        parts.extend((0..=chance.below(9)).map(|_| chance.part()));
        let text = write(&parts);
        let program = program(bpf_bytecode::BpfProgType::Xdp, &text);
        let result = Verifier::<ActiveProfile>::new().verify(&program);
        if result.is_ok() {
            let reads = parts.iter().any(|part| matches!(part, Part::Load(..)));
            let moves = parts.iter().any(|part| matches!(part, Part::Add(_) | Part::Sub(_)));
            accepted += u32::from(reads && moves);
            assert!(run(&parts, start.clone()).is_some(), "{text}");
        } else {
            refused += u32::from(run(&parts, start.clone()).is_none());
        }
    }
    println!("{accepted} accepted, {refused} refused with reason");
    assert!(accepted > 100 && refused > 200);
}
