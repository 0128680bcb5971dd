//! What the default executor runs where there is no heap: verified programs as they
//! are.

use bpf_interp::{BpfContext, BpfExecutor, BpfResult, Environment, VerifiedInterpreter};
use bpf_profile::{OutOfMemory, PhysicalProfile};
use bpf_verifier::VerifiedProgram;

use super::Engine;

/// A verified program in the form that [`DefaultExecutor`](super::DefaultExecutor) runs.
pub type LoadedProgram<P> = VerifiedProgram<P>;

/// Brings a verified program into the form that [`DefaultExecutor`](super::DefaultExecutor) runs.
pub const fn load<P: PhysicalProfile>(program: VerifiedProgram<P>) -> LoadedProgram<P> {
    program
}

/// The targets of tail calls.
pub(super) struct Targets<'e, P: PhysicalProfile>(&'e [&'e LoadedProgram<P>]);

impl<'e, P: PhysicalProfile> Targets<'e, P> {
    /// No targets.
    pub const fn none() -> Self {
        Self(&[])
    }

    /// These, by their index.
    #[allow(clippy::unnecessary_wraps, reason = "as where a table is made of them")]
    pub const fn of(programs: &'e [&'e LoadedProgram<P>]) -> Result<Self, OutOfMemory> {
        Ok(Self(programs))
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// The engine that executes `program`.
    #[allow(clippy::unused_self, reason = "as where there is a choice")]
    pub const fn engine(&self, _: &LoadedProgram<P>) -> Engine {
        Engine::Interpreter
    }

    /// Runs `program` once.
    pub fn execute(
        &self,
        env: Environment<'e>,
        program: &LoadedProgram<P>,
        context: &BpfContext<'_>,
    ) -> BpfResult {
        VerifiedInterpreter::with_env(env).with_programs(self.0).execute(program, context)
    }
}
