//! Maps of whatever type a definition names.

use core::ptr::NonNull;

use bpf_bytecode::abi::frozen::FrozenBytes;
use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_profile::PhysicalProfile;

use crate::memory::View;
use crate::{
    ArrayMap, BpfMap, HashMap, MapError, MapValue, PerCpuArrayMap, PerCpuHashMap, ProgArray,
    RingBuf, RingBuffer, Settings, ValueRegion,
};
#[cfg(feature = "cloud-profile")]
use crate::{LpmTrie, LruHashMap};

/// A map of any type that the profile has.
#[derive(Debug)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each variant is the type of the same name")]
pub enum AnyMap<P: PhysicalProfile> {
    Array(ArrayMap<P>),
    PerCpuArray(PerCpuArrayMap<P>),
    Hash(HashMap<P>),
    PerCpuHash(PerCpuHashMap<P>),
    ProgArray(ProgArray<P>),
    RingBuf(RingBuf<P>),
    #[cfg(feature = "cloud-profile")]
    LruHash(LruHashMap<P>),
    #[cfg(feature = "cloud-profile")]
    LpmTrie(LpmTrie<P>),
}

/// The map of a definition, in the profile's own storage.
///
/// ```
/// use bpf_bytecode::abi::map::{MapDef, MapType};
/// use bpf_maps::BpfMap;
/// use bpf_profile::ActiveProfile;
///
/// let def = MapDef::new(MapType::Hash, 4, 8, 16).named("flows");
/// let map = bpf_maps::create::<ActiveProfile>(def).unwrap();
/// assert_eq!((map.def(), map.len()), (&def, 0));
/// ```
///
/// # Errors
/// [`MapError::Unsupported`] where the profile lacks the type, and as the type's
/// constructor.
pub fn create<P: PhysicalProfile>(def: MapDef) -> Result<AnyMap<P>, MapError> {
    AnyMap::new(def)
}

/// Calls the constructor of the type that a definition names.
macro_rules! by_type {
    ($def:expr, $function:ident($($argument:expr),*)) => {
        match $def.map_type {
            MapType::Array => ArrayMap::$function($($argument),*).map(Self::Array),
            MapType::PerCpuArray => PerCpuArrayMap::$function($($argument),*).map(Self::PerCpuArray),
            MapType::Hash => HashMap::$function($($argument),*).map(Self::Hash),
            MapType::PerCpuHash => PerCpuHashMap::$function($($argument),*).map(Self::PerCpuHash),
            MapType::ProgArray => ProgArray::$function($($argument),*).map(Self::ProgArray),
            MapType::RingBuf => RingBuf::$function($($argument),*).map(Self::RingBuf),
            #[cfg(feature = "cloud-profile")]
            MapType::LruHash => LruHashMap::$function($($argument),*).map(Self::LruHash),
            #[cfg(feature = "cloud-profile")]
            MapType::LpmTrie => LpmTrie::$function($($argument),*).map(Self::LpmTrie),
            #[allow(unreachable_patterns, reason = "one profile has every type")]
            map_type => Err(MapError::Unsupported { map_type, profile: P::NAME }),
        }
    };
}

/// Calls a function of the map within.
macro_rules! within {
    ($self:ident, $map:ident => $call:expr) => {
        match $self {
            Self::Array($map) => $call,
            Self::PerCpuArray($map) => $call,
            Self::Hash($map) => $call,
            Self::PerCpuHash($map) => $call,
            Self::ProgArray($map) => $call,
            Self::RingBuf($map) => $call,
            #[cfg(feature = "cloud-profile")]
            Self::LruHash($map) => $call,
            #[cfg(feature = "cloud-profile")]
            Self::LpmTrie($map) => $call,
        }
    };
}

impl<P: PhysicalProfile> AnyMap<P> {
    /// The map of a definition, in the profile's own storage.
    ///
    /// # Errors
    /// As [`create`].
    pub fn new(def: MapDef) -> Result<Self, MapError> {
        by_type!(def, new(def))
    }

    /// As [`new`](Self::new), with settings.
    ///
    /// # Errors
    /// As [`create`].
    pub fn with_settings(def: MapDef, settings: Settings) -> Result<Self, MapError> {
        by_type!(def, with_settings(def, settings))
    }

    /// As [`new`](Self::new), in storage that the kernel hands in.
    ///
    /// # Errors
    /// As [`create`]; [`MapError::OutOfMemory`] where the storage is smaller
    /// than [`storage_bytes`](Self::storage_bytes).
    pub fn with_storage(def: MapDef, storage: &'static mut [u8]) -> Result<Self, MapError> {
        Self::with_settings_and_storage(def, Settings::new(), storage)
    }

    /// As [`with_storage`](Self::with_storage), with settings.
    ///
    /// # Errors
    /// As [`with_storage`](Self::with_storage).
    pub fn with_settings_and_storage(
        def: MapDef,
        settings: Settings,
        storage: &'static mut [u8],
    ) -> Result<Self, MapError> {
        by_type!(def, with_settings_and_storage(def, settings, storage))
    }

    /// The map with these contents, for ever; see [`ArrayMap::freeze`].
    ///
    /// # Errors
    /// As [`ArrayMap::freeze`]; [`MapError::InvalidDefinition`] for other types.
    pub fn freeze(self, contents: FrozenBytes) -> Result<Self, MapError> {
        match self {
            Self::Array(map) => map.freeze(contents).map(Self::Array),
            _ => Err(MapError::InvalidDefinition("only arrays can be frozen")),
        }
    }

    /// The map with the beginning of its first value; see [`ArrayMap::filled`].
    ///
    /// # Errors
    /// As [`ArrayMap::filled`]; [`MapError::InvalidDefinition`] for other types.
    pub fn filled(self, contents: &[u8]) -> Result<Self, MapError> {
        match self {
            Self::Array(map) => map.filled(contents).map(Self::Array),
            _ => Err(MapError::InvalidDefinition("only arrays have initial contents")),
        }
    }

    /// Bytes that storage for such a map must have, for any alignment, where
    /// values are kept for `cpus` CPUs. `None` where there can be no such map.
    pub const fn storage_bytes(def: &MapDef, cpus: u32) -> Option<usize> {
        match def.map_type {
            MapType::Array => ArrayMap::<P>::storage_bytes(def, cpus),
            MapType::PerCpuArray => PerCpuArrayMap::<P>::storage_bytes(def, cpus),
            MapType::Hash => HashMap::<P>::storage_bytes(def, cpus),
            MapType::PerCpuHash => PerCpuHashMap::<P>::storage_bytes(def, cpus),
            MapType::ProgArray => ProgArray::<P>::storage_bytes(def, cpus),
            MapType::RingBuf => RingBuf::<P>::storage_bytes(def, cpus),
            #[cfg(feature = "cloud-profile")]
            MapType::LruHash => LruHashMap::<P>::storage_bytes(def, cpus),
            #[cfg(feature = "cloud-profile")]
            MapType::LpmTrie => LpmTrie::<P>::storage_bytes(def, cpus),
            #[allow(unreachable_patterns, reason = "one profile has every type")]
            _ => None,
        }
    }
}

impl<P: PhysicalProfile> BpfMap for AnyMap<P> {
    fn def(&self) -> &MapDef {
        within!(self, map => map.def())
    }

    fn max_entries(&self) -> u32 {
        within!(self, map => map.max_entries())
    }

    fn len(&self) -> usize {
        within!(self, map => map.len())
    }

    fn cpus(&self) -> u32 {
        within!(self, map => map.cpus())
    }

    fn host_value_size(&self) -> usize {
        within!(self, map => map.host_value_size())
    }

    fn lookup(&self, key: &[u8]) -> Result<MapValue<'_>, MapError> {
        within!(self, map => map.lookup(key))
    }

    fn update(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), MapError> {
        within!(self, map => map.update(key, value, flags))
    }

    fn delete(&self, key: &[u8]) -> Result<(), MapError> {
        within!(self, map => map.delete(key))
    }

    fn next_key(&self, previous: Option<&[u8]>, out: &mut [u8]) -> Result<(), MapError> {
        within!(self, map => map.next_key(previous, out))
    }

    #[cfg(feature = "cloud-profile")]
    fn resize(&self, max_entries: u32) -> Result<(), MapError> {
        within!(self, map => map.resize(max_entries))
    }

    fn value_region(&self, index: usize) -> Option<ValueRegion> {
        within!(self, map => map.value_region(index))
    }

    #[cfg(feature = "cloud-profile")]
    fn elements(&self, cpu: u32) -> Option<crate::Elements<'_>> {
        within!(self, map => map.elements(cpu))
    }

    #[cfg(feature = "cloud-profile")]
    fn direct(&self) -> Option<crate::Direct<'_>> {
        within!(self, map => map.direct())
    }

    #[inline]
    fn lookup_ptr(&self, key: &[u8], cpu: u32) -> Option<NonNull<u8>> {
        within!(self, map => map.lookup_ptr(key, cpu))
    }

    fn update_from(
        &self,
        key: &[u8],
        value: View<'_>,
        flags: u64,
        cpu: u32,
    ) -> Result<(), MapError> {
        within!(self, map => map.update_from(key, value, flags, cpu))
    }

    fn delete_on(&self, key: &[u8], cpu: u32) -> Result<(), MapError> {
        within!(self, map => map.delete_on(key, cpu))
    }

    fn frozen(&self) -> Option<&FrozenBytes> {
        within!(self, map => map.frozen())
    }

    fn program(&self, index: u32) -> Option<u32> {
        within!(self, map => map.program(index))
    }

    fn ring_buf(&self) -> Option<&dyn RingBuffer> {
        within!(self, map => map.ring_buf())
    }
}
