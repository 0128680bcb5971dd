use kernel_bpf::execution::jit::CompiledProgram;
use kernel_bpf::profile::ActiveProfile;

fn main() {
    let _ = size_of::<CompiledProgram<ActiveProfile>>();
}
