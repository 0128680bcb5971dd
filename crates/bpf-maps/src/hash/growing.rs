//! The heads of a number of chains that may grow.
//!
//! A node has two links, and tables use them in turn. A larger table is filled
//! through the links that the present one does not use, so lookups go on in the
//! present one until the new one is whole. The old one is kept for those that
//! are still in it.

extern crate alloc;

use alloc::vec::Vec;
use core::sync::atomic::Ordering::{Acquire, Release};

use bpf_profile::{OutOfMemory, PhysicalProfile};
use spin::Once;

use super::NEXT;
use super::heads::{Chains, Heads};
use crate::MapError;
use crate::memory::Cells;
use crate::storage::Source;

/// Bytes of a node's links: for the present table and for the coming one.
pub(super) const LINK_BYTES: usize = 8;

/// The chains.
pub(super) struct Buckets<P: PhysicalProfile> {
    heads: Heads<P>,
    /// The table after this one; one or none.
    after: Once<Vec<Buckets<P>>>,
}

impl<P: PhysicalProfile> Buckets<P> {
    pub(super) fn new(source: &mut Source, max_entries: u32) -> Result<Self, MapError> {
        Ok(Self { heads: Heads::new(source, max_entries)?, after: Once::new() })
    }

    #[inline]
    pub(super) fn current(&self) -> Chains<'_, P> {
        self.last().1
    }

    #[inline]
    fn last(&self) -> (&Self, Chains<'_, P>) {
        let (mut last, mut next) = (self, NEXT);
        while let Some(after) = last.after.get().and_then(|after| after.first()) {
            (last, next) = (after, other(next));
        }
        (last, Chains::new(&last.heads, next))
    }

    /// Moves all nodes to a table for `max_entries` entries, if that is a larger
    /// one. The caller holds the map's lock. `begin` is called before the first
    /// link is changed.
    pub(super) fn grow<'a>(
        &self,
        max_entries: u32,
        begin: impl FnOnce(),
        node: impl Fn(u32) -> Option<(u32, Cells<'a>)>,
    ) -> Result<(), MapError> {
        let (last, old) = self.last();
        let heads = Heads::new(&mut Source::Profile, max_entries)?;
        if heads.count() <= old.count() {
            return Ok(());
        }
        let mut after = Vec::new();
        after.try_reserve_exact(1).map_err(|_| OutOfMemory { requested: size_of::<Self>() })?;
        begin();
        let new = Chains::new(&heads, other(old.next()));
        for bucket in 0..old.count() {
            let mut link = old.head(bucket).map_or(0, |head| head.load(Acquire));
            while let Some((hash, cells)) = node(link) {
                if let Some(head) = new.head(hash) {
                    cells.store(new.next(), head.load(Acquire), Release);
                    head.store(link, Release);
                }
                link = cells.load(old.next(), Acquire).unwrap_or(0);
            }
        }
        after.push(Self { heads, after: Once::new() });
        last.after.call_once(|| after);
        Ok(())
    }
}

/// The link that a table does not use.
fn other(next: usize) -> usize {
    if next == NEXT { NEXT.wrapping_add(4) } else { NEXT }
}
