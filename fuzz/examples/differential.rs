//! Runs the differential oracle for so many seconds, each program over several
//! inputs, and says what was compared and how fast:
//! `differential [SECONDS] [FIRST_SEED] [INPUTS]`. A failure names the try, which
//! `differential try TRY [INPUTS]` repeats.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kernel_bpf_fuzz::differential::{TALLY, check_with};
use kernel_bpf_fuzz::mutate::{self, Rng};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: u64| args.get(at).map_or(Ok(default), |text| text.parse());
    if args.first().is_some_and(|first| first == "try") {
        check(number(1, 0)?, number(2, 16)?);
        return Ok(());
    }
    let (seconds, first, inputs) = (number(0, 60)?, number(1, 0)?, number(2, 16)?);
    let started = Instant::now();
    let (mut tries, mut failures) = (0, 0);
    while started.elapsed() < Duration::from_secs(seconds) {
        let attempt = first + tries;
        if catch_unwind(AssertUnwindSafe(|| check(attempt, inputs))).is_err() {
            eprintln!("try {attempt} failed");
            failures += 1;
        }
        tries += 1;
    }
    let read = |what: &AtomicU64| what.load(Ordering::Relaxed);
    let (executed, on_all) = (read(&TALLY.executed), read(&TALLY.on_all));
    let minutes = started.elapsed().as_secs_f64() / 60.0;
    println!(
        "{tries} tries from {first} on in {:.0} s: {} programs, {} accepted; {} runs compared \
         with the reference, {} declined",
        minutes * 60.0,
        read(&TALLY.programs),
        read(&TALLY.accepted),
        read(&TALLY.compared),
        read(&TALLY.declined),
    );
    println!("instructions compared: {executed}, {:.2e} a minute", per(executed, minutes));
    println!("executed on all engines: {on_all}, {:.2e} a minute", per(on_all, minutes));
    println!("{failures} failures");
    if failures == 0 { Ok(()) } else { Err("engines disagree".into()) }
}

fn check(attempt: u64, inputs: u64) {
    let data = mutate::bytes(&mut Rng::new(attempt), &[]);
    check_with(&data, usize::try_from(inputs).unwrap_or(usize::MAX), attempt);
}

#[allow(clippy::cast_precision_loss, reason = "a rate for people")]
fn per(count: u64, minutes: f64) -> f64 {
    count as f64 / minutes
}
