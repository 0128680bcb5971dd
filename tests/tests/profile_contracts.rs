//! Every row of the specification's Profile Comparison, and every bullet of its
//! Design Decisions, held against the build's profile.

use kernel_bpf::profile::{
    ActiveProfile, FailureAction, FailureSemantic, MemoryStrategy, PhysicalProfile,
    SchedulerPolicy,
};

type Memory = <ActiveProfile as PhysicalProfile>::Memory;
type Time = <ActiveProfile as PhysicalProfile>::Scheduler;
type Failure = <ActiveProfile as PhysicalProfile>::Failure;

/// The column of the Profile Comparison that this build must match.
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
#[test]
fn the_profile_traits_are_sealed() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/sealed_*.rs");
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
