// A verified program that the verifier has not seen.

use kernel_bpf::bytecode::program::BpfProgram;
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::{VerifiedInfo, VerifiedProgram};

fn made(program: BpfProgram<ActiveProfile>) {
    let _ = VerifiedProgram::new(program, Default::default(), VerifiedInfo::default());
}

fn main() {}
