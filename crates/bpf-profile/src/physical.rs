//! The profile trait and its implementations.

use crate::{FailureSemantic, MemoryStrategy, SchedulerPolicy};

/// Keeps the profile traits from being implemented elsewhere.
pub trait Sealed {}

/// The physical assumptions of one build.
///
/// The trait is sealed: the profiles of this crate are the only ones, so no
/// other crate can weaken their contract.
pub trait PhysicalProfile: Sealed + Copy + core::fmt::Debug + 'static {
    /// Where storage comes from.
    type Memory: MemoryStrategy;
    /// What is assumed about time.
    type Scheduler: SchedulerPolicy;
    /// What may happen after a failure.
    type Failure: FailureSemantic;

    /// The profile's name, as the tools print it.
    const NAME: &'static str;
    /// Bytes of stack that the whole call chain of one execution may use.
    const MAX_STACK_SIZE: usize;
    /// Length of a program at the most, in 8-byte slots.
    const MAX_INSN_COUNT: usize;
    /// Whether programs may be compiled to machine code in the running kernel.
    const JIT_ALLOWED: bool;
    /// Whether a failed program may be restarted.
    const RESTART_ACCEPTABLE: bool = Self::Failure::RESTART_ACCEPTABLE;
}

/// Elastic resources, soft time.
#[cfg(feature = "cloud-profile")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CloudProfile;

#[cfg(feature = "cloud-profile")]
impl PhysicalProfile for CloudProfile {
    type Memory = crate::memory::HeapMemory;
    type Scheduler = crate::scheduler::Throughput;
    type Failure = crate::failure::Restartable;

    const NAME: &'static str = "cloud";
    const MAX_STACK_SIZE: usize = 512 * 1024;
    const MAX_INSN_COUNT: usize = 1_000_000;
    const JIT_ALLOWED: bool = true;
}

/// The profile that this build was made for.
#[cfg(feature = "cloud-profile")]
pub type ActiveProfile = CloudProfile;

/// Static resources, proven time.
#[cfg(feature = "embedded-profile")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EmbeddedProfile;

#[cfg(feature = "embedded-profile")]
impl PhysicalProfile for EmbeddedProfile {
    type Memory = crate::memory::PoolMemory;
    type Scheduler = crate::scheduler::EarliestDeadlineFirst;
    type Failure = crate::failure::RecoveryRequired;

    const NAME: &'static str = "embedded";
    const MAX_STACK_SIZE: usize = 8 * 1024;
    const MAX_INSN_COUNT: usize = 100_000;
    const JIT_ALLOWED: bool = false;
}

/// The profile that this build was made for.
#[cfg(feature = "embedded-profile")]
pub type ActiveProfile = EmbeddedProfile;

macro_rules! seal {
    ($($feature:literal: $($ty:ty),*;)*) => {
        $($(#[cfg(feature = $feature)] impl Sealed for $ty {})*)*
    };
}

seal! {
    "cloud-profile": CloudProfile, crate::memory::HeapMemory, crate::scheduler::Throughput,
        crate::failure::Restartable;
    "embedded-profile": EmbeddedProfile, crate::memory::PoolMemory,
        crate::scheduler::EarliestDeadlineFirst, crate::failure::RecoveryRequired;
}
