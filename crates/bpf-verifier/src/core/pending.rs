//! States that wait for their turn: the other sides of branches.

use super::node::Node;
use super::trial::Trial;
use super::{Explorer, Step, Walker};
use crate::arena::{At, NONE, high, low, pair};
use crate::cfg::slot_number;
use crate::meter::Meter;
use crate::state::snapshot::{Plan, Snapshot};

const METER: u32 = 4;
const SNAPSHOT: u32 = METER + Meter::WORDS;

impl Explorer<'_> {
    /// Keeps the state as it is before the branch at the current instruction,
    /// to go on later where the condition holds.
    pub(super) fn fork(&mut self) -> Step {
        let plan = Plan::new(&self.state, &self.arena, self.last_kept(), false);
        self.charge_waiting(plan.weight as usize);
        let at = self.alloc(plan.words.saturating_add(SNAPSHOT) as usize)?;
        self.walker.forks = self.walker.forks.saturating_add(1);
        self.walker.lonely = 0;
        let Walker { pc, parent, meter, trail, trail_len, forks, grants, active, .. } = self.walker;
        let field = |index: u32| at.saturating_add(index);
        let arena = &mut self.arena;
        arena.set(at, pair(parent, self.pending));
        arena.set(field(1), pair(slot_number(pc), trail_len | forks.min(0xffff).wrapping_shl(8)));
        arena.set(field(2), trail);
        arena.set(field(3), pair(active.0, grants));
        meter.store(arena, field(METER));
        Snapshot::write_planned(&self.state, arena, field(SNAPSHOT), &plan);
        Node(parent).add_branch(arena);
        self.pending = at;
        Ok(())
    }

    /// Goes on with the state that waits since last, if there is one.
    pub(super) fn next_path(&mut self) -> Step<bool> {
        let at = self.pending;
        if at == NONE {
            return Ok(false);
        }
        let field = |index: u32| at.saturating_add(index);
        let (links, place) = (self.arena.word(at), self.arena.word(field(1)));
        let parent: At = low(links);
        self.walker = Walker {
            pc: low(place) as usize,
            parent,
            meter: Meter::load(&self.arena, field(METER)),
            trail: self.arena.word(field(2)),
            trail_len: high(place) & 0xff,
            forks: high(place).wrapping_shr(8),
            lonely: 0,
            grants: high(self.arena.word(field(3))),
            active: Trial(low(self.arena.word(field(3)))),
        };
        let snapshot = Snapshot(field(SNAPSHOT));
        self.resumed = Some(self.walker.pc);
        let last = Node(parent).snapshot(&self.arena);
        let loaded = snapshot.resume(&mut self.arena, &mut self.state, last);
        self.drop_pending();
        loaded?;
        let insn = self.code.insn(self.walker.pc)?;
        self.walker.pc = self.take_side(&insn, true)?;
        Ok(true)
    }
    /// Forgets the state that waits since last.
    pub(super) fn drop_pending(&mut self) {
        let at = self.pending;
        let snapshot = Snapshot(at.saturating_add(SNAPSHOT));
        let words = snapshot.words(&self.arena).saturating_add(SNAPSHOT) as usize;
        self.pending = high(self.arena.word(at));
        self.arena.free(at, words);
    }
}
