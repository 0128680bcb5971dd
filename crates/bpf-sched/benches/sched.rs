//! What it costs to queue a request and to take the next one, at queues of
//! several lengths.

use std::hint::black_box;
use std::sync::LazyLock;

use bpf_bytecode::{BpfInsn, BpfProgType, ProgramBuilder};
use bpf_interp::BpfContext;
use bpf_profile::{ActiveProfile, PhysicalProfile};
use bpf_sched::{ActivePolicy, BpfExecRequest, BpfScheduler, ExecPriority, ProgId};
use bpf_verifier::{VerifiedProgram, Verifier};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

type Handle = &'static VerifiedProgram<ActiveProfile>;
type Scheduler = BpfScheduler<'static, Handle, ActivePolicy, 256>;

static PROGRAM: LazyLock<VerifiedProgram<ActiveProfile>> = LazyLock::new(|| {
    let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SocketFilter)
        .insn(BpfInsn::mov64_imm(0, 42))
        .insn(BpfInsn::exit())
        .build()
        .expect("valid program");
    Verifier::new().verify_program(&program).expect("safe program")
});

#[cfg(feature = "cloud-profile")]
fn policy() -> ActivePolicy {
    ActivePolicy::new()
}

/// With both tests of admission switched on.
#[cfg(feature = "embedded-profile")]
fn policy() -> ActivePolicy {
    ActivePolicy::new().with_rate(64).with_energy_model(70)
}

fn request(number: u32) -> BpfExecRequest<'static, Handle> {
    let priority = match number % 3 {
        0 => ExecPriority::Low,
        1 => ExecPriority::Normal,
        _ => ExecPriority::High,
    };
    let request = BpfExecRequest::new(ProgId(number % 16), &*PROGRAM, BpfContext::empty());
    timed(request.with_priority(priority), number)
}

#[cfg(feature = "cloud-profile")]
fn timed(request: BpfExecRequest<'_, Handle>, _: u32) -> BpfExecRequest<'_, Handle> {
    request
}

#[cfg(feature = "embedded-profile")]
fn timed(request: BpfExecRequest<'_, Handle>, number: u32) -> BpfExecRequest<'_, Handle> {
    use bpf_sched::{Deadline, EnergyBudget};

    let spread = u64::from(number.wrapping_mul(2_654_435_761) % 1000);
    request
        .with_deadline(Deadline::from_now(0, 1_000_000_000 + spread))
        .with_energy(EnergyBudget::from_microjoules(1000))
}

/// Takes the next request out and puts one in, with `waiting` in the queue.
fn turn_over(c: &mut Criterion) {
    let mut group = c.benchmark_group(format!("{}/next+submit", ActiveProfile::NAME));
    for waiting in [1_u32, 16, 128] {
        let mut scheduler = Scheduler::with_policy(policy());
        for number in 0..waiting {
            scheduler.submit(request(number)).expect("room");
        }
        let mut number = waiting;
        group.bench_function(BenchmarkId::from_parameter(waiting), |b| {
            b.iter(|| {
                let _ = black_box(scheduler.next());
                number = number.wrapping_add(1);
                scheduler.submit(black_box(request(number))).expect("room");
            });
        });
    }
    group.finish();
}

criterion_group!(benches, turn_over);
criterion_main!(benches);
