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
        let Some(top) = self.top else { return self.alloc(words) };
        let (class, size) = class_of(behind(words)).ok_or(NoRoom { words })?;
        let at = self.take_from_above(top, (class, size))?;
        self.shadow.taken(at, words);
        Ok(at)
    }

    /// A block at the lower end, or else a freed one.
    pub(super) fn take_from_below(
        &mut self,
        top: usize,
        (class, size): (usize, usize),
    ) -> Result<At, NoRoom> {
        if let Some(at) = self.lower(top, size) {
            return Ok(at);
        }
        if self.is_gathering_due(size, false) {
            self.gather();
            let top = self.top.unwrap_or(top);
            if let Some(at) = self.lower(top, size) {
                return Ok(at);
            }
        }
        self.reuse(class, size, CLASSES).ok_or(NoRoom { words: size })
    }

    /// A freed block, or else one at the upper end.
    fn take_from_above(&mut self, top: usize, (class, size): (usize, usize)) -> Result<At, NoRoom> {
        let free = |arena: &mut Self| arena.reuse(class, size, CLASSES);
        if let Some(at) = free(self).or_else(|| self.upper(top, size)) {
            return Ok(at);
        }
        if self.is_gathering_due(size, false) {
            self.gather();
            let top = self.top.unwrap_or(top);
            if let Some(at) = free(self).or_else(|| self.upper(top, size)) {
                return Ok(at);
            }
        }
        Err(NoRoom { words: size })
    }

    fn lower(&mut self, top: usize, size: usize) -> Option<At> {
        let end = self.used.checked_add(size).filter(|end| *end <= top)?;
        let at = At::try_from(self.used).ok()?;
        self.used = end;
        self.note_peak(top);
        Some(at)
    }

    fn upper(&mut self, top: usize, size: usize) -> Option<At> {
        let start = top.checked_sub(size).filter(|start| *start >= self.used)?;
        let at = At::try_from(start).ok()?;
        self.top = Some(start);
        self.note_peak(start);
        Some(at)
    }

    fn note_peak(&mut self, top: usize) {
        let above = self.limit.saturating_sub(top);
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
