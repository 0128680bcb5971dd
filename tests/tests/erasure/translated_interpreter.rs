use kernel_bpf::execution::TranslatedInterpreter;
use kernel_bpf::profile::ActiveProfile;

fn main() {
    let _ = TranslatedInterpreter::<ActiveProfile>::new();
}
