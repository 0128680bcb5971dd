//! Prefixes: some leading bits.

use crate::MapError;
use crate::limits::PREFIX_BYTES;

/// A key: a number of bits, and the bytes that they begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefix<'a> {
    pub(super) len: u32,
    pub(super) data: &'a [u8],
}

impl<'a> Prefix<'a> {
    /// The prefix in a key of `key_size` bytes, if it is not longer than its
    /// data.
    pub(super) fn parse(key: &'a [u8], key_size: u32) -> Result<Self, MapError> {
        let (len, data) = key
            .split_first_chunk::<{ PREFIX_BYTES as usize }>()
            .filter(|_| key.len() == key_size as usize)
            .ok_or(MapError::InvalidKey)?;
        let prefix = Self { len: u32::from_ne_bytes(*len), data };
        if prefix.len as usize > data.len().saturating_mul(8) {
            return Err(MapError::InvalidKey);
        }
        Ok(prefix)
    }

    /// The child for the bit at `position`, counted from the first byte's
    /// highest.
    pub(super) fn side(&self, position: u32) -> Side {
        side(self.word(position / WORD_BITS), position)
    }

    /// The bits from 32 times `index` on, the first one highest; zeroes after
    /// the last byte.
    #[inline]
    pub(super) fn word(&self, index: u32) -> u32 {
        let rest = self.data.get((index as usize).saturating_mul(4)..).unwrap_or_default();
        match rest {
            [a, b, c, d, ..] => u32::from_be_bytes([*a, *b, *c, *d]),
            [a, b, c] => u32::from_be_bytes([*a, *b, *c, 0]),
            [a, b] => u32::from_be_bytes([*a, *b, 0, 0]),
            [a] => u32::from_be_bytes([*a, 0, 0, 0]),
            [] => 0,
        }
    }

    /// How many leading bits are those of another prefix of `len` bits, given by
    /// its words, where the first `known` ones are known to be.
    #[inline]
    pub(super) fn common(
        &self,
        len: u32,
        known: u32,
        other: impl Fn(u32) -> Option<u32>,
    ) -> Option<u32> {
        let limit = self.len.min(len);
        let first = known / WORD_BITS;
        let mut bits = first.saturating_mul(WORD_BITS);
        for index in first..limit.div_ceil(WORD_BITS) {
            let same = (self.word(index) ^ other(index)?).leading_zeros();
            bits = bits.saturating_add(same);
            if same < WORD_BITS {
                break;
            }
        }
        Some(bits.min(limit))
    }
}

/// Bits of a word.
pub(super) const WORD_BITS: u32 = u32::BITS;

/// Which of a node's children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

impl Side {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

/// The child for the bit at `position`, given the word that it is in.
pub(super) fn side(word: u32, position: u32) -> Side {
    if word.rotate_left(position % WORD_BITS) >> 31 == 0 { Side::Left } else { Side::Right }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_in_common() {
        let a = Prefix { len: 20, data: &[0b1010_0000, 0xff, 0xf0] };
        let common = |data: &[u8], len, known| {
            let other = Prefix { len, data };
            a.common(len, known, |index| Some(other.word(index))).unwrap()
        };
        assert_eq!(common(&[0b1010_0000, 0xff, 0xf0], 24, 0), 20);
        assert_eq!(common(&[0b1010_0001, 0xff, 0xf0], 24, 0), 7);
        assert_eq!(common(&[0b1010_0000, 0xff, 0xf0], 9, 0), 9);
        assert_eq!(common(&[0, 0, 0], 24, 0), 0);
        assert_eq!(common(&[0, 0, 0], 0, 0), 0);
    }

    #[test]
    fn what_is_known_is_not_looked_at() {
        let a = Prefix { len: 64, data: &[1, 2, 3, 4, 5, 6, 7, 8] };
        let words = [None, Some(0x0506_0700)];
        let other = |index: u32| words[index as usize];
        assert_eq!(a.common(64, 0, other), None);
        assert_eq!(a.common(64, 40, other), Some(60));
        assert_eq!(a.common(50, 32, other), Some(50));
    }

    #[test]
    fn sides() {
        let a = Prefix { len: 40, data: &[0b1010_0000, 0, 0, 1, 0b0100_0000] };
        let sides = [0, 1, 2, 31, 32, 33, 40, 4000].map(|position| a.side(position) == Side::Right);
        assert_eq!(sides, [true, false, true, true, false, true, false, false]);
    }

    #[test]
    fn keys_are_checked() {
        let key = |len: u32| [&len.to_ne_bytes()[..], &[1, 2, 3, 4]].concat();
        assert_eq!(Prefix::parse(&key(32), 8).unwrap().len, 32);
        assert_eq!(Prefix::parse(&key(33), 8), Err(MapError::InvalidKey));
        assert_eq!(Prefix::parse(&key(32), 9), Err(MapError::InvalidKey));
        assert_eq!(Prefix::parse(&[0; 3], 3), Err(MapError::InvalidKey));
    }
}
