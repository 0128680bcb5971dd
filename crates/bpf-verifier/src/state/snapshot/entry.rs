//! How a value is kept: its span, for cells; its head; its place, where that says
//! something; and its number, in as many words as it needs.

use super::{has_place, is_sum};
use crate::arena::{Arena, At, high, low, pair};
use crate::domain::{Scalar, Tnum};
use crate::state::Value;
use crate::state::cells::{Cell, Packed, is_placed};
use crate::state::class::{Class, small};
use crate::state::reg::{
    FREE_BITS, INDEX_SHIFT, KIND_BITS, Kind, head, head_of_scalar, pack_number, split_head,
    unpack_number,
};

/// Hands on the words of a register's entry, one after the other.
#[inline]
pub(super) fn each_of_value(value: &Value, class: Class, mut word: impl FnMut(u64)) {
    let sum = is_sum(value);
    let index = if value.is_scalar() { sum.into() } else { value.index };
    let first = head(value.kind, index, value.id);
    word(first | (class as u64).wrapping_shl(FREE_BITS));
    if has_place(value.kind) || sum {
        word(pair(value.off.cast_unsigned(), value.range.cast_unsigned()));
    }
    match class {
        Class::Constant => word(value.number.bits().value()),
        Class::SmallRange | Class::SmallBits => {
            word(pair(low(value.number.umin()), low(value.number.umax())));
            if class == Class::SmallBits {
                let bits = value.number.bits();
                word(pair(low(bits.value()), low(bits.mask())));
            }
        }
        Class::General => {
            let [_, _, number @ .., _] = value.pack(class);
            number.into_iter().for_each(word);
        }
        _ => {}
    }
}

/// Hands on the words of a cell's entry, one after the other.
#[inline]
pub(super) fn each_of_cell(cell: &Packed, mut word: impl FnMut(u64)) {
    let [span, _, head, place, number @ .., _] = cell.0;
    let [value, mask, umin, umax, ..] = number;
    word(span);
    word(if cell.is_scalar() { head_of_scalar(head, place != 0) } else { head });
    if cell.has_place() {
        word(place);
    }
    match cell.class() {
        Class::Constant => word(value),
        Class::SmallRange => word(pair(low(umin), low(umax))),
        Class::SmallBits => {
            word(pair(low(umin), low(umax)));
            word(pair(low(value), low(mask)));
        }
        Class::General => number.into_iter().for_each(word),
        _ => {}
    }
}

/// The head of a number that may be any.
pub(super) const ANY_NUMBER: u64 =
    head(Kind::Scalar, 0, 0) | (Class::Unknown as u64).wrapping_shl(FREE_BITS);

/// Whether a head is a number's.
pub(super) const fn is_number(head: u64) -> bool {
    low(head) & KIND_BITS == Kind::Scalar as u32
}

const fn class_of_head(word: u64) -> Class {
    Class::from_bits(low(word).wrapping_shr(FREE_BITS) & 0xf)
}

/// Words of an entry that begins at `at`, of a cell or of a register.
#[inline]
fn entry_words(arena: &Arena<'_>, at: At, cell: bool) -> u32 {
    let span = u32::from(cell);
    let word = arena.word(at.saturating_add(span));
    let sum = is_number(word) && low(word).wrapping_shr(INDEX_SHIFT) != 0;
    let place = u32::from(is_placed(low(word)) || sum);
    class_of_head(word).words().saturating_add(place).saturating_add(1).saturating_add(span)
}

/// The value at `at`. Goes on behind it.
#[inline]
fn read_value(arena: &Arena<'_>, at: &mut At) -> Value {
    let mut take = || {
        let word = arena.word(*at);
        *at = at.saturating_add(1);
        word
    };
    let word = take();
    let class = class_of_head(word);
    let (kind, index, id) = split_head(word);
    let mut value = Value::pointer(kind, index, id);
    let sum = value.is_scalar() && index != 0;
    if sum {
        value.index = 0;
    }
    if is_placed(low(word)) || sum {
        let place = take();
        value.off = low(place).cast_signed();
        value.range = high(place).cast_signed();
    }
    value.number = match class {
        Class::Constant => Scalar::constant(take()),
        Class::SmallRange => small_range(take()),
        Class::SmallBits => {
            let range = take();
            small_bits(range, take())
        }
        Class::General => {
            let words = arena.slice(*at, 8).first_chunk().copied().unwrap_or_default();
            *at = at.saturating_add(8);
            unpack_number(words)
        }
        _ => class.plain().unwrap_or(Scalar::UNKNOWN),
    };
    value
}

/// The words of a number of a class, of which those in a snapshot are taken as needed.
#[inline]
fn number_words(class: Class, mut take: impl FnMut() -> u64) -> [u64; 8] {
    const ZERO: [u64; 8] = pack_number(&Scalar::constant(0));
    const BITS8: [u64; 8] = pack_number(&Scalar::of_bits(8));
    const BITS16: [u64; 8] = pack_number(&Scalar::of_bits(16));
    const BITS32: [u64; 8] = pack_number(&Scalar::of_bits(32));
    const UNKNOWN: [u64; 8] = pack_number(&Scalar::UNKNOWN);
    match class {
        Class::Zero => ZERO,
        Class::Constant => pack_number(&Scalar::constant(take())),
        Class::Bits8 => BITS8,
        Class::Bits16 => BITS16,
        Class::Bits32 => BITS32,
        Class::Unknown => UNKNOWN,
        Class::SmallRange => pack_number(&small_range(take())),
        Class::SmallBits => {
            let range = take();
            pack_number(&small_bits(range, take()))
        }
        Class::General => core::array::from_fn(|_| take()),
    }
}

fn small_range(range: u64) -> Scalar {
    let (umin, umax) = (low(range), high(range));
    small(umin, umax, Tnum::between(umin.into(), umax.into()))
}

const fn small_bits(range: u64, bits: u64) -> Scalar {
    small(low(range), high(range), Tnum::new(low(bits) as u64, high(bits) as u64))
}

/// Goes through the entries of a snapshot that has all of them.
#[derive(Clone, Copy)]
pub(super) struct Walk {
    pub at: At,
    pub index: u32,
    /// The registers that are still to come, one bit each, and how many entries are.
    regs: u32,
    left: u32,
}

impl Walk {
    pub const fn new(at: At, mask: u32, cells: u32) -> Self {
        let left = cells.saturating_add(mask.count_ones());
        Self { at, index: 0, regs: mask, left }
    }

    /// What the next entry is of: a register by its number, a cell behind these by its
    /// address; more than any, if there is none.
    pub fn key(&self, arena: &Arena<'_>) -> u64 {
        match (self.left, self.regs) {
            (0, _) => u64::MAX,
            (_, 0) => cell_key(low(arena.word(self.at))),
            (_, regs) => regs.trailing_zeros().into(),
        }
    }

    /// Words of the next entry.
    pub fn words(&self, arena: &Arena<'_>) -> u32 {
        entry_words(arena, self.at, self.regs == 0)
    }

    /// Goes on to where the next entry ends.
    pub fn pass(&mut self, end: At) {
        self.at = end;
        self.regs &= self.regs.wrapping_sub(1);
        self.index = self.index.saturating_add(1);
        self.left = self.left.saturating_sub(1);
    }

    pub fn skip(&mut self, arena: &Arena<'_>) {
        let end = self.at.saturating_add(self.words(arena));
        self.pass(end);
    }
}

/// The key of a cell; see [`Walk::key`].
pub(super) const fn cell_key(addr: u32) -> u64 {
    (addr as u64).saturating_add(16)
}

/// Reads entries one after the other.
pub(crate) struct Reader {
    /// The next one of its own.
    at: At,
    /// Those of the other snapshot, and which of them are in this one; which of this
    /// one's lie there, the next one first.
    base: Walk,
    used: u128,
    shared: u128,
}

impl Reader {
    pub(super) const fn own(at: At) -> Self {
        Self { at, base: Walk::new(at, 0, 0), used: 0, shared: 0 }
    }

    pub(super) const fn sharing(at: At, base: Walk, used: u128, shared: u128) -> Self {
        Self { at, base, used, shared }
    }

    /// Where the next entry is, and whether that is in the other snapshot.
    #[inline]
    fn next(&mut self, arena: &Arena<'_>) -> (At, bool) {
        if self.shared == 0 {
            return (self.at, false);
        }
        let shared = self.shared & 1 == 1;
        self.shared = self.shared.wrapping_shr(1);
        if !shared {
            return (self.at, false);
        }
        while self.used & 1 == 0 && self.used != 0 {
            self.used = self.used.wrapping_shr(1);
            self.base.skip(arena);
        }
        self.used = self.used.wrapping_shr(1);
        (self.base.at, true)
    }

    /// The entry was read up to `end`.
    #[inline]
    fn pass(&mut self, end: At, shared: bool) {
        if shared {
            self.base.pass(end);
        } else {
            self.at = end;
        }
    }

    /// Where the next entry is, a cell or a register, and its words.
    pub(super) fn place(&mut self, arena: &Arena<'_>, cell: bool) -> (At, u32) {
        let (at, shared) = self.next(arena);
        let words = entry_words(arena, at, cell);
        self.pass(at.saturating_add(words), shared);
        (at, words)
    }

    /// The next entry, a register.
    #[inline]
    pub fn value(&mut self, arena: &Arena<'_>) -> Value {
        let (mut at, shared) = self.next(arena);
        let value = read_value(arena, &mut at);
        self.pass(at, shared);
        value
    }

    /// The next entry, a cell.
    #[inline]
    pub fn cell(&mut self, arena: &Arena<'_>) -> Cell {
        let (mut at, shared) = self.next(arena);
        let span = arena.word(at);
        at = at.saturating_add(1);
        let value = read_value(arena, &mut at);
        self.pass(at, shared);
        Cell { addr: low(span), len: high(span), value, live: 0 }
    }

    /// The next entry, a cell, as it lies in a state, with what it rests on.
    #[inline]
    pub(super) fn packed(&mut self, arena: &Arena<'_>, deps: u64, live: u64) -> Packed {
        let (mut at, shared) = self.next(arena);
        let mut take = || {
            let word = arena.word(at);
            at = at.saturating_add(1);
            word
        };
        let (span, mut head) = (take(), take());
        let sum = is_number(head) && low(head).wrapping_shr(INDEX_SHIFT) != 0;
        let place = if is_placed(low(head)) || sum { take() } else { 0 };
        let number = number_words(class_of_head(head), take);
        if sum {
            head = head_of_scalar(head, false);
        }
        self.pass(at, shared);
        let [value, mask, umin, umax, smin, smax, half_u, half_s] = number;
        Packed([span, live, head, place, value, mask, umin, umax, smin, smax, half_u, half_s, deps])
    }
}
