//! The default executor, whatever it runs programs on.

use core::fmt;

use bpf_interp::{BpfContext, BpfExecutor, BpfResult, Environment};
use bpf_profile::{OutOfMemory, PhysicalProfile};

use super::Engine;
use super::default::{LoadedProgram, Targets};

/// The engine that suits this build: the JIT compiler's code where profile and CPU
/// have a compiler, with the interpreter where a program has none; else the
/// interpreter, of translations where there is a heap.
///
/// Programs that tail-call each other run on one engine, so that if one of them
/// has no code, the interpreter runs them all; and if one has no translation, in
/// place.
pub struct DefaultExecutor<'e, P: PhysicalProfile> {
    env: Environment<'e>,
    targets: Targets<'e, P>,
}

impl<'e, P: PhysicalProfile> DefaultExecutor<'e, P> {
    /// An executor in the standard environment.
    pub fn new() -> Self {
        Self::with_env(Environment::new())
    }

    /// An executor in this environment.
    pub const fn with_env(env: Environment<'e>) -> Self {
        Self { env, targets: Targets::none() }
    }

    /// With these programs as targets of tail calls: a slot of a program array
    /// holds an index into them.
    ///
    /// # Errors
    /// [`OutOfMemory`] when there is no heap for the table, where one is needed.
    pub fn with_programs(self, programs: &'e [&'e LoadedProgram<P>]) -> Result<Self, OutOfMemory> {
        Ok(Self { targets: Targets::of(programs)?, ..self })
    }

    /// The environment.
    pub const fn environment(&self) -> &Environment<'e> {
        &self.env
    }

    /// The engine that executes `program` here.
    pub fn engine(&self, program: &LoadedProgram<P>) -> Engine {
        self.targets.engine(program)
    }
}

impl<P: PhysicalProfile> BpfExecutor<P> for DefaultExecutor<'_, P> {
    type Program = LoadedProgram<P>;

    fn execute(&self, program: &LoadedProgram<P>, context: &BpfContext<'_>) -> BpfResult {
        self.targets.execute(self.env, program, context)
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
            .field("programs", &self.targets.len())
            .finish()
    }
}
