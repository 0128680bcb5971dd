//! What verification costs: the examples as clang compiled them, and shapes of
//! programs that are hard on verifiers.
#![allow(clippy::format_push_string, reason = "texts are put together as they are read")]

use std::hint::black_box;

use bpf_bytecode::text::assemble;
use bpf_bytecode::{BpfProgType, BpfProgram, ProgramBuilder};
use bpf_loader::Object;
use bpf_profile::ActiveProfile;
use bpf_verifier::Verifier;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

type Program = BpfProgram<ActiveProfile>;

const EXAMPLES: [(&str, &[u8]); 4] = [
    ("socket_filter", include_bytes!("../../../examples/programs/socket_filter.bpf.o")),
    ("packet_histogram", include_bytes!("../../../examples/programs/packet_histogram.bpf.o")),
    ("rate_limiter", include_bytes!("../../../examples/programs/rate_limiter.bpf.o")),
    ("xdp_firewall", include_bytes!("../../../examples/programs/xdp_firewall.bpf.o")),
];

fn text(source: &str) -> Program {
    let insns = assemble::<ActiveProfile>(source).expect("text");
    ProgramBuilder::new(BpfProgType::SocketFilter).insns(&insns).build().expect("program")
}

/// A loop that counts to a thousand.
fn counting() -> Program {
    text("r0 = 0\nr1 = 0\nagain: r0 += 2\nr1 += 1\nif r1 < 1000 goto again\nexit")
}

/// A loop with a branch in it: paths join a hundred times.
fn joining() -> Program {
    text(
        "r6 = r1
         r0 = 0
         r7 = 0
         again: r2 = *(u32 *)(r6 +0)
         if r2 & 1 goto odd
         r0 += 3
         goto both
         odd: r0 += 5
         both: r7 += 1
         if r7 < 100 goto again
         exit",
    )
}

/// Straight code: arithmetic on unknown numbers.
fn arithmetic() -> Program {
    let mut source = String::from("r0 = *(u32 *)(r1 +0)\nr2 = *(u32 *)(r1 +4)\n");
    for at in 0..30 {
        source += &format!("r0 += r2\nr0 *= 3\nr2 ^= r0\nr2 >>= {}\nw0 -= w2\nr0 &= r2\n", at % 7);
    }
    text(&(source + "exit"))
}

fn verification(c: &mut Criterion) {
    let mut group = c.benchmark_group("verify");
    let mut programs: Vec<(&str, Program)> =
        vec![("counting", counting()), ("joining", joining()), ("arithmetic", arithmetic())];
    for (name, bytes) in EXAMPLES {
        let object = Object::<ActiveProfile>::parse(bytes).expect(name);
        for program in object.programs() {
            // A static build may have no room for the larger ones.
            if let Ok(program) = program.link().and_then(|linked| linked.build()) {
                programs.push((name, program));
            }
        }
    }
    let mut workspace = vec![0_u64; 64 << 10];
    let verifier = Verifier::with_workspace(&mut workspace);
    for (name, program) in &programs {
        let info = *verifier.verify_program(program).expect(name).info();
        group.throughput(Throughput::Elements(info.processed));
        group.bench_function(*name, |b| b.iter(|| verifier.verify(black_box(program))));
    }
    group.finish();
}

criterion_group!(benches, verification);
criterion_main!(benches);
