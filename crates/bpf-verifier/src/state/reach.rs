//! How far a packet reaches behind a number.
//!
//! A loop that looks through a packet makes its addresses anew in every round, often more than
//! once: the packet's start and a counter. What a comparison with the packet's end has told of
//! one of them is lost with it. So where a loop is summarised, such an address has the counter's
//! identity, and what is learned of it is said of the counter as well: behind so many bytes as
//! the number that is named, so many more belong to the packet. The index of a number says that,
//! as the range of an address does, whatever was added since.
//!
//! At the head of a loop it is said where it holds of what the loop is entered with and of what
//! comes back. A counter begins with a known number, often 0: of that, the same follows from how
//! far the packet is known to reach behind its start.

use super::State;
use super::cells::{Cell, SAVED};
use super::reg::{Kind, NO_RANGE, Value};
use super::snapshot::Snapshot;
use crate::arena::Arena;

/// As far as is said of numbers, in bytes; not as far as an index goes.
const MOST: i64 = 0x1_0000;

/// How many bytes a packet is known to have behind its start, and what that rests on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    bytes: i64,
    pub deps: u64,
}

impl Start {
    /// The same, where a value says so.
    fn of(value: &Value) -> Option<Self> {
        let says = value.kind == Kind::Packet && value.id == 0 && value.range != NO_RANGE;
        let at_start = says && value.number.as_constant() == Some(0);
        (at_start && value.range > 0).then(|| Self { bytes: value.range.into(), deps: value.deps })
    }

    /// The same of a register that a caller keeps. What lies on the stack is forgotten where its
    /// bytes are not read, whatever rests on its value.
    fn of_cell(cell: &Cell) -> Option<Self> {
        Some(&cell.value).filter(|_| cell.addr >= SAVED).and_then(Self::of)
    }

    /// The one that says more.
    fn better(self, other: Self) -> Self {
        if other.bytes > self.bytes { other } else { self }
    }

    /// What a state says.
    pub fn of_state(state: &State, arena: &Arena<'_>) -> Option<Self> {
        let cells = (0..state.cells.len()).filter_map(|index| state.cells.get(arena, index));
        let cells = cells.filter_map(|cell| Self::of_cell(&cell));
        let regs = state.regs().iter().filter_map(Self::of);
        regs.chain(cells).reduce(Self::better)
    }

    /// What a snapshot says, which rests on what that entry does.
    pub fn of_snapshot(snapshot: Snapshot, arena: &Arena<'_>) -> Option<Self> {
        let mut entries = snapshot.read(arena);
        let mut origins = snapshot.origins(arena);
        let mut origin = || origins.as_mut().map_or(0, |set| set.next(arena));
        let mut best: Option<Self> = None;
        let mut note = |found: Option<Self>, deps| {
            let found = found.map(|found| Self { deps, ..found });
            best = [best, found].into_iter().flatten().reduce(Self::better);
        };
        for _ in 0..snapshot.regs(arena) {
            note(Self::of(&entries.value(arena)), origin());
        }
        for _ in 0..snapshot.cells(arena) {
            let found = Self::of_cell(&entries.cell(arena));
            note(found, origin());
            // What its bytes rest on.
            origin();
        }
        best
    }
}

impl Value {
    /// How many bytes the packet has at least behind what is `off` less than the number, and
    /// whether that follows from what it has behind its start; none, where that is not known.
    pub(super) fn bytes_behind(&self, off: i64, start: Option<Start>) -> Option<(u32, bool)> {
        let fits = |bytes: i64| u32::try_from(bytes).ok().filter(|_| (1..=MOST).contains(&bytes));
        if self.is_scalar() && self.index != 0 {
            let bytes = i64::from(self.index).wrapping_add(off).wrapping_sub(self.off.into());
            return fits(bytes).map(|bytes| (bytes, false));
        }
        let known = self.as_constant()?.cast_signed();
        let base = known.checked_sub(off).filter(|base| (0..=MOST).contains(base))?;
        fits(start?.bytes.wrapping_sub(base)).map(|bytes| (bytes, true))
    }
}

/// What it rests on that the packet reaches as far behind `new`, of a state, as it does behind
/// `old`, if it does.
pub(super) fn reaches(old: &Value, new: &Value, state: &State, arena: &Arena<'_>) -> Option<u64> {
    let start = if new.index == 0 { Start::of_state(state, arena) } else { None };
    let (bytes, by_start) = new.bytes_behind(old.off.into(), start)?;
    let deps = start.filter(|_| by_start).map_or(0, |start| start.deps);
    (old.index <= bytes).then_some(new.deps | deps)
}
