//! Where a packet ends.

use bpf_bytecode::opcode::{Cond, Width};

use super::Explorer;
use crate::state::{Kind, Value};

/// Offsets of packet pointers for which a comparison proves something: sums
/// with larger ones might wrap.
const MAX_PACKET_OFFSET: i64 = 0xffff;

/// How a packet pointer was found to lie to the packet's end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// At or before it.
    UpTo,
    /// Before it.
    Before,
}

/// What one side of `pointer cond end` says; with `swapped`, of `end cond
/// pointer`.
fn order(cond: Cond, taken: bool, swapped: bool) -> Option<Order> {
    use Order::{Before, UpTo};
    match (cond, taken, swapped) {
        (Cond::Eq, true, _)
        | (Cond::Ne, false, _)
        | (Cond::Le, true, false)
        | (Cond::Gt, false, false)
        | (Cond::Ge, true, true)
        | (Cond::Lt, false, true) => Some(UpTo),
        (Cond::Lt, true, false)
        | (Cond::Ge, false, false)
        | (Cond::Gt, true, true)
        | (Cond::Le, false, true) => Some(Before),
        _ => None,
    }
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

impl Explorer<'_> {
    /// Learns from a comparison of addresses how many bytes of the packet lie
    /// behind one of them.
    pub(super) fn learn_packet(
        &mut self,
        cond: Cond,
        width: Width,
        taken: bool,
        a: Value,
        b: Value,
    ) {
        if width == Width::W32 {
            return;
        }
        let (pointer, found) = if is_end_of(&a, &b) {
            (a, order(cond, taken, false))
        } else if is_end_of(&b, &a) {
            (b, order(cond, taken, true))
        } else {
            return;
        };
        let Some(found) = found else { return };
        // The sum must not wrap: neither end of it, and not the unknown part.
        let (min, max) = (pointer.min_offset(), pointer.max_offset());
        if min < 0 || max > MAX_PACKET_OFFSET || pointer.number.smin() < 0 {
            return;
        }
        let range = pointer.off.saturating_add((found == Order::Before).into());
        self.state.for_each_named(&mut self.arena, pointer.id, |value| {
            let better = value.kind == pointer.kind && value.range < range;
            if better {
                value.range = range;
            }
            better
        });
    }

    /// The packet moved: what pointed into it does so no more.
    pub(super) fn invalidate_packet(&mut self) {
        self.effects.moves_packet = true;
        self.state
            .revoke(&mut self.arena, |value| value.kind.is_packet() || value.is_packet_slice());
    }
}
