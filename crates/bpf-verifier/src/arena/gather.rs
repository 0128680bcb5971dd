//! Freed blocks that lie side by side made one.
//!
//! Blocks are cut up as they serve again, and those of states differ in size, so that
//! after a while much is free and nothing of it large enough. Before more memory is
//! taken, the freed blocks are sorted by where they are; what lies side by side is
//! freed again as one.

use super::{Arena, At, CLASSES, NONE, free_block, slot_words};

/// Of the words in use, the part that must be free for it to be worth the time: states at rest are
/// small, and sorting is slow.
const WORTH: usize = 2;

impl Arena<'_> {
    /// Whether gathering may bring room for `size` words. Sorting is paid for by the
    /// blocks that were freed since it was done last, so there must be some for those
    /// there are; more of them, as long as there is more memory to be had.
    pub(super) const fn is_gathering_due(&self, size: usize, more: bool) -> bool {
        let share = if more { 1 } else { 32 };
        let paid = self.freed.saturating_mul(share) > self.blocks;
        let enough = if more { self.used / WORTH } else { 0 };
        paid && self.free_words >= size && self.free_words > enough
    }

    /// Makes freed blocks that lie side by side one; what lies at the end is free as it
    /// was before it served at all.
    pub(super) fn gather(&mut self) {
        let mut block = self.sorted();
        self.free = [NONE; CLASSES];
        (self.filled, self.free_words, self.blocks) = (0, 0, 0);
        while block != NONE {
            let start = block;
            let mut words = 0;
            while block != NONE && block == start.saturating_add(slot_words(words)) {
                let (next, size) = free_block(self.any_word(block));
                words = words.saturating_add(size);
                block = next;
            }
            let end = (start as usize).saturating_add(words);
            if end == self.used {
                self.used = start as usize;
            } else if self.top == Some(start as usize) {
                self.top = Some(end);
            } else {
                self.free_pieces(start, words);
            }
        }
        self.freed = 0;
    }

    /// A list of all freed blocks by where they are.
    fn sorted(&mut self) -> At {
        // Sorted lists of 1, 2, 4, ... blocks, as the bits of a number that counts up.
        let mut lists = [NONE; 32];
        for class in 0..CLASSES {
            let mut block = self.free.get(class).copied().unwrap_or(NONE);
            while block != NONE {
                let (next, size) = free_block(self.any_word(block));
                self.link(block, NONE, size);
                let mut list = block;
                for slot in &mut lists {
                    let other = core::mem::replace(slot, NONE);
                    if other == NONE {
                        *slot = list;
                        break;
                    }
                    list = self.merge(list, other);
                }
                block = next;
            }
        }
        lists.into_iter().fold(NONE, |all, list| self.merge(all, list))
    }

    /// Two sorted lists as one.
    fn merge(&mut self, a: At, b: At) -> At {
        let (mut a, mut b) = (a, b);
        let (mut first, mut last, mut last_size) = (NONE, NONE, 0);
        loop {
            // What is left of one list when the other is empty is in order already.
            let done = a == NONE || b == NONE;
            let taken = if b == NONE || (a != NONE && a < b) { a } else { b };
            if last == NONE {
                first = taken;
            } else {
                self.link(last, taken, last_size);
            }
            if done {
                return first;
            }
            let (next, size) = free_block(self.any_word(taken));
            (last, last_size) = (taken, size);
            if taken == a {
                a = next;
            } else {
                b = next;
            }
        }
    }
}
