//! Compiling as the command line asks for it.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

use kernel_bpf::bytecode::BpfProgram;
use kernel_bpf::execution::CompiledProgram;
use kernel_bpf::execution::jit::{CompileError, CompileOptions, HostMemory};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::VerifiedProgram;

use crate::args::Hardening;

type Compiled = Result<CompiledProgram<ActiveProfile>, CompileError>;

/// Compiles a verified program.
pub fn compile(program: &VerifiedProgram<ActiveProfile>, hardening: Hardening) -> Compiled {
    with_options(hardening, |options| CompiledProgram::compile_with(program, &HostMemory, options))
}

/// Compiles a program of which nothing is known.
pub fn compile_checked(program: &BpfProgram<ActiveProfile>, hardening: Hardening) -> Compiled {
    with_options(hardening, |options| {
        CompiledProgram::compile_checked_with(program, &HostMemory, options)
    })
}

fn with_options(
    hardening: Hardening,
    compile: impl FnOnce(&CompileOptions<'_>) -> Compiled,
) -> Compiled {
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
    compile(&options)
}
