//! Tables of half words.

use super::{Arena, At, NONE, NoRoom, high, low, pair};

/// So many half words in a block of their own, two in each word.
#[derive(Clone, Copy)]
pub(crate) struct Halves {
    at: At,
    len: usize,
}

impl Halves {
    pub const EMPTY: Self = Self { at: NONE, len: 0 };

    const fn words_of(len: usize) -> usize {
        len.div_ceil(2)
    }

    /// The words that they take.
    pub const fn words(self) -> usize {
        Self::words_of(self.len)
    }

    #[cfg(feature = "embedded-profile")]
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }

    /// A table in words that there are already.
    #[cfg(feature = "embedded-profile")]
    pub const fn at(at: At, len: usize) -> Self {
        Self { at, len }
    }

    /// A table of zeros, which is never freed.
    pub fn new(arena: &mut Arena<'_>, len: usize) -> Result<Self, NoRoom> {
        let words = Self::words_of(len);
        let at = arena.alloc_for_good(words)?;
        arena.slice_mut(at, words).fill(0);
        Ok(Self { at, len })
    }

    /// Where the half word at an index lies, and by how much its word is shifted.
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "indices of blocks fit, a bit does")]
    const fn place(self, index: usize) -> (At, u32) {
        (self.at.wrapping_add((index / 2) as u32), (index as u32 & 1).wrapping_mul(32))
    }

    /// The half word at an index; behind the last one, 0.
    #[inline]
    pub fn get(self, arena: &Arena<'_>, index: usize) -> u32 {
        if index >= self.len {
            return 0;
        }
        let (at, shift) = self.place(index);
        low(arena.word(at).wrapping_shr(shift))
    }

    #[inline]
    pub fn set(self, arena: &mut Arena<'_>, index: usize, half: u32) {
        if index < self.len {
            let (at, shift) = self.place(index);
            let rest = arena.word(at) & !u64::from(u32::MAX).wrapping_shl(shift);
            arena.set(at, rest | u64::from(half).wrapping_shl(shift));
        }
    }

    /// The first one from an index on that has a bit of these.
    pub fn find(self, arena: &Arena<'_>, from: usize, bits: u32) -> Option<usize> {
        // Behind the last one of an odd number lies 0.
        let words = arena.slice(self.at, self.words());
        let (both, mut from) = (pair(bits, bits), from);
        if !from.is_multiple_of(2) {
            if self.get(arena, from) & bits != 0 {
                return Some(from);
            }
            from = from.saturating_add(1);
        }
        let mut rest = words.get(from / 2..)?.iter();
        let skipped = rest.position(|word| word & both != 0)?;
        let at = from.saturating_add(skipped.saturating_mul(2));
        Some(if self.get(arena, at) & bits == 0 { at.saturating_add(1) } else { at })
    }

    /// How many have a bit.
    pub fn count(self, arena: &Arena<'_>, bit: u32) -> usize {
        let shift = bit.trailing_zeros();
        let words = arena.slice(self.at, self.words()).iter();
        let sum =
            words.fold(0, |sum: u64, word| sum.wrapping_add(word.wrapping_shr(shift) & pair(1, 1)));
        (low(sum) as usize).saturating_add(high(sum) as usize)
    }

    /// Those from an index on.
    pub fn iter_from<'a>(
        self,
        arena: &'a Arena<'_>,
        from: usize,
    ) -> impl Iterator<Item = u32> + 'a {
        let words = arena.slice(self.at, self.words()).get(from / 2..);
        let halves = words.unwrap_or_default().iter().flat_map(|word| [low(*word), high(*word)]);
        halves.skip(from % 2).take(self.len.saturating_sub(from))
    }
}
