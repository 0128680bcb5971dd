use kernel_bpf::profile::SchedulerPolicy;

#[derive(Clone, Copy, Debug)]
struct Mine;

impl SchedulerPolicy for Mine {
    const NAME: &'static str = "mine";
    const DEADLINES: bool = false;
    const WCET_ENFORCED: bool = false;
}

fn main() {}
