//! The executor of compiled programs.

use core::fmt;

use bpf_interp::run::StackMemory;
use bpf_interp::{BpfContext, BpfExecutor, BpfResult, Environment, Refusal};
use bpf_profile::PhysicalProfile;

use crate::compiled::CompiledProgram;
use crate::prepared::PreparedProgram;
use crate::runtime::{self, Prepared};

/// Runs compiled programs.
pub struct JitExecutor<'e, P: PhysicalProfile> {
    env: Environment<'e>,
    programs: &'e [&'e CompiledProgram<P>],
}

impl<'e, P: PhysicalProfile> JitExecutor<'e, P> {
    /// An executor in the standard environment.
    pub fn new() -> Self {
        Self::with_env(Environment::new())
    }

    /// An executor in this environment.
    pub const fn with_env(env: Environment<'e>) -> Self {
        Self { env, programs: &[] }
    }

    /// With these programs as targets of tail calls: a slot of a program array
    /// holds an index into them. A program that was verified continues only
    /// with one that was, and one that was not only with one that was not.
    #[must_use]
    pub const fn with_programs(self, programs: &'e [&'e CompiledProgram<P>]) -> Self {
        Self { programs, ..self }
    }

    /// Makes a program ready to be run again and again: that it fits the
    /// environment is found out here, and where its maps have their values.
    ///
    /// # Errors
    /// [`Refusal`] when program and environment do not fit together.
    pub fn prepare<'r>(
        &'r self,
        program: &'r CompiledProgram<P>,
        stack: &'r mut StackMemory<P>,
    ) -> Result<PreparedProgram<'r, P>, Refusal> {
        Prepared::new(&self.env, program, self.programs, stack).map(PreparedProgram)
    }

    /// Bytes of the native stack that compiled code takes at the most while `frames`
    /// frames of the program are live, whatever the program is: a chain of calls
    /// ends where the stack policy says, and a tail call takes nothing. What the
    /// functions of the host take that code calls comes on top, and so does the memory
    /// of the frames, which is in a [`StackMemory`].
    pub const fn native_stack(frames: usize) -> usize {
        // The registers of the host, and those of the program around a call of
        // the host; and what a call of a function saves, with its return and what a loop
        // around it counts.
        frames.saturating_mul(80).saturating_add(144)
    }

    /// The environment.
    pub const fn environment(&self) -> &Environment<'e> {
        &self.env
    }
}

impl<P: PhysicalProfile> BpfExecutor<P> for JitExecutor<'_, P> {
    type Program = CompiledProgram<P>;

    fn execute(&self, program: &CompiledProgram<P>, context: &BpfContext<'_>) -> BpfResult {
        runtime::execute(&self.env, program, self.programs, context)
    }
}

impl<P: PhysicalProfile> Default for JitExecutor<'_, P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: PhysicalProfile> fmt::Debug for JitExecutor<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JitExecutor")
            .field("env", &self.env)
            .field("programs", &self.programs.len())
            .finish()
    }
}
