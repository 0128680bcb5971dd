//! Hash map with one value per CPU.

use core::ptr::NonNull;

use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_profile::PhysicalProfile;

use super::table::{Layout, Present, Table, check};
use crate::create::{Build, constructors};
use crate::key::Mode;
use crate::lock::Caller;
use crate::memory::View;
use crate::percpu::{self, PerCpu};
use crate::storage::Source;
use crate::{BpfMap, MapError, MapValue, Settings, ValueRegion, limits};

/// A hash map that keeps each value once for every CPU. A program sees its own
/// CPU's; the host reads and writes those of all CPUs at once. An entry that a
/// program creates begins with zeroes for the other CPUs.
///
/// ```
/// use bpf_maps::{BpfMap, PerCpuHashMap};
/// use bpf_profile::ActiveProfile;
///
/// let map = PerCpuHashMap::<ActiveProfile>::with_cpus(2, 8, 10, 2).unwrap();
/// map.update_from(b"ab", 9u64.to_ne_bytes().as_slice().into(), 0, 1).unwrap();
/// let value = map.lookup(b"ab").unwrap();
/// assert_eq!((value.cpu(0).unwrap().u64(), value.cpu(1).unwrap().u64()), (Some(0), Some(9)));
/// ```
pub struct PerCpuHashMap<P: PhysicalProfile> {
    def: MapDef,
    table: Table<P>,
    values: PerCpu<P>,
}

constructors!(PerCpuHashMap, MapType::PerCpuHash);

impl<P: PhysicalProfile> PerCpuHashMap<P> {
    /// A map of `max_entries` entries at the most, for one CPU.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_entries(
        key_size: u32,
        value_size: u32,
        max_entries: u32,
    ) -> Result<Self, MapError> {
        Self::with_cpus(key_size, value_size, max_entries, 1)
    }

    /// A map of `max_entries` entries at the most, for `cpus` CPUs.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_cpus(
        key_size: u32,
        value_size: u32,
        max_entries: u32,
        cpus: u32,
    ) -> Result<Self, MapError> {
        let def = MapDef::new(MapType::PerCpuHash, key_size, value_size, max_entries);
        Self::with_settings(def, Settings::new().cpus(cpus))
    }

    const fn layout(def: &MapDef) -> Option<Layout> {
        Layout::new(def.key_size, 0, 0)
    }

    const fn storage(def: &MapDef, cpus: u32) -> Option<usize> {
        let Some(layout) = Self::layout(def) else { return None };
        let values = percpu::bytes(def, cpus, def.max_entries);
        layout.storage(def.max_entries, def.max_entries, values)
    }

    /// Sets an entry; `write` gets its index.
    fn set(
        &self,
        key: &[u8],
        mode: Mode,
        who: Caller,
        write: impl Fn(u32) -> Result<(), MapError>,
    ) -> Result<(), MapError> {
        let _held = self.table.take(who)?;
        self.table.update(
            key,
            mode,
            |node| write(node.index()).map(|()| Present::Written),
            |node, _| {
                self.values.clear(node.index());
                write(node.index())
            },
            || Err(MapError::Full),
        )
    }
}

impl<P: PhysicalProfile> Build for PerCpuHashMap<P> {
    fn build(def: MapDef, settings: Settings, source: &mut Source) -> Result<Self, MapError> {
        let layout = Self::layout(&def).ok_or(MapError::TooLarge("the entry"))?;
        Ok(Self {
            def,
            table: Table::new(&def, layout, settings, source, def.max_entries)?,
            values: PerCpu::new(&def, settings, source, def.max_entries)?,
        })
    }
}

impl<P: PhysicalProfile> BpfMap for PerCpuHashMap<P> {
    over_table!();

    fn cpus(&self) -> u32 {
        self.values.cpus()
    }

    fn host_value_size(&self) -> usize {
        self.values.host_size()
    }

    fn lookup(&self, key: &[u8]) -> Result<MapValue<'_>, MapError> {
        limits::host_reads(&self.def)?;
        check(&self.def, key)?;
        let node = self.table.find(key).ok_or(MapError::NotFound)?;
        self.values.all(node.index()).ok_or(MapError::NotFound)
    }

    fn update(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), MapError> {
        limits::host_writes(&self.def)?;
        check(&self.def, key)?;
        self.values.check_all(value.into())?;
        self.set(key, Mode::of(flags)?, Caller::Host, |index| {
            self.values.set_all(index, value.into())
        })
    }

    #[cfg(feature = "cloud-profile")]
    fn resize(&self, max_entries: u32) -> Result<(), MapError> {
        self.table.resize(max_entries, 0, |nodes| self.values.grow(nodes))
    }

    fn value_region(&self, index: usize) -> Option<ValueRegion> {
        self.values.region(index)
    }

    #[inline]
    fn lookup_ptr(&self, key: &[u8], cpu: u32) -> Option<NonNull<u8>> {
        check(&self.def, key).ok()?;
        Some(self.values.of(self.table.find(key)?.index(), cpu)?.as_ptr())
    }

    fn update_from(
        &self,
        key: &[u8],
        value: View<'_>,
        flags: u64,
        cpu: u32,
    ) -> Result<(), MapError> {
        check(&self.def, key)?;
        self.values.check_one(value, cpu)?;
        self.set(key, Mode::of(flags)?, Caller::Program(cpu), |index| {
            self.values.set(index, cpu, value)
        })
    }
}

#[cfg(feature = "cloud-profile")]
impl<P: PhysicalProfile> crate::direct::ByKey for PerCpuHashMap<P> {
    #[inline(always)]
    fn find<const SIZE: usize>(&self, key: &[u8; SIZE], cpu: u32) -> Option<NonNull<u8>> {
        Some(self.values.of(self.table.find_key(key)?.index(), cpu)?.as_ptr())
    }
}
