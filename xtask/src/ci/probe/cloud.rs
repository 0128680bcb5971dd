//! Instantiates what the cloud profile alone has.
use core::hint::black_box;

use kernel_bpf::execution::{BpfExecutor, JitExecutor};
use kernel_bpf::maps::{LpmTrie, LruHashMap};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::scheduler::ThroughputPolicy;

pub fn probe() {
    black_box(<JitExecutor<ActiveProfile> as BpfExecutor<ActiveProfile>>::execute as *const ());
    super::map(&LruHashMap::<ActiveProfile>::with_entries(4, 4, 4).unwrap());
    super::map(&LpmTrie::<ActiveProfile>::with_entries(8, 4, 4).unwrap());
    black_box(ThroughputPolicy::new());
}
