use kernel_bpf::verifier::VerifiedInfo;

fn main() {
    let VerifiedInfo { wcet, .. } = VerifiedInfo::default();
    assert_eq!(wcet, 0);
}
