//! Whether everything that can happen from one state was seen from another.

use super::cells::{REFS, SAVED};
use super::reg::{Kind, Value};
use super::snapshot::Snapshot;
use super::{NO_RANGE, RAISED, RAISED_SIGNED, State};
use crate::arena::Arena;
use crate::domain::{Scalar, alu};
use bpf_bytecode::Register;
use bpf_bytecode::opcode::{AluOp, Width};

/// How closely states are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closeness {
    /// The older state covers the newer one in all that it says. With `instances`,
    /// what counts the rounds of a loop is the same in both, and not only of the
    /// same form.
    Matters { instances: bool },
    /// The older state covers the newer one in everything.
    Whole,
    /// Both are the same: the program has gone round in a circle.
    Same,
}

/// The bit that stands for the entry at `index`; the last one stands for all
/// that have none of their own.
pub(crate) const fn entry_bit(index: u32) -> u64 {
    1_u64.wrapping_shl(if index < 63 { index } else { 63 })
}

/// What of the newer state the older one's proof rests on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RestsOn {
    /// Numbers, by what they depend on.
    pub deps: u64,
    /// Stack bytes, by what they depend on.
    pub live: u64,
    /// Whether bytes are among them that the newer state has not written.
    pub unwritten: bool,
}

const MAX_IDS: usize = 32;

/// What took the place of what an identity named: another identity, or 0 for a
/// constant, and how much more than what that names; none for a number of which
/// no more is known.
type Place = Option<(u32, i64)>;

/// Identities of the older state with what took their place in the newer one.
struct Ids {
    pairs: [Pair; MAX_IDS],
    len: usize,
    /// See [`Closeness::Matters`].
    instances: bool,
    /// Identities up to this one stand for themselves alone.
    shared: u32,
}

#[derive(Clone, Copy)]
struct Pair {
    old: u32,
    new: Place,
    /// Values that have it, and what those rest on that are known by it alone.
    uses: u32,
    deps: u64,
}

impl Ids {
    /// Whether `new` may stand for `old`: always the same one for the same one.
    fn matches(&mut self, old: u32, new: u32) -> bool {
        if old <= self.shared && old != 0 {
            return old == new;
        }
        old == 0 || self.stands(old, (new != 0).then_some((new, 0)))
    }

    /// Whether the number `new` may stand for `old`.
    fn number_matches(&mut self, old: &Value, new: &Value) -> bool {
        if old.id <= self.shared && old.id != 0 {
            return (old.id, old.off, old.range) == (new.id, new.off, new.range);
        }
        if matches!(old.range, RAISED | RAISED_SIGNED) {
            // Lowered again, it has its identity back.
            let more = i64::from(new.off).wrapping_sub(old.off.into());
            return new.range == old.range && self.stands(old.id, Some((new.id, more)));
        }
        if old.id == 0 || old.range != 0 {
            return true;
        }
        let base = new.base().map(|(id, more)| (id, more.wrapping_sub(old.off.into())));
        self.stands(old.id, base)
    }

    fn stands(&mut self, old: u32, new: Place) -> bool {
        let known = self.pairs.get_mut(..self.len).unwrap_or_default();
        if let Some(pair) = known.iter_mut().find(|pair| pair.old == old) {
            pair.uses = pair.uses.saturating_add(1);
            return pair.new == new && new.is_some();
        }
        match self.pairs.get_mut(self.len) {
            Some(slot) => {
                *slot = Pair { old, new, uses: 1, deps: 0 };
                self.len = self.len.saturating_add(1);
                true
            }
            None => false,
        }
    }
}

impl Ids {
    /// A number that may be anything is known by its identity alone, which says
    /// something where others have it, too.
    fn owe(&mut self, old: u32, deps: u64) {
        let known = self.pairs.get_mut(..self.len).unwrap_or_default();
        if let Some(pair) = known.iter_mut().find(|pair| pair.old == old) {
            pair.deps |= deps;
        }
    }

    fn owed(&self) -> u64 {
        let known = self.pairs.get(..self.len).unwrap_or_default();
        known.iter().filter(|pair| pair.uses > 1).fold(0, |deps, pair| deps | pair.deps)
    }
}

/// Whether the snapshot `old` covers `new`; if so, what its proof rests on.
/// Identities up to `shared` must be the same in both.
pub(crate) fn covers(
    old: Snapshot,
    new: &State,
    arena: &Arena<'_>,
    close: Closeness,
    shared: u32,
) -> Option<RestsOn> {
    if old.frame(arena) != new.frame || old.refs(arena) != new.refs {
        return None;
    }
    let same = close == Closeness::Same;
    if same && old.cells(arena) != new.cells.len() {
        return None;
    }
    let instances = !matches!(close, Closeness::Matters { instances: false });
    let none = Pair { old: 0, new: None, uses: 0, deps: 0 };
    let mut ids = Ids { pairs: [none; MAX_IDS], len: 0, instances, shared };
    let loose =
        |value: &Value| close == Closeness::Whole && value.id > shared && value.number.is_unknown();
    let mut rests = RestsOn::default();
    let mut entries = old.read(arena);
    let mask = old.reg_mask(arena);
    let mut index = 0_u32;
    for register in Register::all().take(super::REGS) {
        let value = new.reg(register);
        if mask.wrapping_shr(register.number().into()) & 1 == 0 {
            if same && value.is_init() {
                return None;
            }
            continue;
        }
        let before = entries.value(arena);
        if !value_covers(&before, &value, same, &mut ids) {
            return None;
        }
        if before.is_scalar() && !(before.number.is_unknown() && before.id == 0) {
            if loose(&before) {
                ids.owe(before.id, value.deps);
            } else {
                rests.deps |= value.deps;
            }
        }
        index = index.saturating_add(1);
    }
    for _ in 0..old.cells(arena) {
        let cell = entries.cell(arena);
        index = index.saturating_add(1);
        let (value, live) = if cell.addr >= SAVED {
            // References are in the order of acquisition, the number behind
            // the others; they correspond by place.
            let found = if cell.addr >= REFS {
                let from_end =
                    old.cells(arena).saturating_sub(index.saturating_sub(old.regs(arena)));
                let at = new.cells.len().checked_sub(from_end.saturating_add(1))?;
                new.cells.get(arena, at)?
            } else {
                new.cells.at_addr(arena, cell.addr)?.1
            };
            (found.value, 0)
        } else if cell.len > 8 {
            // Zero or unknown bytes, more than one read can take.
            if !wide_covers(&cell, new, arena, &mut rests)? {
                return None;
            }
            continue;
        } else {
            let got = new.read_stack(arena, cell.addr, cell.len).ok()?;
            rests.unwritten |= got.unwritten;
            (got.value, got.live)
        };
        if !value_covers(&cell.value, &value, same, &mut ids) {
            return None;
        }
        rests.live |= live;
        let bits = cell.len.saturating_mul(8).clamp(1, 64);
        let number = &cell.value.number;
        let any = number.is_unknown() || *number == Scalar::of_bits(bits);
        let any = any && cell.value.id == 0;
        if cell.value.is_scalar() && !any {
            if loose(&cell.value) {
                ids.owe(cell.value.id, value.deps);
            } else {
                rests.deps |= value.deps;
            }
        }
    }
    rests.deps |= ids.owed();
    Some(rests)
}

/// Whether the bytes of a cell of more than eight bytes cover those of `new`.
fn wide_covers(
    cell: &super::cells::Cell,
    new: &State,
    arena: &Arena<'_>,
    rests: &mut RestsOn,
) -> Option<bool> {
    let run = new.check_init(arena, cell.addr, cell.len).ok()?;
    if run.pointer {
        return Some(false);
    }
    rests.live |= run.live;
    rests.unwritten |= run.unwritten;
    if cell.value.number.as_constant() != Some(0) {
        return Some(true);
    }
    let (mut pos, end) = (cell.addr, cell.end());
    while pos < end {
        let index = new.cells.find(arena, pos);
        let found = new.cells.get(arena, index)?;
        if found.addr > pos || found.value.as_constant() != Some(0) {
            return Some(false);
        }
        rests.deps |= found.value.deps;
        pos = found.end();
    }
    Some(true)
}

fn value_covers(old: &Value, new: &Value, same: bool, ids: &mut Ids) -> bool {
    if old.kind != new.kind {
        return false;
    }
    match old.kind {
        Kind::NotInit | Kind::NoPreemption | Kind::RcuSection => true,
        Kind::Scalar if same => old.number == new.number && ids.number_matches(old, new),
        Kind::Scalar => old.number.covers(&new.number) && ids.number_matches(old, new),
        Kind::Return | Kind::ReturnToHelper => old.id == new.id && old.index == new.index,
        // Whoever has had fewer rounds may have more that are still to come.
        Kind::Rounds | Kind::Iterator => {
            let most = if same {
                old.number == new.number
            } else {
                old.number.umax() >= new.number.umax()
            };
            let rounds = if same { old.range == new.range } else { old.range <= new.range };
            let which = if ids.instances { old.id == new.id } else { ids.matches(old.id, new.id) };
            rounds && most && which && (old.off, old.index) == (new.off, new.index)
        }
        // Where it was acquired does not matter.
        Kind::Reference => ids.matches(old.id, new.id),
        Kind::Lock => {
            (old.off, old.range) == (new.off, new.range)
                && (old.id == 0) == (new.id == 0)
                && ids.matches(old.id, new.id)
        }
        Kind::MapValue | Kind::MapValueOrNull if old.lookup() | new.lookup() != 0 => {
            // By another lookup it is not the same lock.
            let plain = |value: &Value| Value { range: 0, ..*value };
            ids.matches(old.lookup(), new.lookup())
                && value_covers(&plain(old), &plain(new), same, ids)
        }
        kind if kind.is_socket() => {
            place_covers(old, new, same)
                && ids.matches(old.id, new.id)
                && (old.holder() == 0) == (new.holder() == 0)
                && ids.matches(old.holder(), new.holder())
        }
        Kind::Dynptr => old.index == new.index && ids.matches(old.id, new.id),
        Kind::Slice | Kind::SliceOrNull => {
            let plain = |value: &Value| Value { index: value.slice_flags(), ..*value };
            ids.matches(old.dynptr(), new.dynptr())
                && place_covers(&plain(old), &plain(new), same)
                && old.range == new.range
                && ids.matches(old.id, new.id)
        }
        Kind::Reserved | Kind::ReservedOrNull | Kind::Memory | Kind::Given | Kind::GivenOrNull => {
            place_covers(old, new, same) && old.range == new.range && ids.matches(old.id, new.id)
        }
        _ if !same && old.names_offset() && old.id > ids.shared => moved_covers(old, new, ids),
        _ => {
            let enough = if same { old.range == new.range } else { old.range <= new.range };
            enough && place_covers(old, new, same) && ids.matches(old.id, new.id)
        }
    }
}

/// Whether a pointer of `old`, whose unknown part has an identity, covers `new`,
/// of which another part of the offset may be constant.
fn moved_covers(old: &Value, new: &Value, ids: &mut Ids) -> bool {
    let by = new.off.saturating_sub(old.off);
    let shift = Scalar::signed_constant(by.into());
    let number = alu(AluOp::Add, Width::W64, new.number, shift);
    let range = match old.range {
        _ if !old.kind.is_packet() => old.range <= new.range,
        NO_RANGE => true,
        range => new.range != NO_RANGE && range <= new.range.saturating_sub(by),
    };
    let place = match new.number.as_constant() {
        Some(0) => Some((0, i64::from(by))),
        None if new.id != 0 => Some((new.id, by.into())),
        _ => None,
    };
    old.index == new.index && old.number.covers(&number) && range && ids.stands(old.id, place)
}

/// Whether a pointer of `old` can point to wherever one of `new` does.
fn place_covers(old: &Value, new: &Value, same: bool) -> bool {
    let offset = if same { old.number == new.number } else { old.number.covers(&new.number) };
    offset && old.index == new.index && old.off == new.off
}
