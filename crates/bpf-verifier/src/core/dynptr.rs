//! Dynptrs: memory whose size is known when the program runs. What kernel functions do
//! with them is in `dynptr_kfunc`.
//!
//! A dynptr is sixteen bytes on the stack, which programs do not read. One over a
//! record of a ring buffer counts as a reference until it is submitted or discarded;
//! whoever writes over it loses it, and so cannot end the program. What is left of any
//! dynptr that was written over is none.

use bpf_bytecode::Register;
use bpf_bytecode::abi::helper::{ArgKind, HelperSig};

use super::helper::Arguments;
use super::memory::Span;
use super::{Explorer, Step, reject};
use crate::cfg::slot_number;
use crate::domain::Scalar;
use crate::error::{Access, Feature, VerifyErrorKind};
use crate::state::{
    INDEX_BITS, Kind, LENT, LENT_SLICE, PACKET_SLICE, READ_ONLY_SLICE, SLICE_BITS, Value,
};

const DYNPTR_FROM_MEM: u32 = 197;
const DYNPTR_WRITE: u32 = 202;

/// Bytes of a half.
const HALF: u32 = 8;
/// The index of a second half; that of a first one is the [`Source`].
const SECOND: u32 = 2;

/// Identities of dynptrs are below: slices name them in what their index has left.
const MAX_ID: u32 = 1 << (INDEX_BITS - SLICE_BITS);

/// The address of a dynptr that is not on the stack: behind all that is.
const ELSEWHERE: u32 = u32::MAX;

/// What a dynptr is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A map's value.
    Memory = 0,
    /// A record of a ring buffer, which is held.
    Record = 1,
    /// The packet.
    Packet = 3,
    /// Any of these: a function verified apart was given it.
    Given = 4,
}

impl Source {
    const fn from_index(index: u32) -> Option<Self> {
        match index {
            0 => Some(Self::Memory),
            1 => Some(Self::Record),
            3 => Some(Self::Packet),
            _ => None,
        }
    }
}

/// Where a dynptr is or will be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Or [`ELSEWHERE`].
    addr: u32,
    /// Its identity; 0 where there is none yet.
    id: u32,
    /// What it is over, if it is one.
    pub source: Option<Source>,
    released: bool,
}

impl Place {
    /// Whether it may be over the packet.
    pub const fn may_be_packet(&self) -> bool {
        matches!(self.source, Some(Source::Packet | Source::Given))
    }

    /// Whether two of them have bytes in common.
    pub fn meets(&self, other: &Self) -> bool {
        self.meets_bytes(other.addr, 2 * HALF)
    }

    /// Whether it has some of these bytes.
    pub fn meets_bytes(&self, addr: u32, len: u32) -> bool {
        self.addr < addr.saturating_add(len) && addr < self.addr.saturating_add(2 * HALF)
    }
}

impl Explorer<'_> {
    /// A half of a dynptr.
    fn half(&self, addr: u32) -> Option<Value> {
        let (_, cell) = self.state.cells.at_addr(&self.arena, addr)?;
        (cell.value.kind == Kind::Dynptr).then_some(cell.value)
    }

    /// The dynptr that an argument points to, or the place for one.
    pub(super) fn dynptr_argument(
        &mut self,
        reg: Register,
        kind: ArgKind,
        value: &Value,
        wrong: VerifyErrorKind,
    ) -> Step<Place> {
        if kind == ArgKind::DynptrInit {
            return self.place_of_dynptr(reg, value, wrong);
        }
        let place = self.dynptr_at(reg, value, wrong)?;
        let released = kind == ArgKind::DynptrRelease;
        if released && place.source != Some(Source::Record) {
            return reject(wrong);
        }
        Ok(Place { released, ..place })
    }

    /// Two halves on the stack.
    fn halves(&mut self, reg: Register, value: &Value, wrong: VerifyErrorKind) -> Step<u32> {
        if value.kind != Kind::Stack {
            return reject(wrong);
        }
        let span = Span { reg, base: *value, off: 0, size: HALF, access: Access::Write };
        Self::check_alignment(&span)?;
        let room = self.stack_room(&Span { size: 2 * HALF, ..span })?;
        if !room.exact {
            return reject(wrong);
        }
        Ok(room.addr)
    }

    /// The place for a new dynptr.
    pub(super) fn place_of_dynptr(
        &mut self,
        reg: Register,
        value: &Value,
        wrong: VerifyErrorKind,
    ) -> Step<Place> {
        let addr = self.halves(reg, value, wrong)?;
        // A record that is held would be lost.
        let held =
            |half: Option<Value>| half.is_some_and(|half| self.state.holds(&self.arena, half.id));
        if held(self.half(addr)) || held(self.half(addr.saturating_add(HALF))) {
            return reject(wrong);
        }
        self.end_dynptrs(addr, 2 * HALF);
        Ok(Place { addr, id: 0, source: None, released: false })
    }

    /// The dynptr that a register points to.
    pub(super) fn dynptr_at(
        &mut self,
        reg: Register,
        value: &Value,
        wrong: VerifyErrorKind,
    ) -> Step<Place> {
        if value.kind == Kind::GivenDynptr {
            if value.id >= MAX_ID || !value.is_unmodified() {
                return reject(wrong);
            }
            let (addr, source) = (ELSEWHERE, Some(Source::Given));
            return Ok(Place { addr, id: value.id, source, released: false });
        }
        let addr = self.halves(reg, value, wrong)?;
        let second = addr.saturating_add(HALF);
        let (Some(first), Some(rest)) = (self.half(addr), self.half(second)) else {
            return reject(wrong);
        };
        let source = Source::from_index(first.index);
        if source.is_none() || rest.index != SECOND || first.id != rest.id {
            return reject(wrong);
        }
        for half in [addr, second] {
            let live = self.state.cells.at_addr(&self.arena, half).map_or(0, |(_, c)| c.live);
            self.mark_read(live);
        }
        Ok(Place { addr, id: first.id, source, released: false })
    }

    /// Bytes of the stack are written: what was a dynptr there is none any more, and
    /// neither are its slices, nor those that the bytes are lent to.
    pub(super) fn end_dynptrs(&mut self, addr: u32, len: u32) {
        self.end_slices(addr, len, |_| true);
    }

    /// The newest frame goes, and with it what it lent.
    pub(super) fn end_loans(&mut self) {
        let bytes = self.state.frame_bytes;
        let start = self.state.stack_addr(self.state.frame, i64::from(bytes).saturating_neg());
        self.end_slices(start.unwrap_or(0), bytes, Value::is_lent);
    }

    fn end_slices(&mut self, addr: u32, len: u32, which: impl Fn(&Value) -> bool) {
        if !self.dynptrs {
            return;
        }
        let end = addr.saturating_add(len);
        let mut index = self.state.cells.find(&self.arena, addr);
        while let Some(cell) = self.state.cells.get(&self.arena, index)
            && cell.addr < end
        {
            if cell.value.kind == Kind::Dynptr && which(&cell.value) {
                let (lent, id) = (cell.value.is_lent(), cell.value.id);
                self.state.revoke(&mut self.arena, |value| {
                    let slice = matches!(value.kind, Kind::Slice | Kind::SliceOrNull);
                    slice && if lent { value.id == id } else { value.dynptr() == id }
                });
            }
            // Cells may be gone, also some before it.
            index = self.state.cells.find(&self.arena, cell.end());
        }
    }

    /// Lends bytes of the stack to a slice, which may be them: nobody looks at them,
    /// and whoever writes there ends the slice.
    pub(super) fn lend(&mut self, addr: u32, len: u32, slice: Value) -> Step<Value> {
        self.end_dynptrs(addr, len);
        // Perhaps the first of them: the dynptr may be given, and a function is looked at where
        // an attempt comes to a call with none.
        self.dynptrs = true;
        let (mut at, end) = (addr, addr.saturating_add(len));
        while at < end {
            let aligned = at.checked_next_multiple_of(HALF).filter(|next| *next > at);
            let next = aligned.unwrap_or_else(|| at.saturating_add(HALF)).min(end);
            let lent = Value::pointer(Kind::Dynptr, LENT, slice.id);
            self.state.write_stack(&mut self.arena, at, next.saturating_sub(at), lent)?;
            at = next;
        }
        Ok(Value { index: slice.index | LENT_SLICE, ..slice })
    }

    /// A slice is accessed: all that follows rests on where its dynptr is, as who writes
    /// there ends it, and on which bytes of the stack may be it.
    pub(super) fn use_slice(&mut self, base: &Value) {
        if !matches!(base.kind, Kind::Slice | Kind::SliceOrNull) {
            return;
        }
        self.charge_cells(u32::MAX);
        let mut live = 0;
        for index in 0..self.state.cells.len() {
            if let Some(cell) = self.state.cells.get(&self.arena, index)
                && cell.value.kind == Kind::Dynptr
            {
                let lent = cell.value.is_lent();
                let of = if lent {
                    base.is_lent_slice() && cell.value.id == base.id
                } else {
                    cell.value.id == base.dynptr()
                };
                live |= if of { cell.live } else { 0 };
            }
        }
        self.mark_read(live);
    }

    /// Makes or ends a dynptr, as the helper does.
    pub(super) fn use_dynptr(&mut self, sig: &HelperSig, place: Place) -> Step {
        if place.released {
            self.release(place.id)?;
            return Ok(self.state.fill_stack(&mut self.arena, place.addr, 2 * HALF)?);
        }
        if place.id != 0 {
            // Frames of XDP stay where they are.
            let moves = place.may_be_packet() && !self.is_xdp();
            if sig.id == DYNPTR_WRITE && moves {
                if self.state.reg(Register::R3).is_packet_slice() {
                    // It would be gone where the helper still reads it.
                    let (expected, found) = (ArgKind::MemRead, Kind::Packet);
                    let helper = sig.id;
                    return reject(VerifyErrorKind::HelperArgument {
                        helper,
                        arg: 3,
                        expected,
                        found,
                    });
                }
                self.invalidate_packet();
            }
            return Ok(());
        }
        let memory = sig.id == DYNPTR_FROM_MEM;
        let found = self.state.reg(Register::R1).kind;
        if memory && found != Kind::MapValue {
            // Other memory may be gone before the dynptr is.
            let (helper, expected) = (sig.id, ArgKind::MapValue);
            return reject(VerifyErrorKind::HelperArgument { helper, arg: 1, expected, found });
        }
        self.make_dynptr(&place, if memory { Source::Memory } else { Source::Record })
    }

    /// A new dynptr.
    pub(super) fn make_dynptr(&mut self, place: &Place, source: Source) -> Step {
        let (addr, id) = (place.addr, self.fresh_id());
        if id >= MAX_ID {
            return reject(VerifyErrorKind::Unsupported(Feature::Argument(ArgKind::DynptrInit)));
        }
        if source == Source::Record {
            self.state.acquire(&mut self.arena, id, slot_number(self.walker.pc))?;
        }
        self.dynptrs = true;
        for (addr, index) in [(addr, source as u32), (addr.saturating_add(HALF), SECOND)] {
            let half = Value::pointer(Kind::Dynptr, index, id);
            self.state.write_stack(&mut self.arena, addr, HALF, half)?;
        }
        Ok(())
    }

    /// A part of a dynptr's memory, if it has as much.
    pub(super) fn slice(&mut self, args: &Arguments) -> Value {
        let bytes = args.alloc.unsigned_abs();
        match args.dynptr {
            Some(dynptr) => self.slice_of(&dynptr, bytes, false),
            None => Value::scalar(Scalar::constant(0)),
        }
    }

    /// A part of so many bytes, or null.
    pub(super) fn slice_of(&mut self, dynptr: &Place, bytes: u32, read_only: bool) -> Value {
        let of_packet = dynptr.may_be_packet();
        let index = dynptr.id.wrapping_shl(SLICE_BITS)
            | if of_packet { PACKET_SLICE } else { 0 }
            | if read_only { READ_ONLY_SLICE } else { 0 };
        let slice = Value::pointer(Kind::SliceOrNull, index, self.fresh_id());
        Value { range: i32::try_from(bytes).unwrap_or(0), ..slice }
    }
}
