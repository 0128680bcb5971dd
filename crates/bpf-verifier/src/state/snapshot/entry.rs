//! How a value is kept: in half words.
//!
//! The first one is the *head*: kind, how the number is kept, what follows, and the index,
//! if that is small. Index, identity, offset and range follow, as far as they are not
//! zero, and then the number, in as many half words as it needs. In front of a cell's
//! value is its span.

mod sight;

pub(in crate::state) use sight::{Sight, glance};

use crate::arena::{Arena, HalfWords, high, low, pair};
use crate::domain::{Scalar, Tnum};
use crate::state::Value;
use crate::state::cells::{Cell, Packed, SAVED, class_of, kept_bits, span_of};
use crate::state::class::{
    Class, half, half_signed, half_unsigned, known_bits, signed, small, unsigned,
};
use crate::state::reg::{
    FREE_BITS, INDEX_SHIFT, KIND_BITS, Kind, head, pack_number, unpack_number,
};

/// In a head, above kind and class: the parts that follow it.
const INDEX: u32 = 1 << INDEX_SHIFT;
const ID: u32 = 1 << 11;
const OFF: u32 = 1 << 12;
const RANGE: u32 = 1 << 13;
const PARTS: u32 = INDEX | ID | OFF | RANGE;
/// Above these: an index, if it fits.
const NEAR_SHIFT: u32 = 14;
const NEAR_END: u32 = 1 << (u32::BITS - NEAR_SHIFT);

/// Of a span in one half word, the address has the bits below this one, and the length
/// those above but two. Addresses that are no stack's, where the length is always 1, have
/// the uppermost bit.
const LEN_SHIFT: u32 = 20;
/// Address and length follow.
const LONG: u32 = 1 << 30;

/// Whether a span takes one half word.
const fn is_short(addr: u32, len: u32) -> bool {
    if addr >= SAVED { len == 1 } else { addr < 1 << LEN_SHIFT && len < 1 << (30 - LEN_SHIFT) }
}

const fn flag(part: u32, bit: u32) -> u32 {
    ((part != 0) as u32).wrapping_mul(bit)
}

/// The head of a value, by its words in a [`Packed`].
const fn short_head(head: u64, place: u64) -> u32 {
    let (first, index) = (low(head) & (INDEX - 1), low(head).wrapping_shr(INDEX_SHIFT));
    let index = if index < NEAR_END { index.wrapping_shl(NEAR_SHIFT) } else { INDEX };
    first | index | flag(high(head), ID) | flag(low(place), OFF) | flag(high(place), RANGE)
}

/// How many parts follow a head before the number.
const fn parts_of_head(head: u32) -> u32 {
    const COUNTS: u64 = {
        let (mut counts, mut parts) = (0, 0_u32);
        while parts < 16 {
            counts |= (parts.count_ones() as u64).wrapping_shl(parts.wrapping_mul(4));
            parts = parts.wrapping_add(1);
        }
        counts
    };
    low(COUNTS.wrapping_shr((head & PARTS).wrapping_shr(INDEX_SHIFT).wrapping_mul(4))) & 0xf
}

const fn halves_of_head(head: u32) -> u32 {
    class_of_head(head).halves().wrapping_add(parts_of_head(head)).wrapping_add(1)
}

#[inline]
fn each_of_head(head: u64, place: u64, half: &mut impl FnMut(u32)) {
    let short = short_head(head, place);
    half(short);
    if short & PARTS == 0 {
        return;
    }
    let parts = [low(head).wrapping_shr(INDEX_SHIFT), high(head), low(place), high(place)];
    for (part, bit) in parts.into_iter().zip([INDEX, ID, OFF, RANGE]) {
        if short & bit != 0 {
            half(part);
        }
    }
}

#[inline]
fn each_of_number(class: Class, number: [u64; 8], half: &mut impl FnMut(u32)) {
    let [value, mask, umin, umax, smin, smax, half_u, half_s] = number;
    let mut whole = |words: &[u64]| {
        for word in words {
            half(low(*word));
            half(high(*word));
        }
    };
    match class {
        Class::SmallConstant => half(low(value)),
        Class::Constant => whole(&[value]),
        Class::SmallRange | Class::SmallBits => {
            half(low(umin));
            half(low(umax));
            if class == Class::SmallBits {
                half(low(value));
                half(low(mask));
            }
        }
        Class::HalfSigned => whole(&[half_s]),
        Class::HalfUnsigned => whole(&[half_u]),
        Class::Half => whole(&[half_u, half_s, pair(low(value), low(mask))]),
        Class::KnownBits => whole(&[value, mask]),
        Class::Unsigned => whole(&[value, mask, umin, umax]),
        Class::Signed => whole(&[value, mask, smin, smax]),
        Class::General => whole(&number),
        _ => {}
    }
}

/// Hands on the half words of a register's entry, one after the other.
#[inline]
pub(super) fn each_of_value(value: &Value, class: Class, mut half: impl FnMut(u32)) {
    let (head, place) = value.pack_head(class);
    each_of_head(head, place, &mut half);
    each_of_number_of(value, class, half);
}

/// The same of those of its number.
#[inline]
fn each_of_number_of(value: &Value, class: Class, mut half: impl FnMut(u32)) {
    let (bits, full) = (value.number.bits(), value.number.full());
    match class {
        // The common ones are not taken apart for it.
        Class::Zero | Class::Unknown | Class::Bits8 | Class::Bits16 | Class::Bits32 => {}
        Class::SmallConstant => half(low(bits.value())),
        Class::SmallRange => {
            half(low(full.umin));
            half(low(full.umax));
        }
        _ => each_of_number(class, pack_number(&value.number), &mut half),
    }
}

/// How many half words a register's entry has.
pub(super) fn halves_of_value(value: &Value, class: Class) -> u32 {
    let (head, place) = value.pack_head(class);
    halves_of_parts(head, place)
}

/// Hands on the half words of a cell's entry, one after the other.
#[inline]
pub(super) fn each_of_cell(cell: &Packed, mut half: impl FnMut(u32)) {
    let [_, _, head, place, number @ .., _] = *cell;
    let (addr, len) = span_of(cell);
    if !is_short(addr, len) {
        half(LONG);
        half(addr);
        half(len);
    } else if addr >= SAVED {
        half(addr);
    } else {
        half(addr | len.wrapping_shl(LEN_SHIFT));
    }
    each_of_head(head, place, &mut half);
    each_of_number(class_of(cell), number, &mut half);
}

/// How many half words a cell's entry has.
#[inline]
pub(super) const fn halves_of_cell(cell: &Packed) -> u32 {
    let [_, _, head, place, ..] = *cell;
    let (addr, len) = span_of(cell);
    let span = if is_short(addr, len) { 1_u32 } else { 3 };
    span.wrapping_add(halves_of_parts(head, place))
}

/// The same of a value, by its words in a [`Packed`].
#[inline]
const fn halves_of_parts(head: u64, place: u64) -> u32 {
    let far = low(head).wrapping_shr(INDEX_SHIFT) >= NEAR_END;
    let parts = (far as u32)
        .wrapping_add((high(head) != 0) as u32)
        .wrapping_add((low(place) != 0) as u32)
        .wrapping_add((high(place) != 0) as u32);
    class_of_head(low(head)).halves().wrapping_add(parts).wrapping_add(1)
}

/// The span at `at`. Goes on behind it.
#[inline]
pub(super) fn read_span(words: HalfWords<'_>, at: &mut u32) -> (u32, u32) {
    let first = take(words, at);
    if first >= SAVED {
        return (first, 1);
    }
    if first & LONG != 0 {
        let addr = take(words, at);
        return (addr, take(words, at));
    }
    (first & ((1 << LEN_SHIFT) - 1), first.wrapping_shr(LEN_SHIFT))
}

/// The head of a number that may be any.
pub(super) const ANY_NUMBER: u32 =
    short_head(head(Kind::Scalar, 0, 0) | (Class::Unknown as u64).wrapping_shl(FREE_BITS), 0);

/// Whether a head is a number's.
pub(super) const fn is_number(head: u32) -> bool {
    head & KIND_BITS == Kind::Scalar as u32
}

/// How far behind the head of an address in a packet it is said how far that reaches, if it is.
pub(super) fn range_place(head: u32) -> Option<u32> {
    let kind = Kind::from_bits(head & KIND_BITS);
    let said = matches!(kind, Kind::Packet | Kind::PacketMeta) && head & RANGE != 0;
    said.then(|| parts_of_head(head))
}

/// A head without the index that it has, if that is small.
pub(super) const fn without_index(head: u32) -> u32 {
    head & ((1 << NEAR_SHIFT) - 1)
}

const fn class_of_head(head: u32) -> Class {
    Class::from_bits(head.wrapping_shr(FREE_BITS) & 0xf)
}

/// The next half word.
#[inline]
fn take(words: HalfWords<'_>, at: &mut u32) -> u32 {
    let half = words.at(*at);
    *at = at.wrapping_add(1);
    half
}

/// Where an entry that begins at `at` ends, of a cell or of a register.
#[inline]
fn entry_end(words: HalfWords<'_>, at: u32, cell: bool) -> u32 {
    let mut head = at;
    if cell {
        read_span(words, &mut head);
    }
    head.wrapping_add(halves_of_head(words.at(head)))
}

/// A head, and what follows it before the number.
struct Parts {
    head: u32,
    index: u32,
    id: u32,
    off: u32,
    range: u32,
}

/// What is at `at` before the number. Goes on behind it.
#[inline]
fn read_parts(words: HalfWords<'_>, at: &mut u32) -> Parts {
    let head = take(words, at);
    let mut parts = Parts { head, index: head.wrapping_shr(NEAR_SHIFT), id: 0, off: 0, range: 0 };
    if head & PARTS != 0 {
        let mut part = |bit: u32| if head & bit == 0 { 0 } else { take(words, at) };
        // Where it follows, there is none in the head.
        parts.index |= part(INDEX);
        (parts.id, parts.off, parts.range) = (part(ID), part(OFF), part(RANGE));
    }
    parts
}

/// The value at `at`. Goes on behind it.
#[inline]
fn read_value(words: HalfWords<'_>, at: &mut u32) -> Value {
    let Parts { head, index, id, off, range } = read_parts(words, at);
    let mut next = || take(words, at);
    let number = match class_of_head(head) {
        Class::SmallConstant => small_constant(next()),
        Class::Constant => Scalar::constant(whole(next)),
        Class::SmallRange => small_range([next(), next()]),
        Class::SmallBits => small_bits([next(), next(), next(), next()]),
        Class::General => unpack_number(core::array::from_fn(|_| whole(&mut next))),
        class => class.plain().unwrap_or_else(|| wide_number(class, next)),
    };
    let (off, range) = (off.cast_signed(), range.cast_signed());
    Value { kind: Kind::from_bits(head & KIND_BITS), index, id, off, range, number, deps: 0 }
}

/// A number of one of the classes of numbers that are not small.
fn wide_number(class: Class, mut next: impl FnMut() -> u32) -> Scalar {
    let mut word = || whole(&mut next);
    match class {
        Class::HalfSigned => half_signed(word()),
        Class::HalfUnsigned => half_unsigned(word()),
        Class::Half => {
            let (half_u, half_s, bits) = (word(), word(), word());
            half(half_u, half_s, Tnum::new(low(bits).into(), high(bits).into()))
        }
        Class::KnownBits => known_bits(Tnum::new(word(), word())),
        Class::Unsigned => unsigned(Tnum::new(word(), word()), word(), word()),
        Class::Signed => signed(Tnum::new(word(), word()), word(), word()),
        _ => Scalar::UNKNOWN,
    }
}

/// The words of a number of a class, of which half words in a snapshot are taken as
/// needed.
#[inline]
fn number_words(class: Class, mut next: impl FnMut() -> u32) -> [u64; 8] {
    const ZERO: [u64; 8] = pack_number(&Scalar::constant(0));
    const BITS8: [u64; 8] = pack_number(&Scalar::of_bits(8));
    const BITS16: [u64; 8] = pack_number(&Scalar::of_bits(16));
    const BITS32: [u64; 8] = pack_number(&Scalar::of_bits(32));
    const UNKNOWN: [u64; 8] = pack_number(&Scalar::UNKNOWN);
    match class {
        Class::Zero => ZERO,
        Class::SmallConstant => pack_number(&small_constant(next())),
        Class::Constant => pack_number(&Scalar::constant(whole(next))),
        Class::Bits8 => BITS8,
        Class::Bits16 => BITS16,
        Class::Bits32 => BITS32,
        Class::Unknown => UNKNOWN,
        Class::SmallRange => pack_number(&small_range([next(), next()])),
        Class::SmallBits => pack_number(&small_bits([next(), next(), next(), next()])),
        Class::General => core::array::from_fn(|_| whole(&mut next)),
        class => pack_number(&wide_number(class, next)),
    }
}

/// A word of two half words.
fn whole(mut next: impl FnMut() -> u32) -> u64 {
    let low = next();
    pair(low, next())
}

const fn small_constant(half: u32) -> Scalar {
    Scalar::signed_constant(half.cast_signed() as i64)
}

fn small_range([umin, umax]: [u32; 2]) -> Scalar {
    small(umin, umax, Tnum::between(umin.into(), umax.into()))
}

const fn small_bits([umin, umax, value, mask]: [u32; 4]) -> Scalar {
    small(umin, umax, Tnum::new(value as u64, mask as u64))
}

/// Goes through the entries of a snapshot that has all of them.
#[derive(Clone, Copy)]
pub(super) struct Walk {
    /// The half word where the next entry begins.
    pub at: u32,
    pub index: u32,
    /// The registers that are still to come, one bit each, and how many entries are.
    regs: u32,
    left: u32,
}

impl Walk {
    pub const fn new(at: u32, mask: u32, cells: u32) -> Self {
        let left = cells.saturating_add(mask.count_ones());
        Self { at, index: 0, regs: mask, left }
    }

    /// What the next entry is of: a register by its number, a cell behind these by its
    /// address; more than any, if there is none.
    pub fn key(&self, words: HalfWords<'_>) -> u64 {
        match (self.left, self.regs) {
            (0, _) => u64::MAX,
            (_, 0) => {
                let mut at = self.at;
                cell_key(read_span(words, &mut at).0)
            }
            (_, regs) => regs.trailing_zeros().into(),
        }
    }

    /// Goes on to where the next entry ends.
    pub fn pass(&mut self, end: u32) {
        self.at = end;
        self.regs &= self.regs.wrapping_sub(1);
        self.index = self.index.wrapping_add(1);
        self.left = self.left.saturating_sub(1);
    }

    pub fn skip(&mut self, words: HalfWords<'_>) {
        let end = entry_end(words, self.at, self.regs == 0);
        self.pass(end);
    }
}

/// The key of a cell; see [`Walk::key`].
pub(super) const fn cell_key(addr: u32) -> u64 {
    (addr as u64).saturating_add(16)
}

/// An entry that was come to.
pub(super) struct Found {
    /// Where it begins.
    pub at: u32,
    /// The address of a cell.
    pub addr: u32,
    /// Where its head is, and that.
    pub head: u32,
    pub held: u32,
    pub end: u32,
}

/// Reads entries one after the other.
pub(crate) struct Reader {
    /// The next one of its own.
    at: u32,
    /// Those of the other snapshot, and which of them are in this one; which of this
    /// one's lie there, the next one first.
    base: Walk,
    used: u128,
    shared: u128,
}

impl Reader {
    pub(in crate::state) const fn own(at: u32) -> Self {
        Self { at, base: Walk::new(at, 0, 0), used: 0, shared: 0 }
    }

    pub(super) const fn sharing(at: u32, base: Walk, used: u128, shared: u128) -> Self {
        Self { at, base, used, shared }
    }

    /// Where the next entry begins, if no entry of the other snapshot comes any more; or else 0.
    #[inline]
    pub(in crate::state) const fn own_place(&self) -> u32 {
        if self.shared == 0 { self.at } else { 0 }
    }

    /// Goes on to the next entry. Which one of the other snapshot it is, if it lies there.
    #[inline]
    pub(super) fn turn(&mut self) -> Option<u32> {
        if self.shared == 0 {
            return None;
        }
        let shared = self.shared & 1 == 1;
        self.shared = self.shared.wrapping_shr(1);
        if !shared {
            return None;
        }
        let entry = self.used.trailing_zeros();
        self.used &= self.used.wrapping_sub(1);
        Some(entry)
    }

    /// Where the entry that was turned to is, and whether that is in the other snapshot.
    #[inline]
    fn seek(&mut self, words: HalfWords<'_>, entry: Option<u32>) -> (u32, bool) {
        let Some(entry) = entry else { return (self.at, false) };
        while self.base.index < entry {
            self.base.skip(words);
        }
        (self.base.at, true)
    }

    #[inline]
    fn next(&mut self, words: HalfWords<'_>) -> (u32, bool) {
        let entry = self.turn();
        self.seek(words, entry)
    }

    /// The entry was read up to `end`.
    #[inline]
    fn pass(&mut self, end: u32, shared: bool) {
        if shared {
            self.base.pass(end);
        } else {
            self.at = end;
        }
    }

    /// The next entry, a cell or a register.
    #[inline(always)]
    pub(super) fn find(&mut self, words: HalfWords<'_>, cell: bool) -> Found {
        let (at, shared) = self.next(words);
        let (mut head, mut addr) = (at, 0);
        if cell {
            (addr, _) = read_span(words, &mut head);
        }
        let held = words.at(head);
        let end = head.wrapping_add(halves_of_head(held));
        self.pass(end, shared);
        Found { at, addr, head, held, end }
    }

    /// Where the next entry begins and ends, a cell or a register.
    #[inline]
    pub(super) fn place(&mut self, words: HalfWords<'_>, cell: bool) -> (u32, u32) {
        let (at, shared) = self.next(words);
        let end = entry_end(words, at, cell);
        self.pass(end, shared);
        (at, end)
    }

    /// The next entry, a register.
    #[inline]
    pub fn value(&mut self, arena: &Arena<'_>) -> Value {
        let entry = self.turn();
        self.value_at(arena, entry)
    }

    /// The entry that was turned to, a register.
    #[inline]
    pub(super) fn value_at(&mut self, arena: &Arena<'_>, entry: Option<u32>) -> Value {
        let words = arena.half_words();
        let (mut at, shared) = self.seek(words, entry);
        let value = read_value(words, &mut at);
        self.pass(at, shared);
        value
    }

    /// The next entry, a cell.
    #[inline]
    pub fn cell(&mut self, arena: &Arena<'_>) -> Cell {
        let words = arena.half_words();
        let (mut at, shared) = self.next(words);
        let (addr, len) = read_span(words, &mut at);
        let value = read_value(words, &mut at);
        self.pass(at, shared);
        Cell { addr, len, value, live: 0 }
    }

    /// The entry that was turned to, a cell, as it lies in a state, with what it rests on.
    #[inline]
    pub(super) fn packed(
        &mut self,
        arena: &Arena<'_>,
        entry: Option<u32>,
        (deps, live): (u64, u64),
    ) -> Packed {
        let words = arena.half_words();
        let (mut at, shared) = self.seek(words, entry);
        let (addr, len) = read_span(words, &mut at);
        let Parts { head, index, id, off, range } = read_parts(words, &mut at);
        let number = number_words(class_of_head(head), || take(words, &mut at));
        self.pass(at, shared);
        let head = pair(head & (INDEX - 1) | index.wrapping_shl(INDEX_SHIFT), id);
        let [value, mask, umin, umax, smin, smax, half_u, half_s] = number;
        let (span, place) = (pair(addr, len | kept_bits(entry)), pair(off, range));
        [span, live, head, place, value, mask, umin, umax, smin, smax, half_u, half_s, deps]
    }
}
