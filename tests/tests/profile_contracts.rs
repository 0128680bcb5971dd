//! Every row of the specification's Profile Comparison, and every bullet of its
//! Design Decisions, held against the build's profile.

use kernel_bpf::profile::{
    ActiveProfile, FailureAction, FailureSemantic, MemoryStrategy, PhysicalProfile, SchedulerPolicy,
};

type Memory = <ActiveProfile as PhysicalProfile>::Memory;
type Time = <ActiveProfile as PhysicalProfile>::Scheduler;
type Failure = <ActiveProfile as PhysicalProfile>::Failure;

/// The column of the Profile Comparison that this build must match.
#[allow(clippy::struct_excessive_bools, reason = "a column of the table")]
struct Column {
    name: &'static str,
    elastic: bool,
    stack: usize,
    insns: usize,
    jit: bool,
    wcet: bool,
    deadlines: bool,
    restart: bool,
    action: FailureAction,
}

#[cfg(feature = "cloud-profile")]
const COLUMN: Column = Column {
    name: "cloud",
    elastic: true,
    stack: 512 * 1024,
    insns: 1_000_000,
    jit: true,
    wcet: false,
    deadlines: false,
    restart: true,
    action: FailureAction::Restart,
};

#[cfg(feature = "embedded-profile")]
const COLUMN: Column = Column {
    name: "embedded",
    elastic: false,
    stack: 8 * 1024,
    insns: 100_000,
    jit: false,
    wcet: true,
    deadlines: true,
    restart: false,
    action: FailureAction::Recover,
};

#[test]
fn the_profile_matches_its_column() {
    assert_eq!(ActiveProfile::NAME, COLUMN.name);
    assert_eq!(Memory::ELASTIC, COLUMN.elastic);
    assert_eq!(ActiveProfile::MAX_STACK_SIZE, COLUMN.stack);
    assert_eq!(ActiveProfile::MAX_INSN_COUNT, COLUMN.insns);
    assert_eq!(ActiveProfile::JIT_ALLOWED, COLUMN.jit);
    assert_eq!(Time::WCET_ENFORCED, COLUMN.wcet);
    assert_eq!(Time::DEADLINES, COLUMN.deadlines);
    assert_eq!(ActiveProfile::RESTART_ACCEPTABLE, COLUMN.restart);
    assert_eq!(Failure::RESTART_ACCEPTABLE, COLUMN.restart);
    assert_eq!(Failure::ACTION, COLUMN.action);
}

/// The instruction limit is not only a number: a program of exactly that length
/// builds, one slot more does not.
#[test]
fn the_instruction_limit_is_enforced() {
    use kernel_bpf::bytecode::insn::BpfInsn;
    use kernel_bpf::bytecode::program::{BpfProgram, ProgramError};

    let limit = ActiveProfile::MAX_INSN_COUNT;
    let slots = |count: usize| -> &'static [BpfInsn] {
        let mut slots = vec![BpfInsn::mov64_imm(0, 0); count - 1];
        slots.push(BpfInsn::exit());
        Vec::leak(slots)
    };
    let longest = BpfProgram::<ActiveProfile>::from_static(slots(limit)).expect("fits");
    assert_eq!(longest.len(), limit);
    let error = BpfProgram::<ActiveProfile>::from_static(slots(limit + 1)).unwrap_err();
    assert_eq!(error, ProgramError::TooLong { slots: limit + 1, limit });
}

/// A stack policy may use the profile's stack to the last byte, and no more.
#[test]
fn the_stack_limit_is_enforced() {
    use kernel_bpf::verifier::StackPolicy;

    let limit = ActiveProfile::MAX_STACK_SIZE;
    assert!(StackPolicy::new::<ActiveProfile>(limit, limit, 1).is_ok());
    assert!(StackPolicy::new::<ActiveProfile>(limit / 8, limit, 8).is_ok());
    assert!(StackPolicy::new::<ActiveProfile>(limit + 8, limit, 1).is_err());
    assert!(StackPolicy::new::<ActiveProfile>(limit / 8, limit, 9).is_err());
    let linux = StackPolicy::default();
    assert_eq!((linux.frame_bytes(), linux.chain_bytes(), linux.frames()), (512, 512, 8));
}

/// Maps take storage and give it back, from where the profile says.
#[cfg(feature = "embedded-profile")]
#[test]
fn storage_comes_from_a_pool_of_fixed_size() {
    use kernel_bpf::maps::static_pool::StaticPool;
    use kernel_bpf::profile::MemoryBlock;

    static POOL: StaticPool<4> = StaticPool::new();
    let block = POOL.allocate(200).expect("four chunks");
    assert_eq!((block.len(), POOL.free_bytes()), (200, 0));
    assert_eq!(POOL.allocate(1).unwrap_err().requested, 1);
    drop(block);
    assert_eq!(POOL.free_bytes(), 256);
}

/// Storage grows until the heap is exhausted; that is an error, not an abort.
#[cfg(feature = "cloud-profile")]
#[test]
fn storage_comes_from_the_heap() {
    use kernel_bpf::profile::MemoryBlock;

    let block = Memory::allocate(64 << 20).expect("64 MiB");
    assert_eq!(block.len(), 64 << 20);
    assert!(Memory::allocate(usize::MAX / 2).is_err());
}

mod behaviour {
    //! What the rows mean for a program.

    use kernel_bpf::bytecode::insn::BpfInsn;
    use kernel_bpf::bytecode::program::{BpfProgType, BpfProgram, ProgramBuilder};
    use kernel_bpf::execution::{
        BpfContext, BpfError, BpfExecutor, DefaultExecutor, Engine, Fault, load,
    };
    use kernel_bpf::scheduler::{BpfExecRequest, BpfScheduler, Outcome, ProgId, QueuedProgram};
    use kernel_bpf::verifier::{VerifiedProgram, Verifier};

    use super::ActiveProfile;

    const FAULT: BpfError = BpfError::Fault { pc: 0, fault: Fault::Budget };

    type Handle = &'static VerifiedProgram<ActiveProfile>;

    fn program() -> BpfProgram<ActiveProfile> {
        ProgramBuilder::<ActiveProfile>::new(BpfProgType::SocketFilter)
            .insn(BpfInsn::mov64_imm(0, 42))
            .insn(BpfInsn::exit())
            .build()
            .expect("valid program")
    }

    fn verified() -> VerifiedProgram<ActiveProfile> {
        Verifier::new().verify_program(&program()).expect("safe program")
    }

    /// JIT compilation: yes and by default on cloud, erased on embedded, where
    /// the interpreter is the primary engine.
    #[test]
    fn the_default_engine_is_the_profiles() {
        #[cfg(all(feature = "cloud-profile", target_arch = "x86_64"))]
        const ENGINE: Engine = Engine::Jit;
        #[cfg(not(all(feature = "cloud-profile", target_arch = "x86_64")))]
        const ENGINE: Engine = Engine::Interpreter;

        let program = load(verified());
        let executor = DefaultExecutor::<ActiveProfile>::new();
        assert_eq!(executor.engine(&program), ENGINE);
        assert_eq!(executor.execute(&program, &BpfContext::empty()), Ok(42));
    }

    #[cfg(feature = "embedded-profile")]
    #[test]
    fn a_worst_case_over_the_budget_is_refused() {
        use kernel_bpf::verifier::VerifyErrorKind;

        let wcet = verified().info().wcet;
        let verify = |budget| Verifier::new().wcet_budget(budget).verify(&program());
        assert_eq!(verify(wcet), Ok(()));
        let budget = wcet - 1;
        let error = verify(budget).expect_err("one unit is missing");
        assert_eq!(error.kind(), VerifyErrorKind::WcetExceeded { wcet, budget });
    }

    #[cfg(feature = "cloud-profile")]
    #[test]
    fn a_map_can_grow() {
        use kernel_bpf::maps::{ArrayMap, BpfMap};

        let map = ArrayMap::<ActiveProfile>::with_entries(4, 1).expect("storage");
        let (key, value) = (1_u32.to_ne_bytes(), 7_u32.to_ne_bytes());
        assert!(map.update(&key, &value, 0).is_err());
        map.resize(2).expect("storage");
        map.update(&key, &value, 0).expect("there is room now");
        assert_eq!(map.lookup(&key).expect("it was written"), value);
    }

    fn request(id: u32) -> BpfExecRequest<'static, Handle> {
        BpfExecRequest::new(ProgId(id), Box::leak(Box::new(verified())), BpfContext::empty())
    }

    fn next(scheduler: &mut BpfScheduler<'static, Handle>) -> QueuedProgram<'static, Handle> {
        scheduler.next().expect("one waits")
    }

    #[cfg(feature = "cloud-profile")]
    #[test]
    fn a_failed_program_is_restarted() {
        let mut scheduler = BpfScheduler::new();
        scheduler.submit(request(1)).expect("room");
        let queued = next(&mut scheduler);
        assert!(matches!(scheduler.complete(queued, Err(FAULT)), Outcome::Restarted { .. }));
        assert_eq!(next(&mut scheduler).request().id(), ProgId(1));
    }

    #[cfg(feature = "embedded-profile")]
    #[test]
    fn a_failed_program_is_recovered_from_and_not_restarted() {
        let mut scheduler = BpfScheduler::new();
        scheduler.submit(request(1)).expect("room");
        let queued = next(&mut scheduler);
        let mut called = false;
        let mut handler = |_, _: &BpfError| called = true;
        let outcome = scheduler.complete(queued, Err(FAULT), &mut handler);
        assert!(matches!(outcome, Outcome::Recovered { error: FAULT, .. }));
        assert!(called && scheduler.is_empty());
    }

    #[cfg(feature = "embedded-profile")]
    #[test]
    fn the_earliest_deadline_goes_first() {
        use kernel_bpf::scheduler::Deadline;

        let mut scheduler = BpfScheduler::new();
        for (id, due) in [(1, 3000), (2, 1000), (3, 2000)] {
            let request = request(id).with_deadline(Deadline::from_now(0, due));
            scheduler.submit(request).expect("room");
        }
        let order = [(); 3].map(|()| next(&mut scheduler).request().id());
        assert_eq!(order, [ProgId(2), ProgId(3), ProgId(1)]);
    }
}

mod marker {
    //! Types carry the profile as `PhantomData<fn() -> P>`.

    use core::marker::PhantomData;

    use super::ActiveProfile;
    use kernel_bpf::bytecode::program::BpfProgram;
    use kernel_bpf::execution::Interpreter;

    fn is_send_and_sync<T: Send + Sync>() {}

    #[test]
    fn the_marker_has_no_size_and_is_send_and_sync() {
        assert_eq!(size_of::<PhantomData<fn() -> ActiveProfile>>(), 0);
        is_send_and_sync::<PhantomData<fn() -> *const u8>>();
        is_send_and_sync::<BpfProgram<ActiveProfile>>();
        is_send_and_sync::<Interpreter<'static, ActiveProfile>>();
        is_send_and_sync::<kernel_bpf::verifier::VerifiedProgram<ActiveProfile>>();
    }

    /// Covariance: a marker of a longer lifetime serves where a shorter one is
    /// wanted. This compiles only if `PhantomData<fn() -> P>` is covariant in P.
    #[test]
    fn the_marker_is_covariant() {
        fn shorten<'a>(
            marker: PhantomData<fn() -> &'static u8>,
            _: &'a u8,
        ) -> PhantomData<fn() -> &'a u8> {
            marker
        }
        let local = 0;
        let _ = shorten(PhantomData, &local);
    }
}

/// The profile traits are sealed: implementing one elsewhere does not compile.
/// The compiler names those that do implement it, which are the profile's own.
#[test]
fn the_profile_traits_are_sealed() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail(format!("tests/ui/sealed_on_{}.rs", ActiveProfile::NAME));
}

/// Nobody but the project's own crates can make a live map, or a verified program
/// that the verifier has not seen.
#[test]
fn what_engines_trust_cannot_be_forged() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail(format!("tests/ui/forged_map_on_{}.rs", ActiveProfile::NAME));
    for source in ["forged_seal", "forged_program", "forged_proof"] {
        cases.compile_fail(format!("tests/ui/{source}.rs"));
    }
}

/// Every module of the specification's tree is where the tree says.
#[allow(unused_imports)]
mod tree {
    use kernel_bpf::bytecode::insn::BpfInsn;
    use kernel_bpf::bytecode::opcode::{AluOp, Class, Cond};
    use kernel_bpf::bytecode::program::{BpfProgType, BpfProgram, ProgramBuilder};
    use kernel_bpf::bytecode::registers::Register;
    use kernel_bpf::execution::interpreter::Interpreter;
    #[cfg(feature = "cloud-profile")]
    use kernel_bpf::execution::jit::JitExecutor;
    use kernel_bpf::maps::array::ArrayMap;
    #[cfg(feature = "embedded-profile")]
    use kernel_bpf::maps::static_pool::StaticPool;
    use kernel_bpf::profile::failure::FailureSemantic;
    use kernel_bpf::profile::memory::MemoryStrategy;
    use kernel_bpf::profile::scheduler::SchedulerPolicy;
    #[cfg(feature = "embedded-profile")]
    use kernel_bpf::scheduler::deadline::DeadlinePolicy;
    use kernel_bpf::scheduler::queue::ReadyQueue;
    #[cfg(feature = "cloud-profile")]
    use kernel_bpf::scheduler::throughput::ThroughputPolicy;
    use kernel_bpf::verifier::{cfg, core, state};
}
