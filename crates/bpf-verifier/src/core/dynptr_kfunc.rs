//! Kernel functions on dynptrs: over packets, their sizes, parts and copies.
//!
//! A dynptr over the packet holds nothing and survives when the packet moves; its
//! slices do not. A slice may be the buffer that the program gave in place of the
//! packet's own bytes: a map's value, of which nothing is known anyway, or bytes of the
//! stack, which are lent to the slice until they are written or their frame goes.

use bpf_bytecode::Register;
use bpf_bytecode::abi::kfunc::{Kfunc, KfuncName};

use super::dynptr::{Place, Source};
use super::memory::Span;
use super::{Explorer, Step, reject};
use crate::domain::Scalar;
use crate::error::{Access, Feature, VerifyErrorKind};
use crate::state::{Kind, Value};

/// Linux's numbers of the program types that work on a `struct __sk_buff`, and may make
/// dynptrs over it.
const OVER_SKB: [u32; 9] = [1, 3, 4, 8, 10, 11, 12, 14, 19];
/// That of XDP.
const XDP: u32 = 6;

/// Slices of this many bytes and more are refused.
const MAX_SLICE: u64 = 1 << 29;

impl Explorer<'_> {
    /// A call of one of them.
    pub(super) fn dynptr_kfunc(&mut self, kfunc: Kfunc) -> Step {
        let result = match kfunc {
            Kfunc::DynptrFromSkb | Kfunc::DynptrFromXdp => self.dynptr_over_packet(kfunc)?,
            Kfunc::DynptrSize => {
                self.dynptr_in(Register::R1)?;
                Value::scalar(Scalar::of_bits(32))
            }
            Kfunc::DynptrIsNull | Kfunc::DynptrIsRdonly => {
                self.dynptr_in(Register::R1)?;
                Value::scalar(Scalar::between(0, 1))
            }
            Kfunc::DynptrAdjust => {
                self.dynptr_in(Register::R1)?;
                self.number_in(Register::R2)?;
                self.number_in(Register::R3)?;
                Value::UNKNOWN
            }
            Kfunc::DynptrClone => self.clone_dynptr()?,
            _ => self.packet_slice(kfunc == Kfunc::DynptrSlice)?,
        };
        self.clear_arguments();
        self.write(Register::R0, result)
    }

    pub(super) fn is_xdp(&self) -> bool {
        self.code.prog_type.number() == XDP
    }

    fn number_in(&self, reg: Register) -> Step<Scalar> {
        let value = self.read(reg)?;
        if !value.is_scalar() {
            return reject(VerifyErrorKind::NotANumber { reg, found: value.kind });
        }
        Ok(value.number)
    }

    fn dynptr_in(&mut self, reg: Register) -> Step<Place> {
        let value = self.read(reg)?;
        let wrong = VerifyErrorKind::NoDynptr { reg, found: value.kind };
        self.dynptr_at(reg, &value, wrong)
    }

    fn new_dynptr_in(&mut self, reg: Register) -> Step<Place> {
        let value = self.read(reg)?;
        let wrong = VerifyErrorKind::NoDynptr { reg, found: value.kind };
        self.place_of_dynptr(reg, &value, wrong)
    }

    fn dynptr_over_packet(&mut self, kfunc: Kfunc) -> Step<Value> {
        let types: &[u32] = if kfunc == Kfunc::DynptrFromXdp { &[XDP] } else { &OVER_SKB };
        let prog_type = self.code.prog_type;
        if !types.contains(&prog_type.number()) {
            let name = KfuncName::new(kfunc.name());
            return reject(VerifyErrorKind::Unsupported(Feature::KernelFunction(name)));
        }
        let (reg, context) = (Register::R1, self.read(Register::R1)?);
        if context.kind != Kind::Context {
            return reject(VerifyErrorKind::NotAPointer { reg, found: context.kind });
        }
        if !context.is_unmodified() {
            let off = context.min_offset();
            return reject(VerifyErrorKind::ModifiedContext { reg, off });
        }
        self.number_in(Register::R2)?;
        let place = self.new_dynptr_in(Register::R3)?;
        self.make_dynptr(&place, Source::Packet)?;
        Ok(Value::UNKNOWN)
    }

    fn clone_dynptr(&mut self) -> Step<Value> {
        let from = self.dynptr_in(Register::R1)?;
        let shares = |source: &Source| matches!(source, Source::Record | Source::Given);
        let Some(source) = from.source.filter(|source| !shares(source)) else {
            // It would share the record, or what may be one.
            return reject(VerifyErrorKind::Unsupported(Feature::SharedRecord));
        };
        let place = self.new_dynptr_in(Register::R2)?;
        if place.meets(&from) {
            let (reg, found) = (Register::R2, Kind::Dynptr);
            return reject(VerifyErrorKind::NoDynptr { reg, found });
        }
        self.make_dynptr(&place, source)?;
        Ok(Value::UNKNOWN)
    }

    /// Bytes of a dynptr, or of a buffer, of a size that is known.
    fn packet_slice(&mut self, read_only: bool) -> Step<Value> {
        let dynptr = self.dynptr_in(Register::R1)?;
        self.number_in(Register::R2)?;
        let size = self.read(Register::R4)?;
        let Some(bytes) = size.as_constant() else {
            return reject(VerifyErrorKind::NotConstant { arg: 4 });
        };
        self.mark_precise(size.deps);
        if bytes >= MAX_SLICE {
            return reject(VerifyErrorKind::UnboundedSize { arg: 4 });
        }
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let (reg, buffer) = (Register::R3, self.read(Register::R3)?);
        let span = Span { reg, base: buffer, off: 0, size: bytes, access: Access::Read };
        let mut lent = None;
        if buffer.as_constant() == Some(0) {
            self.mark_precise(buffer.deps);
        } else if buffer.kind == Kind::MapValue {
            self.check_bytes(&span)?;
            self.check_bytes(&Span { access: Access::Write, ..span })?;
        } else {
            // Nobody has written these bytes, perhaps.
            let stack = buffer.kind == Kind::Stack && !self.guards_addresses();
            let room = if stack { Some(self.stack_room(&span)?) } else { None };
            lent = room.filter(|room| room.exact);
            if lent.is_none() {
                return reject(VerifyErrorKind::Unsupported(Feature::SliceBuffer));
            }
            // The dynptr itself is no buffer.
            if lent.is_some_and(|room| dynptr.meets_bytes(room.addr, room.len)) {
                let (region, access) = (Kind::Dynptr, Access::Write);
                return reject(VerifyErrorKind::Forbidden { reg, region, access });
            }
        }
        // Of what may be one, the kernel gives nothing to write, where packets are not written.
        let of_packet = dynptr.source == Some(Source::Packet);
        if !read_only && of_packet && !self.layout.packet_writable {
            let (region, access) = (Kind::Packet, Access::Write);
            return reject(VerifyErrorKind::Forbidden { reg: Register::R1, region, access });
        }
        let slice = self.slice_of(&dynptr, bytes, read_only);
        match lent {
            Some(room) => self.lend(room.addr, room.len, slice),
            None => Ok(slice),
        }
    }
}
