//! The scheduler: a ready queue under a policy.

use core::fmt;

use bpf_profile::config::QUEUE_CAPACITY;

use crate::ActivePolicy;
use crate::policy::{AdmissionError, QueuePolicy};
use crate::queue::ReadyQueue;
use crate::request::{BpfExecRequest, ProgId, QueuedProgram};

/// A request that was not taken in, and why. The request comes back whole.
#[derive(thiserror::Error)]
#[error("request of program {} not admitted: {reason}", request.id().0)]
pub struct SubmitError<'a, H> {
    /// Why.
    pub reason: AdmissionError,
    /// The request.
    pub request: BpfExecRequest<'a, H>,
}

impl<H> fmt::Debug for SubmitError<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Takes requests and says which to execute next.
///
/// `N` is the number of requests that may wait on a static build; on an elastic
/// one the queue grows.
pub struct BpfScheduler<'a, H, Q = ActivePolicy, const N: usize = QUEUE_CAPACITY> {
    pub(crate) queue: ReadyQueue<'a, H, N>,
    pub(crate) policy: Q,
    arrivals: u64,
}

impl<H> BpfScheduler<'_, H> {
    /// A scheduler with the profile's policy and the default capacity.
    pub fn new() -> Self {
        Self::with_policy(ActivePolicy::default())
    }
}

impl<H> Default for BpfScheduler<'_, H> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a, H, Q: QueuePolicy, const N: usize> BpfScheduler<'a, H, Q, N> {
    /// A scheduler under `policy`.
    pub fn with_policy(policy: Q) -> Self {
        Self { queue: ReadyQueue::new(), policy, arrivals: 0 }
    }

    /// Takes a request in.
    ///
    /// # Errors
    /// [`SubmitError`] with the request when it was not admitted; the queue is
    /// then as before.
    pub fn submit(&mut self, request: BpfExecRequest<'a, H>) -> Result<(), SubmitError<'a, H>> {
        if let Err(reason) = self.queue.reserve() {
            return Err(SubmitError { reason, request });
        }
        let tag = match self.policy.admit(&request, self.queue.waiting()) {
            Ok(tag) => tag,
            Err(reason) => return Err(SubmitError { reason, request }),
        };
        let queued = QueuedProgram::new(request, self.arrivals, tag);
        self.arrivals = self.arrivals.wrapping_add(1);
        self.queue.insert(queued).map_err(|queued| SubmitError {
            reason: AdmissionError::QueueFull,
            request: queued.into_request(),
        })
    }

    /// Takes out the request to execute next; none when nothing may run now.
    #[allow(clippy::should_implement_trait, reason = "the specification's name")]
    pub fn next(&mut self) -> Option<QueuedProgram<'a, H>> {
        self.queue.select(&mut self.policy)
    }

    /// Takes a waiting request of program `id` out, for instance because the
    /// program is to be unloaded.
    pub fn cancel(&mut self, id: ProgId) -> Option<QueuedProgram<'a, H>> {
        self.queue.take_where(|request| request.id() == id)
    }

    /// Requests that wait.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The policy.
    pub const fn policy(&self) -> &Q {
        &self.policy
    }

    /// The policy, to change its settings.
    pub const fn policy_mut(&mut self) -> &mut Q {
        &mut self.policy
    }
}

impl<H, Q: fmt::Debug, const N: usize> fmt::Debug for BpfScheduler<'_, H, Q, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BpfScheduler")
            .field("queue", &self.queue)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
