//! Prefixes: some leading bits.

use crate::MapError;
use crate::limits::PREFIX_BYTES;
use crate::memory::View;

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

    /// The bit at `position`, counted from the first byte's highest.
    pub(super) fn bit(&self, position: u32) -> Side {
        side(self.data.get(position as usize / 8).copied(), position)
    }

    /// How many leading bits are those of `other`'s first `len` bits, where the
    /// first `known` ones are known to be.
    #[inline]
    pub(super) fn common(&self, other: View<'_>, len: u32, known: u32) -> u32 {
        let limit = self.len.min(len);
        let mut bits = known & !7;
        for (offset, &byte) in self.data.iter().enumerate().skip(known as usize / 8) {
            if bits >= limit {
                break;
            }
            let same = (byte ^ other.byte(offset).unwrap_or(!byte)).leading_zeros();
            bits = bits.saturating_add(same);
            if same < 8 {
                break;
            }
        }
        bits.min(limit)
    }
}

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

/// The child for the bit at `position`, given the byte that it is in.
pub(super) fn side(byte: Option<u8>, position: u32) -> Side {
    let mask = 0x80_u8.checked_shr(position % 8).unwrap_or(0);
    if byte.unwrap_or(0) & mask == 0 { Side::Left } else { Side::Right }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_in_common() {
        let a = Prefix { len: 20, data: &[0b1010_0000, 0xff, 0xf0] };
        let common = |data: &[u8], len| a.common(data.into(), len, 0);
        assert_eq!(common(&[0b1010_0000, 0xff, 0xf0], 24), 20);
        assert_eq!(common(&[0b1010_0001, 0xff, 0xf0], 24), 7);
        assert_eq!(common(&[0b1010_0000, 0xff, 0xf0], 9), 9);
        assert_eq!(common(&[0, 0, 0], 24), 0);
        assert_eq!(common(&[0, 0, 0], 0), 0);
        // What is known is not looked at.
        assert_eq!(a.common([0, 0, 0xf0].as_slice().into(), 24, 17), 20);
        assert_eq!(a.common([0, 0, 0].as_slice().into(), 24, 16), 16);
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
