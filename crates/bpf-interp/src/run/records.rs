//! Ring-buffer records that the program has reserved.

use core::num::NonZero;
use core::ptr::NonNull;

use bpf_maps::RingBuffer;

use super::pile::{Pile, Room};
use crate::error::Fault;

/// Records that one run may hold reserved at a time; a further reservation
/// gives the program a null pointer, as a full ring buffer does.
pub const MAX_RECORDS: usize = 8;

/// One reserved record.
#[derive(Clone, Copy)]
pub(super) struct Record<'r> {
    ring: &'r dyn RingBuffer,
    at: NonNull<u8>,
    len: usize,
}

impl Record<'_> {
    /// The `len` bytes at `address`, if they are all in this record.
    fn part(&self, address: usize, len: usize) -> Option<NonNull<u8>> {
        let offset = address.checked_sub(self.at.addr().get())?;
        let inside = offset.checked_add(len)? <= self.len;
        Some(self.at.with_addr(NonZero::new(address)?)).filter(|_| inside)
    }
}

/// The reserved records. Those left when the run ends are discarded, so that a
/// program that was stopped holds nothing back.
pub(crate) struct Records<'r> {
    reserved: Pile<'r, Record<'r>>,
}

impl<'r> Records<'r> {
    pub fn new(room: &'r mut Room<Record<'r>, MAX_RECORDS>) -> Self {
        Self { reserved: Pile::new(room) }
    }

    /// Reserves `size` bytes of `ring`.
    pub fn reserve(
        &mut self,
        ring: &'r dyn RingBuffer,
        size: u64,
        flags: u64,
    ) -> Option<NonNull<u8>> {
        let len = usize::try_from(size).ok()?;
        if self.held() >= MAX_RECORDS {
            return None;
        }
        let at = ring.reserve(size, flags)?;
        self.reserved.push(Record { ring, at, len })?;
        Some(at)
    }

    /// Records that are reserved.
    #[inline]
    pub const fn held(&self) -> usize {
        self.reserved.len()
    }

    /// Takes the record that begins at `addr`.
    fn take(&mut self, addr: u64) -> Option<Record<'r>> {
        let at = usize::try_from(addr).ok()?;
        let begins = |record: &Record<'_>| record.at.addr().get() == at;
        self.reserved.take(self.reserved.all().iter().position(begins)?)
    }

    /// Submits the record that begins at `addr`.
    pub fn submit(&mut self, addr: u64, flags: u64, fault: Fault) -> Result<(), Fault> {
        let record = self.take(addr).ok_or(fault)?;
        record.ring.submit(record.at, flags).map_or(Err(fault), |_| Ok(()))
    }

    /// Discards the record that begins at `addr`.
    pub fn discard(&mut self, addr: u64, flags: u64, fault: Fault) -> Result<(), Fault> {
        let record = self.take(addr).ok_or(fault)?;
        record.ring.discard(record.at, flags).map_or(Err(fault), |_| Ok(()))
    }

    /// The `len` bytes at `address`, if one record holds all of them.
    pub fn resolve(&self, address: usize, len: usize) -> Option<NonNull<u8>> {
        self.reserved.all().iter().find_map(|record| record.part(address, len))
    }
}

impl Records<'_> {
    /// Discards all that are left.
    #[inline(always)]
    pub fn discard_all(&mut self) {
        if !self.reserved.is_empty() {
            self.discard_left();
        }
    }

    #[cold]
    #[inline(never)]
    fn discard_left(&mut self) {
        while let Some(record) = self.reserved.pop() {
            // The record was reserved and not given back, so this cannot fail.
            let _ = record.ring.discard(record.at, 0);
        }
    }
}

impl Drop for Records<'_> {
    #[inline]
    fn drop(&mut self) {
        self.discard_all();
    }
}
