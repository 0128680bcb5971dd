//! Engines against each other, over generated programs.
//!
//! What the verifier accepts must run to its end without a fault, within its
//! proven bound, and with the same result on every engine; what it rejects, or
//! nobody verified, must come to the same end, faults included, on every engine
//! that checks. Memory is at the same addresses every time, so that programs
//! that compute with addresses are compared as all others.

use kernel_bpf::bytecode::BpfProgram;
use kernel_bpf::execution::BpfError;
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf_tests::case::Case;
use kernel_bpf_tests::engine::{self, Outcome};
use kernel_bpf_tests::replay::Arena;
use kernel_bpf_tests::{outcome, random};

#[global_allocator]
static ALLOCATOR: Arena = Arena;

/// Programs of each kind that one test run generates.
const PROGRAMS: u64 = 1_000;

/// What became of one case.
struct Seen {
    accepted: bool,
    faulted: bool,
}

fn disassembly(program: &BpfProgram<ActiveProfile>) -> String {
    program.listing().to_string()
}

/// Runs a case on every engine and compares.
fn check(case: &Case) -> Option<Seen> {
    let insns = Vec::leak(case.insns.clone());
    let mut builder = kernel_bpf::bytecode::ProgramBuilder::from_static(case.prog_type, insns);
    for def in &case.maps {
        builder = builder.map(*def);
    }
    // A mutation may break what `build` checks.
    let program = builder.build().ok()?;
    let verified = engine::verify(&program);
    let mut first: Option<(&str, Outcome)> = None;
    let mut faulted = false;
    for engine in engine::all() {
        let verified = verified.as_ref().ok();
        if engine.verified_only && verified.is_none() {
            continue;
        }
        let outcome = (engine.run)(case, &program, verified).expect("both profiles have the maps");
        faulted |= outcome.result.is_err();
        if verified.is_some() {
            let text = outcome::of(outcome.result);
            let bad = matches!(outcome.result, Err(BpfError::Fault { .. }));
            assert!(
                !bad,
                "{} faulted on {}: {text}\n{}",
                case.name,
                engine.name,
                disassembly(&program)
            );
        }
        let Some((name, first)) = &first else {
            first = Some((engine.name, outcome));
            continue;
        };
        // Budgets end programs at the same instruction, so even then all agree.
        assert!(
            *first == outcome,
            "{}: {name} gives {}, {} gives {}\n{}",
            case.name,
            outcome::of(first.result),
            engine.name,
            outcome::of(outcome.result),
            disassembly(&program)
        );
    }
    Some(Seen { accepted: verified.is_ok(), faulted })
}

fn first_seed() -> u64 {
    let seed = std::env::var("KBPF_SEED").ok().and_then(|text| text.parse().ok());
    seed.unwrap_or(0)
}

fn count() -> u64 {
    let count = std::env::var("KBPF_PROGRAMS").ok().and_then(|text| text.parse().ok());
    count.unwrap_or(PROGRAMS)
}

#[test]
fn valid_programs_run_alike_everywhere() {
    let seeds = first_seed()..first_seed() + count();
    let seen: Vec<Seen> = seeds.filter_map(|seed| check(&random::valid(seed))).collect();
    let accepted = seen.iter().filter(|seen| seen.accepted).count();
    println!("{} programs, {accepted} accepted by the verifier", seen.len());
    assert_eq!(seen.len() as u64, count());
    assert!(seen.iter().all(|seen| !seen.faulted));
    assert!(accepted * 10 >= seen.len() * 9, "the verifier accepted only {accepted}");
}

#[test]
fn mutated_programs_end_alike_everywhere() {
    let seeds = first_seed()..first_seed() + count();
    let seen: Vec<Seen> = seeds.filter_map(|seed| check(&random::mutated(seed))).collect();
    let accepted = seen.iter().filter(|seen| seen.accepted).count();
    let faulted = seen.iter().filter(|seen| seen.faulted).count();
    println!("{} programs, {accepted} accepted, {faulted} faulted", seen.len());
    // All kinds must occur, or the test shows nothing.
    assert!(accepted > 0 && faulted > 0);
}
