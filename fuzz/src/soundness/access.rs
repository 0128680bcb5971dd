//! Whether what an instruction accesses lies in the object that its state says
//! the address points into.

use core::ops::Range;

use kernel_bpf::bytecode::abi::helper::{self, ArgKind};
use kernel_bpf::bytecode::instruction::CallTarget;
use kernel_bpf::bytecode::opcode::Width;
use kernel_bpf::bytecode::{Instruction, Register};
use kernel_bpf::execution::{Run, Step};
use kernel_bpf::verifier::{Kind, Value};

use super::states::AbstractState;
use super::world::{self, World};

/// Whether all that `insn` accesses is where it should be.
pub(super) fn check(
    insn: &Instruction,
    state: &AbstractState<'_>,
    step: &Step<'_, '_>,
    world: &World,
) -> Result<(), String> {
    let (base, off, bytes) = match *insn {
        Instruction::Load { size, base, off, .. }
        | Instruction::Store { size, base, off, .. }
        | Instruction::LoadAcquire { size, base, off, .. }
        | Instruction::StoreRelease { size, base, off, .. } => (base, off, size.bytes() as u64),
        Instruction::Atomic { width, base, off, .. } => {
            (base, off, if width == Width::W64 { 8 } else { 4 })
        }
        Instruction::Call(CallTarget::Helper(id)) => return arguments(id, state, step, world),
        _ => return Ok(()),
    };
    memory(base, off, bytes, state, step, world)
}

/// Whether `bytes` bytes at `off` from a register's address are in its object.
fn memory(
    base: Register,
    off: i16,
    bytes: u64,
    state: &AbstractState<'_>,
    step: &Step<'_, '_>,
    world: &World,
) -> Result<(), String> {
    let address = step.registers[base.index()];
    let at = address.wrapping_add_signed(off.into());
    let wanted = at..at.wrapping_add(bytes);
    let found = state.regs.iter().find(|(register, _)| *register == base);
    let value = match found {
        Some((_, value)) => *value,
        None => Value::pointer(Kind::Stack, state.frame, 0),
    };
    if inside(&value, address, &wanted, step.run, world) {
        return Ok(());
    }
    Err(format!("{bytes} bytes at {at:#x}, of {base:?} = {address:#x} ({})", value.kind))
}

/// Whether the range is in the object that `value` points into.
fn inside(value: &Value, address: u64, wanted: &Range<u64>, run: &Run<'_>, world: &World) -> bool {
    let within = |object: &Range<u64>| object.start <= wanted.start && wanted.end <= object.end;
    let unknown = |base: u64| address.wrapping_sub(base).wrapping_add_signed(-i64::from(value.off));
    match value.kind {
        Kind::Stack => within(&world.frame(run, value.index)),
        Kind::MapValue => world::values(run, value.index)
            .any(|object| value.number.contains(unknown(object.start)) && within(&object)),
        Kind::Packet => world.packet(run).is_some_and(|packet| within(&packet)),
        Kind::PacketMeta => world.metadata(run).is_some_and(|metadata| within(&metadata)),
        Kind::Reserved => value.known_offset().is_none_or(|offset| {
            let start = address.wrapping_add_signed(-offset);
            within(&(start..start.wrapping_add_signed(value.range.into())))
        }),
        Kind::NotInit
        | Kind::Scalar
        | Kind::MapValueOrNull
        | Kind::ReservedOrNull
        | Kind::PacketEnd => false,
        // The interpreter knows how long the context is; other kinds are not
        // judged here.
        _ => true,
    }
}

/// Whether the memory that a helper is given is in its objects.
fn arguments(
    id: u32,
    state: &AbstractState<'_>,
    step: &Step<'_, '_>,
    world: &World,
) -> Result<(), String> {
    let Some(sig) = helper::find(helper::STANDARD, id) else { return Ok(()) };
    let mut map = None;
    for (number, kind) in (1_u8..).zip(sig.args) {
        let register = Register::new(number).expect("there are five");
        let concrete = step.registers[register.index()];
        let def = map.and_then(|handle| step.run.map(handle)).map(|map| *map.def());
        let bytes = match kind {
            ArgKind::Map => {
                map = Some(concrete);
                continue;
            }
            ArgKind::MapKey => def.map(|def| u64::from(def.key_size)),
            ArgKind::MapValue => def.map(|def| u64::from(def.value_size)),
            ArgKind::MemRead | ArgKind::MemWrite | ArgKind::MemReadOrNull => {
                let size = step.registers[usize::from(number) + 1];
                // Null, of no bytes.
                (size != 0 || concrete != 0).then_some(size)
            }
            _ => continue,
        };
        if let Some(bytes) = bytes.filter(|bytes| *bytes > 0) {
            memory(register, 0, bytes, state, step, world)?;
        }
    }
    Ok(())
}
