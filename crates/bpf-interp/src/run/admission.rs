//! Whether program, context and environment fit together.

use bpf_bytecode::abi::context::CtxForm;
use bpf_maps::BpfMap;
use bpf_verifier::VerifiedInfo;

use super::ProgramInfo;
use crate::context::{BpfContext, ContextKind};
use crate::env::Environment;
use crate::error::Refusal;

/// Checks everything that must hold before the first instruction.
pub(super) fn check(
    env: &Environment<'_>,
    program: &ProgramInfo<'_>,
    context: &BpfContext<'_>,
) -> Result<(), Refusal> {
    check_maps(env, program)?;
    check_context(program, context.kind(), context.len())?;
    let Some(info) = program.verified() else { return Ok(()) };
    check_proof(env, info)
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

/// Checks that the context is one for the program.
pub(super) fn check_context(
    program: &ProgramInfo<'_>,
    kind: ContextKind,
    len: usize,
) -> Result<(), Refusal> {
    let form = program.prog_type().context().form;
    let needed = program.verified().map_or(0, |info| info.context_bytes);
    let fits = match kind {
        ContextKind::Empty => true,
        // Whoever was not verified, or reads nothing, may have plain bytes in
        // place of a packet.
        ContextKind::Bytes => needed == 0 || program.verified().is_none() || form == CtxForm::Bytes,
        ContextKind::Xdp => form == CtxForm::Xdp,
        ContextKind::Socket => form == CtxForm::SkBuff,
    };
    if !fits {
        return Err(Refusal::ContextKind);
    }
    if needed > len {
        let shown = |bytes| u32::try_from(bytes).unwrap_or(u32::MAX);
        return Err(Refusal::ContextTooSmall { actual: shown(len), needed: shown(needed) });
    }
    Ok(())
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
    let (bound, budget) = (info.max_insns, env.budget());
    if bound > budget {
        return Err(Refusal::BudgetTooSmall { bound, budget });
    }
    Ok(())
}
