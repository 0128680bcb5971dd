//! Decides which BPF program runs next, and what happens when one has failed.
//!
//! The profile decides the discipline. On cloud it is `ThroughputPolicy`: fair
//! shares inside a priority, higher priorities first, none starved. On embedded
//! it is `DeadlinePolicy`: the earliest deadline first, under a priority ceiling,
//! with deadlines and energy budgets checked on submission against what the
//! verifier proved, as soon as the policy is told how fast the target is
//! (`DeadlinePolicy::with_rate`) and what energy it takes (`with_energy_model`).
//! Programs come in verified; nothing else is admitted.
//!
//! The scheduler starts nothing by itself. A kernel asks for the
//! [next](BpfScheduler::next) request, executes it on an engine of its choice,
//! and says how that ended: [`BpfScheduler::complete`] restarts what failed on
//! cloud, and has a recovery handler called on embedded.
//!
//! ```
//! # use bpf_bytecode::{BpfInsn, BpfProgType, ProgramBuilder};
//! # use bpf_interp::{BpfContext, VerifiedInterpreter};
//! # use bpf_profile::ActiveProfile;
//! # use bpf_verifier::Verifier;
//! # use std::sync::Arc;
//! # let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SocketFilter)
//! #     .insn(BpfInsn::mov64_imm(0, 42))
//! #     .insn(BpfInsn::exit())
//! #     .build()
//! #     .expect("valid program");
//! # let program = Verifier::new().verify_program(&program).expect("safe program");
//! use bpf_sched::{BpfExecRequest, BpfScheduler, ExecPriority, ProgId};
//!
//! let mut scheduler = BpfScheduler::new();
//! let request = BpfExecRequest::new(ProgId(1), Arc::new(program), BpfContext::empty())
//!     .with_priority(ExecPriority::High);
//! scheduler.submit(request)?;
//!
//! let engine = VerifiedInterpreter::<ActiveProfile>::new();
//! let queued = scheduler.next().expect("one waits");
//! assert_eq!(queued.execute(&engine), Ok(42));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::arithmetic_side_effects
    )
)]
#![allow(clippy::result_large_err, reason = "a request that is refused comes back whole")]

#[cfg(test)]
extern crate std;

cfg_if::cfg_if! {
    if #[cfg(feature = "cloud-profile")] {
        pub mod throughput;
        mod restart;
        pub use restart::{MAX_RESTARTS, Outcome};
        pub use throughput::ThroughputPolicy;
        /// The discipline of this build's profile.
        pub type ActivePolicy = ThroughputPolicy;
    } else {
        pub mod deadline;
        pub mod energy;
        mod recovery;
        pub use deadline::{CeilingError, Deadline, DeadlinePolicy};
        pub use energy::EnergyBudget;
        pub use recovery::{Outcome, RecoveryHandler};
        /// The discipline of this build's profile.
        pub type ActivePolicy = DeadlinePolicy;
    }
}

pub mod policy;
pub mod queue;
pub mod request;
mod scheduler;
#[cfg(test)]
mod testing;

pub use policy::{AdmissionError, QueuePolicy};
pub use queue::ReadyQueue;
pub use request::{Admissible, BpfExecRequest, ExecPriority, ProgId, QueuedProgram};
pub use scheduler::{BpfScheduler, SubmitError};
