use kernel_bpf::scheduler::deadline::DeadlinePolicy;

fn main() {
    let _ = DeadlinePolicy::new();
}
