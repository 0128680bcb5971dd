//! Which engine runs a program.

use anyhow::{Result, anyhow};
use kernel_bpf::execution::{
    self, BpfContext, BpfExecutor, BpfResult, DefaultExecutor, Environment, LoadedProgram,
};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::VerifiedProgram;

use crate::args::{EngineName, Hardening};
use crate::exit::Negative;

// The build's JIT compiler, or that it has none.
#[cfg_attr(all(feature = "cloud-profile", target_arch = "x86_64"), path = "engine/jit.rs")]
#[cfg_attr(not(all(feature = "cloud-profile", target_arch = "x86_64")), path = "engine/no_jit.rs")]
mod jit;

// The build's interpreter of verified programs.
#[cfg_attr(feature = "cloud-profile", path = "engine/translated.rs")]
#[cfg_attr(not(feature = "cloud-profile"), path = "engine/in_place.rs")]
mod interp;

pub use jit::run_unverified;

/// Name of the interpreter in the output.
pub const INTERP: &str = "interp";
/// Name of the JIT compiler in the output.
pub const JIT: &str = "jit";

/// An engine with a program in it, ready to run.
pub struct Engine<'r> {
    /// The engine that runs the program.
    pub name: &'static str,
    /// Runs the program once.
    pub run: &'r dyn Fn(&BpfContext<'_>) -> BpfResult,
}

/// What is to be done with an engine.
pub type Body<'b, R> = &'b mut dyn FnMut(&Engine<'_>) -> R;

/// Gives `body` an engine that runs the first of `programs`; all of them are
/// targets of tail calls, by their index.
///
/// # Errors
/// [`Negative`] when the engine that was asked for does not exist here or
/// cannot run the programs. There is no fallback but that of the default.
pub fn with_engine<R>(
    choice: Option<EngineName>,
    hardening: Hardening,
    programs: Vec<VerifiedProgram<ActiveProfile>>,
    env: Environment<'_>,
    body: Body<'_, R>,
) -> Result<R> {
    match choice {
        Some(EngineName::Interp) if hardening.any() => Err(anyhow!(makes_no_code())),
        Some(EngineName::Interp) => interp::with_interpreter(&programs, env, body),
        None if !hardening.any() => with_default(programs, env, body),
        _ => jit::with_jit(&programs, hardening, env, body),
    }
}

/// The interpreter was asked for what only code can be.
pub fn makes_no_code() -> Negative {
    Negative("--engine interp: the interpreter makes no code".to_owned())
}

/// There is no program to start with.
fn no_program() -> anyhow::Error {
    anyhow!(Negative("no program".to_owned()))
}

fn with_default<R>(
    programs: Vec<VerifiedProgram<ActiveProfile>>,
    env: Environment<'_>,
    body: Body<'_, R>,
) -> Result<R> {
    let loaded: Vec<LoadedProgram<ActiveProfile>> =
        programs.into_iter().map(execution::load).collect();
    let targets: Vec<&LoadedProgram<ActiveProfile>> = loaded.iter().collect();
    let first = loaded.first().ok_or_else(no_program)?;
    let executor = DefaultExecutor::with_env(env).with_programs(&targets)?;
    let name = name_of(executor.engine(first));
    Ok(body(&Engine { name, run: &|context| executor.execute(first, context) }))
}

const fn name_of(engine: execution::Engine) -> &'static str {
    match engine {
        execution::Engine::Interpreter => INTERP,
        // What is not the interpreter has a name of its own in the build that
        // has it.
        _ => JIT,
    }
}
