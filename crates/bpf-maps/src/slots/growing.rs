//! Records whose number may grow: new ones in new blocks, old ones stay.

extern crate alloc;

use alloc::vec::Vec;
use core::sync::atomic::Ordering::{Acquire, Release};

use bpf_profile::{OutOfMemory, PhysicalProfile};
use portable_atomic::AtomicU32;
use spin::Once;

use super::{Field, Segment, Shape};
use crate::memory::Cells;
use crate::storage::Source;
use crate::{MapError, MapValue, ValueRegion};

/// Records by index.
pub(crate) struct Slots<P: PhysicalProfile> {
    first: Link<P>,
    shape: Shape,
    count: AtomicU32,
}

/// A block, and those that were added after it.
struct Link<P: PhysicalProfile> {
    segment: Segment<P>,
    /// One or none. A vector, since a box cannot be had without the risk of an
    /// abort where memory is short.
    next: Once<Vec<Link<P>>>,
}

impl<P: PhysicalProfile> Slots<P> {
    /// `count` zeroed records.
    pub(crate) fn new(source: &mut Source, shape: Shape, count: u32) -> Result<Self, MapError> {
        let first = Link { segment: Segment::new(source, shape, count)?, next: Once::new() };
        Ok(Self { first, shape, count: AtomicU32::new(count) })
    }

    /// Number of indices.
    pub(crate) fn count(&self) -> u32 {
        self.count.load(Acquire)
    }

    /// Number of records that one index has.
    pub(crate) fn planes(&self) -> u32 {
        self.shape.planes
    }

    /// The record at `index` in `plane`.
    #[inline]
    pub(crate) fn record(&self, index: u32, plane: u32) -> Option<Cells<'_>> {
        if index < self.first.segment.count {
            return self.first.segment.record(index, plane);
        }
        let (segment, index) = self.locate(index)?;
        segment.record(index, plane)
    }

    /// The field in all records of `index`, for the host to read.
    pub(crate) fn across(&self, index: u32, field: Field) -> Option<MapValue<'_>> {
        let (segment, index) = self.locate(index)?;
        segment.across(index, field)
    }

    /// The field in all records of the `number`th block.
    pub(crate) fn region(&self, number: usize, field: Field) -> Option<ValueRegion> {
        self.links().nth(number)?.segment.region(field)
    }

    /// Adds zeroed records until there are `count`, or more. The caller keeps
    /// others from growing at the same time.
    pub(crate) fn grow(&self, count: u32) -> Result<(), MapError> {
        let present = self.count();
        let Some(missing) = count.checked_sub(present).filter(|&missing| missing != 0) else {
            return Ok(());
        };
        // Doubling keeps the number of blocks small; where that is too much,
        // what is needed will do.
        let wanted = missing.max(present.min(u32::MAX.saturating_sub(present)));
        let added = self
            .add(wanted)
            .or_else(|error| if missing < wanted { self.add(missing) } else { Err(error) })?;
        self.count.store(present.saturating_add(added), Release);
        Ok(())
    }

    fn add(&self, count: u32) -> Result<u32, MapError> {
        let segment = Segment::new(&mut Source::Profile, self.shape, count)?;
        let mut next = Vec::new();
        next.try_reserve_exact(1).map_err(|_| OutOfMemory { requested: size_of::<Link<P>>() })?;
        next.push(Link { segment, next: Once::new() });
        if let Some(last) = self.links().last() {
            last.next.call_once(|| next);
        }
        Ok(count)
    }

    fn links(&self) -> impl Iterator<Item = &Link<P>> {
        core::iter::successors(Some(&self.first), |link| link.next.get()?.first())
    }

    /// The block that `index` is in, and the index within.
    fn locate(&self, index: u32) -> Option<(&Segment<P>, u32)> {
        let mut index = index;
        for link in self.links() {
            match index.checked_sub(link.segment.count) {
                None => return Some((&link.segment, index)),
                Some(rest) => index = rest,
            }
        }
        None
    }
}
