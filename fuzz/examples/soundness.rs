//! Runs accepted programs beside their abstract states for a given time:
//! `soundness SECONDS [FIRST_SEED] [OBJECT…]`. With objects, their programs run
//! first, and random ones afterwards. A failure is printed with the program and
//! does not end the search; at the end stands what was done. `soundness try SEED`
//! repeats one.

use std::error::Error;
use std::panic;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use kernel_bpf_fuzz::mutate::{self, Rng};
use kernel_bpf_fuzz::soundness::{self, TALLY};

/// Failures after which nothing more is to be learned.
const ENOUGH: usize = 50;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let first = args.next().ok_or("how many seconds?")?;
    if first == "try" {
        for seed in args {
            soundness::check(&mutate::bytes(&mut Rng::new(seed.parse()?), &[]));
        }
        return Ok(());
    }
    let time = Duration::from_secs(first.parse()?);
    let mut seed: u64 = args.next().map_or(Ok(0), |text| text.parse())?;
    let began = Instant::now();
    let (mut failures, mut tries) = (0, 0);
    let mut reported = began;
    while began.elapsed() < time && failures < ENOUGH {
        let data = mutate::bytes(&mut Rng::new(seed), &[]);
        if panic::catch_unwind(|| soundness::check(&data)).is_err() {
            println!("seed {seed} failed");
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
