//! Failure on a profile where restart is acceptable.

use bpf_interp::{BpfError, BpfResult, Refusal};

use crate::policy::QueuePolicy;
use crate::request::{BpfExecRequest, QueuedProgram};
use crate::scheduler::BpfScheduler;

/// Restarts of one request before it is given up.
pub const MAX_RESTARTS: u32 = 3;

/// What became of an execution.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a request that failed comes back whole")]
#[must_use = "a request that was given up comes back here"]
pub enum Outcome<'a, H> {
    /// It ended with this R0.
    Done(u64),
    /// It failed and waits again.
    Restarted {
        /// Why it failed.
        error: BpfError,
    },
    /// It failed and was not started again; the request comes back.
    GivenUp {
        /// Why it failed the last time.
        error: BpfError,
        /// The request.
        request: BpfExecRequest<'a, H>,
    },
}

/// Whether another attempt can end otherwise. A program that was stopped meets
/// other map values and another time; one that was refused meets the same
/// environment, unless it only lacked a context or memory for the moment.
const fn may_pass(error: &BpfError) -> bool {
    match error {
        BpfError::Fault { .. } => true,
        BpfError::Refused(refusal) => {
            matches!(refusal, Refusal::ContextBusy | Refusal::OutOfMemory(_))
        }
    }
}

impl<'a, H, Q: QueuePolicy, const N: usize> BpfScheduler<'a, H, Q, N> {
    /// Tells the scheduler how an execution ended.
    ///
    /// A failed one waits again, unless another attempt would fail for the same
    /// reason, or it has been restarted [`MAX_RESTARTS`] times. The policy
    /// admits it anew, so that a program which fails pays for each attempt and
    /// not its neighbours. The context is as the failed execution left it.
    ///
    /// ```
    /// # use bpf_bytecode::{BpfInsn, BpfProgType, ProgramBuilder};
    /// # use bpf_interp::{BpfContext, VerifiedInterpreter};
    /// # use bpf_profile::ActiveProfile;
    /// # use bpf_verifier::Verifier;
    /// # use std::sync::Arc;
    /// # let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SocketFilter)
    /// #     .insn(BpfInsn::mov64_imm(0, 42))
    /// #     .insn(BpfInsn::exit())
    /// #     .build()
    /// #     .expect("valid program");
    /// # let program = Arc::new(Verifier::new().verify_program(&program).expect("safe program"));
    /// use bpf_sched::{BpfExecRequest, BpfScheduler, Outcome, ProgId};
    ///
    /// let engine = VerifiedInterpreter::<ActiveProfile>::new();
    /// let mut scheduler = BpfScheduler::new();
    /// scheduler.submit(BpfExecRequest::new(ProgId(1), program, BpfContext::empty()))?;
    ///
    /// while let Some(queued) = scheduler.next() {
    ///     let result = queued.execute(&engine);
    ///     match scheduler.complete(queued, result) {
    ///         Outcome::Done(r0) => assert_eq!(r0, 42),
    ///         Outcome::Restarted { .. } => {} // it comes up again
    ///         Outcome::GivenUp { error, request } => panic!("{:?}: {error}", request.id()),
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn complete(
        &mut self,
        mut queued: QueuedProgram<'a, H>,
        result: BpfResult,
    ) -> Outcome<'a, H> {
        let error = match result {
            Ok(r0) => return Outcome::Done(r0),
            Err(error) => error,
        };
        if queued.restarts >= MAX_RESTARTS || !may_pass(&error) {
            return Outcome::GivenUp { error, request: queued.into_request() };
        }
        queued.restarts = queued.restarts.saturating_add(1);
        match self.enqueue(queued) {
            Ok(()) => Outcome::Restarted { error },
            Err((_, queued)) => Outcome::GivenUp { error, request: queued.into_request() },
        }
    }
}
