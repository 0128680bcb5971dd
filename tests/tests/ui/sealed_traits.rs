use kernel_bpf::profile::{
    ActiveProfile, FailureAction, FailureSemantic, MemoryStrategy, OutOfMemory, PhysicalProfile,
    SchedulerPolicy,
};

#[derive(Clone, Copy, Debug)]
struct MyProfile;

impl PhysicalProfile for MyProfile {
    type Memory = <ActiveProfile as PhysicalProfile>::Memory;
    type Scheduler = <ActiveProfile as PhysicalProfile>::Scheduler;
    type Failure = <ActiveProfile as PhysicalProfile>::Failure;
    const NAME: &'static str = "mine";
    const MAX_STACK_SIZE: usize = 1 << 30;
    const MAX_INSN_COUNT: usize = 1 << 30;
    const JIT_ALLOWED: bool = true;
}

struct MyMemory;

impl MemoryStrategy for MyMemory {
    const ELASTIC: bool = true;
    type Vec<T, const N: usize> =
        <<ActiveProfile as PhysicalProfile>::Memory as MemoryStrategy>::Vec<T, N>;
    type Block = <<ActiveProfile as PhysicalProfile>::Memory as MemoryStrategy>::Block;
    fn room(_in_place: usize, wanted: usize) -> usize {
        wanted
    }
    fn allocate(bytes: usize) -> Result<Self::Block, OutOfMemory> {
        Err(OutOfMemory { requested: bytes })
    }
}

struct MyScheduler;

impl SchedulerPolicy for MyScheduler {
    const NAME: &'static str = "mine";
    const DEADLINES: bool = false;
    const WCET_ENFORCED: bool = false;
}

struct MyFailure;

impl FailureSemantic for MyFailure {
    const RESTART_ACCEPTABLE: bool = true;
    const ACTION: FailureAction = FailureAction::Restart;
}

fn main() {}
