use kernel_bpf::execution::TranslatedProgram;
use kernel_bpf::profile::ActiveProfile;

fn main() {
    let _ = size_of::<TranslatedProgram<ActiveProfile>>();
}
