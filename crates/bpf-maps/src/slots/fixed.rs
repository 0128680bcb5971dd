//! Records whose number is known at creation.

use bpf_profile::PhysicalProfile;

use super::{Field, Segment, Shape};
use crate::memory::Cells;
use crate::storage::Source;
use crate::{MapError, MapValue, ValueRegion};

/// Records by index.
pub(crate) struct Slots<P: PhysicalProfile>(Segment<P>);

impl<P: PhysicalProfile> Slots<P> {
    /// `count` zeroed records.
    pub(crate) fn new(source: &mut Source, shape: Shape, count: u32) -> Result<Self, MapError> {
        Ok(Self(Segment::new(source, shape, count)?))
    }

    /// Number of indices.
    pub(crate) fn count(&self) -> u32 {
        self.0.count
    }

    /// Number of records that one index has.
    pub(crate) fn planes(&self) -> u32 {
        self.0.shape.planes
    }

    /// The record at `index` in `plane`.
    #[inline]
    pub(crate) fn record(&self, index: u32, plane: u32) -> Option<Cells<'_>> {
        self.0.record(index, plane)
    }

    /// The field in all records of `index`, for the host to read.
    pub(crate) fn across(&self, index: u32, field: Field) -> Option<MapValue<'_>> {
        self.0.across(index, field)
    }

    /// The field in all records of the `number`th block.
    pub(crate) fn region(&self, number: usize, field: Field) -> Option<ValueRegion> {
        if number == 0 { self.0.region(field) } else { None }
    }
}
