//! The default executor where there is a heap and no JIT compiler: the interpreter
//! of translations.

use core::fmt;

use bpf_interp::{BpfContext, BpfExecutor, BpfResult, Environment};
use bpf_profile::{OutOfMemory, PhysicalProfile};
use bpf_sched::Admissible;
use bpf_verifier::VerifiedProgram;

use super::Engine;
use super::fallback::{Interpreted, Interpreters};

/// A verified program in the form that [`DefaultExecutor`] runs: in translation, if
/// there was memory for it.
#[derive(Debug)]
pub struct LoadedProgram<P: PhysicalProfile> {
    interpreted: Interpreted<P>,
}

/// Brings a verified program into the form that [`DefaultExecutor`] runs.
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

/// The engine that suits this build: the interpreter of translated programs.
pub struct DefaultExecutor<'e, P: PhysicalProfile> {
    env: Environment<'e>,
    interpreters: Interpreters<'e, P>,
}

impl<'e, P: PhysicalProfile> DefaultExecutor<'e, P> {
    /// An executor in the standard environment.
    pub fn new() -> Self {
        Self::with_env(Environment::new())
    }

    /// An executor in this environment.
    pub const fn with_env(env: Environment<'e>) -> Self {
        Self { env, interpreters: Interpreters::new() }
    }

    /// With these programs as targets of tail calls: a slot of a program array
    /// holds an index into them.
    ///
    /// # Errors
    /// [`OutOfMemory`] when there is no heap for the table.
    pub fn with_programs(self, programs: &'e [&'e LoadedProgram<P>]) -> Result<Self, OutOfMemory> {
        let interpreted = programs.iter().map(|program| &program.interpreted);
        Ok(Self { env: self.env, interpreters: Interpreters::with_programs(interpreted)? })
    }

    /// The environment.
    pub const fn environment(&self) -> &Environment<'e> {
        &self.env
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
        self.interpreters.execute(self.env, &program.interpreted, context)
    }
}

impl<P: PhysicalProfile> Default for DefaultExecutor<'_, P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: PhysicalProfile> fmt::Debug for DefaultExecutor<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DefaultExecutor")
            .field("env", &self.env)
            .field("programs", &self.interpreters.programs())
            .finish()
    }
}
