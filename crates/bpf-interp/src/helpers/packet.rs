//! Reading and resizing the packet.

use bpf_bytecode::BpfProgType;
use bpf_bytecode::abi::context::CtxForm;
use bpf_bytecode::abi::helper::id;
use bpf_bytecode::abi::prog_type::ProgTypes;

use super::{EFAULT, EINVAL, bad, low};
use crate::error::Fault;
use crate::run::Run;

const XDP: ProgTypes = ProgTypes::of(&[BpfProgType::Xdp]);

/// Refuses a program type that does not have the helper or another context, and
/// a first argument that is not the program's context.
fn check(
    run: &Run<'_>,
    id: u32,
    context: u64,
    types: ProgTypes,
    form: CtxForm,
) -> Result<(), Fault> {
    let def = run.program().prog_type().def();
    if !def.helpers.meets(types) || def.context.form != form {
        return Err(Fault::UnknownHelper(id));
    }
    if context != run.context_address() {
        return Err(bad(id, 1));
    }
    Ok(())
}

/// `long bpf_skb_load_bytes(skb, u32 offset, void *to, u32 len)`
///
/// What cannot be loaded whole is not loaded: the memory is zeroed and the
/// result is `-EFAULT`.
pub(super) fn load_bytes(run: &mut Run<'_>, args: [u64; 5]) -> Result<u64, Fault> {
    const TYPES: ProgTypes = ProgTypes::of(&[
        BpfProgType::SocketFilter,
        BpfProgType::SchedCls,
        BpfProgType::SchedAct,
        BpfProgType::CgroupSkb,
    ]);
    let [skb, offset, to, len, _] = args;
    check(run, id::SKB_LOAD_BYTES, skb, TYPES, CtxForm::SkBuff)?;
    let len = usize::try_from(low(len)).map_err(|_| bad(id::SKB_LOAD_BYTES, 4))?;
    let offset = usize::try_from(low(offset)).unwrap_or(usize::MAX);
    let copied = run.copy_packet(offset, to, len)?;
    Ok(if copied { 0 } else { EFAULT })
}

/// `long bpf_xdp_adjust_head(xdp, int delta)`
pub(super) fn adjust_head(run: &mut Run<'_>, args: [u64; 5]) -> Result<u64, Fault> {
    let [xdp, delta, ..] = args;
    check(run, id::XDP_ADJUST_HEAD, xdp, XDP, CtxForm::Xdp)?;
    let moved = run.adjust_head(low(delta).cast_signed());
    Ok(if moved { 0 } else { EINVAL })
}

/// `long bpf_xdp_adjust_tail(xdp, int delta)`
pub(super) fn adjust_tail(run: &mut Run<'_>, args: [u64; 5]) -> Result<u64, Fault> {
    let [xdp, delta, ..] = args;
    check(run, id::XDP_ADJUST_TAIL, xdp, XDP, CtxForm::Xdp)?;
    let moved = run.adjust_tail(low(delta).cast_signed());
    Ok(if moved { 0 } else { EINVAL })
}
