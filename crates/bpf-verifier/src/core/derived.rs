//! Addresses in a packet that a loop moves by unknown numbers, and what an inner loop moves.
//!
//! An option says how long it is, so a walk over options moves its pointer by a number that
//! is read from the packet, and what comes of it has another unknown part and another
//! identity. Of every such sum in a loop that is being summarised it is noted which identity
//! of the head's state it came from, and what was added to that since, at least and at most.
//! An identity is given once, on one path, and names the same unknown part on all that go on
//! from there; so the note holds for whatever has that identity, as long as the phase lasts.
//!
//! Of what an inner loop moves on, it is noted as well ([`progress`](super::progress)), also of
//! numbers.
//!
//! With that, the change of such a pointer in a round is known as if it was a constant from
//! one number to another, and the pointer is [carried](super::carried) along. A comparison of
//! states asks for more there: what one of them became on the way to the head stands for the
//! other, so where a value of the older state has a note, that of the newer one must
//! come from the same identity, by no less and no more.

use bpf_bytecode::Register;
use bpf_bytecode::opcode::{AluOp, Width};

use super::Explorer;
use super::carried::place_of;
use super::pointer::MAX_OFFSET;
use super::trial::{Change, Trial};
use crate::arena::{Arena, At, NONE, high, low, pair};
use crate::domain::{Scalar, alu};
use crate::state::Value;
use crate::state::snapshot::Snapshot;

/// Sums that are noted in a phase, at the most.
const MAX_DERIVED: u32 = 16;
const ENTRY_WORDS: u32 = 2;
const WORDS: usize = (MAX_DERIVED * ENTRY_WORDS) as usize;

/// What an unknown part came from: an identity of the head's state, and what was added to
/// the number that it names, at least and at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Derived {
    pub from: u32,
    least: i32,
    most: i32,
}

impl Derived {
    /// The same, and as much more.
    fn plus(self, least: i64, most: i64) -> Option<Self> {
        let end = |sum: i64| i32::try_from(sum).ok().filter(|sum| sum.unsigned_abs() <= MOST);
        let least = end(i64::from(self.least).checked_add(least)?)?;
        let most = end(i64::from(self.most).checked_add(most)?)?;
        Some(Self { least, most, ..self })
    }

    /// The same of another name, which is so much less.
    pub fn less(self, by: i32) -> Option<Self> {
        let by = i64::from(by).checked_neg()?;
        self.plus(by, by)
    }

    /// What a value comes from that names what this is of, where `base` is the number that all
    /// of it comes from; none, where that is not known.
    pub fn then(self, value: &Value, base: &Scalar) -> Option<Self> {
        let off = i64::from(value.off);
        let sum = self.plus(off, off)?;
        match value.range {
            _ if !value.is_scalar() || value.range == 0 => Some(sum),
            more if more > 0 => self.plus(off, off.checked_add(more.into())?),
            // Of 32 bits, and that number modulo 2^32, it is the number itself where that is no more.
            // Of one below 0 it would be beyond 31 bits.
            _ if value.same_bits() == 32 && value.number.umax() <= u32::MAX.into() => {
                let least = base.smin().checked_add(sum.least.into())?;
                let most = base.smax().checked_add(sum.most.into())?;
                let low = if value.number.umax() <= END { i64::from(i32::MIN) } else { 0 };
                (low <= least && most <= i32::MAX.into()).then_some(sum)
            }
            _ => None,
        }
    }

    /// As much as this at least, and so much at the most.
    pub fn up_to(self, most: i64) -> Option<Self> {
        Self { most: 0, ..self }.plus(0, most).filter(|to| to.least <= to.most)
    }

    /// As much as this at the most, and so much at least.
    pub fn down_to(self, least: i64) -> Option<Self> {
        Self { least: 0, ..self }.plus(least, 0).filter(|to| to.least <= to.most)
    }

    /// Whether the other one is within this one.
    pub fn covers(self, other: Self) -> bool {
        self.from == other.from && self.least <= other.least && other.most <= self.most
    }
}

impl Value {
    /// The number that its identity names, of a value that has one, which is known by the value.
    pub(super) fn number_named(&self) -> Option<Scalar> {
        if self.names_offset() {
            return Some(self.number);
        }
        let (_, more) = self.name()?;
        Some(alu(AluOp::Sub, Width::W64, self.number, Scalar::signed_constant(more)))
    }
}

/// Whether its identity names a number.
fn is_named(value: &Value) -> bool {
    value.names_offset() || value.is_scalar() && value.id != 0
}

/// The greatest number of 31 bits.
const END: u64 = i32::MAX.unsigned_abs() as u64;
/// As far as sums are noted, in both directions.
const MOST: u32 = MAX_OFFSET.unsigned_abs();

impl Trial {
    /// Where the notes are, and how many.
    fn notes(self, arena: &Arena<'_>) -> (At, u32) {
        let word = arena.word(self.derived_field());
        (low(word), high(word))
    }

    /// Forgets the notes.
    pub fn clear_derived(self, arena: &mut Arena<'_>) {
        let (block, _) = self.notes(arena);
        arena.set(self.derived_field(), pair(block, 0));
    }

    /// Frees the room for notes.
    pub fn free_derived(self, arena: &mut Arena<'_>) {
        let (block, _) = self.notes(arena);
        if block != NONE {
            arena.free(block, WORDS);
            arena.set(self.derived_field(), pair(NONE, 0));
        }
    }

    /// What an identity came from; none, where that is not known.
    pub(super) fn derived(self, arena: &Arena<'_>, id: u32) -> Option<Derived> {
        if id <= self.first_id(arena) {
            return None;
        }
        if id <= self.head_id(arena) {
            return Some(Derived { from: id, least: 0, most: 0 });
        }
        let (block, count) = self.notes(arena);
        let at = (0..count)
            .map(|index| block.saturating_add(index.saturating_mul(ENTRY_WORDS)))
            .find(|at| low(arena.word(*at)) == id)?;
        let (names, ends) = (arena.word(at), arena.word(at.saturating_add(1)));
        let (least, most) = (low(ends).cast_signed(), high(ends).cast_signed());
        Some(Derived { from: high(names), least, most })
    }

    /// Notes what an identity came from, if there is room for that.
    pub(super) fn note_derived(self, arena: &mut Arena<'_>, id: u32, what: Derived) {
        let (mut block, count) = self.notes(arena);
        if count >= MAX_DERIVED {
            return;
        }
        if block == NONE {
            let Ok(fresh) = arena.alloc(WORDS) else { return };
            block = fresh;
        }
        let at = block.saturating_add(count.saturating_mul(ENTRY_WORDS));
        arena.set(at, pair(id, what.from));
        arena
            .set(at.saturating_add(1), pair(what.least.cast_unsigned(), what.most.cast_unsigned()));
        arena.set(self.derived_field(), pair(block, count.saturating_add(1)));
    }

    /// How a value came to be, given that at the head, where something unknown was added.
    pub fn derived_change(
        self,
        arena: &Arena<'_>,
        (before, after): (&Value, &Value),
    ) -> Option<Change> {
        if before.kind != after.kind || before.id == after.id || !is_named(before) {
            return None;
        }
        let found = self.derived(arena, after.id).filter(|found| found.from == before.id)?;
        let all = found.then(after, &before.number_named()?)?.less(before.off)?;
        Some(Change::Sum(all.least, all.most))
    }

    /// Whether, as far as there is a note of what a value came from, that in its place
    /// came from the same, by no less and no more, and is the same of it.
    fn stands_for(self, arena: &Arena<'_>, old: &Value, new: Option<Value>) -> bool {
        if !is_named(old) || old.id <= self.head_id(arena) {
            return true;
        }
        let Some(before) = self.derived(arena, old.id) else { return true };
        let Some(new) = new.filter(|new| new.kind == old.kind) else { return false };
        let whole = new.range == 0 && old.same_bits() > 0;
        if old.is_scalar() && new.range != old.range && !whole {
            return false;
        }
        let by = i64::from(new.off).saturating_sub(old.off.into());
        let now = self.derived(arena, new.id).and_then(|now| now.plus(by, by));
        now.is_some_and(|now| before.covers(now))
    }
}

impl Explorer<'_> {
    /// An unknown number was added to an address in a packet or taken from it, whose unknown
    /// part had the first identity and has the second one now.
    pub(super) fn note_derived(&mut self, op: AluOp, number: &Scalar, (from, id): (u32, u32)) {
        let trial = self.walker.active;
        if trial.0 == NONE {
            return;
        }
        let ends = match op {
            AluOp::Add => Some((number.smin(), number.smax())),
            _ => number.smax().checked_neg().zip(number.smin().checked_neg()),
        };
        self.work(MAX_DERIVED.into());
        let before = trial.derived(&self.arena, from);
        let sum = before.zip(ends).and_then(|(before, (least, most))| before.plus(least, most));
        if let Some(sum) = sum {
            trial.note_derived(&mut self.arena, id, sum);
        }
    }

    /// Whether a snapshot of which the state was found to be a part stands for it also in
    /// what values came from, in all loops that are being summarised: also in
    /// those that the path has left, as an open node that a loop is closed at may lie there.
    pub(super) fn stands_for_derived(&mut self, old: Snapshot) -> bool {
        let mut trial = self.trials;
        while trial.0 != NONE {
            if trial.notes(&self.arena).1 > 0 {
                self.charge(old.weight(&self.arena) as usize);
                let (mask, mut entries) = (old.reg_mask(&self.arena), old.read(&self.arena));
                let listed = |register: &Register| mask.wrapping_shr(register.number().into()) & 1;
                for register in Register::all().filter(|register| listed(register) == 1) {
                    let before = entries.value(&self.arena);
                    let now = self.at_place(&self.state, place_of(register));
                    if !trial.stands_for(&self.arena, &before, now) {
                        return false;
                    }
                }
                for _ in 0..old.cells(&self.arena) {
                    let cell = entries.cell(&self.arena);
                    let now = self.state.cells.at_addr(&self.arena, cell.addr);
                    let now = now.filter(|(_, now)| now.len == cell.len);
                    let now = now.map(|(_, now)| now.value);
                    if !trial.stands_for(&self.arena, &cell.value, now) {
                        return false;
                    }
                }
            }
            trial = trial.below(&self.arena);
        }
        true
    }
}
