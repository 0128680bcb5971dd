//! Dynptrs: memory whose size is known when the program runs.
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
use crate::error::{Access, Feature, VerifyErrorKind};
use crate::state::{Kind, Value};

const DYNPTR_FROM_MEM: u32 = 197;

/// Bytes of a half.
const HALF: u32 = 8;
/// The index of a half: the first one of a dynptr over memory, or over a record, or the
/// second one.
const MEMORY: u32 = 0;
const RECORD: u32 = 1;
const SECOND: u32 = 2;

/// Identities of dynptrs are below: slices name them in 22 bits.
const MAX_ID: u32 = 1 << 22;

/// Where a dynptr is or will be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    addr: u32,
    /// Its identity; 0 where there is none yet.
    id: u32,
    released: bool,
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
        if value.kind != Kind::Stack {
            return reject(wrong);
        }
        let span = Span { reg, base: *value, off: 0, size: HALF, access: Access::Write };
        Self::check_alignment(&span)?;
        let room = self.stack_room(&Span { size: 2 * HALF, ..span })?;
        if !room.exact {
            return reject(wrong);
        }
        let (addr, second) = (room.addr, room.addr.saturating_add(HALF));
        let halves = (self.half(addr), self.half(second));
        if kind == ArgKind::DynptrInit {
            // A record that is held would be lost.
            let held = |half: Option<Value>| {
                half.is_some_and(|half| self.state.holds(&self.arena, half.id))
            };
            if held(halves.0) || held(halves.1) {
                return reject(wrong);
            }
            self.end_dynptrs(addr, 2 * HALF);
            return Ok(Place { addr, id: 0, released: false });
        }
        let (Some(first), Some(rest)) = halves else { return reject(wrong) };
        let whole = first.index != SECOND && rest.index == SECOND && first.id == rest.id;
        let released = kind == ArgKind::DynptrRelease;
        if !whole || released && first.index != RECORD {
            return reject(wrong);
        }
        for half in [addr, second] {
            let live = self.state.cells.at_addr(&self.arena, half).map_or(0, |(_, c)| c.live);
            self.mark_read(live);
        }
        Ok(Place { addr, id: first.id, released })
    }

    /// Bytes of the stack are written: what was a dynptr there is none any more, and
    /// neither are its slices.
    pub(super) fn end_dynptrs(&mut self, addr: u32, len: u32) {
        if !self.dynptrs {
            return;
        }
        let end = addr.saturating_add(len);
        let mut index = self.state.cells.find(&self.arena, addr);
        while let Some(cell) = self.state.cells.get(&self.arena, index)
            && cell.addr < end
        {
            if cell.value.kind == Kind::Dynptr {
                let id = cell.value.id;
                self.state.revoke(&mut self.arena, |value| {
                    matches!(value.kind, Kind::Slice | Kind::SliceOrNull) && value.index == id
                });
            }
            index = index.saturating_add(1);
        }
    }

    /// Makes or ends a dynptr, as the helper does.
    pub(super) fn use_dynptr(&mut self, sig: &HelperSig, place: Place) -> Step {
        let Place { addr, id, released } = place;
        if released {
            self.release(id)?;
            return Ok(self.state.fill_stack(&mut self.arena, addr, 2 * HALF)?);
        }
        if id != 0 {
            return Ok(());
        }
        let memory = sig.id == DYNPTR_FROM_MEM;
        let found = self.state.reg(Register::R1).kind;
        if memory && found != Kind::MapValue {
            // Other memory may be gone before the dynptr is.
            let (helper, expected) = (sig.id, ArgKind::MapValue);
            return reject(VerifyErrorKind::HelperArgument { helper, arg: 1, expected, found });
        }
        let id = self.fresh_id();
        if id >= MAX_ID {
            return reject(VerifyErrorKind::Unsupported(Feature::Argument(ArgKind::DynptrInit)));
        }
        if !memory {
            self.state.acquire(&mut self.arena, id, slot_number(self.walker.pc))?;
        }
        self.dynptrs = true;
        let first = if memory { MEMORY } else { RECORD };
        for (addr, index) in [(addr, first), (addr.saturating_add(HALF), SECOND)] {
            let half = Value::pointer(Kind::Dynptr, index, id);
            self.state.write_stack(&mut self.arena, addr, HALF, half)?;
        }
        Ok(())
    }

    /// A part of a dynptr's memory, if it has as much.
    pub(super) fn slice(&mut self, args: &Arguments) -> Value {
        let dynptr = args.dynptr.map_or(0, |dynptr| dynptr.id);
        let slice = Value::pointer(Kind::SliceOrNull, dynptr, self.fresh_id());
        Value { range: args.alloc, ..slice }
    }
}
