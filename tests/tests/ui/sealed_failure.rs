use kernel_bpf::profile::{FailureAction, FailureSemantic};

#[derive(Clone, Copy, Debug)]
struct Mine;

impl FailureSemantic for Mine {
    const RESTART_ACCEPTABLE: bool = true;
    const ACTION: FailureAction = FailureAction::Restart;
}

fn main() {}
