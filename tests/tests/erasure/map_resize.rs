use kernel_bpf::maps::BpfMap;

fn resize(map: &dyn BpfMap) -> bool {
    map.resize(8).is_ok()
}

fn main() {
    let _ = resize;
}
