//! The interpreters.

use core::fmt;
use core::marker::PhantomData;

use bpf_bytecode::BpfProgram;
use bpf_profile::PhysicalProfile;
use bpf_verifier::VerifiedProgram;

use crate::context::BpfContext;
use crate::env::Environment;
use crate::error::{BpfError, BpfResult, Refusal};
use crate::executor::BpfExecutor;
use crate::observer::{Observer, Unobserved};
use crate::run::{Run, StackMemory};

mod call;
mod code;
mod machine;
mod opcodes;
mod prepared;
mod registers;
mod step;
mod threaded;
#[cfg(feature = "cloud-profile")]
mod translated;

#[cfg(feature = "cloud-profile")]
pub use threaded::translated::TranslatedProgram;
#[cfg(feature = "cloud-profile")]
pub use translated::TranslatedInterpreter;

pub use prepared::Prepared;

use code::Code;
use threaded::{Bytecode, Code as _, InPlace, Machine, Programs};

/// Runs any program, verified or not: every access is checked, and a program
/// that does not end by itself is ended by the budget.
///
/// ```
/// use bpf_bytecode::{BpfInsn, BpfProgType, ProgramBuilder};
/// use bpf_interp::{BpfContext, BpfExecutor, Interpreter};
/// use bpf_profile::ActiveProfile;
///
/// let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SocketFilter)
///     .insn(BpfInsn::mov64_imm(0, 42))
///     .insn(BpfInsn::exit())
///     .build()?;
///
/// let interp = Interpreter::<ActiveProfile>::new();
/// let result = interp.execute(&program, &BpfContext::empty());
/// assert_eq!(result, Ok(42));
/// # Ok::<(), bpf_bytecode::ProgramError>(())
/// ```
pub struct Interpreter<'e, P: PhysicalProfile> {
    env: Environment<'e>,
    programs: &'e [&'e BpfProgram<P>],
    profile: PhantomData<fn() -> P>,
}

impl<'e, P: PhysicalProfile> Interpreter<'e, P> {
    /// An interpreter in the standard environment.
    pub fn new() -> Self {
        Self::with_env(Environment::new())
    }

    /// An interpreter in this environment.
    pub const fn with_env(env: Environment<'e>) -> Self {
        Self { env, programs: &[], profile: PhantomData }
    }

    /// With these programs as targets of tail calls: a slot of a program array
    /// holds an index into them.
    #[must_use]
    pub const fn with_programs(self, programs: &'e [&'e BpfProgram<P>]) -> Self {
        Self { programs, ..self }
    }

    /// The environment.
    pub const fn environment(&self) -> &Environment<'e> {
        &self.env
    }

    /// Executes a program, as [`execute`](BpfExecutor::execute) does, before the
    /// eyes of an observer.
    ///
    /// # Errors
    /// As [`execute`](BpfExecutor::execute).
    pub fn execute_with(
        &self,
        program: &BpfProgram<P>,
        context: &BpfContext<'_>,
        observer: &mut impl Observer,
    ) -> BpfResult {
        let programs = self.programs;
        let find = |number| programs.get(usize::try_from(number).ok()?).map(|p| Code::from(*p));
        run::<P, _>(&self.env, Code::from(program), &find, context, observer)
    }
}

/// Runs verified programs.
///
/// A program whose proven bound exceeds [`Environment::bound`] is refused before it
/// starts, and never cut off.
pub struct VerifiedInterpreter<'e, P: PhysicalProfile> {
    env: Environment<'e>,
    programs: &'e [&'e VerifiedProgram<P>],
    profile: PhantomData<fn() -> P>,
}

impl<'e, P: PhysicalProfile> VerifiedInterpreter<'e, P> {
    /// An interpreter in the standard environment.
    pub fn new() -> Self {
        Self::with_env(Environment::new())
    }

    /// An interpreter in this environment.
    pub const fn with_env(env: Environment<'e>) -> Self {
        Self { env, programs: &[], profile: PhantomData }
    }

    /// With these programs as targets of tail calls: a slot of a program array
    /// holds an index into them.
    #[must_use]
    pub const fn with_programs(self, programs: &'e [&'e VerifiedProgram<P>]) -> Self {
        Self { programs, ..self }
    }

    /// The environment.
    pub const fn environment(&self) -> &Environment<'e> {
        &self.env
    }

    /// Makes ready to run `program` many times, with its frames in `stack`.
    ///
    /// # Errors
    /// [`Refusal`] when program and environment do not fit together.
    pub fn prepare<'r>(
        &'r self,
        program: &'r VerifiedProgram<P>,
        stack: &'r mut StackMemory<P>,
    ) -> Result<Prepared<'r>, Refusal> {
        Prepared::new::<InPlace, P>(&self.env, Bytecode::of(program), self, stack)
    }
}

impl<P: PhysicalProfile> BpfExecutor<P> for Interpreter<'_, P> {
    type Program = BpfProgram<P>;

    fn execute(&self, program: &BpfProgram<P>, context: &BpfContext<'_>) -> BpfResult {
        self.execute_with(program, context, &mut Unobserved)
    }
}

impl<P: PhysicalProfile> BpfExecutor<P> for VerifiedInterpreter<'_, P> {
    type Program = VerifiedProgram<P>;

    fn execute(&self, program: &VerifiedProgram<P>, context: &BpfContext<'_>) -> BpfResult {
        let mut stack = StackMemory::<P>::new();
        let code = Bytecode::of(program);
        let run =
            Run::begin(&self.env, code.info(), context, &mut stack).map_err(BpfError::Refused)?;
        Machine::<InPlace>::new(run, code, self).execute()
    }
}

impl<P: PhysicalProfile> Programs<InPlace> for VerifiedInterpreter<'_, P> {
    fn program(&self, number: u32) -> Option<Bytecode<'_>> {
        Some(Bytecode::of(*self.programs.get(usize::try_from(number).ok()?)?))
    }
}

/// One run, on a stack of its own.
fn run<'a, P: PhysicalProfile, O: Observer>(
    env: &Environment<'_>,
    code: Code<'a>,
    programs: &dyn Fn(u32) -> Option<Code<'a>>,
    context: &BpfContext<'_>,
    observer: &mut O,
) -> BpfResult {
    let mut stack = StackMemory::<P>::new();
    let mut run = Run::begin(env, code.info, context, &mut stack).map_err(BpfError::Refused)?;
    machine::execute(&mut run, code, programs, observer)
}

macro_rules! common {
    ($($name:ident),*) => {$(
        impl<P: PhysicalProfile> Default for $name<'_, P> {
            fn default() -> Self {
                Self::new()
            }
        }

        impl<P: PhysicalProfile> fmt::Debug for $name<'_, P> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("env", &self.env)
                    .field("programs", &self.programs.len())
                    .finish()
            }
        }
    )*};
}

common!(Interpreter, VerifiedInterpreter);
#[cfg(feature = "cloud-profile")]
common!(TranslatedInterpreter);
