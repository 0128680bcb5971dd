use kernel_bpf::verifier::CostTable;

fn main() {
    let _ = size_of::<CostTable>();
}
