//! A few values in borrowed memory, which is not written before it is needed.
#![allow(unsafe_code)]

use core::mem::MaybeUninit;
use core::slice;

/// Room for values of the life of a run, in memory that outlives it.
pub(super) type Room<T, const N: usize> = [MaybeUninit<T>; N];

/// Values, the newest last.
pub(super) struct Pile<'r, T> {
    slots: &'r mut [MaybeUninit<T>],
    /// The first so many are there; at most the slots.
    len: usize,
}

impl<'r, T: Copy> Pile<'r, T> {
    /// No values, with room for as many as there are slots.
    pub fn new(slots: &'r mut [MaybeUninit<T>]) -> Self {
        Self { slots, len: 0 }
    }

    /// Puts a value on top; `None` where there is no room.
    pub fn push(&mut self, value: T) -> Option<&mut T> {
        let slot = self.slots.get_mut(self.len)?;
        self.len = self.len.saturating_add(1);
        Some(slot.write(value))
    }

    /// Takes the newest value away.
    pub fn pop(&mut self) -> Option<T> {
        let last = *self.all().last()?;
        self.len = self.len.saturating_sub(1);
        Some(last)
    }

    /// Whether there are no values.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many there are.
    #[inline]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Takes all values away.
    #[inline]
    pub const fn clear(&mut self) {
        self.len = 0;
    }

    /// Takes a value away; the newest one gets its place.
    pub fn take(&mut self, index: usize) -> Option<T> {
        let taken = *self.all().get(index)?;
        let newest = self.pop()?;
        if let Some(slot) = self.all_mut().get_mut(index) {
            *slot = newest;
        }
        Some(taken)
    }

    /// The values.
    #[inline]
    pub fn all(&self) -> &[T] {
        // SAFETY: the first `len` slots have been written, and `T` has no drop.
        unsafe { slice::from_raw_parts(self.slots.as_ptr().cast(), self.len) }
    }

    /// The values.
    #[inline]
    pub fn all_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `all`; the slots are borrowed exclusively.
        unsafe { slice::from_raw_parts_mut(self.slots.as_mut_ptr().cast(), self.len) }
    }
}
