//! What is kept of a summary that is being tried.

use super::Walker;
use super::carried::Place;
use super::differences::DIFFERENCE_WORDS;
use super::done::Done;
use super::linear::LINEAR_WORDS;
use super::node::Node;
use super::progress::PROGRESS_WORDS;
use super::ranks::RANKED_WORDS;
use super::tighten::TIGHTEN_WORDS;
use super::triangle::Triangle;
use crate::arena::{Arena, At, NONE, high, low, pair};
use crate::cfg::Loop;
use crate::meter::Meter;
use crate::state::snapshot::Snapshot;
use crate::state::threshold::{MAX_THRESHOLDS, Threshold};

/// How far a trial is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The loop is gone round once, to see what changes.
    Once = 0,
    /// It is gone round with what changes as far as it may come, to see where
    /// that ends.
    Probe = 1,
    /// The loop is checked with a guess.
    Body = 2,
    /// So is all that follows. What this phase finds is the proof.
    Full = 3,
    /// No loop at all, but two states that were made one; see [`merge`](super::merge).
    Merge = 4,
    /// A guess that led to an error is gone round with, to see what it need not have held; see
    /// [`narrow`](super::narrow).
    Narrow = 5,
    /// Nothing came of an inner loop where what is around it is a guess of no weight: goes on
    /// behind it as if the last guess had held.
    Assume = 6,
}

impl Phase {
    /// Whether errors are passed over, as the phase only looks at what changes.
    pub const fn is_quiet(self) -> bool {
        matches!(self, Self::Once | Self::Probe | Self::Narrow | Self::Assume)
    }
}

/// A trial; its words, in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trial(pub At);

const START: u32 = 8;
const METER: u32 = START + 4;
const BEGAN: u32 = METER + Meter::WORDS;
const EARLIEST: u32 = BEGAN + 1;
const CARRIED: u32 = EARLIEST + 1;
/// What the loop counts by in steps that are no power of two, and the step.
const STRIDE: u32 = CARRIED + 2;
/// What it moves in one direction.
const PROGRESS: u32 = STRIDE + 1;
/// In the place of a generation: the guess is one that held before; and it is not time for others.
pub(super) const HINTED: u32 = 1;
pub(super) const EARLY: u32 = 2;
/// Where notes are of what values came from, and how many.
const DERIVED: u32 = PROGRESS + PROGRESS_WORDS;
/// Numbers that the loop moves in a fixed ratio.
const LINEAR: u32 = DERIVED + 1;
/// Numbers that the loop compares, and how far apart a guess says that they are.
const DIFFERENCES: u32 = LINEAR + LINEAR_WORDS;
const RANKS: u32 = DIFFERENCES + DIFFERENCE_WORDS;
const RESETS: u32 = RANKS + 1 + MAX_RANKS;
/// Which entries have a rank.
const RANKED: u32 = RESETS + 1 + MAX_RANKS;
const TRIANGLES: u32 = RANKED + RANKED_WORDS;
const THRESHOLDS: u32 = TRIANGLES + 1;
/// What bounds the rounds, and between what it came back.
const TIGHTEN: u32 = THRESHOLDS + 1 + THRESHOLD_WORDS;
pub(super) const TRIAL_WORDS: u32 = TIGHTEN + TIGHTEN_WORDS;
const THRESHOLD_WORDS: u32 = 16;
/// Beside how many low bits are compared: with an end of something else.
const IS_END: u32 = 1 << 31;
const IS_EQUAL: u32 = 1 << 30;
const _: () = assert!(THRESHOLD_WORDS as usize == 2 * MAX_THRESHOLDS);

/// Entries of the head's state that may be what a loop counts by, and are given ranks for that:
/// see [`ranks`](super::ranks).
pub(super) const MAX_RANKS: u32 = 16;
/// In the word in front of resets, from a bit on one for each entry: something was added to
/// it on a way round; it became another number; it became what is not listed.
const SUMMED: u32 = 0;
const RESET: u32 = 16;
const LOST_RESET: u32 = 32;
/// Numbers are carried, too; it might help if they were.
const NUMBERS: u64 = 1 << 48;
const MIGHT_HELP: u64 = 1 << 49;
/// On some way round a number did not go on by the stride that was guessed.
const NO_STRIDES: u64 = 1 << 50;
/// On some way round a value became another one; the guess was made narrower by that.
const BECAME_OTHER: u64 = 1 << 51;
const NARROWED: u64 = 1 << 52;
/// From here on one bit for each of what is carried: its number is; so is how far the packet
/// reaches behind it.
const CARRIED_NUMBER: u32 = 53;
const CARRIED_REACH: u32 = 57;
const CARRIED_AS: u64 = ((1 << (2 * MAX_CARRIED)) - 1) << CARRIED_NUMBER;
const _: () = assert!(CARRIED_NUMBER as usize + MAX_CARRIED == CARRIED_REACH as usize);
/// On some way round numbers were not in the ratio that was guessed.
const NO_LINEAR: u64 = 1 << 61;
/// The packet may move in the loop: how far it reaches is not carried.
const NO_REACH: u64 = 1 << 62;
/// Guesses say nothing of numbers on which nothing is decided.
const LOOSE: u64 = 1 << 63;
/// Beside the grants that were used before, of which there are fewer: on some way round none is.
const GRANTLESS: u32 = 1 << 31;
/// What holds beyond a phase.
const LASTING: u64 = NUMBERS
    | MIGHT_HELP
    | NO_STRIDES
    | BECAME_OTHER
    | NARROWED
    | CARRIED_AS
    | NO_LINEAR
    | NO_REACH
    | LOOSE;
/// Words of what a loop carries along and counts by.
pub(super) const COURSE_WORDS: usize = 5;
/// Which these are.
const COURSES: [u32; COURSE_WORDS] = [CARRIED, CARRIED + 1, STRIDE, PROGRESS, PROGRESS + 1];
/// Values that a loop may carry along.
pub(super) const MAX_CARRIED: usize = 4;

/// By how much a value differs from that at the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Something from the first to the second was added.
    Sum(i32, i32),
    /// It was not 0, and is half of that at the most.
    Halved,
    /// It was not 0, and is twice that at the least.
    Doubled,
    /// Not known.
    Other,
}

/// What is added to a number from round to round, at least and at most, and between which
/// numbers it is where it becomes another one.
pub(super) type SumAndResets = ((i32, i32), Option<(i32, i32)>);

/// What of a value is bounded by the rounds and not by what the guess covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Carried {
    /// The number.
    pub number: bool,
    /// How far the packet reaches behind it.
    pub reach: bool,
}

fn carried_bit(first: u32, index: usize) -> u64 {
    u32::try_from(index).map_or(0, |index| 1_u64.wrapping_shl(first.saturating_add(index)))
}

/// The least and the greatest number that a word holds.
pub(super) fn ends_at(arena: &Arena<'_>, at: At) -> (i32, i32) {
    let word = arena.word(at);
    (low(word).cast_signed(), high(word).cast_signed())
}

/// Makes what a word holds, if it does, so wide that it has these, too.
pub(super) fn widen(arena: &mut Arena<'_>, at: At, holds: bool, (least, most): (i32, i32)) {
    let (least, most) = if holds {
        let (before, behind) = ends_at(arena, at);
        (least.min(before), most.max(behind))
    } else {
        (least, most)
    };
    arena.set(at, pair(least.cast_unsigned(), most.cast_unsigned()));
}

/// Which of a full list makes room for the first threshold of another name: one of the name
/// that has most of them, and an end of something else rather than a number.
fn least_missed(list: &[Threshold], more: Threshold, end: bool) -> Option<usize> {
    let of = |id: u32| list.iter().filter(|known| known.id == id).count();
    if of(more.id) > 0 {
        return None;
    }
    let others = list.iter().enumerate().filter(|(_, known)| of(known.id) > 1 && known.end >= end);
    others.max_by_key(|(_, known)| (of(known.id), known.end)).map(|(index, _)| index)
}

impl Trial {
    const fn field(self, index: u32) -> At {
        self.0.saturating_add(index)
    }

    fn half(self, arena: &Arena<'_>, index: u32, upper: bool) -> u32 {
        let word = arena.word(self.field(index));
        if upper { high(word) } else { low(word) }
    }

    fn set_half(self, arena: &mut Arena<'_>, index: u32, upper: bool, value: u32) {
        let word = arena.word(self.field(index));
        let word = if upper { pair(low(word), value) } else { pair(value, high(word)) };
        arena.set(self.field(index), word);
    }

    /// A new trial of `found`, from where the walk is.
    pub fn write(
        self,
        arena: &mut Arena<'_>,
        (below, found): (Self, Loop),
        (pending, start, first_id, frame): (At, At, u32, u32),
        walker: &Walker,
    ) {
        let level = walker.active.nest(arena);
        arena.set(self.0, pair(below.0, walker.active.0));
        arena.set(self.field(1), pair(NONE, pending));
        arena.set(self.field(2), pair(level.wrapping_shl(8), 0));
        arena.set(self.field(3), pair(found.0, frame));
        arena.set(self.field(4), pair(first_id, 0));
        arena.set(self.field(5), pair(NONE, NONE));
        arena.set(self.field(6), pair(start, walker.grants));
        arena.set(self.field(7), u64::MAX);
        arena.set(self.field(EARLIEST), below.earliest(arena));
        arena.set(self.field(START), pair(super::slot_number(walker.pc), walker.parent));
        arena.set(self.field(START + 1), walker.trail);
        arena.set(self.field(START + 2), pair(walker.trail_len, walker.forks));
        arena.set(self.field(START + 3), walker.lonely);
        walker.meter.store(arena, self.field(METER));
        arena.set(self.field(RESETS), 0);
        arena.set(self.field(TRIANGLES), pair(NONE, NONE));
        self.set_thresholds(arena, 0);
        arena.set(self.derived_field(), pair(NONE, 0));
        self.clear_carried(arena);
        self.clear_linear(arena);
        self.clear_pairs(arena);
        self.set_stride(arena, None);
        self.clear_moved(arena);
        self.begin_tight(arena);
    }

    pub(super) const fn tighten_field(self) -> At {
        self.field(TIGHTEN)
    }

    pub(super) const fn derived_field(self) -> At {
        self.field(DERIVED)
    }

    pub(super) const fn progress_field(self) -> At {
        self.field(PROGRESS)
    }

    pub(super) const fn ranked_field(self) -> At {
        self.field(RANKED)
    }

    pub(super) const fn linear_field(self) -> At {
        self.field(LINEAR)
    }

    pub(super) const fn differences_field(self) -> At {
        self.field(DIFFERENCES)
    }

    /// Notes how many steps had been taken before the trial.
    pub fn begin(self, arena: &mut Arena<'_>, steps: u64) {
        arena.set(self.field(BEGAN), steps);
    }

    /// Steps that had been taken before the trial.
    pub fn began(self, arena: &Arena<'_>) -> u64 {
        arena.word(self.field(BEGAN))
    }

    /// Where the pointers lie that the loop carries along; 0 for no more.
    pub fn carried(self, arena: &Arena<'_>) -> [Place; MAX_CARRIED] {
        let (a, b) = (arena.word(self.field(CARRIED)), arena.word(self.field(CARRIED + 1)));
        [low(a), high(a), low(b), high(b)]
    }

    pub fn clear_carried(self, arena: &mut Arena<'_>) {
        arena.slice_mut(self.field(CARRIED), 2).fill(0);
        let word = arena.word(self.field(RESETS));
        arena.set(self.field(RESETS), word & !CARRIED_AS);
    }

    /// Notes that the loop carries what lies at `place`, if there is room for that, and what of
    /// it.
    pub fn add_carried(self, arena: &mut Arena<'_>, place: Place, what: Carried) -> bool {
        let carried = self.carried(arena);
        let Some(free) = carried.iter().position(|known| *known == 0 || *known == place) else {
            return false;
        };
        let index = if free < 2 { CARRIED } else { CARRIED + 1 };
        self.set_half(arena, index, free % 2 == 1, place);
        let mut word = arena.word(self.field(RESETS));
        for (first, is_so) in [(CARRIED_NUMBER, what.number), (CARRIED_REACH, what.reach)] {
            let bit = carried_bit(first, free);
            word = if is_so { word | bit } else { word & !bit };
        }
        arena.set(self.field(RESETS), word);
        true
    }

    /// What is carried of what lies at such a place.
    pub fn carried_as(self, arena: &Arena<'_>, place: Place) -> Carried {
        let index = self.carried(arena).iter().position(|known| *known == place);
        let word = arena.word(self.field(RESETS));
        let is_so = |first| index.is_some_and(|index| word & carried_bit(first, index) != 0);
        Carried { number: is_so(CARRIED_NUMBER), reach: is_so(CARRIED_REACH) }
    }

    /// Where a number lies that the loop changes by multiples of a step, which is no power of
    /// two; none, if the guess rests on none.
    pub fn stride(self, arena: &Arena<'_>) -> Option<(Place, i32)> {
        let word = arena.word(self.field(STRIDE));
        Some((low(word), high(word).cast_signed())).filter(|(place, _)| *place != 0)
    }

    pub fn set_stride(self, arena: &mut Arena<'_>, stride: Option<(Place, i32)>) {
        let (place, step) = stride.unwrap_or((0, 0));
        arena.set(self.field(STRIDE), pair(place, step.cast_unsigned()));
    }

    /// What the loop carries along, counts by and moves, in words.
    pub fn courses(self, arena: &Arena<'_>) -> [u64; COURSE_WORDS] {
        COURSES.map(|index| arena.word(self.field(index)))
    }

    pub fn set_courses(self, arena: &mut Arena<'_>, words: [u64; COURSE_WORDS]) {
        for (index, word) in COURSES.into_iter().zip(words) {
            arena.set(self.field(index), word);
        }
        // A guess that held before begins with numbers alone.
        let numbers = (0..MAX_CARRIED).fold(0, |all, at| all | carried_bit(CARRIED_NUMBER, at));
        let word = arena.word(self.field(RESETS)) & !CARRIED_AS;
        arena.set(self.field(RESETS), word | numbers);
    }

    /// A number did not go on by a stride: the loop is guessed without, and without carried
    /// numbers at first.
    pub fn refuse_strides(self, arena: &mut Arena<'_>) {
        let word = arena.word(self.field(RESETS));
        arena.set(self.field(RESETS), (word | NO_STRIDES) & !NUMBERS);
    }

    /// Numbers did not go on in a fixed ratio: the loop is guessed without.
    pub fn refuse_linear(self, arena: &mut Arena<'_>) {
        let word = arena.word(self.field(RESETS));
        arena.set(self.field(RESETS), (word | NO_LINEAR) & !NUMBERS);
    }

    /// The packet moves in the loop: how far it reaches is not to be carried.
    pub fn refuse_reach(self, arena: &mut Arena<'_>) {
        let word = arena.word(self.field(RESETS));
        arena.set(self.field(RESETS), word | NO_REACH);
    }

    /// Whether it is not.
    pub fn refuses_reach(self, arena: &Arena<'_>) -> bool {
        arena.word(self.field(RESETS)) & NO_REACH != 0
    }

    /// Whether none are to be guessed so.
    pub fn refuses_linear(self, arena: &Arena<'_>) -> bool {
        arena.word(self.field(RESETS)) & NO_LINEAR != 0
    }

    /// Whether no number is to be guessed by its stride.
    pub fn refuses_strides(self, arena: &Arena<'_>) -> bool {
        arena.word(self.field(RESETS)) & NO_STRIDES != 0
    }

    /// The place on the path where the trial began.
    pub fn start(self, arena: &Arena<'_>) -> Walker {
        let (place, lens) = (arena.word(self.field(START)), arena.word(self.field(START + 2)));
        Walker {
            pc: low(place) as usize,
            parent: high(place),
            meter: Meter::load(arena, self.field(METER)),
            trail: arena.word(self.field(START + 1)),
            trail_len: low(lens),
            forks: high(lens),
            lonely: arena.word(self.field(START + 3)),
            active: self.outer(arena),
            grants: self.half(arena, 6, true) & !GRANTLESS,
        }
    }

    /// A way round was walked, on which so many grants of `may_goto` are used up by then.
    pub fn note_grants(self, arena: &mut Arena<'_>, grants: u32) {
        let before = self.half(arena, 6, true);
        if grants <= before {
            self.set_half(arena, 6, true, before | GRANTLESS);
        }
    }

    /// Whether every way round that was walked uses a grant of `may_goto`.
    pub fn uses_grants(self, arena: &Arena<'_>) -> bool {
        self.half(arena, 6, true) & GRANTLESS == 0
    }

    /// The trial that began before it and is not over.
    pub fn below(self, arena: &Arena<'_>) -> Self {
        Self(self.half(arena, 0, false))
    }

    /// The one around it.
    pub fn outer(self, arena: &Arena<'_>) -> Self {
        Self(self.half(arena, 0, true))
    }

    /// It and those around it, from the innermost outwards; nothing, where it is none.
    pub fn outwards<'a>(self, arena: &'a Arena<'_>) -> impl Iterator<Item = Self> + 'a {
        let some = |trial: Self| Some(trial).filter(|trial| trial.0 != NONE);
        core::iter::successors(some(self), move |trial| some(trial.outer(arena)))
    }

    /// The node at the loop's head.
    pub fn node(self, arena: &Arena<'_>) -> Node {
        Node(self.half(arena, 1, false))
    }

    pub fn set_node(self, arena: &mut Arena<'_>, node: Node) {
        self.set_half(arena, 1, false, node.0);
    }

    /// The last of the states that waited when the trial began.
    pub fn pending(self, arena: &Arena<'_>) -> At {
        self.half(arena, 1, true)
    }

    pub fn phase(self, arena: &Arena<'_>) -> Phase {
        match self.half(arena, 2, false) & 0xff {
            0 => Phase::Once,
            1 => Phase::Probe,
            2 => Phase::Body,
            3 => Phase::Full,
            4 => Phase::Merge,
            5 => Phase::Narrow,
            _ => Phase::Assume,
        }
    }

    /// That of a trial that may be none.
    pub fn phase_if_any(self, arena: &Arena<'_>) -> Option<Phase> {
        (self.0 != NONE).then(|| self.phase(arena))
    }

    /// The inner loops that each way round comes to, of those whose rounds depend on it.
    pub fn triangles(self, arena: &Arena<'_>) -> impl Iterator<Item = Triangle> + use<> {
        let word = arena.word(self.field(TRIANGLES));
        [low(word), high(word)].into_iter().filter(|at| *at != NONE).map(Triangle)
    }

    /// One more of them; whether there is room for it.
    pub fn add_triangle(self, arena: &mut Arena<'_>, more: Triangle) -> bool {
        let word = arena.word(self.field(TRIANGLES));
        let room = high(word) == NONE;
        if room {
            arena.set(self.field(TRIANGLES), pair(more.0, low(word)));
        }
        room
    }

    /// Forgets them.
    pub fn drop_triangles(self, arena: &mut Arena<'_>) {
        for triangle in self.triangles(arena) {
            arena.free(triangle.0, Triangle::WORDS as usize);
        }
        arena.set(self.field(TRIANGLES), pair(NONE, NONE));
    }

    /// Whether paths end where they leave the loop.
    pub fn is_inside_only(self, arena: &Arena<'_>) -> bool {
        !matches!(self.phase(arena), Phase::Full | Phase::Assume)
    }

    /// A phase begins, of the latest trial; what the last one found about changes is
    /// forgotten. It may last until then, by the clock of steps. The identities up to
    /// `last_id` are those of the state at the head.
    pub fn set_phase(self, arena: &mut Arena<'_>, phase: Phase, until: u64, last_id: u32) {
        let rest = self.half(arena, 2, false) & !0xff;
        arena.set(self.field(2), pair(phase as u32 | rest, last_id));
        arena.set(self.field(7), until);
        let earliest = until.min(self.below(arena).earliest(arena));
        arena.set(self.field(EARLIEST), earliest);
        arena.set(self.field(RANKS), 0);
        self.drop_triangles(arena);
        self.clear_derived(arena);
        self.clear_tight(arena);
        let kept = arena.word(self.field(RESETS)) & LASTING;
        arena.set(self.field(RESETS), kept);
    }

    /// Whether numbers are carried along, too.
    pub fn carries_numbers(self, arena: &Arena<'_>) -> bool {
        arena.word(self.field(RESETS)) & NUMBERS != 0
    }

    /// A loop without carried numbers came to nothing. Whether it is worth another try with
    /// them; they are carried from here on.
    pub fn begin_numbers(self, arena: &mut Arena<'_>) -> bool {
        let word = arena.word(self.field(RESETS));
        arena.set(self.field(RESETS), word | NUMBERS);
        word & (NUMBERS | MIGHT_HELP) == MIGHT_HELP
    }

    /// An error came of a guess. Whether it is worth making it narrower, which is done once.
    pub fn begin_narrow(self, arena: &mut Arena<'_>) -> bool {
        let word = arena.word(self.field(RESETS));
        arena.set(self.field(RESETS), word | NARROWED);
        word & (BECAME_OTHER | NARROWED) == BECAME_OTHER
    }

    /// Whether guesses say nothing of numbers on which nothing is decided.
    pub fn is_loose(self, arena: &Arena<'_>) -> bool {
        arena.word(self.field(RESETS)) & LOOSE != 0
    }

    /// They do not from here on.
    pub fn set_loose(self, arena: &mut Arena<'_>) {
        let word = arena.word(self.field(RESETS));
        arena.set(self.field(RESETS), word | LOOSE);
    }

    /// The loop is guessed at from its first round on.
    pub fn begin_anew(self, arena: &mut Arena<'_>) {
        let word = arena.word(self.field(RESETS));
        arena.set(self.field(RESETS), word & !(BECAME_OTHER | NARROWED));
    }

    /// It might help if numbers were carried.
    pub fn note_that_numbers_help(self, arena: &mut Arena<'_>) {
        let word = arena.word(self.field(RESETS));
        arena.set(self.field(RESETS), word | MIGHT_HELP);
    }

    /// Notes that on one way round an entry of the head, a number, became another one, which
    /// is within these bounds; none, if that is not so.
    pub fn note_reset(self, arena: &mut Arena<'_>, entry: u32, bounds: Option<(i32, i32)>) {
        let Some(rank) = self.rank(arena, entry) else { return };
        let bit = |group: u32| 1_u64.wrapping_shl(rank.saturating_add(group));
        let (masks, at) = (self.field(RESETS), self.field(RESETS + 1).saturating_add(rank));
        let mask = arena.word(masks);
        let Some(ends) = bounds else {
            arena.set(masks, mask | bit(LOST_RESET) | BECAME_OTHER);
            return;
        };
        widen(arena, at, mask & bit(RESET) != 0, ends);
        arena.set(masks, mask | bit(RESET) | BECAME_OTHER);
    }

    /// What was added to an entry of the head on the ways round, and between which numbers it
    /// was on all others, if there were any; none, where that is not known.
    pub fn sum_and_resets(self, arena: &Arena<'_>, entry: u32) -> Option<SumAndResets> {
        let rank = self.rank(arena, entry)?;
        let mask = arena.word(self.field(RESETS));
        let has = |group: u32| mask.wrapping_shr(rank.saturating_add(group)) & 1 == 1;
        if has(LOST_RESET) {
            return None;
        }
        let ends = |field: u32| ends_at(arena, self.field(field).saturating_add(rank));
        let sum = if has(SUMMED) { ends(RANKS + 1) } else { (0, 0) };
        Some((sum, has(RESET).then(|| ends(RESETS + 1))))
    }

    /// When its phase has lasted too long, by the clock of steps.
    pub fn until(self, arena: &Arena<'_>) -> u64 {
        arena.word(self.field(7))
    }

    /// When its phase, or that of one below it, has lasted too long.
    pub fn earliest(self, arena: &Arena<'_>) -> u64 {
        if self.0 == NONE { u64::MAX } else { arena.word(self.field(EARLIEST)) }
    }

    /// Guesses that did not hold.
    pub fn attempts(self, arena: &Arena<'_>) -> u32 {
        self.half(arena, 2, false).wrapping_shr(16)
    }

    pub fn add_attempt(self, arena: &mut Arena<'_>) {
        let word = self.half(arena, 2, false).saturating_add(0x1_0000);
        self.set_half(arena, 2, false, word);
    }

    /// Other guesses are made from here on, of which none failed.
    pub fn clear_attempts(self, arena: &mut Arena<'_>) {
        let word = self.half(arena, 2, false) & 0xffff;
        self.set_half(arena, 2, false, word);
    }

    /// How many trials are around it.
    pub fn level(self, arena: &Arena<'_>) -> u32 {
        self.half(arena, 2, false).wrapping_shr(8) & 0xff
    }

    /// The last identity in the state at the head.
    pub fn head_id(self, arena: &Arena<'_>) -> u32 {
        self.half(arena, 2, true)
    }

    /// How many trials there are up to this one; 0 for none.
    pub fn nest(self, arena: &Arena<'_>) -> u32 {
        if self.0 == NONE { 0 } else { self.level(arena).saturating_add(1) }
    }

    /// This one or the one around it at that level.
    pub fn at_level(self, arena: &Arena<'_>, level: usize) -> Self {
        let mut trial = self;
        while trial.0 != NONE && trial.level(arena) as usize > level {
            trial = trial.outer(arena);
        }
        if trial.0 != NONE && trial.level(arena) as usize == level { trial } else { Self(NONE) }
    }

    pub fn subject(self, arena: &Arena<'_>) -> Loop {
        Loop(self.half(arena, 3, false))
    }

    pub fn frame(self, arena: &Arena<'_>) -> u32 {
        self.half(arena, 3, true)
    }

    /// The last identity that was given before the trial.
    pub fn first_id(self, arena: &Arena<'_>) -> u32 {
        self.half(arena, 4, false)
    }

    /// Of two states that were made one: how often, one after the other.
    pub fn generation(self, arena: &Arena<'_>) -> u32 {
        self.half(arena, 4, true)
    }

    pub fn set_generation(self, arena: &mut Arena<'_>, generation: u32) {
        self.set_half(arena, 4, true, generation);
    }

    /// Whether the guess is one that held before.
    pub fn is_hinted(self, arena: &Arena<'_>) -> bool {
        self.half(arena, 4, true) != 0
    }

    pub fn set_hinted(self, arena: &mut Arena<'_>, hinted: u32) {
        self.set_half(arena, 4, true, hinted);
    }

    /// Whether it is one though it is not time for other guesses.
    pub fn is_early(self, arena: &Arena<'_>) -> bool {
        self.half(arena, 4, true) == EARLY && self.phase(arena) != Phase::Merge
    }

    /// The first of the done nodes that rest on the summary.
    pub fn resting(self, arena: &Arena<'_>) -> Done {
        Done(self.half(arena, 5, false))
    }

    pub fn add_resting(self, arena: &mut Arena<'_>, node: Done) {
        let first = self.resting(arena).0;
        node.set_next_resting(arena, first);
        self.set_half(arena, 5, false, node.0);
    }

    pub fn clear_resting(self, arena: &mut Arena<'_>) {
        self.set_half(arena, 5, false, NONE);
    }

    /// What came round to the head in this phase; none, if nothing did.
    pub fn found(self, arena: &Arena<'_>) -> At {
        self.half(arena, 5, true)
    }

    pub fn set_found(self, arena: &mut Arena<'_>, found: At) {
        self.set_half(arena, 5, true, found);
    }

    /// The state at the trial's start.
    pub fn first(self, arena: &Arena<'_>) -> Snapshot {
        Snapshot(self.half(arena, 6, false))
    }

    /// Notes how an entry of the head changed on one way round.
    pub fn note_change(self, arena: &mut Arena<'_>, entry: u32, change: Change) {
        let Some(rank) = self.rank(arena, entry) else { return };
        let bit = |group: u32| 1_u64.wrapping_shl(rank.saturating_add(group.saturating_mul(16)));
        let (masks, at) = (self.field(RANKS), self.field(RANKS + 1).saturating_add(rank));
        let mut mask = arena.word(masks);
        let before = self.change_of(arena, rank);
        if let Change::Sum(least, most) = change {
            // Whatever happens on other ways.
            let summed = arena.word(self.field(RESETS));
            widen(arena, at, summed & bit(SUMMED) != 0, (least, most));
            arena.set(self.field(RESETS), summed | bit(SUMMED));
        }
        mask |= bit(0);
        match (before, change) {
            (None | Some(Change::Sum(..)), Change::Sum(..)) => {}
            (None, Change::Halved) => mask |= bit(1),
            (None, Change::Doubled) => mask |= bit(2),
            (Some(known), change) if known == change => {}
            _ => mask |= bit(3),
        }
        arena.set(masks, mask);
    }

    /// How an entry of the head changed on all ways round; none, if there was
    /// none.
    pub fn change(self, arena: &Arena<'_>, entry: u32) -> Option<Change> {
        match self.rank(arena, entry) {
            Some(rank) => self.change_of(arena, rank),
            None => Some(Change::Other),
        }
    }

    fn change_of(self, arena: &Arena<'_>, rank: u32) -> Option<Change> {
        let mask = arena.word(self.field(RANKS));
        let has =
            |group: u32| mask.wrapping_shr(rank.saturating_add(group.saturating_mul(16))) & 1 == 1;
        match (has(0), has(1), has(2), has(3)) {
            (false, ..) => None,
            (_, _, _, true) => Some(Change::Other),
            (_, true, ..) => Some(Change::Halved),
            (_, _, true, _) => Some(Change::Doubled),
            _ => {
                let (least, most) = ends_at(arena, self.field(RANKS + 1).saturating_add(rank));
                Some(Change::Sum(least, most))
            }
        }
    }

    /// Notes that what has this identity is compared with a number, or with what has that
    /// `end`. Where there is no room, one of the state at the head takes that of another, or, if
    /// it is the first of its name, of the name that has most; half of it is kept for numbers.
    pub fn add_threshold(self, arena: &mut Arena<'_>, more: Threshold, end: bool) {
        let (list, len) = self.thresholds(arena);
        let (list, head) = (list.get(..len).unwrap_or_default(), self.head_id(arena));
        let (id, bits, at) = (more.id, more.bits, more.at);
        let same = |known: &Threshold| (known.id, known.bits, known.at) == (id, bits, at);
        let known = list.iter().position(same);
        if let Some(index) = known {
            let known = list.get(index).copied().unwrap_or(more);
            let (end, equal) = (more.end && known.end, more.equal || known.equal);
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            self.set_threshold(arena, index, Threshold { end, equal, ..more });
            return;
        }
        let count = low(arena.word(self.field(THRESHOLDS)));
        if len < if end { MAX_THRESHOLDS / 2 } else { MAX_THRESHOLDS } {
            self.set_threshold(arena, count, more);
            self.set_thresholds(arena, count.saturating_add(1));
        } else if more.id <= head {
            let other = list.iter().position(|known| known.id > head);
            let index = other.or_else(|| least_missed(list, more, end));
            if let Some(index) = index.and_then(|index| u32::try_from(index).ok()) {
                self.set_threshold(arena, index, more);
            }
        }
    }

    pub fn set_threshold(self, arena: &mut Arena<'_>, index: u32, known: Threshold) {
        let place = self.field(THRESHOLDS + 1).saturating_add(index.saturating_mul(2));
        let end = if known.end { IS_END } else { 0 };
        let equal = if known.equal { IS_EQUAL } else { 0 };
        arena.set(place, pair(known.id, known.bits | end | equal));
        arena.set(place.saturating_add(1), known.at.cast_unsigned());
    }

    /// How many there are from now on.
    pub fn set_thresholds(self, arena: &mut Arena<'_>, count: u32) {
        arena.set(self.field(THRESHOLDS), count.into());
    }

    pub fn thresholds(self, arena: &Arena<'_>) -> ([Threshold; MAX_THRESHOLDS], usize) {
        let len = low(arena.word(self.field(THRESHOLDS))) as usize;
        let mut list = [Threshold::default(); MAX_THRESHOLDS];
        let mut place = self.field(THRESHOLDS + 1);
        for slot in list.iter_mut().take(len) {
            let (named, at) = (arena.word(place), arena.word(place.saturating_add(1)));
            let bits = high(named) & !(IS_END | IS_EQUAL);
            let (end, equal) = (high(named) & IS_END != 0, high(named) & IS_EQUAL != 0);
            *slot = Threshold { id: low(named), bits, at: at.cast_signed(), end, equal };
            place = place.saturating_add(2);
        }
        (list, len)
    }
}
