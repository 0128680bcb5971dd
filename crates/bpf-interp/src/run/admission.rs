//! Whether program, context and environment fit together.

use bpf_bytecode::abi::context::CtxForm;
use bpf_maps::BpfMap;
use bpf_verifier::VerifiedInfo;

use super::ProgramInfo;
use crate::context::{BpfContext, ContextKind};
use crate::env::Environment;
use crate::error::Refusal;

/// Checks all that must hold before the first instruction but what
/// [`Contexts::check`] does. What it finds stays so, for neither the environment
/// nor what a frozen map holds changes.
pub(super) fn check(env: &Environment<'_>, program: &ProgramInfo<'_>) -> Result<(), Refusal> {
    check_maps(env, program)?;
    program.verified().map_or(Ok(()), |info| check_proof(env, info))
}

/// Checks that the live maps are those that the program was made for.
pub(super) fn check_maps(env: &Environment<'_>, program: &ProgramInfo<'_>) -> Result<(), Refusal> {
    for (index, def) in (0_u32..).zip(program.map_defs()) {
        let map = env.map(index).ok_or(Refusal::MapMissing { index })?;
        if !def.accepts(map.def()) {
            return Err(Refusal::MapMismatch { index });
        }
    }
    for known in program.relied_on() {
        let index = known.index;
        let live = env.map(index).and_then(BpfMap::frozen);
        if !live.is_some_and(|bytes| bytes.is_same(&known.bytes)) {
            return Err(Refusal::MapContents { index });
        }
    }
    Ok(())
}

/// The contexts that are ones for a program.
#[derive(Clone, Copy, Debug)]
pub struct Contexts {
    /// Bytes that there must be of each kind; [`NEVER`](Self::NEVER), if none of the kind
    /// is one.
    least: [usize; 4],
}

impl Contexts {
    /// More bytes than any context has.
    const NEVER: usize = usize::MAX;

    /// Those for this program.
    pub(crate) fn of(program: &ProgramInfo<'_>) -> Self {
        let form = program.prog_type().context().form;
        let needed = program.verified().map_or(0, |info| info.context_bytes);
        // Whoever was not verified, or reads nothing, may have plain bytes in
        // place of a packet.
        let bytes = needed == 0 || program.verified().is_none() || form == CtxForm::Bytes;
        let least = |kind| {
            let fits = match kind {
                ContextKind::Empty => true,
                ContextKind::Bytes => bytes,
                ContextKind::Xdp => form == CtxForm::Xdp,
                ContextKind::Socket => form == CtxForm::SkBuff,
            };
            if fits { needed } else { Self::NEVER }
        };
        Self { least: ContextKind::ALL.map(least) }
    }

    /// Checks that the context is one of them.
    #[inline]
    pub(crate) fn check(&self, context: &BpfContext<'_>) -> Result<(), Refusal> {
        self.check_kind(context.kind(), context.len())
    }

    /// Checks the same of a context of this kind, with so many bytes behind R1.
    #[inline]
    pub(crate) fn check_kind(&self, kind: ContextKind, len: usize) -> Result<(), Refusal> {
        let needed = self.least.get(kind as usize).copied().unwrap_or(Self::NEVER);
        if needed <= len { Ok(()) } else { Err(refused(needed, len)) }
    }
}

#[cold]
#[inline(never)]
fn refused(needed: usize, len: usize) -> Refusal {
    if needed == Contexts::NEVER {
        return Refusal::ContextKind;
    }
    let shown = |bytes| u32::try_from(bytes).unwrap_or(u32::MAX);
    Refusal::ContextTooSmall { actual: shown(len), needed: shown(needed) }
}

/// Checks that what was proven was proven for this environment.
pub(super) fn check_proof(env: &Environment<'_>, info: &VerifiedInfo) -> Result<(), Refusal> {
    if env.helper_fingerprint() != Some(info.helpers) {
        return Err(Refusal::HelperMismatch);
    }
    let stack = env.stack_policy();
    if info.stack_policy.frame_bytes() > stack.frame_bytes() || info.frames > stack.frames() {
        return Err(Refusal::StackTooSmall);
    }
    let (bound, budget) = (info.max_insns, env.bound());
    if bound > budget {
        return Err(Refusal::BudgetTooSmall { bound, budget });
    }
    Ok(())
}
