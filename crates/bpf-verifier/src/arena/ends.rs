//! Storage of a fixed size, taken from both ends.
//!
//! States that are kept on the path, and those that wait for their turn, are freed in the
//! reverse of the order in which they were made. One behind the other at the lower end, they
//! leave no gaps. Done nodes are freed when they are of no use, or when memory runs out: at
//! the upper end, they leave gaps among themselves alone, and when all were given up,
//! everything between is one piece.

use super::{Arena, At, CLASSES, NoRoom, behind, class_of, slot_words};

impl Arena<'_> {
    /// A block of at least `words` words that lasts longer than those around it, or not as
    /// long; their content left as it is.
    pub fn alloc_apart(&mut self, words: usize) -> Result<At, NoRoom> {
        if self.top.is_none() {
            return self.alloc(words);
        }
        let (class, size) = class_of(behind(words)).ok_or(NoRoom { words })?;
        let free_or_above = |arena: &mut Self| {
            let free = arena.reuse(class, size, CLASSES);
            free.or_else(|| arena.upper(size))
        };
        let at = self.first_or_gathered(size, free_or_above).ok_or(NoRoom { words: size })?;
        self.shadow.taken(at, words);
        Ok(at)
    }

    /// A block at the lower end, or else a freed one.
    pub(super) fn take_from_below(&mut self, class: usize, size: usize) -> Result<At, NoRoom> {
        let below = self.first_or_gathered(size, |arena| arena.lower(size));
        below.or_else(|| self.reuse(class, size, CLASSES)).ok_or(NoRoom { words: size })
    }

    /// What is found at once, or else where freed blocks were gathered for its sake.
    fn first_or_gathered(
        &mut self,
        size: usize,
        find: impl Fn(&mut Self) -> Option<At>,
    ) -> Option<At> {
        let found = find(self);
        if found.is_some() || !self.is_gathering_due(size, false) {
            return found;
        }
        self.gather();
        find(self)
    }

    fn lower(&mut self, size: usize) -> Option<At> {
        let end = self.used.checked_add(size).filter(|end| self.top >= Some(*end))?;
        let at = At::try_from(self.used).ok()?;
        self.used = end;
        self.note_peak();
        Some(at)
    }

    fn upper(&mut self, size: usize) -> Option<At> {
        let start = self.top?.checked_sub(size).filter(|start| *start >= self.used)?;
        let at = At::try_from(start).ok()?;
        self.top = Some(start);
        self.note_peak();
        Some(at)
    }

    fn note_peak(&mut self) {
        let above = self.top.map_or(0, |top| self.limit.saturating_sub(top));
        self.peak = self.peak.max(self.used.saturating_add(above));
    }

    /// Whether so many words lie beside those between both ends, and were given back to them.
    pub(super) fn gives_back(&mut self, at: At, words: usize) -> bool {
        let Some(top) = self.top else { return false };
        let end = (at as usize).saturating_add(words);
        if end == self.used {
            self.used = at as usize;
        } else if at == slot_words(top) {
            self.top = Some(end);
        } else {
            return false;
        }
        true
    }
}
