//! The build has no JIT compiler.

use anyhow::{Result, anyhow};
use kernel_bpf::bytecode::BpfProgram;
use kernel_bpf::execution::{BpfContext, BpfResult, Environment};
use kernel_bpf::profile::{ActiveProfile, PhysicalProfile};
use kernel_bpf::verifier::VerifiedProgram;

use crate::args::Hardening;
use crate::exit::Negative;

use super::Body;

/// Refuses.
pub fn with_jit<R>(
    _programs: &[VerifiedProgram<ActiveProfile>],
    _hardening: Hardening,
    _env: Environment<'_>,
    _body: Body<'_, R>,
) -> Result<R> {
    Err(absent())
}

/// Refuses.
pub fn run_unverified(
    _program: &BpfProgram<ActiveProfile>,
    _hardening: Hardening,
    _context: &BpfContext<'_>,
) -> Result<BpfResult> {
    Err(absent())
}

fn absent() -> anyhow::Error {
    let profile = ActiveProfile::NAME;
    let cpu = std::env::consts::ARCH;
    anyhow!(Negative(format!("--engine jit: the {profile} profile has no JIT compiler on {cpu}")))
}
