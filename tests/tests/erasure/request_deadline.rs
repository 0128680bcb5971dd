use kernel_bpf::scheduler::BpfExecRequest;

fn deadline<H>(request: &BpfExecRequest<'_, H>) -> bool {
    request.deadline().is_some()
}

fn main() {
    let _ = deadline::<()>;
}
