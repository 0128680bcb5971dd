//! States at rest: as few words as they need.
//!
//! A snapshot begins with its size and its number of cells, the registers it
//! holds, frame and references. What follows are, as [`origins`](super::origins),
//! the dependencies of every entry (the registers that are set, then the cells) and,
//! behind each cell's, the bytes that it rests on; and then the entries themselves.
//! What is stripped has the entries alone, and only those that matter.

use bpf_bytecode::Register;

use super::cells::{Cell, Packed, SAVED};
use super::class::{Class, small};
use super::cover::entry_bit;
use super::origins::{In, Out, code_words, own_words};
use super::reg::{FREE_BITS, Kind, head, head_of_scalar, split_head, unpack_number};
use super::{State, Value};
use crate::arena::{Arena, At, NoRoom, high, low, pair};
use crate::domain::{Scalar, Tnum};

const HEAD_WORDS: u32 = 2;
/// Beside the registers that are set: what entries depend on is not kept.
const STRIPPED: u32 = 1 << 15;

/// Whether the value is a number that is told apart from what its identity
/// names. Its entry has a bit in the place of an index.
const fn is_sum(value: &Value) -> bool {
    value.is_scalar() && (value.off != 0 || value.range != 0)
}

const fn value_words(value: &Value, class: Class) -> u32 {
    let place = (has_place(value.kind) || is_sum(value)) as u32;
    class.words().saturating_add(place).saturating_add(1)
}

/// Whether offset and range of a value of this kind say something.
pub(super) const fn has_place(kind: Kind) -> bool {
    kind.is_pointer() || matches!(kind, Kind::Rounds | Kind::Iterator | Kind::Lock)
}

/// A snapshot in working memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot(pub At);

impl Snapshot {
    /// Words that a snapshot of `state` takes.
    pub fn measure(state: &State, arena: &Arena<'_>) -> u32 {
        let (mut words, mut sets) = (HEAD_WORDS, state.cells.len().saturating_mul(2));
        for value in state.regs().iter().filter(|value| value.is_init()) {
            sets = sets.saturating_add(1);
            words = words.saturating_add(own_words(value.deps));
            words = words.saturating_add(value_words(value, Class::of(&value.number)));
        }
        for index in 0..state.cells.len() {
            if let Some(cell) = state.cells.packed(arena, index) {
                words = words.saturating_add(own_words(cell.deps()));
                words = words.saturating_add(own_words(cell.live())).saturating_add(cell.words());
            }
        }
        words.saturating_add(code_words(sets))
    }

    /// Writes a snapshot of `state` into a block of `words` words at `at`.
    pub fn write(state: &State, arena: &mut Arena<'_>, at: At, words: u32) -> Self {
        let (mut mask, mut regs) = (0_u32, 0_u32);
        for (number, value) in (0_u32..).zip(state.regs()) {
            if value.is_init() {
                mask |= 1_u32.wrapping_shl(number);
                regs = regs.saturating_add(1);
            }
        }
        let cells = state.cells.len();
        arena.set(at, pair(words, cells));
        arena.set(at.saturating_add(1), pair(mask | state.frame.wrapping_shl(16), state.refs));
        let mut origins = Out::new(at.saturating_add(HEAD_WORDS), at.saturating_add(words));
        let entries = Self(at).read(arena).at;
        let mut out = Writer { arena, at: entries };
        for value in state.regs().iter().filter(|value| value.is_init()) {
            origins.add(out.arena, value.deps);
            out.value(value);
        }
        for index in 0..cells {
            let Some(cell) = state.cells.packed(out.arena, index) else { break };
            origins.add(out.arena, cell.deps());
            origins.add(out.arena, cell.live());
            out.cell(&cell);
        }
        origins.finish(out.arena);
        Self(at)
    }

    pub fn words(self, arena: &Arena<'_>) -> u32 {
        low(arena.word(self.0))
    }

    pub fn cells(self, arena: &Arena<'_>) -> u32 {
        high(arena.word(self.0))
    }

    fn second(self, arena: &Arena<'_>) -> u64 {
        arena.word(self.0.saturating_add(1))
    }

    /// One bit for each register that is set.
    pub fn reg_mask(self, arena: &Arena<'_>) -> u32 {
        low(self.second(arena)) & 0x3ff
    }

    fn is_stripped(self, arena: &Arena<'_>) -> bool {
        low(self.second(arena)) & STRIPPED != 0
    }

    pub fn frame(self, arena: &Arena<'_>) -> u32 {
        low(self.second(arena)).wrapping_shr(16)
    }

    pub fn refs(self, arena: &Arena<'_>) -> u32 {
        high(self.second(arena))
    }

    /// Entries that are registers.
    pub fn regs(self, arena: &Arena<'_>) -> u32 {
        self.reg_mask(arena).count_ones()
    }

    /// What the entries rest on; nothing, where that was stripped.
    fn origins(self, arena: &Arena<'_>) -> Option<In> {
        let end = self.0.saturating_add(self.words(arena));
        let from = self.0.saturating_add(HEAD_WORDS);
        (!self.is_stripped(arena)).then(|| In::new(from, end))
    }

    /// Dependencies of the entry at `index`.
    pub fn deps(self, arena: &Arena<'_>, index: u32) -> u64 {
        let index = index.saturating_add(index.saturating_sub(self.regs(arena)));
        self.origins(arena).map_or(0, |origins| origins.at(arena, index))
    }

    /// What the bytes of the entry at `index` rest on; nothing, for registers.
    pub fn live(self, arena: &Arena<'_>, index: u32) -> u64 {
        let Some(cell) = index.checked_sub(self.regs(arena)) else { return 0 };
        let index = index.saturating_add(cell).saturating_add(1);
        self.origins(arena).map_or(0, |origins| origins.at(arena, index))
    }

    /// What all entries without a bit of their own rest on, the bytes or the numbers.
    pub fn last_origins(self, arena: &Arena<'_>, bytes: bool) -> u64 {
        let (Some(mut origins), regs) = (self.origins(arena), self.regs(arena)) else { return 0 };
        let mut all = 0;
        for index in 0..regs.saturating_add(self.cells(arena)) {
            let deps = origins.next(arena);
            let live = if index < regs { 0 } else { origins.next(arena) };
            if index >= 63 {
                all |= if bytes { live } else { deps };
            }
        }
        all
    }

    /// The entries, registers first.
    pub fn read(self, arena: &Arena<'_>) -> Reader {
        let sets = self.regs(arena).saturating_add(self.cells(arena).saturating_mul(2));
        let skip = if self.is_stripped(arena) { 0 } else { code_words(sets) };
        Reader { at: self.0.saturating_add(HEAD_WORDS).saturating_add(skip) }
    }

    /// Keeps at `to`, which lies before it, what serves comparisons alone: of the
    /// bytes those with a bit in `read`, of the numbers those with one in `exact`.
    /// Other numbers may be any.
    pub fn strip(self, arena: &mut Arena<'_>, to: At, read: u64, exact: u64) {
        let (second, cells, regs) = (self.second(arena), self.cells(arena), self.regs(arena));
        let mut entries = self.read(arena);
        let mut out = Writer { arena, at: to.saturating_add(HEAD_WORDS) };
        let matters = |value: Value, bit: u64| match value.kind {
            Kind::Scalar if exact & bit == 0 => Value::UNKNOWN,
            _ => value,
        };
        for index in 0..regs {
            let value = entries.value(out.arena);
            out.value(&matters(value, entry_bit(index)));
        }
        let mut kept = 0_u32;
        for index in regs..regs.saturating_add(cells) {
            let (cell, bit) = (entries.cell(out.arena), entry_bit(index));
            if cell.addr < SAVED && read & bit == 0 {
                continue;
            }
            kept = kept.saturating_add(1);
            out.word(pair(cell.addr, cell.len));
            out.value(&matters(cell.value, bit));
        }
        let words = out.at.saturating_sub(to);
        arena.set(to, pair(words, kept));
        arena.set(to.saturating_add(1), second | u64::from(STRIPPED));
    }

    /// Makes `state` what the snapshot was taken of.
    pub fn load(self, arena: &mut Arena<'_>, state: &mut State) -> Result<(), NoRoom> {
        let mask = self.reg_mask(arena);
        (state.frame, state.refs) = (self.frame(arena), self.refs(arena));
        let (mut entries, mut origins) = (self.read(arena), self.origins(arena));
        let mut origin = |arena: &Arena<'_>| origins.as_mut().map_or(0, |set| set.next(arena));
        for register in Register::all() {
            let mut value = Value::NOT_INIT;
            if mask.wrapping_shr(register.number().into()) & 1 == 1 {
                value = entries.value(arena);
                value.deps = origin(arena);
            }
            state.set_reg(register, value);
        }
        let cells = self.cells(arena);
        state.cells.refill(arena, cells)?;
        for index in 0..cells {
            let (mut cell, class) = entries.cell_of_class(arena);
            cell.value.deps = origin(arena);
            cell.live = origin(arena);
            state.cells.set_of_class(arena, index, &cell, class);
        }
        Ok(())
    }
}

struct Writer<'a, 'w> {
    arena: &'a mut Arena<'w>,
    at: At,
}

impl Writer<'_, '_> {
    fn word(&mut self, word: u64) {
        self.arena.set(self.at, word);
        self.at = self.at.saturating_add(1);
    }

    /// A cell as running states have it.
    fn cell(&mut self, cell: &Packed) {
        let [span, _, head, place, number @ .., _] = cell.0;
        let [value, mask, umin, umax, ..] = number;
        self.word(span);
        let class = cell.class();
        if cell.is_scalar() {
            self.word(head_of_scalar(head, place != 0));
        } else {
            self.word(head);
        }
        if cell.has_place() {
            self.word(place);
        }
        match class {
            Class::Constant => self.word(value),
            Class::SmallRange | Class::SmallBits => {
                self.word(pair(low(umin), low(umax)));
                if class == Class::SmallBits {
                    self.word(pair(low(value), low(mask)));
                }
            }
            Class::General => {
                for word in number {
                    self.word(word);
                }
            }
            _ => {}
        }
    }

    fn value(&mut self, value: &Value) {
        let class = Class::of(&value.number);
        let sum = is_sum(value);
        let index = if value.is_scalar() { sum.into() } else { value.index };
        let word = head(value.kind, index, value.id);
        self.word(word | (class as u64).wrapping_shl(FREE_BITS));
        if has_place(value.kind) || sum {
            self.word(pair(value.off.cast_unsigned(), value.range.cast_unsigned()));
        }
        match class {
            Class::Constant => self.word(value.number.bits().value()),
            Class::SmallRange | Class::SmallBits => {
                self.word(pair(low(value.number.umin()), low(value.number.umax())));
                if class == Class::SmallBits {
                    let bits = value.number.bits();
                    self.word(pair(low(bits.value()), low(bits.mask())));
                }
            }
            Class::General => {
                let [_, _, number @ .., _] = value.pack(class);
                for word in number {
                    self.word(word);
                }
            }
            _ => {}
        }
    }
}

/// Reads entries one after the other.
pub(crate) struct Reader {
    at: At,
}

impl Reader {
    fn word(&mut self, arena: &Arena<'_>) -> u64 {
        let word = arena.word(self.at);
        self.at = self.at.saturating_add(1);
        word
    }

    /// The next entry, a register.
    pub fn value(&mut self, arena: &Arena<'_>) -> Value {
        self.value_of_class(arena).0
    }

    /// The next entry, and how its number is kept.
    fn value_of_class(&mut self, arena: &Arena<'_>) -> (Value, Class) {
        let word = self.word(arena);
        let class = Class::from_bits(low(word).wrapping_shr(FREE_BITS) & 0xf);
        let (kind, index, id) = split_head(word);
        let mut value = Value::pointer(kind, index, id);
        let sum = value.is_scalar() && index != 0;
        if sum {
            value.index = 0;
        }
        if has_place(kind) || sum {
            let place = self.word(arena);
            value.off = low(place).cast_signed();
            value.range = high(place).cast_signed();
        }
        value.number = match class {
            Class::Constant => Scalar::constant(self.word(arena)),
            Class::SmallRange => {
                let word = self.word(arena);
                let (umin, umax) = (low(word), high(word));
                small(umin, umax, Tnum::between(umin.into(), umax.into()))
            }
            Class::SmallBits => {
                let (range, bits) = (self.word(arena), self.word(arena));
                let bits = Tnum::new(low(bits).into(), high(bits).into());
                small(low(range), high(range), bits)
            }
            Class::General => {
                let words = arena.slice(self.at, 8).first_chunk().copied().unwrap_or_default();
                self.at = self.at.saturating_add(8);
                unpack_number(words)
            }
            _ => class.plain().unwrap_or(Scalar::UNKNOWN),
        };
        (value, class)
    }

    /// The next entry, a cell.
    pub fn cell(&mut self, arena: &Arena<'_>) -> Cell {
        self.cell_of_class(arena).0
    }

    fn cell_of_class(&mut self, arena: &Arena<'_>) -> (Cell, Class) {
        let span = self.word(arena);
        let (value, class) = self.value_of_class(arena);
        (Cell { addr: low(span), len: high(span), value, live: 0 }, class)
    }
}
