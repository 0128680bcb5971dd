//! Failure on a profile where restart is acceptable.

use bpf_interp::{BpfError, BpfResult};

use crate::policy::QueuePolicy;
use crate::request::{BpfExecRequest, QueuedProgram};
use crate::scheduler::BpfScheduler;

/// Restarts of one request before it is given up.
pub const MAX_RESTARTS: u32 = 3;

/// What became of an execution.
#[derive(Debug)]
pub enum Outcome<'a, H> {
    /// It ended with this R0.
    Done(u64),
    /// It failed and waits again.
    Restarted,
    /// It failed and was not started again; the request comes back.
    GivenUp {
        /// Why it failed the last time.
        error: BpfError,
        /// The request.
        request: BpfExecRequest<'a, H>,
    },
}

impl<'a, H, Q: QueuePolicy, const N: usize> BpfScheduler<'a, H, Q, N> {
    /// Tells the scheduler how an execution ended. A failed one waits again, at
    /// its old place in the order, until it has failed more than
    /// [`MAX_RESTARTS`] times.
    pub fn complete(&mut self, queued: QueuedProgram<'a, H>, result: BpfResult) -> Outcome<'a, H> {
        let error = match result {
            Ok(r0) => return Outcome::Done(r0),
            Err(error) => error,
        };
        let mut queued = queued;
        if queued.restarts >= MAX_RESTARTS {
            return Outcome::GivenUp { error, request: queued.into_request() };
        }
        queued.restarts = queued.restarts.saturating_add(1);
        match self.queue.insert(queued) {
            Ok(()) => Outcome::Restarted,
            Err(queued) => Outcome::GivenUp { error, request: queued.into_request() },
        }
    }
}
