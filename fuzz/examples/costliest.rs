//! Looks for what the verifier takes longest for, until its budget ends:
//! `costliest SECONDS [FIRST_SEED] [IMAGE…]`. Programs of all generators, of the corpus and of
//! the flat images are changed; what takes longer is kept and changed further. The search
//! has a part of the steps that the verifier takes by default; in the end those that took longest
//! are verified with all of them, and the times of these are printed; and with `KBPF_SHOW` in the
//! environment the first of them.

use std::error::Error;
use std::fs;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use kernel_bpf::bytecode::BpfInsn;
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::Verifier;
use kernel_bpf_fuzz::mutate::{self, Rng};
use kernel_bpf_fuzz::program;
use kernel_bpf_tests::case::Case;

/// Steps that the verifier may take in the search; in the end it has its own limit.
const STEPS: u64 = 100_000;

/// Programs that are changed further.
const KEPT: usize = 48;

/// Programs that are verified with the whole budget in the end.
const SHOWN: usize = 12;

/// Slots that a program may grow to.
const MOST_SLOTS: usize = 4096;

struct Found {
    case: Case,
    took: Duration,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let time = Duration::from_secs(args.next().ok_or("how many seconds?")?.parse()?);
    let seed: u64 = args.next().map_or(Ok(0), |text| text.parse())?;
    let images = args.map(fs::read).collect::<Result<Vec<_>, _>>()?;
    let seeds = program::seeds(&images);
    let mut rng = Rng::new(seed);
    let mut found: Vec<Found> = Vec::new();
    let (began, mut tries) = (Instant::now(), 0_u64);
    while began.elapsed() < time {
        tries += 1;
        let mut case = match rng.below(8) {
            0 => program::case(&mutate::bytes(&mut rng, &[])),
            1 => seeds[rng.below(seeds.len())].clone(),
            _ if found.is_empty() => continue,
            // More often one of the longest.
            _ => found[rng.below(found.len()).min(rng.below(found.len()))].case.clone(),
        };
        for _ in 0..rng.below(5) {
            change(&mut case.insns, &mut rng);
        }
        let least = found.get(KEPT - 1).map_or(Duration::ZERO, |found| found.took);
        let Some(took) = shortest(&case, least) else { continue };
        if found.iter().any(|found| found.case.insns == case.insns) {
            continue;
        }
        let at = found.partition_point(|found| found.took >= took);
        found.insert(at, Found { case, took });
        found.truncate(KEPT);
    }
    println!("{tries} programs in {:.0} s", began.elapsed().as_secs_f64());
    for Found { case, took } in found.iter().take(SHOWN) {
        let Some((whole, answer)) = verify(case, None) else { continue };
        println!(
            "{:.0} ms, {:.1} ms for {STEPS} steps: {} slots of {}: {answer}",
            whole.as_secs_f64() * 1e3,
            took.as_secs_f64() * 1e3,
            case.insns.len(),
            case.name,
        );
    }
    if std::env::var_os("KBPF_SHOW").is_some() {
        let first = found.first().map(|found| &found.case);
        if let Some((case, program)) = first.and_then(|case| Some((case, program::build(case)?))) {
            println!("{:?} {:?}\n{}", case.prog_type, case.maps, program.listing());
        }
    }
    Ok(())
}

/// The time that verifying takes, if it is more than `least` in each of three tries: the
/// machine has other things to do.
fn shortest(case: &Case, least: Duration) -> Option<Duration> {
    let mut shortest = Duration::MAX;
    for _ in 0..3 {
        let (took, _) = verify(case, Some(STEPS))?;
        shortest = shortest.min(took);
        if shortest <= least {
            return None;
        }
    }
    Some(shortest)
}

/// The time that verifying takes in so many steps, or as many as there are by default, and the
/// answer.
fn verify(case: &Case, steps: Option<u64>) -> Option<(Duration, String)> {
    let program = program::build(case)?;
    let verifier = Verifier::<ActiveProfile>::new();
    let verifier = match steps {
        Some(steps) => verifier.step_limit(steps),
        None => verifier,
    };
    let began = processor_time();
    let answer = verifier.verify_program(&program);
    let took = processor_time().saturating_sub(began);
    let text = match answer {
        Ok(verified) => format!("accepted after {} steps", verified.info().processed),
        Err(error) => error.to_string(),
    };
    Some((took, text))
}

/// Time that this thread had a processor for, or on systems that do not say the time that has
/// passed.
fn processor_time() -> Duration {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split_whitespace().next().and_then(|first| first.parse().ok());
    nanoseconds.map_or_else(|| BEGAN.elapsed(), Duration::from_nanos)
}

/// Changes one instruction, or puts a copy of some behind others, which makes the program longer.
fn change(insns: &mut Vec<BpfInsn>, rng: &mut Rng) {
    let slots = insns.len();
    if slots == 0 || rng.below(4) != 0 || slots >= MOST_SLOTS {
        return program::change(insns, rng);
    }
    let from = rng.below(slots);
    let len = (1 + rng.below(40)).min(slots - from);
    let to = rng.below(slots);
    let copy = insns[from..from + len].to_vec();
    insns.splice(to..to, copy);
}
