//! What a walk may cost.
//!
//! The limit that callers set is one of instructions walked. What else takes time,
//! states above all, is counted twice. As *steps*, so far as states are large, for
//! what attempts may take; and as *work*, in words of states that are handled, with
//! every instruction as so many words. A walk that does more work than its limit of
//! instructions gives leave to ends, so that no program takes long to refuse.

use bpf_bytecode::instruction::Instruction;

use super::done::Done;
use super::node::Node;
use super::{Explorer, Step, reject};
use crate::error::VerifyErrorKind;
use crate::state::snapshot::Snapshot;

/// Words of a state that are handled without a charge in steps; ordinary states
/// have fewer.
const FREE_WORDS: usize = 128;
/// Further words whose handling counts as a step, as a power of two.
const STATE_STEP_SHIFT: u32 = 5;

/// Steps that an instruction gives back which is come to for the first time: those of
/// a loop are walked in several phases.
const NEW_STEPS: u64 = 8;

/// Work of an instruction.
const INSN_WORK: u64 = 32;
/// Work for each instruction of the limit: as much as an instruction's, which leaves none for
/// states where all of the limit is walked. Of the programs that Linux accepts, none was found
/// to need all of it; and what a word takes is such that the worst found end within a second.
const WORK_PER_STEP: u64 = INSN_WORK;
/// Work for a word of a state that is kept: it is measured, and written.
const KEPT_WORK: u64 = 1;
/// Work for a word of a state that waits: it is read again, too.
const WAITING_WORK: u64 = 2;
/// Work for a word of a state of which each part is taken up by itself.
const PART_WORK: u64 = 2;
/// Work for a node of the path that is passed: mostly it lies in no cache.
const NODE_WORK: u64 = 3;
/// Definitions of maps, or of their fields, that are passed in the time of a word's work.
const DEFINITIONS_A_WORD: usize = 8;
/// The same of bytes that are compared with one.
const BYTES_A_WORD: usize = 16;

impl Explorer<'_> {
    /// Steps so far: instructions walked, and what counts as such.
    pub(super) const fn steps(&self) -> u64 {
        self.figures.processed.saturating_add(self.figures.handled)
    }

    /// Steps so far, where each instruction that no path came to before gives back
    /// some: a phase of an attempt lasts too long by this clock. One that goes on and
    /// on through new code does not, such as that of the first of many loops.
    pub(super) fn clock(&self) -> u64 {
        let slots = self.code.insns.len() as u64;
        let new = slots.saturating_sub(self.figures.reached);
        self.steps().saturating_add(new.saturating_mul(NEW_STEPS))
    }

    /// Work that the limit of instructions gives leave to.
    pub(super) const fn work_limit(&self) -> u64 {
        self.rules.steps.saturating_mul(WORK_PER_STEP)
    }

    /// Refuses to go on where the limit is reached.
    pub(super) fn check_budget(&self) -> Step {
        let limit = self.rules.steps;
        if self.steps() >= limit || self.figures.work >= self.work_limit() {
            return reject(VerifyErrorKind::TooComplex { limit });
        }
        Ok(())
    }

    /// Counts an instruction that is walked.
    pub(super) fn count(&mut self, insn: &Instruction) {
        self.figures.processed = self.figures.processed.saturating_add(1);
        let cells = u64::from(self.state.cells.len());
        // Some look through the whole state, or move a part of it.
        let passed = match insn {
            Instruction::JumpIf { .. } => cells.saturating_mul(2),
            Instruction::Call(_) => cells.saturating_mul(2).saturating_add(self.tables()),
            Instruction::Store { .. } | Instruction::Atomic { .. } => {
                (cells / 2).saturating_add(self.tables())
            }
            Instruction::Load { .. } => self.tables(),
            _ => 0,
        };
        self.work(INSN_WORK.saturating_add(passed));
    }

    /// Work of whoever looks through the definitions of all maps, or all their special fields.
    const fn tables(&self) -> u64 {
        (self.maps.len().saturating_add(self.fields.len()) / DEFINITIONS_A_WORD) as u64
    }

    /// Counts that some cells of the state are looked at, by an instruction that mostly looks
    /// at none.
    pub(super) fn charge_cells(&mut self, cells: u32) {
        self.work(u64::from(cells.min(self.state.cells.len())) / 2);
    }

    /// Counts that so many bytes of a map's contents are looked through.
    pub(super) fn charge_bytes(&mut self, bytes: usize) {
        self.work((bytes / BYTES_A_WORD) as u64);
    }

    /// Counts work.
    pub(super) fn work(&mut self, words: u64) {
        self.figures.work = self.figures.work.saturating_add(words);
    }

    /// Counts a comparison with a state of so many words, or the like.
    pub(super) fn charge(&mut self, words: usize) {
        let charged = words.saturating_sub(FREE_WORDS);
        let steps = charged.wrapping_shr(STATE_STEP_SHIFT) as u64;
        self.figures.handled = self.figures.handled.saturating_add(steps);
        self.work(words as u64);
    }

    /// Counts a comparison with a node.
    pub(super) fn charge_node(&mut self, node: Node) {
        self.charge(node.weight(&self.arena));
    }

    /// Counts a comparison with a done node, of whose state so many entries were looked at.
    #[inline]
    pub(super) fn charge_compared(&mut self, node: Done, old: Snapshot, looked: u32) {
        let (weight, all) = old.stripped_size(&self.arena);
        let looked = looked.min(all);
        let part = u64::from(weight).wrapping_mul(u64::from(looked).wrapping_add(1));
        let part = part.checked_div(u64::from(all).wrapping_add(1)).unwrap_or(0);
        self.charge(node.with_head(old, u32::try_from(part).unwrap_or(weight)));
    }

    /// Counts that a state of so many words is kept.
    pub(super) fn charge_kept(&mut self, words: usize) {
        self.charge(words);
        self.work((words as u64).saturating_mul(KEPT_WORK));
    }

    /// Counts that each part of a state of so many words is taken up by itself, as where what
    /// a loop does to it is looked for.
    pub(super) fn charge_parts(&mut self, words: u32) {
        self.work(u64::from(words).saturating_mul(PART_WORK));
    }

    /// Counts that so many nodes of the path are passed, which lie anywhere.
    pub(super) fn charge_nodes(&mut self, nodes: u64) {
        self.work(nodes.saturating_mul(NODE_WORK));
    }

    /// Counts that a state of so many words waits for its turn.
    pub(super) fn charge_waiting(&mut self, words: usize) {
        self.work((words as u64).saturating_mul(WAITING_WORK));
    }
}
