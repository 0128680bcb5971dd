//! Arithmetic on addresses.

use bpf_bytecode::Register;
use bpf_bytecode::instruction::Operand;
use bpf_bytecode::opcode::{AluOp, Width};

use super::packet::MAX_PACKET_OFFSET;
use super::{Explorer, Step, reject};
use crate::domain::{Scalar, alu};
use crate::error::VerifyErrorKind;
use crate::state::cover::plus;
use crate::state::{Kind, NO_RANGE, Value};

/// Offsets of this size and more are refused, as on Linux.
pub(super) const MAX_OFFSET: i32 = 1 << 29;
const LIMIT: i64 = MAX_OFFSET as i64;
const MINUS_LIMIT: i64 = -LIMIT;

/// How many bytes are proven to lie behind a pointer into a packet, where `range` did
/// and an unknown number is added or taken away: as many less as it may go forwards.
///
/// The unknown part `x` of a pointer with a range was found to be from `-MAX_PACKET_OFFSET` to
/// `MAX_PACKET_OFFSET` by a comparison, and moved since by what is said here, never below
/// `-MAX_OFFSET`, where addresses are refused. So for `n` from 0 to `MAX_OFFSET` neither
/// `x + n` nor `x - n` wraps, and behind `x + n` lie `range - n` bytes. That an access does
/// not begin before the packet is a question of its own.
fn range_behind(range: i32, op: AluOp, number: &Scalar) -> i32 {
    let forwards = match op {
        AluOp::Add => i32::try_from(number.smax()).ok(),
        _ => Some(0),
    };
    let left = forwards.and_then(|by| range.checked_sub(by));
    let small = number.smin() >= 0 && number.smax() <= LIMIT;
    // Where the range is not positive, nothing was compared.
    left.filter(|left| small && *left > 0).unwrap_or(NO_RANGE)
}

impl Explorer<'_> {
    /// `dst op src`, at least one of them an address.
    pub(super) fn pointer_alu(
        &mut self,
        op: AluOp,
        width: Width,
        (dst, a): (Register, Value),
        (src, b): (Operand, Value),
    ) -> Step<Value> {
        let bits = width.bits();
        let (reg, kind) = match src {
            Operand::Reg(src) if !a.kind.is_pointer() => (src, b.kind),
            _ => (dst, a.kind),
        };
        let refused = VerifyErrorKind::PointerOperation { reg, kind, op, bits };
        // Where addresses are guarded, Linux lets numbers from registers be added
        // only where it knows how far they may lead.
        let limited = matches!(kind, Kind::Stack | Kind::MapValue) || kind.is_nullable();
        if self.guards_addresses() && matches!(src, Operand::Reg(_)) && !limited {
            return reject(refused);
        }
        match (a.kind.is_pointer(), b.kind.is_pointer(), op, width) {
            // A distance, or the low half of one: an unknown number.
            (true, true, AluOp::Sub, _) | (true, false, AluOp::Sub, Width::W32) => {
                self.number_of_address(dst, bits)
            }
            (true, false, AluOp::Add | AluOp::Sub, Width::W64) => {
                self.offset_pointer(reg, op, a, b)
            }
            (false, true, AluOp::Sub, Width::W32) => self.number_of_address(reg, bits),
            (false, true, AluOp::Add, Width::W64) => self.offset_pointer(reg, op, b, a),
            _ => reject(refused),
        }
    }

    /// Whether the unknown part of `pointer op number` has the identity of the number: the
    /// pointer has none, and a loop that is summarised counts by the number, or it is known how
    /// far the packet reaches behind that. A comparison of the number then tells of the address.
    fn is_named_by(&self, op: AluOp, pointer: &Value, number: &Value) -> bool {
        let in_packet = pointer.kind == Kind::Packet;
        let kind = in_packet || matches!(pointer.kind, Kind::Stack | Kind::MapValue);
        let at_start = kind && pointer.id == 0 && pointer.number.as_constant() == Some(0);
        let named = number.is_scalar() && number.id != 0 && number.range == 0;
        let known = |off: i32| i64::from(off.unsigned_abs()) < LIMIT;
        let base = plus(number.number, number.off.saturating_neg());
        op == AluOp::Add
            && at_start
            && named
            && (in_packet && number.index != 0 || self.counts_by(number.id))
            && known(pointer.off.saturating_add(number.off))
            && (!in_packet || base.smin() >= MAX_PACKET_OFFSET.wrapping_neg())
    }

    /// How far the packet reaches behind the number that `number` names, as it or a register with
    /// the same identity says, and what that rests on.
    fn reach_of_named(&self, number: &Value) -> (i32, u64) {
        let named = |value: &&Value| value.is_scalar() && value.id == number.id && value.index > 0;
        let best = self.state.regs().iter().filter(named).max_by_key(|value| value.index);
        let best = best.filter(|best| best.index > number.index).unwrap_or(number);
        let bytes = i32::try_from(best.index).ok().filter(|bytes| *bytes > 0);
        bytes.map_or((NO_RANGE, 0), |bytes| (bytes, best.deps))
    }

    /// `pointer + number` or `pointer - number`.
    fn offset_pointer(
        &mut self,
        reg: Register,
        op: AluOp,
        pointer: Value,
        number: Value,
    ) -> Step<Value> {
        let kind = pointer.kind;
        let constant = number.number.as_constant().map(u64::cast_signed);
        if kind.is_nullable() {
            return reject(VerifyErrorKind::ArithmeticOnNullable { reg, kind });
        }
        let nothing = kind == Kind::Map && constant == Some(0) && op == AluOp::Add;
        let fixed = kind.is_socket()
            || matches!(
                kind,
                Kind::Map | Kind::PacketEnd | Kind::Function | Kind::XdpSocket | Kind::GivenDynptr
            );
        if (fixed && !nothing) || (kind == Kind::FlowKeys && constant.is_none()) {
            return reject(VerifyErrorKind::PointerArithmetic { reg, kind, op });
        }
        if kind == Kind::Stack && op == AluOp::Sub {
            // As on Linux, whose backends may know additions only.
            return reject(VerifyErrorKind::PointerArithmetic { reg, kind, op });
        }
        // Where an address points is decided by the number from here on.
        self.mark_precise(number.deps);
        let mut out = pointer;
        if out.is_in_packet() {
            // Another address, of which nothing was found.
            out.index = 0;
        }
        let delta = match (constant, op) {
            (Some(by), AluOp::Sub) => by.checked_neg(),
            (by, _) => by,
        };
        if constant.is_some() {
            let off = delta.and_then(|by| by.checked_add(pointer.off.into()));
            let off = off.filter(|off| MINUS_LIMIT < *off && *off < LIMIT);
            let Some(off) = off.and_then(|off| i32::try_from(off).ok()) else {
                let by = delta.unwrap_or(i64::MAX);
                return reject(VerifyErrorKind::UnboundedOffset { kind, min: by, max: by });
            };
            out.off = off;
        } else {
            out.number = alu(op, Width::W64, pointer.number, number.number);
            match kind {
                _ if self.is_named_by(op, &pointer, &number) => {
                    let more = number.off.saturating_neg();
                    (out.id, out.number) = (number.id, plus(number.number, more));
                    out.off = pointer.off.saturating_add(number.off);
                    out.deps |= number.deps;
                    if kind == Kind::Packet {
                        let (known, deps) = self.reach_of_named(&number);
                        out.range = range_behind(pointer.range, op, &out.number).max(known);
                        out.deps |= deps;
                        self.mark_precise(deps);
                    }
                }
                Kind::Packet | Kind::PacketMeta => {
                    // Another unknown part.
                    out.id = self.fresh_id();
                    self.note_derived(op, &number.number, (pointer.id, out.id));
                    out.range = range_behind(pointer.range, op, &number.number);
                }
                Kind::Stack | Kind::MapValue => out.id = 0,
                _ => {}
            }
        }
        let (min, max) = (out.min_offset(), out.max_offset());
        if min <= MINUS_LIMIT || min >= LIMIT {
            return reject(VerifyErrorKind::UnboundedOffset { kind, min, max });
        }
        if self.guards_addresses() {
            self.guard_arithmetic(reg, &out)?;
        }
        Ok(out)
    }

    /// Those who may not see addresses may not compute any outside of the
    /// object either, nor an unknown one on the stack: a processor might use it
    /// before it knows better.
    fn guard_arithmetic(&self, reg: Register, out: &Value) -> Step {
        let (min, max) = (out.min_offset(), out.max_offset());
        match out.kind {
            Kind::Stack => {
                let limit = self.state.frame_bytes;
                let first = i64::from(limit).saturating_neg();
                if min != max || min < first || max >= 0 {
                    let size = 1;
                    return reject(VerifyErrorKind::StackOutOfBounds {
                        reg,
                        min,
                        max,
                        size,
                        limit,
                    });
                }
            }
            Kind::MapValue => {
                let limit = self.map_def(out.index).map_or(0, |def| def.value_size);
                if min < 0 || max >= limit.into() {
                    let (region, size) = (out.kind, 1);
                    let kind = VerifyErrorKind::OutOfBounds { reg, region, min, max, size, limit };
                    return reject(kind);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
