use kernel_bpf::profile::{ActiveProfile, PhysicalProfile};

#[derive(Clone, Copy, Debug)]
struct Mine;

impl PhysicalProfile for Mine {
    type Memory = <ActiveProfile as PhysicalProfile>::Memory;
    type Scheduler = <ActiveProfile as PhysicalProfile>::Scheduler;
    type Failure = <ActiveProfile as PhysicalProfile>::Failure;
    const NAME: &'static str = "mine";
    const MAX_STACK_SIZE: usize = 1 << 30;
    const MAX_INSN_COUNT: usize = 1 << 30;
    const JIT_ALLOWED: bool = true;
}

fn main() {}
