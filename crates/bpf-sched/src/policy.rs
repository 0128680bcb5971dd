//! What a queue discipline is.

use crate::request::{BpfExecRequest, QueuedProgram};

/// Why a request was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdmissionError {
    /// The queue has no room.
    #[error("the queue is full")]
    QueueFull,
    /// The deadline cannot be met: the proven execution times of this request
    /// and of those before it end after it.
    #[cfg(feature = "embedded-profile")]
    #[error("deadline cannot be met: work ends {late_ns} ns after it")]
    DeadlineInfeasible {
        /// Nanoseconds by which the deadline would be missed.
        late_ns: u64,
    },
    /// The request may spend less energy than its proven execution time costs.
    #[cfg(feature = "embedded-profile")]
    #[error("energy budget of {budget_nj} nJ, the program may need {needed_nj} nJ")]
    EnergyExceeded {
        /// What the request may spend, in nanojoules.
        budget_nj: u64,
        /// What it may need, in nanojoules.
        needed_nj: u64,
    },
}

/// Orders a queue.
///
/// A policy sees requests when they come in, and again before they are
/// restarted, gives each a [tag](QueuedProgram::tag), and picks the next one
/// among those that wait.
pub trait QueuePolicy {
    /// Decides whether `request` may join `waiting`, and gives it a tag.
    ///
    /// # Errors
    /// [`AdmissionError`] when it may not; the policy's state is then as before.
    fn admit<H>(
        &mut self,
        request: &BpfExecRequest<'_, H>,
        waiting: &[QueuedProgram<'_, H>],
    ) -> Result<u64, AdmissionError>;

    /// The index of the request to run next; none when nothing may run now.
    fn select<H>(&mut self, waiting: &[QueuedProgram<'_, H>]) -> Option<usize>;
}
