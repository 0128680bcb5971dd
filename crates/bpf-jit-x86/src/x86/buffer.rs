//! The emitted bytes, labels, and what must be filled in once a label's place
//! is known.
//!
//! `dynasm!` encodes everything but jumps, through the methods that are named
//! as it wants them; jumps are here, where distances are known.

use alloc::vec::Vec;

use bpf_profile::OutOfMemory;

use crate::error::CompileError;

/// A place in the code, known or to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label(usize);

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

/// Width of a displacement to be filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Byte,
    Dword,
}

/// A displacement to be filled in.
#[derive(Clone, Copy, Debug)]
struct Fixup {
    /// First byte of the field; displacements count from behind it.
    at: usize,
    field: Field,
    label: Label,
}

/// Marks a label without a place.
const UNBOUND: u32 = u32::MAX;

/// Code under construction. What fails is remembered and reported by
/// [`finish`](Self::finish).
#[derive(Debug, Default)]
pub(super) struct CodeBuffer {
    bytes: Vec<u8>,
    /// For each label its place.
    labels: Vec<u32>,
    fixups: Vec<Fixup>,
    failure: Option<CompileError>,
}

impl CodeBuffer {
    /// A buffer with room for about `bytes` bytes and the labels 0 to
    /// `labels`, not yet placed.
    pub(super) fn new(bytes: usize, labels: usize) -> Self {
        let mut code = Self::default();
        if code.bytes.try_reserve(bytes).is_err() || code.labels.try_reserve(labels).is_err() {
            code.fail(OutOfMemory { requested: bytes.saturating_add(labels) }.into());
        } else {
            code.labels.resize(labels, UNBOUND);
        }
        code
    }

    /// The label of a slot.
    pub(super) fn slot(slot: usize) -> Label {
        Label(slot)
    }

    /// A new label without a place.
    pub(super) fn label(&mut self) -> Label {
        let label = Label(self.labels.len());
        if self.labels.try_reserve(1).is_ok() {
            self.labels.push(UNBOUND);
        } else {
            self.fail(OutOfMemory { requested: size_of::<u32>() }.into());
        }
        label
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Where a label is, if it has a place.
    pub(super) fn place(&self, label: Label) -> Option<usize> {
        let place = *self.labels.get(label.0)?;
        if place == UNBOUND { None } else { usize::try_from(place).ok() }
    }

    /// Fills in what waited for a label, and gives bytes and places of labels.
    pub(super) fn finish(mut self) -> Result<(Vec<u8>, Vec<u32>), CompileError> {
        for fixup in core::mem::take(&mut self.fixups) {
            self.fill_in(fixup);
        }
        match self.failure {
            Some(failure) => Err(failure),
            None => Ok((self.bytes, self.labels)),
        }
    }

    /// Whether there is room for as many bytes, or could be made.
    #[inline]
    fn has_room(&mut self, bytes: usize) -> bool {
        self.bytes.capacity().wrapping_sub(self.bytes.len()) >= bytes || self.make_room(bytes)
    }

    #[cold]
    fn make_room(&mut self, bytes: usize) -> bool {
        let made = self.bytes.try_reserve(bytes).is_ok();
        if !made {
            self.fail(OutOfMemory { requested: bytes }.into());
        }
        made
    }

    fn fail(&mut self, failure: CompileError) {
        self.failure.get_or_insert(failure);
    }

    fn fill_in(&mut self, Fixup { at, field, label }: Fixup) {
        let width = match field {
            Field::Byte => 1_usize,
            Field::Dword => 4,
        };
        let end = at.saturating_add(width);
        let distance = self.place(label).and_then(|place| {
            let (place, end) = (i64::try_from(place).ok()?, i64::try_from(end).ok()?);
            i32::try_from(place.checked_sub(end)?).ok()
        });
        let (Some(distance), Some(bytes)) = (distance, self.bytes.get_mut(at..end)) else {
            return self.fail(CompileError::TooLarge);
        };
        match field {
            Field::Dword => bytes.copy_from_slice(&distance.to_le_bytes()),
            Field::Byte => match i8::try_from(distance) {
                Ok(near) => bytes.copy_from_slice(&near.to_le_bytes()),
                Err(_) => self.fail(CompileError::TooLarge),
            },
        }
    }
}

/// Jumps to labels, by a near form where the label's place is known to be near.
impl CodeBuffer {
    /// `jmp label`
    pub(super) fn jump(&mut self, label: Label) {
        if self.is_near(label) {
            self.extend(&[0xeb, 0]);
            self.displace(label, Field::Byte);
        } else {
            self.extend(&[0xe9, 0, 0, 0, 0]);
            self.displace(label, Field::Dword);
        }
    }

    /// `jcc label`
    pub(super) fn jump_if(&mut self, condition: Flag, label: Label) {
        let code = condition as u8;
        if self.is_near(label) {
            self.extend(&[0x70 | code, 0]);
            self.displace(label, Field::Byte);
        } else {
            self.extend(&[0x0f, 0x80 | code, 0, 0, 0, 0]);
            self.displace(label, Field::Dword);
        }
    }

    /// `jcc label` to a label that will be placed within 127 bytes.
    pub(super) fn skip_if(&mut self, condition: Flag, label: Label) {
        self.extend(&[0x70 | condition as u8, 0]);
        self.displace(label, Field::Byte);
    }

    /// `jmp label` to a label that will be placed within 127 bytes.
    pub(super) fn skip(&mut self, label: Label) {
        self.extend(&[0xeb, 0]);
        self.displace(label, Field::Byte);
    }

    /// `call label`
    pub(super) fn call(&mut self, label: Label) {
        self.extend(&[0xe8, 0, 0, 0, 0]);
        self.displace(label, Field::Dword);
    }

    /// Whether a jump of two bytes reaches the label from here.
    fn is_near(&self, label: Label) -> bool {
        let end = self.bytes.len().saturating_add(2);
        self.place(label).is_some_and(|place| end.saturating_sub(place) <= 128)
    }

    /// The field that ends here is to hold the distance to a label.
    fn displace(&mut self, label: Label, field: Field) {
        let width = match field {
            Field::Byte => 1,
            Field::Dword => 4,
        };
        let fixup = Fixup { at: self.bytes.len().saturating_sub(width), field, label };
        if self.place(label).is_some() {
            self.fill_in(fixup);
        } else if self.fixups.try_reserve(1).is_ok() {
            self.fixups.push(fixup);
        } else {
            self.fail(OutOfMemory { requested: size_of::<Fixup>() }.into());
        }
    }
}

/// What `dynasm!` calls.
impl CodeBuffer {
    #[inline]
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        if self.has_room(bytes.len()) {
            self.bytes.extend_from_slice(bytes);
        }
    }

    #[inline]
    pub(super) fn push(&mut self, byte: u8) {
        if self.has_room(1) {
            self.bytes.push(byte);
        }
    }

    #[inline]
    pub(super) fn push_i8(&mut self, value: i8) {
        self.extend(&value.to_le_bytes());
    }

    #[inline]
    pub(super) fn push_i16(&mut self, value: i16) {
        self.extend(&value.to_le_bytes());
    }

    #[inline]
    pub(super) fn push_i32(&mut self, value: i32) {
        self.extend(&value.to_le_bytes());
    }

    #[inline]
    pub(super) fn push_i64(&mut self, value: i64) {
        self.extend(&value.to_le_bytes());
    }

    /// Places a label here.
    pub(super) fn bind(&mut self, label: Label) {
        let here = u32::try_from(self.bytes.len()).ok().filter(|place| *place < UNBOUND);
        match (here, self.labels.get_mut(label.0)) {
            (Some(here), Some(place)) => *place = here,
            _ => self.fail(CompileError::TooLarge),
        }
    }
}
