//! The JIT compiler.

use anyhow::{Context, Result, anyhow};
use kernel_bpf::bytecode::BpfProgram;
use kernel_bpf::execution::{
    BpfContext, BpfExecutor, BpfResult, CompiledProgram, Environment, JitExecutor,
};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::VerifiedProgram;

use crate::args::Hardening;
use crate::exit::Negative;
use crate::hardening;

use super::{Body, Engine, JIT, no_program};

/// As [`with_engine`](super::with_engine), for the JIT compiler.
pub fn with_jit<R>(
    programs: &[VerifiedProgram<ActiveProfile>],
    hardening: Hardening,
    env: Environment<'_>,
    body: Body<'_, R>,
) -> Result<R> {
    let compiled = programs
        .iter()
        .map(|program| {
            hardening::compile(program, hardening).map_err(|error| {
                let name = program.program().name();
                anyhow!(Negative(format!("--engine jit: program `{name}`: {error}")))
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let targets: Vec<&CompiledProgram<ActiveProfile>> = compiled.iter().collect();
    let first = compiled.first().ok_or_else(no_program)?;
    let executor = JitExecutor::with_env(env).with_programs(&targets);
    Ok(body(&Engine { name: JIT, run: &|context| executor.execute(first, context) }))
}

/// Runs a program of which nothing is known, with run-time checks.
pub fn run_unverified(
    program: &BpfProgram<ActiveProfile>,
    hardening: Hardening,
    context: &BpfContext<'_>,
) -> Result<BpfResult> {
    let compiled = hardening::compile_checked(program, hardening).context("--engine jit")?;
    Ok(JitExecutor::new().execute(&compiled, context))
}
