//! Trie for longest-prefix match.

use core::ptr::NonNull;

use bpf_bytecode::abi::map::flags::BPF_F_NO_PREALLOC;
use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_profile::PhysicalProfile;

use super::prefix::Prefix;
use super::trie::{Trie, storage};
use crate::create::{Build, constructors};
use crate::direct::{ByKey, Direct};
use crate::key::{self, Mode};
use crate::lock::{Caller, Lock};
use crate::memory::View;
use crate::storage::Source;
use crate::{BpfMap, MapError, MapValue, Settings, ValueRegion, limits};

/// A trie: a lookup gives the value of the longest prefix that the key begins
/// with.
///
/// A key is the length of the prefix in bits, as `u32` in native byte order,
/// and then the bytes, the highest bit first. Bits beyond the prefix do not
/// matter. Updates and deletions are for exactly the prefix. Definitions must
/// have the flag `BPF_F_NO_PREALLOC`, as on Linux, although storage is set aside
/// beforehand all the same.
///
/// ```
/// use bpf_maps::{BpfMap, LpmTrie, MapError};
/// use bpf_profile::ActiveProfile;
///
/// fn key(len: u32, address: [u8; 4]) -> [u8; 8] {
///     let mut key = [0; 8];
///     key[..4].copy_from_slice(&len.to_ne_bytes());
///     key[4..].copy_from_slice(&address);
///     key
/// }
///
/// let map = LpmTrie::<ActiveProfile>::with_entries(8, 1, 100).unwrap();
/// map.update(&key(8, [10, 0, 0, 0]), &[1], 0).unwrap();
/// map.update(&key(16, [10, 1, 0, 0]), &[2], 0).unwrap();
/// assert_eq!(map.lookup(&key(32, [10, 1, 2, 3])).unwrap(), [2]);
/// assert_eq!(map.lookup(&key(32, [10, 2, 2, 3])).unwrap(), [1]);
/// assert_eq!(map.lookup(&key(32, [11, 2, 2, 3])), Err(MapError::NotFound));
/// ```
pub struct LpmTrie<P: PhysicalProfile> {
    def: MapDef,
    trie: Trie<P>,
    lock: Lock,
}

constructors!(LpmTrie, MapType::LpmTrie);

impl<P: PhysicalProfile> LpmTrie<P> {
    /// A trie of `max_entries` prefixes at the most; `key_size` includes the
    /// four bytes of the length.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_entries(
        key_size: u32,
        value_size: u32,
        max_entries: u32,
    ) -> Result<Self, MapError> {
        let def = MapDef::new(MapType::LpmTrie, key_size, value_size, max_entries);
        Self::new(def.with_flags(BPF_F_NO_PREALLOC))
    }

    const fn storage(def: &MapDef, _cpus: u32) -> Option<usize> {
        storage(def)
    }

    fn prefix<'k>(&self, key: &'k [u8]) -> Result<Prefix<'k>, MapError> {
        Prefix::parse(key, self.def.key_size)
    }

    fn set(&self, key: &[u8], value: View<'_>, flags: u64, who: Caller) -> Result<(), MapError> {
        key::check_value(value, self.def.value_size as usize)?;
        let mode = Mode::of(flags)?;
        let prefix = self.prefix(key)?;
        let _held = self.lock.take(who)?;
        self.trie.insert(prefix, value, mode)
    }

    fn remove(&self, key: &[u8], who: Caller) -> Result<(), MapError> {
        let prefix = self.prefix(key)?;
        let _held = self.lock.take(who)?;
        self.trie.remove(prefix)
    }
}

impl<P: PhysicalProfile> Build for LpmTrie<P> {
    fn build(def: MapDef, _: Settings, source: &mut Source) -> Result<Self, MapError> {
        Ok(Self { def, trie: Trie::new(&def, source)?, lock: Lock::new() })
    }
}

impl<P: PhysicalProfile> BpfMap for LpmTrie<P> {
    fn def(&self) -> &MapDef {
        &self.def
    }

    fn max_entries(&self) -> u32 {
        self.trie.max()
    }

    fn len(&self) -> usize {
        self.trie.len() as usize
    }

    fn lookup(&self, key: &[u8]) -> Result<MapValue<'_>, MapError> {
        limits::host_reads(&self.def)?;
        key::check(&self.def, key)?;
        // A prefix that is too long matches nothing; it is no error here.
        let prefix = self.prefix(key).map_err(|_| MapError::NotFound)?;
        Ok(MapValue::new(self.trie.find(prefix).ok_or(MapError::NotFound)?.view()))
    }

    fn update(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), MapError> {
        limits::host_writes(&self.def)?;
        self.set(key, value.into(), flags, Caller::Host)
    }

    fn delete(&self, key: &[u8]) -> Result<(), MapError> {
        limits::host_writes(&self.def)?;
        self.remove(key, Caller::Host)
    }

    /// Longer prefixes come before those that they begin with.
    fn next_key(&self, previous: Option<&[u8]>, out: &mut [u8]) -> Result<(), MapError> {
        limits::host_reads(&self.def)?;
        key::check(&self.def, out)?;
        if let Some(key) = previous {
            key::check(&self.def, key)?;
        }
        let previous = previous.and_then(|key| self.prefix(key).ok());
        self.trie.next_key(previous, out)
    }

    fn resize(&self, max_entries: u32) -> Result<(), MapError> {
        let _held = self.lock.take(Caller::Host)?;
        self.trie.resize(max_entries)
    }

    fn value_region(&self, index: usize) -> Option<ValueRegion> {
        self.trie.region(index)
    }

    /// For keys with addresses of IPv4 and IPv6.
    fn direct(&self) -> Option<Direct<'_>> {
        Direct::by::<8, _>(self).or_else(|| Direct::by::<20, _>(self))
    }

    fn lookup_ptr(&self, key: &[u8], _cpu: u32) -> Option<NonNull<u8>> {
        Some(self.trie.find(self.prefix(key).ok()?)?.as_ptr())
    }

    fn update_from(
        &self,
        key: &[u8],
        value: View<'_>,
        flags: u64,
        cpu: u32,
    ) -> Result<(), MapError> {
        self.set(key, value, flags, Caller::Program(cpu))
    }

    fn delete_on(&self, key: &[u8], cpu: u32) -> Result<(), MapError> {
        self.remove(key, Caller::Program(cpu))
    }
}

impl<P: PhysicalProfile> ByKey for LpmTrie<P> {
    #[inline(always)]
    fn find<const SIZE: usize>(&self, key: &[u8; SIZE], _cpu: u32) -> Option<NonNull<u8>> {
        Some(self.trie.find_key(key)?.as_ptr())
    }
}
