//! Which definitions are maps: Linux's rules for creation.

use bpf_bytecode::abi::map::flags::{
    BPF_F_NO_COMMON_LRU, BPF_F_NO_PREALLOC, BPF_F_RDONLY_PROG, BPF_F_WRONLY_PROG,
};
use bpf_bytecode::abi::map::{MapDef, MapType};

use crate::{MAX_KEY_SIZE, MapError};

/// Creation: memory near one NUMA node; accepted, without effect.
pub const BPF_F_NUMA_NODE: u32 = 1 << 2;
/// Creation: the host may only read.
pub const BPF_F_RDONLY: u32 = 1 << 3;
/// Creation: the host may only write.
pub const BPF_F_WRONLY: u32 = 1 << 4;
/// Creation: hash with seed 0.
pub const BPF_F_ZERO_SEED: u32 = 1 << 6;
/// Creation: the array may be mapped; accepted, without effect.
pub const BPF_F_MMAPABLE: u32 = 1 << 10;
/// Creation: the array may be another map's inner one; accepted, without effect.
pub const BPF_F_INNER_MAP: u32 = 1 << 12;

/// Flags for either side's rights.
const ACCESS: u32 = BPF_F_RDONLY | BPF_F_WRONLY | BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG;
/// A hash's entry has fewer bytes: what Linux 6.18 can allocate in one piece
/// besides what it needs for itself.
const ENTRY_BYTES: u64 = (4 << 20) - 48;
/// Largest value of a trie, where Linux counts with the longest prefix.
const TRIE_VALUE_BYTES: u32 = (4 << 20) - 280;
/// Largest value of a per-CPU map.
const PER_CPU_BYTES: u32 = 32 << 10;
/// Bytes of the prefix length that a trie's key begins with.
pub(crate) const PREFIX_BYTES: u32 = 4;
/// Bytes that follow the prefix length, at the most.
const PREFIX_DATA_BYTES: u32 = 256;
/// What a ring buffer's size is a multiple of: Linux's page.
#[cfg(feature = "cloud-profile")]
pub const RING_PAGE: u32 = 4096;
/// What a ring buffer's size is a multiple of. Linux asks for a page; cores
/// without pages take small ones, so that everything that Linux accepts is
/// accepted here, and smaller rings besides.
#[cfg(feature = "embedded-profile")]
pub const RING_PAGE: u32 = 64;

/// Whether `def` may be created as a map of type `map_type`.
pub(crate) const fn check(def: &MapDef, map_type: MapType) -> Result<(), MapError> {
    if def.map_type.number() != map_type.number() {
        return invalid("it is of another type");
    }
    let (known, required) = creation_flags(map_type);
    if def.flags & !known != 0 || def.flags & required != required {
        return Err(MapError::InvalidFlags);
    }
    if both(def.flags, BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG)
        || both(def.flags, BPF_F_RDONLY | BPF_F_WRONLY)
    {
        return Err(MapError::InvalidFlags);
    }
    if matches!(map_type, MapType::LruHash) && def.flags & BPF_F_NO_PREALLOC != 0 {
        return Err(MapError::NotSupported);
    }
    if def.max_entries == 0 {
        return invalid("no entries");
    }
    if matches!(map_type, MapType::RingBuf) {
        return check_ring(def);
    }
    if def.value_size == 0 {
        return invalid("values without bytes");
    }
    match map_type {
        MapType::Array | MapType::PerCpuArray | MapType::ProgArray => check_array(def),
        MapType::LpmTrie => check_trie(def),
        _ => check_hash(def),
    }
}

const fn check_array(def: &MapDef) -> Result<(), MapError> {
    if def.key_size != 4 {
        return invalid("an array's keys have 4 bytes");
    }
    if matches!(def.map_type, MapType::ProgArray) && def.value_size != 4 {
        return invalid("a program array's values have 4 bytes");
    }
    if def.value_size > i32::MAX.unsigned_abs() {
        return Err(MapError::TooLarge("the value"));
    }
    check_per_cpu(def)
}

const fn check_hash(def: &MapDef) -> Result<(), MapError> {
    if def.key_size == 0 {
        return invalid("keys without bytes");
    }
    if def.key_size as usize > MAX_KEY_SIZE {
        return Err(MapError::TooLarge("the key"));
    }
    if def.max_entries > 1 << 31 {
        return Err(MapError::TooLarge("the number of entries"));
    }
    if (def.key_size as u64).saturating_add(def.value_size as u64) >= ENTRY_BYTES {
        return Err(MapError::TooLarge("the entry"));
    }
    check_per_cpu(def)
}

const fn check_trie(def: &MapDef) -> Result<(), MapError> {
    let Some(data) = def.key_size.checked_sub(PREFIX_BYTES) else {
        return invalid("a key shorter than its prefix length");
    };
    if data == 0 || data > PREFIX_DATA_BYTES {
        return invalid("a prefix of no bytes or of more than 256");
    }
    if def.value_size > TRIE_VALUE_BYTES {
        return invalid("a trie's value of more bytes than Linux can allocate");
    }
    Ok(())
}

const fn check_ring(def: &MapDef) -> Result<(), MapError> {
    if def.key_size != 0 || def.value_size != 0 {
        return invalid("a ring buffer has neither keys nor values");
    }
    if !def.max_entries.is_power_of_two() || !def.max_entries.is_multiple_of(RING_PAGE) {
        return invalid("a ring buffer's size is a power of two of whole pages");
    }
    Ok(())
}

const fn check_per_cpu(def: &MapDef) -> Result<(), MapError> {
    let per_cpu = matches!(def.map_type, MapType::PerCpuArray | MapType::PerCpuHash);
    if per_cpu && def.value_size > PER_CPU_BYTES {
        return Err(MapError::TooLarge("the value"));
    }
    Ok(())
}

/// The flags that Linux knows for a type, and those that it demands.
const fn creation_flags(map_type: MapType) -> (u32, u32) {
    match map_type {
        MapType::Array => (BPF_F_NUMA_NODE | BPF_F_MMAPABLE | BPF_F_INNER_MAP | ACCESS, 0),
        MapType::PerCpuArray => (ACCESS, 0),
        MapType::ProgArray => (BPF_F_NUMA_NODE | BPF_F_RDONLY | BPF_F_WRONLY, 0),
        MapType::Hash => (BPF_F_NO_PREALLOC | BPF_F_NUMA_NODE | BPF_F_ZERO_SEED | ACCESS, 0),
        MapType::PerCpuHash => (BPF_F_NO_PREALLOC | BPF_F_ZERO_SEED | ACCESS, 0),
        MapType::LruHash => {
            let own = BPF_F_NO_PREALLOC | BPF_F_NO_COMMON_LRU;
            (own | BPF_F_NUMA_NODE | BPF_F_ZERO_SEED | ACCESS, 0)
        }
        MapType::LpmTrie => (BPF_F_NO_PREALLOC | BPF_F_NUMA_NODE | ACCESS, BPF_F_NO_PREALLOC),
        MapType::RingBuf => (BPF_F_NUMA_NODE, 0),
        _ => (0, 0),
    }
}

const fn both(flags: u32, pair: u32) -> bool {
    flags & pair == pair
}

const fn invalid(why: &'static str) -> Result<(), MapError> {
    Err(MapError::InvalidDefinition(why))
}

/// Whether the host may read a map of these creation flags.
pub(crate) const fn host_reads(def: &MapDef) -> Result<(), MapError> {
    if def.flags & BPF_F_WRONLY == 0 { Ok(()) } else { Err(MapError::NotPermitted) }
}

/// Whether the host may write a map of these creation flags.
pub(crate) const fn host_writes(def: &MapDef) -> Result<(), MapError> {
    if def.flags & BPF_F_RDONLY == 0 { Ok(()) } else { Err(MapError::NotPermitted) }
}
