//! The build has no JIT compiler.

use kernel_bpf::bytecode::BpfProgram;
use kernel_bpf::profile::{ActiveProfile, PhysicalProfile};

use super::Machine;
use crate::args::Hardening;

/// Refuses.
pub fn code(
    _program: &BpfProgram<ActiveProfile>,
    _hardening: Hardening,
) -> Result<Machine, String> {
    let (profile, cpu) = (ActiveProfile::NAME, std::env::consts::ARCH);
    Err(format!("--jit: the {profile} profile has no JIT compiler on {cpu}"))
}
