//! What a proof rests on.
//!
//! Every number carries one bit for each entry of the last checkpoint from
//! which what is known of it was derived. Where a decision is taken on a number
//! (a jump goes one way only, an address is computed, a size is passed), these
//! entries are marked as *precise* in the checkpoint, and what they were derived
//! from in the checkpoint before, and so on. When states are compared later, a
//! number that is not marked may differ: nothing was decided on it.
//!
//! Of an address in a packet, its bits stand for how far the packet reaches
//! behind it. An access marks them, and a comparison with the packet's end that
//! is decided by that. Of one that is not marked it is forgotten.
//!
//! Where a loop is closed on an older state ([`rounds`](super::rounds)), the
//! entries that the older state covered are marked as *exact*: they may differ
//! no more than precise ones, and yet nothing was decided on them.
//!
//! In the same way, stack bytes that are read are marked as *read*.

use super::Explorer;
use super::node::Node;
use crate::arena::NONE;
use crate::state::cover::entry_bit;

/// Which marks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Precise,
    Exact,
    Read,
}

impl Explorer<'_> {
    /// A decision is taken on what `deps` stands for.
    pub(super) fn mark_precise(&mut self, deps: u64) {
        self.mark(Mark::Precise, deps);
    }

    /// A loop is closed on what `deps` stands for.
    pub(super) fn mark_exact(&mut self, deps: u64) {
        self.mark(Mark::Exact, deps);
    }

    /// The bytes that `live` stands for are read.
    pub(super) fn mark_read(&mut self, live: u64) {
        self.mark(Mark::Read, live);
    }

    /// A decision is taken on an entry of an open node.
    pub(super) fn mark_entry(&mut self, node: Node, entry: u32) {
        self.mark_from(node, Mark::Precise, entry_bit(entry));
    }

    /// The same of its bytes, if it is of some on the stack.
    pub(super) fn mark_entry_read(&mut self, node: Node, entry: u32) {
        self.mark_from(node, Mark::Read, entry_bit(entry));
    }

    fn mark(&mut self, mark: Mark, bits: u64) {
        self.mark_from(Node(self.walker.parent), mark, bits);
    }

    fn mark_from(&mut self, node: Node, mark: Mark, bits: u64) {
        let (mut node, mut bits) = (node, bits);
        while bits != 0 && node.0 != NONE {
            let marked = match mark {
                Mark::Precise => node.precise(&self.arena),
                Mark::Exact => node.exact(&self.arena),
                Mark::Read => node.read(&self.arena),
            };
            let new = bits & !marked;
            if new == 0 {
                return;
            }
            match mark {
                Mark::Precise => node.set_precise(&mut self.arena, marked | new),
                Mark::Exact => node.set_exact(&mut self.arena, marked | new),
                Mark::Read => node.set_read(&mut self.arena, marked | new),
            }
            let snapshot = node.snapshot(&self.arena);
            bits = snapshot.origins_of(&self.arena, new, mark == Mark::Read);
            if new >> 63 == 1 {
                self.work(snapshot.cells(&self.arena).into());
            }
            node = Node(node.parent(&self.arena));
        }
    }
}
