//! Compiling as the command line asks for it.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

use kernel_bpf::execution::CompiledProgram;
use kernel_bpf::execution::jit::{CompileError, CompileOptions, HostMemory};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::VerifiedProgram;

use crate::args::Hardening;

/// Compiles a program.
pub fn compile(
    program: &VerifiedProgram<ActiveProfile>,
    hardening: Hardening,
) -> Result<CompiledProgram<ActiveProfile>, CompileError> {
    // Keyed by the operating system.
    let (keyed, asked) = (RandomState::new(), Cell::new(0_u64));
    let random = || {
        asked.set(asked.get() + 1);
        keyed.hash_one(asked.get())
    };
    let mut options = CompileOptions::new();
    if hardening.blinding {
        options = options.with_blinding(&random);
    }
    if hardening.retpolines {
        options = options.with_retpolines();
    }
    CompiledProgram::compile_with(program, &HostMemory, &options)
}
