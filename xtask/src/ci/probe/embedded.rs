//! Instantiates what the embedded profile alone has.
use core::hint::black_box;

use kernel_bpf::maps::static_pool::StaticPool;
use kernel_bpf::scheduler::{Deadline, DeadlinePolicy, EnergyBudget};

static POOL: StaticPool<4> = StaticPool::new();

pub fn probe() {
    black_box(POOL.allocate(64).is_ok());
    black_box(Deadline::from_now(black_box(1), black_box(2)));
    black_box(EnergyBudget::from_microjoules(black_box(1)));
    black_box(DeadlinePolicy::new());
}
