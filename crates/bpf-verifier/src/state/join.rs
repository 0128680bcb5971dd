//! Guesses: states that cover two others, and perhaps what follows.
//!
//! A guess may be anything, as it is checked before anything rests on it. It
//! always covers the older of the two states. What they agree on stays; what
//! differs gets an identity of its own, and values that moved by the same
//! constant share one, so that they are found to move together later.

use core::ops::RangeInclusive;

use bpf_bytecode::Register;
use bpf_bytecode::opcode::{AluOp, Width};

use super::cells::{Cell, REFS, SAVED};
use super::cover::plus;
use super::reach::Start;
use super::reg::{Kind, Value};
use super::snapshot::Snapshot;
use super::threshold::{LOW_HALF_END, Threshold, around, is_by, top};
use super::{NO_RANGE, State};
use crate::arena::{Arena, NoRoom};
use crate::domain::{Scalar, Tnum, alu};

/// Bytes of a number that compilers keep on the stack beside another.
const WORD: u32 = 4;
/// Groups of values that move together, at the most.
const MAX_GROUPS: usize = 16;
/// Differences that are kept as such.
const MAX_SUM: i64 = 1 << 30;
/// How far into a packet a guess goes: as much can be added behind it before comparisons
/// prove nothing any more.
const PACKET_END: i64 = 0x7fff;

/// How far a guess lets an unknown part of an address go down at first: so much that a loop may
/// take from it as well, before it is refused.
const LEAST_OFFSET: i64 = -(1 << 28);

/// How far up a guess goes that looks where a number ends: so far that a loop adds to it without
/// passing the end of 32 bits with a sign.
const FAR: i64 = 1 << 30;

/// How often a state was made one with others before upper bounds go on to round ones.
pub(crate) const UPWARDS: u32 = 3;

/// What numbers that differ become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// What either may be.
    Union,
    /// The same, but what had an identity up to this one in the newer state, and
    /// so did not change in the loop, is as in the older one.
    Hint(u32),
    /// As far as they may come in the direction in which they moved.
    Extreme,
    /// After that: where they were found to come from there.
    Settle,
    /// As far as the next number that they are compared with.
    Next,
    /// What either may be, of two states at one place, of which the newer was
    /// walked before and says only what mattered then.
    Merge {
        /// How often that was made one with others already. If so, it becomes more in
        /// the direction in which the older goes beyond it.
        before: u32,
        /// Whether both are in a loop. What they know for certain must be the same
        /// then: by that rounds are told apart.
        in_loop: bool,
    },
}

impl Mode {
    /// Whether the newer state is a guess that held before, and what it names is over.
    const fn is_hint(self) -> bool {
        matches!(self, Self::Hint(_))
    }

    /// Whether two states at one place are joined, and not two rounds of a loop.
    const fn is_merge(self) -> bool {
        matches!(self, Self::Merge { .. })
    }
}

/// Joins two states.
pub(crate) struct Join<'a> {
    pub mode: Mode,
    pub thresholds: &'a [Threshold],
    /// The identity that was given last.
    pub last_id: u32,
    /// Whether anything differed.
    pub changed: bool,
    /// Thresholds of what is named as before, a bit for each.
    kept: u32,
    groups: [Group; MAX_GROUPS],
    group_count: usize,
    /// How far the packet reaches behind its start in both states.
    starts: [Option<Start>; 2],
    /// Whether the last value rests on that of the older one.
    on_start: bool,
}

/// How values moved: identities before and after (0 for constants), and by how much.
type Moved = (u32, u32, i64);

/// Values that moved together: how, from what on, and the identity that they have now.
#[derive(Clone, Copy, Default)]
struct Group {
    key: (Moved, i64),
    id: u32,
    members: u32,
}

/// An entry that cannot be joined.
#[derive(Clone, Copy, Debug)]
struct Apart;

impl<'a> Join<'a> {
    pub fn new(mode: Mode, thresholds: &'a [Threshold], last_id: u32) -> Self {
        Self {
            mode,
            thresholds,
            last_id,
            changed: false,
            kept: 0,
            groups: [Group::default(); MAX_GROUPS],
            group_count: 0,
            starts: [None; 2],
            on_start: false,
        }
    }

    /// Makes `out` a guess that covers `old`, by how `new` differs from it.
    /// Whether there is one.
    pub fn run(
        &mut self,
        old: Snapshot,
        new: &State,
        out: &mut State,
        arena: &mut Arena<'_>,
    ) -> Result<bool, NoRoom> {
        out.forget_kept();
        if old.frame(arena) != new.frame || old.refs(arena) != new.refs {
            return Ok(false);
        }
        (out.frame, out.refs, out.frame_bytes) = (new.frame, new.refs, new.frame_bytes);
        if !self.mode.is_merge() {
            self.find_starts(old, new, arena);
        }
        let mut entries = old.read(arena);
        let mut origins = old.origins(arena);
        let mut origin = |arena: &Arena<'_>| origins.as_mut().map_or(0, |set| set.next(arena));
        let mask = old.reg_mask(arena);
        for register in Register::all() {
            let mut value = Value::NOT_INIT;
            if mask.wrapping_shr(register.number().into()) & 1 == 1 {
                let before = entries.value(arena);
                let Ok(joined) = self.value(&before, &new.reg(register)) else { return Ok(false) };
                value = Value { deps: origin(arena) | self.rests_on_start(), ..joined };
            }
            out.set_reg(register, value);
        }
        out.cells.clear();
        for behind in (0..old.cells(arena)).rev() {
            let cell = entries.cell(arena);
            let (deps, live) = (origin(arena), origin(arena));
            for cell in self.halves(&cell, new, arena).into_iter().flatten() {
                let Ok(joined) = self.cell((&cell, behind), new, arena) else { return Ok(false) };
                let deps = deps | self.rests_on_start();
                if joined.is_init() {
                    let value = Value { deps, ..joined };
                    out.cells.push(arena, &Cell { value, live, ..cell })?;
                }
            }
        }
        self.share(out, arena);
        Ok(true)
    }

    /// Finds how far the packet reaches behind its start, where that may say something of a
    /// number: in both states, or in one, if the other says it of the number itself.
    fn find_starts(&mut self, old: Snapshot, new: &State, arena: &Arena<'_>) {
        let now = Start::of_state(new, arena);
        let reaches = |value: &Value| value.is_scalar() && value.index != 0;
        if now.is_some() || new.regs().iter().any(reaches) {
            self.starts = [Start::of_snapshot(old, arena), now];
        }
    }

    /// How far the packet reaches behind what is `off` less than a number that is either of
    /// these, in bytes; 0, where that is not known.
    fn reach(&mut self, old: &Value, new: &Value, off: i64) -> u32 {
        if old.index | new.index == 0 {
            // It is no number of bytes in the packet, as far as is known.
            return 0;
        }
        let [before, now] = self.starts;
        let found = old.bytes_behind(off, before).zip(new.bytes_behind(off, now));
        let Some(((first, by_start), (second, _))) = found else { return 0 };
        self.on_start |= by_start;
        first.min(second)
    }

    /// What the last value rests on, where something of it follows from how far the packet
    /// reaches behind its start in the older state.
    fn rests_on_start(&mut self) -> u64 {
        let is_so = core::mem::take(&mut self.on_start);
        self.starts[0].filter(|_| is_so).map_or(0, |start| start.deps)
    }

    /// What values with this identity are called now, where they are not called as before.
    pub fn renamed(&self, id: u32) -> impl Iterator<Item = u32> + '_ {
        let groups = self.groups.get(..self.group_count).unwrap_or_default();
        let named = move |group: &&Group| {
            let ((old, new, _), _) = group.key;
            old == id || new == id
        };
        groups.iter().filter(named).map(|group| group.id)
    }

    /// Whether there are values that have the identity of a threshold as before.
    pub fn keeps(&self, index: u32) -> bool {
        self.kept.wrapping_shr(index) & 1 == 1
    }

    fn keep(&mut self, id: u32) {
        for (index, _) in (0_u32..).zip(self.thresholds).filter(|(_, known)| known.id == id) {
            self.kept |= 1_u32.wrapping_shl(index);
        }
    }

    /// What is joined of a cell: the whole of it; or two numbers of four bytes, where both were 0,
    /// which is one cell, and one of them was written since.
    fn halves(&self, old: &Cell, new: &State, arena: &Arena<'_>) -> [Option<Cell>; 2] {
        let unnamed = old.value.is_scalar() && old.value.id == 0;
        let zeros = unnamed && old.value.as_constant() == Some(0) && old.addr < SAVED;
        let written = |addr| {
            let found = new.cells.at_addr(arena, addr).map(|(_, cell)| cell);
            found.is_some_and(|cell| cell.len == WORD && cell.value.is_scalar())
        };
        let behind = old.addr.saturating_add(WORD);
        if self.mode.is_merge()
            || !zeros
            || old.len != 2 * WORD
            || !written(old.addr) && !written(behind)
        {
            return [Some(*old), None];
        }
        let half = Cell { len: WORD, ..*old };
        [Some(half), Some(Cell { addr: behind, ..half })]
    }

    /// A cell, behind which there are so many.
    fn cell(
        &mut self,
        (old, behind): (&Cell, u32),
        new: &State,
        arena: &Arena<'_>,
    ) -> Result<Value, Apart> {
        if old.value.kind == Kind::Difference {
            // Whatever the newer one says of these numbers is as true of the guess, or it is not.
            return Ok(if self.mode.is_merge() { Value::NOT_INIT } else { old.value });
        }
        if old.addr >= SAVED {
            let found = if self.mode.is_hint() && old.addr >= REFS {
                // What was held then is over; they correspond by place.
                let at = new.cells.len().checked_sub(behind.saturating_add(1));
                at.and_then(|at| new.cells.get(arena, at))
            } else {
                new.cells.at_addr(arena, old.addr).map(|(_, cell)| cell)
            };
            let found = found.map_or(Value::NOT_INIT, |cell| cell.value);
            if old.addr >= REFS && found.id != old.value.id && !self.mode.is_hint() {
                return Err(Apart);
            }
            return self.value(&old.value, &found);
        }
        if old.len <= 8 {
            let found = new.read_stack(arena, old.addr, old.len).ok();
            let found = found.filter(|read| !read.unwritten);
            if found.is_none() && self.mode.is_merge() {
                return Ok(old.value);
            }
            let found = found.map_or(Value::NOT_INIT, |read| read.value);
            let joined = self.value(&old.value, &found)?;
            return Ok(within_bytes(joined, old.len));
        }
        // Zeros, or unknown bytes.
        let run = new.written(arena, old.addr, old.len);
        if self.mode.is_merge() && !run.pointer && run.unwritten {
            return Ok(old.value);
        }
        if run.pointer || run.unwritten {
            self.changed = true;
            return Ok(Value::NOT_INIT);
        }
        let (mut pos, mut zero) = (old.addr, old.value.as_constant() == Some(0));
        while zero && pos < old.end() {
            let cell = new.cells.get(arena, new.cells.find(arena, pos));
            zero = cell.is_some_and(|cell| cell.value.as_constant() == Some(0));
            pos = cell.map_or(old.end(), |cell| cell.end());
        }
        Ok(if zero { old.value } else { Value::UNKNOWN })
    }

    fn value(&mut self, old: &Value, new: &Value) -> Result<Value, Apart> {
        // What is named in a guess that held before is over.
        let id = if self.mode.is_hint() { old.id } else { new.id };
        let plain = Value { deps: old.deps, id, ..*new };
        if self.mode.is_merge() && did_not_matter(new) {
            return Ok(*old);
        }
        match old.kind {
            // It was asked in between; fewer rounds cover more.
            Kind::Iterator if (Value { range: old.range, number: old.number, ..plain }) == *old => {
                self.changed |= (old.range, old.number) != (new.range, new.number);
                let number = old.number.join(&new.number);
                // In a loop it is not asked less often than before. What it was when another
                // guess held says nothing of that.
                let range = if self.mode.is_hint() { old.range } else { old.range.min(new.range) };
                Ok(Value { range, number, ..*old })
            }
            Kind::Return
            | Kind::ReturnToHelper
            | Kind::Reference
            | Kind::Iterator
            | Kind::Lock
            | Kind::Dynptr
            | Kind::NoPreemption
            | Kind::RcuSection
                if plain != *old =>
            {
                Err(Apart)
            }
            _ if matches!(new.kind, Kind::Iterator | Kind::Dynptr) && old.kind != new.kind => {
                Err(Apart)
            }
            _ if self.mode.is_merge() && old.kind != new.kind => Err(Apart),
            _ if old.kind != new.kind || old.lookup() != new.lookup() => {
                self.changed = true;
                Ok(Value::NOT_INIT)
            }
            _ if matches!(self.mode, Mode::Merge { in_loop: true, .. })
                && are_told_apart(old, new) =>
            {
                Err(Apart)
            }
            Kind::Scalar => Ok(self.number(old, new)),
            Kind::Stack | Kind::MapValue | Kind::Packet | Kind::PacketMeta => {
                Ok(self.pointer(old, new))
            }
            _ if plain == *old => Ok(*old),
            // Fewer rounds cover more.
            Kind::Rounds if (old.id, old.off, old.index) == (new.id, new.off, new.index) => {
                Ok(Value { range: old.range.min(new.range), ..*old })
            }
            Kind::MapValueOrNull if old.index == new.index && old.off == new.off => {
                self.changed = true;
                let id = self.group(((old.id, new.id, i64::MAX), 0));
                Ok(Value { id, ..*old })
            }
            _ if self.mode.is_merge() => Err(Apart),
            _ => {
                self.changed = true;
                Ok(Value::NOT_INIT)
            }
        }
    }

    fn number(&mut self, old: &Value, new: &Value) -> Value {
        if self.is_kept(new) {
            return *old;
        }
        let (before, after) = (old.base(), new.base());
        // Known on one way, it still is what it was named.
        let named = !self.mode.is_merge()
            && old.same_bits() == 64
            && (old.id, old.off, old.range) == (new.id, new.off, new.range);
        if before.is_some() && (before == after || named) {
            self.keep(old.id);
            let number = if old.number.covers(&new.number) {
                old.number
            } else {
                old.number.join(&new.number)
            };
            let index = if old.index == 0 { 0 } else { self.reach(old, new, old.off.into()) };
            return Value { index, number, ..*old };
        }
        self.changed = true;
        let (id, off, by) = match (before, after) {
            (Some((from, more)), Some((to, then))) => {
                let by = then.wrapping_sub(more);
                let key = (from, to, by);
                let base = self.base(key, more);
                (self.group((key, base)), more.wrapping_sub(base), by)
            }
            _ => (self.fresh(), 0, 0),
        };
        // What is carried along, and not proven anew, is less in each guess than in the last one.
        let reach = if self.mode.is_merge() { 0 } else { self.reach(old, new, off) };
        let carried = (old.id, old.index) == (new.id, new.index) && reach < old.index;
        let index = if carried { 0 } else { reach };
        let ends = (i64::MIN, i64::MAX);
        let number = self.wider(&old.number, &new.number, (old.id, new.id), (off, by), ends);
        match i32::try_from(off) {
            Ok(off) => Value { index, id, off, ..Value::scalar(number) },
            Err(_) => Value { id, ..Value::scalar(number) },
        }
    }

    fn pointer(&mut self, old: &Value, new: &Value) -> Value {
        let (mut old, mut new) = (*old, *new);
        let merged = self.mode.is_merge() && old.kind.is_packet();
        // Nothing rested on how far a packet reaches where that was forgotten.
        let forgotten = merged && !new.says_reach();
        if forgotten {
            new.index = old.index;
        }
        if old.index != new.index && old.is_in_packet() {
            // Of one of them less was found, and less covers more.
            self.changed = true;
            (old.index, new.index) = (0, 0);
        }
        let (old, new) = (&old, &new);
        if old.index != new.index {
            self.changed = true;
            return Value::NOT_INIT;
        }
        if self.is_kept(new) {
            return *old;
        }
        // A comparison with the packet's end proves something where the unknown part is not
        // below 0: of two constant parts, what is made of two states has the lesser one.
        let off = if merged { old.off.min(new.off) } else { old.off };
        let (less, by) = (old.off.saturating_sub(off), new.off.saturating_sub(off));
        let range = || match old.kind.is_packet() {
            true if forgotten => reach_behind(old.range, less),
            true => reach_behind(old.range, less).min(reach_behind(new.range, by)),
            false => old.range,
        };
        if old.off == new.off && old.id == new.id && old.number == new.number {
            return Value { range: range(), ..*old };
        }
        if old.off == new.off && old.id == new.id && old.id != 0 {
            let number = if old.number.covers(&new.number) {
                old.number
            } else {
                old.number.join(&new.number)
            };
            return Value { range: range(), number, ..*old };
        }
        self.changed = true;
        let base = |value: &Value, more: i64| match value.number.as_constant() {
            Some(0) => Some((0, more)),
            None if value.id != 0 => Some((value.id, more)),
            _ => None,
        };
        let apart = new.off.saturating_sub(old.off).into();
        let id = match (base(old, 0), base(new, apart)) {
            (Some((from, _)), Some((to, then))) => self.group(((from, to, then), less.into())),
            _ => self.fresh(),
        };
        let most = if old.kind.is_packet() { PACKET_END } else { i64::MAX };
        let (before, after) = (plus(old.number, less), plus(new.number, by));
        let number = self.wider(&before, &after, (old.id, new.id), (0, 0), (LEAST_OFFSET, most));
        Value { id, off, number, range: range(), ..*old }
    }

    /// Whether a value was found not to change.
    fn is_kept(&self, new: &Value) -> bool {
        matches!(self.mode, Mode::Hint(last) if new.id <= last)
    }

    const fn fresh(&mut self) -> u32 {
        self.last_id = self.last_id.saturating_add(1);
        self.last_id
    }

    /// By how much what a group names is more than what that was before, for one that was so much
    /// more: nothing, if that is a sum that is kept.
    fn base(&self, key: Moved, more: i64) -> i64 {
        let near = |base: i64| more.abs_diff(base) <= MAX_SUM.unsigned_abs();
        if near(0) {
            return 0;
        }
        let known = self.groups.get(..self.group_count).unwrap_or_default();
        let group = known.iter().find(|group| group.key.0 == key && near(group.key.1));
        group.map_or(more, |group| group.key.1)
    }

    /// The identity of the values that moved so.
    fn group(&mut self, key: (Moved, i64)) -> u32 {
        let known = self.groups.get_mut(..self.group_count).unwrap_or_default();
        if let Some(group) = known.iter_mut().find(|group| group.key == key) {
            group.members = group.members.saturating_add(1);
            return group.id;
        }
        let id = self.fresh();
        if let Some(slot) = self.groups.get_mut(self.group_count) {
            *slot = Group { key, id, members: 1 };
            self.group_count = self.group_count.saturating_add(1);
        }
        id
    }

    /// What a number becomes that moved from `old` to `new`, so far `by` what was added to it.
    fn wider(
        &self,
        old: &Scalar,
        new: &Scalar,
        ids: (u32, u32),
        (off, by): (i64, i64),
        (end, most): (i64, i64),
    ) -> Scalar {
        match self.mode {
            Mode::Union | Mode::Hint(_) | Mode::Merge { before: 0, .. } => return old.join(new),
            Mode::Merge { before, .. } => return widened(old, new, most, before),
            _ => {}
        }
        if old.covers(new) {
            return *old;
        }
        let (mut low, mut high) = (old.smin().min(new.smin()), old.smax().max(new.smax()));
        let (up, down) = (new.smax() > old.smax(), new.smin() < old.smin());
        let (least, greatest) = (i64::from(i32::MIN).max(end), i64::from(i32::MAX));
        let fits = least <= low && high <= greatest;
        match self.mode {
            Mode::Extreme => {
                if up {
                    let end = match high {
                        _ if fits && high <= FAR => FAR,
                        _ if fits => greatest,
                        ..=LOW_HALF_END if low >= 0 => LOW_HALF_END,
                        // So far that the loop adds to it without wrapping.
                        _ => (i64::MAX >> 1).max(high),
                    };
                    high = end.min(most.max(high));
                }
                if down {
                    // What counts down ends at 0, and must not pass it here.
                    low = match low {
                        1.. => 1,
                        0 => 0,
                        _ if fits => least,
                        _ => i64::MIN,
                    };
                }
            }
            Mode::Settle => {
                let (over, under) = (old.smax().saturating_add(1), old.smin().saturating_sub(1));
                // What a comparison of low bits says of what is far off is where it ends there.
                let by_low_bits = self.near(ids, off).any(|known| {
                    known.1 < 63 && around(known, high).into_iter().any(|at| is_by(at, high))
                });
                // What came from as far off as it can may have gone back a little.
                let far_up = up && (high > FAR.min(most) >> 1 || by_low_bits);
                let far_down = down && (low <= least || (low < 0 && old.smin() >= 0));
                let within = match low {
                    _ if fits => least..=greatest,
                    0.. if high <= LOW_HALF_END => 0..=LOW_HALF_END,
                    0.. => 0..=i64::MAX,
                    _ => i64::MIN..=i64::MAX,
                };
                // What goes up to what it is compared with comes to that or, by another step, beyond.
                let ends = |from, likely: u32, side: RangeInclusive<i64>| {
                    let near = self.near_if(ids, off, side, move |known, at| match likely {
                        0 => true,
                        1 => old.smin() > at || at > old.smax(),
                        _ => !known.end && (old.smin() > at || at > old.smax()),
                    });
                    let all = near.flat_map(move |known| around(known, from));
                    all.filter(|at| within.contains(at))
                };
                let next = |likely| {
                    let above = ends(over, likely, 0..=1).filter(|&at| at >= over).min();
                    (above, ends(under, likely, -1..=0).filter(|&at| at <= under).max())
                };
                // Of what goes past an end and round, bounds of something else say less than
                // numbers that are known, and where it begins says nothing.
                let found = (0..=2).rev().map(next).find(|ends| *ends != (None, None));
                let (above, below) = found.unwrap_or_default();
                if up && down && (above.is_some() || below.is_some()) {
                    // It went past an end and round: there is a comparison for that.
                    high = above.unwrap_or(old.smax());
                    low = below.unwrap_or(old.smin());
                } else {
                    if far_up {
                        let end = if high >= FAR.min(most) { top(new) } else { high };
                        high = above.unwrap_or(end);
                    }
                    if far_down {
                        let moved =
                            || self.asked_before(ids, off, by).filter(|at| within.contains(at));
                        let below = below.or_else(|| moved().filter(|&at| at <= under).max());
                        low = below.unwrap_or(i64::MIN);
                    } else if down && low == 0 {
                        // So far down goes what only ends where it is equal to something.
                        let asked = self.asked_if_equal(ids, off, under);
                        low = asked.filter(|at| (0..=under).contains(at)).max().unwrap_or(0);
                    }
                }
            }
            _ => {
                if up {
                    high = self.above(ids, off, (old.smax(), new.smax()), new);
                }
                if down {
                    low = self.below(ids, off, (old.smin(), new.smin()));
                }
            }
        }
        let (mut bits, grown) = (old.bits().join(new.bits()), up || down);
        if grown {
            // A stride keeps the low bits; of those above nothing is known.
            let unknown = u64::MAX.wrapping_shl(bits.mask().trailing_zeros().min(63));
            bits = Tnum::new(bits.value(), bits.mask() | unknown);
        }
        let (first, last) = within_bits(&bits, low, high);
        // Bounds that came back as they are would not be covered.
        let low = if low <= new.smin() && new.smin() < first { low } else { first };
        let high = if last < new.smax() && new.smax() <= high { high } else { last };
        let all = Scalar::signed_between(low, high);
        all.meet(Scalar::with_bits(bits)).filter(|out| out.covers(old)).unwrap_or(Scalar::UNKNOWN)
    }

    /// Values that moved together bound each other.
    fn share(&self, out: &mut State, arena: &mut Arena<'_>) {
        if matches!(self.mode, Mode::Union | Mode::Hint(_)) {
            return;
        }
        let groups = self.groups.get(..self.group_count).unwrap_or_default();
        for group in groups.iter().filter(|group| group.members > 1) {
            let off = |value: &Value| if value.is_scalar() { i64::from(value.off) } else { 0 };
            let plus =
                |number, by| alu(AluOp::Add, Width::W64, number, Scalar::signed_constant(by));
            let mut base = Some(Scalar::UNKNOWN);
            out.for_each(arena, |value| {
                if value.id == group.id {
                    base = base
                        .and_then(|base| base.meet(plus(value.number, off(value).wrapping_neg())));
                }
                false
            });
            let Some(base) = base else { continue };
            out.for_each(arena, |value| {
                let member = value.id == group.id;
                if member && let Some(number) = value.number.meet(plus(base, off(value))) {
                    value.number = number;
                }
                member
            });
        }
    }
}

/// How far a packet reaches behind a base that lies so much further on than the one it was
/// proven of.
fn reach_behind(range: i32, by: i32) -> i32 {
    let left = if range == NO_RANGE { NO_RANGE } else { range.saturating_sub(by) };
    if left > 0 { left } else { NO_RANGE }
}

/// A number in so many bytes is not greater than fits into them.
fn within_bytes(value: Value, len: u32) -> Value {
    let fits = value.number.meet(Scalar::of_bits(len.saturating_mul(8)));
    match fits {
        Some(number) if value.is_scalar() && len < 8 => Value { number, ..value },
        _ => value,
    }
}

/// Whether two values are known for certain, and not the same.
fn are_told_apart(old: &Value, new: &Value) -> bool {
    let known = |value: &Value| Some((value.number.as_constant()?, value.off));
    known(old).zip(known(new)).is_some_and(|(old, new)| old != new)
}

/// Whether nothing rested on a value of a state that was walked before.
fn did_not_matter(new: &Value) -> bool {
    !new.is_init() || (new.is_scalar() && new.id == 0 && new.number.is_unknown())
}

/// Covers both numbers, and goes on to a round bound where `old` is beyond `new`.
fn widened(old: &Scalar, new: &Scalar, most: i64, before: u32) -> Scalar {
    if new.covers(old) {
        return *new;
    }
    let joined = old.join(new);
    let (mut low, mut high) = (joined.smin(), joined.smax());
    if old.smax() > new.smax() && before >= UPWARDS {
        let bounds = [0xf, 0xff, 0xffff, i32::MAX.into(), i64::MAX];
        let next = bounds.into_iter().find(|&bound| bound >= high);
        high = next.unwrap_or(i64::MAX).min(most.max(high));
    }
    if old.smin() < new.smin() {
        let bounds = [0, i32::MIN.into(), i64::MIN];
        low = bounds.into_iter().find(|&bound| bound <= low).unwrap_or(i64::MIN);
    }
    // A stride keeps the low bits; of those above nothing is known.
    let bits = joined.bits();
    let unknown = u64::MAX.wrapping_shl(bits.mask().trailing_zeros().min(63));
    let bits = Tnum::new(bits.value() & !unknown, bits.mask() | unknown);
    let all = Scalar::signed_between(low, high);
    all.meet(Scalar::with_bits(bits)).filter(|out| out.covers(&joined)).unwrap_or(Scalar::UNKNOWN)
}

/// The first and the last number within these bounds that have the low bits that are known.
fn within_bits(bits: &Tnum, low: i64, high: i64) -> (i64, i64) {
    let known = !u64::MAX.wrapping_shl(bits.mask().trailing_zeros().min(62));
    let at = bits.value().cast_signed();
    let up = at.wrapping_sub(low) & known.cast_signed();
    let down = high.wrapping_sub(at) & known.cast_signed();
    (low.saturating_add(up), high.saturating_sub(down))
}
