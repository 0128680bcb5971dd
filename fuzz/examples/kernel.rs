//! Runs accepted programs over a kernel that has what no engine here has, for a given
//! time: `kernel SECONDS [FIRST_SEED]`. A failure is printed with the program and does
//! not end the search; at the end stands what was done. `kernel try SEED` repeats one.

use std::error::Error;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kernel_bpf::bytecode::BpfInsn;
use kernel_bpf_fuzz::kernel::{Checker, TALLY};
use kernel_bpf_fuzz::mutate::{self, Rng};

/// Failures after which nothing more is to be learned.
const ENOUGH: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let first = args.next().ok_or("how many seconds?")?;
    let mut seed: u64 = args.next().map_or(Ok(0), |text| text.parse())?;
    let mut checker = Checker::new();
    if first == "try" {
        if fails(&mut checker, seed) {
            minimise(&mut checker);
        }
        return Ok(());
    }
    let (time, began) = (Duration::from_secs(first.parse()?), Instant::now());
    let (mut failures, mut tries) = (0, 0_u64);
    while began.elapsed() < time && failures < ENOUGH {
        if fails(&mut checker, seed) {
            println!("seed {seed} failed");
            minimise(&mut checker);
            failures += 1;
        }
        (seed, tries) = (seed + 1, tries + 1);
    }
    let read = |what: &AtomicU64| what.load(Ordering::Relaxed);
    println!(
        "{tries} tries in {:.0} s: {} programs, {} accepted; {} runs, {} instructions; \
         {failures} failures",
        began.elapsed().as_secs_f64(),
        read(&TALLY.programs),
        read(&TALLY.accepted),
        read(&TALLY.runs),
        read(&TALLY.steps),
    );
    if failures == 0 { Ok(()) } else { Err("failures".into()) }
}

fn fails(checker: &mut Checker, seed: u64) -> bool {
    let data = mutate::bytes(&mut Rng::new(seed), &[]);
    panic::catch_unwind(AssertUnwindSafe(|| checker.check(&data))).is_err()
}

/// Takes out of the program that failed last what it fails without, and prints what is
/// left.
fn minimise(checker: &mut Checker) {
    let Some((mut case, seed)) = checker.last().cloned() else { return };
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let mut smaller = true;
    while smaller {
        smaller = false;
        for at in 0..case.insns().len() {
            let mut less = case.clone();
            let nothing = BpfInsn::ja(0);
            if less.insns()[at] == nothing {
                continue;
            }
            less.insns_mut()[at] = nothing;
            let check = AssertUnwindSafe(|| checker.check_case(&less, seed));
            if panic::catch_unwind(check).is_err() {
                (case, smaller) = (less, true);
            }
        }
    }
    panic::set_hook(hook);
    if let Some(program) = case.build() {
        let text = program.listing().to_string();
        text.lines().filter(|line| !line.ends_with(" goto +0")).for_each(|line| println!("{line}"));
    }
    let _ = panic::catch_unwind(AssertUnwindSafe(|| checker.check_case(&case, seed)));
}
