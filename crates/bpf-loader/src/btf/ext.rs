//! `.BTF.ext`: what BTF says about single instructions.

use super::MAGIC;
use crate::bytes::{index, sub, u8_at, u16_at, u32_at};

/// Line and column of an instruction, as offsets into the strings of the BTF.
#[derive(Clone, Copy)]
pub(crate) struct LineRecord {
    /// Offset in the section, in bytes.
    pub offset: u32,
    pub file: u32,
    pub text: u32,
    pub line: u32,
    pub column: u32,
}

/// A compile-once relocation.
#[derive(Clone, Copy)]
pub(crate) struct CoReRecord {
    /// Offset in the section, in bytes.
    pub offset: u32,
    pub type_id: u32,
    pub access: u32,
    pub kind: u32,
}

/// Records of one kind for one section, over borrowed bytes.
#[derive(Clone, Copy)]
pub(crate) struct Records<'d> {
    raw: &'d [u8],
    size: usize,
}

impl<'d> Records<'d> {
    pub const EMPTY: Self = Self { raw: &[], size: 1 };

    fn len(&self) -> usize {
        self.raw.len().checked_div(self.size).unwrap_or(0)
    }

    fn get(&self, at: usize) -> Option<&'d [u8]> {
        sub(self.raw, at.checked_mul(self.size)?, self.size)
    }

    fn offset(&self, at: usize) -> Option<u32> {
        u32_at(self.get(at)?, 0)
    }

    /// Number of the first record behind `offset`; records are in order.
    fn behind(&self, offset: u32) -> usize {
        let (mut low, mut high) = (0_usize, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.offset(middle).is_some_and(|found| found <= offset) {
                low = middle.saturating_add(1);
            } else {
                high = middle;
            }
        }
        low
    }

    /// The last line record at or before `offset`.
    pub fn line(&self, offset: u32) -> Option<LineRecord> {
        let raw = self.get(self.behind(offset).checked_sub(1)?)?;
        let place = u32_at(raw, 12)?;
        Some(LineRecord {
            offset: u32_at(raw, 0)?,
            file: u32_at(raw, 4)?,
            text: u32_at(raw, 8)?,
            line: place >> 10,
            column: place & 0x3ff,
        })
    }

    /// The type of the function that begins at `offset`.
    pub fn function(&self, offset: u32) -> Option<u32> {
        let raw = self.get(self.behind(offset).checked_sub(1)?)?;
        (u32_at(raw, 0)? == offset).then(|| u32_at(raw, 4)).flatten()
    }

    /// The compile-once relocations from `start` up to `end`.
    pub fn relocations(self, start: u32, end: u32) -> impl Iterator<Item = CoReRecord> + use<'d> {
        let first = start.checked_sub(1).map_or(0, |before| self.behind(before));
        (first..self.len())
            .map_while(move |at| {
                let raw = self.get(at)?;
                Some(CoReRecord {
                    offset: u32_at(raw, 0)?,
                    type_id: u32_at(raw, 4)?,
                    access: u32_at(raw, 8)?,
                    kind: u32_at(raw, 12)?,
                })
            })
            .take_while(move |record| record.offset < end)
    }
}

/// The parts of `.BTF.ext`, each a list of sections with their records.
#[derive(Clone, Copy, Default)]
pub(crate) struct ExtInfo<'d> {
    functions: &'d [u8],
    lines: &'d [u8],
    relocations: &'d [u8],
}

impl<'d> ExtInfo<'d> {
    pub fn parse(bytes: &'d [u8]) -> Option<Self> {
        if u16_at(bytes, 0)? != MAGIC || u8_at(bytes, 2)? != 1 {
            return None;
        }
        let header = index(u32_at(bytes, 4)?);
        let body = bytes.get(header..)?;
        let part =
            |at| sub(body, index(u32_at(bytes, at)?), index(u32_at(bytes, at.checked_add(4)?)?));
        // The relocations came later; an old header ends before them.
        let relocations = if header >= 32 { part(24)? } else { &[] };
        Some(Self { functions: part(8)?, lines: part(16)?, relocations })
    }

    /// The types of functions, by the offset of the section's name in the strings.
    pub fn functions(self) -> impl Iterator<Item = (u32, Records<'d>)> + use<'d> {
        blocks(self.functions, 8)
    }

    /// The line records, by the offset of the section's name in the strings.
    pub fn lines(self) -> impl Iterator<Item = (u32, Records<'d>)> + use<'d> {
        blocks(self.lines, 16)
    }

    /// The compile-once relocations, likewise.
    pub fn relocations(self) -> impl Iterator<Item = (u32, Records<'d>)> + use<'d> {
        blocks(self.relocations, 16)
    }
}

/// The records of each section out of the list `part`: the size of a record,
/// then for each section the offset of its name, the number of its records,
/// and the records, which have `least` bytes or more.
fn blocks(part: &[u8], least: usize) -> impl Iterator<Item = (u32, Records<'_>)> {
    // Shorter records than those of the first version do not exist.
    let size = u32_at(part, 0).map(index).filter(|&size| size >= least);
    let mut at = 4_usize;
    core::iter::from_fn(move || {
        let size = size?;
        let name = u32_at(part, at)?;
        let len = index(u32_at(part, at.checked_add(4)?)?).checked_mul(size)?;
        let start = at.checked_add(8)?;
        at = start.checked_add(len)?;
        Some((name, Records { raw: sub(part, start, len)?, size }))
    })
}
