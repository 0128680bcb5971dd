//! Programs that run many times.

use core::fmt;

use bpf_profile::PhysicalProfile;

#[cfg(feature = "cloud-profile")]
use super::threaded::translated::Translated;
use super::threaded::{Code, Form, InPlace, Machine, Programs};
use crate::context::{BpfContext, Taken};
use crate::env::Environment;
use crate::error::{BpfError, BpfResult, Refusal};
use crate::run::{Contexts, Run, StackMemory};

/// A verified program that is bound to an environment and has its memory, ready to
/// run. All that does not depend on the context has been checked, so that to enter
/// the program costs little: a few nanoseconds, where
/// [`execute`](crate::BpfExecutor::execute) takes some tens.
///
/// It runs one execution at a time. Where one may be preempted by another, each has
/// a `Prepared` of its own.
///
/// ```
/// use bpf_bytecode::{BpfInsn, BpfProgType, ProgramBuilder};
/// use bpf_interp::run::StackMemory;
/// use bpf_interp::{BpfContext, VerifiedInterpreter};
/// use bpf_profile::ActiveProfile;
/// use bpf_verifier::Verifier;
///
/// let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::Xdp)
///     .insn(BpfInsn::mov64_imm(0, 2))
///     .insn(BpfInsn::exit())
///     .build()?;
/// let program = Verifier::new().verify_program(&program)?;
///
/// let interp = VerifiedInterpreter::new();
/// let mut stack = StackMemory::<ActiveProfile>::new();
/// let mut prepared = interp.prepare(&program, &mut stack)?;
/// for length in [60, 1500] {
///     let mut packet = vec![0; length];
///     assert_eq!(prepared.run(&mut BpfContext::xdp(&mut packet)), Ok(2));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Prepared<'r> {
    contexts: Contexts,
    machine: AnyMachine<'r>,
}

/// The machine for the program's form.
pub(super) enum AnyMachine<'r> {
    InPlace(Machine<'r, InPlace>),
    #[cfg(feature = "cloud-profile")]
    Translated(Machine<'r, Translated>),
}

impl<'r> From<Machine<'r, InPlace>> for AnyMachine<'r> {
    fn from(machine: Machine<'r, InPlace>) -> Self {
        Self::InPlace(machine)
    }
}

#[cfg(feature = "cloud-profile")]
impl<'r> From<Machine<'r, Translated>> for AnyMachine<'r> {
    fn from(machine: Machine<'r, Translated>) -> Self {
        Self::Translated(machine)
    }
}

impl<'r> Prepared<'r> {
    pub(super) fn new<F: Form, P: PhysicalProfile>(
        env: &'r Environment<'r>,
        code: F::Code<'r>,
        programs: &'r dyn Programs<F>,
        stack: &'r mut StackMemory<P>,
    ) -> Result<Self, Refusal>
    where
        AnyMachine<'r>: From<Machine<'r, F>>,
    {
        let (run, contexts) = Run::prepare(env, code.info(), stack)?;
        Ok(Self { contexts, machine: Machine::new(run, code, programs).into() })
    }

    /// Runs the program once over `context` and gives R0 as it stood at the end.
    ///
    /// # Errors
    /// [`BpfError::Refused`] when the context is not one for the program, and
    /// [`BpfError::Fault`] when the program was stopped.
    pub fn run(&mut self, context: &mut BpfContext<'_>) -> BpfResult {
        self.contexts.check(context).map_err(BpfError::Refused)?;
        let context = context.take_mut().map_err(BpfError::Refused)?;
        match &mut self.machine {
            AnyMachine::InPlace(machine) => in_place(machine, context),
            #[cfg(feature = "cloud-profile")]
            AnyMachine::Translated(machine) => machine.execute_over(context),
        }
    }
}

// By itself, so that what it keeps is not kept for a program in translation.
#[inline(never)]
fn in_place(machine: &mut Machine<'_, InPlace>, context: Taken<'_>) -> BpfResult {
    machine.execute_over(context)
}

impl fmt::Debug for Prepared<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("contexts", &self.contexts).finish_non_exhaustive()
    }
}
