//! Access to memory.

use bpf_bytecode::Register;
use bpf_bytecode::abi::frozen::FrozenMap;
use bpf_bytecode::abi::map::MapDef;
use bpf_bytecode::instruction::Operand;
use bpf_bytecode::opcode::{AtomicOp, Size, Width};

use super::{Explorer, Step, reject};
use crate::domain::{Scalar, Tnum, sign_extend};
use crate::error::{Access, Feature, Sink, VerifyErrorKind};
use crate::state::{Kind, READ_ONLY_SLICE, Value};
use crate::verified::InsnFact;

/// Bytes that an instruction or a helper accesses, relative to a register.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub reg: Register,
    pub base: Value,
    /// Added to the register, in bytes.
    pub off: i16,
    pub size: u32,
    pub access: Access,
}

impl Span {
    /// Least offset from the start of the object.
    pub fn min(&self) -> i64 {
        self.base.min_offset().saturating_add(self.off.into())
    }

    /// Greatest offset of the first byte.
    pub fn max(&self) -> i64 {
        self.base.max_offset().saturating_add(self.off.into())
    }

    /// Whether the address is a multiple of `align`, a power of two, if its
    /// object's is.
    pub fn is_aligned(&self, align: u32) -> bool {
        let fixed = i64::from(self.base.off).saturating_add(self.off.into()).cast_unsigned();
        let off = self.base.number.bits().add(Tnum::constant(fixed));
        off.max() & u64::from(align.saturating_sub(1)) == 0
    }
}

impl Explorer<'_> {
    pub(super) fn load(
        &mut self,
        size: Size,
        signed: bool,
        dst: Register,
        base: Register,
        off: i16,
    ) -> Step {
        if base == Register::R10 && !signed && self.load_spilled(size, dst, off)? {
            return Ok(());
        }
        let span = self.span(base, off, size, Access::Read)?;
        let loaded = match span.base.kind {
            Kind::Stack => self.load_stack(&span)?,
            Kind::Context => self.load_context(&span, signed)?,
            Kind::FlowKeys | Kind::XdpSocket => self.access_foreign(&span)?,
            kind if kind.is_socket() => self.access_foreign(&span)?,
            _ => {
                self.check_region(&span)?;
                let known = self.frozen_number(&span).or_else(|| self.given_number(&span));
                Value::scalar(known.unwrap_or_else(|| Scalar::of_bits(size.bits())))
            }
        };
        let value = if signed && loaded.is_scalar() {
            let number = sign_extend(Width::W64, size.bits(), loaded.number);
            Value { deps: loaded.deps, ..Value::scalar(number) }
        } else {
            loaded
        };
        self.write(dst, value)
    }

    /// Text that ends with a zero, in a map that never changes.
    pub(super) fn text_argument(
        &mut self,
        reg: Register,
        value: &Value,
        wrong: VerifyErrorKind,
    ) -> Step {
        let index = value.index;
        let (Kind::MapValue, Some(frozen)) = (value.kind, self.frozen_map(index)) else {
            return reject(wrong);
        };
        let size = self.map_def(index).map_or(0, |def| def.value_size);
        let (off, access) = (value.known_offset(), Access::Read);
        Self::check_bounds(&Span { reg, base: *value, off: 0, size: 1, access }, size)?;
        let Some(from) = off.and_then(|off| usize::try_from(off).ok()) else {
            return reject(wrong);
        };
        // Zeros follow what is given.
        let given = frozen.bytes.get(from..).unwrap_or_default();
        let end = given.iter().position(|byte| *byte == 0);
        let ends = end.is_some() || frozen.bytes.len() < usize::try_from(size).unwrap_or(0);
        let looked_at = end.unwrap_or(given.len());
        self.charge_bytes(looked_at);
        let Some(bit) = 1_u64.checked_shl(index).filter(|_| ends) else { return reject(wrong) };
        self.figures.known_maps |= bit;
        Ok(())
    }

    /// The contents of a map, where they never change.
    fn frozen_map(&self, index: u32) -> Option<&FrozenMap> {
        let at = self.frozen.binary_search_by_key(&index, |map| map.index).ok()?;
        self.frozen.get(at).filter(|_| !self.stands_for_others(index))
    }

    /// The number that a load gives, where its bytes never change.
    fn frozen_number(&mut self, span: &Span) -> Option<Scalar> {
        // The proof rests on maps by one bit each.
        let index = span.base.index;
        if span.base.kind != Kind::MapValue || index >= u64::BITS || span.min() != span.max() {
            return None;
        }
        let bytes = &self.frozen_map(index)?.bytes;
        let from = usize::try_from(span.min()).ok()?;
        let len = usize::try_from(span.size).ok()?;
        let mut number = [0; 8];
        let place = if cfg!(target_endian = "little") { 0 } else { 8_usize.checked_sub(len)? };
        let slots = number.get_mut(place..place.checked_add(len)?)?;
        for (slot, at) in slots.iter_mut().zip(from..) {
            // Zeros follow what is given.
            *slot = bytes.get(at).copied().unwrap_or(0);
        }
        self.figures.known_maps |= 1_u64.checked_shl(index)?;
        Some(Scalar::constant(u64::from_ne_bytes(number)))
    }

    pub(super) fn store(
        &mut self,
        size: Size,
        base: Register,
        off: i16,
        value: Value,
        src: Operand,
    ) -> Step {
        let span = self.span(base, off, size, Access::Write)?;
        if span.base.kind == Kind::Stack {
            return self.store_stack(&span, value, src);
        }
        if let Operand::Reg(reg) = src
            && value.kind.is_pointer()
            && self.guards_addresses()
        {
            let into = Sink::Memory(span.base.kind);
            return reject(VerifyErrorKind::PointerLeak { reg, into });
        }
        if span.base.kind == Kind::Context {
            self.store_context(&span)
        } else if span.base.kind == Kind::FlowKeys {
            self.access_foreign(&span).map(|_| ())
        } else {
            self.check_region(&span)
        }
    }

    /// Refuses an atomic access to what allows none, and a misaligned one.
    pub(super) fn check_atomic(&mut self, base: Register, off: i16, size: Size) -> Step {
        let span = self.span(base, off, size, Access::Read)?;
        // Where a slice of a packet begins is as little aligned as the packet.
        let sliced = span.base.is_packet_slice();
        let region = if sliced { Kind::Packet } else { span.base.kind };
        if matches!(region, Kind::Context | Kind::Packet | Kind::PacketMeta | Kind::FlowKeys)
            || region.is_socket()
        {
            return reject(VerifyErrorKind::AtomicRegion { reg: base, region });
        }
        if !span.is_aligned(span.size) {
            return reject(VerifyErrorKind::Misaligned {
                reg: base,
                region,
                off: span.min(),
                size: span.size,
            });
        }
        self.rely_on_alignment(&span);
        Ok(())
    }

    /// Where memory was given by a caller, that caller has to see to its alignment.
    pub(super) fn rely_on_alignment(&mut self, span: &Span) {
        if span.base.kind == Kind::Given {
            self.effects.aligned = self.effects.aligned.max(span.size);
        }
    }

    pub(super) fn atomic(
        &mut self,
        op: AtomicOp,
        fetch: bool,
        width: Width,
        base: Register,
        off: i16,
        src: Register,
    ) -> Step {
        let size = if width == Width::W64 { Size::Dw } else { Size::W };
        let value = self.read(src)?;
        if op == AtomicOp::Cmpxchg {
            let old = self.read(Register::R0)?;
            self.check_atomic_value(Register::R0, old, base)?;
        }
        self.check_atomic_value(src, value, base)?;
        self.check_atomic(base, off, size)?;
        let span = self.span(base, off, size, Access::Write)?;
        let mut old = Value::scalar(Scalar::of_bits(size.bits()));
        if span.base.kind == Kind::Stack {
            old = self.atomic_stack(&span)?;
        } else {
            self.check_region(&Span { access: Access::Read, ..span })?;
            self.check_region(&span)?;
        }
        match op {
            AtomicOp::Cmpxchg => self.write(Register::R0, old),
            _ if fetch => self.write(src, old),
            _ => Ok(()),
        }
    }

    /// An address that takes part in an atomic operation becomes a number in
    /// memory.
    fn check_atomic_value(&self, reg: Register, value: Value, base: Register) -> Step {
        if value.kind.is_pointer() && self.guards_addresses() {
            let into = Sink::Memory(self.state.reg(base).kind);
            return reject(VerifyErrorKind::PointerLeak { reg, into });
        }
        Ok(())
    }

    /// The bytes that an instruction accesses, if the register may be used as
    /// an address at all.
    pub(super) fn span(&self, reg: Register, off: i16, size: Size, access: Access) -> Step<Span> {
        let base = self.read(reg)?;
        let found = base.kind;
        match found {
            Kind::Context
            | Kind::Stack
            | Kind::MapValue
            | Kind::MapKey
            | Kind::Memory
            | Kind::Given
            | Kind::Slice
            | Kind::Packet
            | Kind::PacketMeta
            | Kind::SocketCommon
            | Kind::Socket
            | Kind::TcpSocket
            | Kind::XdpSocket
            | Kind::FlowKeys
            | Kind::Reserved => Ok(Span { reg, base, off, size: size.bits() / 8, access }),
            _ if found.is_nullable() => reject(VerifyErrorKind::MaybeNull { reg, found }),
            // The fields of Linux's own structure; other kernels have none.
            Kind::Map if access == Access::Read && !self.guards_addresses() => {
                reject(VerifyErrorKind::Unsupported(Feature::MapFields))
            }
            _ => reject(VerifyErrorKind::NotAPointer { reg, found }),
        }
    }

    /// Proves that an access to memory other than stack and context stays
    /// inside, and notes its kind.
    pub(super) fn check_region(&mut self, span: &Span) -> Step {
        self.use_slice(&span.base);
        self.check_bytes(span)?;
        self.note(match span.base.kind {
            Kind::MapValue => InsnFact::MapValue,
            Kind::MapKey | Kind::Memory | Kind::Given | Kind::Slice => InsnFact::Memory,
            Kind::Reserved => InsnFact::Reserved,
            _ => InsnFact::Packet,
        })
    }

    /// Proves that bytes of a map's value, of the packet or of reserved memory
    /// may be accessed.
    pub(super) fn check_bytes(&mut self, span: &Span) -> Step {
        let base = &span.base;
        match base.kind {
            Kind::MapValue => {
                let def = self.map_def(base.index);
                let allowed = match span.access {
                    Access::Read => def.is_some_and(MapDef::is_readable),
                    Access::Write => def.is_some_and(MapDef::is_writable),
                };
                if !allowed {
                    return Self::forbidden(span);
                }
                Self::check_bounds(span, def.map_or(0, |def| def.value_size))?;
                self.check_fields(span)
            }
            Kind::MapKey => {
                if span.access == Access::Write {
                    return Self::forbidden(span);
                }
                let size = Self::shown_key(self.map_def(base.index));
                Self::check_bounds(span, size)
            }
            Kind::Memory => {
                if span.access == Access::Write {
                    return Self::forbidden(span);
                }
                Self::check_bounds(span, base.range.unsigned_abs())
            }
            Kind::Slice if span.access == Access::Write && base.index & READ_ONLY_SLICE != 0 => {
                Self::forbidden(span)
            }
            Kind::Reserved | Kind::Given | Kind::Slice => {
                Self::check_bounds(span, base.range.unsigned_abs())
            }
            Kind::SocketCommon
            | Kind::Socket
            | Kind::TcpSocket
            | Kind::XdpSocket
            | Kind::FlowKeys => Self::forbidden(span),
            _ => {
                if span.access == Access::Write
                    && !(self.layout.packet_writable && base.kind.is_packet())
                {
                    return Self::forbidden(span);
                }
                // What an address in the packet rests on is how far that reaches behind it.
                self.mark_precise(base.deps);
                Self::check_packet(span)
            }
        }
    }

    pub(super) fn forbidden<T>(span: &Span) -> Step<T> {
        let (reg, region, access) = (span.reg, span.base.kind, span.access);
        reject(VerifyErrorKind::Forbidden { reg, region, access })
    }

    /// The whole access within `limit` bytes.
    pub(super) fn check_bounds(span: &Span, limit: u32) -> Step {
        let (min, max) = (span.min(), span.max());
        let end = max.saturating_add(span.size.into());
        if min < 0 || end > i64::from(limit) {
            return reject(VerifyErrorKind::OutOfBounds {
                reg: span.reg,
                region: span.base.kind,
                min,
                max,
                size: span.size,
                limit,
            });
        }
        Ok(())
    }

    /// The whole access within what comparisons proved to be in the packet: it
    /// begins behind the packet's start wherever the unknown part leads, and
    /// ends where the packet is known to reach, which counts from that part.
    fn check_packet(span: &Span) -> Step {
        let base = &span.base;
        let off = i64::from(base.off).saturating_add(span.off.into());
        let end = off.saturating_add(span.size.into());
        if span.min() < 0 || end > i64::from(base.range) {
            return reject(VerifyErrorKind::PacketBounds {
                reg: span.reg,
                off: if span.min() < 0 { span.min() } else { off },
                size: span.size,
                range: base.range.max(0).unsigned_abs(),
            });
        }
        Ok(())
    }

    /// The definition that a map's or value's pointer names.
    pub(super) fn map_def(&self, index: u32) -> Option<&MapDef> {
        self.maps.get(usize::try_from(index).ok()?)
    }

    /// Whether maps of maps hold others of this definition, so that a value of it is
    /// not always one of the same map.
    pub(super) fn stands_for_others(&self, index: u32) -> bool {
        self.maps.iter().any(|def| def.inner.map(u32::from) == Some(index))
    }

    /// Refuses an access at a place that is no multiple of its size.
    pub(super) fn check_alignment(span: &Span) -> Step {
        if span.is_aligned(span.size) {
            return Ok(());
        }
        reject(VerifyErrorKind::Misaligned {
            reg: span.reg,
            region: span.base.kind,
            off: span.min(),
            size: span.size,
        })
    }
}
