//! What every engine offers.

use bpf_profile::PhysicalProfile;

use crate::error::BpfResult;

/// An engine that runs programs in one form: bytecode, verified, compiled.
pub trait BpfExecutor<P: PhysicalProfile> {
    /// The form of program that the engine runs.
    type Program: ?Sized;

    /// Runs `program` once over `context` and gives R0 as it stood at the end.
    ///
    /// # Errors
    /// [`BpfError::Refused`](crate::BpfError::Refused) when the program was not
    /// started, [`BpfError::Fault`](crate::BpfError::Fault) when it was stopped.
    fn execute(
        &self,
        program: &Self::Program,
        context: &crate::context::BpfContext<'_>,
    ) -> BpfResult;
}
