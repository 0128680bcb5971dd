//! Times for one bytecode instruction, the interpreter's beside its peers', as
//! least of many rounds in which the engines take turns. On a busy machine the
//! ratios say more than the times.
//!
//! `cargo bench -p bpf-interp --features cloud-profile --bench ratios`

#![allow(clippy::cast_precision_loss, reason = "small numbers")]

#[path = "../interp/peers.rs"]
mod peers;
#[path = "../interp/workloads.rs"]
mod workloads;

use std::hint::black_box;
use std::time::Instant;

use bpf_bytecode::{BpfProgType, BpfProgram, ProgramBuilder};
use bpf_interp::run::StackMemory;
use bpf_interp::{
    BpfContext, BpfExecutor, Environment, Interpreter, Observer, Step, VerifiedInterpreter,
};
use bpf_profile::ActiveProfile;
#[cfg(feature = "cloud-profile")]
use bpf_verifier::VerifiedProgram;
use bpf_verifier::Verifier;

use peers::{Rbpf, Sbpf};
use workloads::{WORKLOADS, Workload};

const ROUNDS: usize = 60;
/// Each measurement executes about so many instructions.
const INSNS: u64 = 200_000;

struct Count(u64);

impl Observer for Count {
    fn step(&mut self, _: &Step<'_, '_>) {
        self.0 += 1;
    }
}

/// A name, and one execution.
type Engine<'a> = (&'static str, Box<dyn FnMut() -> u64 + 'a>);

fn program(workload: &Workload) -> BpfProgram<ActiveProfile> {
    ProgramBuilder::new(BpfProgType::Syscall).insns(&workload.slots()).build().expect("builds")
}

/// Whether each engine is to run only twice, for a tool that counts what the
/// machine executes (`--once`).
fn once() -> bool {
    std::env::args().any(|arg| arg == "--once")
}

/// The least time of one execution, in nanoseconds, for each engine.
fn measure(engines: &mut [Engine<'_>], expected: u64, repeat: u64) -> Vec<f64> {
    for (name, engine) in engines.iter_mut() {
        assert_eq!(engine(), expected, "{name}");
    }
    let mut best = vec![f64::MAX; engines.len()];
    for _ in 0..if once() { 1 } else { ROUNDS } {
        for ((_, engine), best) in engines.iter_mut().zip(&mut best) {
            let start = Instant::now();
            for _ in 0..repeat {
                black_box(engine());
            }
            *best = best.min(start.elapsed().as_secs_f64());
        }
    }
    best.iter().map(|seconds| seconds * 1e9 / repeat as f64).collect()
}

/// Instructions that one execution executes, and times as [`measure`] gives them
/// with the engines' names.
fn times(workload: &Workload) -> (u64, Vec<(&'static str, f64)>) {
    let program = program(workload);
    // A proven bound may be far from what is executed.
    let env = Environment::new().with_budget(u64::MAX);
    let mut count = Count(0);
    let checked = Interpreter::<ActiveProfile>::new();
    let expected = checked
        .execute_with(&program, &BpfContext::bytes(&mut workload.memory()), &mut count)
        .expect("runs");

    let mut memories: [Vec<u8>; 7] = std::array::from_fn(|_| workload.memory());
    let [m0, m1, m2, m3, m4, m5, m6] = &mut memories;
    let (c0, c1) = (BpfContext::bytes(m0), BpfContext::bytes(m1));
    let mut c5 = BpfContext::bytes(m5);
    let bytes = workload.bytes();
    let mut rbpf = Rbpf::new(&bytes);
    let mut sbpf = Sbpf::new(&bytes, m3);
    let verified = Verifier::<ActiveProfile>::new().verify_program(&program).expect("accepted");
    let in_place = VerifiedInterpreter::<ActiveProfile>::with_env(env);
    let mut stack = StackMemory::new();
    let mut prepared = in_place.prepare(&verified, &mut stack).expect("fits");
    let mut engines: Vec<Engine<'_>> = vec![
        ("rbpf", Box::new(|| rbpf.execute(m2))),
        ("solana-sbpf", Box::new(|| sbpf.execute())),
        ("checked", Box::new(|| checked.execute(&program, &c0).expect("runs"))),
        ("in place", Box::new(|| in_place.execute(&verified, &c1).expect("runs"))),
        ("prepared", Box::new(|| prepared.run(&mut c5).expect("runs"))),
    ];
    #[cfg(feature = "cloud-profile")]
    engines.extend(translated(env, &verified, BpfContext::bytes(m4), BpfContext::bytes(m6)));
    #[cfg(not(feature = "cloud-profile"))]
    let _ = (m4, m6);

    let repeat = if once() { 1 } else { (INSNS / count.0).max(1) };
    let best = measure(&mut engines, expected, repeat);
    (count.0, engines.iter().map(|(name, _)| *name).zip(best).collect())
}

#[cfg(feature = "cloud-profile")]
fn translated<'a>(
    env: Environment<'a>,
    verified: &VerifiedProgram<ActiveProfile>,
    context: BpfContext<'a>,
    mut again: BpfContext<'a>,
) -> [Engine<'a>; 2] {
    use bpf_interp::{TranslatedInterpreter, TranslatedProgram};

    // They stay until the process ends, as what is prepared borrows them.
    let program: &_ = Box::leak(Box::new(TranslatedProgram::new(verified).expect("translates")));
    let interp: &_ = Box::leak(Box::new(TranslatedInterpreter::<ActiveProfile>::with_env(env)));
    let stack = Box::leak(Box::default());
    let mut prepared = interp.prepare(program, stack).expect("fits");
    [
        ("translated", Box::new(move || interp.execute(program, &context).expect("runs"))),
        ("prepared", Box::new(move || prepared.run(&mut again).expect("runs"))),
    ]
}

fn main() {
    let mut logs: Vec<(&str, f64)> = Vec::new();
    println!("ns per instruction; for `enter` ns per execution");
    for workload in WORKLOADS {
        let (insns, times) = times(workload);
        let enters = workload.name == "enter";
        print!("{:10} {insns:8} insns", workload.name);
        logs.resize(times.len(), ("", 0.0));
        for ((name, time), log) in times.into_iter().zip(&mut logs) {
            let time = if enters { time } else { time / insns as f64 };
            print!("  {name} {time:6.2}");
            *log = (name, if enters { 0.0 } else { log.1 + time.ln() });
        }
        println!();
    }
    print!("{:25}", "geometric mean");
    for (name, log) in &logs {
        print!("  {name} {:6.2}", (log / (WORKLOADS.len() - 1) as f64).exp());
    }
    println!();
}
