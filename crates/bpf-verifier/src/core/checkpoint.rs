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

use super::done::Done;
use super::node::{Fresh, Node};
use super::trial::Trial;
use super::{Explorer, LOST, Step, Stop, Walker, reject};
use crate::arena::{Arena, At, NONE, high, low, pair};
use crate::cfg::{Known, slot_number};
use crate::error::VerifyErrorKind;
use crate::meter::Meter;
use crate::state::cover::{Closeness, Looked, covers, covers_so_far};
use crate::state::snapshot::{Plan, Snapshot};
use crate::state::{Kind, State};
use crate::tail::Tail;

/// Jumps since the last node, at the most: as many as a trail has bits.
const MAX_TRAIL: u32 = 64;
/// Instructions after which a node is made where paths join.
const LONG_SEGMENT: u64 = 100;
/// Instructions before which none is made.
const SHORT_SEGMENT: u64 = 4;
/// States that wait of which it is looked whether they come past the last node.
const MOST_WAITING: usize = 8;
/// States that may go on without being kept for want of memory, before it is said that there
/// is too little.
const MOST_NOT_KEPT: u32 = 128;
/// Open nodes at one instruction that a state is compared with.
const CIRCLE_CHECKS: u32 = 2;

/// What becomes of a path that comes to an instruction.
#[allow(clippy::large_enum_variant, reason = "it goes no further than its caller")]
#[derive(Clone, Copy, Debug)]
pub(super) enum Arrival {
    /// It goes on.
    Walk,
    /// It ends, as what follows is known.
    Covered(Tail),
    /// The walk goes on elsewhere.
    Elsewhere,
}

impl Explorer<'_> {
    /// Whether the walk comes to an instruction, of which this is known, where
    /// [`Self::arrive`] does something.
    #[inline]
    pub(super) const fn is_arrival(&self, known: Known) -> bool {
        self.walker.trail_len == MAX_TRAIL || known.is_point()
    }

    /// The walk comes to an instruction.
    #[inline(never)]
    pub(super) fn arrive(&mut self) -> Step<Arrival> {
        if self.walker.trail_len == MAX_TRAIL {
            self.end_trail()?;
        }
        let Some(point) = self.code.point(&self.arena, self.walker.pc) else {
            return Ok(Arrival::Walk);
        };
        if let Some(tail) = self.leave_loops() {
            return Ok(Arrival::Covered(tail));
        }
        if let Some(trial) = self.overdue_anywhere() {
            self.fail(trial)?;
            return Ok(Arrival::Elsewhere);
        }
        self.drop_dead_registers();
        self.drop_dead_stack(self.walker.pc)?;
        if self.goes_round() {
            return self.round();
        }
        if self.code.is_round_head(&self.arena, self.walker.pc) {
            self.begin_rounds()?;
            if let Some(tail) = self.close_round(point)? {
                return Ok(Arrival::Covered(tail));
            }
        }
        self.check_circle(point)?;
        if let Some(tail) = self.find_cover(point) {
            return Ok(Arrival::Covered(tail));
        }
        if self.try_summary()? {
            return Ok(Arrival::Elsewhere);
        }
        if self.try_merge(point)? {
            return Ok(Arrival::Elsewhere);
        }
        self.settle()?;
        Ok(Arrival::Walk)
    }

    /// Keeps the state, where that is worth its room.
    pub(super) fn settle(&mut self) -> Step {
        let Walker { meter, forks, lonely, .. } = self.walker;
        let head = self.code.is_round_head(&self.arena, self.walker.pc);
        // Where a loop is walked round by round, ways that parted before the last node
        // may have met behind it: without a node at the head they are never compared again.
        let parted = || {
            let found = self.code.loop_at(&self.arena, self.walker.pc);
            let alone = self.walker.active.0 == NONE;
            found.filter(|_| alone).is_some_and(|found| lonely <= found.len(&self.arena))
        };
        let worth = head
            || (meter.insns() >= SHORT_SEGMENT
                && (forks > 0 || parted() || self.meets_again() || self.is_passed_by()));
        // Where a path goes on without forks, nodes only serve to find circles;
        // ever fewer suffice.
        let far = meter.insns() >= LONG_SEGMENT && meter.insns() >= lonely / 4;
        if !worth && !far {
            return Ok(());
        }
        // An attempt that runs out of memory is undone, which makes room.
        let goes_on = !head && self.trials.0 == NONE && self.figures.not_kept < MOST_NOT_KEPT;
        match self.add_open_node() {
            // Later states have nothing to be compared with here, which costs time alone.
            Err(Stop::NoRoom(_)) if goes_on => {
                self.figures.not_kept = self.figures.not_kept.saturating_add(1);
                Ok(())
            }
            kept => kept.map(|_| ()),
        }
    }

    /// Whether ways that parted before the last node, and came to its place as states of
    /// their own, may have met since: what they differ in decided a jump on each of them.
    /// Without a node here, what follows is walked once for each, and so on at every such place.
    /// Most walks end before that costs much.
    fn meets_again(&self) -> bool {
        let last = Node(self.walker.parent);
        if self.walker.trail_len == 0 || last.0 == NONE || !self.is_long_walk() {
            return false;
        }
        // Another that is open is an earlier round of the same way, of which ways may part.
        let rounds =
            last.next(&self.arena) != NONE && self.walker.lonely <= self.code.insns.len() as u64;
        let point = self.code.point(&self.arena, last.pc(&self.arena));
        rounds || point.is_some_and(|point| high(self.arena.word(point)) != NONE)
    }

    /// Whether several of the states that wait come past the last node, and here, as they go on
    /// between the two. The first of them would keep its state here.
    fn is_passed_by(&mut self) -> bool {
        self.charge_nodes(MOST_WAITING as u64);
        let last = Node(self.walker.parent).pc(&self.arena);
        let between = last.saturating_add(1)..=self.walker.pc;
        let waiting = self.waiting_at().take(MOST_WAITING);
        waiting.filter(|to| between.contains(to)).nth(1).is_some()
    }

    /// Keeps the state as an open node, which later ones are compared with.
    pub(super) fn add_open_node(&mut self) -> Step<Node> {
        let node = self.add_node()?;
        if let Some(point) = self.code.point(&self.arena, self.walker.pc) {
            let word = self.arena.word(point);
            node.set_next(&mut self.arena, low(word));
            self.arena.set(point, pair(node.0, high(word)));
        }
        Ok(node)
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
        let mut dead = !self.code.live(&self.arena, self.walker.pc);
        if self.code.has_rounds() {
            for (number, value) in (0_u32..).zip(self.state.regs()) {
                if value.kind == Kind::Rounds {
                    dead &= !1_u16.wrapping_shl(number);
                }
            }
        }
        self.state.drop_regs(dead);
    }

    /// Forgets bytes of the running frame that are written before they are read, from a slot
    /// on where states are compared.
    pub(super) fn drop_dead_stack(&mut self, pc: usize) -> Step {
        if let Some((frame, live)) = self.code.frame(&self.arena, pc) {
            let dead = |off, len| frame.is_dead(live, off, len);
            self.state.drop_dead_stack(&mut self.arena, dead)?;
        }
        Ok(())
    }

    /// Refuses a state that the path has been in before. Every circle comes through the head of
    /// a loop: where the state was seen to differ there from those of earlier rounds, it is not
    /// compared again before the next head.
    fn check_circle(&mut self, point: At) -> Step {
        let mut node = Node(low(self.arena.word(point)));
        let head = self.is_circle_head();
        self.apart = false;
        if node.0 == NONE || !head && self.goes_in_no_circle() {
            return Ok(());
        }
        let since = self.merged_since();
        for _ in 0..CIRCLE_CHECKS {
            if node.0 == NONE || node.serial(&self.arena) < since {
                break;
            }
            self.charge_node(node);
            let old = node.snapshot(&self.arena);
            // Whoever used up some of an allowance meanwhile cannot go on so for ever.
            let same = node.grants(&self.arena) == self.walker.grants
                && covers(old, &self.state, &self.arena, Closeness::Same, 0).is_some();
            if same {
                let pc = slot_number(self.walker.pc);
                return reject(VerifyErrorKind::InfiniteLoop { pc });
            }
            node = Node(node.next(&self.arena));
        }
        self.apart = head;
        Ok(())
    }

    /// Whether circles may begin at the instruction.
    fn is_circle_head(&self) -> bool {
        let (arena, pc) = (&self.arena, self.walker.pc);
        self.code.is_head(arena, pc) || self.code.is_round_head(arena, pc)
    }

    /// Whether the last node of the path says that the path goes in no circle before it comes to
    /// a head.
    fn goes_in_no_circle(&self) -> bool {
        let last = Node(self.walker.parent);
        last.0 != NONE && last.is_apart(&self.arena)
    }

    /// The identities that a state must have in common with a done node, the
    /// last of them, so that the node may cover it; none, if it may not at all.
    ///
    /// A node whose paths go back to the head of a summary speaks of that
    /// summary's identities, and of no other place than inside of it. So may one
    /// whose paths close a loop at an open node, which has such paths.
    fn shared_ids(&self, node: Done, is_inside: bool) -> Option<u32> {
        let inside = if is_inside { self.counted_ids() } else { 0 };
        let Some((summary, level)) = node.owner(&self.arena) else { return Some(inside) };
        let around = self.walker.active.at_level(&self.arena, level);
        (around == summary).then(|| summary.head_id(&self.arena).max(inside))
    }

    /// The tail of a done node that covers the state.
    fn find_cover(&mut self, point: At) -> Option<Tail> {
        if !self.rules.covers {
            return None;
        }
        let mut before = NONE;
        let mut node = Done(high(self.arena.word(point)));
        while node.0 != NONE {
            let (next, inner) = (node.next(&self.arena), node.inner(&self.arena));
            let is_inside = inner != 0;
            let Some(shared) = self.shared_ids(node, is_inside) else {
                self.work(1);
                before = node.0;
                node = Done(next);
                continue;
            };
            let old = node.snapshot(&self.arena);
            let close = Closeness::Matters { instances: is_inside };
            let usable = self.resolves(node, inner);
            // What goes round says how it came to be.
            let goes_round = is_inside || node.owner(&self.arena).is_some();
            let mut looked = Looked::default();
            let found = if usable {
                covers_so_far(old, &self.state, &self.arena, close, shared, &mut looked)
            } else {
                None
            };
            self.charge_compared(node, old, looked.entries);
            if found.is_none() {
                old.note_apart(&mut self.arena, looked);
            }
            if let Some(rests) = found
                && (!goes_round || self.stands_for_derived(old))
                && let Some(tail) = self.tail_behind(node, &rests)
            {
                node.count(&mut self.arena, true);
                if node.is_spent(&self.arena) {
                    self.mark_spent();
                }
                self.mark_precise(rests.deps);
                self.mark_read(rests.live);
                self.figures.unwritten_reads |= rests.unwritten;
                return Some(tail);
            }
            if node.count(&mut self.arena, false) {
                before = node.0;
            } else {
                if before == NONE {
                    let word = self.arena.word(point);
                    self.arena.set(point, pair(low(word), next));
                } else {
                    Done(before).set_next(&mut self.arena, next);
                }
                // What rests on a summary goes with it.
                if node.owner(&self.arena).is_none() {
                    self.forget_done(node);
                }
            }
            node = Done(next);
        }
        None
    }

    pub(super) fn forget_done(&mut self, node: Done) {
        let words = node.words(&self.arena);
        self.arena.free(node.0, words);
        self.figures.states = self.figures.states.saturating_sub(1);
    }

    pub(super) fn forget_node(&mut self, node: Node) {
        let words = node.words(&self.arena);
        self.arena.free(node.0, words);
        self.figures.states = self.figures.states.saturating_sub(1);
    }

    /// Takes the open nodes of the path from `root` on out of all lists.
    pub(super) fn forget_path(&mut self, root: At) {
        let mut node = Node(self.walker.parent);
        while node.0 != root && node.0 != NONE {
            let parent = node.parent(&self.arena);
            self.withdraw(node);
            node = Node(parent);
        }
        self.walker.parent = root;
        self.state.forget_kept();
    }

    /// Keeps the state as a node, from which the path goes on.
    pub(super) fn add_node(&mut self) -> Step<Node> {
        let ask = self.asks();
        let last = self.last_kept();
        let plan = Plan::new(&mut self.state, &self.arena, last, None);
        let nest = self.walker.active.nest(&self.arena);
        let rounds = self.code.has_rounds();
        let head = Node::head_words(rounds, nest, self.walker.meter);
        let words = plan.words.saturating_add(head) as usize;
        self.charge_kept(plan.weight.saturating_add(head) as usize);
        let at = self.alloc(words)?;
        let node = Node(at);
        let Walker { pc, parent, meter, trail, trail_len, active, grants, .. } = self.walker;
        let serial = self.figures.total_states.saturating_add(1);
        let apart =
            core::mem::take(&mut self.apart) || !self.is_circle_head() && self.goes_in_no_circle();
        let fresh = Fresh {
            pc: slot_number(pc),
            parent,
            trail,
            trail_len,
            segment: meter,
            rounds,
            refused: self.is_spent(),
            apart,
            owner: active,
            nest,
        };
        node.write(&mut self.arena, &fresh);
        node.begin_rounds(&mut self.arena, (grants, serial), ask);
        let at_state = at.saturating_add(head);
        let kept = Snapshot::write_planned(&self.state, &mut self.arena, at_state, &plan);
        // From here on, what is known rests on the entries of the new node.
        self.state.rest_on(&mut self.arena, kept, &plan);
        self.walker = Walker {
            pc,
            parent: at,
            meter: Meter::default(),
            trail: 0,
            trail_len: 0,
            forks: 0,
            lonely: self.walker.lonely,
            active,
            grants,
        };
        let figures = &mut self.figures;
        figures.states = figures.states.saturating_add(1);
        figures.total_states = figures.total_states.saturating_add(1);
        figures.peak_states = figures.peak_states.max(figures.states);
        Ok(node)
    }

    /// The state of the last node on the path.
    pub(super) fn last_kept(&self) -> Option<Snapshot> {
        let last = Node(self.walker.parent);
        (last.0 != NONE).then(|| last.snapshot(&self.arena))
    }

    /// A path is over: `tail` is what follows from where it ended. Goes on with
    /// the next one, if there is one.
    pub(super) fn end_path(&mut self, tail: &Tail) -> Step<bool> {
        self.drop_triangles(tail);
        // What proves nothing goes with the trial that it is part of.
        let mut paths = self
            .guessing()
            .map_or(*tail, |trial| tail.max(&Tail::round(trial.level(&self.arena) as usize)));
        let (mut node, mut before) = (Node(self.walker.parent), self.walker.meter);
        while node.0 != NONE {
            node.add_paths(&mut self.arena, &paths, before);
            let branches = node.branches(&self.arena).saturating_sub(1);
            node.set_branches(&mut self.arena, branches);
            if branches > 0 {
                break;
            }
            let (parent, segment) = (Node(node.parent(&self.arena)), node.segment(&self.arena));
            let owner = node.owner(&self.arena);
            if let Some(exit) = node.only_exit(&self.arena) {
                paths = Tail::ending(exit);
                self.merge_done(node);
                self.done(node, &paths);
            } else if owner != Trial(NONE) && owner.node(&self.arena) == node {
                match self.head_done(owner, node)? {
                    Some(summary) => paths = summary,
                    None => return Ok(true),
                }
            } else {
                let (own, up) = node.go_round(&self.arena, parent);
                self.merge_done(node);
                self.done(node, &own);
                paths = up;
            }
            if parent.0 == NONE {
                self.figures.bound = paths.after(segment).whole();
            }
            (node, before) = (parent, segment);
        }
        self.next_path()
    }

    /// Every path from the node was walked: moves it to the done ones.
    pub(super) fn done(&mut self, node: Node, paths: &Tail) {
        let pc = node.pc(&self.arena);
        let Some(point) = self.code.point(&self.arena, pc) else { return self.forget_node(node) };
        // Open nodes of one point lie on one path, the last one first.
        let word = self.arena.word(point);
        if low(word) != node.0 {
            return self.forget_node(node);
        }
        if !node.stands_for_others(&self.arena, paths) {
            return self.withdraw(node);
        }
        let open = node.next(&self.arena);
        let done = Done::of(&mut self.arena, node, paths, self.rules.forget);
        self.arena.free(node.0, node.words(&self.arena));
        let Some(done) = done else {
            self.figures.states = self.figures.states.saturating_sub(1);
            self.arena.set(point, pair(open, high(word)));
            return;
        };
        done.set_next(&mut self.arena, high(word));
        self.arena.set(point, pair(open, done.0));
        // The summary that it rests on outlives it; others may not.
        if let Some((summary, _)) = done.owner(&self.arena) {
            summary.add_resting(&mut self.arena, done);
        }
    }

    /// Forgets an open node, the last one of its point.
    pub(super) fn withdraw(&mut self, node: Node) {
        if let Some(point) = self.code.point(&self.arena, node.pc(&self.arena)) {
            let word = self.arena.word(point);
            if low(word) == node.0 {
                let next = node.next(&self.arena);
                self.arena.set(point, pair(next, high(word)));
            }
        }
        self.forget_node(node);
    }

    /// A block of working memory; gives done nodes up where there is no other
    /// room.
    pub(super) fn alloc(&mut self, words: usize) -> Step<At> {
        if let Ok(at) = self.arena.alloc(words) {
            return Ok(at);
        }
        // Soon after the last time, what was of use goes as well.
        let points = self.code.points().len() as u64;
        let pause = self.figures.processed.saturating_sub(self.reclaimed);
        let again = self.reclaimed != 0 && pause < points / 8;
        self.reclaimed = self.figures.processed;
        self.work(points);
        if !again {
            self.reclaim(true);
            if let Ok(at) = self.arena.alloc(words) {
                return Ok(at);
            }
        }
        self.give_up_all();
        if let Ok(at) = self.arena.alloc(words) {
            return Ok(at);
        }
        // The running state may have had more cells.
        self.state.cells.shorten(&mut self.arena);
        Ok(self.arena.alloc(words)?)
    }

    /// Makes room for the cells that an instruction adds to the state, if there is any.
    #[inline]
    pub(super) fn make_room_for_cells(&mut self) {
        if self.state.cells.are_many() && self.state.cells.make_room(&mut self.arena).is_err() {
            self.give_up_all();
            // Where there is none all the same, the instruction may not need it.
            self.state.cells.make_room(&mut self.arena).ok();
        }
    }

    /// Makes the state one that is at rest; where its cells need more room than there is, of what
    /// is kept something goes.
    pub(super) fn load_with_room(
        &mut self,
        load: impl Fn(&mut Arena<'_>, &mut State) -> Step,
    ) -> Step {
        if load(&mut self.arena, &mut self.state).is_ok() {
            return Ok(());
        }
        self.give_up_all();
        load(&mut self.arena, &mut self.state)
    }

    /// Frees all that is kept to save time.
    pub(super) fn give_up_all(&mut self) {
        self.reclaim(false);
        self.forget_hints(0);
        self.scratch.cells.release(&mut self.arena);
    }

    /// Frees done nodes: those that never saved anything, or all. Those that
    /// rest on a summary go with it.
    fn reclaim(&mut self, keep_hits: bool) {
        for point in self.code.points() {
            let word = self.arena.word(point);
            let (mut kept, mut node) = (NONE, Done(high(word)));
            while node.0 != NONE {
                let next = node.next(&self.arena);
                let useful = keep_hits && node.hits(&self.arena) > 0;
                if useful || node.owner(&self.arena).is_some() {
                    node.set_next(&mut self.arena, kept);
                    kept = node.0;
                } else {
                    self.forget_done(node);
                }
                node = Done(next);
            }
            self.arena.set(point, pair(low(word), kept));
        }
    }
}
