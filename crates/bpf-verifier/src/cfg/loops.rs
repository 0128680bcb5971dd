//! Loops: where flow can come back to.
//!
//! One depth-first walk over the places where edges join finds the *heads*: an
//! edge to a place on the path that is being walked closes a loop there. From
//! where it begins, the head is handed up the path, so that each place learns of
//! the innermost loop around it, and each loop of the next one out. Places in
//! between need no entry: flow passes them from one join to the next.
//!
//! Where flow enters a loop behind its head, and where loops are nested very deep,
//! what is found is a guess of what belongs to a loop, which costs time and no
//! soundness.

use super::edges::successors;
use super::{CfgError, Code, bit, slot_number};
use crate::arena::{Arena, At, Halves, NONE, NoRoom, high, low, pair};
use crate::core::hint::Hint;
use crate::core::iterator::asks;
use bpf_bytecode::instruction::{CallTarget, Instruction};

/// Words of a loop's record: its head, and the next loop around it; the first and
/// the last join in it; failures, and the arrival from which on to try again;
/// arrivals so far, and a guess that held; how deep it is nested; failures of the latter, and the
/// arrival from which on to try it again.
const LOOP_WORDS: u32 = 6;
/// Where failures are, and those of a guess that held.
const FAILURES: u32 = 2;
const HINT_FAILURES: u32 = 5;
/// Loops that are passed at the most on the way from one to one around it.
const FAR: u32 = 64;
/// Arrivals at the head of a loop by an iterator until a summary is tried.
const PATIENCE: u32 = 4;
/// Failures after which the next try comes soon, with what the rounds since have shown. After more
/// as many times as often are let pass.
const SOON: u32 = 2;
const RARELY: u32 = 4;
/// Slots of a loop for each of which it is let pass as often after a failure, and how many
/// times as often at the most.
const PAUSE_SLOTS: u64 = 16;
const LONGEST_PAUSE: u32 = 8;
/// Slots of a large loop.
const LARGE: u64 = 1024;

/// A loop's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Loop(pub At);

/// When guesses at a loop say how far numbers are apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Differences {
    /// Always, as it helped.
    First,
    /// Where others came to nothing.
    Late,
    /// Never: it did not help.
    Never,
}

/// How often it may not have helped, and what is noted where it did.
const DIFFERENCES_FAIL: u32 = 2;
const DIFFERENCES_HELP: u32 = 16;

impl Loop {
    const fn field(self, index: u32) -> At {
        self.0.saturating_add(index)
    }

    /// The first slot.
    pub fn head(self, arena: &Arena<'_>) -> usize {
        low(arena.word(self.0)) as usize
    }

    /// The next one around it.
    pub fn outer(self, arena: &Arena<'_>) -> Self {
        Self(high(arena.word(self.0)))
    }

    /// How many there are around it.
    fn depth(self, arena: &Arena<'_>) -> u32 {
        low(arena.word(self.field(4)))
    }

    /// Slots, about.
    pub fn len(self, arena: &Arena<'_>) -> u64 {
        let extent = arena.word(self.field(1));
        u64::from(high(extent).saturating_sub(low(extent))).saturating_add(1)
    }

    /// A join belongs to it.
    fn extend(self, arena: &mut Arena<'_>, pc: usize) {
        let (pc, extent) = (slot_number(pc), arena.word(self.field(1)));
        arena.set(self.field(1), pair(low(extent).min(pc), high(extent).max(pc)));
    }

    /// Counts an arrival; whether it is time to try a summary.
    pub fn arrive(self, arena: &mut Arena<'_>) -> bool {
        let word = arena.word(self.field(3));
        let count = low(word).saturating_add(1);
        arena.set(self.field(3), pair(count, high(word)));
        high(arena.word(self.field(FAILURES))) <= count
    }

    /// Whether a round of it is long. Such a body is mostly several rounds of one in the
    /// source, of which there are few.
    pub fn is_large(self, arena: &Arena<'_>) -> bool {
        self.len(arena) >= LARGE
    }

    /// The loop may close by itself, as something bounds its rounds: the first try
    /// of a summary comes later.
    fn wait(self, arena: &mut Arena<'_>) {
        arena.set(self.field(FAILURES), pair(0, PATIENCE));
    }

    /// A summary could not be found: the next tries come ever later, and later where a
    /// round is long. What was wrong with one try is mostly wrong with the next, too.
    pub fn failed(self, arena: &mut Arena<'_>) {
        self.pause(arena, FAILURES);
    }

    /// Whether a guess that held before may be tried, though it is not time for others.
    pub fn may_hold_again(self, arena: &Arena<'_>) -> bool {
        let count = low(arena.word(self.field(3)));
        self.hint(arena).0 != NONE && high(arena.word(self.field(HINT_FAILURES))) <= count
    }

    /// It did not hold then. Its next tries of the kind come ever later, too.
    pub fn did_not_hold(self, arena: &mut Arena<'_>) {
        self.pause(arena, HINT_FAILURES);
    }

    fn pause(self, arena: &mut Arena<'_>, field: u32) {
        let failures = low(arena.word(self.field(field))).saturating_add(1);
        let long = low(self.len(arena) / PAUSE_SLOTS).clamp(1, LONGEST_PAUSE);
        let long = if failures > SOON { long.saturating_mul(RARELY) } else { long };
        let pause = 1_u32.wrapping_shl(failures.min(30)).saturating_mul(long);
        let next = low(arena.word(self.field(3))).saturating_add(pause);
        arena.set(self.field(field), pair(failures, next));
    }

    /// Whether guesses say how far numbers are apart, from the first one on, or where others
    /// came to nothing.
    pub fn differences(self, arena: &Arena<'_>) -> Differences {
        match high(arena.word(self.field(4))) {
            0..DIFFERENCES_FAIL => Differences::Late,
            DIFFERENCES_HELP => Differences::First,
            _ => Differences::Never,
        }
    }

    /// Notes whether it helped that guesses said so.
    pub fn note_differences(self, arena: &mut Arena<'_>, helped: bool) {
        let word = arena.word(self.field(4));
        let failures = if high(word) == DIFFERENCES_HELP { 0 } else { high(word) };
        let more = failures.saturating_add(1).min(DIFFERENCES_FAIL);
        let noted = if helped { DIFFERENCES_HELP } else { more };
        arena.set(self.field(4), pair(low(word), noted));
    }

    /// A guess that held; or none.
    pub fn hint(self, arena: &Arena<'_>) -> Hint {
        Hint(high(arena.word(self.field(3))))
    }

    pub fn set_hint(self, arena: &mut Arena<'_>, hint: Hint) {
        let count = low(arena.word(self.field(3)));
        arena.set(self.field(3), pair(count, hint.0));
    }
}

/// What the walk over the joins has still to do.
#[derive(Clone, Copy)]
enum Task {
    /// To follow the edge from a join to this slot.
    Enter(u32),
    /// To hand up what is known of this join.
    Leave(u32),
}

const LEAVE: u32 = 1 << 31;

impl Task {
    /// As a word, with the join that it comes from.
    fn pack(self, from: u32) -> u64 {
        match self {
            Self::Enter(pc) => pair(pc, from),
            Self::Leave(join) => pair(join | LEAVE, from),
        }
    }

    fn unpack(word: u64) -> (Self, u32) {
        let what = low(word);
        let task = if what & LEAVE == 0 { Self::Enter(what) } else { Self::Leave(what & !LEAVE) };
        (task, high(word))
    }
}

/// In the place of a position on the path: the join was left.
const LEFT: u32 = u32::MAX;

/// The walk: joins are named by their points, and there is a word for each, the
/// head of the innermost loop around it and where on the path it lies.
struct Joins {
    points: At,
    words: At,
}

impl Joins {
    const fn word(&self, join: At) -> At {
        self.words.saturating_add(join.saturating_sub(self.points))
    }

    fn head(&self, arena: &Arena<'_>, join: At) -> At {
        low(arena.word(self.word(join)))
    }

    fn position(&self, arena: &Arena<'_>, join: At) -> u32 {
        high(arena.word(self.word(join)))
    }

    fn set_head(&self, arena: &mut Arena<'_>, join: At, head: At) {
        let position = self.position(arena, join);
        arena.set(self.word(join), pair(head, position));
    }

    fn set_position(&self, arena: &mut Arena<'_>, join: At, position: u32) {
        let head = self.head(arena, join);
        arena.set(self.word(join), pair(head, position));
    }

    fn on_path(&self, arena: &Arena<'_>, join: At) -> bool {
        !matches!(self.position(arena, join), 0 | LEFT)
    }

    /// `join` lies in the loop with this head, and what is known of either is
    /// put in order.
    fn belongs(&self, arena: &mut Arena<'_>, join: At, head: At) {
        if join == NONE || head == NONE || join == head {
            return;
        }
        let (mut inner, mut outer) = (join, head);
        for _ in 0..FAR {
            let known = self.head(arena, inner);
            if known == outer {
                return;
            }
            if known == NONE {
                self.set_head(arena, inner, outer);
                return;
            }
            if self.position(arena, known) < self.position(arena, outer) {
                self.set_head(arena, inner, outer);
                (inner, outer) = (outer, known);
            } else {
                inner = known;
            }
        }
    }
}

impl Code<'_> {
    /// Finds heads and what lies in which loop, and makes a record for each.
    pub(super) fn find_loops(&mut self, arena: &mut Arena<'_>) -> Result<(), CfgError> {
        let count = self.point_count as usize;
        // Whoever goes round comes back at some edge.
        if count == 0 || !self.turns_back {
            return Ok(());
        }
        let joins = Joins { points: self.points, words: arena.alloc(count)? };
        arena.slice_mut(joins.words, count).fill(0);
        // Every jump is among the turns.
        let room = count.saturating_add(self.turns).saturating_add(1);
        let stack = arena.alloc(room)?;
        for function in 0..self.function_count {
            let start = self.function_start(arena, function);
            self.walk_joins(arena, &joins, stack, start);
        }
        arena.free(stack, room);
        self.record_loops(arena, &joins)?;
        arena.free(joins.words, count);
        Ok(())
    }

    fn asks_iterator(&self, pc: usize) -> bool {
        let next = |insn| matches!(insn, Instruction::Call(CallTarget::Kfunc(n)) if asks(n));
        self.slot(pc).is_call() && self.insn(pc).is_ok_and(next)
    }

    fn walk_joins(&self, arena: &mut Arena<'_>, joins: &Joins, stack: At, start: usize) {
        let (mut depth, mut path) = (1_u32, 0_u32);
        arena.set(stack, Task::Enter(slot_number(start)).pack(NONE));
        while let Some(top) = depth.checked_sub(1) {
            depth = top;
            let (task, mut from) = Task::unpack(arena.word(stack.saturating_add(top)));
            let mut push = |arena: &mut Arena<'_>, task: Task, from: u32| {
                arena.set(stack.saturating_add(depth), task.pack(from));
                depth = depth.saturating_add(1);
            };
            let pc = match task {
                Task::Enter(pc) => pc,
                Task::Leave(join) => {
                    joins.set_position(arena, join, LEFT);
                    path = path.saturating_sub(1);
                    let head = joins.head(arena, join);
                    joins.belongs(arena, from, head);
                    continue;
                }
            };
            let mut next = Some(pc as usize);
            while let Some(pc) = next.take().map(|pc| self.pass_straight(arena, pc)) {
                if let Some(join) = self.point(arena, pc) {
                    if joins.position(arena, join) != 0 {
                        self.meet(arena, joins, from, (join, pc));
                        break;
                    }
                    path = path.saturating_add(1);
                    joins.set_position(arena, join, path);
                    push(arena, Task::Leave(join), from);
                    from = join;
                }
                let (first, second) = successors(pc, self.slot(pc));
                if let Some(second) = second {
                    push(arena, Task::Enter(slot_number(second)), from);
                }
                next = first;
            }
        }
    }

    /// The first slot from one on where edges join or that may lead elsewhere than to the next
    /// instruction.
    fn pass_straight(&self, arena: &Arena<'_>, from: usize) -> usize {
        let mut pc = from;
        while let Some(insn) = self.insns.get(pc)
            && !insn.is_jump_class()
            && !self.known(arena, pc).is_point()
        {
            pc = pc.saturating_add(insn.slots());
        }
        pc
    }

    /// An edge leads to a join that the walk has come to before.
    fn meet(&self, arena: &mut Arena<'_>, joins: &Joins, from: At, (join, pc): (At, usize)) {
        if joins.on_path(arena, join) {
            self.mark(arena, pc, bit::HEAD);
            joins.belongs(arena, from, join);
            return;
        }
        // The loops around it, as far as they are still open.
        let mut head = joins.head(arena, join);
        for _ in 0..FAR {
            if head == NONE || joins.on_path(arena, head) {
                break;
            }
            head = joins.head(arena, head);
        }
        if head != NONE && joins.on_path(arena, head) {
            joins.belongs(arena, from, head);
        }
    }

    /// A record for each loop, and for each join which one is around it.
    fn record_loops(&mut self, arena: &mut Arena<'_>, joins: &Joins) -> Result<(), NoRoom> {
        let heads = self.count_with(arena, bit::HEAD);
        if heads == 0 {
            return Ok(());
        }
        let words = heads.saturating_mul(LOOP_WORDS as usize);
        self.loops = arena.alloc_for_good(words)?;
        arena.slice_mut(self.loops, words).fill(0);
        self.loop_count = slot_number(heads);
        self.nests = Halves::new(arena, self.point_count as usize)?;
        let (mut at, mut from) = (self.loops, 0);
        while let Some(pc) = self.next_with(arena, from, bit::JOIN) {
            from = pc.saturating_add(1);
            let Some(join) = self.point(arena, pc) else { continue };
            let own = if self.has(arena, pc, bit::HEAD) { at } else { NONE };
            joins.set_position(arena, join, own);
            if own != NONE {
                let slot = slot_number(pc);
                arena.set(at, pair(slot, NONE));
                arena.set(Loop(at).field(1), pair(slot, slot));
                at = at.saturating_add(LOOP_WORDS);
            }
        }
        // What lies in a loop names the loop's head, whose own record is known.
        for (index, join) in self.points().enumerate() {
            let (own, head) = (joins.position(arena, join), joins.head(arena, join));
            let around = if head == NONE { NONE } else { joins.position(arena, head) };
            self.nests.set(arena, index, if own == NONE { around } else { own });
            if own != NONE {
                let word = arena.word(own);
                arena.set(own, pair(low(word), around));
            }
        }
        for found in self.loops() {
            let (mut outer, mut depth) = (found.outer(arena), 0_u32);
            while outer.0 != NONE && depth < FAR {
                depth = depth.saturating_add(1);
                outer = outer.outer(arena);
            }
            arena.set(found.field(4), depth.into());
        }
        from = 0;
        while let Some(pc) = self.next_with(arena, from, bit::JOIN) {
            from = pc.saturating_add(1);
            let Some(join) = self.point(arena, pc) else { continue };
            let mut around = self.around(arena, join);
            if around.0 != NONE && self.asks_iterator(pc) {
                around.wait(arena);
            }
            for _ in 0..FAR {
                if around.0 == NONE {
                    break;
                }
                around.extend(arena, pc);
                around = around.outer(arena);
            }
        }
        Ok(())
    }

    /// The innermost loop that a join lies in, or whose head it is.
    fn around(&self, arena: &Arena<'_>, join: At) -> Loop {
        Loop(self.nests.get(arena, join.saturating_sub(self.points) as usize))
    }

    /// Whether the slot, where paths join, belongs to a loop.
    pub fn is_in_loop(&self, arena: &Arena<'_>, pc: usize, subject: Loop) -> bool {
        let Some(join) = self.point(arena, pc) else { return true };
        let mut around = self.around(arena, join);
        let depth = subject.depth(arena);
        while around.0 != NONE && around.depth(arena) > depth {
            around = around.outer(arena);
        }
        // Where loops are nested deeper than is counted, it is not known.
        around == subject || (depth >= FAR && around.0 != NONE)
    }

    /// Whether the instruction of a point belongs to a loop.
    pub fn is_in_any_loop(&self, arena: &Arena<'_>, point: At) -> bool {
        self.around(arena, point).0 != NONE
    }

    /// Whether a loop has its head here.
    pub fn is_head(&self, arena: &Arena<'_>, pc: usize) -> bool {
        self.has(arena, pc, bit::HEAD)
    }

    /// The loop with this head.
    pub fn loop_at(&self, arena: &Arena<'_>, pc: usize) -> Option<Loop> {
        if !self.is_head(arena, pc) {
            return None;
        }
        self.point(arena, pc).map(|join| self.around(arena, join))
    }

    /// Every loop.
    pub fn loops(&self) -> impl Iterator<Item = Loop> + use<> {
        let (first, count) = (self.loops, self.loop_count);
        (0..count).map(move |index| Loop(first.saturating_add(index.saturating_mul(LOOP_WORDS))))
    }
}
