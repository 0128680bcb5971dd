//! The emitted bytes, labels, and the jumps between them.
//!
//! Every jump is first emitted in its long form and noted; `finish` knows all
//! distances, takes the short form where it reaches, and moves the code
//! together.

use alloc::vec::Vec;

use bpf_profile::OutOfMemory;

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

/// An instruction whose last field is the distance to a label.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fixup {
    /// The instruction's first byte.
    pub(super) at: u32,
    pub(super) label: Label,
    pub(super) kind: Kind,
}

impl Label {
    /// Its index in what [`CodeBuffer::finish`] gives.
    pub(super) fn number(self) -> Option<usize> {
        index(self.0)
    }
}

impl Fixup {
    pub(super) const fn label_number(&self) -> u32 {
        self.label.0
    }
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

/// Where a label is: bytes and fixups in front of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) at: u32,
    pub(super) fixups: u32,
}

impl Place {
    /// Of a label without a place.
    const UNBOUND: Self = Self { at: u32::MAX, fixups: 0 };

    /// What [`CodeBuffer::finish`] gives for a label without a place.
    pub(super) const NOWHERE: u32 = u32::MAX;

    pub(super) fn known(self) -> bool {
        self != Self::UNBOUND
    }
}

/// Bytes that are written at once, whatever the length of an instruction is.
const CHUNK: usize = 16;

/// Code under construction. What fails is remembered and reported by
/// [`finish`](Self::finish).
#[derive(Debug, Default)]
pub(super) struct CodeBuffer {
    /// The code, and room behind it.
    pub(super) bytes: Vec<u8>,
    /// Bytes of code.
    pub(super) len: usize,
    /// For each label its place.
    pub(super) labels: Vec<Place>,
    pub(super) fixups: Vec<Fixup>,
    failure: Option<CompileError>,
}

impl CodeBuffer {
    /// A buffer with room for about `bytes` bytes and the labels 0 to
    /// `labels`, not yet placed.
    pub(super) fn new(bytes: usize, labels: usize) -> Self {
        let mut code = Self::default();
        if code.labels.try_reserve(labels).is_ok() {
            code.labels.resize(labels, Place::UNBOUND);
        } else {
            code.fail(OutOfMemory { requested: labels }.into());
        }
        code.grow(bytes);
        code
    }

    /// The label of a slot.
    pub(super) const fn slot(slot: u32) -> Label {
        Label(slot)
    }

    /// A new label without a place.
    pub(super) fn label(&mut self) -> Label {
        let label = Label(u32::try_from(self.labels.len()).unwrap_or(u32::MAX));
        if self.labels.try_reserve(1).is_ok() {
            self.labels.push(Place::UNBOUND);
        } else {
            self.fail(OutOfMemory { requested: size_of::<Place>() }.into());
        }
        label
    }

    /// Places a label here.
    pub(super) fn bind(&mut self, label: Label) {
        let here = (u32::try_from(self.len), u32::try_from(self.fixups.len()));
        match (here, index(label.0).and_then(|label| self.labels.get_mut(label))) {
            ((Ok(at), Ok(fixups)), Some(place)) => *place = Place { at, fixups },
            _ => self.fail(CompileError::TooLarge),
        }
    }

    /// Where a label is.
    pub(super) fn place(&self, label: Label) -> Option<Place> {
        self.labels.get(index(label.0)?).copied().filter(|place| place.known())
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn fail(&mut self, failure: CompileError) {
        self.failure.get_or_insert(failure);
    }

    /// Fills in the distances, and gives bytes and places of labels.
    pub(super) fn finish(mut self) -> Result<(Vec<u8>, Vec<u32>), CompileError> {
        let places = self.relax();
        match self.failure {
            Some(failure) => Err(failure),
            None => Ok((self.bytes, places)),
        }
    }

    /// Appends the lowest `len` bytes of `bytes`, at most 16.
    #[inline]
    pub(super) fn put(&mut self, bytes: u128, len: u32) {
        let end = self.len.saturating_add(CHUNK);
        if end > self.bytes.len() {
            self.grow(end);
        }
        if let Some(room) = self.bytes.get_mut(self.len..end) {
            room.copy_from_slice(&bytes.to_le_bytes());
            self.len = self.len.saturating_add(usize::try_from(len).unwrap_or(CHUNK));
        }
    }

    /// Appends the lowest bytes of both, at most eight of each.
    #[inline]
    pub(super) fn put_parts(&mut self, head: u64, head_len: u32, tail: u64, tail_len: u32) {
        let end = self.len.saturating_add(CHUNK);
        if end > self.bytes.len() {
            self.grow(end);
        }
        let (head_len, tail_len) = (usize::try_from(head_len), usize::try_from(tail_len));
        let (Ok(head_len), Ok(tail_len)) = (head_len, tail_len) else { return };
        if let Some(room) = self.bytes.get_mut(self.len..end)
            && let Some(room) = room.first_chunk_mut::<CHUNK>()
        {
            let (first, _) = room.split_at_mut(8);
            first.copy_from_slice(&head.to_le_bytes());
            if let Some(second) = room.get_mut(head_len..).and_then(<[u8]>::first_chunk_mut::<8>) {
                *second = tail.to_le_bytes();
            }
            self.len = self.len.saturating_add(head_len).saturating_add(tail_len);
        }
    }

    /// Makes room for `bytes` bytes in all, and some more.
    #[cold]
    fn grow(&mut self, bytes: usize) {
        let wanted = bytes.max(self.bytes.len().saturating_mul(2)).saturating_add(CHUNK);
        let more = wanted.saturating_sub(self.bytes.len());
        if self.bytes.try_reserve(more).is_err() {
            return self.fail(OutOfMemory { requested: more }.into());
        }
        self.bytes.resize(wanted, 0);
    }
}

pub(super) fn index(number: u32) -> Option<usize> {
    usize::try_from(number).ok()
}

/// Jumps to labels.
impl CodeBuffer {
    /// `jmp label`
    pub(super) fn jump(&mut self, label: Label) {
        self.fixup(Kind::Jump, label);
        self.put(0xe9, 5);
    }

    /// `jcc label`
    pub(super) fn jump_if(&mut self, condition: Flag, label: Label) {
        self.fixup(Kind::JumpIf(condition), label);
        self.put(u128::from(condition as u8) << 8 | 0x800f, 6);
    }

    /// `call label`
    pub(super) fn call(&mut self, label: Label) {
        self.fixup(Kind::Long(5), label);
        self.put(0xe8, 5);
    }

    /// `lea r11, [label]`
    pub(super) fn address_to_r11(&mut self, label: Label) {
        self.fixup(Kind::Long(7), label);
        self.put(0x1d_8d4c, 7);
    }

    fn fixup(&mut self, kind: Kind, label: Label) {
        let at = u32::try_from(self.len).unwrap_or(u32::MAX);
        if self.fixups.len() < self.fixups.capacity() || self.fixups.try_reserve(1).is_ok() {
            self.fixups.push(Fixup { at, label, kind });
        } else {
            self.fail(OutOfMemory { requested: size_of::<Fixup>() }.into());
        }
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

    #[inline]
    pub(super) fn push_i64(&mut self, value: i64) {
        self.put(value.cast_unsigned().into(), 8);
    }
}
