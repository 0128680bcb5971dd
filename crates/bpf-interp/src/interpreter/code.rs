//! A program as the loop sees it.

use bpf_bytecode::{BpfInsn, BpfProgram};
use bpf_profile::PhysicalProfile;

use crate::run::ProgramInfo;

/// Slots and what a run must know of them.
#[derive(Clone, Copy)]
pub(super) struct Code<'r> {
    pub insns: &'r [BpfInsn],
    pub info: ProgramInfo<'r>,
}

impl<'r, P: PhysicalProfile> From<&'r BpfProgram<P>> for Code<'r> {
    fn from(program: &'r BpfProgram<P>) -> Self {
        Self { insns: program.insns(), info: program.into() }
    }
}
