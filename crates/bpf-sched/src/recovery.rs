//! Failure on a profile where recovery is required.

use bpf_interp::{BpfError, BpfResult};

use crate::policy::QueuePolicy;
use crate::request::{BpfExecRequest, ProgId, QueuedProgram};
use crate::scheduler::BpfScheduler;

/// Brings the system back to a safe state after a failed execution, in bounded
/// time and without a restart.
pub trait RecoveryHandler {
    /// Called once for every failed execution.
    fn recover(&mut self, program: ProgId, error: &BpfError);
}

impl<F: FnMut(ProgId, &BpfError)> RecoveryHandler for F {
    fn recover(&mut self, program: ProgId, error: &BpfError) {
        self(program, error);
    }
}

/// What became of an execution.
#[derive(Debug)]
pub enum Outcome<'a, H> {
    /// It ended with this R0.
    Done(u64),
    /// It failed and the handler was called; the request comes back.
    Recovered {
        /// Why it failed.
        error: BpfError,
        /// The request.
        request: BpfExecRequest<'a, H>,
    },
}

impl<'a, H, Q: QueuePolicy, const N: usize> BpfScheduler<'a, H, Q, N> {
    /// Tells the scheduler how an execution ended. After a failure `handler`
    /// runs before anything else can be taken from the queue.
    pub fn complete(
        &mut self,
        queued: QueuedProgram<'a, H>,
        result: BpfResult,
        handler: &mut dyn RecoveryHandler,
    ) -> Outcome<'a, H> {
        match result {
            Ok(r0) => Outcome::Done(r0),
            Err(error) => {
                handler.recover(queued.request().id(), &error);
                Outcome::Recovered { error, request: queued.into_request() }
            }
        }
    }
}
