//! A table of chain heads.

use bpf_profile::PhysicalProfile;
use portable_atomic::AtomicU32;

use crate::MapError;
use crate::storage::{Bytes, Source};

/// One link per chain, as many as a power of two.
pub(super) struct Heads<P: PhysicalProfile> {
    links: Bytes<P>,
    mask: u32,
}

/// Number of chains for as many entries.
const fn count(max_entries: u32) -> Option<u32> {
    max_entries.checked_next_power_of_two()
}

/// Bytes of the heads for as many entries.
pub(super) const fn bytes(max_entries: u32) -> Option<usize> {
    match count(max_entries) {
        Some(count) => (count as usize).checked_mul(size_of::<u32>()),
        None => None,
    }
}

impl<P: PhysicalProfile> Heads<P> {
    pub(super) fn new(source: &mut Source, max_entries: u32) -> Result<Self, MapError> {
        let count = count(max_entries).ok_or(MapError::TooLarge("the number of entries"))?;
        Ok(Self { links: source.take(bytes(max_entries))?, mask: count.saturating_sub(1) })
    }

    /// Number of chains.
    pub(super) fn count(&self) -> u32 {
        self.mask.saturating_add(1)
    }

    /// The head of the chain that `hash` is in.
    #[inline]
    pub(super) fn head(&self, hash: u32) -> Option<&AtomicU32> {
        self.links.cells().atomic(((hash & self.mask) as usize).checked_mul(size_of::<u32>())?)
    }
}

/// The chains of one table.
pub(super) struct Chains<'a, P: PhysicalProfile> {
    heads: &'a Heads<P>,
    /// Where in a node the link to the next one is.
    next: usize,
}

impl<'a, P: PhysicalProfile> Chains<'a, P> {
    pub(super) fn new(heads: &'a Heads<P>, next: usize) -> Self {
        Self { heads, next }
    }

    pub(super) fn count(&self) -> u32 {
        self.heads.count()
    }

    /// Where in a node the link to the next one is.
    pub(super) fn next(&self) -> usize {
        self.next
    }

    /// The link to the first node of the chain that `hash` is in.
    #[inline]
    pub(super) fn head(&self, hash: u32) -> Option<&'a AtomicU32> {
        self.heads.head(hash)
    }
}
