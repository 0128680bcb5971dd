//! States that are kept, and compared with.
//!
//! Where several edges lead to one instruction, the state is kept as a *node*.
//! Nodes form a tree: the parent of a node is the node before it on the path.
//! As long as a path from a node is still to be walked, the node is *open*;
//! afterwards it is *done*, and its bound (the cost of the costliest path from
//! it to the program's end) and its marks are final.
//!
//! A state that a done node at the same instruction covers need not be walked:
//! whatever follows from it has followed from the node. A state that equals an
//! open node closes a circle: the program can go round for ever.

use super::rounds::{self, Tail};
use super::{Explorer, LOST, Step, Walker, reject};
use crate::arena::{Arena, At, NONE, high, low, pair};
use crate::cfg::slot_number;
use crate::error::VerifyErrorKind;
use crate::meter::Meter;
use crate::state::cover::{Closeness, covers, entry_bit};
use crate::state::snapshot::Snapshot;
use crate::state::{Kind, Value};

/// A state that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node(pub At);

/// What [`rounds`](super::rounds) keeps of the loops that a node takes part in.
pub(super) const ROUNDS: u32 = 6;
const SEGMENT: u32 = ROUNDS + rounds::WORDS;
const SNAPSHOT: u32 = SEGMENT + Meter::WORDS;

/// Jumps since the last node, at the most: as many as a trail has bits.
const MAX_TRAIL: u32 = 64;
/// Instructions after which a node is made where paths join.
const LONG_SEGMENT: u64 = 100;
/// Instructions before which none is made.
const SHORT_SEGMENT: u64 = 4;
/// Open nodes at one instruction that a state is compared with.
const CIRCLE_CHECKS: u32 = 2;
/// Vain comparisons after which a done node is given up, and how many more a
/// success is worth.
const MISSES: u32 = 3;
/// Words of a state that are handled without a charge; ordinary states have
/// fewer.
const FREE_WORDS: usize = 128;
/// Further words whose handling counts as a step, as a power of two.
const STATE_STEP_SHIFT: u32 = 5;

impl Node {
    pub const fn field(self, index: u32) -> At {
        self.0.saturating_add(index)
    }

    pub fn parent(self, arena: &Arena<'_>) -> At {
        low(arena.word(self.0))
    }

    pub fn next(self, arena: &Arena<'_>) -> At {
        high(arena.word(self.0))
    }

    fn set_next(self, arena: &mut Arena<'_>, next: At) {
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

    fn branches(self, arena: &Arena<'_>) -> u32 {
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

    /// The jumps that led here from the parent, and how many.
    pub fn trail(self, arena: &Arena<'_>) -> (u64, u32) {
        (arena.word(self.field(4)), low(arena.word(self.field(5))) & 0xff)
    }

    pub fn segment(self, arena: &Arena<'_>) -> Meter {
        Meter::load(arena, self.field(SEGMENT))
    }

    pub fn snapshot(self) -> Snapshot {
        Snapshot(self.field(SNAPSHOT))
    }

    fn words(self, arena: &Arena<'_>) -> usize {
        self.snapshot().words(arena).saturating_add(SNAPSHOT) as usize
    }

    fn hits(self, arena: &Arena<'_>) -> u32 {
        low(arena.word(self.field(5))).wrapping_shr(8)
    }

    /// Counts a comparison; whether the node is still worth its room.
    fn count(self, arena: &mut Arena<'_>, hit: bool) -> bool {
        let word = arena.word(self.field(5));
        let (mut first, mut misses) = (low(word), high(word));
        if hit {
            first = first.checked_add(0x100).unwrap_or(first);
        } else {
            misses = misses.saturating_add(1);
        }
        arena.set(self.field(5), pair(first, misses));
        misses <= first.wrapping_shr(8).saturating_mul(MISSES).saturating_add(MISSES)
    }
}

impl Explorer<'_> {
    /// The walk comes to an instruction. Whether it need not go on from there.
    pub(super) fn arrive(&mut self) -> Step<bool> {
        if self.walker.trail_len == MAX_TRAIL {
            self.end_trail()?;
        }
        let Some(point) = self.code.point(&self.arena, self.walker.pc) else {
            return Ok(false);
        };
        self.drop_dead_registers();
        let head = self.code.is_round_head(&self.arena, self.walker.pc);
        if head {
            self.begin_rounds()?;
        }
        if head && let Some(tail) = self.close_round(point)? {
            self.check_cost(tail)?;
            self.end_path(tail);
            return Ok(true);
        }
        self.check_circle(point)?;
        if let Some(tail) = self.find_cover(point) {
            self.check_cost(tail)?;
            self.end_path(tail);
            return Ok(true);
        }
        let Walker { meter, forks, lonely, .. } = self.walker;
        let worth = head || (forks > 0 && meter.insns >= SHORT_SEGMENT);
        // Where a path goes on without forks, nodes only serve to find circles;
        // ever fewer suffice.
        let far = meter.insns >= LONG_SEGMENT && meter.insns >= lonely / 4;
        if worth || far {
            let node = self.add_node()?;
            let word = self.arena.word(point);
            node.set_next(&mut self.arena, low(word));
            self.arena.set(point, pair(node.0, high(word)));
        }
        Ok(false)
    }

    /// A trail holds no more jumps. It ends in a node where other paths begin
    /// from it; otherwise it is given up.
    fn end_trail(&mut self) -> Step {
        if self.walker.forks > 0 {
            self.add_node()?;
        } else {
            self.walker.trail_len = LOST;
        }
        Ok(())
    }

    /// Forgets registers that are written before they are read.
    fn drop_dead_registers(&mut self) {
        let live = self.code.live(&self.arena, self.walker.pc);
        for (number, value) in (0_u32..).zip(self.state.regs_mut()) {
            if live.wrapping_shr(number) & 1 == 0 && value.kind != Kind::Rounds {
                *value = Value::NOT_INIT;
            }
        }
    }

    /// Counts the handling of a state of so many words as steps, so that large
    /// states cannot make the walk slow.
    fn charge(&mut self, words: usize) {
        let charged = words.saturating_sub(FREE_WORDS);
        let steps = charged.wrapping_shr(STATE_STEP_SHIFT) as u64;
        self.figures.handled = self.figures.handled.saturating_add(steps);
    }

    /// Counts a comparison with a node as steps.
    pub(super) fn charge_node(&mut self, node: Node) {
        self.charge(node.words(&self.arena));
    }

    /// Refuses a state that the path has been in before.
    fn check_circle(&mut self, point: At) -> Step {
        let mut node = Node(low(self.arena.word(point)));
        for _ in 0..CIRCLE_CHECKS {
            if node.0 == NONE {
                break;
            }
            self.charge(node.words(&self.arena));
            // Whoever used up some of an allowance meanwhile cannot go on so for ever.
            let same = node.grants(&self.arena) == self.walker.grants
                && covers(node.snapshot(), &self.state, &self.arena, Closeness::Same).is_some();
            if same {
                let pc = slot_number(self.walker.pc);
                return reject(VerifyErrorKind::InfiniteLoop { pc });
            }
            node = Node(node.next(&self.arena));
        }
        Ok(())
    }

    /// What follows from a done node that covers the state.
    fn find_cover(&mut self, point: At) -> Option<Tail> {
        let mut before = NONE;
        let mut node = Node(high(self.arena.word(point)));
        while node.0 != NONE {
            let next = node.next(&self.arena);
            let instances = node.tail(&self.arena).is_inside();
            let close = if self.rules.forget {
                let precise = node.precise(&self.arena) | node.exact(&self.arena);
                let read = node.read(&self.arena);
                Closeness::Matters { read, precise, instances }
            } else {
                Closeness::Matters { read: u64::MAX, precise: u64::MAX, instances }
            };
            self.charge(node.words(&self.arena));
            let usable = self.resolves(node);
            if usable && let Some(rests) = covers(node.snapshot(), &self.state, &self.arena, close)
            {
                node.count(&mut self.arena, true);
                self.mark_precise(rests.deps);
                self.mark_read(rests.live);
                self.figures.unwritten_reads |= rests.unwritten;
                return Some(node.tail(&self.arena));
            }
            if node.count(&mut self.arena, false) {
                before = node.0;
            } else {
                if before == NONE {
                    let word = self.arena.word(point);
                    self.arena.set(point, pair(low(word), next));
                } else {
                    Node(before).set_next(&mut self.arena, next);
                }
                self.forget_node(node);
            }
            node = Node(next);
        }
        None
    }

    fn forget_node(&mut self, node: Node) {
        let words = node.words(&self.arena);
        self.arena.free(node.0, words);
        self.figures.states = self.figures.states.saturating_sub(1);
    }

    /// Keeps the state as a node, from which the path goes on.
    pub(super) fn add_node(&mut self) -> Step<Node> {
        let size = Snapshot::measure(&self.state, &self.arena);
        let words = size.saturating_add(SNAPSHOT) as usize;
        self.charge(words);
        let at = self.alloc(words)?;
        let node = Node(at);
        let Walker { pc, parent, meter, trail, trail_len, grants, .. } = self.walker;
        let instance = self.instance();
        let serial = self.figures.total_states.saturating_add(1);
        let arena = &mut self.arena;
        arena.set(at, pair(parent, NONE));
        arena.set(node.field(1), pair(slot_number(pc), 1));
        arena.set(node.field(2), 0);
        arena.set(node.field(3), 0);
        arena.set(node.field(4), trail);
        arena.set(node.field(5), trail_len.into());
        node.begin_rounds(arena, grants, serial, instance);
        meter.store(arena, node.field(SEGMENT));
        Snapshot::write(&self.state, arena, node.field(SNAPSHOT), size);
        self.rest_on_node();
        self.walker = Walker {
            pc,
            parent: at,
            meter: Meter::default(),
            trail: 0,
            trail_len: 0,
            forks: 0,
            lonely: self.walker.lonely,
            grants,
        };
        let figures = &mut self.figures;
        figures.states = figures.states.saturating_add(1);
        figures.total_states = figures.total_states.saturating_add(1);
        figures.peak_states = figures.peak_states.max(figures.states);
        Ok(node)
    }

    /// From here on, what is known rests on the entries of the new node.
    fn rest_on_node(&mut self) {
        let mut entry = 0_u32;
        for value in self.state.regs_mut() {
            if value.is_init() {
                value.deps = entry_bit(entry);
                entry = entry.saturating_add(1);
            }
        }
        let cells = self.state.cells;
        for index in 0..cells.len() {
            cells.rebase(&mut self.arena, index, entry_bit(entry));
            entry = entry.saturating_add(1);
        }
    }

    /// A path is over: `tail` is what follows from where it ended.
    pub(super) fn end_path(&mut self, tail: Tail) {
        let mut total = tail.after(self.walker.meter);
        let mut node = Node(self.walker.parent);
        while node.0 != NONE {
            let tail = node.tail(&self.arena).max(total);
            node.set_tail(&mut self.arena, tail);
            let branches = node.branches(&self.arena).saturating_sub(1);
            node.set_branches(&mut self.arena, branches);
            if branches > 0 {
                return;
            }
            let parent = Node(node.parent(&self.arena));
            total = node.go_round(&mut self.arena, parent).after(node.segment(&self.arena));
            self.figures.bound = total.exit;
            self.done(node);
            node = parent;
        }
    }

    /// Every path from the node was walked: moves it to the done ones.
    fn done(&mut self, node: Node) {
        let pc = node.pc(&self.arena);
        let point = self.code.point(&self.arena, pc);
        // Open nodes of one point lie on one path, the last one first.
        let word = point.map_or(0, |point| self.arena.word(point));
        match point {
            Some(point) if low(word) == node.0 => {
                let open = node.next(&self.arena);
                node.set_next(&mut self.arena, high(word));
                self.arena.set(point, pair(open, node.0));
            }
            _ => self.forget_node(node),
        }
    }

    /// A block of working memory; gives done nodes up where there is no other
    /// room.
    pub(super) fn alloc(&mut self, words: usize) -> Step<At> {
        if let Ok(at) = self.arena.alloc(words) {
            return Ok(at);
        }
        // To look through all points again and again would cost too much.
        let pause = self.figures.processed.saturating_sub(self.reclaimed);
        if self.reclaimed != 0 && pause < (self.code.points().len() / 8) as u64 {
            return Ok(self.arena.alloc(words)?);
        }
        self.reclaimed = self.figures.processed;
        self.reclaim(true);
        if let Ok(at) = self.arena.alloc(words) {
            return Ok(at);
        }
        // To look through all points again and again would cost too much.
        let pause = self.figures.processed.saturating_sub(self.reclaimed);
        if self.reclaimed != 0 && pause < (self.code.points().len() / 8) as u64 {
            return Ok(self.arena.alloc(words)?);
        }
        self.reclaimed = self.figures.processed;
        self.reclaim(false);
        Ok(self.arena.alloc(words)?)
    }

    /// Frees done nodes: those that never saved anything, or all.
    fn reclaim(&mut self, keep_hits: bool) {
        for point in self.code.points() {
            let word = self.arena.word(point);
            let (mut kept, mut node) = (NONE, Node(high(word)));
            while node.0 != NONE {
                let next = node.next(&self.arena);
                if keep_hits && node.hits(&self.arena) > 0 {
                    node.set_next(&mut self.arena, kept);
                    kept = node.0;
                } else {
                    self.forget_node(node);
                }
                node = Node(next);
            }
            self.arena.set(point, pair(low(word), kept));
        }
    }
}
