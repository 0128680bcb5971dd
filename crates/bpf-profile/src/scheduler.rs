//! What a profile assumes about time.

/// The time assumptions of a profile. The queue disciplines themselves are in
/// the scheduler crate.
pub trait SchedulerPolicy: crate::physical::Sealed + 'static {
    /// The discipline's name in the literature.
    const NAME: &'static str;
    /// Whether requests carry deadlines and are ordered by them.
    const DEADLINES: bool;
    /// Whether a worst-case execution time is enforced at verification.
    const WCET_ENFORCED: bool;
}

/// Fairness first: throughput matters, bounds are soft.
#[cfg(feature = "cloud-profile")]
#[derive(Clone, Copy, Debug)]
pub enum Throughput {}

#[cfg(feature = "cloud-profile")]
impl SchedulerPolicy for Throughput {
    const NAME: &'static str = "throughput";
    const DEADLINES: bool = false;
    const WCET_ENFORCED: bool = false;
}

/// Earliest deadline first, with a proven worst-case execution time.
#[cfg(feature = "embedded-profile")]
#[derive(Clone, Copy, Debug)]
pub enum EarliestDeadlineFirst {}

#[cfg(feature = "embedded-profile")]
impl SchedulerPolicy for EarliestDeadlineFirst {
    const NAME: &'static str = "earliest deadline first";
    const DEADLINES: bool = true;
    const WCET_ENFORCED: bool = true;
}
