//! Whether everything that can happen from one state was seen from another.

use super::cells::{
    Cell, DIFFERENCES, REFS, SAVED, class_of, first_behind, id_of, known_of, origins_of, span_of,
    value_of,
};
use super::class::Class;
use super::difference::{MOST, differences_cover};
use super::identity::{Field, Ids, Renamed};
use super::reach::reaches;
use super::reg::{Kind, Value};
use super::snapshot::{Reader, Sight, Snapshot, glance};
use super::stack::StackRead;
use super::{NO_RANGE, State};
use crate::arena::Arena;
use crate::domain::{Scalar, alu};
use bpf_bytecode::opcode::{AluOp, Width};

/// How closely states are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closeness {
    /// The older state covers the newer one in all that it says. With `instances`,
    /// what counts the rounds of a loop is the same in both, and not only of the
    /// same form.
    Matters { instances: bool },
    /// The older state covers the newer one in everything. With `own`, the older one is the
    /// last that the newer one comes from, and what it says of an entry that came from that
    /// entry alone rests on nothing: whoever covers it without the entry never looks at it.
    Whole { own: bool },
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
    /// What counts rounds in the newer state, where that is not the same as in the older one.
    pub renamed: Renamed,
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
    covers_so_far(old, new, arena, close, shared, &mut Looked::default())
}

/// How far a state was looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Looked {
    /// Entries that were.
    pub entries: u32,
    /// Where the last of them begins, in half words, if that is a cell and lies in the state's own
    /// snapshot; or else 0.
    pub at: u32,
}

/// The same, and how far the older one was looked at for that.
#[inline]
pub(crate) fn covers_so_far(
    old: Snapshot,
    new: &State,
    arena: &Arena<'_>,
    close: Closeness,
    shared: u32,
    looked: &mut Looked,
) -> Option<RestsOn> {
    let same = close == Closeness::Same;
    if !has_form(old, new, arena, same) {
        return None;
    }
    let own = close == Closeness::Whole { own: true };
    let (mut regs, mut deps, mut at) = (old.reg_mask(arena), 0, None);
    if let Some(from) = old.glances(arena) {
        let (words, mut from) = (arena.half_words(), from);
        while regs != 0 {
            let value = new.regs().get(regs.trailing_zeros() as usize)?;
            match glance(words, &mut from, value, same) {
                Sight::Covers(on) => deps |= beyond(on, (own, looked.entries)),
                Sight::Differs => return None,
                Sight::Unclear | Sight::Named(_) => break,
            }
            looked.entries = looked.entries.saturating_add(1);
            regs &= regs.wrapping_sub(1);
        }
        at = Some(from);
    }
    covers_behind(old, new, arena, (close, shared), (Seen { regs, deps, at }, looked))
}

/// What was seen of a snapshot before it is asked which identity stands for which.
struct Seen {
    /// The registers behind.
    regs: u32,
    /// What those before rest on.
    deps: u64,
    /// Where entries go on, in half words, if some were passed.
    at: Option<u32>,
}

/// What an entry of the newer state came from, but for the entry itself, if that is its `own`.
const fn beyond(set: u64, (own, index): (bool, u32)) -> u64 {
    if own && set == entry_bit(index) { 0 } else { set }
}

/// [`covers_so_far`] of the entries behind those that were seen to cover the state.
#[inline(never)]
fn covers_behind(
    old: Snapshot,
    new: &State,
    arena: &Arena<'_>,
    (close, shared): (Closeness, u32),
    (seen, looked): (Seen, &mut Looked),
) -> Option<RestsOn> {
    if let Some(entries) = old.is_apart_as_before(new, arena) {
        looked.entries = entries;
        return None;
    }
    let Seen { deps, regs, at } = seen;
    let mut rest = Rest {
        old,
        new,
        arena,
        same: close == Closeness::Same,
        whole: matches!(close, Closeness::Whole { .. }),
        own: close == Closeness::Whole { own: true },
        entries: at.map_or_else(|| old.read(arena), Reader::own),
        ids: Ids::new(close != (Closeness::Matters { instances: false }), shared),
        rests: RestsOn { deps, ..RestsOn::default() },
    };
    rest.regs(regs, &mut looked.entries)?;
    rest.cells(looked)?;
    let Rest { mut rests, ids, .. } = rest;
    rests.deps |= ids.owed();
    rests.renamed = ids.renamed;
    Some(rests)
}

/// Entries that are compared one by one.
struct Rest<'a> {
    old: Snapshot,
    new: &'a State,
    arena: &'a Arena<'a>,
    /// See [`Closeness`].
    same: bool,
    whole: bool,
    own: bool,
    /// Those that are left.
    entries: Reader,
    ids: Ids,
    rests: RestsOn,
}

impl Rest<'_> {
    /// Whether registers, one bit each, are covered.
    #[inline]
    fn regs(&mut self, mut regs: u32, index: &mut u32) -> Option<()> {
        let (arena, words) = (self.arena, self.arena.half_words());
        while regs != 0 {
            let (number, entry) = (regs.trailing_zeros(), *index);
            regs &= regs.wrapping_sub(1);
            let value = self.new.regs().get(number as usize)?;
            match self.entries.passes_value(words, value, self.same) {
                Sight::Covers(deps) => self.rest_on(deps, entry),
                Sight::Differs => return None,
                Sight::Unclear | Sight::Named(_) => {
                    if let Some(id) = self.entries.passes_name(words, value) {
                        let known = value.number.as_constant().map(|known| (known, value.off));
                        let unknown = value.number.is_unknown();
                        self.name((id, value.id), known, (unknown, value.deps), entry)?;
                    } else {
                        let before = self.entries.value(arena);
                        let any = before.number.is_unknown() && before.id == 0;
                        self.value(&before, value, any, entry)?;
                    }
                }
            }
            *index = index.saturating_add(1);
        }
        Some(())
    }

    /// Whether the cells are.
    #[inline]
    fn cells(&mut self, looked: &mut Looked) -> Option<()> {
        let (old, new, arena, words) = (self.old, self.new, self.arena, self.arena.half_words());
        let (mut at, held) = (0, new.cells.all(arena));
        let (mut said, mut left) = ([None; MOST], old.cells(arena));
        while left != 0 {
            let entry = looked.entries;
            looked.entries = entry.saturating_add(1);
            left = left.wrapping_sub(1);
            looked.at = self.entries.own_place();
            if self.ids.are_many() {
                self.ids.several = Some(old.several_names(arena));
            }
            let shown = self.entries.next_span(words).filter(|((addr, _), _)| *addr < DIFFERENCES);
            if let Some((span @ (addr, _), behind)) = shown {
                at = first_behind(held, addr, at);
                if let Some(cell) = held.get(at as usize) {
                    match self.entries.passes_cell(words, (span, behind), cell, self.same) {
                        Sight::Covers((deps, _)) => self.rest_on(deps, entry),
                        Sight::Differs => return None,
                        Sight::Named(id) => {
                            let (deps, _) = origins_of(cell);
                            let unknown = class_of(cell) == Class::Unknown;
                            self.name((id, id_of(cell)), known_of(cell), (unknown, deps), entry)?;
                        }
                        Sight::Unclear => {
                            at = self.cell(at, left, (entry, &mut said))?;
                            continue;
                        }
                    }
                    if addr < SAVED {
                        self.rest_on_bytes(origins_of(cell).1, entry);
                    }
                    continue;
                }
            }
            at = self.cell(at, left, (entry, &mut said))?;
        }
        self.rests.deps |= differences_cover(old, &said, (new, self.ids.shared), arena, self.same)?;
        Some(())
    }

    /// Whether the next entry is, a cell behind which so many are left: where what the state has
    /// there is, not before the cell at an index.
    fn cell(
        &mut self,
        at: u32,
        left: u32,
        (entry, said): (u32, &mut [Option<Value>; MOST]),
    ) -> Option<u32> {
        let (new, arena) = (self.new, self.arena);
        let cell = self.entries.cell(arena);
        if cell.value.kind == Kind::Difference {
            *said.iter_mut().find(|said| said.is_none())? = Some(cell.value);
            return Some(at);
        }
        let at = first_behind(new.cells.all(arena), cell.addr, at);
        if cell.addr >= SAVED {
            let value = kept(&cell, (at, left), new, arena)?;
            self.value(&cell.value, &value, is_any(&cell), entry)?;
        } else if cell.len > 8 {
            // Zero or unknown bytes, more than one read can take.
            let wide = wide_covers(&cell, new, arena)?;
            self.rest_on(wide.deps, entry);
            self.rest_on_bytes(wide.live, entry);
            self.rests.unwritten |= wide.unwritten;
        } else {
            let got = read(&cell, new, arena, at)?;
            self.value(&cell.value, &got.value, is_any(&cell), entry)?;
            self.rest_on_bytes(got.live, entry);
            self.rests.unwritten |= got.unwritten;
        }
        Some(at)
    }

    /// Whether a value is, which the older one says nothing of if that is `any` number.
    #[inline]
    fn value(&mut self, old: &Value, new: &Value, any: bool, entry: u32) -> Option<()> {
        let reach = entry_covers(old, new, (self.new, self.arena), self.same, &mut self.ids)?;
        self.rest_on(reach, entry);
        if old.says_reach() || old.is_scalar() && !any {
            let loose = old.is_scalar() && old.index == 0 && old.number.is_unknown();
            self.rest_on_number((old.id, loose), new.deps, entry);
        }
        Some(())
    }

    /// Whether a number is that is the same but for what it is named; see [`Ids::names_match`].
    #[inline]
    fn name(
        &mut self,
        (old, new): (u32, u32),
        known: Option<(u64, i32)>,
        (unknown, deps): (bool, u64),
        entry: u32,
    ) -> Option<()> {
        self.ids.names_match(old, new, known).then(|| {
            self.rest_on_number((old, unknown), deps, entry);
        })
    }

    /// What an entry says of a value rests on this: where it says nothing but its identity, only
    /// if others have that.
    #[inline]
    fn rest_on_number(&mut self, (id, loose): (u32, bool), deps: u64, entry: u32) {
        if self.whole && loose && id > self.ids.shared {
            self.ids.owe(id, deps);
        } else {
            self.rest_on(deps, entry);
        }
    }

    #[inline]
    fn rest_on(&mut self, deps: u64, entry: u32) {
        self.rests.deps |= beyond(deps, (self.own, entry));
    }

    #[inline]
    fn rest_on_bytes(&mut self, live: u64, entry: u32) {
        self.rests.live |= beyond(live, (self.own, entry));
    }
}

/// Whether it shows of a cell of the stack alone, whatever identities stand for, that it does not
/// cover what `new` has in its place.
pub(super) fn is_told_apart(cell: &Cell, new: &State, arena: &Arena<'_>) -> bool {
    if cell.addr >= SAVED {
        return false;
    }
    if cell.len > 8 {
        return wide_covers(cell, new, arena).is_none();
    }
    let found = read(cell, new, arena, new.cells.find(arena, cell.addr));
    let Some(StackRead { value, .. }) = found else { return true };
    let (old, number) = (&cell.value, &value.number);
    old.kind != value.kind || old.is_scalar() && !old.number.covers(number)
}

/// Whether the snapshot has the frame and as many references as `new`; to be the `same`, as
/// many registers and cells, too.
fn has_form(old: Snapshot, new: &State, arena: &Arena<'_>, same: bool) -> bool {
    old.frame(arena) == new.frame
        && old.refs(arena) == new.refs
        && (!same || old.cells(arena) == new.cells.len() && old.regs(arena) == new.count_regs())
}

/// What `new` has of what callers keep, or is held, in the place of a cell, before which so many
/// are left. The cell at an index is the first that ends behind its address.
fn kept(
    cell: &Cell,
    (at, before_end): (u32, u32),
    new: &State,
    arena: &Arena<'_>,
) -> Option<Value> {
    // References are in the order of acquisition, the number behind the others; they correspond
    // by place.
    let found = if cell.addr >= REFS {
        let at = new.cells.len().checked_sub(before_end.saturating_add(1))?;
        new.cells.get(arena, at)?
    } else {
        new.cells.get(arena, at).filter(|found| found.addr == cell.addr)?
    };
    Some(found.value)
}

/// What bytes of a cell that one read takes are in `new`, of which the cell at an index is the
/// first that ends behind their address.
fn read(cell: &Cell, new: &State, arena: &Arena<'_>, at: u32) -> Option<StackRead> {
    let found = new.cells.words(arena, at);
    match found.filter(|found| span_of(found) == (cell.addr, cell.len)) {
        Some(found) => {
            let (value, (_, live)) = (value_of(found), origins_of(found));
            Some(StackRead { value, live, unwritten: false })
        }
        None => new.read_stack_at(arena, at, cell.addr, cell.len).ok(),
    }
}

/// Whether a cell may hold any number of its length, and names nothing.
fn is_any(cell: &Cell) -> bool {
    let bits = cell.len.saturating_mul(8).clamp(1, 64);
    let number = &cell.value.number;
    cell.value.id == 0 && (number.is_unknown() || *number == Scalar::of_bits(bits))
}

/// What it rests on that the bytes of a cell of more than eight bytes cover those of `new`,
/// if they do.
fn wide_covers(cell: &Cell, new: &State, arena: &Arena<'_>) -> Option<RestsOn> {
    let run = new.check_init(arena, cell.addr, cell.len).ok()?;
    if run.pointer {
        return None;
    }
    let (live, unwritten) = (run.live, run.unwritten);
    let mut rests = RestsOn { live, unwritten, ..RestsOn::default() };
    if cell.value.number.as_constant() != Some(0) {
        return Some(rests);
    }
    let (mut pos, end) = (cell.addr, cell.end());
    while pos < end {
        let index = new.cells.find(arena, pos);
        let found = new.cells.get(arena, index)?;
        if found.addr > pos || found.value.as_constant() != Some(0) {
            return None;
        }
        rests.deps |= found.value.deps;
        pos = found.end();
    }
    Some(rests)
}

/// What it rests on that the packet reaches as far behind a value of a state as behind an older
/// one, which covers it; none, if that does not.
fn entry_covers(
    old: &Value,
    new: &Value,
    (state, arena): (&State, &Arena<'_>),
    same: bool,
    ids: &mut Ids,
) -> Option<u64> {
    if !value_covers(old, new, same, ids) {
        return None;
    }
    let says = old.is_scalar() && old.index != 0;
    if says { reaches(old, new, state, arena) } else { Some(0) }
}

fn value_covers(old: &Value, new: &Value, same: bool, ids: &mut Ids) -> bool {
    if old.kind != new.kind {
        return false;
    }
    if old.is_scalar() {
        let within = if same {
            (old.number, old.index) == (new.number, new.index)
        } else {
            old.number.covers(&new.number)
        };
        return within && ids.number_matches(old, new);
    }
    let names = old.kind.names();
    if !ids.things_match(names, old, new) {
        return false;
    }
    if !same && old.names_offset() && old.id > ids.shared {
        return moved_covers(old, new, ids);
    }
    if names.id == Field::Number && !ids.offset_matches(old.id, new.id) {
        return false;
    }
    // Of an address of which nothing was found, it does not matter what was of the other.
    let less = Value { index: old.index, ..*new };
    let new = if !same && old.is_in_packet() && old.index == 0 { &less } else { new };
    let ((old_plain, had), (new_plain, has)) = (names.plain(old), names.plain(new));
    if old_plain != new_plain {
        return false;
    }
    match old.kind {
        _ if same => old.number == new.number && had == has,
        // Whoever has had fewer rounds may have more that are still to come.
        Kind::Rounds => old.number.umax() >= new.number.umax() && had <= has,
        _ => old.number.covers(&new.number) && had <= has,
    }
}

/// Whether a pointer of `old`, whose unknown part has an identity, covers `new`,
/// of which another part of the offset may be constant.
fn moved_covers(old: &Value, new: &Value, ids: &mut Ids) -> bool {
    let by = new.off.saturating_sub(old.off);
    // How an address lies to the packet's end is said of all of it, whatever is constant.
    if old.index != new.index && !(old.is_in_packet() && old.index == 0) {
        return false;
    }
    let range = match old.range {
        // Of a map's value, it names a thing.
        _ if !old.kind.is_packet() => true,
        NO_RANGE => true,
        range => new.range != NO_RANGE && range <= new.range.saturating_sub(by),
    };
    let place = match new.number.as_constant() {
        Some(0) => Some((0, i64::from(by))),
        None if new.id != 0 => Some((new.id, by.into())),
        _ => None,
    };
    // What costs most is looked at last.
    range
        && may_cover(&old.number, &new.number, by)
        && ids.place_matches(old.id, place)
        && old.number.covers(&plus(new.number, by))
}

/// Whether `old` has both ends of what is so much more than `new`, as far as that shows.
fn may_cover(old: &Scalar, new: &Scalar, by: i32) -> bool {
    let end = |end: u64| end.checked_add_signed(by.into());
    let ends = end(new.umin()).zip(end(new.umax()));
    let signed_end = |end: i64| end.checked_add(by.into());
    let signed_ends = signed_end(new.smin()).zip(signed_end(new.smax()));
    ends.is_none_or(|(low, high)| old.umin() <= low && high <= old.umax())
        && signed_ends.is_none_or(|(low, high)| old.smin() <= low && high <= old.smax())
}

/// A number that is so much more.
pub(crate) fn plus(number: Scalar, by: i32) -> Scalar {
    match by {
        0 => number,
        _ => alu(AluOp::Add, Width::W64, number, Scalar::signed_constant(by.into())),
    }
}

#[cfg(test)]
#[allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests may panic"
)]
mod random;
#[cfg(test)]
mod tests {
    use super::super::cells::{Cell, SAVED};
    use super::super::reg::{Kind, Value};
    use super::super::{ReturnTo, State};
    use super::read;
    use crate::arena::{Arena, Words};
    use crate::domain::Scalar;
    use crate::rules::Privilege;

    /// Whatever its span is in the older state: the same as where it is in the newer one, part of
    /// that, or more.
    #[test]
    fn a_cell_that_has_the_span_is_what_is_read_there() {
        let (mut seed, mut whole, mut parts) = (1_u64, 0, 0);
        let mut below = |end: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed.wrapping_shr(33).checked_rem(end).unwrap_or(0)
        };
        let mut words = [0_u64; 2000];
        for round in 0..200 {
            let mut arena = Arena::new(Words::Given(&mut words), 0);
            let privileged = round & 1 == 0;
            let privilege =
                if privileged { Privilege::Privileged } else { Privilege::Unprivileged };
            let mut state = State::new(512, privilege);
            let to = ReturnTo { pc: 1, function: 1, to_helper: false };
            assert!(state.push_frame(&mut arena, to, 0x3c0).is_ok());
            for _ in 0..24 {
                let size = 1 << below(4);
                let addr = u32::try_from(below(64)).unwrap_or(0) / size * size;
                let value = match below(4) {
                    0 if size == 8 => Value::pointer(Kind::Packet, 1, 0),
                    1 => Value::scalar(Scalar::constant(0)),
                    2 => Value::scalar(Scalar::constant(below(1 << 30))),
                    _ => Value { id: 7, ..Value::UNKNOWN },
                };
                assert!(state.write_stack(&mut arena, addr, size, value).is_ok());
            }
            for index in 0..state.cells.len() {
                let bit = 1_u64.wrapping_shl(index);
                state.cells.set_origins(&mut arena, index, (bit, bit.rotate_left(32)));
            }
            for addr in 0..72 {
                let at = state.cells.find(&arena, addr);
                for len in 1..=8 {
                    let cell = Cell { addr, len, value: Value::UNKNOWN, live: 0 };
                    let bytes = state.read_stack_at(&arena, at, addr, len).ok();
                    let bytes = bytes.map(|got| (got.value, got.live, got.unwritten));
                    let got = read(&cell, &state, &arena, at);
                    assert_eq!(got.map(|got| (got.value, got.live, got.unwritten)), bytes);
                    match state.cells.get(&arena, at) {
                        Some(held) if (held.addr, held.len) == (addr, len) => whole += 1,
                        Some(held) if held.addr == addr && held.addr < SAVED => parts += 1,
                        _ => {}
                    }
                }
            }
        }
        assert!(whole > 500 && parts > 500, "{whole} {parts}");
    }
}
