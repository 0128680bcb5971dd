//! The JIT compiler, with and without run-time checks, plain and hardened.

use std::cell::RefCell;

use kernel_bpf::bytecode::BpfProgram;
use kernel_bpf::bytecode::abi::map::MapDef;
use kernel_bpf::execution::BpfExecutor;
use kernel_bpf::execution::jit::{
    CompileError, CompileOptions, CompiledProgram, HostMemory, JitExecutor,
};
use kernel_bpf::maps::MapError;
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::VerifiedProgram;

use super::{Engine, Outcome, run_fresh};
use crate::case::Case;
use crate::random::Rng;

type Compiled = CompiledProgram<ActiveProfile>;

const CHECKED: Engine = Engine {
    name: "checked JIT",
    verified_only: false,
    run: |case, program, _| run(case, checked(program, &CompileOptions::new())),
};

const VERIFIED: Engine = Engine {
    name: "JIT",
    verified_only: true,
    run: |case, _, verified| run(case, proven(verified, &CompileOptions::new())),
};

const HARDENED_CHECKED: Engine = Engine {
    name: "hardened checked JIT",
    verified_only: false,
    run: |case, program, _| run(case, hardened(|options| checked(program, options))),
};

const HARDENED: Engine = Engine {
    name: "hardened JIT",
    verified_only: true,
    run: |case, _, verified| run(case, hardened(|options| proven(verified, options))),
};

fn checked(
    program: &BpfProgram<ActiveProfile>,
    options: &CompileOptions<'_>,
) -> Result<Compiled, CompileError> {
    Compiled::compile_checked_with(program, &HostMemory, options)
}

fn proven(
    verified: Option<&VerifiedProgram<ActiveProfile>>,
    options: &CompileOptions<'_>,
) -> Result<Compiled, CompileError> {
    let verified = verified.expect("the caller has looked");
    Compiled::compile_with(verified, &HostMemory, options)
}

/// Has something compiled with constant blinding and retpolines.
fn hardened<R>(compile: impl FnOnce(&CompileOptions<'_>) -> R) -> R {
    let rng = RefCell::new(Rng::new(1));
    let random = || rng.borrow_mut().next_u64();
    compile(&CompileOptions::new().with_blinding(&random).with_retpolines())
}

fn run(
    case: &Case,
    compiled: Result<Compiled, CompileError>,
) -> Result<Outcome, (MapDef, MapError)> {
    let compiled = compiled.unwrap_or_else(|e| panic!("case {}: {e}", case.name));
    run_fresh(case, &|env, context| JitExecutor::with_env(env).execute(&compiled, context))
}

/// Every form.
pub fn engines() -> Vec<Engine> {
    vec![CHECKED, VERIFIED, HARDENED_CHECKED, HARDENED]
}
