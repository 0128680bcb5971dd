//! A short run of every oracle, and proof that each reaches what it is for.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use kernel_bpf::maps::AnyMap;
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf_fuzz::mutate::{self, Rng};
use kernel_bpf_fuzz::soundness::Checker;
use kernel_bpf_fuzz::{
    Check, differential, kernel, loader, maps, program, soundness, text, verifier,
};
use kernel_bpf_tests::case::Case;
use kernel_bpf_tests::corpus;
use kernel_bpf_tests::engine;

/// Tries of each oracle; `KBPF_FUZZ_TRIES` sets another number.
fn tries() -> u64 {
    let tries = std::env::var("KBPF_FUZZ_TRIES").ok().and_then(|text| text.parse().ok());
    tries.unwrap_or(2_000)
}

fn run(check: Check, seeds: &[Vec<u8>]) {
    for attempt in 0..tries() {
        check(&mutate::bytes(&mut Rng::new(attempt), seeds));
    }
}

/// The example objects and their flat images.
fn objects() -> Vec<Vec<u8>> {
    [examples("o"), images()].concat()
}

fn images() -> Vec<Vec<u8>> {
    examples("kbi")
}

fn examples(extension: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/programs");
    let files =
        fs::read_dir(folder).expect("the examples").map(|entry| entry.expect("a file").path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    files.sort();
    files.iter().map(|path| fs::read(path).expect("an example")).collect()
}

#[test]
fn text_and_slots_survive_each_other() {
    run(text::check, &[]);
    let sources =
        ["\x01r0 = *(u8 *)(r1 +14)\nif w2 s> -1 goto +3\nexit", "\x01l: goto l\n r0 = be16 r0"];
    run(text::check, &sources.map(|source| source.as_bytes().to_vec()));
}

#[test]
fn objects_may_be_anything() {
    let seeds = objects();
    assert!(seeds.len() >= 10, "only {} examples", seeds.len());
    // The examples themselves are read and written back whole.
    for seed in &seeds {
        loader::check(seed);
    }
    run(loader::check, &seeds);
}

#[test]
fn the_verifier_answers_to_everything() {
    run(verifier::check, &[]);
}

#[test]
fn engines_agree_on_everything() {
    run(differential::check, &[]);
    // Otherwise the reference would show nothing.
    let tally = &differential::TALLY;
    let read = |what: &AtomicU64| what.load(Ordering::Relaxed);
    let (compared, declined) = (read(&tally.compared), read(&tally.declined));
    assert!(compared * 4 > tries() && compared > declined, "{tally:?}");
    assert!(read(&tally.executed) > 20 * compared, "{tally:?}");
}

#[test]
fn engines_agree_on_the_corpus() {
    // Some cases have maps that only one profile has.
    let exist =
        |case: &Case| case.maps.iter().all(|def| AnyMap::<ActiveProfile>::new(*def).is_ok());
    let mut checked = 0;
    for (seed, case) in (0..).zip(corpus::written()).filter(|(_, case)| exist(case)) {
        differential::check_case(case, 4, seed);
        checked += 1;
    }
    assert!(checked > 100, "{checked} cases");
}

#[test]
fn maps_are_their_models() {
    run(maps::check, &[]);
}

#[test]
fn what_happens_was_foreseen() {
    // Each makes several programs, which run on many inputs.
    let tries = tries() / 4;
    let mut checker = Checker::new();
    for attempt in 0..tries {
        checker.check(&mutate::bytes(&mut Rng::new(attempt), &[]));
    }
    for (seed, case) in (0..tries / 8).zip(program::seeds(&images())) {
        checker.check_changes(case, seed);
    }
    let tally = &soundness::TALLY;
    let read = |what: &AtomicU64| what.load(Ordering::Relaxed);
    // Otherwise the test would show nothing.
    let (accepted, compared) = (read(&tally.accepted), read(&tally.compared));
    assert!(accepted > tries && compared * 10 > accepted * 9, "{tally:?}");
    assert!(read(&tally.steps) > 1_000 * accepted, "{tally:?}");
}

#[test]
fn nothing_is_held_or_used_for_too_long() {
    let tries = tries();
    let mut checker = kernel::Checker::new();
    for attempt in 0..tries {
        checker.check(&mutate::bytes(&mut Rng::new(attempt), &[]));
    }
    let tally = &kernel::TALLY;
    let read = |what: &AtomicU64| what.load(Ordering::Relaxed);
    let (programs, accepted) = (read(&tally.programs), read(&tally.accepted));
    // Otherwise the test would show nothing.
    assert!(accepted * 5 > tries && programs * 9 > accepted * 10, "{tally:?}");
    assert!(read(&tally.steps) > 50 * accepted, "{tally:?}");
}

/// If nothing was accepted, or nothing was rejected, the two tests above would
/// show nothing.
#[test]
fn programs_are_of_all_kinds() {
    let (mut built, mut accepted) = (0, 0);
    let mut kinds = [
        ("tame", 5, 0),
        ("rounds", 30, 0),
        ("allowance", 5, 0),
        ("ends", 5, 0),
        ("joins", 1, 0),
        ("delayed", 1, 0),
        ("related", 10, 0),
    ];
    for attempt in 0..2_000 {
        let case = program::case(&mutate::bytes(&mut Rng::new(attempt), &[]));
        let Some(program) = program::build(&case) else { continue };
        built += 1;
        if engine::verify(&program).is_ok() {
            accepted += 1;
            let kind = kinds.iter_mut().find(|(name, ..)| *name == case.name);
            if let Some((.., count)) = kind {
                *count += 1;
            }
        }
    }
    assert!(built > 150 && accepted > 200 && accepted < built, "{built} {accepted}");
    assert!(kinds.iter().all(|(_, least, count)| count > least), "{kinds:?}");
}
