//! States that wait for their turn: the other sides of branches.

use bpf_bytecode::Register;
use bpf_bytecode::instruction::{Instruction, Operand};

use super::branch::side_of;
use super::node::Node;
use super::trial::Trial;
use super::{Explorer, Step, Walker};
use crate::arena::{Arena, At, NONE, high, low, pair};
use crate::cfg::slot_number;
use crate::meter::Meter;
use crate::state::State;
use crate::state::snapshot::{ALL_REGS, PLAIN_WORDS, Plain, Plan, Snapshot};

const METER: u32 = 4;

/// Beside the length of the trail: the state is a copy, in another block.
const PLAIN: u32 = 1 << 24;
/// In the same place: it is a snapshot in another block.
const APART: u32 = 1 << 25;

/// In the same place: the meter takes all words that one can take.
const LONG_METER: u32 = 1 << 26;
/// In the same place: the state is a copy of what the last nodes do not hold, in this
/// block.
const NEAR: u32 = 1 << 27;

/// Words of all states that wait as they are, at the most: those that came last. The last ones
/// are mostly the first to be taken up; when one has waited for longer, it is made small.
#[cfg(feature = "cloud-profile")]
const MOST_PLAIN: u32 = 3072;
#[cfg(feature = "embedded-profile")]
const MOST_PLAIN: u32 = 0;
/// Words of one that waits without what the last nodes hold, at the most.
const MOST_NEAR: u32 = 128;
/// How often copies may be made small in vain, on balance.
const WORTH: u32 = 16;
/// Words of one of them that are handled in the time of a word's work.
const PLAIN_WORDS_A_WORD: u32 = 4;
/// The same of copies that are passed.
const COPIES_A_WORD: u32 = 8;

/// The states that wait as they are.
#[derive(Clone, Copy)]
pub(super) struct Copies {
    /// The one that came last, of those that are counted; each names the one before it.
    last: At,
    count: u32,
    /// Words that they have.
    words: u32,
    /// What they saved lately: each that was taken up as it was is worth one that was not.
    worth: u32,
    /// Nothing was taken up since the last state was kept.
    fresh: bool,
}

impl Copies {
    pub const NONE: Self = Self { last: NONE, count: 0, words: 0, worth: WORTH, fresh: false };

    /// The walk begins elsewhere, or goes on where it was left off: what waits as it is in
    /// another one stays so.
    pub const fn leave(&mut self) {
        (self.last, self.count, self.words) = (NONE, 0, 0);
    }

    /// There is one more, of so many words.
    const fn add(&mut self, last: At, words: u32) {
        self.last = last;
        self.count = self.count.saturating_add(1);
        self.words = self.words.saturating_add(words);
    }

    /// There is one less, of so many words.
    const fn remove(&mut self, words: u32) {
        self.count = self.count.saturating_sub(1);
        self.words = self.words.saturating_sub(words);
    }
}

/// A state that waits: its block.
#[derive(Clone, Copy)]
struct Waiting(At);

impl Waiting {
    const fn field(self, index: u32) -> At {
        self.0.saturating_add(index)
    }

    /// Length of the trail, forks, and where the state is.
    fn form(self, arena: &Arena<'_>) -> u32 {
        high(arena.word(self.field(1)))
    }

    fn set_form(self, arena: &mut Arena<'_>, form: u32) {
        let pc = low(arena.word(self.field(1)));
        arena.set(self.field(1), pair(pc, form));
    }

    fn meter_words(self, arena: &Arena<'_>) -> u32 {
        if self.form(arena) & LONG_METER != 0 { Meter::WORDS } else { 1 }
    }

    fn meter(self, arena: &Arena<'_>) -> Meter {
        Meter::load_small(arena, self.field(METER), self.meter_words(arena))
    }

    /// Where the state is, or where that says it is.
    fn state(self, arena: &Arena<'_>) -> At {
        self.field(head_words(self.meter_words(arena)))
    }

    fn parent(self, arena: &Arena<'_>) -> Node {
        Node(low(arena.word(self.0)))
    }

    /// The one that waited before it.
    fn next(self, arena: &Arena<'_>) -> Self {
        Self(high(arena.word(self.0)))
    }

    /// Of a copy, the one that was made before it.
    fn copy_before(self, arena: &Arena<'_>) -> At {
        high(arena.word(self.state(arena)))
    }

    fn set_held(self, arena: &mut Arena<'_>, held: At, before: At) {
        arena.set(self.state(arena), pair(held, before));
    }

    /// The block of a state that does not lie behind it.
    fn held(self, arena: &Arena<'_>) -> At {
        low(arena.word(self.state(arena)))
    }

    /// Makes `state` what waits.
    fn load(self, arena: &mut Arena<'_>, state: &mut State) -> Step {
        let form = self.form(arena);
        let last = self.parent(arena).snapshot(arena);
        let inside = form & (PLAIN | APART) == 0;
        let at = if inside { self.state(arena) } else { self.held(arena) };
        if form & (PLAIN | NEAR) != 0 {
            return Ok(Plain(at).load(arena, state, last)?);
        }
        Ok(Snapshot(at).resume(arena, state, last)?)
    }

    fn free(self, arena: &mut Arena<'_>) {
        let form = self.form(arena);
        if form & (PLAIN | APART) == 0 {
            let (at, head) = (self.state(arena), head_words(self.meter_words(arena)));
            let near = form & NEAR != 0;
            let words = if near { Plain(at).words(arena) } else { Snapshot(at).words(arena) };
            return arena.free(self.0, head.saturating_add(words) as usize);
        }
        let (held, own) = (self.held(arena), held_words(self.meter_words(arena)));
        let plain = form & PLAIN != 0;
        let words = if plain { Plain(held).words(arena) } else { Snapshot(held).words(arena) };
        arena.free(held, words as usize);
        arena.free(self.0, own);
    }
}

/// Words before the state, by those of the meter.
const fn head_words(meter: u32) -> u32 {
    METER.saturating_add(meter)
}

/// Words of one whose state is in another block, by those of the meter.
const fn held_words(meter: u32) -> usize {
    head_words(meter).saturating_add(1) as usize
}

impl Explorer<'_> {
    /// Keeps the state as it is before the branch at the current instruction, which is `insn`,
    /// to go on later where the condition holds.
    pub(super) fn fork(&mut self, insn: &Instruction) -> Step {
        let (waiting, form) = match self.keep_plain()? {
            Some(waiting) => (waiting, PLAIN),
            None => match self.keep_near(insn) {
                Some(waiting) => (waiting, NEAR),
                None => (self.keep_small(insn)?, 0),
            },
        };
        self.walker.forks = self.walker.forks.saturating_add(1);
        self.walker.lonely = 0;
        self.copies.fresh = true;
        let Walker { pc, parent, meter, trail, trail_len, forks, grants, active, .. } = self.walker;
        let long = if meter.least_words() > 1 { LONG_METER } else { 0 };
        let form = trail_len | forks.min(0xffff).wrapping_shl(8) | form | long;
        let arena = &mut self.arena;
        arena.set(waiting.0, pair(parent, self.pending));
        arena.set(waiting.field(1), pair(slot_number(pc), form));
        arena.set(waiting.field(2), trail);
        arena.set(waiting.field(3), pair(active.0, grants));
        meter.store_small(arena, waiting.field(METER));
        Node(parent).add_branch(arena);
        self.pending = waiting.0;
        Ok(())
    }

    /// Keeps the state as a snapshot.
    fn keep_small(&mut self, insn: &Instruction) -> Step<Waiting> {
        let kept = Some(self.read_where_taken(insn));
        let last = self.last_kept();
        let plan = Plan::new(&mut self.state, &self.arena, last, kept);
        self.charge_waiting(plan.weight as usize);
        let head = head_words(self.walker.meter.least_words());
        let waiting = Waiting(self.alloc(plan.words.saturating_add(head) as usize)?);
        let to = waiting.field(head);
        Snapshot::write_planned(&self.state, &mut self.arena, to, &plan);
        Ok(waiting)
    }

    /// Keeps a copy of the state, if that is not too large, and there is room.
    fn keep_plain(&mut self) -> Step<Option<Waiting>> {
        if MOST_PLAIN == 0 || self.copies.worth == 0 {
            return Ok(None);
        }
        let words = Plain::words_for(&self.state);
        if words > PLAIN_WORDS {
            return Ok(None);
        }
        // There are never more.
        while self.copies.count > 0 && self.copies.words.saturating_add(words) > MOST_PLAIN {
            self.make_small()?;
        }
        // Nothing is given up for it.
        let meter = self.walker.meter.least_words();
        let own = held_words(meter);
        let Ok(at) = self.arena.alloc(own) else { return Ok(None) };
        let Ok(held) = self.arena.alloc(words as usize) else {
            self.arena.free(at, own);
            return Ok(None);
        };
        self.work((words / PLAIN_WORDS_A_WORD).into());
        let last = self.last_kept();
        Plain::write(&self.state, &mut self.arena, held, last);
        let state = Waiting(at).field(head_words(meter));
        self.arena.set(state, pair(held, self.copies.last));
        self.copies.add(at, words);
        Ok(Some(Waiting(at)))
    }

    /// Keeps a copy of the registers, and of the cells that were set since the last nodes, if
    /// these are few, and there is room.
    fn keep_near(&mut self, insn: &Instruction) -> Option<Waiting> {
        if MOST_PLAIN == 0 {
            return None;
        }
        let last = self.last_kept()?;
        let (arena, state) = (&self.arena, &self.state);
        let regs = self.read_where_taken(insn);
        let alike = last.has_cells_of(arena, state);
        let words = if alike {
            Plain::words_without_cells(state, regs)
        } else if last.is_noted(arena, state) {
            Plain::words_with_names(state, arena, regs)
        } else {
            return None;
        };
        if words > MOST_NEAR {
            return None;
        }
        let head = head_words(self.walker.meter.least_words());
        // Nothing is given up for it.
        let waiting = Waiting(self.arena.alloc(words.saturating_add(head) as usize).ok()?);
        self.charge_waiting(words.saturating_add(self.state.cells.len()) as usize);
        let to = waiting.field(head);
        if alike {
            Plain::write_alike(&self.state, &mut self.arena, to, last, regs);
        } else {
            Plain::write_with_names(&self.state, &mut self.arena, (to, words), last, regs);
        }
        Some(waiting)
    }

    /// Makes the one of the copies that has waited longest a snapshot.
    fn make_small(&mut self) -> Step {
        let (mut waiting, mut after) = (Waiting(self.copies.last), NONE);
        for _ in 1..self.copies.count {
            (after, waiting) = (waiting.0, Waiting(waiting.copy_before(&self.arena)));
        }
        self.work((self.copies.count / COPIES_A_WORD).into());
        let held = Plain(waiting.held(&self.arena));
        let last = waiting.parent(&self.arena).snapshot(&self.arena);
        held.load(&mut self.arena, &mut self.scratch, last)?;
        let plan = Plan::new(&mut self.scratch, &self.arena, Some(last), Some(ALL_REGS));
        let cells = self.scratch.cells.len();
        self.charge_waiting(plan.weight as usize);
        let small = self.alloc(plan.words as usize);
        if let Ok(at) = small {
            if self.scratch.cells.len() < cells {
                // They went with what was given up for the snapshot.
                held.load(&mut self.arena, &mut self.scratch, last)?;
            }
            Snapshot::write_planned(&self.scratch, &mut self.arena, at, &plan);
            let words = held.words(&self.arena);
            self.arena.free(held.0, words as usize);
            self.copies.remove(words);
            let form = waiting.form(&self.arena) & !PLAIN | APART;
            waiting.set_form(&mut self.arena, form);
            waiting.set_held(&mut self.arena, at, NONE);
            let after = Waiting(after);
            if after.0 == NONE {
                self.copies.last = NONE;
            } else {
                let held = after.held(&self.arena);
                after.set_held(&mut self.arena, held, NONE);
            }
            self.copies.worth = self.copies.worth.saturating_sub(1);
        }
        // The node in which its cells lie does not stay for its sake.
        self.scratch.forget_kept();
        small.map(|_| ())
    }

    /// Registers that the instruction compares, and those that are live where it jumps to, if
    /// that is known; the rest is forgotten there in any case.
    fn read_where_taken(&self, insn: &Instruction) -> u16 {
        match *insn {
            Instruction::JumpIf { dst, src, .. } if !self.code.has_rounds() => {
                let read = |register: Register| 1_u16.wrapping_shl(register.number().into());
                let other = if let Operand::Reg(src) = src { read(src) } else { 0 };
                let target = side_of(insn, self.walker.pc, true);
                self.code.live(&self.arena, target) | read(dst) | other
            }
            _ => ALL_REGS,
        }
    }

    /// Goes on with the state that waits since last, if there is one.
    pub(super) fn next_path(&mut self) -> Step<bool> {
        let waiting = Waiting(self.pending);
        if waiting.0 == NONE {
            return Ok(false);
        }
        let form = waiting.form(&self.arena);
        let word = |index: u32| self.arena.word(waiting.field(index));
        self.walker = Walker {
            pc: low(word(1)) as usize,
            parent: low(word(0)),
            meter: waiting.meter(&self.arena),
            trail: word(2),
            trail_len: form & 0xff,
            forks: form.wrapping_shr(8) & 0xffff,
            lonely: 0,
            grants: high(word(3)),
            active: Trial(low(word(3))),
        };
        self.resumed = Some(self.walker.pc);
        // A copy was, or would have been, of use.
        let fresh = core::mem::take(&mut self.copies.fresh);
        if fresh || form & PLAIN != 0 {
            self.copies.worth = self.copies.worth.saturating_add(1).min(2 * WORTH);
        }
        self.load_with_room(|arena, state| waiting.load(arena, state))?;
        self.drop_pending();
        let insn = self.code.insn(self.walker.pc)?;
        self.walker.pc = self.take_side(&insn, true)?;
        Ok(true)
    }

    /// Where the states that wait go on, the last one first.
    pub(super) fn waiting_at(&self) -> impl Iterator<Item = usize> + '_ {
        let some = |at: At| (at != NONE).then_some(Waiting(at));
        let all = core::iter::successors(some(self.pending), move |waiting| {
            some(waiting.next(&self.arena).0)
        });
        all.map(|waiting| {
            let pc = low(self.arena.word(waiting.field(1))) as usize;
            self.code.jump_target(pc)
        })
    }

    /// Forgets the state that waits since last.
    pub(super) fn drop_pending(&mut self) {
        let waiting = Waiting(self.pending);
        if waiting.0 == self.copies.last {
            self.copies.last = waiting.copy_before(&self.arena);
            let words = Plain(waiting.held(&self.arena)).words(&self.arena);
            self.copies.remove(words);
        }
        self.pending = waiting.next(&self.arena).0;
        waiting.free(&mut self.arena);
    }
}
