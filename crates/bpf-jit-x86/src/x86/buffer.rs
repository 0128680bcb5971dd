//! The emitted bytes, labels, and the jumps between them.
//!
//! Every jump is first emitted in its long form and noted; `finish` knows all
//! distances, takes the short form where it reaches, and moves the code
//! together.

use alloc::vec::Vec;

use bpf_profile::OutOfMemory;

use super::relax::Jump;
use crate::error::CompileError;

/// A place in the code, known or to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label(u32);

/// A condition on the CPU's flags, numbered as in opcodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Flag {
    /// Unsigned less; carry.
    Below = 2,
    /// Unsigned greater or equal.
    AboveOrEqual = 3,
    /// Equal; zero.
    Equal = 4,
    /// Not equal; not zero.
    NotEqual = 5,
    /// Unsigned less or equal.
    BelowOrEqual = 6,
    /// Unsigned greater.
    Above = 7,
    /// The sign bit is set.
    Negative = 8,
    /// The sign bit is clear.
    NotNegative = 9,
    /// Signed less.
    Less = 12,
    /// Signed greater or equal.
    GreaterOrEqual = 13,
    /// Signed less or equal.
    LessOrEqual = 14,
    /// Signed greater.
    Greater = 15,
}

impl Flag {
    /// What holds where this does not.
    pub(super) const fn turned(self) -> Self {
        match self {
            Self::Below => Self::AboveOrEqual,
            Self::AboveOrEqual => Self::Below,
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::BelowOrEqual => Self::Above,
            Self::Above => Self::BelowOrEqual,
            Self::Negative => Self::NotNegative,
            Self::NotNegative => Self::Negative,
            Self::Less => Self::GreaterOrEqual,
            Self::GreaterOrEqual => Self::Less,
            Self::LessOrEqual => Self::Greater,
            Self::Greater => Self::LessOrEqual,
        }
    }
}

/// An instruction whose last field is the distance to a label.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fixup {
    /// The instruction's first byte.
    pub(super) at: u32,
    pub(super) label: Label,
    pub(super) kind: Kind,
}

impl Label {
    /// Of labels that are no slot's.
    const OTHER: u32 = 1 << 31;
}

/// What holds a distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `jmp`
    Jump,
    /// `jcc`
    JumpIf(Flag),
    /// An instruction of as many bytes, of which the last four are the distance.
    Long(u8),
}

impl Kind {
    /// Bytes of the long form.
    pub(super) const fn long(self) -> u32 {
        match self {
            Self::Jump => 5,
            Self::JumpIf(_) => 6,
            Self::Long(bytes) => bytes as u32,
        }
    }
}

/// Where a label is: bytes in front of it, and above them fixups in front of it. One number,
/// since it is read with each slot right after bytes were counted: a CPU waits where it reads
/// in one piece what has just been written in two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place(u64);

impl Place {
    /// Of a label without a place.
    pub(super) const UNBOUND: Self = Self(u32::MAX as u64);

    const FIXUP: u64 = 1 << u32::BITS;

    /// Bytes in front of it.
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "the lower half")]
    pub(super) const fn at(self) -> u32 {
        self.0 as u32
    }

    /// Fixups in front of it.
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "the upper half")]
    pub(super) const fn fixups(self) -> u32 {
        (self.0 >> u32::BITS) as u32
    }

    /// The same behind more bytes, of which there is room for less than 2^32 in all.
    #[inline(always)]
    const fn behind(self, bytes: u32) -> Self {
        Self(self.0.wrapping_add(bytes as u64))
    }

    pub(super) fn known(self) -> bool {
        self != Self::UNBOUND
    }
}

/// Bytes that are written at once, whatever the length of an instruction is.
pub(super) const CHUNK: usize = 16;

/// Code under construction. What fails is remembered and reported by
/// [`finish`](Self::finish).
#[derive(Debug, Default)]
pub(crate) struct CodeBuffer {
    /// The code, and room behind it.
    pub(super) bytes: Vec<u8>,
    /// Where the code ends.
    end: Place,
    /// For each slot its place, as that of a label.
    pub(super) slots: Vec<Place>,
    /// For each other label its place.
    labels: Vec<Place>,
    pub(super) fixups: Vec<Fixup>,
    /// What `relax` finds out.
    pub(super) saved: Vec<u32>,
    /// What it looks at.
    pub(super) jumps: Vec<Jump>,
    /// At which byte of a line of the CPU's the code begins best.
    pub(super) start: u32,
    failure: Option<CompileError>,
}

impl CodeBuffer {
    /// Begins anew, with room for about `bytes` bytes and the labels of `slots` slots, not
    /// yet placed.
    pub(super) fn begin(&mut self, bytes: usize, slots: usize) {
        self.slots.clear();
        self.labels.clear();
        self.fixups.clear();
        (self.end, self.start, self.failure) = (Place::default(), 0, None);
        let requested = slots.saturating_mul(size_of::<Place>());
        if self.slots.try_reserve(slots).is_ok() {
            self.slots.resize(slots, Place::UNBOUND);
        } else {
            self.fail(OutOfMemory { requested }.into());
        }
        if self.bytes.len() < bytes {
            self.grow(bytes);
        }
    }

    /// The label of a slot.
    pub(super) const fn slot(slot: u32) -> Label {
        Label(slot)
    }

    /// A new label without a place.
    pub(super) fn label(&mut self) -> Label {
        let label = Label(low(self.labels.len()) | Label::OTHER);
        if self.labels.try_reserve(1).is_ok() {
            self.labels.push(Place::UNBOUND);
        } else {
            self.fail(OutOfMemory { requested: size_of::<Place>() }.into());
        }
        label
    }

    /// The place that a label has here.
    #[inline]
    pub(super) fn here(&self) -> Place {
        self.end
    }

    /// Places a label here.
    pub(super) fn bind(&mut self, label: Label) {
        let place = self.here();
        let (labels, number) = if label.0 & Label::OTHER == 0 {
            (&mut self.slots, label.0)
        } else {
            (&mut self.labels, label.0 & !Label::OTHER)
        };
        if let Some(entry) = index(number).and_then(|number| labels.get_mut(number)) {
            *entry = place;
        }
    }

    /// Where a label is.
    #[inline]
    pub(super) fn place(&self, label: Label) -> Option<Place> {
        let (labels, number) = if label.0 & Label::OTHER == 0 {
            (&self.slots, label.0)
        } else {
            (&self.labels, label.0 & !Label::OTHER)
        };
        labels.get(index(number)?).copied().filter(|place| place.known())
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> u32 {
        self.end.at()
    }

    /// The same, as an index.
    #[inline(always)]
    pub(super) fn end(&self) -> usize {
        index(self.end.at()).unwrap_or(usize::MAX)
    }

    /// Has the code end at a place that it has been moved down to.
    pub(super) fn cut(&mut self, len: usize) {
        self.end = Place(self.end.0 & !(Place::FIXUP - 1) | u64::from(low(len)));
    }

    /// Counts bytes that have been written behind the code, where there is room for them.
    #[inline(always)]
    fn count(&mut self, bytes: u32) {
        self.end = self.end.behind(bytes);
    }

    pub(super) fn fail(&mut self, failure: CompileError) {
        self.failure.get_or_insert(failure);
    }

    /// Takes short forms of jumps, moves the code together and fills in the distances.
    pub(super) fn finish(&mut self) -> Result<(), CompileError> {
        self.relax();
        self.failure.map_or(Ok(()), Err)
    }

    /// The code.
    pub(super) fn code(&self) -> &[u8] {
        self.bytes.get(..self.end()).unwrap_or_default()
    }

    /// Appends the lowest `len` bytes of `bytes`, at most 16.
    #[inline]
    pub(super) fn put(&mut self, bytes: u128, len: u32) {
        if self.try_put(bytes, len).is_none() {
            self.grow_and_put(bytes, len);
        }
    }

    /// Appends bytes.
    #[inline]
    pub(super) fn put_part(&mut self, part: Part) {
        if self.try_part(part).is_none() {
            self.grow_and_put_parts(part, Part::EMPTY);
        }
    }

    /// Appends the lowest bytes of both, at most eight of each.
    #[inline]
    pub(super) fn put_parts(&mut self, head: Part, tail: Part) {
        if self.try_parts(head, tail).is_none() {
            self.grow_and_put_parts(head, tail);
        }
    }

    /// The same without room. Whoever appends does so last, and then need not keep anything
    /// across this.
    #[cold]
    #[inline(never)]
    fn grow_and_put_parts(&mut self, head: Part, tail: Part) {
        self.grow(self.end().saturating_add(CHUNK));
        let _ = self.try_parts(head, tail);
    }

    #[cold]
    #[inline(never)]
    fn grow_and_put(&mut self, bytes: u128, len: u32) {
        self.grow(self.end().saturating_add(CHUNK));
        let _ = self.try_put(bytes, len);
    }

    /// What is behind the code.
    #[inline(always)]
    fn room(&mut self) -> Option<&mut [u8; CHUNK]> {
        let end = self.end();
        self.bytes.get_mut(end..end.wrapping_add(CHUNK))?.first_chunk_mut()
    }

    /// Appends; `None` without room.
    #[inline(always)]
    fn try_put(&mut self, bytes: u128, len: u32) -> Option<()> {
        let room = self.room()?;
        *room = bytes.to_le_bytes();
        self.count(len);
        Some(())
    }

    #[inline(always)]
    fn try_part(&mut self, part: Part) -> Option<()> {
        let room = self.room()?;
        let (first, _) = room.split_at_mut(8);
        first.copy_from_slice(&part.bytes.to_le_bytes());
        self.count(part.len());
        Some(())
    }

    #[inline(always)]
    fn try_parts(&mut self, head: Part, tail: Part) -> Option<()> {
        let room = self.room()?;
        let (first, _) = room.split_at_mut(8);
        first.copy_from_slice(&head.bytes.to_le_bytes());
        if let Some(second) =
            room.get_mut(index(head.len())?..).and_then(<[u8]>::first_chunk_mut::<8>)
        {
            *second = tail.bytes.to_le_bytes();
        }
        self.count(head.len().wrapping_add(tail.len()));
        Some(())
    }

    /// Makes room for `bytes` bytes in all, and some more.
    #[cold]
    fn grow(&mut self, bytes: usize) {
        let wanted = bytes.max(self.bytes.len().saturating_mul(2)).saturating_add(CHUNK);
        // Places are counted in 32 bits.
        if u32::try_from(wanted).is_err() {
            return self.fail(CompileError::TooLarge);
        }
        let more = wanted.saturating_sub(self.bytes.len());
        if self.bytes.try_reserve(more).is_err() {
            return self.fail(OutOfMemory { requested: more }.into());
        }
        self.bytes.resize(wanted, 0);
    }
}

/// Bytes, the first in the lowest place; at most eight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) bytes: u64,
    pub(super) bits: u32,
}

impl Part {
    pub(super) const EMPTY: Self = Self { bytes: 0, bits: 0 };

    /// With more behind.
    #[inline]
    #[must_use]
    pub(super) const fn and(self, bytes: u64, bits: u32) -> Self {
        Self {
            bytes: self.bytes | bytes.wrapping_shl(self.bits),
            bits: self.bits.wrapping_add(bits),
        }
    }

    #[inline]
    const fn len(self) -> u32 {
        self.bits / 8
    }
}

/// Of a number below 2^32 the number.
#[allow(clippy::cast_possible_truncation, reason = "what it says")]
pub(super) const fn low(number: usize) -> u32 {
    number as u32
}

pub(super) fn index(number: u32) -> Option<usize> {
    usize::try_from(number).ok()
}

/// Jumps to labels.
impl CodeBuffer {
    /// `jmp label`
    pub(super) fn jump(&mut self, label: Label) {
        self.leads_to(Kind::Jump, label, 0xe9);
    }

    /// `jcc label`
    pub(super) fn jump_if(&mut self, condition: Flag, label: Label) {
        self.leads_to(Kind::JumpIf(condition), label, u64::from(condition as u8) << 8 | 0x800f);
    }

    /// `call label`
    pub(super) fn call(&mut self, label: Label) {
        self.leads_to(Kind::Long(5), label, 0xe8);
    }

    /// `lea r11, [label]`
    pub(super) fn address_to_r11(&mut self, label: Label) {
        self.leads_to(Kind::Long(7), label, 0x1d_8d4c);
    }

    /// Appends an instruction with these bytes and a distance, and notes it.
    #[inline(always)]
    fn leads_to(&mut self, kind: Kind, label: Label, bytes: u64) {
        // Whatever takes a call comes last, so that nothing is kept for it.
        if self.fixups.len() == self.fixups.capacity() {
            return self.grow_and_put_fixup(kind, label, bytes);
        }
        self.put_fixup(kind, label, bytes);
    }

    #[cold]
    #[inline(never)]
    fn grow_and_put_fixup(&mut self, kind: Kind, label: Label, bytes: u64) {
        if self.fixups.try_reserve(1).is_ok() {
            self.put_fixup(kind, label, bytes);
        } else {
            self.fail(OutOfMemory { requested: size_of::<Fixup>() }.into());
        }
    }

    /// The note is put together where it stays: what is read in one piece right after it was
    /// written in several, a CPU waits for.
    #[inline(always)]
    fn put_fixup(&mut self, kind: Kind, label: Label, bytes: u64) {
        let at = self.len();
        self.fixups.push(Fixup { at, label, kind });
        self.end.0 = self.end.0.wrapping_add(Place::FIXUP);
        self.put_part(Part { bytes, bits: kind.long().wrapping_mul(8) });
    }
}

/// What `dynasm!` calls.
impl CodeBuffer {
    #[inline]
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(CHUNK) {
            let mut chunk = [0; CHUNK];
            if let Some(room) = chunk.get_mut(..part.len()) {
                room.copy_from_slice(part);
            }
            self.put(u128::from_le_bytes(chunk), u32::try_from(part.len()).unwrap_or(0));
        }
    }

    #[inline]
    pub(super) fn push(&mut self, byte: u8) {
        self.put(byte.into(), 1);
    }

    #[inline]
    pub(super) fn push_i8(&mut self, value: i8) {
        self.push(value.cast_unsigned());
    }

    #[inline]
    pub(super) fn push_i32(&mut self, value: i32) {
        self.put(value.cast_unsigned().into(), 4);
    }
}
