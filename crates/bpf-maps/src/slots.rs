//! Records of one size, by index, at addresses that never change.

use bpf_profile::PhysicalProfile;

use crate::memory::Cells;
use crate::storage::{Bytes, Source, mul_add};
use crate::{MapError, MapValue, ValueRegion};

#[cfg(feature = "embedded-profile")]
mod fixed;
#[cfg(feature = "cloud-profile")]
mod growing;

#[cfg(feature = "embedded-profile")]
pub(crate) use fixed::Slots;
#[cfg(feature = "cloud-profile")]
pub(crate) use growing::Slots;

/// Form of the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Bytes of one record, a multiple of its alignment.
    pub(crate) stride: usize,
    /// How many records one index has: one per CPU, in planes apart so that
    /// CPUs do not share cache lines.
    pub(crate) planes: u32,
}

/// Where in a record the value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) offset: usize,
    pub(crate) size: usize,
}

impl Shape {
    /// Bytes of `count` records.
    pub(crate) const fn bytes(self, count: u32) -> Option<usize> {
        match self.plane_bytes(count) {
            Some(plane) => plane.checked_mul(self.planes as usize),
            None => None,
        }
    }

    /// Bytes of one plane, a multiple of 64 where there are several: strides of
    /// those are multiples of 8.
    const fn plane_bytes(self, count: u32) -> Option<usize> {
        self.stride.checked_mul(self.plane_count(count))
    }

    /// Records of one plane, those that only pad it included.
    const fn plane_count(self, count: u32) -> usize {
        let count = count as usize;
        if self.planes == 1 { count } else { count.saturating_add(7) & !7 }
    }
}

/// Records in one block.
struct Segment<P: PhysicalProfile> {
    bytes: Bytes<P>,
    shape: Shape,
    count: u32,
}

impl<P: PhysicalProfile> Segment<P> {
    fn new(source: &mut Source, shape: Shape, count: u32) -> Result<Self, MapError> {
        Ok(Self { bytes: source.take(shape.bytes(count))?, shape, count })
    }

    /// The record at `index` in `plane`.
    #[inline]
    fn record(&self, index: u32, plane: u32) -> Option<Cells<'_>> {
        if index >= self.count || plane >= self.shape.planes {
            return None;
        }
        let start = match plane {
            0 => 0,
            _ => self.shape.plane_bytes(self.count)?.checked_mul(plane as usize)?,
        };
        let offset = mul_add(index as usize, self.shape.stride, start)?;
        self.bytes.cells().part(offset, self.shape.stride)
    }

    /// The field in all records of `index`.
    fn across(&self, index: u32, field: Field) -> Option<MapValue<'_>> {
        let first = self.record(index, 0)?.part(field.offset, field.size)?.view();
        if self.shape.planes == 1 {
            return Some(MapValue::new(first));
        }
        let stride = self.shape.plane_bytes(self.count)?;
        let offset = mul_add(index as usize, self.shape.stride, field.offset)?;
        let all = self.bytes.cells().view();
        let span = all.part(offset, all.len().checked_sub(offset)?)?;
        Some(MapValue::per_cpu(first, span, stride, self.shape.planes as usize))
    }

    /// The field in all records.
    fn region(&self, field: Field) -> Option<ValueRegion> {
        let count = self.shape.plane_count(self.count).checked_mul(self.shape.planes as usize)?;
        ValueRegion::over(self.bytes.cells(), self.shape.stride, count, field)
    }
}
