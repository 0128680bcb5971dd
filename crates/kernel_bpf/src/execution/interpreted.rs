//! The default executor where there is no JIT compiler: the verified
//! interpreter.

use bpf_interp::{BpfContext, BpfExecutor, BpfResult, Environment, VerifiedInterpreter};
use bpf_profile::{OutOfMemory, PhysicalProfile};
use bpf_verifier::VerifiedProgram;

use super::Engine;

/// A verified program in the form that [`DefaultExecutor`] runs.
pub type LoadedProgram<P> = VerifiedProgram<P>;

/// Brings a verified program into the form that [`DefaultExecutor`] runs.
pub const fn load<P: PhysicalProfile>(program: VerifiedProgram<P>) -> LoadedProgram<P> {
    program
}

/// The engine that suits this build: the verified interpreter.
#[derive(Debug, Default)]
pub struct DefaultExecutor<'e, P: PhysicalProfile> {
    interpreter: VerifiedInterpreter<'e, P>,
}

impl<'e, P: PhysicalProfile> DefaultExecutor<'e, P> {
    /// An executor in the standard environment.
    pub fn new() -> Self {
        Self::with_env(Environment::new())
    }

    /// An executor in this environment.
    pub const fn with_env(env: Environment<'e>) -> Self {
        Self { interpreter: VerifiedInterpreter::with_env(env) }
    }

    /// With these programs as targets of tail calls: a slot of a program array
    /// holds an index into them.
    ///
    /// # Errors
    /// None on this build.
    pub const fn with_programs(
        self,
        programs: &'e [&'e LoadedProgram<P>],
    ) -> Result<Self, OutOfMemory> {
        Ok(Self { interpreter: self.interpreter.with_programs(programs) })
    }

    /// The environment.
    pub const fn environment(&self) -> &Environment<'e> {
        self.interpreter.environment()
    }

    /// The engine that executes `program` here.
    pub const fn engine(&self, program: &LoadedProgram<P>) -> Engine {
        let _ = program;
        Engine::Interpreter
    }
}

impl<P: PhysicalProfile> BpfExecutor<P> for DefaultExecutor<'_, P> {
    type Program = LoadedProgram<P>;

    fn execute(&self, program: &LoadedProgram<P>, context: &BpfContext<'_>) -> BpfResult {
        self.interpreter.execute(program, context)
    }
}
