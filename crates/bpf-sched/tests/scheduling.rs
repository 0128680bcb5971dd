//! Verified programs through the scheduler and an engine, by every handle.

use std::sync::{Arc, LazyLock};

use bpf_bytecode::{BpfInsn, BpfProgType, ProgramBuilder};
use bpf_interp::{BpfContext, BpfError, Environment, Refusal, VerifiedInterpreter};
use bpf_profile::ActiveProfile;
use bpf_sched::{BpfExecRequest, BpfScheduler, ExecPriority, Outcome, ProgId};
use bpf_verifier::{VerifiedProgram, Verifier};

type Program = VerifiedProgram<ActiveProfile>;
type Engine<'e> = VerifiedInterpreter<'e, ActiveProfile>;

fn returning(value: i32) -> Program {
    let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SocketFilter)
        .insn(BpfInsn::mov64_imm(0, value))
        .insn(BpfInsn::exit())
        .build()
        .expect("valid program");
    Verifier::new().verify_program(&program).expect("safe program")
}

/// Runs everything that waits; numbers of the programs and their results.
fn run<H>(scheduler: &mut BpfScheduler<'_, H>, engine: &Engine<'_>) -> Vec<(u32, u64)>
where
    H: core::ops::Deref<Target = Program>,
{
    let mut results = Vec::new();
    while let Some(queued) = scheduler.next() {
        let r0 = queued.execute(engine).expect("runs");
        results.push((queued.request().id().0, r0));
    }
    results
}

#[test]
fn a_program_is_shared_by_counting() {
    let program = Arc::new(returning(7));
    let mut scheduler = BpfScheduler::new();
    for id in 1..4 {
        let request = BpfExecRequest::new(ProgId(id), Arc::clone(&program), BpfContext::empty());
        scheduler.submit(request).expect("room");
    }
    assert_eq!(Arc::strong_count(&program), 4);
    assert_eq!(run(&mut scheduler, &Engine::new()), [(1, 7), (2, 7), (3, 7)]);
    assert_eq!(Arc::strong_count(&program), 1);
}

#[test]
fn a_program_is_shared_for_good() {
    static PROGRAM: LazyLock<Program> = LazyLock::new(|| returning(9));
    let mut scheduler = BpfScheduler::new();
    let low = BpfExecRequest::new(ProgId(1), &*PROGRAM, BpfContext::empty())
        .with_priority(ExecPriority::Low);
    let high = BpfExecRequest::new(ProgId(2), &*PROGRAM, BpfContext::empty())
        .with_priority(ExecPriority::High);
    scheduler.submit(low).expect("room");
    scheduler.submit(high).expect("room");
    assert_eq!(run(&mut scheduler, &Engine::new()), [(2, 9), (1, 9)]);
}

/// A kernel keeps its scheduler in a static, under a lock.
#[test]
fn a_scheduler_moves_between_cpus() {
    fn is_send<T: Send>(_: &T) {}
    let scheduler: BpfScheduler<'_, &'static Program> = BpfScheduler::new();
    is_send(&scheduler);
    let scheduler: BpfScheduler<'_, Arc<Program>> = BpfScheduler::new();
    is_send(&scheduler);
}

#[test]
fn the_context_of_a_request_is_the_programs_input_and_comes_back() {
    let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::Xdp)
        .insn(BpfInsn::mov64_imm(0, 2))
        .insn(BpfInsn::exit())
        .build()
        .expect("valid program");
    let program = Arc::new(Verifier::new().verify_program(&program).expect("safe program"));
    let mut packet = [1, 2, 3, 4];
    let mut scheduler = BpfScheduler::new();
    let context = BpfContext::xdp(&mut packet);
    scheduler.submit(BpfExecRequest::new(ProgId(1), program, context)).expect("room");
    let queued = scheduler.next().expect("it waits");
    assert_eq!(queued.execute(&Engine::new()), Ok(2));
    let (_, context) = queued.into_request().into_parts();
    assert_eq!(context.with_packet(<[u8]>::to_vec), Ok(vec![1, 2, 3, 4]));
}

/// An execution that an engine refuses, since the program may take longer than
/// its budget.
fn refused() -> (BpfScheduler<'static, Arc<Program>>, BpfError) {
    let mut scheduler = BpfScheduler::new();
    let program = Arc::new(returning(7));
    scheduler.submit(BpfExecRequest::new(ProgId(5), program, BpfContext::empty())).expect("room");
    let refusal = Refusal::BudgetTooSmall { bound: 2, budget: 1 };
    (scheduler, BpfError::Refused(refusal))
}

#[cfg(feature = "cloud-profile")]
#[test]
fn what_an_engine_refuses_comes_back_whole() {
    let (mut scheduler, expected) = refused();
    let queued = scheduler.next().expect("it waits");
    let result = queued.execute(&Engine::with_env(Environment::standard().with_budget(1)));
    match scheduler.complete(queued, result) {
        Outcome::GivenUp { error, request } => {
            assert_eq!((error, request.id()), (expected, ProgId(5)));
            scheduler.submit(request).expect("room");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(run(&mut scheduler, &Engine::new()), [(5, 7)]);
}

#[cfg(feature = "embedded-profile")]
#[test]
fn what_an_engine_refuses_goes_to_the_handler_and_comes_back_whole() {
    let (mut scheduler, expected) = refused();
    let queued = scheduler.next().expect("it waits");
    let result = queued.execute(&Engine::with_env(Environment::standard().with_budget(1)));
    let mut seen = Vec::new();
    let mut handler = |id, error: &BpfError| seen.push((id, *error));
    match scheduler.complete(queued, result, &mut handler) {
        Outcome::Recovered { error, request } => {
            assert_eq!((error, request.id()), (expected, ProgId(5)));
            scheduler.submit(request).expect("room");
        }
        other @ Outcome::Done(_) => panic!("{other:?}"),
    }
    assert_eq!(seen, [(ProgId(5), expected)]);
    assert_eq!(run(&mut scheduler, &Engine::new()), [(5, 7)]);
}

/// What the verifier proved decides about admission: a longer program takes
/// longer.
#[cfg(feature = "embedded-profile")]
#[test]
fn admission_counts_the_proven_time() {
    use bpf_sched::{ActivePolicy, AdmissionError, Deadline, EnergyBudget};

    let program = Arc::new(returning(7));
    let wcet = program.info().wcet;
    assert!(wcet > 0);
    let policy = ActivePolicy::new().with_rate(1000).with_energy_model(1000);
    let mut scheduler: BpfScheduler<'_, Arc<Program>> = BpfScheduler::with_policy(policy);
    let request = || BpfExecRequest::new(ProgId(1), Arc::clone(&program), BpfContext::empty());

    let late = request().with_deadline(Deadline::from_now(0, wcet - 1));
    let refused = scheduler.submit(late).expect_err("one nanosecond is missing");
    assert_eq!(refused.reason, AdmissionError::DeadlineInfeasible { late_ns: 1 });
    scheduler.submit(request().with_deadline(Deadline::from_now(0, wcet))).expect("in time");

    let poor = request().with_energy(EnergyBudget::from_nanojoules(wcet - 1));
    let refused = scheduler.submit(poor).expect_err("one nanojoule is missing");
    let (budget_nj, needed_nj) = (wcet - 1, wcet);
    assert_eq!(refused.reason, AdmissionError::EnergyExceeded { budget_nj, needed_nj });
    scheduler.submit(request().with_energy(EnergyBudget::from_nanojoules(wcet))).expect("enough");
}
