//! What identities of values are for, by kind, and how those of two states correspond.
//!
//! States number what they refer to differently, so comparing two of them takes a
//! correspondence of identities ([`Ids`]). It may be one of two sorts. Where an identity
//! says no more than that numbers are the same, two of the older state may be one in the
//! newer one, as more that is the same is less that can happen. Where it stands for
//! something that there is once (what is held, lent, locked, counted, or null or not), two
//! never become one: what ends, or is found to be null, under one of them would be thought
//! to live on under the other.
//!
//! Every kind says here which of its fields are identities, and of which sort
//! ([`Kind::names`], without a default). What is not named so is compared as it is:
//! a kind that forgets to say it is covered too rarely, and not too often.

use super::reg::{Kind, Value, WRAPPED, WRAPPED_SIGNED};

/// What a field of a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// No identity.
    Plain,
    /// No identity: where something began, which does not matter later.
    Origin,
    /// Names a number, or the unknown part of an offset. 0 says nothing.
    Number,
    /// Names one thing; 0 names none.
    Thing,
    /// Names what counts rounds, which is one thing, too. See
    /// [`Closeness::Matters`](super::cover::Closeness).
    Counter,
}

/// What the fields of a value are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    pub id: Field,
    index: Field,
    range: Field,
}

/// What of a value is no identity, and not its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plain {
    id: u32,
    index: u32,
    off: i32,
    range: i32,
}

impl Names {
    const fn of(id: Field) -> Self {
        Self { id, index: Field::Plain, range: Field::Plain }
    }

    /// The rest of a value, and how far it reaches or how often it was used.
    pub const fn plain(self, value: &Value) -> (Plain, i32) {
        let id = if matches!(self.id, Field::Plain) { value.id } else { 0 };
        let index = match self.index {
            Field::Plain => value.index,
            Field::Origin => 0,
            _ => value.slice_flags(),
        };
        let off = value.off;
        let (range, more) = match (self.range, value.kind) {
            (Field::Plain, Kind::Packet | Kind::PacketMeta | Kind::Rounds | Kind::Iterator) => {
                (0, value.range)
            }
            (Field::Plain, _) => (value.range, 0),
            _ => (0, 0),
        };
        (Plain { id, index, off, range }, more)
    }
}

impl Kind {
    /// What the fields of a value of this kind are.
    pub(super) const fn names(self) -> Names {
        let thing = Names::of(Field::Thing);
        match self {
            Self::NotInit
            | Self::Context
            | Self::Map
            | Self::PacketEnd
            | Self::Return
            | Self::ReturnToHelper
            | Self::Function
            | Self::Difference
            | Self::FlowKeys => Names::of(Field::Plain),
            Self::Scalar | Self::Stack | Self::Packet | Self::PacketMeta => {
                Names::of(Field::Number)
            }
            // Which lookup found it, too.
            Self::MapValue => Names { range: Field::Thing, ..Names::of(Field::Number) },
            // And by which reference it is held.
            Self::MapValueOrNull
            | Self::SocketCommon
            | Self::SocketCommonOrNull
            | Self::Socket
            | Self::SocketOrNull
            | Self::TcpSocket
            | Self::TcpSocketOrNull => Names { range: Field::Thing, ..thing },
            Self::Reserved
            | Self::ReservedOrNull
            | Self::MapKey
            | Self::Memory
            | Self::Given
            | Self::GivenOrNull
            | Self::Dynptr
            | Self::GivenDynptr
            | Self::MapOrNull
            | Self::XdpSocket
            | Self::XdpSocketOrNull => thing,
            Self::Slice | Self::SliceOrNull => Names { index: Field::Thing, ..thing },
            Self::Reference | Self::Lock => Names { index: Field::Origin, ..thing },
            Self::NoPreemption | Self::RcuSection => {
                Names { index: Field::Origin, ..Names::of(Field::Plain) }
            }
            Self::Rounds | Self::Iterator => Names::of(Field::Counter),
        }
    }
}

/// Identities of the older state that correspond to something, at the most. A guess gives one
/// to every number that a loop changes: where there are more, it covers nothing.
const MAX_IDS: usize = 64;
/// How many of them there is room for from the start: mostly there are no more, and what is
/// made room for is cleared at every comparison.
const FIRST_IDS: usize = 8;

/// What took the place of what an identity named: another identity, or 0 for a
/// constant, and how much more than what that names; none for a number of which
/// no more is known.
pub(super) type Place = Option<(u32, i64)>;

/// What counts rounds in the older state and has another identity in the newer one: both
/// identities of the first few.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Renamed {
    pairs: [(u32, u32); 4],
    /// Whether there are more.
    more: bool,
}

impl Renamed {
    const NONE: Self = Self { pairs: [(0, 0); 4], more: false };

    fn add(&mut self, old: u32, new: u32) {
        let free = self.pairs.iter_mut().find(|pair| **pair == (0, 0) || **pair == (old, new));
        match free {
            Some(pair) => *pair = (old, new),
            None => self.more = true,
        }
    }

    /// What the newer state calls `old`; none, if that is not known.
    pub fn now(&self, old: u32) -> Option<u32> {
        let found = self.pairs.iter().find(|pair| pair.0 == old).map(|pair| pair.1);
        // That of `may_goto`, which is 0, has no other name.
        found.or_else(|| (old == 0 || !self.more).then_some(old))
    }
}

/// Identities that may be given to several things of a state, as remainders. What is named once
/// may stand for whatever took its place, and nothing need be known of that.
#[derive(Clone, Copy)]
pub(super) struct Several {
    once: [u64; SEVERAL_WORDS],
    more: [u64; SEVERAL_WORDS],
}

const SEVERAL_WORDS: usize = 8;

impl Several {
    pub const NONE: Self = Self { once: [0; SEVERAL_WORDS], more: [0; SEVERAL_WORDS] };

    const fn word(id: u32) -> usize {
        (id / u64::BITS) as usize % SEVERAL_WORDS
    }

    /// Something has the identity.
    #[inline]
    pub fn add(&mut self, id: u32) {
        let (word, bit) = (Self::word(id), 1_u64.wrapping_shl(id));
        if let Some((once, more)) = self.once.get_mut(word).zip(self.more.get_mut(word)) {
            *more |= *once & bit;
            *once |= bit;
        }
    }

    /// Whether several things may have the identity.
    #[inline]
    fn may_have(&self, id: u32) -> bool {
        self.more.get(Self::word(id)).is_none_or(|more| more & 1_u64.wrapping_shl(id) != 0)
    }
}

/// Identities of the older state with what took their place in the newer one.
pub(super) struct Ids {
    /// Those of the older state that several values may have, if that was looked for.
    pub several: Option<Several>,
    first: [Pair; FIRST_IDS],
    /// Those for which there was no room.
    more: Option<[Pair; MAX_IDS - FIRST_IDS]>,
    len: usize,
    /// See [`Closeness::Matters`](super::cover::Closeness).
    instances: bool,
    /// Identities up to this one stand for themselves alone.
    pub shared: u32,
    /// What counts rounds and has another identity in the newer state.
    pub renamed: Renamed,
}

/// Its parts are such that one of which nothing is known is zeros, and many are cleared at once.
#[derive(Clone, Copy)]
struct Pair {
    old: u32,
    /// What took its place, if that is known.
    id: u32,
    more: i64,
    known: bool,
    /// Whether what is named is a thing.
    thing: bool,
    /// Values that have it, and what those rest on that are known by it alone.
    uses: u16,
    deps: u64,
}

impl Pair {
    const NONE: Self =
        Self { old: 0, id: 0, more: 0, known: false, thing: false, uses: 0, deps: 0 };

    const fn new(old: u32, place: Place) -> Self {
        match place {
            Some((id, more)) => Self { old, id, more, known: true, uses: 1, ..Self::NONE },
            None => Self { old, uses: 1, ..Self::NONE },
        }
    }

    /// Whether this is known to have taken its place.
    fn is_at(&self, place: Place) -> bool {
        self.known && place == Some((self.id, self.more))
    }
}

impl Ids {
    pub const fn new(instances: bool, shared: u32) -> Self {
        let (first, more, renamed) = ([Pair::NONE; FIRST_IDS], None, Renamed::NONE);
        Self { several: None, first, more, len: 0, instances, shared, renamed }
    }

    /// Whether there are so many that it is worth a look which identities several values have.
    #[inline]
    pub const fn are_many(&self) -> bool {
        self.len == FIRST_IDS && self.several.is_none()
    }

    /// Those that correspond to something.
    #[inline]
    fn known(&self) -> impl Iterator<Item = &Pair> {
        let first = self.first.iter().take(self.len);
        let behind = self.len.saturating_sub(FIRST_IDS);
        first.chain(self.more.iter().flatten().take(behind))
    }

    /// Where the one for an identity is among them.
    #[inline]
    fn find(&self, old: u32) -> Option<usize> {
        self.known().position(|pair| pair.old == old)
    }

    /// One of them by its place, or room for one.
    #[inline]
    fn at(&mut self, index: usize) -> Option<&mut Pair> {
        match index.checked_sub(FIRST_IDS) {
            None => self.first.get_mut(index),
            Some(behind) => {
                self.more.get_or_insert([Pair::NONE; MAX_IDS - FIRST_IDS]).get_mut(behind)
            }
        }
    }

    /// Whether the things that two values of a kind name may be the same ones.
    #[inline]
    pub fn things_match(&mut self, names: Names, old: &Value, new: &Value) -> bool {
        if matches!(names.id, Field::Counter) && old.id != new.id {
            self.renamed.add(old.id, new.id);
        }
        let id = match names.id {
            Field::Plain | Field::Origin | Field::Number => true,
            Field::Counter if self.instances => old.id == new.id,
            Field::Thing | Field::Counter => self.thing_matches(old.id, new.id),
        };
        let range = names.range != Field::Thing
            || self.thing_matches(old.range.cast_unsigned(), new.range.cast_unsigned());
        let index = names.index != Field::Thing || self.thing_matches(old.dynptr(), new.dynptr());
        id && range && index
    }

    /// Whether the thing `new` may stand for `old`: always the same one for the same one,
    /// and for no other.
    fn thing_matches(&mut self, old: u32, new: u32) -> bool {
        if old == 0 || new == 0 || old <= self.shared || new <= self.shared {
            return old == new;
        }
        let place = Some((new, 0));
        if self.known().any(|pair| pair.thing && pair.is_at(place) && pair.old != old) {
            return false;
        }
        match self.stands(old, place) {
            Some(pair) => {
                pair.thing = true;
                true
            }
            None => false,
        }
    }

    /// Whether the unknown part `new` of an offset may stand for `old`.
    pub fn offset_matches(&mut self, old: u32, new: u32) -> bool {
        if old <= self.shared && old != 0 {
            return old == new;
        }
        old == 0 || self.place_matches(old, (new != 0).then_some((new, 0)))
    }

    /// Whether the number `new` may stand for `old`.
    #[inline]
    pub fn number_matches(&mut self, old: &Value, new: &Value) -> bool {
        if old.id <= self.shared && old.id != 0 {
            return (old.id, old.off, old.range) == (new.id, new.off, new.range);
        }
        if old.shift().is_some() {
            // Lowered again, it has its identity back, or low bits of it.
            let more = i64::from(new.off).wrapping_sub(old.off.into());
            return new.range == old.range && self.place_matches(old.id, Some((new.id, more)));
        }
        let bits = old.same_bits();
        if bits == 0 {
            return true;
        }
        // Where it is known, nothing is learned of it any more, nor by it. How often a loop goes
        // round may rest on it still: what the loop has named was compared above.
        if bits < 64 && old.number.as_constant().is_some() {
            return true;
        }
        let most = new.number.umax();
        let other = match old.range {
            WRAPPED => most > u32::MAX.into(),
            WRAPPED_SIGNED => match new.base() {
                Some(_) => most > i32::MAX.cast_unsigned().into(),
                None => new.range != WRAPPED_SIGNED,
            },
            _ => false,
        };
        let base = if other {
            None
        } else if bits <= new.same_bits() && new.number.as_constant().is_none() {
            Some((new.id, new.off.into()))
        } else {
            // A number is itself modulo anything.
            new.base()
        };
        let base = base.map(|(id, more)| (id, more.wrapping_sub(old.off.into())));
        self.place_matches(old.id, base)
    }

    /// Whether a number may stand for one that is the same, but is named `old`: where it is known,
    /// its constant and its offset are told, else it is named `new`.
    #[inline]
    pub fn names_match(&mut self, old: u32, new: u32, known: Option<(u64, i32)>) -> bool {
        if old <= self.shared {
            return old == new;
        }
        let place = match known {
            Some((number, off)) => (0, number.cast_signed().wrapping_sub(off.into())),
            None => (new, 0),
        };
        self.place_matches(old, Some(place))
    }

    /// Whether what is at a place may stand for the number `old`.
    #[inline]
    pub fn place_matches(&mut self, old: u32, new: Place) -> bool {
        let once = self.several.as_ref().is_some_and(|several| !several.may_have(old));
        once || self.stands(old, new).is_some()
    }

    fn stands(&mut self, old: u32, new: Place) -> Option<&mut Pair> {
        if let Some(at) = self.find(old) {
            let pair = self.at(at)?;
            pair.uses = pair.uses.saturating_add(1);
            return pair.is_at(new).then_some(pair);
        }
        let at = self.len;
        *self.at(at)? = Pair::new(old, new);
        self.len = at.saturating_add(1);
        self.at(at)
    }

    /// A number that may be anything is known by its identity alone, which says
    /// something where others have it, too.
    pub fn owe(&mut self, old: u32, deps: u64) {
        let at = self.find(old);
        if let Some(pair) = at.and_then(|at| self.at(at)) {
            pair.deps |= deps;
        }
    }

    pub fn owed(&self) -> u64 {
        self.known().filter(|pair| pair.uses > 1).fold(0, |deps, pair| deps | pair.deps)
    }
}

#[cfg(test)]
mod tests {
    use super::{Ids, Kind, MAX_IDS, Value, WRAPPED};
    use crate::domain::Scalar;
    use crate::state::{
        MODULO, RAISED, RAISED_SIGNED, SHIFTED, SHIFTED_HALF, SLICE_BITS, WRAPPED_SIGNED,
    };

    #[test]
    fn two_things_never_become_one() {
        let mut ids = Ids::new(true, 0);
        let mut matches = |old, new| {
            let value = |id| Value::pointer(Kind::Reserved, 0, id);
            ids.things_match(Kind::Reserved.names(), &value(old), &value(new))
        };
        assert!(matches(1, 5) && matches(1, 5) && matches(2, 6));
        assert!(!matches(1, 6) && !matches(3, 5) && !matches(0, 7) && !matches(4, 0));
    }

    #[test]
    fn two_names_of_a_thing_are_its_own() {
        // The dynptr of a slice is what a reference holds.
        let mut ids = Ids::new(true, 0);
        let reference = |id| Value::pointer(Kind::Reference, 0, id);
        let slice = |dynptr: u32, id| Value::pointer(Kind::Slice, dynptr << SLICE_BITS, id);
        let mut matches = |old: Value, new: Value| ids.things_match(old.kind.names(), &old, &new);
        assert!(matches(reference(1), reference(11)));
        assert!(!matches(slice(2, 3), slice(11, 13)));
        assert!(matches(slice(1, 3), slice(11, 13)));
    }

    #[test]
    fn numbers_may_become_one() {
        let mut ids = Ids::new(true, 0);
        let place = Some((5, 0));
        assert!(ids.place_matches(1, place) && ids.place_matches(2, place));
        assert!(!ids.place_matches(1, Some((5, 1))) && !ids.place_matches(1, Some((6, 0))));
    }

    #[test]
    fn low_bits_are_those_of_the_number() {
        let number = |id, off, range| Value { id, off, range, ..Value::UNKNOWN };
        let first = (number(1, 2, 0), number(5, 4, 0));
        let matches = |old, new| {
            let mut ids = Ids::new(true, 0);
            [first, (old, new)].iter().all(|(old, new)| ids.number_matches(old, new))
        };
        let [half, low] = [32, 16].map(|bits| MODULO - bits);
        let shifts = [RAISED, RAISED_SIGNED, SHIFTED - 48, SHIFTED - 32, SHIFTED_HALF - 16];
        for range in [half, low, WRAPPED].into_iter().chain(shifts) {
            // What it is of that number, the other one is of that one's counterpart.
            let found = number(5, 3, range);
            let found = if range == WRAPPED {
                Value { number: Scalar::of_bits(32), ..found }
            } else {
                found
            };
            assert!(matches(number(1, 1, range), found));
            for other in [number(5, 4, range), number(6, 3, range), Value::UNKNOWN] {
                assert!(!matches(number(1, 1, range), other), "{range}");
            }
        }
        // More of them are these, too, and all are.
        for found in [half, WRAPPED, 0] {
            assert!(matches(number(1, 1, low), number(5, 3, found)));
            assert!(!matches(number(1, 1, low), number(5, 2, found)));
        }
        for (known, found) in [(half, low), (WRAPPED, half), (SHIFTED - 48, SHIFTED - 32)] {
            assert!(!matches(number(1, 1, known), number(5, 3, found)));
        }
        // Of so few, nothing is known.
        assert!(matches(number(1, 1, MODULO - 8), Value::UNKNOWN));
    }

    /// Such a sum is found again where it is one, or where it is known to fit.
    #[test]
    fn sums_that_fit_with_a_sign_are_others_that_do() {
        let number = |id, off, range, most: i64| {
            let number = Scalar::constant(0).join(&Scalar::constant(most.cast_unsigned()));
            Value { id, off, range, ..Value::scalar(number) }
        };
        let known = |number| Value { id: 5, off: 3, ..Value::scalar(Scalar::constant(number)) };
        let matches = |new| {
            let mut ids = Ids::new(true, 0);
            let (first, old) = (number(1, 2, 0, 9), number(1, 1, WRAPPED_SIGNED, 0xffff_ffff));
            ids.number_matches(&first, &number(5, 4, 0, 9)) && ids.number_matches(&old, &new)
        };
        let (fits, wraps) = (i64::from(i32::MAX), i64::from(i32::MAX) + 1);
        assert!(matches(number(5, 3, WRAPPED_SIGNED, 0xffff_ffff)));
        assert!(matches(number(5, 3, 0, fits)) && !matches(number(5, 3, 0, wraps)));
        for other in [WRAPPED, MODULO - 40, MODULO - 32] {
            assert!(!matches(number(5, 3, other, fits)) && !matches(number(5, 3, other, 7)));
        }
        assert!(!matches(number(6, 3, WRAPPED_SIGNED, 7)));
        assert!(!matches(number(5, 4, WRAPPED_SIGNED, 7)));
        // A number that is known is the sum only where that is known as well.
        assert!(!matches(known(7)));
        let at = |number| {
            let mut ids = Ids::new(true, 0);
            let old = number_of(1, WRAPPED_SIGNED);
            ids.number_matches(&old, &known(number)) && ids.place_matches(1, Some((0, 6)))
        };
        assert!(at(7) && !at(0x1_0000_0007) && !at(0xffff_ffff));
    }

    /// Any number of 32 bits, one more than what is named.
    fn number_of(id: u32, range: i32) -> Value {
        Value { id, off: 1, range, ..Value::scalar(Scalar::of_bits(32)) }
    }

    #[test]
    fn what_did_not_change_stands_for_itself() {
        let mut ids = Ids::new(true, 4);
        let mut matches = |old, new| {
            let value = |id| Value::pointer(Kind::Memory, 0, id);
            ids.things_match(Kind::Memory.names(), &value(old), &value(new))
        };
        assert!(matches(4, 4) && matches(5, 6) && !matches(3, 4) && !matches(7, 4));
    }

    /// Those for which there was no room at first are found again as the others are.
    #[test]
    fn all_that_correspond_are_known() {
        let mut ids = Ids::new(true, 0);
        let last = u32::try_from(MAX_IDS).unwrap_or(0);
        for old in 1..=last {
            let value = |id| Value::pointer(Kind::Reserved, 0, id);
            let mut matches =
                |old, new| ids.things_match(Kind::Reserved.names(), &value(old), &value(new));
            assert!(matches(old, 100 + old) && matches(old, 100 + old), "{old}");
            assert!(!matches(old, 99) && !matches(old + 1, 100 + old), "{old}");
            assert_eq!(ids.owed(), 0);
            ids.owe(old, 4);
            assert_eq!(core::mem::replace(&mut ids, Ids::new(true, 0)).owed(), 4);
            // The same again, without what is owed, and with one more.
            for old in 1..=old {
                assert!(ids.things_match(Kind::Reserved.names(), &value(old), &value(100 + old)));
            }
        }
        assert!(!ids.place_matches(last + 1, Some((99, 0))));
    }
}
