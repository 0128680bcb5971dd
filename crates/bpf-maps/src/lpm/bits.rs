//! The bits of keys whose size is known at build time.

use core::sync::atomic::Ordering::Relaxed;

use portable_atomic::AtomicU32;

use super::prefix::Side;
use crate::limits::PREFIX_BYTES;

/// Bits of each half.
const HALF: u32 = u64::BITS;

/// The bytes behind a key's length, at most those of an IPv6 address, in halves of those, the
/// first bit highest. `SIZE` is the key's, a multiple of four.
pub(super) struct Bits<const SIZE: usize> {
    high: u64,
    low: u64,
}

impl<const SIZE: usize> Bits<SIZE> {
    /// Words of 32 bits.
    const WORDS: usize = {
        let words = (SIZE - PREFIX_BYTES as usize) / 4;
        assert!(SIZE.is_multiple_of(4) && words <= 4, "a key of another size");
        words
    };

    /// A prefix's length and the bits that it is of, if it is not longer than these.
    #[inline(always)]
    pub(super) fn parse(key: &[u8; SIZE]) -> Option<(u32, Self)> {
        let (len, data) = key.split_first_chunk::<{ PREFIX_BYTES as usize }>()?;
        let len = u32::from_ne_bytes(*len);
        let words = data.as_chunks::<4>().0;
        let word = |index: usize| words.get(index).map_or(0, |bytes| u32::from_be_bytes(*bytes));
        let bits = Self { high: half([0, 1].map(word)), low: half([2, 3].map(word)) };
        (len as usize <= Self::WORDS.saturating_mul(32)).then_some((len, bits))
    }

    /// Whether the first `len` bits are those of a node. No more than there are.
    #[inline(always)]
    pub(super) fn begin_with(&self, len: u32, node: &[AtomicU32]) -> bool {
        let Some(node) = node.get(..Self::WORDS) else { return false };
        let word = |index: usize| node.get(index).map_or(0, |word| word.load(Relaxed));
        let high = self.high ^ half([0, 1].map(word));
        if Self::WORDS <= 2 || len <= HALF {
            return high.leading_zeros() >= len;
        }
        let low = self.low ^ half([2, 3].map(word));
        high == 0 && low.leading_zeros() >= len.saturating_sub(HALF)
    }

    /// The child for the bit at `position`.
    #[inline(always)]
    pub(super) fn side(&self, position: u32) -> Side {
        let half = if Self::WORDS <= 2 || position < HALF { self.high } else { self.low };
        if half.rotate_left(position) & 1 << 63 == 0 { Side::Left } else { Side::Right }
    }
}

/// Two words as one.
const fn half([first, second]: [u32; 2]) -> u64 {
    (first as u64) << 32 | second as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_bits_as_asked_for() {
        let mut key = [0; 20];
        key[..4].copy_from_slice(&70_u32.to_ne_bytes());
        key[4..].copy_from_slice(&[0xf0; 16]);
        let (len, bits) = Bits::parse(&key).unwrap();
        let node = |words: [u32; 4]| words.map(AtomicU32::new);
        let same = 0xf0f0_f0f0;
        assert_eq!(len, 70);
        assert!(bits.begin_with(0, &node([0; 4])));
        assert!(bits.begin_with(70, &node([same, same, 0xf200_0000, 0])));
        assert!(!bits.begin_with(71, &node([same, same, 0xf200_0000, 0])));
        assert!(!bits.begin_with(70, &node([same, 0, same, 0])));
        assert!(!bits.begin_with(64, &node([same, 0, same, 0])));
        assert!(bits.begin_with(64, &node([same, same, 0, 0])));
        assert!(bits.begin_with(128, &node([same; 4])));
        assert!(!bits.begin_with(128, &node([same, same, same, same ^ 1])));
        assert_eq!(
            [0, 4, 35, 36, 127].map(|at| bits.side(at) == Side::Right),
            [true, false, true, false, false]
        );
    }

    #[test]
    fn a_length_beyond_the_bits_is_none() {
        let key = |len: u32| (u64::from(len)).to_ne_bytes();
        let parse = |len| Bits::parse(&key(len)).map(|(len, _)| len);
        assert_eq!([32, 33].map(parse), [Some(32), None]);
    }
}
