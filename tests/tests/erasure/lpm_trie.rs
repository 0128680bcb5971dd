use kernel_bpf::maps::LpmTrie;
use kernel_bpf::profile::ActiveProfile;

fn main() {
    let _ = size_of::<LpmTrie<ActiveProfile>>();
}
