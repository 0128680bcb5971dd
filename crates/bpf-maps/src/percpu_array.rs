//! Array with one value per CPU.

use core::ptr::NonNull;

use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_profile::PhysicalProfile;

use crate::bound::Bound;
use crate::create::{Build, constructors};
use crate::key::{self, Mode};
use crate::memory::View;
use crate::percpu::{self, PerCpu};
use crate::storage::{Source, total};
use crate::{BpfMap, MapError, MapValue, Settings, ValueRegion, limits};

/// An array that keeps each value once for every CPU. A program sees its own
/// CPU's; the host reads and writes those of all CPUs at once.
///
/// ```
/// use bpf_maps::{BpfMap, PerCpuArrayMap};
/// use bpf_profile::ActiveProfile;
///
/// let map = PerCpuArrayMap::<ActiveProfile>::with_cpus(4, 10, 2).unwrap();
/// let key = 3u32.to_ne_bytes();
/// map.update_from(&key, [7, 0, 0, 0].as_slice().into(), 0, 1).unwrap();
///
/// let value = map.lookup(&key).unwrap(); // each CPU's value rounded up to 8
/// assert_eq!(value, [0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0]);
/// assert_eq!(value.cpu(1).unwrap().u32(), Some(u32::from_ne_bytes([7, 0, 0, 0])));
/// ```
pub struct PerCpuArrayMap<P: PhysicalProfile> {
    def: MapDef,
    max: Bound,
    values: PerCpu<P>,
}

constructors!(PerCpuArrayMap, MapType::PerCpuArray);

impl<P: PhysicalProfile> PerCpuArrayMap<P> {
    /// An array of `max_entries` values of `value_size` bytes, for one CPU.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_entries(value_size: u32, max_entries: u32) -> Result<Self, MapError> {
        Self::with_cpus(value_size, max_entries, 1)
    }

    /// An array of `max_entries` values of `value_size` bytes for each of
    /// `cpus` CPUs.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_cpus(value_size: u32, max_entries: u32, cpus: u32) -> Result<Self, MapError> {
        let def = MapDef::new(MapType::PerCpuArray, 4, value_size, max_entries);
        Self::with_settings(def, Settings::new().cpus(cpus))
    }

    const fn storage(def: &MapDef, cpus: u32) -> Option<usize> {
        total(&[percpu::bytes(def, cpus, def.max_entries)])
    }

    fn index(&self, key: &[u8]) -> Result<Option<u32>, MapError> {
        let index = key::index(key)?;
        Ok((index < self.max.get()).then_some(index))
    }

    /// The index that an update of this key and these flags is for.
    fn writable(&self, key: &[u8], flags: u64) -> Result<u32, MapError> {
        key::admit_in_array(self.index(key)?, flags)
    }
}

impl<P: PhysicalProfile> Build for PerCpuArrayMap<P> {
    fn build(def: MapDef, settings: Settings, source: &mut Source) -> Result<Self, MapError> {
        Ok(Self {
            def,
            max: Bound::new(def.max_entries),
            values: PerCpu::new(&def, settings, source, def.max_entries)?,
        })
    }
}

impl<P: PhysicalProfile> BpfMap for PerCpuArrayMap<P> {
    fn def(&self) -> &MapDef {
        &self.def
    }

    fn max_entries(&self) -> u32 {
        self.max.get()
    }

    fn len(&self) -> usize {
        self.max_entries() as usize
    }

    fn cpus(&self) -> u32 {
        self.values.cpus()
    }

    fn host_value_size(&self) -> usize {
        self.values.host_size()
    }

    fn lookup(&self, key: &[u8]) -> Result<MapValue<'_>, MapError> {
        limits::host_reads(&self.def)?;
        let index = self.index(key)?;
        index.and_then(|index| self.values.all(index)).ok_or(MapError::NotFound)
    }

    fn update(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), MapError> {
        limits::host_writes(&self.def)?;
        Mode::of(flags)?;
        self.values.check_all(value.into())?;
        self.values.set_all(self.writable(key, flags)?, value.into())
    }

    fn delete(&self, key: &[u8]) -> Result<(), MapError> {
        limits::host_writes(&self.def)?;
        self.delete_on(key, 0)
    }

    fn next_key(&self, previous: Option<&[u8]>, out: &mut [u8]) -> Result<(), MapError> {
        limits::host_reads(&self.def)?;
        key::next_index(previous, self.max_entries(), out)
    }

    /// Values beyond a smaller number are lost: where the array grows again,
    /// they are zero.
    #[cfg(feature = "cloud-profile")]
    fn resize(&self, max_entries: u32) -> Result<(), MapError> {
        self.max.change(max_entries, |old| {
            let present = self.values.count();
            self.values.grow(max_entries)?;
            for index in old..max_entries.min(present) {
                self.values.clear(index);
            }
            Ok(())
        })
    }

    fn value_region(&self, index: usize) -> Option<ValueRegion> {
        self.values.region(index)
    }

    #[cfg(feature = "cloud-profile")]
    fn elements(&self, cpu: u32) -> Option<crate::Elements<'_>> {
        let first = self.values.of(0, cpu)?;
        Some(crate::Elements::new(first.as_ptr(), self.max.near(), self.max.all()))
    }

    #[cfg(feature = "cloud-profile")]
    fn direct(&self) -> Option<crate::Direct<'_>> {
        crate::Direct::by::<4, _>(self)
    }

    #[inline]
    fn lookup_ptr(&self, key: &[u8], cpu: u32) -> Option<NonNull<u8>> {
        Some(self.values.of(self.index(key).ok()??, cpu)?.as_ptr())
    }

    #[inline]
    fn update_from(
        &self,
        key: &[u8],
        value: View<'_>,
        flags: u64,
        cpu: u32,
    ) -> Result<(), MapError> {
        self.values.check_one(value, cpu)?;
        self.values.set(self.writable(key, flags)?, cpu, value)
    }

    fn delete_on(&self, key: &[u8], _cpu: u32) -> Result<(), MapError> {
        key::index(key)?;
        Err(MapError::InvalidOperation)
    }
}

#[cfg(feature = "cloud-profile")]
impl<P: PhysicalProfile> crate::direct::ByKey for PerCpuArrayMap<P> {
    #[inline(always)]
    fn find<const SIZE: usize>(&self, key: &[u8; SIZE], cpu: u32) -> Option<NonNull<u8>> {
        self.lookup_ptr(key, cpu)
    }
}
