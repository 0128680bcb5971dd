//! Array.

use core::ptr::NonNull;

use bpf_bytecode::abi::frozen::{FrozenBytes, FrozenMap};
use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_profile::PhysicalProfile;

use crate::bound::Bound;
use crate::create::{Build, constructors};
use crate::key::{self, Mode};
use crate::memory::{Cells, View};
use crate::slots::{Field, Shape, Slots};
use crate::storage::{Source, round_up, total};
use crate::{BpfMap, MapError, MapValue, Settings, ValueRegion, limits};

/// Bytes from one value to the next in an array of this definition.
pub(crate) const fn stride(def: &MapDef) -> Option<usize> {
    round_up(def.value_size as usize)
}

/// An array: keys are the indices from 0 on, as `u32` in native byte order, and
/// every value exists from the beginning, zeroed.
///
/// An update writes over the value, without a lock: whoever reads at the same
/// time may see some of the old words and some of the new.
///
/// ```
/// use bpf_maps::{ArrayMap, BpfMap, MapError};
/// use bpf_profile::ActiveProfile;
///
/// let map = ArrayMap::<ActiveProfile>::with_entries(4, 100).unwrap();
/// map.update(&5u32.to_ne_bytes(), &42u32.to_ne_bytes(), 0).unwrap();
/// assert_eq!(map.lookup(&5u32.to_ne_bytes()).unwrap(), 42u32.to_ne_bytes());
/// assert_eq!(map.lookup(&100u32.to_ne_bytes()), Err(MapError::NotFound));
/// ```
pub struct ArrayMap<P: PhysicalProfile> {
    def: MapDef,
    max: Bound,
    values: Slots<P>,
    /// The contents, where they are never to change.
    frozen: Option<FrozenBytes>,
}

constructors!(ArrayMap, MapType::Array);

impl<P: PhysicalProfile> ArrayMap<P> {
    /// An array of `max_entries` values of `value_size` bytes.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_entries(value_size: u32, max_entries: u32) -> Result<Self, MapError> {
        Self::new(MapDef::new(MapType::Array, 4, value_size, max_entries))
    }

    /// The map with these contents and zeros behind them, for ever: neither programs nor the host
    /// change them from now on, nor the number of entries. The verifier knows
    /// the values of such a map.
    ///
    /// # Errors
    /// [`MapError::InvalidDefinition`] where the map has more than one value or
    /// programs may write it; [`MapError::InvalidValue`] for more bytes
    /// than a value has.
    pub fn freeze(self, contents: FrozenBytes) -> Result<Self, MapError> {
        if !FrozenMap::can_be(&self.def) || self.max_entries() != 1 {
            return Err(MapError::InvalidDefinition("a frozen map has one value, for reading"));
        }
        let mut map = self.filled(&contents)?;
        map.frozen = Some(contents);
        Ok(map)
    }

    /// The map with these bytes at the beginning of its first value, and zeros behind them:
    /// the initial contents of variables.
    ///
    /// # Errors
    /// [`MapError::InvalidValue`] for more bytes than a value has.
    pub fn filled(self, contents: &[u8]) -> Result<Self, MapError> {
        let cells = self.value(&0_u32.to_ne_bytes())?.ok_or(MapError::IndexOutOfRange)?;
        if contents.len() > self.field().size {
            return Err(MapError::InvalidValue);
        }
        cells.fill(0);
        cells.write(0, contents).ok_or(MapError::InvalidValue)?;
        Ok(self)
    }

    const fn admit_change(&self) -> Result<(), MapError> {
        match self.frozen {
            Some(_) => Err(MapError::NotPermitted),
            None => Ok(()),
        }
    }

    const fn shape(def: &MapDef) -> Option<Shape> {
        match stride(def) {
            Some(stride) => Some(Shape { stride, planes: 1 }),
            None => None,
        }
    }

    const fn storage(def: &MapDef, _cpus: u32) -> Option<usize> {
        match Self::shape(def) {
            Some(shape) => total(&[shape.bytes(def.max_entries)]),
            None => None,
        }
    }

    fn field(&self) -> Field {
        Field { offset: 0, size: self.def.value_size as usize }
    }

    fn value(&self, key: &[u8]) -> Result<Option<Cells<'_>>, MapError> {
        let index = key::index(key)?;
        if index >= self.max.get() {
            return Ok(None);
        }
        Ok(self.values.record(index, 0).and_then(|r| r.part(0, self.field().size)))
    }

    #[inline(always)]
    fn set(&self, key: &[u8], value: View<'_>, flags: u64) -> Result<(), MapError> {
        self.admit_change()?;
        key::check_value(value, self.field().size)?;
        let cells = key::admit_in_array(self.value(key)?, flags)?;
        cells.write_view(0, value).ok_or(MapError::InvalidValue)
    }
}

impl<P: PhysicalProfile> Build for ArrayMap<P> {
    fn build(def: MapDef, _: Settings, source: &mut Source) -> Result<Self, MapError> {
        let shape = Self::shape(&def).ok_or(MapError::TooLarge("the value"))?;
        Ok(Self {
            def,
            max: Bound::new(def.max_entries),
            values: Slots::new(source, shape, def.max_entries)?,
            frozen: None,
        })
    }
}

impl<P: PhysicalProfile> BpfMap for ArrayMap<P> {
    fn def(&self) -> &MapDef {
        &self.def
    }

    fn max_entries(&self) -> u32 {
        self.max.get()
    }

    fn len(&self) -> usize {
        self.max_entries() as usize
    }

    fn lookup(&self, key: &[u8]) -> Result<MapValue<'_>, MapError> {
        limits::host_reads(&self.def)?;
        Ok(MapValue::new(self.value(key)?.ok_or(MapError::NotFound)?.view()))
    }

    fn update(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), MapError> {
        limits::host_writes(&self.def)?;
        self.admit_change()?;
        Mode::of(flags)?;
        self.set(key, value.into(), flags)
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
        self.admit_change()?;
        self.max.change(max_entries, |old| {
            let present = self.values.count();
            self.values.grow(max_entries)?;
            for record in (old..max_entries.min(present)).filter_map(|i| self.values.record(i, 0)) {
                record.fill(0);
            }
            Ok(())
        })
    }

    fn frozen(&self) -> Option<&FrozenBytes> {
        self.frozen.as_ref()
    }

    fn value_region(&self, index: usize) -> Option<ValueRegion> {
        self.values.region(index, self.field())
    }

    #[cfg(feature = "cloud-profile")]
    fn elements(&self, _cpu: u32) -> Option<crate::Elements<'_>> {
        Some(crate::Elements::new(self.value_region(0)?.base(), self.max.near(), self.max.all()))
    }

    #[cfg(feature = "cloud-profile")]
    fn direct(&self) -> Option<crate::Direct<'_>> {
        crate::Direct::by::<4, _>(self)
    }

    #[inline]
    fn lookup_ptr(&self, key: &[u8], _cpu: u32) -> Option<NonNull<u8>> {
        Some(self.value(key).ok()??.as_ptr())
    }

    #[inline]
    fn update_from(
        &self,
        key: &[u8],
        value: View<'_>,
        flags: u64,
        _cpu: u32,
    ) -> Result<(), MapError> {
        self.set(key, value, flags)
    }

    fn delete_on(&self, key: &[u8], _cpu: u32) -> Result<(), MapError> {
        key::index(key)?;
        Err(MapError::InvalidOperation)
    }
}

#[cfg(feature = "cloud-profile")]
impl<P: PhysicalProfile> crate::direct::ByKey for ArrayMap<P> {
    #[inline(always)]
    fn find<const SIZE: usize>(&self, key: &[u8; SIZE], cpu: u32) -> Option<NonNull<u8>> {
        self.lookup_ptr(key, cpu)
    }
}
