//! The interpreter of verified programs as they are.

use anyhow::Result;
use kernel_bpf::execution::{BpfExecutor, Environment, VerifiedInterpreter};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::VerifiedProgram;

use super::{Body, Engine, INTERP, no_program};

/// Gives `body` the interpreter with the first of `programs`.
///
/// # Errors
/// There is no program.
pub fn with_interpreter<R>(
    programs: &[VerifiedProgram<ActiveProfile>],
    env: Environment<'_>,
    body: Body<'_, R>,
) -> Result<R> {
    let targets: Vec<_> = programs.iter().collect();
    let first = programs.first().ok_or_else(no_program)?;
    let executor = VerifiedInterpreter::with_env(env).with_programs(&targets);
    Ok(body(&Engine { name: INTERP, run: &|context| executor.execute(first, context) }))
}
