// The proof of one program on another.

use kernel_bpf::bytecode::program::BpfProgram;
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::VerifiedProgram;

fn exchanged(program: BpfProgram<ActiveProfile>, other: VerifiedProgram<ActiveProfile>) {
    let _ = VerifiedProgram { program, ..other };
}

fn main() {}
