//! Where slots begin in the code.

use alloc::vec::Vec;

use bpf_profile::OutOfMemory;

use super::buffer::{CodeBuffer, index};
use crate::error::CompileError;

/// Where the code of each slot begins. That is worked out where it is asked for, which it is
/// of few slots if of any: kept is what it follows from.
#[derive(Debug)]
pub(crate) struct Places {
    /// Of each slot where it began before jumps became short, then the same of each
    /// instruction with a distance, then how many bytes were saved in front of each of these
    /// and in all.
    numbers: Vec<u32>,
    slots: usize,
    fixups: usize,
}

impl Places {
    /// Of code that has moved together.
    ///
    /// # Errors
    /// [`CompileError::OutOfMemory`] without heap memory for the list.
    pub(super) fn new(code: &CodeBuffer) -> Result<Self, CompileError> {
        let (slots, fixups) = (code.slots.len(), code.fixups.len());
        let len = slots.saturating_add(fixups).saturating_add(code.saved.len());
        let mut numbers = Vec::new();
        let requested = len.saturating_mul(size_of::<u32>());
        numbers.try_reserve_exact(len).map_err(|_| OutOfMemory { requested })?;
        numbers.extend(code.slots.iter().map(|place| place.at()));
        numbers.extend(code.fixups.iter().map(|fixup| fixup.at));
        numbers.extend_from_slice(&code.saved);
        Ok(Self { numbers, slots, fixups })
    }

    /// Where a slot begins: a number behind the code where nothing is emitted for it, `None`
    /// where there is no such slot.
    pub(crate) fn of(&self, slot: usize) -> Option<usize> {
        let (slots, behind) = self.numbers.split_at_checked(self.slots)?;
        let (fixups, saved) = behind.split_at_checked(self.fixups)?;
        let at = *slots.get(slot)?;
        let before = fixups.partition_point(|fixup| *fixup < at);
        index(at.wrapping_sub(*saved.get(before)?))
    }
}
