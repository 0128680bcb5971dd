use kernel_bpf::execution::JitExecutor;
use kernel_bpf::profile::ActiveProfile;

fn main() {
    let _ = JitExecutor::<ActiveProfile>::new();
}
