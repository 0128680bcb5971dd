use kernel_bpf::maps::LruHashMap;
use kernel_bpf::profile::ActiveProfile;

fn main() {
    let _ = size_of::<LruHashMap<ActiveProfile>>();
}
