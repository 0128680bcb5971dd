//! The scheduler: a ready queue under a policy.

use core::fmt;

use bpf_profile::config::QUEUE_CAPACITY;

use crate::ActivePolicy;
use crate::policy::{AdmissionError, QueuePolicy};
use crate::queue::ReadyQueue;
use crate::request::{BpfExecRequest, ProgId, QueuedProgram};

#[cfg(test)]
mod tests;

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
/// one the queue grows. Who cannot be taken in comes back in the error, and what
/// was taken in leaves by [`next`](Self::next) or [`cancel`](Self::cancel)
/// alone: no request is lost.
///
/// A handle is whatever shares the program: an `Arc` where there is a heap, a
/// `&'static` where there is none.
///
/// ```
/// use bpf_bytecode::{BpfInsn, BpfProgType, ProgramBuilder};
/// use bpf_interp::{BpfContext, VerifiedInterpreter};
/// use bpf_profile::ActiveProfile;
/// use bpf_sched::{BpfExecRequest, BpfScheduler, ExecPriority, ProgId};
/// use bpf_verifier::{VerifiedProgram, Verifier};
/// use std::sync::{Arc, LazyLock};
///
/// fn returning(value: i32) -> VerifiedProgram<ActiveProfile> {
///     let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SocketFilter)
///         .insn(BpfInsn::mov64_imm(0, value))
///         .insn(BpfInsn::exit())
///         .build()
///         .expect("valid program");
///     Verifier::new().verify_program(&program).expect("safe program")
/// }
///
/// let engine = VerifiedInterpreter::<ActiveProfile>::new();
///
/// // Shared by counting.
/// let mut scheduler = BpfScheduler::new();
/// let low = BpfExecRequest::new(ProgId(1), Arc::new(returning(1)), BpfContext::empty())
///     .with_priority(ExecPriority::Low);
/// let high = BpfExecRequest::new(ProgId(2), Arc::new(returning(2)), BpfContext::empty())
///     .with_priority(ExecPriority::High);
/// scheduler.submit(low)?;
/// scheduler.submit(high)?;
/// let first = scheduler.next().expect("two wait");
/// assert_eq!((first.request().id(), first.execute(&engine)), (ProgId(2), Ok(2)));
///
/// // Shared for good, as in a firmware.
/// static PROGRAM: LazyLock<VerifiedProgram<ActiveProfile>> = LazyLock::new(|| returning(3));
/// let mut scheduler = BpfScheduler::new();
/// scheduler.submit(BpfExecRequest::new(ProgId(3), &*PROGRAM, BpfContext::empty()))?;
/// assert_eq!(scheduler.next().map(|queued| queued.execute(&engine)), Some(Ok(3)));
/// assert!(scheduler.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
        let queued = QueuedProgram::new(request, self.arrivals);
        self.enqueue(queued)
            .map_err(|(reason, queued)| SubmitError { reason, request: queued.into_request() })?;
        self.arrivals = self.arrivals.wrapping_add(1);
        Ok(())
    }

    /// Has the policy admit a request and puts it into the queue; gives it back
    /// when that was not possible.
    pub(crate) fn enqueue(
        &mut self,
        mut queued: QueuedProgram<'a, H>,
    ) -> Result<(), (AdmissionError, QueuedProgram<'a, H>)> {
        if let Err(reason) = self.queue.reserve() {
            return Err((reason, queued));
        }
        match self.policy.admit(queued.request(), self.queue.waiting()) {
            Ok(tag) => queued.tag = tag,
            Err(reason) => return Err((reason, queued)),
        }
        self.queue.insert(queued).map_err(|queued| (AdmissionError::QueueFull, queued))
    }

    /// Takes out the request to execute next; none when nothing may run now.
    #[allow(clippy::should_implement_trait, reason = "the specification's name")]
    #[must_use = "the request has left the queue"]
    pub fn next(&mut self) -> Option<QueuedProgram<'a, H>> {
        self.queue.select(&mut self.policy)
    }

    /// Takes a waiting request of program `id` out, for instance because the
    /// program is to be unloaded: the one that came first, of several.
    #[must_use = "the request has left the queue"]
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
