//! The interpreter of translated programs.

use bpf_profile::PhysicalProfile;

use super::prepared::Prepared;
use super::threaded::translated::{Body, Translated, TranslatedProgram};
use super::threaded::{Code as _, Machine, Programs};
use crate::context::BpfContext;
use crate::env::Environment;
use crate::error::{BpfError, BpfResult, Refusal};
use crate::executor::BpfExecutor;
use crate::run::{Run, StackMemory};

/// Runs verified programs in translation: what
/// [`VerifiedInterpreter`](crate::VerifiedInterpreter) does, several times as
/// fast.
///
/// ```
/// use bpf_bytecode::{BpfInsn, BpfProgType, ProgramBuilder};
/// use bpf_interp::{BpfContext, BpfExecutor, TranslatedInterpreter, TranslatedProgram};
/// use bpf_profile::ActiveProfile;
/// use bpf_verifier::Verifier;
///
/// let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SocketFilter)
///     .insn(BpfInsn::mov64_imm(0, 42))
///     .insn(BpfInsn::exit())
///     .build()?;
/// let translated = TranslatedProgram::new(&Verifier::new().verify_program(&program)?)?;
///
/// let result = TranslatedInterpreter::new().execute(&translated, &BpfContext::empty());
/// assert_eq!(result, Ok(42));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TranslatedInterpreter<'e, P: PhysicalProfile> {
    pub(super) env: Environment<'e>,
    pub(super) programs: &'e [&'e TranslatedProgram<P>],
}

impl<'e, P: PhysicalProfile> TranslatedInterpreter<'e, P> {
    /// An interpreter in the standard environment.
    pub fn new() -> Self {
        Self::with_env(Environment::new())
    }

    /// An interpreter in this environment.
    pub const fn with_env(env: Environment<'e>) -> Self {
        Self { env, programs: &[] }
    }

    /// With these programs as targets of tail calls: a slot of a program array
    /// holds an index into them.
    #[must_use]
    pub const fn with_programs(self, programs: &'e [&'e TranslatedProgram<P>]) -> Self {
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
        program: &'r TranslatedProgram<P>,
        stack: &'r mut StackMemory<P>,
    ) -> Result<Prepared<'r>, Refusal> {
        Prepared::new::<Translated, P>(&self.env, program.body(), self, stack)
    }
}

impl<P: PhysicalProfile> BpfExecutor<P> for TranslatedInterpreter<'_, P> {
    type Program = TranslatedProgram<P>;

    fn execute(&self, program: &TranslatedProgram<P>, context: &BpfContext<'_>) -> BpfResult {
        let mut stack = StackMemory::<P>::new();
        let code = program.body();
        let run =
            Run::begin(&self.env, code.info(), context, &mut stack).map_err(BpfError::Refused)?;
        Machine::<Translated>::new(run, code, self).execute()
    }
}

impl<P: PhysicalProfile> Programs<Translated> for TranslatedInterpreter<'_, P> {
    fn program(&self, number: u32) -> Option<&Body> {
        Some(self.programs.get(usize::try_from(number).ok()?)?.body())
    }
}
