//! Where a packet ends.

use bpf_bytecode::opcode::{Cond, Width};

use super::Explorer;
use super::trial::Phase;
use crate::state::{BEYOND_END, FROM_END, Kind, NO_RANGE, Value};

/// Offsets of packet pointers for which a comparison proves something: sums
/// with larger ones might wrap.
pub(super) const MAX_PACKET_OFFSET: i64 = 0xffff;

/// How an address in a packet lies to the packet's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// At or before it.
    UpTo,
    /// Before it.
    Before,
    /// At or behind it.
    From,
    /// Behind it.
    Beyond,
}

/// `end cond pointer` the other way round.
const fn swapped(cond: Cond) -> Cond {
    match cond {
        Cond::Gt => Cond::Lt,
        Cond::Lt => Cond::Gt,
        Cond::Ge => Cond::Le,
        Cond::Le => Cond::Ge,
        other => other,
    }
}

/// What is known where `pointer cond end` holds, or where it does not.
const fn order(cond: Cond, holds: bool) -> Option<Order> {
    Some(match (cond, holds) {
        (Cond::Gt, true) | (Cond::Le, false) => Order::Beyond,
        (Cond::Ge, true) | (Cond::Lt, false) => Order::From,
        (Cond::Le, true) | (Cond::Gt, false) => Order::UpTo,
        (Cond::Lt, true) | (Cond::Ge, false) => Order::Before,
        _ => return None,
    })
}

/// Whether `pointer cond end` holds; none, where that may be or not.
const fn decided(known: Order, cond: Cond) -> Option<bool> {
    Some(match (known, cond) {
        (Order::Beyond, Cond::Gt | Cond::Ge | Cond::Ne)
        | (Order::From, Cond::Ge)
        | (Order::UpTo, Cond::Le)
        | (Order::Before, Cond::Lt | Cond::Le | Cond::Ne) => true,
        (Order::Beyond, Cond::Le | Cond::Lt | Cond::Eq)
        | (Order::From, Cond::Lt)
        | (Order::UpTo, Cond::Gt)
        | (Order::Before, Cond::Ge | Cond::Gt | Cond::Eq) => false,
        _ => return None,
    })
}

/// Whether `end` is the end of what `pointer` points into: of the packet, or of
/// the metadata, which the packet follows.
fn is_end_of(pointer: &Value, end: &Value) -> bool {
    match pointer.kind {
        Kind::Packet => end.kind == Kind::PacketEnd,
        Kind::PacketMeta => end.kind == Kind::Packet && end.is_unmodified() && end.id == 0,
        _ => false,
    }
}

/// A comparison of 64 bits of an address in a packet with that packet's end: the address,
/// and the condition, as if it stood on the left.
fn with_end(cond: Cond, width: Width, a: &Value, b: &Value) -> Option<(Value, Cond)> {
    match width {
        Width::W64 if is_end_of(a, b) => Some((*a, cond)),
        Width::W64 if is_end_of(b, a) => Some((*b, swapped(cond))),
        _ => None,
    }
}

/// How an address lies to the end, as far as earlier comparisons tell.
///
/// What was found not to lie before the end is this very address, and stays so until the
/// packet moves, when it is an address no longer; sums have no such mark, nor copies of
/// another offset. So it does not matter whether something wrapped. That the end is not
/// before the address follows from how many bytes lie behind the unknown part, which were
/// found by sums that do not wrap: then the address is from the start on, and so many bytes
/// are at least as many as its constant part.
fn known_order(pointer: &Value) -> Option<Order> {
    match pointer.index {
        BEYOND_END => Some(Order::Beyond),
        FROM_END => Some(Order::From),
        _ if pointer.range == NO_RANGE || pointer.min_offset() < 0 => None,
        _ if pointer.range > pointer.off => Some(Order::Before),
        _ if pointer.range == pointer.off => Some(Order::UpTo),
        _ => None,
    }
}

/// What a comparison gives that an earlier one of the same address with the packet's end
/// decides; none, if there was none.
pub(super) fn decided_by_end(cond: Cond, width: Width, a: &Value, b: &Value) -> Option<bool> {
    let (pointer, cond) = with_end(cond, width, a, b)?;
    decided(known_order(&pointer)?, cond)
}

impl Explorer<'_> {
    /// Learns from a comparison of addresses how many bytes of the packet lie
    /// behind one of them, or that it does not lie before the packet's end.
    pub(super) fn learn_packet(
        &mut self,
        cond: Cond,
        width: Width,
        taken: bool,
        a: Value,
        b: Value,
    ) {
        let Some((pointer, cond)) = with_end(cond, width, &a, &b) else { return };
        // Where both are equal, more is known than is kept.
        let equal = matches!((cond, taken), (Cond::Eq, true) | (Cond::Ne, false));
        let Some(found) = order(if equal { Cond::Le } else { cond }, taken || equal) else {
            return;
        };
        let mark = match found {
            Order::From => FROM_END,
            Order::Beyond => BEYOND_END,
            _ => return self.learn_range(&pointer, found),
        };
        if pointer.id == 0 && pointer.number.as_constant().is_none() {
            // It is not known which others are the same.
            return;
        }
        self.state.for_each_named(&mut self.arena, pointer.id, |value| {
            let place = |value: &Value| (value.kind, value.off, value.number);
            let better = place(value) == place(&pointer) && value.index < mark;
            if better {
                value.index = mark;
            }
            better
        });
    }

    /// The packet reaches as far as the pointer, or one byte more.
    fn learn_range(&mut self, pointer: &Value, found: Order) {
        // The sum must not wrap: neither end of it, and not the unknown part. Where it is only
        // looked at what changes, how far a number goes is not known yet.
        let probing = self.walker.active.phase_if_any(&self.arena) == Some(Phase::Probe);
        let (min, max) = (pointer.min_offset(), pointer.max_offset());
        let far = max > MAX_PACKET_OFFSET && !probing;
        if min < 0 || far || pointer.number.smin() < MAX_PACKET_OFFSET.wrapping_neg() {
            return;
        }
        let range = pointer.off.saturating_add((found == Order::Before).into());
        // In a loop, the unknown part of the offset may be a number, too.
        let of_number = match u32::try_from(range) {
            Ok(bytes) if pointer.kind == Kind::Packet && self.counts_by(pointer.id) => bytes,
            _ => 0,
        };
        self.state.for_each_named(&mut self.arena, pointer.id, |value| {
            if value.is_scalar() {
                let better = value.base().is_some_and(|(id, _)| id != 0) && value.index < of_number;
                if better {
                    value.index = of_number;
                }
                return better;
            }
            let better = value.kind == pointer.kind && value.range < range;
            if better {
                value.range = range;
                if value.index == 0 {
                    // That was found here, and nothing before it serves any longer.
                    value.deps = 0;
                }
            }
            better
        });
    }

    /// The packet moved: what pointed into it does so no more.
    pub(super) fn invalidate_packet(&mut self) {
        self.effects.moves_packet = true;
        self.refuse_reach();
        self.state
            .revoke(&mut self.arena, |value| value.kind.is_packet() || value.is_packet_slice());
        self.state.for_each(&mut self.arena, |value| {
            let reaches = value.is_scalar() && value.index != 0;
            if reaches {
                value.index = 0;
            }
            reaches
        });
    }
}
