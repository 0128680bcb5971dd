//! What a verification took.

use super::Explorer;
use super::done::Done;
use super::node::Node;
use crate::arena::{Arena, At, NONE, high, low};

/// What a verification took, whichever way it ended.
#[derive(Clone, Copy)]
pub struct Effort<'a>(&'a Explorer<'a>);

impl<'a> Effort<'a> {
    pub(crate) const fn new(explorer: &'a Explorer<'a>) -> Self {
        Self(explorer)
    }

    /// Instructions that were walked, as in `processed N insns`.
    pub const fn processed(&self) -> u64 {
        self.0.figures.processed
    }

    /// Instructions that may be walked.
    pub const fn limit(&self) -> u64 {
        self.0.rules.steps
    }

    /// All that was done, in words of states that were handled. An instruction is
    /// as much as 32 of them.
    pub const fn work(&self) -> u64 {
        self.0.figures.work
    }

    /// Work that may be done; the last step may go a little beyond.
    pub const fn work_limit(&self) -> u64 {
        self.0.work_limit()
    }

    /// States kept, all together.
    pub const fn total_states(&self) -> u32 {
        self.0.figures.total_states
    }

    /// States kept at one time, at the most.
    pub const fn peak_states(&self) -> u32 {
        self.0.figures.peak_states
    }

    /// Bytes of working memory used at the most.
    pub fn workspace_bytes(&self) -> usize {
        self.0.arena.peak_bytes()
    }

    /// States that are kept for one instruction at the end, at the most. They
    /// are counted when this is called.
    pub fn max_states_per_insn(&self) -> u32 {
        let arena = &self.0.arena;
        let count = |first: At, next: fn(At, &Arena<'_>) -> At| {
            let list = core::iter::successors(Some(first), |at| Some(next(*at, arena)));
            list.take_while(|at| *at != NONE).fold(0_u32, |sum, _| sum.saturating_add(1))
        };
        let at_point = |point| {
            let word = arena.word(point);
            let open = count(low(word), |at, arena| Node(at).next(arena));
            open.saturating_add(count(high(word), |at, arena| Done(at).next(arena)))
        };
        self.0.code.points().map(at_point).max().unwrap_or(0)
    }
}
