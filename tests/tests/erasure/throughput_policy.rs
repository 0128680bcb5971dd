use kernel_bpf::scheduler::throughput::ThroughputPolicy;

fn main() {
    let _ = ThroughputPolicy::new();
}
