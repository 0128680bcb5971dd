//! No time is proven.

use kernel_bpf::bytecode::{BpfProgram, Instruction};
use kernel_bpf::execution::Step;
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::VerifiedInfo;

/// Nothing.
#[derive(Debug, Default)]
pub(crate) struct Cost {}

impl Cost {
    #[allow(clippy::unused_self, reason = "the other profile's needs it")]
    pub const fn add(&mut self, _: &Instruction, _: &Step<'_, '_>) {}

    #[allow(clippy::unused_self, reason = "the other profile's needs it")]
    pub const fn assert_within(&self, _: &VerifiedInfo, _: &BpfProgram<ActiveProfile>) {}
}
