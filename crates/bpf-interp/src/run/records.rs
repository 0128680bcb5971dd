//! Ring-buffer records that the program has reserved.

use core::num::NonZero;
use core::ptr::NonNull;

use bpf_maps::RingBuffer;

use crate::error::Fault;

/// Records that one run may hold reserved at a time; a further reservation
/// gives the program a null pointer, as a full ring buffer does.
pub const MAX_RECORDS: usize = 8;

/// One reserved record.
#[derive(Clone, Copy)]
struct Record<'r> {
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
    slots: [Option<Record<'r>>; MAX_RECORDS],
}

impl<'r> Records<'r> {
    pub const fn new() -> Self {
        Self { slots: [None; MAX_RECORDS] }
    }

    /// Reserves `size` bytes of `ring`.
    pub fn reserve(
        &mut self,
        ring: &'r dyn RingBuffer,
        size: u64,
        flags: u64,
    ) -> Option<NonNull<u8>> {
        let len = usize::try_from(size).ok()?;
        let slot = self.slots.iter_mut().find(|slot| slot.is_none())?;
        let at = ring.reserve(size, flags)?;
        *slot = Some(Record { ring, at, len });
        Some(at)
    }

    /// Records that are reserved.
    pub fn held(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    /// Takes the record that begins at `addr`.
    fn take(&mut self, addr: u64) -> Option<Record<'r>> {
        let at = usize::try_from(addr).ok()?;
        let begins = |slot: &&mut Option<Record<'r>>| {
            slot.is_some_and(|record| record.at.addr().get() == at)
        };
        self.slots.iter_mut().find(begins)?.take()
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
        self.slots.iter().flatten().find_map(|record| record.part(address, len))
    }
}

impl Drop for Records<'_> {
    fn drop(&mut self) {
        for record in self.slots.iter().flatten() {
            // The record was reserved and not given back, so this cannot fail.
            let _ = record.ring.discard(record.at, 0);
        }
    }
}
