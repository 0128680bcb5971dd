//! Parts of stack slots, written, loaded and decided on at random: what a program proves of
//! them, beside what runs of it find there.

mod common;

use std::fmt::Write;

use bpf_bytecode::BpfProgType;
use bpf_bytecode::text::assemble;
use bpf_profile::ActiveProfile;
use bpf_verifier::Verifier;
use common::built;
use common::chance::Chance;

const PROGRAMS: u64 = 5000;
const RUNS: usize = 30;
/// Bytes of the stack that are looked at.
const BYTES: usize = 24;
/// Numbers that are written and compared with.
const NUMBERS: [i64; 7] = [0, 0, 1, 2, -1, 0x101, 0x7f];
/// What unknown bytes are in a run.
const UNKNOWN: [&[u8]; 3] = [&[0, 1, 2, 255, 0x7f], &[0, 0, 0, 1], &[255, 0]];
/// Operations that a jump passes, from which on it leads to the end.
const FAR: usize = 2;

/// Some bytes of the stack, that hold a number.
#[derive(Clone, Copy)]
struct Part {
    at: usize,
    size: usize,
    signed: bool,
}

impl Part {
    fn any(chance: &mut Chance) -> Self {
        let size = 1 << chance.below(4);
        let signed = size < 8 && chance.below(5) == 0;
        Self { at: chance.below(BYTES / size) * size, size, signed }
    }

    fn text(self) -> String {
        let Self { at, size, signed } = self;
        format!("*({}{} *)(r10 {})", if signed { 's' } else { 'u' }, 8 * size, offset(at))
    }

    fn load(self, bytes: &[u8; BYTES]) -> i64 {
        let (mut number, unused) = ([0; 8], 64 - 8 * self.size);
        number[..self.size].copy_from_slice(&bytes[self.at..self.at + self.size]);
        let number = u64::from_le_bytes(number) << unused;
        if self.signed { number.cast_signed() >> unused } else { (number >> unused).cast_signed() }
    }

    fn store(self, bytes: &mut [u8; BYTES], number: i64) {
        bytes[self.at..self.at + self.size].copy_from_slice(&number.to_le_bytes()[..self.size]);
    }
}

fn offset(at: usize) -> i64 {
    i64::try_from(at).unwrap() - i64::try_from(BYTES).unwrap()
}

/// What is compared: a part, by way of R0, or one of R6 to R8.
#[derive(Clone, Copy)]
enum What {
    Part(Part),
    Register(usize),
}

#[derive(Clone, Copy)]
enum Operation {
    /// Nobody knows the bytes any longer.
    Fill {
        at: usize,
        len: usize,
    },
    Load {
        register: usize,
        part: Part,
    },
    Constant {
        part: Part,
        number: i64,
    },
    Store {
        part: Part,
        register: usize,
    },
    /// Passes so many operations if the register is the number, or if it is another one.
    Jump {
        register: usize,
        equal: bool,
        number: i64,
        over: usize,
    },
    /// That never is so.
    Never {
        what: What,
        equal: bool,
        number: i64,
    },
}

fn operations(seed: u64) -> Vec<Operation> {
    let mut chance = Chance::seeded(seed, 5);
    let chance = &mut chance;
    let mut parts = vec![Part::any(chance), Part::any(chance)];
    let mut all = vec![Operation::Fill { at: 0, len: BYTES }];
    for _ in 0..3 + chance.below(9) {
        let (part, register) = (chance.of(&parts), 6 + chance.below(3));
        let (number, equal) = (chance.of(&NUMBERS), chance.below(2) == 0);
        let operation = match chance.below(12) {
            0 => {
                let at = chance.of(&[0, 8, 16]);
                Operation::Fill { at, len: chance.of(&[8, 16, 24, 12]).min(BYTES - at) }
            }
            1 => Operation::Constant { part, number },
            2 => {
                let at = 8 * chance.below(3);
                Operation::Store { part: Part { at, size: 8, signed: false }, register }
            }
            3 => Operation::Jump { register, equal, number, over: chance.below(3) },
            4 => {
                parts.push(Part::any(chance));
                continue;
            }
            5 | 6 => Operation::Never { what: What::Part(part), equal, number },
            7 => Operation::Never { what: What::Register(register), equal, number },
            _ => {
                all.push(Operation::Load { register, part });
                Operation::Jump { register, equal, number, over: 1 + chance.below(3) }
            }
        };
        all.push(operation);
    }
    all
}

/// The program: what is never so leads to an access outside of the frame.
fn text(all: &[Operation]) -> String {
    let mut text = String::from("r9 = r1\nr6 = 0\nr7 = 0\nr8 = 0\n");
    for (index, operation) in all.iter().enumerate() {
        let op = |equal| if equal { "==" } else { "!=" };
        let line = match *operation {
            Operation::Fill { at, len } => {
                format!("r1 = r9\nr2 = 0\nr3 = r10\nr3 += {}\nr4 = {len}\ncall 26", offset(at))
            }
            Operation::Load { register, part } => format!("r{register} = {}", part.text()),
            Operation::Constant { part, number } => {
                format!("{} = {number}", Part { signed: false, ..part }.text())
            }
            Operation::Store { part, register } => format!("{} = r{register}", part.text()),
            Operation::Jump { register, equal, number, over } => {
                let to = target(index, over, all).map_or("out".to_owned(), |to| format!("l{to}"));
                format!("if r{register} {} {number} goto {to}", op(equal))
            }
            Operation::Never { what: What::Part(part), equal, number } => {
                format!("r0 = {}\nif r0 {} {number} goto bad", part.text(), op(equal))
            }
            Operation::Never { what: What::Register(register), equal, number } => {
                format!("if r{register} {} {number} goto bad", op(equal))
            }
        };
        writeln!(text, "l{index}: {line}").unwrap();
    }
    text += "out: r0 = 0\nexit\n";
    if text.contains("goto bad") {
        text += "bad: r0 = *(u64 *)(r10 +0)\nexit\n";
    }
    text
}

/// Where a jump at an operation leads; none, if to the end.
fn target(index: usize, over: usize, all: &[Operation]) -> Option<usize> {
    Some(index + 1 + over).filter(|to| over < FAR && *to < all.len())
}

/// One run: how often it comes to what is never so, and whether that is right.
fn run(all: &[Operation], chance: &mut Chance, unknown: &[u8]) -> Option<usize> {
    let (mut bytes, mut registers) = ([0; BYTES], [0; 9]);
    let (mut at, mut asked) = (Some(0), 0);
    while let Some(operation) = at.and_then(|at| all.get(at)) {
        let index = at?;
        at = Some(index + 1);
        match *operation {
            Operation::Fill { at, len } => {
                bytes[at..at + len].fill_with(|| chance.of(unknown));
            }
            Operation::Load { register, part } => registers[register] = part.load(&bytes),
            Operation::Constant { part, number } => part.store(&mut bytes, number),
            Operation::Store { part, register } => part.store(&mut bytes, registers[register]),
            Operation::Jump { register, equal, number, over } => {
                if (registers[register] == number) == equal {
                    at = target(index, over, all);
                }
            }
            Operation::Never { what, equal, number } => {
                let found = match what {
                    What::Part(part) => part.load(&bytes),
                    What::Register(register) => registers[register],
                };
                if (found == number) == equal {
                    return None;
                }
                asked += 1;
            }
        }
    }
    Some(asked)
}

#[test]
fn what_is_proven_of_parts_holds() {
    let (mut accepted, mut asked) = (0, 0);
    for seed in 0..PROGRAMS {
        let all = operations(seed);
        let text = text(&all);
        // Some jumps leave something that nothing leads to.
        let Ok(insns) = assemble::<ActiveProfile>(&text) else { continue };
        let program = built(BpfProgType::SocketFilter, &insns);
        if Verifier::<ActiveProfile>::new().verify(&program).is_err() {
            continue;
        }
        accepted += 1;
        let mut chance = Chance(seed);
        for number in 0..RUNS {
            let unknown = UNKNOWN[number % UNKNOWN.len()];
            let Some(more) = run(&all, &mut chance, unknown) else {
                panic!("a number that cannot be there\n{text}")
            };
            asked += more;
        }
    }
    assert!(accepted > 1500 && asked > 10_000, "{accepted} accepted, {asked} asked");
}
