//! Values that exist once per CPU.

use bpf_bytecode::abi::map::MapDef;
use bpf_profile::PhysicalProfile;

use crate::memory::{Cells, View};
use crate::slots::{Field, Shape, Slots};
use crate::storage::{Source, round_up};
use crate::{MapError, MapValue, Settings, ValueRegion, key};

/// Values by index and CPU.
pub(crate) struct PerCpu<P: PhysicalProfile> {
    slots: Slots<P>,
    /// Bytes of a value as the program sees it.
    size: usize,
    /// The same, rounded up to 8.
    part: usize,
}

/// Bytes for `count` values on `cpus` CPUs.
pub(crate) const fn bytes(def: &MapDef, cpus: u32, count: u32) -> Option<usize> {
    match round_up(def.value_size as usize) {
        Some(stride) => Shape { stride, planes: cpus }.bytes(count),
        None => None,
    }
}

impl<P: PhysicalProfile> PerCpu<P> {
    pub(crate) fn new(
        def: &MapDef,
        settings: Settings,
        source: &mut Source,
        count: u32,
    ) -> Result<Self, MapError> {
        let size = def.value_size as usize;
        let part = round_up(size).ok_or(MapError::TooLarge("the value"))?;
        let shape = Shape { stride: part, planes: settings.cpus };
        Ok(Self { slots: Slots::new(source, shape, count)?, size, part })
    }

    pub(crate) fn cpus(&self) -> u32 {
        self.slots.planes()
    }

    /// Bytes that the host reads and writes.
    pub(crate) fn host_size(&self) -> usize {
        self.part.saturating_mul(self.cpus() as usize)
    }

    pub(crate) fn region(&self, number: usize) -> Option<ValueRegion> {
        self.slots.region(number, Field { offset: 0, size: self.size })
    }

    /// One CPU's value.
    #[inline]
    pub(crate) fn of(&self, index: u32, cpu: u32) -> Option<Cells<'_>> {
        self.slots.record(index, cpu)?.part(0, self.size)
    }

    /// All CPUs' values.
    pub(crate) fn all(&self, index: u32) -> Option<MapValue<'_>> {
        self.slots.across(index, Field { offset: 0, size: self.part })
    }

    /// Sees that `value` can be set for `cpu`.
    pub(crate) fn check_one(&self, value: View<'_>, cpu: u32) -> Result<(), MapError> {
        key::check_value(value, self.size)?;
        if cpu < self.cpus() { Ok(()) } else { Err(MapError::InvalidOperation) }
    }

    /// Sees that `value` can be set for all CPUs.
    pub(crate) fn check_all(&self, value: View<'_>) -> Result<(), MapError> {
        key::check_value(value, self.host_size())
    }

    /// Sets one CPU's value.
    #[inline]
    pub(crate) fn set(&self, index: u32, cpu: u32, value: View<'_>) -> Result<(), MapError> {
        self.of(index, cpu)
            .and_then(|cells| cells.write_view(0, value))
            .ok_or(MapError::InvalidValue)
    }

    /// Sets every CPU's value, with what rounds it up: as on Linux, the host
    /// gets that back.
    pub(crate) fn set_all(&self, index: u32, value: View<'_>) -> Result<(), MapError> {
        for cpu in 0..self.cpus() {
            (cpu as usize)
                .checked_mul(self.part)
                .and_then(|offset| value.part(offset, self.part))
                .and_then(|part| self.slots.record(index, cpu)?.write_view(0, part))
                .ok_or(MapError::InvalidValue)?;
        }
        Ok(())
    }

    /// Zeroes every CPU's value.
    pub(crate) fn clear(&self, index: u32) {
        for record in (0..self.cpus()).filter_map(|cpu| self.slots.record(index, cpu)) {
            record.fill(0);
        }
    }

    #[cfg(feature = "cloud-profile")]
    pub(crate) fn count(&self) -> u32 {
        self.slots.count()
    }

    #[cfg(feature = "cloud-profile")]
    pub(crate) fn grow(&self, count: u32) -> Result<(), MapError> {
        self.slots.grow(count)
    }
}
