//! What the host reads of a map.

use core::fmt;

use crate::memory::View;

/// Bytes that are read at once where values are compared or printed.
const CHUNK: usize = 64;

/// A value of a map, seen by the host.
///
/// Programs may write the value at any time, so it is never a slice: the guard
/// copies bytes out. It reads the memory as it is at that moment. After the
/// entry was deleted it goes on to read the old bytes, until another entry takes
/// their place, and then reads those.
///
/// A value of a per-CPU map is the values of all CPUs one after another, each
/// rounded up to 8 bytes; [`cpu`](Self::cpu) is one of them.
#[derive(Clone, Copy)]
pub struct MapValue<'a> {
    /// The first CPU's part.
    first: View<'a>,
    /// From there on: all the CPUs' parts, and what lies between them.
    span: View<'a>,
    /// Bytes from one CPU's part to the next.
    stride: usize,
    /// Number of CPUs.
    parts: usize,
}

impl<'a> MapValue<'a> {
    /// One piece.
    pub(crate) const fn new(bytes: View<'a>) -> Self {
        Self { first: bytes, span: bytes, stride: 0, parts: 1 }
    }

    /// Pieces of the same length as `first`, `stride` bytes from start to start.
    pub(crate) const fn per_cpu(
        first: View<'a>,
        span: View<'a>,
        stride: usize,
        parts: usize,
    ) -> Self {
        Self { first, span, stride, parts }
    }

    /// Length in bytes, over all CPUs.
    pub fn len(&self) -> usize {
        self.first.len().saturating_mul(self.parts)
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of CPUs for which there is a value; 1 where the map is not
    /// per-CPU.
    pub const fn cpus(&self) -> usize {
        self.parts
    }

    /// The value of one CPU.
    pub fn cpu(&self, cpu: usize) -> Option<MapValue<'a>> {
        if cpu >= self.parts {
            return None;
        }
        Some(Self::new(self.span.part(cpu.checked_mul(self.stride)?, self.first.len())?))
    }

    /// Copies the bytes from `offset` on out to the whole of `to`; `None` where
    /// there are not as many, and then `to` is unchanged.
    pub fn read(&self, offset: usize, to: &mut [u8]) -> Option<()> {
        if offset.checked_add(to.len())? > self.len() {
            return None;
        }
        let size = self.first.len();
        let (mut offset, mut rest) = (offset, to);
        while !rest.is_empty() {
            let part = self.cpu(offset.checked_div(size)?)?;
            let within = offset.checked_rem(size)?;
            let take = size.checked_sub(within)?.min(rest.len());
            let (now, later) = rest.split_at_mut_checked(take)?;
            part.first.read(within, now)?;
            offset = offset.checked_add(take)?;
            rest = later;
        }
        Some(())
    }

    /// Copies as many bytes as both have; gives their number.
    pub fn copy_to(&self, to: &mut [u8]) -> usize {
        let count = self.len().min(to.len());
        match to.get_mut(..count).and_then(|to| self.read(0, to)) {
            Some(()) => count,
            None => 0,
        }
    }

    /// The first four bytes as a number in native byte order.
    pub fn u32(&self) -> Option<u32> {
        let mut bytes = [0; 4];
        self.read(0, &mut bytes)?;
        Some(u32::from_ne_bytes(bytes))
    }

    /// The first eight bytes as a number in native byte order.
    pub fn u64(&self) -> Option<u64> {
        let mut bytes = [0; 8];
        self.read(0, &mut bytes)?;
        Some(u64::from_ne_bytes(bytes))
    }

    /// The bytes one by one, though read in larger pieces.
    fn bytes(&self) -> impl Iterator<Item = u8> + '_ {
        let parts = (0..self.parts).map_while(|cpu| self.cpu(cpu));
        let starts = parts.flat_map(|part| {
            (0..part.first.len()).step_by(CHUNK).map(move |start| (part.first, start))
        });
        starts.flat_map(|(part, start)| {
            let mut chunk = [0; CHUNK];
            let count = part.len().saturating_sub(start).min(CHUNK);
            if let Some(chunk) = chunk.get_mut(..count) {
                // The range is within, so there is nothing that could be missing.
                let _ = part.read(start, chunk);
            }
            chunk.into_iter().take(count)
        })
    }
}

impl PartialEq<[u8]> for MapValue<'_> {
    fn eq(&self, other: &[u8]) -> bool {
        self.len() == other.len() && self.bytes().eq(other.iter().copied())
    }
}

impl PartialEq<&[u8]> for MapValue<'_> {
    fn eq(&self, other: &&[u8]) -> bool {
        *self == **other
    }
}

impl<const N: usize> PartialEq<[u8; N]> for MapValue<'_> {
    fn eq(&self, other: &[u8; N]) -> bool {
        *self == *other.as_slice()
    }
}

impl<const N: usize> PartialEq<&[u8; N]> for MapValue<'_> {
    fn eq(&self, other: &&[u8; N]) -> bool {
        *self == *other.as_slice()
    }
}

impl PartialEq for MapValue<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.bytes().eq(other.bytes())
    }
}

impl fmt::Debug for MapValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.bytes()).finish()
    }
}
