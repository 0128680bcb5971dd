//! What is kept of a node from which paths are still to be walked.

use crate::arena::{Arena, At, NONE, high, low, pair};
use crate::core::trial::Trial;
use crate::meter::Meter;
use crate::state::snapshot::Snapshot;
use crate::tail::Tail;

/// A state that is kept.
///
/// Its words: parent, and the next node at the same instruction; instruction,
/// and branches that are still to be walked; marks of numbers; marks of bytes;
/// the trail from the parent; lengths of that and of the nest of summaries, and a serial
/// number; the costs to the end. Where the program has loops that
/// something else than a number bounds, there are four about rounds, and the rounds
/// behind the node. Inside of summaries there are, furthermore, the
/// innermost one, and the costs back to the head of each. The costs from the parent come
/// last, and then the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node(pub At);

/// Lengths of the trail and of the nest of summaries, and a number that is greater than
/// those of all nodes before it.
pub(super) const LENGTHS: u32 = 5;
const EXIT: u32 = 6;
const FIXED: u32 = EXIT + Meter::WORDS;
/// What [`rounds`](super::rounds) keeps of the loops that a node takes part in, if there
/// are any: four words.
pub(super) const ROUNDS: u32 = FIXED;
const BEHIND: u32 = ROUNDS + 4;
const WITH_ROUNDS: u32 = BEHIND + 2 * Tail::ROUNDS_WORDS;

/// Beside the length of the trail: the node has something about rounds.
const HAS_ROUNDS: u32 = 1 << 12;
/// In the same place: the costs from the parent take all words that costs can take.
const LONG_SEGMENT: u32 = 1 << 13;
/// In the same place: see [`Node::is_apart`].
const APART: u32 = 1 << 14;
/// In the same place: see [`Node::is_behind_refusal`].
const REFUSED: u32 = 1 << 10;
/// In the same place: see [`Node::is_spent`].
const SPENT: u32 = 1 << 15;
/// Beside the length of the trail: see [`Node::rest_within`].
const WITHIN_SHIFT: u32 = 16;
/// As many summaries as there are at the most.
const WITHIN: u32 = 0xf;
/// Beside the length of the trail: see [`Node::generation`].
const GENERATION_SHIFT: u32 = 8;
/// In the same place: how many summaries it is in.
const NEST_SHIFT: u32 = 28;
/// More are not told apart.
pub(super) const MAX_GENERATION: u32 = 3;

/// A new node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fresh {
    pub pc: u32,
    pub parent: At,
    pub trail: u64,
    pub trail_len: u32,
    pub segment: Meter,
    /// Whether there are loops to keep something about.
    pub rounds: bool,
    /// See [`Node::is_behind_refusal`].
    pub refused: bool,
    /// See [`Node::is_apart`].
    pub apart: bool,
    /// The innermost summary around it, and how many there are.
    pub owner: Trial,
    pub nest: u32,
}

impl Node {
    pub const fn field(self, index: u32) -> At {
        self.0.wrapping_add(index)
    }

    /// Words of a node in so many summaries, without its snapshot.
    pub fn head_words(rounds: bool, nest: u32, segment: Meter) -> u32 {
        Self::words_to_segment(rounds, nest).saturating_add(segment.least_words())
    }

    /// Words before the costs from the parent.
    const fn words_to_segment(rounds: bool, nest: u32) -> u32 {
        let fixed = if rounds { WITH_ROUNDS } else { FIXED };
        if nest == 0 {
            return fixed;
        }
        fixed.saturating_add(nest.saturating_mul(Meter::WORDS)).saturating_add(1)
    }

    /// Words before what it keeps of the summaries.
    fn fixed_words(self, arena: &Arena<'_>) -> u32 {
        Self::words_to_segment(self.has_rounds(arena), 0)
    }

    fn own_words_to_segment(self, arena: &Arena<'_>) -> u32 {
        Self::words_to_segment(self.has_rounds(arena), self.nest(arena))
    }

    fn segment_words(self, arena: &Arena<'_>) -> u32 {
        let long = low(arena.word(self.field(LENGTHS))) & LONG_SEGMENT != 0;
        if long { Meter::WORDS } else { 1 }
    }

    fn own_head_words(self, arena: &Arena<'_>) -> u32 {
        self.own_words_to_segment(arena).saturating_add(self.segment_words(arena))
    }

    /// Whether it keeps something about rounds.
    pub(super) fn has_rounds(self, arena: &Arena<'_>) -> bool {
        low(arena.word(self.field(LENGTHS))) & HAS_ROUNDS != 0
    }

    pub fn write(self, arena: &mut Arena<'_>, fresh: &Fresh) {
        arena.set(self.0, pair(fresh.parent, NONE));
        arena.set(self.field(1), pair(fresh.pc, 1));
        arena.set(self.field(2), 0);
        arena.set(self.field(3), 0);
        arena.set(self.field(4), fresh.trail);
        let rounds = if fresh.rounds { HAS_ROUNDS } else { 0 };
        let long = if fresh.segment.least_words() > 1 { LONG_SEGMENT } else { 0 };
        let apart = if fresh.apart { APART } else { 0 };
        let refused = if fresh.refused { REFUSED } else { 0 };
        let lengths =
            fresh.trail_len | rounds | refused | long | apart | fresh.nest.wrapping_shl(NEST_SHIFT);
        arena.set(self.field(LENGTHS), lengths.into());
        let segment = self.field(self.own_words_to_segment(arena));
        fresh.segment.store_small(arena, segment);
        self.set_owner(arena, fresh.owner);
        self.set_tail(arena, &Tail::NONE);
    }

    pub fn parent(self, arena: &Arena<'_>) -> At {
        low(arena.word(self.0))
    }

    pub fn next(self, arena: &Arena<'_>) -> At {
        high(arena.word(self.0))
    }

    pub fn set_next(self, arena: &mut Arena<'_>, next: At) {
        let parent = self.parent(arena);
        arena.set(self.0, pair(parent, next));
    }

    /// Lets the node name its child in the place of its parent: a path is
    /// turned round when the walk is over.
    pub fn set_parent(self, arena: &mut Arena<'_>, parent: At) {
        let next = self.next(arena);
        arena.set(self.0, pair(parent, next));
    }

    pub fn pc(self, arena: &Arena<'_>) -> usize {
        low(arena.word(self.field(1))) as usize
    }

    pub fn branches(self, arena: &Arena<'_>) -> u32 {
        high(arena.word(self.field(1)))
    }

    pub fn set_branches(self, arena: &mut Arena<'_>, branches: u32) {
        let pc = low(arena.word(self.field(1)));
        arena.set(self.field(1), pair(pc, branches));
    }

    pub fn add_branch(self, arena: &mut Arena<'_>) {
        let branches = self.branches(arena).saturating_add(1);
        self.set_branches(arena, branches);
    }

    pub fn precise(self, arena: &Arena<'_>) -> u64 {
        arena.word(self.field(2))
    }

    pub fn set_precise(self, arena: &mut Arena<'_>, bits: u64) {
        arena.set(self.field(2), bits);
    }

    pub fn read(self, arena: &Arena<'_>) -> u64 {
        arena.word(self.field(3))
    }

    pub fn set_read(self, arena: &mut Arena<'_>, bits: u64) {
        arena.set(self.field(3), bits);
    }

    /// Whether the last head of a loop on the path, if a node was made there, is one where the
    /// state differed from those of earlier rounds: in no circle does the path come here again
    /// before it comes there.
    pub fn is_apart(self, arena: &Arena<'_>) -> bool {
        low(arena.word(self.field(LENGTHS))) & APART != 0
    }

    /// Whether the allowance of `may_goto` was used up on the way here.
    pub fn is_behind_refusal(self, arena: &Arena<'_>) -> bool {
        low(arena.word(self.field(LENGTHS))) & REFUSED != 0
    }

    /// Whether what follows from it was walked knowing that the allowance of `may_goto` is used
    /// up: it stands for no state where that is not so.
    pub fn is_spent(self, arena: &Arena<'_>) -> bool {
        low(arena.word(self.field(LENGTHS))) & SPENT != 0
    }

    pub fn set_spent(self, arena: &mut Arena<'_>) {
        let word = arena.word(self.field(LENGTHS));
        arena.set(self.field(LENGTHS), word | u64::from(SPENT));
    }

    /// What follows from it rests on what the summary at a level says of numbers that are named
    /// at its head, and not on bounds alone: it stands for no other state where these have other
    /// names.
    pub fn rest_within(self, arena: &mut Arena<'_>, level: u32) {
        let within = self.within(arena).max(level.saturating_add(1)).min(WITHIN);
        let word = arena.word(self.field(LENGTHS)) & !u64::from(WITHIN.wrapping_shl(WITHIN_SHIFT));
        arena.set(self.field(LENGTHS), word | u64::from(within.wrapping_shl(WITHIN_SHIFT)));
    }

    /// The number of summaries up to that one; 0, if there is none.
    fn within(self, arena: &Arena<'_>) -> u32 {
        low(arena.word(self.field(LENGTHS))).wrapping_shr(WITHIN_SHIFT) & WITHIN
    }

    /// Whether it serves comparisons once all `paths` from it were walked: where one goes back to
    /// the head of a summary, those names are to be the same anyway, and the node goes with it.
    pub fn stands_for_others(self, arena: &Arena<'_>, paths: &Tail) -> bool {
        let within = self.within(arena);
        let levels = paths.level().map_or(0, |level| level.saturating_add(1));
        within as usize <= levels
    }

    /// The jumps that led here from the parent, and how many.
    pub fn trail(self, arena: &Arena<'_>) -> (u64, u32) {
        (arena.word(self.field(4)), low(arena.word(self.field(LENGTHS))) & 0xff)
    }

    /// How often the state was made one with others.
    pub fn generation(self, arena: &Arena<'_>) -> u32 {
        low(arena.word(self.field(LENGTHS))).wrapping_shr(GENERATION_SHIFT) & MAX_GENERATION
    }

    pub fn set_generation(self, arena: &mut Arena<'_>, generation: u32) {
        let word = arena.word(self.field(LENGTHS));
        let bits = generation.min(MAX_GENERATION).wrapping_shl(GENERATION_SHIFT);
        arena.set(self.field(LENGTHS), word | u64::from(bits));
    }

    /// How many summaries the node is in.
    pub fn nest(self, arena: &Arena<'_>) -> u32 {
        low(arena.word(self.field(LENGTHS))).wrapping_shr(NEST_SHIFT)
    }

    /// The innermost of them.
    pub fn owner(self, arena: &Arena<'_>) -> Trial {
        if self.nest(arena) == 0 {
            return Trial(NONE);
        }
        Trial(low(arena.word(self.field(self.fixed_words(arena)))))
    }

    /// From now on the innermost one that matters to it.
    pub fn set_owner(self, arena: &mut Arena<'_>, owner: Trial) {
        if self.nest(arena) > 0 {
            let at = self.field(self.fixed_words(arena));
            arena.set(at, pair(owner.0, NONE));
        }
    }

    /// The costliest paths from here.
    pub fn tail(self, arena: &Arena<'_>) -> Tail {
        let exit = Meter::load(arena, self.field(EXIT));
        let instances = if self.has_rounds(arena) { 2 } else { 0 };
        let mut tail = Tail::load(arena, exit, self.field(BEHIND), instances);
        let mut at = self.field(self.fixed_words(arena)).saturating_add(1);
        for back in tail.back.iter_mut().take(self.nest(arena) as usize) {
            *back = Meter::load(arena, at);
            at = at.saturating_add(Meter::WORDS);
        }
        tail
    }

    pub fn set_tail(self, arena: &mut Arena<'_>, tail: &Tail) {
        tail.exit().store(arena, self.field(EXIT));
        if self.has_rounds(arena) {
            tail.store_rounds(arena, self.field(BEHIND), 2);
        }
        let mut at = self.field(self.fixed_words(arena)).saturating_add(1);
        for back in tail.back.iter().take(self.nest(arena) as usize) {
            back.store(arena, at);
            at = at.saturating_add(Meter::WORDS);
        }
    }

    /// The costliest path from here, where there is nothing but the program's end that one
    /// could lead to.
    pub fn only_exit(self, arena: &Arena<'_>) -> Option<Meter> {
        let only = !self.has_rounds(arena) && self.nest(arena) == 0;
        only.then(|| Meter::load(arena, self.field(EXIT)))
    }

    /// These paths lead away from here, too, behind a stretch of this cost.
    pub fn add_paths(self, arena: &mut Arena<'_>, paths: &Tail, before: Meter) {
        if let Some(exit) = self.only_exit(arena) {
            let exit = exit.max(before.then(paths.exit()));
            return exit.store(arena, self.field(EXIT));
        }
        let tail = self.tail(arena).max(&paths.after(before));
        self.set_tail(arena, &tail);
    }

    pub fn segment(self, arena: &Arena<'_>) -> Meter {
        let at = self.field(self.own_words_to_segment(arena));
        Meter::load_small(arena, at, self.segment_words(arena))
    }

    #[inline]
    pub fn snapshot(self, arena: &Arena<'_>) -> Snapshot {
        // Most nodes have nothing of what varies in size.
        let lengths = low(arena.word(self.field(LENGTHS)));
        if lengths & (HAS_ROUNDS | LONG_SEGMENT) == 0 && lengths.wrapping_shr(NEST_SHIFT) == 0 {
            return Snapshot(self.field(FIXED.wrapping_add(1)));
        }
        Snapshot(self.field(self.own_head_words(arena)))
    }

    pub fn words(self, arena: &Arena<'_>) -> usize {
        let head = self.own_head_words(arena);
        self.snapshot(arena).words(arena).saturating_add(head) as usize
    }

    /// Words that it would take with all entries of its state.
    pub fn weight(self, arena: &Arena<'_>) -> usize {
        let head = self.own_head_words(arena);
        self.snapshot(arena).weight(arena).saturating_add(head) as usize
    }
}
