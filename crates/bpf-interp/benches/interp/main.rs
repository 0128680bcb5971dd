//! The interpreter beside its peers, in one run.
//!
//! `cargo bench -p bpf-interp --features cloud-profile` (or
//! `embedded-profile`). Throughput is in instructions of the bytecode as loaded,
//! so that "elem/s" compares across engines and workloads.
#![allow(missing_docs, reason = "criterion's macros")]

mod peers;
mod workloads;

use bpf_bytecode::{BpfProgType, BpfProgram, ProgramBuilder};
use bpf_interp::{BpfContext, BpfExecutor, Environment, Interpreter, VerifiedInterpreter};
#[cfg(feature = "cloud-profile")]
use bpf_interp::{TranslatedInterpreter, TranslatedProgram};
use bpf_profile::ActiveProfile;
use bpf_verifier::Verifier;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use peers::{Rbpf, Sbpf};
use workloads::{WORKLOADS, Workload};

fn program(workload: &Workload) -> BpfProgram<ActiveProfile> {
    ProgramBuilder::new(BpfProgType::Syscall)
        .insns(&workload.slots())
        .build()
        .expect("a workload is a program")
}

/// Instructions that one execution executes: the least budget that suffices.
fn executed(program: &BpfProgram<ActiveProfile>, memory: &mut [u8]) -> u64 {
    let context = BpfContext::bytes(memory);
    let (mut low, mut high) = (0, 1 << 24);
    while low < high {
        let budget = u64::midpoint(low, high);
        let env = Environment::new().with_budget(budget);
        let done = Interpreter::<ActiveProfile>::with_env(env).execute(program, &context).is_ok();
        if done { high = budget } else { low = budget + 1 }
    }
    low
}

fn interpreters(criterion: &mut Criterion) {
    for workload in WORKLOADS {
        let program = program(workload);
        let mut memory = workload.memory();
        let insns = executed(&program, &mut memory);
        let mut group = criterion.benchmark_group(workload.name);
        group.throughput(Throughput::Elements(insns));

        let mut memory = workload.memory();
        let interp = Interpreter::<ActiveProfile>::new();
        let context = BpfContext::bytes(&mut memory);
        let expected = interp.execute(&program, &context).expect("runs");
        group.bench_function("bpf-interp, unverified", |bencher| {
            bencher.iter(|| interp.execute(&program, &context));
        });

        // A proven bound may be far from what is executed.
        let env = Environment::new().with_budget(u64::MAX);
        let verified = Verifier::<ActiveProfile>::new().verify_program(&program).expect("accepted");
        let interp = VerifiedInterpreter::<ActiveProfile>::with_env(env);
        assert_eq!(interp.execute(&verified, &context), Ok(expected));
        group.bench_function("bpf-interp, verified, in place", |bencher| {
            bencher.iter(|| interp.execute(&verified, &context));
        });
        #[cfg(feature = "cloud-profile")]
        {
            let translated = TranslatedProgram::new(&verified).expect("translates");
            let interp = TranslatedInterpreter::<ActiveProfile>::with_env(env);
            assert_eq!(interp.execute(&translated, &context), Ok(expected));
            group.bench_function("bpf-interp, verified, translated", |bencher| {
                bencher.iter(|| interp.execute(&translated, &context));
            });
        }

        let bytes = workload.bytes();
        let mut rbpf = Rbpf::new(&bytes);
        let mut memory = workload.memory();
        assert_eq!(rbpf.execute(&mut memory), expected, "rbpf on {}", workload.name);
        group.bench_function("rbpf", |bencher| bencher.iter(|| rbpf.execute(&mut memory)));

        let mut memory = workload.memory();
        let mut sbpf = Sbpf::new(&bytes, &mut memory);
        assert_eq!(sbpf.execute(), expected, "solana-sbpf on {}", workload.name);
        group.bench_function("solana-sbpf", |bencher| bencher.iter(|| sbpf.execute()));
        group.finish();
    }
}

criterion_group!(benches, interpreters);
criterion_main!(benches);
