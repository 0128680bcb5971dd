//! What the default executor runs where there is a heap and no JIT compiler:
//! translations for the interpreter.

use bpf_interp::{BpfContext, BpfResult, Environment};
use bpf_profile::{OutOfMemory, PhysicalProfile};
use bpf_sched::Admissible;
use bpf_verifier::VerifiedProgram;

use super::Engine;
use super::fallback::{Interpreted, Interpreters};

/// A verified program in the form that [`DefaultExecutor`](super::DefaultExecutor)
/// runs: in translation, if there was memory for it.
#[derive(Debug)]
pub struct LoadedProgram<P: PhysicalProfile> {
    interpreted: Interpreted<P>,
}

/// Brings a verified program into the form that [`DefaultExecutor`](super::DefaultExecutor) runs.
pub fn load<P: PhysicalProfile>(program: VerifiedProgram<P>) -> LoadedProgram<P> {
    LoadedProgram { interpreted: Interpreted::translated(program) }
}

impl<P: PhysicalProfile> LoadedProgram<P> {
    /// The verified program.
    pub const fn verified(&self) -> &VerifiedProgram<P> {
        &self.interpreted.verified
    }
}

impl<P: PhysicalProfile> Admissible for LoadedProgram<P> {
    type Profile = P;

    fn verified(&self) -> &VerifiedProgram<P> {
        &self.interpreted.verified
    }
}

/// The targets of tail calls.
pub(super) struct Targets<'e, P: PhysicalProfile>(Interpreters<'e, P>);

impl<'e, P: PhysicalProfile> Targets<'e, P> {
    /// No targets.
    pub const fn none() -> Self {
        Self(Interpreters::new())
    }

    /// These, by their index.
    pub fn of(programs: &'e [&'e LoadedProgram<P>]) -> Result<Self, OutOfMemory> {
        Interpreters::with_programs(programs.iter().map(|program| &program.interpreted)).map(Self)
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.programs()
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
        self.0.execute(env, &program.interpreted, context)
    }
}
