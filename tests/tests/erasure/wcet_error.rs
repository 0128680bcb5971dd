use kernel_bpf::verifier::VerifyErrorKind;

fn main() {
    let _ = VerifyErrorKind::WcetExceeded { wcet: 2, budget: 1 };
}
