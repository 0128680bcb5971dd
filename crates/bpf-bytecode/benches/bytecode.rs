//! Speed of decoding, disassembly and assembly, with `rbpf` beside us.
//!
//! `cargo bench -p bpf-bytecode --features cloud-profile` (or
//! `embedded-profile`).

use std::fmt::Write;
use std::hint::black_box;

use bpf_bytecode::text::{Dialect, Listing, assemble_into};
use bpf_bytecode::{BpfInsn, Instruction};
use bpf_profile::ActiveProfile;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Instructions that both assemblers know, in the dialect that both read.
const BODY: &str = "\
mov64 r6, r1
ldxdw r7, [r6+8]
ldxh r2, [r7+12]
be16 r2
jne r2, 0x800, +9
lsh64 r2, 3
and64 r2, 0xff
add64 r2, r7
stxdw [r10-8], r2
mov64 r1, r10
add64 r1, -8
lddw r3, 0x123456789abcdef0
xor64 r2, r3
mov64 r0, 2
";

/// How often the body is repeated.
const REPEATS: usize = 16;

fn source() -> String {
    let mut text = BODY.repeat(REPEATS);
    text.push_str("exit\n");
    text
}

fn bytecode(c: &mut Criterion) {
    let text = source();
    let mut slots = [BpfInsn::default(); 512];
    let insns: &[BpfInsn] =
        assemble_into::<ActiveProfile>(&text, &mut slots).expect("the text is a program");
    let bytes: Vec<u8> = insns.iter().flat_map(|insn| insn.to_bytes()).collect();
    assert_eq!(bytes, rbpf::assembler::assemble(&text).expect("the text is a program"));
    let count = u64::try_from(insns.len()).expect("few slots");

    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(count));
    group.bench_function("bpf-bytecode", |b| {
        b.iter(|| {
            let (mut pc, mut decoded) = (0, 0);
            while let Ok(insn) = Instruction::decode(black_box(insns), pc) {
                pc += black_box(insn).slots();
                decoded += 1;
            }
            decoded
        });
    });
    group.finish();

    let mut group = c.benchmark_group("disassemble");
    group.throughput(Throughput::Elements(count));
    for (name, dialect) in [("llvm", Dialect::Llvm), ("mnemonic", Dialect::Mnemonic)] {
        let mut out = String::new();
        group.bench_function(format!("bpf-bytecode/{name}"), |b| {
            b.iter(|| {
                out.clear();
                write!(out, "{}", Listing::new(black_box(insns)).dialect(dialect))
                    .expect("a string takes all");
                out.len()
            });
        });
    }
    group.bench_function("rbpf", |b| {
        b.iter(|| rbpf::disassembler::to_insn_vec(black_box(&bytes)).len());
    });
    group.finish();

    let mut group = c.benchmark_group("assemble");
    group.throughput(Throughput::Elements(count));
    let llvm = Listing::new(insns).source().to_string();
    for (name, text) in [("llvm", &llvm), ("mnemonic", &text)] {
        let mut out = [BpfInsn::default(); 512];
        group.bench_function(format!("bpf-bytecode/{name}"), |b| {
            b.iter(|| {
                assemble_into::<ActiveProfile>(black_box(text), &mut out).map(|slots| slots.len())
            });
        });
    }
    group.bench_function("rbpf", |b| {
        b.iter(|| rbpf::assembler::assemble(black_box(&text)).map(|bytes| bytes.len()));
    });
    group.finish();
}

criterion_group!(benches, bytecode);
criterion_main!(benches);
