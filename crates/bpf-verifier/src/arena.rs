//! Working memory: blocks of words inside one slice.
//!
//! Everything that a verification keeps lives here, so that its cost is what
//! the caller gave (or allowed). Blocks are named by the index of their first
//! word; freed ones wait in lists by size, and are made larger ones before more memory
//! is taken ([`gather`]).
//!
//! Where storage does not grow it is taken from both ends ([`ends`]): what is given back in
//! the reverse of the order in which it was taken lies at the lower one, without gaps, and
//! what may be given up at any time at the upper one.

mod ends;
mod gather;
mod halves;
#[cfg_attr(feature = "cloud-profile", path = "arena/heap.rs")]
#[cfg_attr(feature = "embedded-profile", path = "arena/in_place.rs")]
mod own;
#[cfg_attr(not(feature = "arena-shadow"), path = "arena/no_shadow.rs")]
mod shadow;

use bpf_profile::config::VERIFIER_WORKSPACE_BYTES;
use bpf_profile::{ActiveProfile, MemoryStrategy, PhysicalProfile, Sequence};

pub(crate) use halves::Halves;
use own::LEAST;
pub(crate) use own::{Kept, held};

type Memory = <ActiveProfile as PhysicalProfile>::Memory;

/// Words of storage that belongs to the verifier itself.
const WORDS: usize = VERIFIER_WORKSPACE_BYTES / size_of::<u64>();

/// Storage where the caller gave none: grows on an elastic build, is in place
/// on a static one.
pub(crate) type OwnWords = <Memory as MemoryStrategy>::Vec<u64, WORDS>;

/// Index of a block's first word.
pub(crate) type At = u32;

/// No block; word 0 belongs to none.
pub(crate) const NONE: At = 0;

/// Words that there may be, so that half words have indices, too.
const MOST_WORDS: usize = (u32::MAX / 2) as usize;

/// There is no room for so many words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoRoom {
    pub words: usize,
}

/// Where the words are.
pub(crate) enum Words<'a> {
    Given(&'a mut [u64]),
    Own(own::Held<'a>),
}

/// Words by which storage of its own grows: a page of memory.
const GROWTH: usize = 512;

const CLASSES: usize = 128;
/// Sizes that are multiples of the smallest.
const EVEN: usize = 64;
const EVEN_WORDS: usize = EVEN * LEAST;

pub(crate) struct Arena<'a> {
    words: Words<'a>,
    /// Words in use at the lower end, the freed ones among them.
    used: usize,
    /// Where those at the upper end begin; none, where there is but one end.
    top: Option<usize>,
    /// The most that were.
    peak: usize,
    /// Words that storage may grow to.
    limit: usize,
    /// First freed block of each size; its first word names the next one, and its size.
    free: [At; CLASSES],
    /// One bit for each size of which there is a freed block.
    filled: u128,
    /// Words of freed blocks, and how many blocks.
    free_words: usize,
    blocks: usize,
    /// Blocks that were freed since they were gathered.
    freed: usize,
    /// What the words are at the moment, where that is noted.
    shadow: shadow::Shadow,
}

impl<'a> Arena<'a> {
    pub fn new(mut words: Words<'a>, limit_bytes: usize) -> Self {
        let limit = match &words {
            Words::Given(slice) => slice.len(),
            Words::Own(_) => Memory::room(WORDS, limit_bytes / 8),
        };
        let (limit, free) = (limit.min(MOST_WORDS), [NONE; CLASSES]);
        if let Words::Own(vec) = &mut words {
            // What an earlier verification left may be more than is allowed now.
            vec.truncate(limit);
        }
        let top = matches!(words, Words::Given(_)).then_some(limit);
        Self {
            words,
            used: 1,
            top,
            peak: 1,
            limit,
            free,
            filled: 0,
            free_words: 0,
            blocks: 0,
            freed: 0,
            shadow: shadow::Shadow::new(),
        }
    }

    /// Takes the words away, for another one; none are left.
    pub fn take_words(&mut self) -> Words<'a> {
        core::mem::replace(&mut self.words, Words::Given(&mut []))
    }

    /// Another arena in the same words.
    #[cfg(feature = "embedded-profile")]
    pub fn emptied(&mut self) -> Self {
        let limit_bytes = self.limit_bytes();
        Self::new(self.take_words(), limit_bytes)
    }

    #[inline]
    fn all(&self) -> &[u64] {
        match &self.words {
            Words::Given(slice) => slice,
            Words::Own(vec) => vec,
        }
    }

    #[inline]
    fn all_mut(&mut self) -> &mut [u64] {
        match &mut self.words {
            Words::Given(slice) => slice,
            Words::Own(vec) => vec,
        }
    }

    /// Bytes in use at the most.
    pub const fn peak_bytes(&self) -> usize {
        self.peak.saturating_mul(size_of::<u64>())
    }

    /// Bytes that storage may grow to.
    pub const fn limit_bytes(&self) -> usize {
        self.limit.saturating_mul(size_of::<u64>())
    }

    /// A block of at least `words` words, their content left as it is.
    pub fn alloc(&mut self, words: usize) -> Result<At, NoRoom> {
        let (class, size) = class_of(behind(words)).ok_or(NoRoom { words })?;
        let at = self.take(class, size)?;
        self.shadow.taken(at, words);
        Ok(at)
    }

    /// A block that is never freed: no larger than it need be.
    pub fn alloc_for_good(&mut self, words: usize) -> Result<At, NoRoom> {
        let (class, _) = class_of(behind(words)).ok_or(NoRoom { words })?;
        let at = self.take(class, behind(words).max(1).next_multiple_of(LEAST))?;
        self.shadow.taken(at, words);
        Ok(at)
    }

    /// A block of `size` words, from freed ones of this class and above, or where none
    /// was before.
    fn take(&mut self, class: usize, size: usize) -> Result<At, NoRoom> {
        if self.top.is_some() {
            return self.take_from_below(class, size);
        }
        if let Some(at) = self.reuse(class, size, CLASSES) {
            return Ok(at);
        }
        let more = self.used.saturating_add(size) <= self.limit;
        if self.is_gathering_due(size, more) {
            self.gather();
            if let Some(at) = self.reuse(class, size, CLASSES) {
                return Ok(at);
            }
        }
        let end = self.used.saturating_add(size);
        if end > self.all().len() && !self.grow(end) {
            return Err(NoRoom { words: size });
        }
        let at = At::try_from(self.used).map_err(|_| NoRoom { words: size })?;
        self.used = end;
        self.peak = self.peak.max(end);
        Ok(at)
    }

    /// A freed block of a size below `end`, or its first part, the rest being freed
    /// again.
    fn reuse(&mut self, class: usize, size: usize, end: usize) -> Option<At> {
        let least = u32::try_from(class).ok()?;
        let fitting = self.filled.wrapping_shr(least).wrapping_shl(least);
        let found = fitting.trailing_zeros() as usize;
        if found >= end {
            return None;
        }
        let at = self.free.get(found).copied()?;
        let (next, words) = free_block(self.any_word(at));
        *self.free.get_mut(found)? = next;
        self.free_words = self.free_words.saturating_sub(words);
        self.blocks = self.blocks.saturating_sub(1);
        if next == NONE {
            self.filled &= !1_u128.wrapping_shl(fitting.trailing_zeros());
        }
        if words > size {
            let rest = At::try_from(size).ok().and_then(|size| at.checked_add(size))?;
            self.free_pieces(rest, words.saturating_sub(size));
        }
        Some(at)
    }

    /// Frees words that are no block, in blocks as large as there are.
    fn free_pieces(&mut self, at: At, words: usize) {
        let (mut at, mut left) = (at, words);
        while left >= LEAST {
            let above = class_of(left).map_or(0, |(class, _)| class);
            let fits = size_of_class(above) <= left;
            let size = size_of_class(if fits { above } else { above.saturating_sub(1) });
            self.put_by(at, size);
            at = at.saturating_add(slot_words(size));
            left = left.saturating_sub(size);
        }
    }

    /// Makes room for `end` words in all. The allocator is asked for ever larger pieces by the
    /// sequence; of what it gives no more is touched than is of use soon, as memory that is
    /// fresh costs a fault for every page.
    fn grow(&mut self, end: usize) -> bool {
        if end > self.limit {
            return false;
        }
        let Words::Own(vec) = &mut self.words else { return false };
        let target = end.checked_next_multiple_of(GROWTH).unwrap_or(end).min(self.limit);
        vec.try_resize(target, 0).is_ok()
    }

    /// Where so many words lie that belong to no block yet, if there are as many: what is
    /// written there lasts until a block is taken.
    pub fn behind(&mut self, words: usize) -> Option<At> {
        let end = self.used.saturating_add(words);
        let room = self.top.unwrap_or_else(|| self.all().len());
        let at = (end <= room).then(|| At::try_from(self.used).ok())??;
        self.shadow.draft(at, words);
        Some(at)
    }

    /// Gives a block of `words` words back.
    pub fn free(&mut self, at: At, words: usize) {
        if at != NONE {
            self.shadow.freed(at, words);
        }
        self.put_by(at, behind(words));
    }

    /// Keeps words that are no block's until they serve again.
    fn put_by(&mut self, at: At, words: usize) {
        if let Some((class, size)) = class_of(words)
            && at != NONE
            && !self.gives_back(at, size)
            && let Some(head) = self.free.get_mut(class)
        {
            let next = *head;
            *head = at;
            self.filled |= 1_u128.wrapping_shl(slot_words(class));
            self.link(at, next, size);
            self.free_words = self.free_words.saturating_add(size);
            self.blocks = self.blocks.saturating_add(1);
            self.freed = self.freed.saturating_add(1);
        }
    }

    /// Gives all of a block of `words` words back but for the first `kept`, which are a block
    /// that is never freed from now on.
    #[cfg(feature = "embedded-profile")]
    pub fn cut(&mut self, at: At, words: usize, kept: usize) {
        self.shadow.cut(at, words, kept);
        self.free_behind(at, words, behind(kept).next_multiple_of(LEAST));
    }

    /// Gives all of a block of `words` words back but for the first `kept`.
    pub fn shorten(&mut self, at: At, words: usize, kept: usize) {
        self.shadow.cut(at, words, kept);
        if let Some((_, size)) = class_of(behind(kept)) {
            self.free_behind(at, words, size);
        }
    }

    /// Frees what lies behind the first `kept` words of a block of `words` words.
    fn free_behind(&mut self, at: At, words: usize, kept: usize) {
        if let Some((_, size)) = class_of(behind(words))
            && let Some(from) = at.checked_add(slot_words(kept))
        {
            self.free_pieces(from, size.saturating_sub(kept));
        }
    }

    /// Notes in a freed block of `size` words which one follows.
    fn link(&mut self, at: At, next: At, size: usize) {
        self.set_any(at, pair(next, slot_words(size)));
    }

    #[inline]
    pub fn word(&self, at: At) -> u64 {
        self.shadow.read(at, 1);
        self.any_word(at)
    }

    /// A word, whether it is a block's or not.
    #[inline]
    fn any_word(&self, at: At) -> u64 {
        self.all().get(at as usize).copied().unwrap_or(0)
    }

    #[inline]
    pub fn set(&mut self, at: At, value: u64) {
        self.shadow.write(at, 1);
        self.set_any(at, value);
    }

    #[inline]
    fn set_any(&mut self, at: At, value: u64) {
        if let Some(word) = self.all_mut().get_mut(at as usize) {
            *word = value;
        }
    }

    /// All words, from which half words are read.
    #[inline]
    pub fn half_words(&self) -> HalfWords<'_> {
        HalfWords { words: self.all(), shadow: self.shadow.view() }
    }

    /// All words, of which these are to be written.
    pub fn writable(&mut self, to: At, words: usize) -> Writable<'_> {
        self.shadow.write(to, words);
        let all: &mut [u64] = match &mut self.words {
            Words::Given(slice) => slice,
            Words::Own(vec) => vec,
        };
        Writable { all, shadow: self.shadow.view() }
    }

    #[inline]
    pub fn slice(&self, at: At, words: usize) -> &[u64] {
        self.shadow.own(at, words);
        let at = at as usize;
        self.all().get(at..at.saturating_add(words)).unwrap_or_default()
    }

    #[inline]
    pub fn slice_mut(&mut self, at: At, words: usize) -> &mut [u64] {
        self.shadow.write(at, words);
        let at = at as usize;
        self.all_mut().get_mut(at..at.saturating_add(words)).unwrap_or_default()
    }

    /// Words of one block, and those of another, which are to be written.
    pub fn two(
        &mut self,
        (from, read): (At, usize),
        (to, written): (At, usize),
    ) -> (&[u64], &mut [u64]) {
        self.shadow.own(from, read);
        self.shadow.write(to, written);
        let (from, to) = (from as usize, to as usize);
        let ranges = [from..from.saturating_add(read), to..to.saturating_add(written)];
        match self.all_mut().get_disjoint_mut(ranges) {
            Ok([one, other]) => (one, other),
            Err(_) => (&[], &mut []),
        }
    }

    /// Moves words inside the storage; the places may overlap.
    pub fn copy(&mut self, from: At, to: At, words: usize) {
        self.shadow.copied(from, to, words);
        let (from, to) = (from as usize, to as usize);
        let all = self.all_mut();
        let (end, len) = (from.saturating_add(words), all.len());
        if end <= len && to.saturating_add(words) <= len {
            all.copy_within(from..end, to);
        }
    }
}

/// Words that are read in halves.
#[derive(Clone, Copy)]
pub(crate) struct HalfWords<'a> {
    words: &'a [u64],
    shadow: shadow::View<'a>,
}

impl HalfWords<'_> {
    /// A whole word.
    #[inline]
    pub fn word(self, at: At) -> u64 {
        self.shadow.read(at);
        self.words.get(at as usize).copied().unwrap_or(0)
    }

    /// The half word at an index, two for each word.
    #[inline]
    pub fn at(self, index: u32) -> u32 {
        self.shadow.read(index / 2);
        let word = self.words.get((index / 2) as usize).copied().unwrap_or(0);
        low(word.wrapping_shr((index & 1).wrapping_mul(32)))
    }
}

/// Words that are written while half words of others are read.
pub(crate) struct Writable<'a> {
    pub all: &'a mut [u64],
    shadow: shadow::View<'a>,
}

impl Writable<'_> {
    #[inline]
    pub fn half_words(&self) -> HalfWords<'_> {
        HalfWords { words: self.all, shadow: self.shadow }
    }
}

/// Words of a block with those behind it that are nobody's.
const fn behind(words: usize) -> usize {
    words.saturating_add(shadow::BEHIND)
}

/// A number of words as it is added to where a block is.
pub(crate) fn slot_words(words: usize) -> u32 {
    u32::try_from(words).unwrap_or(u32::MAX)
}

/// Words of a block of a size class.
fn size_of_class(class: usize) -> usize {
    if class < EVEN {
        return class.wrapping_add(1).wrapping_mul(LEAST);
    }
    let (octave, part) = (class.wrapping_sub(EVEN) / 4, class.wrapping_sub(EVEN) % 4);
    EVEN_WORDS.wrapping_shl(slot_words(octave)).wrapping_mul(part.wrapping_add(5)) / 4
}

/// The block that follows a freed one, and the words of this, by its first word.
const fn free_block(word: u64) -> (At, usize) {
    (low(word), high(word) as usize)
}

/// The size class that holds `words` words, and its size: multiples of the smallest up to
/// 64 of these, then four sizes per doubling.
fn class_of(words: usize) -> Option<(usize, usize)> {
    let last = words.max(1).wrapping_sub(1);
    if last < EVEN_WORDS {
        let class = last / LEAST;
        return Some((class, size_of_class(class)));
    }
    let power = last.ilog2();
    let (base, step) = (1_usize.wrapping_shl(power), 1_usize.wrapping_shl(power.wrapping_sub(2)));
    let part = last.wrapping_sub(base).checked_div(step)?;
    let octave = (power as usize).wrapping_sub(EVEN_WORDS.ilog2() as usize);
    let class = octave.wrapping_mul(4).wrapping_add(EVEN).wrapping_add(part);
    (class < CLASSES).then_some((class, size_of_class(class)))
}

/// The low half of a word.
#[allow(clippy::cast_possible_truncation, reason = "meant")]
pub(crate) const fn low(word: u64) -> u32 {
    word as u32
}

/// The high half of a word.
#[allow(clippy::cast_possible_truncation, reason = "meant")]
pub(crate) const fn high(word: u64) -> u32 {
    word.wrapping_shr(32) as u32
}

/// A word of two halves.
pub(crate) const fn pair(low: u32, high: u32) -> u64 {
    (low as u64) | (high as u64).wrapping_shl(32)
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::indexing_slicing, reason = "tests may panic")]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_what_they_are_asked_for() {
        for words in 1..5000 {
            let (class, size) = class_of(words).expect("small enough");
            assert!(size >= words && size_of_class(class) == size);
            assert!(class == 0 || size_of_class(class - 1) < words);
        }
    }

    /// Blocks come and go; those in use keep what was written to them, and when all are
    /// free again, all of it serves once more, as large blocks, too (without words between
    /// them that are nobody's).
    #[cfg(not(feature = "arena-shadow"))]
    #[test]
    fn blocks_do_not_overlap() {
        let mut words = [0_u64; 2000];
        let mut arena = Arena::new(Words::Given(&mut words), 0);
        let mut blocks: [Option<(At, usize, u64)>; 32] = [None; 32];
        let mut seed = 1_u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from((seed >> 33) % below).expect("small")
        };
        for round in 0..20_000_u64 {
            let slot = random(32);
            if let Some((at, size, mark)) = blocks[slot] {
                assert!(arena.slice(at, size).iter().all(|word| *word == mark));
                arena.free(at, size);
                blocks[slot] = None;
                continue;
            }
            let size = 1 + random(90);
            if let Ok(at) = arena.alloc(size) {
                arena.slice_mut(at, size).fill(round);
                blocks[slot] = Some((at, size, round));
            }
        }
        for (at, size, _) in blocks.into_iter().flatten() {
            arena.free(at, size);
        }
        let mut served = 0;
        let mut least = [NONE; 2000];
        for slot in &mut least {
            let Ok(at) = arena.alloc(LEAST) else { break };
            *slot = at;
            served += LEAST;
        }
        assert_eq!(served, 1999 / LEAST * LEAST);
        for at in least {
            arena.free(at, LEAST);
        }
        assert!(arena.alloc(1500).is_ok());
    }
}
