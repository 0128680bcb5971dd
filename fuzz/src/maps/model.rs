//! What maps should do, in the plainest way.

use std::collections::BTreeMap;

use kernel_bpf::bytecode::abi::map::flags::{BPF_ANY, BPF_EXIST, BPF_NOEXIST};
use kernel_bpf::bytecode::abi::map::{MapDef, MapType};
use kernel_bpf::maps::MapError;

/// The map types of the profile that have a model.
#[cfg(feature = "cloud-profile")]
pub const TYPES: [MapType; 7] = [
    MapType::Hash,
    MapType::Array,
    MapType::PerCpuHash,
    MapType::PerCpuArray,
    MapType::RingBuf,
    MapType::LruHash,
    MapType::LpmTrie,
];

/// The map types of the profile that have a model.
#[cfg(feature = "embedded-profile")]
pub const TYPES: [MapType; 5] =
    [MapType::Hash, MapType::Array, MapType::PerCpuHash, MapType::PerCpuArray, MapType::RingBuf];

/// A map with keys and values, as the standard library would have it.
#[derive(Debug)]
pub struct Model {
    def: MapDef,
    /// Entries by key; for a trie the key is the prefix without the bits behind
    /// it, in Linux's form.
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Entries at the most.
    pub max_entries: usize,
}

impl Model {
    /// An empty map, or an array of zeros.
    pub fn new(def: MapDef, value_size: usize) -> Self {
        let mut model =
            Self { def, entries: BTreeMap::new(), max_entries: def.max_entries as usize };
        if model.is_array() {
            let zeros = |index: u32| (index.to_ne_bytes().to_vec(), vec![0; value_size]);
            model.entries = (0..def.max_entries).map(zeros).collect();
        }
        model
    }

    /// Whether every entry exists, always.
    pub const fn is_array(&self) -> bool {
        matches!(self.def.map_type, MapType::Array | MapType::PerCpuArray)
    }

    /// Whether a full map makes room by itself, of what nobody has used lately.
    pub const fn forgets(&self) -> bool {
        matches!(self.def.map_type, MapType::LruHash)
    }

    const fn is_trie(&self) -> bool {
        matches!(self.def.map_type, MapType::LpmTrie)
    }

    /// Keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.entries.keys()
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Drops the entries that the map has forgotten.
    pub fn retain(&mut self, keep: impl Fn(&[u8]) -> bool) {
        self.entries.retain(|key, _| keep(key));
    }

    /// The value that a lookup of `key` finds.
    pub fn lookup(&self, key: &[u8]) -> Option<&Vec<u8>> {
        if !self.is_trie() {
            return self.entries.get(key);
        }
        let (bits, data) = prefix(key)?;
        (0..=bits).rev().find_map(|bits| self.entries.get(&with_prefix(bits, data)))
    }

    /// As [`BpfMap::update`](kernel_bpf::maps::BpfMap::update), with the change
    /// as a function of the old value.
    ///
    /// # Errors
    /// What Linux answers.
    pub fn update(
        &mut self,
        key: &[u8],
        flags: u64,
        new: impl FnOnce(Option<&Vec<u8>>) -> Vec<u8>,
    ) -> Result<(), MapError> {
        if flags > BPF_EXIST {
            return Err(MapError::InvalidFlags);
        }
        let key = self.entry(key).ok_or(MapError::InvalidKey)?;
        let old = self.entries.get(&key);
        if self.is_array() && old.is_none() {
            return Err(MapError::IndexOutOfRange);
        }
        let full = self.entries.len() >= self.max_entries && !self.forgets();
        match (old, flags) {
            (Some(_), BPF_NOEXIST) => return Err(MapError::Exists),
            (None, BPF_EXIST) => return Err(MapError::NotFound),
            (None, BPF_ANY | BPF_NOEXIST) if full && self.is_trie() => {
                return Err(MapError::NoSpace);
            }
            (None, BPF_ANY | BPF_NOEXIST) if full => return Err(MapError::Full),
            _ => {}
        }
        let value = new(old);
        self.entries.insert(key, value);
        Ok(())
    }

    /// As [`BpfMap::delete`](kernel_bpf::maps::BpfMap::delete).
    ///
    /// # Errors
    /// What Linux answers.
    pub fn delete(&mut self, key: &[u8]) -> Result<(), MapError> {
        if self.is_array() {
            return Err(MapError::InvalidOperation);
        }
        let key = self.entry(key).ok_or(MapError::InvalidKey)?;
        self.entries.remove(&key).map(|_| ()).ok_or(MapError::NotFound)
    }

    /// The key under which an entry is kept.
    fn entry(&self, key: &[u8]) -> Option<Vec<u8>> {
        if !self.is_trie() {
            return Some(key.to_vec());
        }
        let (bits, data) = prefix(key)?;
        Some(with_prefix(bits, data))
    }
}

/// Length in bits and data of a trie's key, if there are as many bits.
fn prefix(key: &[u8]) -> Option<(usize, &[u8])> {
    let (bits, data) = key.split_first_chunk()?;
    let bits = u32::from_ne_bytes(*bits) as usize;
    (bits <= data.len() * 8).then_some((bits, data))
}

/// The key of the first `bits` bits.
fn with_prefix(bits: usize, data: &[u8]) -> Vec<u8> {
    let masked = data.iter().enumerate().map(|(at, byte)| {
        let kept = bits.saturating_sub(at * 8).min(8);
        byte & u8::MAX.checked_shl(8 - u32::try_from(kept).unwrap_or(0)).unwrap_or(0)
    });
    let length = u32::try_from(bits).expect("a few bytes").to_ne_bytes();
    length.into_iter().chain(masked).collect()
}
