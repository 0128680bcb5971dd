//! What may happen after an execution has failed.

/// The reaction that a kernel owes to a failed execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureAction {
    /// Throw the execution away and run the program again from its beginning.
    Restart,
    /// Call the recovery handler; the system must go on without a restart.
    Recover,
}

/// How a profile treats failure.
pub trait FailureSemantic: crate::physical::Sealed + 'static {
    /// Whether a failed program may simply be started again.
    const RESTART_ACCEPTABLE: bool;
    /// The reaction that this profile requires.
    const ACTION: FailureAction;
}

/// A failed execution may be restarted.
#[cfg(feature = "cloud-profile")]
#[derive(Clone, Copy, Debug)]
pub enum Restartable {}

#[cfg(feature = "cloud-profile")]
impl FailureSemantic for Restartable {
    const RESTART_ACCEPTABLE: bool = true;
    const ACTION: FailureAction = FailureAction::Restart;
}

/// A failed execution must be recovered from.
#[cfg(feature = "embedded-profile")]
#[derive(Clone, Copy, Debug)]
pub enum RecoveryRequired {}

#[cfg(feature = "embedded-profile")]
impl FailureSemantic for RecoveryRequired {
    const RESTART_ACCEPTABLE: bool = false;
    const ACTION: FailureAction = FailureAction::Recover;
}
