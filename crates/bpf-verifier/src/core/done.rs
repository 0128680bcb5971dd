//! What is kept of a node from which every path was walked.

use crate::arena::{Arena, At, NONE, high, low, pair};
use crate::core::node::{MAX_GENERATION, Node};
use crate::core::trial::Trial;
use crate::meter::Meter;
use crate::state::snapshot::Snapshot;
use crate::tail::Tail;

/// A state from which all that follows is known.
///
/// Its words: the next one at the same instruction; instruction, and how many
/// summaries it speaks of; use so far, and grants; the cost to the end. The rounds
/// behind it, by what grants them, if there are any. Where it rests on a
/// summary, the innermost one with the next node that rests on it, and the costs
/// back to the head of each. Then the state, without what does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Done(pub At);

const EXIT: u32 = 2;
const MORE: u32 = EXIT + Meter::WORDS;

/// In the second word: hits and misses, in thirteen bits each.
const COUNT: u32 = 0x1fff;
const MISSES_SHIFT: u32 = 13;
/// How often it was made one with others.
const GENERATION_SHIFT: u32 = 26;
/// There are rounds of more than one instance behind it.
const SEVERAL: u32 = 1 << 28;
/// It was tried to make one of it and another.
const TRIED: u32 = 1 << 29;
/// There are rounds behind it.
const ROUNDS: u32 = 1 << 30;
/// It is to be freed.
const DEAD: u32 = 1 << 31;
/// Beside the grants, of which there are fewer: see [`Node::is_spent`].
const SPENT: u32 = 1 << 31;
/// The first of the bits of the number of summaries, above a slot's number.
const NEST_SHIFT: u32 = 28;

/// Vain comparisons after which a state is given up, and how many more a success
/// is worth. Where a loop is walked round by round, states of many other rounds come by before one
/// of the same.
const MISSES: u32 = 48;

/// Words before the state, where there are rounds of so many instances behind it and it
/// speaks of `nest` summaries.
const fn head_words(instances: u32, nest: u32) -> u32 {
    let mut words = MORE.saturating_add(instances.saturating_mul(Tail::ROUNDS_WORDS));
    if nest > 0 {
        words = words.saturating_add(1).saturating_add(nest.saturating_mul(Meter::WORDS));
    }
    words
}

impl Done {
    const fn field(self, index: u32) -> At {
        self.0.wrapping_add(index)
    }

    /// Keeps an open node as a done one, which takes less room, if there is some. Every
    /// entry of its state that is marked matters; without `forget`, all do.
    pub fn of(arena: &mut Arena<'_>, node: Node, paths: &Tail, forget: bool) -> Option<Self> {
        let level = paths.level();
        let owner = level.map_or(Trial(NONE), |level| node.owner(arena).at_level(arena, level));
        let nest = level.map_or(0, |level| u32::try_from(level).unwrap_or(0).saturating_add(1));
        let (slot, grants) = (super::slot_number(node.pc(arena)), node.grants(arena));
        let spent = if node.is_spent(arena) { SPENT } else { 0 };
        let all = if forget { 0 } else { u64::MAX };
        let marks = (node.read(arena) | all, node.precise(arena) | node.exact(arena) | all);
        let instances = paths.instances();
        let loops = match instances {
            0 => 0,
            1 => ROUNDS,
            _ => ROUNDS | SEVERAL,
        };
        let generation = node.generation(arena).wrapping_shl(GENERATION_SHIFT);
        let (state, head) = (node.snapshot(arena), head_words(instances, nest));
        let done = Self(state.keep_stripped(arena, head, marks).ok()?);
        arena.set(done.0, pair(NONE, slot | nest.wrapping_shl(NEST_SHIFT)));
        arena.set(done.field(1), pair(loops | generation, grants.min(SPENT - 1) | spent));
        paths.exit().store(arena, done.field(EXIT));
        paths.store_rounds(arena, done.field(MORE), instances);
        let mut at = done.field(head_words(instances, 0));
        if nest > 0 {
            arena.set(at, pair(owner.0, NONE));
            at = at.saturating_add(1);
            for back in paths.back.iter().take(nest as usize) {
                back.store(arena, at);
                at = at.saturating_add(Meter::WORDS);
            }
        }
        Some(done)
    }

    pub fn next(self, arena: &Arena<'_>) -> At {
        low(arena.word(self.0))
    }

    pub fn set_next(self, arena: &mut Arena<'_>, next: At) {
        let place = high(arena.word(self.0));
        arena.set(self.0, pair(next, place));
    }

    pub fn pc(self, arena: &Arena<'_>) -> usize {
        (high(arena.word(self.0)) & ((1 << NEST_SHIFT) - 1)) as usize
    }

    fn nest(self, arena: &Arena<'_>) -> u32 {
        high(arena.word(self.0)).wrapping_shr(NEST_SHIFT)
    }

    fn flags(self, arena: &Arena<'_>) -> u32 {
        low(arena.word(self.field(1)))
    }

    fn set_flags(self, arena: &mut Arena<'_>, flags: u32) {
        let grants = high(arena.word(self.field(1)));
        arena.set(self.field(1), pair(flags, grants));
    }

    /// Rounds that `may_goto` had granted on the way here.
    pub fn grants(self, arena: &Arena<'_>) -> u32 {
        high(arena.word(self.field(1))) & !SPENT
    }

    /// See [`Node::is_spent`].
    pub fn is_spent(self, arena: &Arena<'_>) -> bool {
        high(arena.word(self.field(1))) & SPENT != 0
    }

    /// Whether a loop of an ancestor is closed behind it.
    pub fn is_inside(self, arena: &Arena<'_>) -> bool {
        self.inner(arena) != 0
    }

    /// Whether there are rounds behind it that something else than a number bounds.
    pub fn has_rounds(self, arena: &Arena<'_>) -> bool {
        self.flags(arena) & ROUNDS != 0
    }

    /// Of how many instances there are rounds behind it.
    fn instances(self, arena: &Arena<'_>) -> u32 {
        let flags = self.flags(arena);
        u32::from(flags & ROUNDS != 0).saturating_add((flags & SEVERAL != 0).into())
    }

    /// The paths to the program's end, and the rounds behind it.
    fn ways(self, arena: &Arena<'_>) -> Tail {
        let exit = Meter::load(arena, self.field(EXIT));
        Tail::load(arena, exit, self.field(MORE), self.instances(arena))
    }

    /// How often it was made one with others.
    pub fn generation(self, arena: &Arena<'_>) -> u32 {
        self.flags(arena).wrapping_shr(GENERATION_SHIFT) & MAX_GENERATION
    }

    /// Whether it was tried to make one of it and another.
    pub fn is_tried(self, arena: &Arena<'_>) -> bool {
        self.flags(arena) & TRIED != 0
    }

    pub fn set_tried(self, arena: &mut Arena<'_>) {
        let flags = self.flags(arena);
        self.set_flags(arena, flags | TRIED);
    }

    /// The innermost ancestor of which a loop is closed behind it; 0, if there is none.
    pub fn inner(self, arena: &Arena<'_>) -> u32 {
        if self.instances(arena) == 0 { 0 } else { self.ways(arena).inner() }
    }

    /// Where what it keeps of the summaries begins.
    fn summaries(self, arena: &Arena<'_>) -> At {
        self.field(head_words(self.instances(arena), 0))
    }

    /// The innermost summary that it rests on, and the level of that.
    pub fn owner(self, arena: &Arena<'_>) -> Option<(Trial, usize)> {
        let level = self.nest(arena).checked_sub(1)?;
        Some((Trial(low(arena.word(self.summaries(arena)))), level as usize))
    }

    /// The next state that rests on the same summary.
    pub fn next_resting(self, arena: &Arena<'_>) -> At {
        if self.nest(arena) == 0 { NONE } else { high(arena.word(self.summaries(arena))) }
    }

    pub fn set_next_resting(self, arena: &mut Arena<'_>, next: At) {
        if self.nest(arena) > 0 {
            let at = self.summaries(arena);
            let owner = low(arena.word(at));
            arena.set(at, pair(owner, next));
        }
    }

    /// The costliest paths from here.
    pub fn tail(self, arena: &Arena<'_>) -> Tail {
        let mut tail = self.ways(arena);
        let mut at = self.summaries(arena).saturating_add(1);
        for back in tail.back.iter_mut().take(self.nest(arena) as usize) {
            *back = Meter::load(arena, at);
            at = at.saturating_add(Meter::WORDS);
        }
        tail
    }

    pub fn snapshot(self, arena: &Arena<'_>) -> Snapshot {
        Snapshot(self.field(head_words(self.instances(arena), self.nest(arena))))
    }

    pub fn words(self, arena: &Arena<'_>) -> usize {
        let snapshot = self.snapshot(arena);
        self.with_head(snapshot, snapshot.words(arena))
    }

    /// What comparing with it counts as.
    pub fn weight(self, arena: &Arena<'_>) -> usize {
        let snapshot = self.snapshot(arena);
        self.with_head(snapshot, snapshot.weight(arena))
    }

    /// What is said of its snapshot, with what is in front of that.
    pub const fn with_head(self, snapshot: Snapshot, of: u32) -> usize {
        of.saturating_add(snapshot.0.saturating_sub(self.0)) as usize
    }

    pub fn kill(self, arena: &mut Arena<'_>) {
        let flags = self.flags(arena) | DEAD;
        self.set_flags(arena, flags);
    }

    pub fn is_dead(self, arena: &Arena<'_>) -> bool {
        self.flags(arena) & DEAD != 0
    }

    pub fn hits(self, arena: &Arena<'_>) -> u32 {
        self.flags(arena) & COUNT
    }

    /// Counts a comparison; whether the state is still worth its room.
    pub fn count(self, arena: &mut Arena<'_>, hit: bool) -> bool {
        let flags = self.flags(arena);
        let (hits, misses) = (flags & COUNT, flags.wrapping_shr(MISSES_SHIFT) & COUNT);
        let more = u32::from(if hit { hits < COUNT } else { misses < COUNT });
        let unit = if hit { 1 } else { 1 << MISSES_SHIFT };
        self.set_flags(arena, flags.saturating_add(more.saturating_mul(unit)));
        hit || misses.saturating_add(more) <= hits.saturating_mul(MISSES).saturating_add(MISSES)
    }
}
