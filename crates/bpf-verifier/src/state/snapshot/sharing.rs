//! Snapshots that leave out what another one holds.
//!
//! From one node to the next, and from there to the branches behind it, most of a state
//! stays as it is. A snapshot may name another as its *base*, which lives longer and has
//! all of its entries, and leave out those that lie there word for word. Which these are
//! is said by a bit for each of its entries, and one for each of the base's; what entries
//! rest on is the snapshot's own.
//!
//! Beside each cell of a state it is noted which entry of the base it is, until something sets
//! it, and of each register, whether it is that of the base; so most need not be compared with
//! what lies there, nor be read again when a path is resumed. Where no cell was touched since the last node was made, a state that waits keeps
//! none: they are the node's, and rest on its entries ([`Plan::alike`]).

use super::apart::note_words;
use super::entry::{
    Reader, Walk, cell_key, each_of_cell, each_of_value, halves_of_cell, halves_of_value,
};
use super::{ALL_REGS, HEAD_WORDS, SHARING, Size, Snapshot};
use crate::arena::{Arena, At, HalfWords, NONE, high, low, pair};
use crate::state::State;
use crate::state::cells::{kept_as, span_of};
use crate::state::class::Class;
use crate::state::cover::entry_bit;

/// The words of a snapshot that is to be written, and what it leaves out.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub words: u32,
    /// What handling it counts as: as much as with all entries.
    pub weight: u32,
    /// The registers that are kept, if they are set.
    pub(super) regs: u16,
    pub(super) base: At,
    pub(super) shared: u128,
    pub(super) used: u128,
    /// The cells are left out, all of them: they are those of the last node.
    pub(super) alike: bool,
    /// Half words of the cells' entries, 0 if they were not counted.
    cell_halves: u32,
}

/// Words that a bit for each of so many entries takes. Further entries have none.
const fn bit_words(entries: u32) -> u32 {
    if entries > 64 { 2 } else { 1 }
}

#[allow(clippy::cast_possible_truncation, reason = "the half that is meant")]
const fn half(bits: u128, upper: bool) -> u64 {
    if upper { bits.wrapping_shr(64) as u64 } else { bits as u64 }
}

/// Words in which a snapshot of so many entries says which ones it leaves out, of those that
/// the other one has.
const fn words_of_sharing(entries: u32, others: u32) -> u32 {
    if are_few(entries, others) {
        return 2;
    }
    1_u32.saturating_add(bit_words(entries)).saturating_add(bit_words(others))
}

/// Whether the bits for so many entries of either have a half word each.
const fn are_few(entries: u32, others: u32) -> bool {
    entries <= u32::BITS && others <= u32::BITS
}

impl Plan {
    const NONE: Self = Self {
        words: 0,
        weight: 0,
        regs: ALL_REGS,
        base: NONE,
        shared: 0,
        used: 0,
        alike: false,
        cell_halves: 0,
    };

    /// A snapshot with all entries.
    pub fn whole(size: Size) -> Self {
        Self { words: size.words(), weight: size.weight(), ..Self::NONE }
    }

    /// A snapshot of `state` that leaves out what the last node holds, or what that has
    /// left out: of a node, only where it leaves out more than half; of a state that is
    /// `waiting`, with these registers alone.
    pub fn new(
        state: &mut State,
        arena: &Arena<'_>,
        last: Option<Snapshot>,
        waiting: Option<u16>,
    ) -> Self {
        let regs = waiting.unwrap_or(ALL_REGS);
        Self { regs, ..Self::of(state, arena, last, (waiting.is_none(), regs)) }
    }

    fn of(
        state: &mut State,
        arena: &Arena<'_>,
        last: Option<Snapshot>,
        (whole, regs): (bool, u16),
    ) -> Self {
        // Of registers alone there is little to leave out.
        let Some(last) = last.filter(|_| state.cells.len() > 0) else {
            return Self::whole(Snapshot::measure_with(state, arena, regs));
        };
        let base = last.base(arena).unwrap_or(last);
        let words = arena.half_words();
        let held = base.walk(arena);
        let mut matching = Matching { words, held, shared: Bits::NONE, used: Bits::NONE, saved: 0 };
        let (mut index, mut size) = (0_u32, Size::HEAD);
        let noted = state.kept == base.0;
        let lying = if noted { state.kept_regs } else { 0 };
        for (number, value) in state.regs_of(regs) {
            let lies = lying.wrapping_shr(number) & 1 == 1;
            if lies && matching.finds(number.into()) {
                size.add_value(value, matching.pass(index));
                index = index.saturating_add(1);
                continue;
            }
            let class = Class::of(&value.number);
            if noted {
                // Whatever was set since hardly ever lies there.
                size.add_value(value, halves_of_value(value, class));
                index = index.saturating_add(1);
                continue;
            }
            let found = matching.finds(number.into());
            let mut same = matching.compare(found);
            each_of_value(value, class, |half| same.compare(half));
            size.add_value(value, same.halves());
            matching.note(index, found, &same);
            index = index.saturating_add(1);
        }
        if !whole && last.has_cells_of(arena, state) {
            return matching.alike(state, arena, size, (index, base));
        }
        size.add_sets(state.cells.len().saturating_mul(2).saturating_add(index));
        let regs_halves = size.halves;
        for cell in state.cells.all(arena) {
            let halves = if noted {
                // Whatever was set since hardly ever lies there.
                let halves = halves_of_cell(cell);
                if let Some(entry) = kept_as(cell) {
                    matching.share(index, entry, halves);
                }
                halves
            } else {
                let found = matching.finds(cell_key(span_of(cell).0));
                let mut same = matching.compare(found);
                each_of_cell(cell, |half| same.compare(half));
                matching.note(index, found, &same);
                same.halves()
            };
            size.add_cell(cell, halves);
            index = index.wrapping_add(1);
        }
        let cell_halves = size.halves.wrapping_sub(regs_halves);
        let plan = Self { cell_halves, ..Self::whole(size) };
        let more = words_of_sharing(index, base.entries(arena));
        let least = if whole { plan.words / 2 } else { 0 };
        let Matching { shared, used, saved, .. } = matching;
        let (shared, used) = (shared.all(), used.all());
        size.words = size.words.saturating_add(more);
        size.halves = size.halves.saturating_sub(saved);
        let words = size.words();
        if words.saturating_add(least) >= plan.words {
            return plan;
        }
        Self { words, base: base.0, shared, used, ..plan }
    }

    /// Words behind the head of a snapshot of so many entries, in front of the codes.
    pub(super) fn more_words(&self, arena: &Arena<'_>, entries: u32) -> u32 {
        match self.base {
            NONE => 0,
            base => words_of_sharing(entries, Snapshot(base).entries(arena)),
        }
    }

    /// Writes the words behind the head, if there are any.
    pub(super) fn write(&self, arena: &mut Arena<'_>, snapshot: Snapshot) {
        if self.base == NONE {
            return;
        }
        let mut at = snapshot.0.saturating_add(HEAD_WORDS);
        arena.set(at, pair(self.base, self.weight));
        let (own, others) = (snapshot.entries(arena), Snapshot(self.base).entries(arena));
        if are_few(own, others) {
            let bits = pair(low(half(self.shared, false)), low(half(self.used, false)));
            return arena.set(at.saturating_add(1), bits);
        }
        for (bits, count) in [(self.shared, own), (self.used, others)] {
            for upper in [false, true].into_iter().take(bit_words(count) as usize) {
                at = at.saturating_add(1);
                arena.set(at, half(bits, upper));
            }
        }
    }
}

impl State {
    /// Makes every entry rest on itself in the snapshot that was just taken, as planned, and
    /// notes which cells lie as they are in the one that later ones share with.
    pub fn rest_on(&mut self, arena: &mut Arena<'_>, taken: Snapshot, plan: &Plan) {
        let (mut index, whole) = (0_u32, plan.base == NONE);
        self.kept_regs = 0;
        for (number, value) in (0_u32..).zip(&mut self.regs) {
            if value.is_init() {
                value.deps = entry_bit(index);
                let lies = whole || plan.shared.wrapping_shr(index) & 1 == 1;
                self.kept_regs |= if lies { 1_u16.wrapping_shl(number) } else { 0 };
                index = index.saturating_add(1);
            }
        }
        self.kept = if whole { taken.0 } else { plan.base };
        let (mut shared, mut used) = (plan.shared, plan.used);
        for _ in 0..index {
            if shared & 1 == 1 {
                used &= used.wrapping_sub(1);
            }
            shared = shared.wrapping_shr(1);
        }
        self.cells.rebase(arena, || {
            let entry = match (whole, shared & 1 == 1) {
                (true, _) => Some(index),
                (false, true) => Some(used.trailing_zeros()),
                (false, false) => None,
            };
            if shared & 1 == 1 {
                used &= used.wrapping_sub(1);
            }
            shared = shared.wrapping_shr(1);
            let bit = entry_bit(index);
            index = index.saturating_add(1);
            (bit, entry)
        });
        self.cells.set_untouched(taken.0);
        self.cells.set_halves(plan.cell_halves);
    }
}

/// A bit for each of as many entries as have one.
#[derive(Clone, Copy)]
struct Bits([u64; 2]);

impl Bits {
    const NONE: Self = Self([0; 2]);

    /// Sets the bit of an entry. Whether it has one.
    #[inline]
    fn set(&mut self, entry: u32) -> bool {
        let word = self.0.get_mut((entry / u64::BITS) as usize);
        word.map(|word| *word |= 1_u64.wrapping_shl(entry)).is_some()
    }

    fn all(self) -> u128 {
        let [lower, upper] = self.0.map(u128::from);
        lower | upper.wrapping_shl(u64::BITS)
    }
}

/// Finds the entries of a state that a snapshot holds.
struct Matching<'a> {
    words: HalfWords<'a>,
    held: Walk,
    shared: Bits,
    used: Bits,
    /// Half words that need not be written.
    saved: u32,
}

impl<'a> Matching<'a> {
    /// Goes on to the entry of this key. Whether there is one.
    #[inline]
    fn finds(&mut self, key: u64) -> bool {
        let mut held = self.held.key(self.words);
        while held < key {
            self.held.skip(self.words);
            held = self.held.key(self.words);
        }
        held == key
    }

    /// To compare an entry with the one that was found.
    #[inline]
    const fn compare(&self, found: bool) -> Same<'a> {
        Same { words: self.words, from: self.held.at, at: self.held.at, all: found }
    }

    /// The entry at `index` was compared, with the one that was found, if there is one.
    #[inline]
    fn note(&mut self, index: u32, found: bool, same: &Same<'_>) {
        if same.all {
            self.share(index, self.held.index, same.halves());
            self.held.pass(same.at);
        } else if found {
            self.held.skip(self.words);
        }
    }

    /// The entry at `index` is the one that was found, as is noted: how many half words that has.
    #[inline]
    fn pass(&mut self, index: u32) -> u32 {
        let (from, entry) = (self.held.at, self.held.index);
        self.held.skip(self.words);
        let halves = self.held.at.wrapping_sub(from);
        self.share(index, entry, halves);
        halves
    }

    /// A plan that leaves out all cells, as they were not touched since the last node was made;
    /// `size` is that of the registers, and `base` is what they were looked for in.
    fn alike(
        &self,
        state: &mut State,
        arena: &Arena<'_>,
        size: Size,
        (regs, base): (u32, Snapshot),
    ) -> Plan {
        let (mut all, mut own) = (size, size);
        all.add_sets(state.cells.len().saturating_mul(2).saturating_add(regs));
        all.halves = all.halves.wrapping_add(state.cells.halves(arena, halves_of_cell));
        own.add_sets(regs);
        own.words = own.words.saturating_add(words_of_sharing(regs, base.entries(arena)));
        own.halves = own.halves.saturating_sub(self.saved);
        let (words, weight) = (own.words(), all.weight());
        let (shared, used) = (self.shared.all(), self.used.all());
        Plan { base: base.0, shared, used, alike: true, words, weight, ..Plan::NONE }
    }

    /// The entry at `index`, of so many half words, is an entry of the snapshot.
    #[inline]
    fn share(&mut self, index: u32, entry: u32, halves: u32) {
        if entry < u128::BITS && self.shared.set(index) {
            self.used.set(entry);
            self.saved = self.saved.saturating_add(halves);
        }
    }
}

/// Compares half words with those of an entry, and counts them.
struct Same<'a> {
    words: HalfWords<'a>,
    from: u32,
    at: u32,
    /// Whether all were the same.
    all: bool,
}

impl Same<'_> {
    #[inline]
    fn compare(&mut self, half: u32) {
        self.all = self.all && self.words.at(self.at) == half;
        self.at = self.at.wrapping_add(1);
    }

    const fn halves(&self) -> u32 {
        self.at.wrapping_sub(self.from)
    }
}

impl Snapshot {
    /// The snapshot that holds what this one leaves out.
    pub(super) fn base(self, arena: &Arena<'_>) -> Option<Self> {
        let shares = low(self.second(arena)) & SHARING != 0;
        shares.then(|| Self(low(arena.word(self.0.saturating_add(HEAD_WORDS)))))
    }

    /// What handling it counts as.
    pub fn weight(self, arena: &Arena<'_>) -> u32 {
        if self.is_stripped(arena) {
            return self.stripped_size(arena).0;
        }
        if self.base(arena).is_some() {
            return high(arena.word(self.0.saturating_add(HEAD_WORDS)));
        }
        let before = self.entries_at(arena).saturating_sub(self.0);
        Self::weight_of(self.words(arena), before)
    }

    /// The same of one that was stripped, and how many entries it has.
    #[inline]
    pub fn stripped_size(self, arena: &Arena<'_>) -> (u32, u32) {
        let (first, regs) = (arena.word(self.0), self.regs(arena));
        let (words, cells) = (low(first), high(first));
        let weight = Self::weight_of(words.wrapping_sub(note_words(cells)), HEAD_WORDS);
        (weight, regs.wrapping_add(cells))
    }

    /// The same of so many words, and so many of these that are not of an entry.
    const fn weight_of(words: u32, before: u32) -> u32 {
        let halves = words.saturating_sub(before).saturating_mul(2);
        Size { words: before, halves }.weight()
    }

    pub fn entries(self, arena: &Arena<'_>) -> u32 {
        self.regs(arena).saturating_add(self.cells(arena))
    }

    /// Goes through its entries, if it has all of them.
    pub(super) fn walk(self, arena: &Arena<'_>) -> Walk {
        Walk::new(self.entries_at(arena).saturating_mul(2), self.reg_mask(arena), self.cells(arena))
    }

    /// The entries of a snapshot whose cells others may leave out, registers first: each is
    /// turned to as it is noted beside a state's cells.
    pub(super) fn read_as_shared(self, arena: &Arena<'_>) -> Reader {
        match self.base(arena) {
            Some(_) => self.read(arena),
            None => Reader::sharing(0, self.walk(arena), u128::MAX, u128::MAX),
        }
    }

    /// The entries, registers first.
    #[inline]
    pub fn read(self, arena: &Arena<'_>) -> Reader {
        if self.is_stripped(arena) {
            return Reader::own(self.0.saturating_add(HEAD_WORDS).saturating_mul(2));
        }
        self.read_whole(arena)
    }

    /// The same of what has more than its entries.
    #[inline(never)]
    fn read_whole(self, arena: &Arena<'_>) -> Reader {
        let own = self.entries_at(arena).saturating_mul(2);
        let Some(base) = self.base(arena) else { return Reader::own(own) };
        let mut at = self.0.saturating_add(HEAD_WORDS);
        let (entries, others) = (self.entries(arena), base.entries(arena));
        if are_few(entries, others) {
            let bits = arena.word(at.saturating_add(1));
            let (shared, used) = (low(bits).into(), high(bits).into());
            return Reader::sharing(own, base.walk(arena), used, shared);
        }
        let mut bits = |entries| {
            let mut bits = 0_u128;
            for word in 0..bit_words(entries) {
                at = at.saturating_add(1);
                bits |= u128::from(arena.word(at)).wrapping_shl(word.wrapping_mul(64));
            }
            bits
        };
        let shared = bits(entries);
        let used = bits(others);
        Reader::sharing(own, base.walk(arena), used, shared)
    }
}
