//! Instantiates what both profiles have, so that the generic code of the crates
//! leaves symbols. Generated; see `xtask/src/ci/erasure.rs`.
use core::hint::black_box;

use kernel_bpf::execution::{BpfContext, BpfExecutor, DefaultExecutor, Interpreter};
use kernel_bpf::maps::{ArrayMap, BpfMap, HashMap};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::scheduler::BpfScheduler;
use kernel_bpf::verifier::{VerifiedProgram, Verifier, VerifyError};

mod own;

/// Pulls everything in.
// SAFETY: nothing else bears the name.
#[unsafe(no_mangle)]
pub extern "C" fn probe() {
    own::probe();
    map(&ArrayMap::<ActiveProfile>::with_entries(4, 4).unwrap());
    map(&HashMap::<ActiveProfile>::with_entries(4, 4, 4).unwrap());
    black_box(Verifier::<ActiveProfile>::verify_program as *const ());
    black_box(<Interpreter<ActiveProfile> as BpfExecutor<ActiveProfile>>::execute as *const ());
    black_box(<DefaultExecutor<ActiveProfile> as BpfExecutor<ActiveProfile>>::execute as *const ());
    black_box(BpfContext::empty());
    let mut scheduler = BpfScheduler::<&VerifiedProgram<ActiveProfile>>::new();
    black_box(scheduler.next().is_some());
    black_box(<VerifyError as core::fmt::Display>::fmt as *const ());
    black_box(<VerifyError as core::fmt::Debug>::fmt as *const ());
}

fn map(map: &dyn BpfMap) {
    black_box(map);
}
