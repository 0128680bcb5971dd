//! Runs the oracles without a fuzzer, for a given number of tries:
//! `drive [TARGET|all] [TRIES] [FIRST_SEED] [SEED_FILE…]`. A failure names the
//! try, which `drive TARGET 1 TRY` repeats; or gives the bytes to
//! `drive TARGET file FILE…` as they are.

use std::error::Error;
use std::fs;
use std::time::Instant;

use kernel_bpf_fuzz::mutate::{self, Rng};
use kernel_bpf_fuzz::{CHECKS, Check};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let target = args.next().unwrap_or_else(|| "all".to_owned());
    let checks: Vec<_> =
        CHECKS.iter().filter(|(name, _)| target == "all" || target == *name).collect();
    if checks.is_empty() {
        let names: Vec<_> = CHECKS.iter().map(|(name, _)| *name).collect();
        return Err(format!("no target `{target}`; there are all, {}", names.join(", ")).into());
    }
    let tries = args.next().unwrap_or_else(|| "1000".to_owned());
    if tries == "file" {
        for file in args {
            let data = fs::read(file)?;
            for (_, check) in &checks {
                check(&data);
            }
        }
        return Ok(());
    }
    let tries: u64 = tries.parse()?;
    let first: u64 = args.next().map_or(Ok(0), |text| text.parse())?;
    let seeds = args.map(fs::read).collect::<Result<Vec<_>, _>>()?;
    for (name, check) in checks {
        run(name, *check, first..first + tries, &seeds);
    }
    Ok(())
}

fn run(name: &str, check: Check, tries: core::ops::Range<u64>, seeds: &[Vec<u8>]) {
    let (started, count) = (Instant::now(), tries.end - tries.start);
    let mut slowest = (0.0, 0);
    for attempt in tries {
        let data = mutate::bytes(&mut Rng::new(attempt), seeds);
        let guard = Named { name, attempt };
        let began = Instant::now();
        check(&data);
        core::mem::forget(guard);
        let took = began.elapsed().as_secs_f64();
        if took > slowest.0 {
            slowest = (took, attempt);
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{name}: {count} tries in {seconds:.1} s, the slowest {:.1} ms (try {})",
        slowest.0 * 1000.0,
        slowest.1
    );
}

/// Says which try it was when a check panics.
struct Named<'a> {
    name: &'a str,
    attempt: u64,
}

impl Drop for Named<'_> {
    fn drop(&mut self) {
        eprintln!("{}: try {} failed", self.name, self.attempt);
    }
}
