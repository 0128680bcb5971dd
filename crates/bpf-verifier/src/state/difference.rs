//! How far two numbers are apart.
//!
//! What is said of each number alone loses how they lie to each other: that an index has not
//! passed a counter, or that one from below and one from above have not met. A guess at a loop may
//! say it of two numbers that the loop compares ([`differences`](crate::core::differences)); then
//! it is an entry of the state, from the loop's head to where the loop is left, and as such it is
//! covered, kept and forgotten as others are.
//!
//! An entry speaks of two identities and not of places: an identity names one number for as long
//! as it is named, so nothing that is done to registers makes it untrue. What it says is modulo
//! 2^64, as differences of registers are, so nothing is assumed of bounds either.

use bpf_bytecode::opcode::{AluOp, Width};

use super::State;
use super::cells::{Cell, DIFFERENCES, REFS, SAVED, value_of};
use super::reg::{Kind, Value};
use super::snapshot::Snapshot;
use super::view::Apart;
use crate::arena::{Arena, NoRoom};
use crate::domain::{Scalar, alu};

/// Differences that a state says, at the most.
pub(super) const MOST: usize = 4;

/// How far two numbers are apart, as a state says it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Difference {
    /// Which cell says it.
    index: u32,
    /// Whether that says by how much the second is more.
    reversed: bool,
    /// What the values are more apart than the numbers that they name.
    more: i64,
    /// By how much the first is more.
    pub number: Scalar,
    /// What that rests on.
    pub deps: u64,
}

impl Value {
    /// What names the number that this is, but for a constant, and how much more it is than that.
    pub(crate) fn name(&self) -> Option<(u32, i64)> {
        (self.is_scalar() && self.id != 0 && self.range == 0).then(|| (self.id, self.off.into()))
    }

    /// The two identities of which a difference speaks.
    pub(crate) const fn compared(&self) -> (u32, u32) {
        (self.index, self.range.cast_unsigned())
    }
}

fn add(number: Scalar, by: i64) -> Scalar {
    alu(AluOp::Add, Width::W64, number, Scalar::signed_constant(by))
}

fn subtract(a: Scalar, b: Scalar) -> Scalar {
    alu(AluOp::Sub, Width::W64, a, b)
}

fn reverse(number: Scalar) -> Scalar {
    subtract(Scalar::constant(0), number)
}

impl State {
    /// The number of this name, as a register or a cell has it, without what was added to it.
    pub fn named(&self, arena: &Arena<'_>, id: u32) -> Option<Value> {
        let of = |value: &Value| {
            let off = if value.names_offset() { Some(0) } else { value.name().map(|name| name.1) };
            let number = add(value.number, off.filter(|_| value.id == id)?.wrapping_neg());
            Some(Value { id, deps: value.deps, ..Value::scalar(number) })
        };
        let mut cells = (0..self.cells.len()).filter(|index| self.cells.id(arena, *index) == id);
        let in_cells = || cells.find_map(|index| of(&self.cells.get(arena, index)?.value));
        self.regs().iter().find_map(of).or_else(in_cells)
    }

    /// All that it says of how far numbers are apart.
    pub(super) fn all_apart<'a>(
        &'a self,
        arena: &'a Arena<'a>,
    ) -> impl Iterator<Item = Apart> + use<'a> {
        self.differences(arena).filter_map(|index| {
            let value = self.cells.get(arena, index)?.value;
            let (first, second) = value.compared();
            Some(Apart { first, second, number: value.number })
        })
    }

    /// The cells that are differences, by index.
    fn differences(&self, arena: &Arena<'_>) -> core::ops::Range<u32> {
        let first = self.cells.find(arena, DIFFERENCES);
        let end = self.cells.find_from(arena, REFS, first);
        first..end
    }

    /// By how much `a` is more than `b`, where that was noted.
    pub fn difference(&self, arena: &Arena<'_>, a: &Value, b: &Value) -> Option<Difference> {
        let ((first, more), (second, less)) = a.name().zip(b.name())?;
        let more = more.wrapping_sub(less);
        self.differences(arena).find_map(|index| {
            let value = self.cells.get(arena, index)?.value;
            let number = match value.compared() {
                pair if pair == (first, second) => (value.number, false),
                pair if pair == (second, first) => (reverse(value.number), true),
                _ => return None,
            };
            let (number, reversed) = (add(number.0, more), number.1);
            Some(Difference { index, reversed, more, number, deps: value.deps })
        })
    }

    /// By how much the number `a` is more than `b`, as far as is known, and what that rests on.
    pub fn apart(&self, arena: &Arena<'_>, a: &Value, b: &Value) -> (Scalar, u64) {
        let deps = a.deps | b.deps;
        if let (Some(a), Some(b)) = (a.name(), b.name())
            && a.0 == b.0
        {
            return (Scalar::signed_constant(a.1.wrapping_sub(b.1)), deps);
        }
        let apart = subtract(a.number, b.number);
        match self.difference(arena, a, b) {
            Some(said) => (apart.meet(said.number).unwrap_or(apart), deps | said.deps),
            None => (apart, deps),
        }
    }

    /// What is said of two numbers is known to be this, as it rests on `deps` as well.
    pub fn set_difference(
        &mut self,
        arena: &mut Arena<'_>,
        said: &Difference,
        number: Scalar,
        deps: u64,
    ) {
        let Some(mut cell) = self.cells.get(arena, said.index) else { return };
        let number = add(number, said.more.wrapping_neg());
        cell.value.number = if said.reversed { reverse(number) } else { number };
        cell.value.deps |= deps;
        self.cells.set(arena, said.index, &cell);
    }

    /// Says that what `a` names is so much more than what `b` does, but for the constants that
    /// these are more. Nothing is said where one of them names nothing.
    pub fn add_difference(
        &mut self,
        arena: &mut Arena<'_>,
        (a, b): (&Value, &Value),
        number: Scalar,
        deps: u64,
    ) -> Result<(), NoRoom> {
        let Some(((first, more), (second, less))) = a.name().zip(b.name()) else { return Ok(()) };
        let all = self.differences(arena);
        if all.len() >= MOST {
            return Ok(());
        }
        let at = all.end;
        let last = at.checked_sub(1).map(|last| self.cells.span(arena, last).0);
        let addr = last.map_or(DIFFERENCES, |addr| addr.saturating_add(1).max(DIFFERENCES));
        let (index, range) = (first, second.cast_signed());
        let number = add(number, less.wrapping_sub(more));
        let value = Value { kind: Kind::Difference, index, range, number, deps, ..Value::NOT_INIT };
        self.cells.splice(arena, at, at, &[Cell { addr, len: 1, value, live: 0 }])
    }

    /// Forgets what is said of identities behind `last`.
    pub fn drop_differences(&mut self, arena: &mut Arena<'_>, last: u32) {
        let mut index = self.differences(arena).start;
        while let Some(cell) = self.cells.get(arena, index).filter(|cell| cell.addr < REFS) {
            let (first, second) = cell.value.compared();
            if first.max(second) > last {
                self.cells.remove(arena, index);
            } else {
                index = index.saturating_add(1);
            }
        }
    }
}

/// What the newer state has in the place of a number that the older one names.
#[derive(Clone, Copy)]
enum Counterpart {
    /// The older state has no such name.
    None,
    /// This, which is so much more than what is named.
    Known(Value, i64),
    /// Nobody knows: the name is that of something else than a number itself, which may become one
    /// again.
    Unclear,
}

/// What it rests on that numbers of the newer state are no further apart than the older one says of
/// what they stand for, if so; to be the `same`, that is said of them as well. Identities up to
/// `shared` are the same in both; of others, what no entry of the older state names matters to
/// nothing.
///
/// Every entry was compared: where several have one name, their counterparts are one number, each
/// but for the constant that the older one says.
pub(super) fn differences_cover(
    old: Snapshot,
    all: &[Option<Value>; MOST],
    (new, shared): (&State, u32),
    arena: &Arena<'_>,
    same: bool,
) -> Option<u64> {
    if all.iter().all(Option::is_none) {
        return Some(0);
    }
    if same {
        let known = |said: &Value| {
            let mut cells = new.cells.all(arena).iter().map(value_of);
            cells.any(|value| Value { deps: said.deps, ..value } == *said)
        };
        return all.iter().flatten().all(known).then_some(0);
    }
    let ids = all.map(|said| said.map_or((0, 0), |said| said.compared()));
    let mut found = [(Counterpart::None, Counterpart::None); MOST];
    let mut look = |before: &Value, value: &dyn Fn() -> Option<Value>| {
        for ((first, second), (a, b)) in ids.into_iter().zip(&mut found) {
            for (id, side) in [(first, a), (second, b)] {
                if before.id != id || id == 0 || matches!(side, Counterpart::Known(..)) {
                    continue;
                }
                *side = match (before.name(), value()) {
                    (Some((_, more)), Some(value)) => Counterpart::Known(value, more),
                    _ => Counterpart::Unclear,
                };
            }
        }
    };
    let (mask, mut entries) = (old.reg_mask(arena), old.read(arena));
    for (number, value) in (0_u32..).zip(new.regs()) {
        if mask.wrapping_shr(number) & 1 == 1 {
            look(&entries.value(arena), &|| Some(*value));
        }
    }
    for _ in 0..old.cells(arena) {
        let cell = entries.cell(arena);
        look(&cell.value, &|| {
            if cell.addr >= SAVED {
                new.cells.at_addr(arena, cell.addr).map(|(_, cell)| cell.value)
            } else {
                new.read_stack(arena, cell.addr, cell.len).ok().map(|read| read.value)
            }
        });
    }
    let mut deps = 0;
    for ((said, ids), (a, b)) in all.iter().zip(ids).zip(found) {
        let known = |side, id| match side {
            Counterpart::None | Counterpart::Unclear if id <= shared => {
                Counterpart::Known(Value { id, ..Value::UNKNOWN }, 0)
            }
            _ => side,
        };
        let Some(said) = said else { continue };
        match (known(a, ids.0), known(b, ids.1)) {
            (Counterpart::None, _) | (_, Counterpart::None) => {}
            (Counterpart::Known(a, more), Counterpart::Known(b, less)) => {
                let (number, rests) = new.apart(arena, &a, &b);
                if !said.number.covers(&add(number, less.wrapping_sub(more))) {
                    return None;
                }
                deps |= rests;
            }
            _ => return None,
        }
    }
    Some(deps)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use crate::arena::{Arena, Words};
    use crate::domain::Scalar;
    use crate::rules::Privilege;
    use crate::state::cover::{Closeness, covers};
    use crate::state::snapshot::Snapshot;
    use crate::state::{State, Value};

    /// A state that says of the numbers 1 and 2, which it does not have, that they are so far
    /// apart at the least.
    fn apart(arena: &mut Arena<'_>, least: i64) -> State {
        let mut state = State::new(512, Privilege::Privileged);
        let [a, b] = [1, 2].map(|id| Value { id, ..Value::UNKNOWN });
        let number = Scalar::signed_between(least, 100);
        assert!(state.add_difference(arena, (&a, &b), number, 0).is_ok());
        state
    }

    /// What is named at the head of a loop may be told of by its name alone.
    #[test]
    fn numbers_that_both_states_name_alike_are_as_far_apart() {
        let mut words = [0_u64; 500];
        let mut arena = Arena::new(Words::Given(&mut words), 0);
        let state = apart(&mut arena, 8);
        let size = Snapshot::measure(&state, &arena);
        let at = arena.alloc(size.words() as usize).unwrap();
        let old = Snapshot::write(&state, &mut arena, at, size);
        let close = Closeness::Matters { instances: true };
        for (least, shared, covered) in [(8, 2, true), (7, 2, false), (9, 2, true), (7, 0, true)] {
            let new = apart(&mut arena, least);
            let found = covers(old, &new, &arena, close, shared);
            assert_eq!(found.is_some(), covered, "{least} {shared}");
        }
        let none = State::new(512, Privilege::Privileged);
        assert!(covers(old, &none, &arena, close, 2).is_none());
        assert!(covers(old, &none, &arena, close, 1).is_some());
    }
}
