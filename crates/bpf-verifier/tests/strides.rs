//! Numbers that a loop counts by in steps that are no power of two.

mod common;

use std::collections::BTreeMap;
use std::fmt::Write;

use bpf_bytecode::BpfProgType;
use bpf_profile::ActiveProfile;
use bpf_verifier::Verifier;
use common::{LOOKUP, SOCKET, program};

/// A loop over the 48 bytes of a map's value, that R6 counts by, behind `before`: an access of
/// `size` bits at the number, what `round` says, and back unless it is `last`.
fn counts(before: &str, size: u32, round: &str, last: i32) -> String {
    format!(
        "{LOOKUP}
         if r0 == 0 goto out
         r9 = r0
         r7 = 0
         {before}
         again: r1 = r9
         r1 += r6
         *(u{size} *)(r1 +0) = 1
         {round}
         if r6 != {last} goto again
         out: r0 = 0
         exit"
    )
}

#[test]
fn a_number_ends_where_it_is_compared() {
    for (before, round, last) in [
        ("r6 = 0", "r6 += 12", 48),
        ("r6 = 2", "r6 += 14", 44),
        ("r6 = 36", "r6 += -12", -12),
        ("r6 = 3", "r6 += 5", 48),
        ("r6 = 0", "r6 += 12\nr7 += 3", 48),
        ("r6 = 0", "call 7\nif r0 == 3 goto on\nr6 += 6\ngoto to\non: r6 += 6\nto:", 48),
    ] {
        let info = SOCKET.accepts(&counts(before, 8, round, last));
        assert!(info.processed < 250, "{info:?}");
    }
    // The last one is 36, and the access at that ends with the value.
    SOCKET.accepts(&counts("r6 = 0", 64, "r6 += 12", 48));
    SOCKET.rejects("", &counts("r6 = 5", 64, "r6 += 12", 53));
    SOCKET.rejects("", &counts("r6 = 0", 64, "r6 += 12", 60));
}

/// What counts down by one could end at 1 or at 0, and goes on where it is asked for another end.
#[test]
fn a_number_that_counts_down_ends_above_zero() {
    for (test, end) in [("r6 != 84", 84), ("w6 != 84", 84), ("r6 != 1", 1), ("r6 != 0", 0)] {
        let steps = [100_u64, 5_100, 600_000].map(|from| {
            let count = format!(
                "r6 = {from}\nr7 = 0\nagain: call 7\nr7 += 3\nr6 += -1\nif {test} goto again\nexit"
            );
            let info = SOCKET.accepts(&count);
            assert_eq!(info.max_insns, 2 + (from - end) * 4 + 1, "{test} from {from}");
            info.processed
        });
        assert!(steps.iter().all(|steps| *steps < 60), "{test}: {steps:?}");
    }
}

/// What is asked before it moves ends as much further on, in 32 bits of it as well.
#[test]
fn a_number_is_asked_for_before_it_moves() {
    let halves = "r4 = r6\nr4 <<= 32\nr4 >>= 32\nif r4 > 4 goto inner";
    for (test, longest) in [("if r6 > 4 goto inner", 7_005), (halves, 13_005)] {
        let info = SOCKET.accepts(&format!(
            "r7 = 0
             r6 = 0
             outer: r6 += 8
             inner: r6 += -5
             {test}
             r7 += 1
             if r7 < 1000 goto outer
             r0 = 0
             exit"
        ));
        assert!(info.processed < 130, "{info:?}");
        assert!(info.max_insns <= longest, "{info:?}");
    }
}

/// What else the loop moves goes with it.
#[test]
fn the_rounds_are_so_many() {
    let moved = |by: u32| {
        let round = format!("r1 = r9\nr1 += r7\n*(u32 *)(r1 +0) = 1\nr7 += {by}\nr6 += 3");
        counts("r6 = 0", 8, &round, 12)
    };
    SOCKET.accepts(&moved(14));
    SOCKET.rejects("", &moved(15));
}

/// It never is what it is compared with.
#[test]
fn a_number_goes_past() {
    for (before, round, last) in [
        ("r6 = 1", "r6 += 12", 48),
        ("r6 = 0", "r6 += 12", 47),
        ("r6 = 0", "r6 += -12", 48),
        ("r6 = 0", "call 7\nif r0 == 3 goto on\nr6 += 6\non: r6 += 6", 48),
        ("r6 = 0", "call 7\nif r0 != 3 goto on\nr6 += 6\non: r6 += 6", 48),
        ("r6 = 0", "call 7\nif r0 == 3 goto on\nr6 = 1\non: r6 += 12", 48),
        ("r6 = 0", "call 7\nif r0 != 3 goto on\nr6 = 1\non: r6 += 12", 48),
        ("r6 = 0", "call 7\nif r0 == 3 goto on\nr6 = r0\nr6 &= 15\non: r6 += 12", 48),
    ] {
        SOCKET.rejects("", &counts(before, 8, round, last));
    }
}

/// The loop is come to with one number and then with another, or the other way round: what was
/// found for the one says nothing of the other.
#[test]
fn another_start() {
    for (one, other) in [(0, 5), (5, 0), (0, 1), (1, 0)] {
        let start = |one, other| {
            let text = format!("call 7\nr6 = {one}\nif r0 == 7 goto on\nr6 = {other}\non:");
            counts(&format!("r8 = r9\n{text}\nr9 = r8"), 8, "r6 += 12", 48)
        };
        SOCKET.rejects("", &start(one, other));
        SOCKET.accepts(&start(0, 12));
        SOCKET.accepts(&start(12, 0));
    }
}

/// The same loop in a loop, each time from another number.
#[test]
fn in_a_loop() {
    let nested = |more: u32, size: u32| {
        let loops = counts("r8 = 0\nouter: r6 = r8", size, "r6 += 12", 48);
        let outer = format!("r8 += {more}\nif r8 < 25 goto outer\nout:");
        loops.replace("out: r0 = 0", &format!("{outer} r0 = 0"))
    };
    SOCKET.accepts(&nested(12, 64));
    SOCKET.accepts(&nested(24, 64));
    SOCKET.rejects("", &nested(8, 8));
    SOCKET.rejects("", &nested(1, 8));
}

enum Part {
    Move(i32),
    /// An access at the number.
    Store,
    /// The number that is beside it is moved, or something accessed there.
    MoveOther(i32),
    StoreOther,
    Reset(i32),
    Maybe(Vec<Self>),
    Either(Vec<Self>, Vec<Self>),
    /// Round until the number is compared with the other one.
    Until(Vec<Self>, &'static str, i32),
}

/// Whether a loop goes on.
type GoesOn = fn(i32, i32) -> bool;

/// What may be compared.
const COMPARED: [(&str, GoesOn); 5] = [
    ("!=", |a, b| a != b),
    ("s<", |a, b| a < b),
    ("s<=", |a, b| a <= b),
    ("s>", |a, b| a > b),
    ("s>=", |a, b| a >= b),
];

/// Both numbers, and how many instructions led there at the most.
type States = BTreeMap<(i32, i32), u64>;

/// Rounds after which a loop is no longer followed.
const LONG: u64 = 100;

/// What went wrong.
enum Bad {
    Access,
    /// A loop went on for long.
    Long,
}

/// Where the numbers can be afterwards.
fn run(parts: &[Part], at: States) -> Result<States, Bad> {
    let union = |one: States, other: States| {
        other.into_iter().fold(one, |mut all, (state, cost)| {
            let known = all.entry(state).or_default();
            *known = cost.max(*known);
            all
        })
    };
    let after = |at: States, cost, to: &dyn Fn((i32, i32)) -> (i32, i32)| {
        let moved = at.into_iter().map(|(state, known)| (to(state), known + cost));
        moved.fold(States::new(), |all, (state, cost)| union(all, States::from([(state, cost)])))
    };
    parts.iter().try_fold(at, |at, part| {
        Ok(match part {
            Part::Move(by) => after(at, 1, &|(number, other)| (number + by, other)),
            Part::MoveOther(by) => after(at, 1, &|(number, other)| (number, other + by)),
            Part::Reset(to) => after(at, 1, &|(_, other)| (*to, other)),
            Part::Store => {
                let fine = at.keys().all(|(number, _)| (0..48).contains(number));
                fine.then(|| after(at, 3, &|state| state)).ok_or(Bad::Access)?
            }
            Part::StoreOther => {
                let fine = at.keys().all(|(_, other)| (0..48).contains(other));
                fine.then(|| after(at, 3, &|state| state)).ok_or(Bad::Access)?
            }
            Part::Maybe(inner) => {
                let at = after(at, 2, &|state| state);
                union(run(inner, at.clone())?, at)
            }
            Part::Either(one, other) => {
                let at = after(at, 2, &|state| state);
                let one = after(run(one, at.clone())?, 1, &|state| state);
                union(one, run(other, at)?)
            }
            Part::Until(inner, compared, with) => {
                let goes_on = COMPARED.iter().find(|(name, _)| name == compared).unwrap().1;
                let (mut at, mut out) = (at, States::new());
                for _ in 0..LONG {
                    let done = after(run(inner, at)?, 1, &|state| state);
                    let (back, left): (States, States) =
                        done.into_iter().partition(|((number, _), _)| goes_on(*number, *with));
                    out = union(out, left);
                    at = back;
                    if at.is_empty() {
                        return Ok(out);
                    }
                }
                return Err(Bad::Long);
            }
        })
    })
}

fn write(parts: &[Part], labels: &mut u32, out: &mut String) {
    for part in parts {
        *labels += 1;
        let label = *labels;
        match part {
            Part::Move(by) => writeln!(out, "r6 += {by}"),
            Part::MoveOther(by) => writeln!(out, "r7 += {by}"),
            Part::Reset(to) => writeln!(out, "r6 = {to}"),
            Part::Store => writeln!(out, "r1 = r9\nr1 += r6\n*(u8 *)(r1 +0) = 1"),
            Part::StoreOther => writeln!(out, "r1 = r9\nr1 += r7\n*(u8 *)(r1 +0) = 1"),
            Part::Maybe(inner) => {
                writeln!(out, "call 7\nif r0 == 7 goto l{label}").unwrap();
                write(inner, labels, out);
                writeln!(out, "l{label}: r0 = 0")
            }
            Part::Either(one, other) => {
                writeln!(out, "call 7\nif r0 == 7 goto l{label}").unwrap();
                write(one, labels, out);
                writeln!(out, "goto m{label}\nl{label}:").unwrap();
                write(other, labels, out);
                writeln!(out, "m{label}: r0 = 0")
            }
            Part::Until(inner, compared, with) => {
                writeln!(out, "l{label}:").unwrap();
                write(inner, labels, out);
                writeln!(out, "if r6 {compared} {with} goto l{label}")
            }
        }
        .unwrap();
    }
}

/// Numbers that look like chance.
struct Chance(u64);

impl Chance {
    fn index(&mut self, limit: u64) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from((self.0 >> 33) % limit).unwrap()
    }

    fn parts(&mut self, step: i32, depth: usize) -> Vec<Part> {
        let most = if depth < 2 { 3 } else { 2 };
        (0..=self.index(most)).map(|_| self.part(step, depth)).collect()
    }

    fn part(&mut self, step: i32, depth: usize) -> Part {
        let by = [step, step, step, -step, 2 * step, step / 2, 1][self.index(7)];
        match self.index(14) {
            4 => Part::StoreOther,
            5 | 6 => Part::MoveOther([3, 5, 4, -1][self.index(4)]),
            7 | 8 => Part::Move(by),
            9 => Part::Reset([0, step, 2 * step, 1][self.index(4)]),
            10 if depth < 3 => Part::Maybe(self.parts(step, depth + 1)),
            11 if depth < 3 => {
                Part::Either(self.parts(step, depth + 1), self.parts(step, depth + 1))
            }
            12 if depth < 2 => self.until(step, depth + 1),
            _ => Part::Store,
        }
    }

    fn until(&mut self, step: i32, depth: usize) -> Part {
        let mut inner = self.parts(step, depth);
        inner.push(Part::Move(step));
        let compared = COMPARED[[0, 0, 0, 1, 2, 3, 4][self.index(7)]].0;
        let with = step * i32::try_from(self.index(10)).unwrap();
        Part::Until(inner, compared, with + [0, 0, 0, 1][self.index(4)])
    }
}

#[test]
fn what_is_accepted_stays_inside() {
    let (mut chance, mut accepted, mut refused, mut summed) = (Chance(1), 0, 0, 0);
    for _ in 0..nests() {
        let step = [3, 5, 6, 7, 12, -3, -6][chance.index(7)];
        let mut parts = vec![Part::Reset([0, 0, 0, 1, 36, 45][chance.index(6)])];
        if chance.index(3) == 0 {
            parts.push(Part::Maybe(vec![Part::Move([step, 1][chance.index(2)])]));
        }
        parts.push(chance.until(step, 0));
        if chance.index(2) == 0 {
            parts.extend([Part::Reset(0), chance.until(step, 1)]);
        }
        let mut body = String::new();
        write(&parts, &mut 0, &mut body);
        let text =
            format!("{LOOKUP}\nif r0 == 0 goto out\nr9 = r0\nr7 = 0\n{body}out: r0 = 0\nexit");
        let program = program(BpfProgType::SocketFilter, &text);
        let result = Verifier::<ActiveProfile>::new().step_limit(5000).verify_program(&program);
        let inside = run(&parts, States::from([((0, 0), 0)]));
        match result {
            Ok(verified) => {
                accepted += 1;
                let info = verified.info();
                let longest = match inside {
                    Ok(ends) => ends.into_values().max().unwrap_or(0),
                    Err(Bad::Long) => LONG,
                    Err(Bad::Access) => u64::MAX,
                };
                assert!(longest <= info.max_insns, "{text}");
                summed += u32::from(info.max_insns > 2 * info.processed);
            }
            Err(_) => refused += 1,
        }
    }
    println!("{accepted} accepted, {refused} refused, {summed} by summaries");
    assert!(accepted > 80 && refused > 100, "{accepted} {refused}");
}

/// How many programs are tried.
fn nests() -> u32 {
    std::env::var("NESTS").ok().and_then(|n| n.parse().ok()).unwrap_or(400)
}
