//! Runs accepted programs beside their abstract states for a given time:
//! `soundness SECONDS [FIRST_SEED] [IMAGE…]`. Every fourth program begins with one
//! of the corpus or of the flat images, and is changed in places. A failure is
//! printed with the program and does not end the search; at the end stands what
//! was done. `soundness try SEED [IMAGE…]` repeats one.

use std::error::Error;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use kernel_bpf::bytecode::{BpfInsn, Instruction};
use kernel_bpf_fuzz::mutate::{self, Rng};
use kernel_bpf_fuzz::program;
use kernel_bpf_fuzz::soundness::{Checker, TALLY};
use kernel_bpf_tests::case::Case;

/// Failures after which nothing more is to be learned.
const ENOUGH: usize = 50;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let first = args.next().ok_or("how many seconds?")?;
    let mut seed: u64 = args.next().map_or(Ok(0), |text| text.parse())?;
    let images = args.map(fs::read).collect::<Result<Vec<_>, _>>()?;
    let seeds = program::seeds(&images);
    let mut checker = Checker::new();
    if first == "try" {
        if panic::catch_unwind(AssertUnwindSafe(|| attempt(&mut checker, &seeds, seed))).is_err() {
            minimise(&mut checker);
        }
        return Ok(());
    }
    let time = Duration::from_secs(first.parse()?);
    let began = Instant::now();
    let (mut failures, mut tries) = (0, 0);
    let mut reported = began;
    while began.elapsed() < time && failures < ENOUGH {
        if panic::catch_unwind(AssertUnwindSafe(|| attempt(&mut checker, &seeds, seed))).is_err() {
            println!("seed {seed} failed");
            minimise(&mut checker);
            failures += 1;
        }
        (seed, tries) = (seed + 1, tries + 1);
        if reported.elapsed() > Duration::from_mins(1) {
            reported = Instant::now();
            report(tries, failures, began);
        }
    }
    report(tries, failures, began);
    if failures == 0 { Ok(()) } else { Err("failures".into()) }
}

fn attempt(checker: &mut Checker, seeds: &[Case], seed: u64) {
    let mut rng = Rng::new(seed);
    if !seed.is_multiple_of(4) {
        return checker.check(&mutate::bytes(&mut rng, &[]));
    }
    let mut case = seeds[rng.below(seeds.len())].clone();
    for _ in 0..rng.below(3) {
        program::change(&mut case.insns, &mut rng);
    }
    checker.check_changes(case, seed);
}

/// Takes out of the program that failed last what it fails without, and prints
/// what is left.
fn minimise(checker: &mut Checker) {
    let Some((mut case, seed)) = checker.last().cloned() else { return };
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let mut fails = |case: &Case| {
        panic::catch_unwind(AssertUnwindSafe(|| checker.check_case(case, seed))).is_err()
    };
    let mut smaller = true;
    while smaller {
        smaller = false;
        for at in 0..case.insns.len() {
            for simple in simpler(&case.insns, at) {
                let mut less = case.clone();
                less.insns[at] = simple;
                if fails(&less) {
                    (case, smaller) = (less, true);
                    break;
                }
            }
        }
    }
    panic::set_hook(hook);
    println!("{} {:?} {:?}", case.name, case.prog_type, case.maps);
    if let Some(program) = program::build(&case) {
        let text = program.listing().to_string();
        text.lines().filter(|line| !line.ends_with(" goto +0")).for_each(|line| println!("{line}"));
    }
}

/// What may take an instruction's place: nothing, or a constant.
fn simpler(insns: &[BpfInsn], at: usize) -> Vec<BpfInsn> {
    let (nothing, insn) = (BpfInsn::ja(0), insns[at]);
    let whole = Instruction::decode(insns, at).is_ok_and(|decoded| decoded.slots() == 1);
    let constants = [0, 1].map(|number| BpfInsn::mov64_imm(insn.dst(), number));
    if !whole || insn == nothing {
        Vec::new()
    } else if insn.code() == constants[0].code() || insn.dst() > 9 {
        vec![nothing]
    } else {
        vec![nothing, constants[0], constants[1]]
    }
}

fn report(tries: u64, failures: usize, began: Instant) {
    let read = |tally: &std::sync::atomic::AtomicU64| tally.load(Ordering::Relaxed);
    println!(
        "{tries} tries in {:.0} s: {} programs, {} accepted, {} beside their states; \
         {} runs, {} instructions compared; {failures} failures",
        began.elapsed().as_secs_f64(),
        read(&TALLY.programs),
        read(&TALLY.accepted),
        read(&TALLY.compared),
        read(&TALLY.runs),
        read(&TALLY.steps),
    );
}
