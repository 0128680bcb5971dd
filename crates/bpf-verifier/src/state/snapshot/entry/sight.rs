//! Entries that cover a value at sight.
//!
//! Most of what states are compared for is the same in both, or was forgotten in the older
//! one. That shows in the half words, without taking them apart.

use super::{
    ANY_NUMBER, Found, ID, INDEX, NEAR_SHIFT, OFF, PARTS, Parts, RANGE, Reader, class_of_head,
    each_of_number, each_of_number_of, is_number, parts_of_head, read_parts, read_span,
    small_constant, take,
};
use crate::arena::{Arena, HalfWords, high, low, pair};
use crate::domain::Scalar;
use crate::state::cells::{Packed, class_of, origins_of, span_of};
use crate::state::class::Class;
use crate::state::identity::Several;
use crate::state::reg::{INDEX_SHIFT, KIND_BITS, Kind};
use crate::state::snapshot::Snapshot;
use crate::state::{NO_RANGE, SLICE_BITS, State, Value};

/// Whether a head's value may name something that there is in the state, or that its copies
/// share: slices do so in their index.
const fn names(head: u32) -> bool {
    let kind = Kind::from_bits(head & KIND_BITS);
    head & (ID | RANGE) != 0 || matches!(kind, Kind::Slice | Kind::SliceOrNull)
}

/// What shows of an entry at sight; see [`Reader::passes_value`].
pub enum Sight<T> {
    /// It covers the value, and what it says of it rests on this.
    Covers(T),
    /// It does not.
    Differs,
    /// It has to be taken apart.
    Unclear,
    /// It is the same but for what it is named: a number that has this identity.
    Named(u32),
}

/// The number of an entry of which it shows at once that it is a known one.
fn known_at(words: HalfWords<'_>, at: u32) -> Option<u64> {
    let held = words.at(at);
    if !is_number(held) {
        return None;
    }
    match class_of_head(held) {
        Class::Zero => Some(0),
        Class::SmallConstant if held & PARTS == 0 => {
            small_constant(words.at(at.wrapping_add(1))).as_constant()
        }
        _ => None,
    }
}

/// Whether it shows of the number of an entry, whose head is at `at`, that it does not cover
/// `number` and so much more: it has bounds below 2^31, and they do not hold those.
#[inline]
fn excludes(words: HalfWords<'_>, at: u32, number: &Scalar, by: i32) -> bool {
    let held = words.at(at);
    if !matches!(class_of_head(held), Class::SmallRange | Class::SmallBits) {
        return false;
    }
    let at = at.wrapping_add(1).wrapping_add(parts_of_head(held));
    let (least, most) = (words.at(at), words.at(at.wrapping_add(1)));
    let end = |end: i64| end.checked_add(by.into());
    let ends = end(number.smin()).zip(end(number.smax()));
    ends.is_some_and(|(low, high)| low < least.into() || i64::from(most) < high)
}

/// Whether the head at `at`, and what follows it before the number, is that of a value. Goes
/// on behind them, if so.
#[inline]
fn is_head_at(words: HalfWords<'_>, at: &mut u32, (head, place): (u64, u64)) -> bool {
    let held = read_parts(words, at);
    (held.head ^ low(head)) & (INDEX - 1) == 0
        && held.index == low(head).wrapping_shr(INDEX_SHIFT)
        && held.id == high(head)
        && pair(held.off, held.range) == place
}

/// The identity of the number whose head is at `at`, where that is the same as this head and what
/// follows it but for the identity, and either is the number that it names, plus an offset. Goes
/// on behind them, if so.
#[inline]
fn name_at(words: HalfWords<'_>, at: &mut u32, (head, place): (u64, u64)) -> Option<u32> {
    let held = words.at(*at);
    let plain = held & (ID | INDEX | RANGE) == ID && held.wrapping_shr(NEAR_SHIFT) == 0;
    if !plain || !is_number(held) || low(head).wrapping_shr(INDEX_SHIFT) != 0 || high(head) == 0 {
        return None;
    }
    let parts = read_parts(words, at);
    let same = (parts.head ^ low(head)) & (INDEX - 1) == 0 && pair(parts.off, 0) == place;
    same.then_some(parts.id)
}

/// What shows at a glance of the entry at `at`, a register: less than in
/// [`Reader::passes_value`], and that soon. Goes on behind it where it covers the value.
#[inline(always)]
pub fn glance(words: HalfWords<'_>, at: &mut u32, value: &Value, same: bool) -> Sight<u64> {
    let held = words.at(*at);
    if held == ANY_NUMBER && value.is_scalar() && !same {
        *at = at.wrapping_add(1);
        return Sight::Covers(0);
    }
    if held & KIND_BITS != value.kind as u32 {
        return Sight::Differs;
    }
    let class = class_of_head(held);
    if is_number(held) {
        if let Some(known) = known_at(words, *at) {
            if value.number.as_constant() != Some(known) {
                return Sight::Differs;
            }
            let plain = held & PARTS == 0 && held.wrapping_shr(NEAR_SHIFT) == 0;
            if plain && (value.id, value.index) == (0, 0) && (value.off, value.range) == (0, 0) {
                *at = at.wrapping_add(1).wrapping_add(class.halves());
                return Sight::Covers(value.deps);
            }
        } else if excludes(words, *at, &value.number, 0) {
            return Sight::Differs;
        }
    } else if held & (KIND_BITS | ID | INDEX) == Kind::Stack as u32 {
        // Its offset is all known, and that of the other one is the same, or not.
        let off = if held & OFF == 0 { 0 } else { words.at(at.wrapping_add(1)) };
        if off.cast_signed() != value.off {
            return Sight::Differs;
        }
    }
    Sight::Unclear
}

impl Reader {
    /// The span of the next entry, a cell, and where what is behind that begins, if it lies here.
    #[inline]
    pub fn next_span(&self, words: HalfWords<'_>) -> Option<((u32, u32), u32)> {
        if self.shared != 0 {
            return None;
        }
        let mut at = self.at;
        Some((read_span(words, &mut at), at))
    }

    /// Goes on behind the next entry, a register, if that lies here and covers `value` at
    /// sight, whatever else there is: it is the same and names nothing, or may be any
    /// number, unless it is to be the same. What the entry says of the value rests on that
    /// much. What is of another kind, or a known number and not this one, covers nothing.
    #[inline]
    pub fn passes_value(&mut self, words: HalfWords<'_>, value: &Value, same: bool) -> Sight<u64> {
        if self.shared != 0 {
            return Sight::Unclear;
        }
        let mut at = self.at;
        let held = words.at(at);
        if held == ANY_NUMBER && value.is_scalar() && !same {
            self.at = at.wrapping_add(1);
            return Sight::Covers(0);
        }
        if held & KIND_BITS != value.kind as u32 {
            return Sight::Differs;
        }
        if let Some(known) = known_at(words, at)
            && value.number.as_constant() != Some(known)
        {
            return Sight::Differs;
        }
        if !same && value.is_in_packet() {
            return self.passes_packet(words, value);
        }
        if value.is_scalar() && excludes(words, at, &value.number, 0) {
            return Sight::Differs;
        }
        if names(held) {
            return Sight::Unclear;
        }
        // Whether it is that class shows more easily than which one it is.
        let class = match class_of_head(held) {
            Class::Unknown if value.number.is_unknown() => Class::Unknown,
            _ => Class::of(&value.number),
        };
        let (head, place) = value.pack_head(class);
        let all = is_head_at(words, &mut at, (head, place)) && {
            let mut all = true;
            each_of_number_of(value, class, |half| all &= take(words, &mut at) == half);
            all
        };
        if !all {
            return Sight::Unclear;
        }
        self.at = at;
        Sight::Covers(if value.is_scalar() && class != Class::Unknown { value.deps } else { 0 })
    }

    /// The same for an address in the packet, of which the older state has one, too. Where
    /// it has a name, moving it is left to others, but not how far the packet reaches; where
    /// it has none, that and where it lies are all.
    fn passes_packet(&mut self, words: HalfWords<'_>, value: &Value) -> Sight<u64> {
        let mut at = self.at;
        let Parts { head, index, id, off, range } = read_parts(words, &mut at);
        let (off, range) = (off.cast_signed(), range.cast_signed());
        if index != value.index && index != 0 {
            return Sight::Differs;
        }
        if id != 0 {
            let by = value.off.saturating_sub(off);
            let rest = value.range.saturating_sub(by);
            let reaches = range == NO_RANGE || (value.range != NO_RANGE && range <= rest);
            if !reaches || excludes(words, self.at, &value.number, by) {
                return Sight::Differs;
            }
            return Sight::Unclear;
        }
        if off != value.off || range > value.range {
            return Sight::Differs;
        }
        if class_of_head(head) != Class::Zero || value.number.as_constant() != Some(0) {
            return Sight::Unclear;
        }
        self.at = at;
        Sight::Covers(if range == NO_RANGE && index == 0 { 0 } else { value.deps })
    }

    /// Whether the next entry, a register, lies here and is a number that is the same as `value`
    /// but for what it is named. Goes on behind it, if so: which identity it has.
    #[inline]
    pub fn passes_name(&mut self, words: HalfWords<'_>, value: &Value) -> Option<u32> {
        if self.shared != 0 {
            return None;
        }
        let (class, mut at) = (Class::of(&value.number), self.at);
        let id = name_at(words, &mut at, value.pack_head(class))?;
        let mut all = true;
        each_of_number_of(value, class, |half| all &= take(words, &mut at) == half);
        all.then(|| {
            self.at = at;
            id
        })
    }

    /// The same for a cell, of which the entry lies here, with this [span](Self::next_span): what
    /// its number and its bytes rest on.
    #[inline]
    pub fn passes_cell(
        &mut self,
        words: HalfWords<'_>,
        (span, behind): ((u32, u32), u32),
        cell: &Packed,
        same: bool,
    ) -> Sight<(u64, u64)> {
        let mut at = behind;
        if span != span_of(cell) {
            return Sight::Unclear;
        }
        let ([_, _, head, place, ..], (deps, live)) = (*cell, origins_of(cell));
        let kind = Kind::from_bits(low(head) & KIND_BITS);
        let (held, is_number) = (words.at(at), kind == Kind::Scalar);
        if held == ANY_NUMBER && is_number && !same {
            self.at = at.wrapping_add(1);
            return Sight::Covers((0, live));
        }
        // What is wider is compared byte by byte.
        let wide = span_of(cell).1 > 8;
        if !wide && held & KIND_BITS != low(head) & KIND_BITS {
            return Sight::Differs;
        }
        if names(held) {
            let found = if wide { None } else { self.passes_cell_name(words, behind, cell) };
            return found.map_or(Sight::Unclear, Sight::Named);
        }
        let class = class_of(cell);
        let all = is_head_at(words, &mut at, (head, place)) && {
            let ([_, _, _, _, number @ .., _], mut all) = (*cell, true);
            each_of_number(class, number, &mut |half| all &= take(words, &mut at) == half);
            all
        };
        if !all {
            return Sight::Unclear;
        }
        self.at = at;
        let any = matches!(
            (class, span_of(cell).1),
            (Class::Unknown, _) | (Class::Bits8, 1) | (Class::Bits16, 2) | (Class::Bits32, 4)
        );
        // An address that says nothing of its packet has a range, and did not come this far.
        let rests = is_number && !any || matches!(kind, Kind::Packet | Kind::PacketMeta);
        Sight::Covers((if rests { deps } else { 0 }, live))
    }
}

impl Reader {
    /// Whether the entry that lies here, with what is behind its span there, is a number that is
    /// the same as a cell's but for what it is named. Goes on behind it, if so: which identity
    /// it has.
    #[inline]
    fn passes_cell_name(
        &mut self,
        words: HalfWords<'_>,
        mut at: u32,
        cell: &Packed,
    ) -> Option<u32> {
        let [_, _, head, place, number @ .., _] = *cell;
        let id = name_at(words, &mut at, (head, place))?;
        let mut all = true;
        each_of_number(class_of(cell), number, &mut |half| all &= take(words, &mut at) == half);
        all.then(|| {
            self.at = at;
            id
        })
    }
}

impl Snapshot {
    /// Which identities several of its entries may have. The first of the two that the distance
    /// between numbers names is not among them: what takes their places is looked up there
    /// (`differences_cover`), and not asked of these.
    pub(in crate::state) fn several_names(self, arena: &Arena<'_>) -> Several {
        let (words, mut entries) = (arena.half_words(), self.read(arena));
        let (regs, mut several) = (self.regs(arena), Several::NONE);
        for index in 0..self.entries(arena) {
            let Found { mut head, held, .. } = entries.find(words, index >= regs);
            if !is_number(held) {
                let Parts { index, id, range, .. } = read_parts(words, &mut head);
                several.add(id);
                several.add(range);
                several.add(index.wrapping_shr(SLICE_BITS));
            } else if held & ID != 0 {
                let behind = if held & INDEX == 0 { 1 } else { 2 };
                several.add(words.at(head.wrapping_add(behind)));
            }
        }
        several
    }

    /// Whether it shows at sight that `state` is made one with no state of which this is what
    /// mattered: something in it is of another kind, or, `in_loop`, another known number.
    /// What does not show is found when it is tried.
    pub fn is_apart(self, state: &State, arena: &Arena<'_>, in_loop: bool) -> bool {
        if self.frame(arena) != state.frame || self.refs(arena) != state.refs {
            return true;
        }
        let mut entries = self.read(arena);
        let mask = self.reg_mask(arena);
        for (number, value) in (0_u32..).zip(state.regs()) {
            if mask.wrapping_shr(number) & 1 == 1
                && entries.is_apart(arena, false, in_loop, |_| value.is_init().then_some(*value))
            {
                return true;
            }
        }
        let mut at = 0;
        (0..self.cells(arena)).any(|_| {
            entries.is_apart(arena, true, in_loop, |(addr, len)| {
                at = state.cells.find_from(arena, addr, at);
                let found = state.cells.get(arena, at);
                found
                    .filter(|cell| len <= 8 && (cell.addr, cell.len) == (addr, len))
                    .map(|cell| cell.value)
            })
        })
    }
}

impl Reader {
    /// Goes on behind the next entry, a cell or a register. Whether it is apart from the value
    /// that a state has in its place, if that has one.
    fn is_apart(
        &mut self,
        arena: &Arena<'_>,
        cell: bool,
        in_loop: bool,
        value: impl FnOnce((u32, u32)) -> Option<Value>,
    ) -> bool {
        let words = arena.half_words();
        let (mut at, _) = self.place(words, cell);
        let span = if cell { read_span(words, &mut at) } else { (0, 0) };
        let held = words.at(at);
        let unknown = class_of_head(held) == Class::Unknown && held & ID == 0;
        if is_number(held) && unknown {
            return false;
        }
        let Some(value) = value(span) else { return false };
        if held & KIND_BITS != value.kind as u32 {
            return true;
        }
        let known = || known_at(words, at).zip(value.as_constant());
        in_loop && known().is_some_and(|(old, new)| (old, 0) != (new, value.off))
    }
}
