use kernel_bpf::maps::Elements;

fn main() {
    let _ = size_of::<Elements>();
}
