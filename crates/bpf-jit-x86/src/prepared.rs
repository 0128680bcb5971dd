//! Programs that are ready to be run.

use core::fmt;

use bpf_interp::{BpfContext, BpfResult};
use bpf_profile::PhysicalProfile;

use crate::runtime::Prepared;

/// A compiled program in an environment that it was found to fit, for one CPU at a
/// time. What [`execute`](bpf_interp::BpfExecutor::execute) finds out before every
/// run is known already.
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use bpf_bytecode::{BpfInsn, BpfProgType, ProgramBuilder};
/// use bpf_interp::BpfContext;
/// use bpf_interp::run::StackMemory;
/// use bpf_jit_x86::{CompiledProgram, HostMemory, JitExecutor};
/// use bpf_profile::ActiveProfile;
/// use bpf_verifier::Verifier;
///
/// let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::Xdp)
///     .insn(BpfInsn::mov64_imm(0, 2))
///     .insn(BpfInsn::exit())
///     .build()?;
/// let verified = Verifier::new().verify_program(&program)?;
/// let compiled = CompiledProgram::compile(&verified, &HostMemory)?;
///
/// let (jit, mut stack) = (JitExecutor::new(), StackMemory::new());
/// let mut pass = jit.prepare(&compiled, &mut stack)?;
/// let mut packet = [0; 60];
/// let mut context = BpfContext::xdp(&mut packet);
/// for _ in 0..3 {
///     assert_eq!(pass.run(&mut context), Ok(2));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PreparedProgram<'r, P: PhysicalProfile>(pub(crate) Prepared<'r, P>);

impl<P: PhysicalProfile> PreparedProgram<'_, P> {
    /// Runs the program once.
    ///
    /// # Errors
    /// [`Refused`](bpf_interp::BpfError::Refused) when the context is none for the
    /// program, and the fault that stopped a program that was not verified.
    #[inline]
    pub fn run(&mut self, context: &mut BpfContext<'_>) -> BpfResult {
        self.0.run(context)
    }
}

impl<P: PhysicalProfile> fmt::Debug for PreparedProgram<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedProgram").finish_non_exhaustive()
    }
}
