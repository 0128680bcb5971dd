//! Clock, randomness, CPU number.

use crate::run::Run;

/// `u64 bpf_ktime_get_ns(void)`
pub(super) fn now(run: &Run<'_>) -> u64 {
    run.environment().platform().now_ns()
}

/// `u32 bpf_get_prandom_u32(void)`
pub(super) fn random(run: &Run<'_>) -> u64 {
    u64::from(run.environment().platform().random_u32())
}

/// `u32 bpf_get_smp_processor_id(void)`
pub(super) fn cpu(run: &mut Run<'_>) -> u64 {
    u64::from(run.cpu())
}
