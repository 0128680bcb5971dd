//! Decides which BPF program runs next, and what happens when one has failed.
//!
//! The profile decides the discipline: fair throughput on cloud, earliest
//! deadline first with a priority ceiling on embedded. Programs come in
//! verified; nothing else is admitted.
#![no_std]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]
#![allow(clippy::result_large_err, reason = "a request that is refused comes back whole")]

cfg_if::cfg_if! {
    if #[cfg(feature = "cloud-profile")] {
        pub mod throughput;
        mod restart;
        pub use restart::Outcome;
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

pub use policy::{AdmissionError, QueuePolicy};
pub use queue::ReadyQueue;
pub use request::{Admissible, BpfExecRequest, ExecPriority, ProgId, QueuedProgram};
pub use scheduler::{BpfScheduler, SubmitError};
