//! Memory that helpers read and fill.

use bpf_bytecode::Register;
use bpf_bytecode::abi::helper::{ArgKind, HelperSig, MemSize, Memory, id};
use bpf_bytecode::abi::map::MapType;

use super::helper::Arguments;
use super::memory::Span;
use super::{Explorer, Step, reject};
use crate::error::{Access, Sink, VerifyErrorKind};
use crate::state::Kind;

/// Sizes of this many bytes and more count as unbounded, as on Linux.
const MAX_SIZE: u64 = 1 << 29;

/// Bytes of an array's index.
const INDEX_BYTES: u32 = 4;

impl Explorer<'_> {
    /// Memory whose size is known without another argument.
    pub(super) fn memory_argument(
        &mut self,
        sig: &HelperSig,
        arg: u8,
        kind: ArgKind,
        memory: Memory,
        args: &mut Arguments,
    ) -> Step {
        let Some(reg) = Register::new(arg) else { return Ok(()) };
        let value = self.argument(reg)?;
        if memory.nullable && value.as_constant() == Some(0) {
            let deps = value.deps;
            self.mark_precise(deps);
            return Ok(());
        }
        let (expected, found, helper) = (kind, value.kind, sig.id);
        let wrong = VerifyErrorKind::HelperArgument { helper, arg, expected, found };
        let bytes = match (memory.size, args.map) {
            // Checked with its size, which comes next.
            (MemSize::Next, _) => return Ok(()),
            (MemSize::Fixed(bytes), _) => bytes.into(),
            (MemSize::Key, Some((_, def))) => def.key_size,
            (MemSize::Value, Some((_, def))) => def.value_size,
            (MemSize::Key | MemSize::Value, None) => return reject(wrong),
        };
        if memory.aligned && found.is_pointer() {
            let access = Access::Write;
            let span = Span { reg, base: *value, off: 0, size: bytes, access };
            Self::check_alignment(&span)?;
            self.rely_on_alignment(&span);
        }
        self.helper_memory(sig, arg, kind, bytes, true)?;
        if memory.size == MemSize::Key && sig.id == id::MAP_LOOKUP_ELEM {
            args.present = self.is_present(reg, args);
        }
        Ok(())
    }

    /// Whether the key in `reg` is one that the map surely has: a known index of an
    /// array. The engines here resize arrays; Linux does not.
    fn is_present(&mut self, reg: Register, args: &Arguments) -> bool {
        let Some((index, def)) = args.map.filter(|_| self.rules.helpers.is_foreign()) else {
            return false;
        };
        let is_array = matches!(def.map_type, MapType::Array | MapType::PerCpuArray);
        // Maps of another size may stand in for one that others hold.
        if !is_array || def.key_size != INDEX_BYTES || self.stands_for_others(index) {
            return false;
        }
        let base = self.state.reg(reg);
        let span = Span { reg, base, off: 0, size: INDEX_BYTES, access: Access::Read };
        let room = (base.kind == Kind::Stack).then(|| self.stack_room(&span).ok()).flatten();
        let Some(room) = room.filter(|room| room.exact) else { return false };
        let Ok(read) = self.state.read_stack(&self.arena, room.addr, INDEX_BYTES) else {
            return false;
        };
        let known = read.value.as_constant().is_some_and(|key| key < def.max_entries.into());
        if known {
            self.mark_precise(read.value.deps);
        }
        known
    }

    /// A size in `arg`, and the memory in the argument before; the size at the
    /// most, in bytes.
    pub(super) fn sized_memory(&mut self, sig: &HelperSig, arg: u8, kind: ArgKind) -> Step<u32> {
        let before = arg.saturating_sub(1);
        let at = usize::from(before).saturating_sub(1);
        let memory = sig.args.get(at).copied().unwrap_or(ArgKind::None);
        let (Some(reg), Some(size_reg)) = (Register::new(before), Register::new(arg)) else {
            return Ok(0);
        };
        let size = self.argument(size_reg)?;
        if !size.is_scalar() {
            let found = size.kind;
            let helper = sig.id;
            return reject(VerifyErrorKind::HelperArgument { helper, arg, expected: kind, found });
        }
        let (number, deps) = (size.number, size.deps);
        self.mark_precise(deps);
        if number.smin() < 0 {
            return reject(VerifyErrorKind::NegativeSize { arg });
        }
        if number.umin() == 0 && kind == ArgKind::Size {
            return reject(VerifyErrorKind::ZeroSize { arg });
        }
        if number.umax() >= MAX_SIZE {
            return reject(VerifyErrorKind::UnboundedSize { arg });
        }
        let pointer = self.argument(reg)?;
        if memory.memory().is_some_and(|memory| memory.nullable) && pointer.is_scalar() {
            let (null, deps) = (pointer.as_constant() == Some(0), pointer.deps);
            self.mark_precise(deps);
            // No memory, and none of it.
            if null && number.umax() == 0 {
                return Ok(0);
            }
        }
        let bytes = u32::try_from(number.umax()).unwrap_or(u32::MAX);
        self.helper_memory(sig, before, memory, bytes, number.as_constant().is_some())?;
        Ok(bytes)
    }

    /// `bytes` bytes behind `arg`; with `whole`, never fewer.
    pub(super) fn helper_memory(
        &mut self,
        sig: &HelperSig,
        arg: u8,
        kind: ArgKind,
        bytes: u32,
        whole: bool,
    ) -> Step {
        let Some(reg) = Register::new(arg) else { return Ok(()) };
        let base = *self.argument(reg)?;
        let Some(memory) = kind.memory() else { return Ok(()) };
        let mut span = Span { reg, base, off: 0, size: bytes, access: Access::Read };
        if memory.reads {
            self.helper_access(sig, arg, kind, &span, whole)?;
        }
        if memory.writes {
            span.access = Access::Write;
            self.helper_access(sig, arg, kind, &span, whole)?;
        }
        Ok(())
    }

    /// One access of a helper to memory.
    fn helper_access(
        &mut self,
        sig: &HelperSig,
        arg: u8,
        kind: ArgKind,
        span: &Span,
        whole: bool,
    ) -> Step {
        self.use_slice(&span.base);
        match span.base.kind {
            // Nothing is accessed; it must be a place of the frame all the same.
            Kind::Stack if span.size == 0 => self.stack_room(span).map(|_| ()),
            Kind::Stack => self.helper_stack(span, Sink::Helper(sig.id), whole),
            // It would be gone where the helper still reads or fills it.
            Kind::Slice if span.base.is_packet_slice() && sig.moves_packet => {
                let (helper, expected, found) = (sig.id, kind, Kind::Packet);
                reject(VerifyErrorKind::HelperArgument { helper, arg, expected, found })
            }
            Kind::MapValue
            | Kind::MapKey
            | Kind::Memory
            | Kind::Reserved
            | Kind::Given
            | Kind::Slice => self.check_bytes(span),
            Kind::Packet | Kind::PacketMeta if sig.packet_memory => self.check_bytes(span),
            found => {
                let (helper, expected) = (sig.id, kind);
                reject(VerifyErrorKind::HelperArgument { helper, arg, expected, found })
            }
        }
    }
}
