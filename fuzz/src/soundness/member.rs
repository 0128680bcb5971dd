//! Whether what is there is in an abstract state.

use kernel_bpf::bytecode::Register;
use kernel_bpf::bytecode::opcode::Size;
use kernel_bpf::execution::{Run, Step};
use kernel_bpf::verifier::{Apart, Bytes, Kind, Value};

use super::states::AbstractState;
use super::world::{self, World};

/// Why something is in no state: what differs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mismatch {
    Frame(u32),
    References(u32),
    Register(Register),
    Stack { frame: u32, off: i32, len: u32 },
    Apart { first: u32, second: u32 },
}

impl Mismatch {
    /// As text, with what there is in its place.
    pub fn text(&self, step: &Step<'_, '_>) -> String {
        match self {
            Self::Frame(frame) => format!("frame {frame}"),
            Self::References(count) => format!("{count} references"),
            Self::Register(register) => {
                format!("{register:?} = {:#x}", step.registers[register.index()])
            }
            Self::Stack { frame, off, len } => format!("fp{off}[{len}] of frame {frame}"),
            Self::Apart { first, second } => format!("the numbers {first} and {second}"),
        }
    }
}

/// Values with the same identity.
#[derive(Debug, Default)]
pub(super) struct Identities(Vec<(Kind, u32, u64)>);

impl Identities {
    /// The number with this identity.
    fn named(&self, id: u32) -> Option<u64> {
        let known = self.0.iter().find(|(kind, known, _)| (*kind, *known) == (Kind::Scalar, id));
        known.map(|known| known.2)
    }

    /// Whether `what` agrees with what the identity stood for before. The kinds
    /// of number, of value or null, and of packet pointer are told apart.
    fn agree(&mut self, kind: Kind, id: u32, what: u64) -> bool {
        if id == 0 {
            return true;
        }
        let known = self.0.iter().find(|(k, i, _)| (*k, *i) == (kind, id));
        if let Some((_, _, before)) = known {
            *before == what
        } else {
            self.0.push((kind, id, what));
            true
        }
    }
}

/// Whether registers and stack are in `state`.
pub(super) fn check(
    state: &AbstractState<'_>,
    step: &Step<'_, '_>,
    world: &World,
    ids: &mut Identities,
) -> Result<(), Mismatch> {
    if state.frame != world.running(step.run) {
        return Err(Mismatch::Frame(state.frame));
    }
    if step.run.held_records() > state.references as usize {
        return Err(Mismatch::References(state.references));
    }
    ids.0.clear();
    for (register, value) in state.regs {
        let concrete = step.registers[register.index()];
        if !is_member(value, concrete, step.run, world, ids) {
            return Err(Mismatch::Register(*register));
        }
    }
    for bytes in state.stack {
        if !stack_is_member(bytes, step.run, world, ids) {
            let Bytes { frame, off, len, .. } = *bytes;
            return Err(Mismatch::Stack { frame, off, len });
        }
    }
    for &Apart { first, second, number } in state.apart {
        let named = |id| ids.named(id);
        if let (Some(a), Some(b)) = (named(first), named(second))
            && !number.contains(a.wrapping_sub(b))
        {
            return Err(Mismatch::Apart { first, second });
        }
    }
    Ok(())
}

/// Whether initialised bytes are what the state says.
fn stack_is_member(bytes: &Bytes, run: &Run<'_>, world: &World, ids: &mut Identities) -> bool {
    let at = world.frame_pointer(run, bytes.frame).wrapping_add_signed(bytes.off.into());
    let size = match bytes.len {
        1 => Size::B,
        2 => Size::H,
        4 => Size::W,
        8 => Size::Dw,
        _ => return are_members(bytes, at, run, world, ids),
    };
    run.load(at, size).is_ok_and(|number| is_member(&bytes.value, number, run, world, ids))
}

/// As [`stack_is_member`], for a number of bytes that no load has.
fn are_members(bytes: &Bytes, at: u64, run: &Run<'_>, world: &World, ids: &mut Identities) -> bool {
    let Ok(view) = run.view(at, bytes.len as usize) else { return false };
    let mut all = (0..view.len()).filter_map(|index| view.byte(index));
    if bytes.len > 8 {
        // Unknown bytes, or zeros.
        return bytes.value.as_constant() != Some(0) || all.all(|byte| byte == 0);
    }
    let number = all.rev().fold(0_u64, |number, byte| number << 8 | u64::from(byte));
    is_member(&bytes.value, number, run, world, ids)
}

/// Whether a value is what the state says.
fn is_member(
    value: &Value,
    concrete: u64,
    run: &Run<'_>,
    world: &World,
    ids: &mut Identities,
) -> bool {
    // The unknown part of an address in an object that begins at `base`.
    let unknown =
        |base: u64| concrete.wrapping_sub(base).wrapping_add_signed(-i64::from(value.off));
    let points = |base: u64| value.number.contains(unknown(base));
    let null_agrees =
        |ids: &mut Identities| ids.agree(value.kind, value.id, u64::from(concrete == 0));
    match value.kind {
        Kind::Scalar => {
            // What the identity names; of a range, an identity has no meaning.
            let related = value.range == 0 && value.number.as_constant().is_none();
            let id = if related { value.id } else { 0 };
            // How far the packet reaches behind what it names.
            let reaches = || {
                let end = unknown(0).cast_signed().checked_add(value.index.into());
                let packet = world.packet(run).map_or(0, |packet| packet.end - packet.start);
                end.is_some_and(|end| end <= packet.cast_signed())
            };
            value.number.contains(concrete)
                && ids.agree(value.kind, id, unknown(0))
                && (value.index == 0 || reaches())
        }
        Kind::Context => points(world.context),
        Kind::Stack => points(world.frame_pointer(run, value.index)),
        Kind::Map => concrete == Run::map_handle(value.index),
        Kind::MapValue => world::values(run, value.index).any(|range| points(range.start)),
        Kind::MapValueOrNull => {
            null_agrees(ids)
                && (concrete == 0
                    || world::values(run, value.index).any(|range| points(range.start)))
        }
        Kind::Packet => world.packet(run).is_some_and(|packet| {
            in_packet(value, unknown(packet.start), packet.end - packet.start, ids)
        }),
        Kind::PacketMeta => world.metadata(run).is_some_and(|metadata| {
            in_packet(value, unknown(metadata.start), metadata.end - metadata.start, ids)
        }),
        Kind::PacketEnd => world.packet(run).is_some_and(|packet| packet.end == concrete),
        Kind::Reserved => is_record(value, concrete, run),
        Kind::ReservedOrNull => {
            null_agrees(ids) && (concrete == 0 || is_record(value, concrete, run))
        }
        // What is no value was not listed; what is unknown here is not judged.
        _ => true,
    }
}

/// Whether a pointer with this unknown part is as far from the end of what it
/// points into as the state says.
fn in_packet(value: &Value, unknown: u64, len: u64, ids: &mut Identities) -> bool {
    // The least number says that nothing is known.
    let enough = unknown.cast_signed().checked_add(value.range.into());
    let enough = enough.filter(|_| value.range != i32::MIN);
    value.number.contains(unknown)
        && enough.is_none_or(|enough| enough <= len.cast_signed())
        && value.lies_by_end(
            unknown.wrapping_add_signed(value.off.into()).cast_signed(),
            len.cast_signed(),
        )
        && ids.agree(value.kind, value.id, unknown)
}

/// Whether a record begins where the state says, and is as long.
fn is_record(value: &Value, concrete: u64, run: &Run<'_>) -> bool {
    let Some(offset) = value.known_offset() else { return true };
    let len = usize::try_from(value.range).unwrap_or(0);
    run.view(concrete.wrapping_add_signed(-offset), len).is_ok()
}
