//! The default executor where there is a JIT compiler: compiled code, with the
//! interpreters as fallback.

use alloc::vec::Vec;
use core::fmt;

use bpf_interp::{BpfContext, BpfExecutor, BpfResult, Environment};
use bpf_jit_x86::{CodeMemory, CompileError, CompiledProgram, JitExecutor};
use bpf_profile::{OutOfMemory, PhysicalProfile};
use bpf_sched::Admissible;
use bpf_verifier::VerifiedProgram;

use super::Engine;
use super::fallback::{Interpreted, Interpreters, reserve};

/// A verified program in the form that [`DefaultExecutor`] runs: compiled where
/// that was possible, and where not, in translation for the interpreter.
pub struct LoadedProgram<P: PhysicalProfile> {
    interpreted: Interpreted<P>,
    compiled: Result<CompiledProgram<P>, CompileError>,
}

/// Brings a verified program into the form that [`DefaultExecutor`] runs, with
/// executable memory from the operating system.
#[cfg(feature = "std")]
pub fn load<P: PhysicalProfile>(program: VerifiedProgram<P>) -> LoadedProgram<P> {
    load_into(program, &bpf_jit_x86::HostMemory)
}

/// Brings a verified program into the form that [`DefaultExecutor`] runs, with
/// executable memory from the kernel. Where it cannot be compiled, the
/// interpreter will run it; [`LoadedProgram::compiled`] says why.
pub fn load_into<P: PhysicalProfile>(
    program: VerifiedProgram<P>,
    memory: &dyn CodeMemory,
) -> LoadedProgram<P> {
    let compiled = CompiledProgram::compile(&program, memory);
    let interpreted = match &compiled {
        Ok(_) => Interpreted { verified: program, translated: None },
        Err(_) => Interpreted::translated(program),
    };
    LoadedProgram { interpreted, compiled }
}

impl<P: PhysicalProfile> LoadedProgram<P> {
    /// The verified program.
    pub const fn verified(&self) -> &VerifiedProgram<P> {
        &self.interpreted.verified
    }

    /// The compiled program.
    ///
    /// # Errors
    /// [`CompileError`]: why there is none.
    pub const fn compiled(&self) -> Result<&CompiledProgram<P>, CompileError> {
        match &self.compiled {
            Ok(compiled) => Ok(compiled),
            Err(error) => Err(*error),
        }
    }
}

impl<P: PhysicalProfile> Admissible for LoadedProgram<P> {
    type Profile = P;

    fn verified(&self) -> &VerifiedProgram<P> {
        &self.interpreted.verified
    }
}

impl<P: PhysicalProfile> fmt::Debug for LoadedProgram<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadedProgram")
            .field("interpreted", &self.interpreted)
            .field("compiled", &self.compiled)
            .finish()
    }
}

/// The engine that suits this build: the JIT compiler's code, and the
/// interpreter where a program has none.
///
/// Programs that tail-call each other run on one engine, so that if one of them
/// has no code, the interpreter runs them all: in place, unless none of them has.
pub struct DefaultExecutor<'e, P: PhysicalProfile> {
    env: Environment<'e>,
    interpreters: Interpreters<'e, P>,
    /// As many as the interpreters have, or none.
    compiled: Vec<&'e CompiledProgram<P>>,
}

impl<'e, P: PhysicalProfile> DefaultExecutor<'e, P> {
    /// An executor in the standard environment.
    pub fn new() -> Self {
        Self::with_env(Environment::new())
    }

    /// An executor in this environment.
    pub const fn with_env(env: Environment<'e>) -> Self {
        Self { env, interpreters: Interpreters::new(), compiled: Vec::new() }
    }

    /// With these programs as targets of tail calls: a slot of a program array
    /// holds an index into them.
    ///
    /// # Errors
    /// [`OutOfMemory`] when there is no heap for the table.
    pub fn with_programs(self, programs: &'e [&'e LoadedProgram<P>]) -> Result<Self, OutOfMemory> {
        let interpreted = programs.iter().map(|program| &program.interpreted);
        let interpreters = Interpreters::with_programs(interpreted)?;
        let mut compiled = Vec::new();
        reserve(&mut compiled, programs.len())?;
        compiled.extend(programs.iter().map_while(|program| program.compiled().ok()));
        if compiled.len() != programs.len() {
            compiled.clear();
        }
        Ok(Self { env: self.env, interpreters, compiled })
    }

    /// The environment.
    pub const fn environment(&self) -> &Environment<'e> {
        &self.env
    }

    /// The code of `program`, if it and all targets of tail calls have some.
    fn code<'p>(&self, program: &'p LoadedProgram<P>) -> Option<&'p CompiledProgram<P>> {
        let all = self.compiled.len() == self.interpreters.programs();
        program.compiled().ok().filter(|_| all)
    }

    /// The engine that executes `program` here.
    pub fn engine(&self, program: &LoadedProgram<P>) -> Engine {
        match self.code(program) {
            Some(_) => Engine::Jit,
            None => Engine::Interpreter,
        }
    }
}

impl<P: PhysicalProfile> BpfExecutor<P> for DefaultExecutor<'_, P> {
    type Program = LoadedProgram<P>;

    fn execute(&self, program: &LoadedProgram<P>, context: &BpfContext<'_>) -> BpfResult {
        match self.code(program) {
            Some(code) => {
                JitExecutor::with_env(self.env).with_programs(&self.compiled).execute(code, context)
            }
            None => self.interpreters.execute(self.env, &program.interpreted, context),
        }
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
            .field("compiled", &self.compiled.len())
            .finish()
    }
}
