use kernel_bpf::execution::PreparedProgram;
use kernel_bpf::profile::ActiveProfile;

fn main() {
    let _ = size_of::<PreparedProgram<ActiveProfile>>();
}
