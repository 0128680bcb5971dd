//! What the default executor runs where there is a JIT compiler: compiled code, with
//! the interpreters as fallback.

use alloc::vec::Vec;
use core::fmt;

use bpf_interp::{BpfContext, BpfExecutor, BpfResult, Environment};
use bpf_jit_x86::{CodeMemory, CompileError, CompileOptions, CompiledProgram, JitExecutor};
use bpf_profile::{OutOfMemory, PhysicalProfile};
use bpf_sched::Admissible;
use bpf_verifier::VerifiedProgram;

use super::Engine;
use super::fallback::{Interpreted, Interpreters, reserve};

/// A verified program in the form that [`DefaultExecutor`](super::DefaultExecutor)
/// runs: compiled where that was possible, and where not, in translation for the
/// interpreter.
pub struct LoadedProgram<P: PhysicalProfile> {
    interpreted: Interpreted<P>,
    compiled: Result<CompiledProgram<P>, CompileError>,
}

/// Brings a verified program into the form that
/// [`DefaultExecutor`](super::DefaultExecutor) runs, with executable memory from the
/// operating system.
#[cfg(feature = "std")]
pub fn load<P: PhysicalProfile>(program: VerifiedProgram<P>) -> LoadedProgram<P> {
    load_into(program, &bpf_jit_x86::HostMemory)
}

/// Brings a verified program into the form that
/// [`DefaultExecutor`](super::DefaultExecutor) runs, with executable memory from the
/// kernel. Where it cannot be compiled, the interpreter will run it;
/// [`LoadedProgram::compiled`] says why.
pub fn load_into<P: PhysicalProfile>(
    program: VerifiedProgram<P>,
    memory: &dyn CodeMemory,
) -> LoadedProgram<P> {
    load_with(program, memory, &CompileOptions::new())
}

/// As [`load_into`], compiled with what is asked for: constant blinding, retpolines.
/// What they cost is said at [`CompileOptions`]. The interpreter, where it stands in, makes
/// no code and needs neither.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use kernel_bpf::bytecode::{BpfInsn, BpfProgType, ProgramBuilder};
/// use kernel_bpf::execution::jit::{CompileOptions, HostMemory};
/// use kernel_bpf::execution::{BpfContext, BpfExecutor, DefaultExecutor, load_with};
/// use kernel_bpf::profile::ActiveProfile;
/// use kernel_bpf::verifier::Verifier;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SocketFilter)
///     .insn(BpfInsn::mov64_imm(0, 42))
///     .insn(BpfInsn::exit())
///     .build()?;
/// let options = CompileOptions::new().with_retpolines();
/// let program = load_with(Verifier::new().verify_program(&program)?, &HostMemory, &options);
///
/// let executor = DefaultExecutor::<ActiveProfile>::new();
/// assert_eq!(executor.execute(&program, &BpfContext::empty()), Ok(42));
/// # Ok(())
/// # }
/// ```
pub fn load_with<P: PhysicalProfile>(
    program: VerifiedProgram<P>,
    memory: &dyn CodeMemory,
    options: &CompileOptions<'_>,
) -> LoadedProgram<P> {
    let compiled = CompiledProgram::compile_with(&program, memory, options);
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

/// The targets of tail calls, on both engines.
pub(super) struct Targets<'e, P: PhysicalProfile> {
    interpreters: Interpreters<'e, P>,
    /// As many as the interpreters have, or none.
    compiled: Vec<&'e CompiledProgram<P>>,
}

impl<'e, P: PhysicalProfile> Targets<'e, P> {
    /// No targets.
    pub const fn none() -> Self {
        Self { interpreters: Interpreters::new(), compiled: Vec::new() }
    }

    /// These, by their index.
    pub fn of(programs: &'e [&'e LoadedProgram<P>]) -> Result<Self, OutOfMemory> {
        let interpreted = programs.iter().map(|program| &program.interpreted);
        let interpreters = Interpreters::with_programs(interpreted)?;
        let mut compiled = Vec::new();
        reserve(&mut compiled, programs.len())?;
        compiled.extend(programs.iter().map_while(|program| program.compiled().ok()));
        if compiled.len() != programs.len() {
            compiled.clear();
        }
        Ok(Self { interpreters, compiled })
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.interpreters.programs()
    }

    /// The code of `program`, if it and all targets have some.
    fn code<'p>(&self, program: &'p LoadedProgram<P>) -> Option<&'p CompiledProgram<P>> {
        program.compiled().ok().filter(|_| self.compiled.len() == self.len())
    }

    /// The engine that executes `program`.
    pub fn engine(&self, program: &LoadedProgram<P>) -> Engine {
        match self.code(program) {
            Some(_) => Engine::Jit,
            None => Engine::Interpreter,
        }
    }

    /// Runs `program` once.
    pub fn execute(
        &self,
        env: Environment<'e>,
        program: &LoadedProgram<P>,
        context: &BpfContext<'_>,
    ) -> BpfResult {
        match self.code(program) {
            Some(code) => {
                JitExecutor::with_env(env).with_programs(&self.compiled).execute(code, context)
            }
            None => self.interpreters.execute(env, &program.interpreted, context),
        }
    }
}
