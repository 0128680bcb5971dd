//! Run time and compile time of compiled code, beside the JIT compilers of
//! `rbpf` and `solana-sbpf` on the same bytecode in the same process.
//!
//! Ours runs an XDP program that fetches the packet's address and checks its
//! length first; the others are given the address in R1. `solana-sbpf` runs
//! with metering, address translation and value sanitising off.

use std::hint::black_box;

use bpf_bytecode::text::assemble;
use bpf_bytecode::{BpfInsn, BpfProgType, BpfProgram, ProgramBuilder};
use bpf_interp::{BpfContext, BpfExecutor, Interpreter};
use bpf_jit_x86::{CompiledProgram, HostMemory, JitExecutor};
use bpf_profile::ActiveProfile;
use bpf_verifier::Verifier;
use criterion::{Criterion, criterion_group, criterion_main};

mod peers;
mod workloads;

use workloads::WORKLOADS;

/// Bytes that every workload may access.
const BYTES: usize = 1024;

fn bytes() -> Vec<u8> {
    (0..BYTES).map(|i| u8::try_from(i * 7 % 251).unwrap_or(0)).collect()
}

fn build(insns: &[BpfInsn]) -> BpfProgram<ActiveProfile> {
    ProgramBuilder::new(BpfProgType::Xdp).insns(insns).build().expect("a program")
}

fn assembled(text: &str) -> Vec<BpfInsn> {
    assemble::<ActiveProfile>(text).expect("text of a program")
}

/// A workload as an XDP program, and as the others want it.
fn forms(body: &str) -> (BpfProgram<ActiveProfile>, Vec<u8>) {
    let ours = format!(
        "r0 = 0\nr2 = *(u32 *)(r1 +4)\nr1 = *(u32 *)(r1 +0)\nr3 = r1\nr3 += {BYTES}
         if r3 > r2 goto out\n{body}\nout: exit"
    );
    let theirs = format!("r0 = 0\n{body}\nexit");
    let theirs = assembled(&theirs).iter().flat_map(|insn| insn.to_bytes()).collect();
    (build(&assembled(&ours)), theirs)
}

fn run(c: &mut Criterion) {
    for (name, body) in WORKLOADS {
        let (program, raw) = forms(body);
        let mut memory = bytes();
        let context = BpfContext::xdp(&mut memory);
        let mut group = c.benchmark_group(format!("run/{name}"));
        let expected = Interpreter::new().execute(&program, &context);

        let verified = Verifier::new().verify_program(&program).expect("a right program");
        let proven = CompiledProgram::compile(&verified, &HostMemory).expect("code");
        let checked = CompiledProgram::compile_checked(&program, &HostMemory).expect("code");
        let jit = JitExecutor::new();
        for (way, compiled) in [("proven", &proven), ("checked", &checked)] {
            assert_eq!(jit.execute(compiled, &context), expected, "{name}");
            group.bench_function(way, |b| b.iter(|| jit.execute(black_box(compiled), &context)));
        }
        let expected = expected.expect("a result");
        peers::rbpf(&mut group, &raw, &mut bytes(), expected);
        peers::solana(&mut group, &raw, &mut bytes(), expected);
        group.finish();
    }
}

fn compile(c: &mut Criterion) {
    // `rbpf` has one page for a program's code, which the larger ones exceed.
    for slots in [100, 600, 10_000] {
        let insns = workloads::straight(slots);
        let program = build(&insns);
        let raw: Vec<u8> = insns.iter().flat_map(|insn| insn.to_bytes()).collect();
        let mut group = c.benchmark_group(format!("compile/{slots}"));
        let verified = Verifier::new().verify_program(&program).expect("a right program");
        let code = CompiledProgram::compile(&verified, &HostMemory).expect("code");
        println!("compile/{slots}: {} bytes of code", code.code().len());
        group.bench_function("proven", |b| {
            b.iter(|| CompiledProgram::compile(black_box(&verified), &HostMemory));
        });
        group.bench_function("checked", |b| {
            b.iter(|| CompiledProgram::compile_checked(black_box(&program), &HostMemory));
        });
        if slots <= 600 {
            peers::rbpf_compile(&mut group, &raw);
        }
        peers::solana_compile(&mut group, &raw);
        group.finish();
    }
}

criterion_group!(benches, run, compile);
criterion_main!(benches);
