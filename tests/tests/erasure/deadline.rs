use kernel_bpf::scheduler::Deadline;

fn main() {
    let _ = Deadline::from_now(0, 1_000_000);
}
