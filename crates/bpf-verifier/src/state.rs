//! The abstract state of a program at one instruction.
//!
//! A state holds the eleven registers of the running frame (R10 is implied) and
//! a sorted list of cells for all else: initialised bytes of every frame's
//! stack, R6 to R9 of the callers with the place they return to, and memory
//! that is still to be released. What was not written takes no room; who may see
//! addresses may read it, as numbers of which nothing is known.
//!
//! Stack bytes have addresses in one space: frame `f` covers `f * n` up to
//! `(f + 1) * n` for frames of `n` bytes, lower addresses further from R10.

pub(crate) mod cells;
mod class;
pub(crate) mod cover;
pub(crate) mod difference;
mod identity;
pub(crate) mod join;
mod notation;
mod origins;
mod reach;
mod reg;
pub(crate) mod snapshot;
pub(crate) mod stack;
pub(crate) mod threshold;
mod view;

use bpf_bytecode::Register;

pub use notation::Shown;
pub(crate) use reg::{
    BEYOND_END, DOUBLED, FROM_END, HALVED, INDEX_BITS, LENT, LENT_SLICE, MODULO, NO_RANGE,
    NOTHING_GIVEN, OVER, PACKET_SLICE, RAISED, RAISED_SIGNED, READ_ONLY_SLICE, SHIFTED,
    SHIFTED_HALF, SLICE_BITS, WRAPPED, WRAPPED_SIGNED,
};
pub use reg::{Kind, Value};
pub use view::{Apart, Bytes, StateView};

use crate::arena::{Arena, At, NONE, NoRoom};
use crate::rules::Privilege;
use cells::{Cell, Cells, DIFFERENCES, REFS, SAVED};

/// Where what a call from `frame` saves is kept: R6 to R9 and the return, at
/// their numbers from here. Frames are further apart than any number.
const fn saved(frame: u32) -> u32 {
    SAVED.saturating_add(frame.saturating_mul(16))
}

/// Registers of a frame but R10.
pub(crate) const REGS: usize = 10;

/// The state of the path that is being walked.
#[derive(Debug)]
pub(crate) struct State {
    regs: [Value; REGS],
    /// Running frame, 0 for the program itself.
    pub frame: u32,
    /// Memory to be released.
    pub refs: u32,
    pub cells: Cells,
    /// Bytes of one frame.
    pub frame_bytes: u32,
    /// Whose program it is.
    pub privilege: Privilege,
    /// The snapshot in which cells and registers are noted to lie as they are; none, where
    /// what is noted means nothing. See [`snapshot::sharing`].
    kept: At,
    /// The registers that lie there as they are, but for what they rest on: one bit each.
    kept_regs: u16,
}

/// Where a frame returns to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReturnTo {
    pub pc: u32,
    /// The function that returns, by index.
    pub function: u32,
    /// Whether the frame returns to a helper, which is at `pc`.
    pub to_helper: bool,
}

impl State {
    pub fn new(frame_bytes: u32, privilege: Privilege) -> Self {
        Self {
            regs: [Value::NOT_INIT; REGS],
            frame: 0,
            refs: 0,
            cells: Cells::default(),
            frame_bytes,
            privilege,
            kept: NONE,
            kept_regs: 0,
        }
    }

    /// Makes it the state at an entry, without arguments.
    pub fn clear(&mut self) {
        self.drop_regs(u16::MAX);
        (self.frame, self.refs) = (0, 0);
        self.cells.clear();
        self.forget_kept();
    }

    /// Forgets in which snapshot cells lie as they are: it may not be there any longer.
    pub fn forget_kept(&mut self) {
        (self.kept, self.kept_regs) = (NONE, 0);
        self.cells.set_untouched(NONE);
    }

    /// The value of a register of the running frame.
    #[inline]
    pub fn reg(&self, register: Register) -> Value {
        match self.regs.get(register.index()) {
            Some(value) => *value,
            None => Value::pointer(Kind::Stack, self.frame, 0),
        }
    }

    /// Sets a register; R10 never changes.
    #[inline]
    pub fn set_reg(&mut self, register: Register, value: Value) {
        if let Some(slot) = self.reg_mut(register) {
            *slot = value;
        }
    }

    /// A register that is to be set; none for R10.
    #[inline]
    pub fn reg_mut(&mut self, register: Register) -> Option<&mut Value> {
        self.reg_of_number(register.number().into())
    }

    /// The register of a number that is to be set, which lies nowhere as it is from then on.
    #[inline]
    fn reg_of_number(&mut self, number: u32) -> Option<&mut Value> {
        self.kept_regs &= !1_u16.checked_shl(number).unwrap_or(0);
        self.regs.get_mut(number as usize)
    }

    /// Leaves the registers that have a bit without a value.
    pub fn drop_regs(&mut self, which: u16) {
        for (number, value) in (0_u32..).zip(&mut self.regs) {
            if which.wrapping_shr(number) & 1 == 1 && value.is_init() {
                *value = Value::NOT_INIT;
            }
        }
        self.kept_regs &= !which;
    }

    pub fn regs(&self) -> &[Value; REGS] {
        &self.regs
    }

    /// How many are set.
    pub fn count_regs(&self) -> u32 {
        self.regs.iter().fold(0, |count, value| count.wrapping_add(value.is_init().into()))
    }

    /// Those of these registers that are set, by number.
    pub fn regs_of(&self, which: u16) -> impl Iterator<Item = (u32, &Value)> {
        let listed = move |(number, value): &(u32, &Value)| {
            which.wrapping_shr(*number) & 1 == 1 && value.is_init()
        };
        (0_u32..).zip(&self.regs).filter(listed)
    }

    /// Those of these registers that are set, one bit each.
    pub fn set_of(&self, which: u16) -> u32 {
        self.regs_of(which).fold(0, |mask, (number, _)| mask | 1_u32.wrapping_shl(number))
    }

    pub fn regs_mut(&mut self) -> &mut [Value; REGS] {
        self.kept_regs = 0;
        &mut self.regs
    }

    /// Every register, with its number, of which `change` says whether it changed it.
    fn change_regs(&mut self, mut change: impl FnMut(&mut Value) -> bool) {
        for (number, value) in (0_u32..).zip(&mut self.regs) {
            if change(value) {
                self.kept_regs &= !1_u16.wrapping_shl(number);
            }
        }
    }

    /// The address of a byte at `off` from the end of the frame; none outside.
    pub fn stack_addr(&self, frame: u32, off: i64) -> Option<u32> {
        let start = i64::from(frame).checked_mul(i64::from(self.frame_bytes))?;
        let inside = off.checked_add(i64::from(self.frame_bytes))?;
        if inside < 0 || off > 0 {
            return None;
        }
        u32::try_from(start.checked_add(inside)?).ok()
    }

    /// Frame and offset of a stack byte.
    pub fn stack_place(&self, addr: u32) -> (u32, i32) {
        let frame = addr.checked_div(self.frame_bytes).unwrap_or(0);
        let start = frame.saturating_mul(self.frame_bytes);
        let off = i64::from(addr)
            .saturating_sub(i64::from(start))
            .saturating_sub(i64::from(self.frame_bytes));
        (frame, i32::try_from(off).unwrap_or(0))
    }

    /// Applies `change` to every register, of callers too, and to every stack
    /// cell; `change` says whether it changed the value.
    pub fn for_each(&mut self, arena: &mut Arena<'_>, mut change: impl FnMut(&mut Value) -> bool) {
        self.change_regs(&mut change);
        for index in 0..self.cells.len() {
            if let Some(mut cell) = self.cells.get(arena, index)
                && change(&mut cell.value)
            {
                self.cells.set(arena, index, &cell);
            }
        }
    }

    /// The same, for values with this identity alone.
    pub fn for_each_named(
        &mut self,
        arena: &mut Arena<'_>,
        id: u32,
        mut change: impl FnMut(&mut Value) -> bool,
    ) {
        self.change_regs(|value| value.id == id && change(value));
        for index in 0..self.cells.len() {
            if self.cells.id(arena, index) == id
                && let Some(mut cell) = self.cells.get(arena, index)
                && change(&mut cell.value)
            {
                self.cells.set(arena, index, &cell);
            }
        }
    }

    /// How much was used of what grants rounds, by the identity of that.
    pub fn counted(&self, arena: &Arena<'_>, id: u32) -> Option<i32> {
        if let Some(value) = self.regs().iter().find(|value| value.counts_rounds_of(id)) {
            return Some(value.range);
        }
        let named = (0..self.cells.len()).filter(|index| self.cells.id(arena, *index) == id);
        let mut cells = named.filter_map(|index| self.cells.get(arena, index));
        cells.find(|cell| cell.value.counts_rounds_of(id)).map(|cell| cell.value.range)
    }

    /// Addresses of which `stale` says that they are none any longer become unknown
    /// numbers; those who may not see what they were find nothing in their place.
    pub fn revoke(&mut self, arena: &mut Arena<'_>, stale: impl Fn(&Value) -> bool) {
        let hidden = self.privilege == Privilege::Unprivileged;
        let left = if hidden { Value::NOT_INIT } else { Value::UNKNOWN };
        self.change_regs(|value| {
            let revoked = stale(value);
            if revoked {
                *value = left;
            }
            revoked
        });
        let mut index = 0_u32;
        while let Some(mut cell) = self.cells.get(arena, index) {
            if !stale(&cell.value) {
                index = index.saturating_add(1);
            } else if hidden {
                self.cells.remove(arena, index);
            } else {
                cell.value = left;
                self.cells.set(arena, index, &cell);
                index = index.saturating_add(1);
            }
        }
    }

    /// Keeps the registers that `kept` has bits for and the place to return to,
    /// and enters the next frame. The function has no value in R0 and R6 to R9.
    pub fn push_frame(
        &mut self,
        arena: &mut Arena<'_>,
        to: ReturnTo,
        kept: u16,
    ) -> Result<(), NoRoom> {
        let base = saved(self.frame);
        let at = self.cells.find(arena, base);
        let none = Cell { addr: 0, len: 1, value: Value::NOT_INIT, live: 0 };
        let mut cells = [none; REGS + 1];
        let mut count = 0_usize;
        let mut keep = |addr, value| {
            if let Some(slot) = cells.get_mut(count) {
                *slot = Cell { addr, value, ..none };
                count = count.saturating_add(1);
            }
        };
        for (number, value) in (0_u32..).zip(self.regs_mut()) {
            if kept.wrapping_shr(number) & 1 == 1 && value.is_init() {
                keep(base.saturating_add(number), *value);
            }
            if number == 0 || number >= 6 {
                *value = Value::NOT_INIT;
            }
        }
        let kind = if to.to_helper { Kind::ReturnToHelper } else { Kind::Return };
        let back = Value { kind, index: to.function, id: to.pc, ..Value::NOT_INIT };
        // Registers have the numbers 0 to 9.
        keep(base.saturating_add(10), back);
        let cells = cells.get(..count).unwrap_or_default();
        self.cells.splice(arena, at, at, cells)?;
        self.frame = self.frame.saturating_add(1);
        Ok(())
    }

    /// Where the running frame returns to; none in the first one.
    pub fn return_to(&self, arena: &Arena<'_>) -> Option<ReturnTo> {
        self.return_of(arena, self.frame)
    }

    /// Where `frame` returns to.
    pub fn return_of(&self, arena: &Arena<'_>, frame: u32) -> Option<ReturnTo> {
        let caller = frame.checked_sub(1)?;
        let addr = saved(caller).saturating_add(10);
        let (_, cell) = self.cells.at_addr(arena, addr)?;
        let value = cell.value;
        let to_helper = value.kind == Kind::ReturnToHelper;
        Some(ReturnTo { pc: value.id, function: value.index, to_helper })
    }

    /// A register that the caller of the running frame keeps.
    pub fn kept_reg(&self, arena: &Arena<'_>, register: Register) -> Value {
        let Some(caller) = self.frame.checked_sub(1) else { return Value::NOT_INIT };
        let addr = saved(caller).saturating_add(register.number().into());
        self.cells.at_addr(arena, addr).map_or(Value::NOT_INIT, |(_, cell)| cell.value)
    }

    /// The instruction that acquired what was acquired last.
    pub fn last_reference(&self, arena: &Arena<'_>) -> Option<u32> {
        let cell = self.cells.get(arena, self.cells.len().checked_sub(1)?)?;
        (cell.addr >= REFS).then_some(cell.value.index)
    }

    /// Drops the running frame and brings its caller's R6 to R9 back.
    pub fn pop_frame(&mut self, arena: &mut Arena<'_>) -> Result<(), NoRoom> {
        let Some(caller) = self.frame.checked_sub(1) else { return Ok(()) };
        let base = saved(caller);
        let from = self.cells.find(arena, base);
        let mut to = from;
        self.drop_regs(!1);
        while let Some(cell) = self.cells.get(arena, to) {
            if cell.addr >= DIFFERENCES {
                break;
            }
            let number = cell.addr.saturating_sub(base);
            if let Some(slot) = self.reg_of_number(number) {
                *slot = cell.value;
            }
            to = to.saturating_add(1);
        }
        self.cells.splice(arena, from, to, &[])?;
        let start = self.frame.saturating_mul(self.frame_bytes);
        let from = self.cells.find(arena, start);
        let to = self.cells.find(arena, start.saturating_add(self.frame_bytes));
        self.cells.splice(arena, from, to, &[])?;
        self.frame = caller;
        Ok(())
    }

    /// Notes memory that is to be released.
    pub fn acquire(&mut self, arena: &mut Arena<'_>, id: u32, pc: u32) -> Result<(), NoRoom> {
        self.hold(arena, Value { kind: Kind::Reference, index: pc, id, ..Value::NOT_INIT })
    }

    /// Notes something that is to be given back; its index is where it was taken.
    pub fn hold(&mut self, arena: &mut Arena<'_>, value: Value) -> Result<(), NoRoom> {
        let last = self.cells.len().checked_sub(1).map(|i| self.cells.span(arena, i).0);
        let addr = last.map_or(REFS, |addr| addr.saturating_add(1).max(REFS));
        self.cells.push(arena, &Cell { addr, len: 1, value, live: 0 })?;
        self.refs = self.refs.saturating_add(1);
        Ok(())
    }

    /// Whether memory of this identity is still to be released.
    pub fn holds(&self, arena: &Arena<'_>, id: u32) -> bool {
        let mut all = self.cells.find(arena, REFS)..self.cells.len();
        all.any(|index| {
            let value = self.cells.get(arena, index).map(|cell| cell.value);
            value.is_some_and(|value| value.kind == Kind::Reference && value.id == id)
        })
    }

    /// What is held of a kind, the last.
    pub fn held(&self, arena: &Arena<'_>, kind: Kind) -> Option<Value> {
        let all = (self.cells.find(arena, REFS)..self.cells.len()).rev();
        let mut values = all.filter_map(|index| self.cells.get(arena, index)).map(|c| c.value);
        values.find(|value| value.kind == kind)
    }

    /// Gives back what is held of a kind, the last. Whether there was any.
    pub fn give_back(&mut self, arena: &mut Arena<'_>, kind: Kind) -> Result<bool, NoRoom> {
        for index in (self.cells.find(arena, REFS)..self.cells.len()).rev() {
            let cell = self.cells.get(arena, index);
            if cell.is_some_and(|cell| cell.value.kind == kind) {
                self.cells.splice(arena, index, index.saturating_add(1), &[])?;
                self.refs = self.refs.saturating_sub(1);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Forgets memory that was released; says whether it was held.
    pub fn release(&mut self, arena: &mut Arena<'_>, id: u32) -> Result<bool, NoRoom> {
        let mut index = self.cells.find(arena, REFS);
        while let Some(cell) = self.cells.get(arena, index) {
            if cell.value.id == id && cell.value.kind == Kind::Reference {
                self.cells.splice(arena, index, index.saturating_add(1), &[])?;
                self.refs = self.refs.saturating_sub(1);
                return Ok(true);
            }
            index = index.saturating_add(1);
        }
        Ok(false)
    }

    /// What is held longest: its kind, and the instruction that took it.
    pub fn first_held(&self, arena: &Arena<'_>) -> Option<(Kind, u32)> {
        let cell = self.cells.get(arena, self.cells.find(arena, REFS))?;
        Some((cell.value.kind, cell.value.index))
    }
}
