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
#[allow(clippy::large_enum_variant, reason = "a request that failed comes back whole")]
#[must_use = "a request that failed comes back here"]
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
    ///
    /// ```
    /// # use bpf_bytecode::{BpfInsn, BpfProgType, ProgramBuilder};
    /// # use bpf_interp::{BpfContext, BpfError, VerifiedInterpreter};
    /// # use bpf_profile::ActiveProfile;
    /// # use bpf_verifier::{VerifiedProgram, Verifier};
    /// # use std::sync::LazyLock;
    /// # static PROGRAM: LazyLock<VerifiedProgram<ActiveProfile>> = LazyLock::new(|| {
    /// #     let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SocketFilter)
    /// #         .insn(BpfInsn::mov64_imm(0, 42))
    /// #         .insn(BpfInsn::exit())
    /// #         .build()
    /// #         .expect("valid program");
    /// #     Verifier::new().verify_program(&program).expect("safe program")
    /// # });
    /// use bpf_sched::{BpfExecRequest, BpfScheduler, Deadline, Outcome, ProgId};
    ///
    /// let mut alarm = |program: ProgId, error: &BpfError| {
    ///     // Bring the outputs into a safe state.
    /// };
    ///
    /// let engine = VerifiedInterpreter::<ActiveProfile>::new();
    /// let mut scheduler = BpfScheduler::new();
    /// let request = BpfExecRequest::new(ProgId(1), &*PROGRAM, BpfContext::empty())
    ///     .with_deadline(Deadline::from_now(0, 1_000_000));
    /// scheduler.submit(request)?;
    ///
    /// while let Some(queued) = scheduler.next() {
    ///     let result = queued.execute(&engine);
    ///     match scheduler.complete(queued, result, &mut alarm) {
    ///         Outcome::Done(r0) => assert_eq!(r0, 42),
    ///         Outcome::Recovered { error, request } => panic!("{:?}: {error}", request.id()),
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
