use kernel_bpf::verifier::Place;

fn main() {
    assert_ne!(Place::Thread, Place::Interrupt);
}
