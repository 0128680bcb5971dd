//! Array of programs.

use core::ptr::NonNull;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use bpf_bytecode::abi::map::flags::BPF_ANY;
use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_profile::PhysicalProfile;

use crate::bound::Bound;
use crate::create::{Build, constructors};
use crate::key;
use crate::memory::{Cells, View};
use crate::slots::{Shape, Slots};
use crate::storage::{Source, total};
use crate::{BpfMap, MapError, MapValue, Settings, ValueRegion, limits};

/// In a slot: the program's number.
const NUMBER: usize = 0;
/// In a slot: whether there is a program.
const PRESENT: usize = 4;
/// A slot.
const SHAPE: Shape = Shape { stride: 8, planes: 1 };

/// An array of programs, for tail calls. A value is the number by which the
/// kernel knows the program. Programs cannot read or write it.
///
/// ```
/// use bpf_maps::{BpfMap, MapError, ProgArray};
/// use bpf_profile::ActiveProfile;
///
/// let map = ProgArray::<ActiveProfile>::with_entries(8).unwrap();
/// map.update(&2u32.to_ne_bytes(), &17u32.to_ne_bytes(), 0).unwrap();
/// assert_eq!((map.program(2), map.program(3)), (Some(17), None));
/// assert_eq!(map.lookup(&3u32.to_ne_bytes()), Err(MapError::NotFound));
/// ```
pub struct ProgArray<P: PhysicalProfile> {
    def: MapDef,
    max: Bound,
    slots: Slots<P>,
}

constructors!(ProgArray, MapType::ProgArray);

impl<P: PhysicalProfile> ProgArray<P> {
    /// An array with room for `max_entries` programs.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_entries(max_entries: u32) -> Result<Self, MapError> {
        Self::new(MapDef::new(MapType::ProgArray, 4, 4, max_entries))
    }

    const fn storage(def: &MapDef, _cpus: u32) -> Option<usize> {
        total(&[SHAPE.bytes(def.max_entries)])
    }

    fn slot(&self, index: u32) -> Option<Cells<'_>> {
        if index < self.max.get() { self.slots.record(index, 0) } else { None }
    }

    /// The slot of an index, for the host to write.
    fn writable(&self, key: &[u8]) -> Result<Cells<'_>, MapError> {
        limits::host_writes(&self.def)?;
        self.slot(key::index(key)?).ok_or(MapError::IndexOutOfRange)
    }

    fn used(&self, from: u32, to: u32) -> usize {
        (from..to).filter(|&index| self.program(index).is_some()).count()
    }
}

impl<P: PhysicalProfile> Build for ProgArray<P> {
    fn build(def: MapDef, _: Settings, source: &mut Source) -> Result<Self, MapError> {
        let slots = Slots::new(source, SHAPE, def.max_entries)?;
        Ok(Self { def, max: Bound::new(def.max_entries), slots })
    }
}

impl<P: PhysicalProfile> BpfMap for ProgArray<P> {
    fn def(&self) -> &MapDef {
        &self.def
    }

    fn max_entries(&self) -> u32 {
        self.max.get()
    }

    /// Number of slots that hold a program.
    fn len(&self) -> usize {
        self.used(0, self.max_entries())
    }

    fn lookup(&self, key: &[u8]) -> Result<MapValue<'_>, MapError> {
        limits::host_reads(&self.def)?;
        let index = key::index(key)?;
        self.program(index).ok_or(MapError::NotFound)?;
        let number = self.slot(index).and_then(|slot| slot.part(NUMBER, size_of::<u32>()));
        Ok(MapValue::new(number.ok_or(MapError::NotFound)?.view()))
    }

    fn update(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), MapError> {
        let program = <[u8; 4]>::try_from(value).map_err(|_| MapError::InvalidValue)?;
        if flags != BPF_ANY {
            return Err(MapError::InvalidFlags);
        }
        let slot = self.writable(key)?;
        slot.store(NUMBER, u32::from_ne_bytes(program), Relaxed)
            .and_then(|()| slot.store(PRESENT, 1, Release))
            .ok_or(MapError::IndexOutOfRange)
    }

    fn delete(&self, key: &[u8]) -> Result<(), MapError> {
        let present = self.writable(key)?.atomic(PRESENT).ok_or(MapError::NotFound)?;
        if present.swap(0, Relaxed) == 0 { Err(MapError::NotFound) } else { Ok(()) }
    }

    fn next_key(&self, previous: Option<&[u8]>, out: &mut [u8]) -> Result<(), MapError> {
        limits::host_reads(&self.def)?;
        key::next_index(previous, self.max_entries(), out)
    }

    #[cfg(feature = "cloud-profile")]
    fn resize(&self, max_entries: u32) -> Result<(), MapError> {
        self.max.change(max_entries, |old| {
            if self.used(max_entries, old) != 0 {
                return Err(MapError::Busy);
            }
            self.slots.grow(max_entries)
        })
    }

    fn value_region(&self, _index: usize) -> Option<ValueRegion> {
        None
    }

    fn lookup_ptr(&self, _key: &[u8], _cpu: u32) -> Option<NonNull<u8>> {
        None
    }

    fn update_from(
        &self,
        _key: &[u8],
        _value: View<'_>,
        _flags: u64,
        _cpu: u32,
    ) -> Result<(), MapError> {
        Err(MapError::NotSupported)
    }

    fn delete_on(&self, _key: &[u8], _cpu: u32) -> Result<(), MapError> {
        Err(MapError::NotSupported)
    }

    #[inline]
    fn program(&self, index: u32) -> Option<u32> {
        let slot = self.slot(index)?;
        (slot.load(PRESENT, Acquire)? != 0).then(|| slot.load(NUMBER, Relaxed))?
    }
}
