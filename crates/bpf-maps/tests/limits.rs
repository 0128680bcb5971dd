//! What may be created, and what Linux answers to the rest.

use bpf_bytecode::abi::errno::{E2BIG, EINVAL};
use bpf_bytecode::abi::map::flags::{
    BPF_F_NO_COMMON_LRU, BPF_F_NO_PREALLOC, BPF_F_RDONLY_PROG, BPF_F_WRONLY_PROG,
};
use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_maps::{
    AnyMap, BPF_F_INNER_MAP, BPF_F_MMAPABLE, BPF_F_NUMA_NODE, BPF_F_RDONLY, BPF_F_WRONLY,
    BPF_F_ZERO_SEED, BpfMap, MapError, RING_PAGE, Settings, create,
};
use bpf_profile::ActiveProfile;

const KEYED: [MapType; 4] =
    [MapType::Array, MapType::PerCpuArray, MapType::Hash, MapType::PerCpuHash];

fn refused(def: MapDef) -> MapError {
    assert_eq!(AnyMap::<ActiveProfile>::storage_bytes(&def, 1), None, "{def:?}");
    create::<ActiveProfile>(def).err().unwrap_or_else(|| panic!("{def:?} was created"))
}

fn accepted(def: MapDef) {
    assert!(AnyMap::<ActiveProfile>::storage_bytes(&def, 1).is_some(), "{def:?}");
    let map = create::<ActiveProfile>(def).unwrap_or_else(|e| panic!("{def:?}: {e}"));
    assert_eq!((map.def(), map.max_entries()), (&def, def.max_entries));
}

#[test]
fn sizes_of_nothing() {
    for map_type in KEYED {
        for def in [
            MapDef::new(map_type, 0, 4, 4),
            MapDef::new(map_type, 4, 0, 4),
            MapDef::new(map_type, 4, 4, 0),
        ] {
            assert_eq!(refused(def).errno(), EINVAL, "{def:?}");
        }
    }
}

#[test]
fn array_keys_are_indices() {
    for map_type in [MapType::Array, MapType::PerCpuArray, MapType::ProgArray] {
        assert_eq!(refused(MapDef::new(map_type, 8, 4, 4)).errno(), EINVAL);
    }
    assert_eq!(refused(MapDef::new(MapType::ProgArray, 4, 8, 4)).errno(), EINVAL);
}

#[test]
fn what_is_too_large() {
    let sizes = [
        MapDef::new(MapType::Array, 4, u32::MAX, 1),
        MapDef::new(MapType::Hash, 513, 4, 1),
        MapDef::new(MapType::Hash, 4, (4 << 20) - 48 - 4, 1),
        MapDef::new(MapType::Hash, 4, 4, u32::MAX),
        MapDef::new(MapType::PerCpuArray, 4, (32 << 10) + 1, 1),
        MapDef::new(MapType::PerCpuHash, 4, (32 << 10) + 1, 1),
    ];
    for def in sizes {
        assert_eq!(refused(def).errno(), E2BIG, "{def:?}");
    }
    let largest = MapDef::new(MapType::Hash, 4, (4 << 20) - 48 - 5, 1);
    assert!(AnyMap::<ActiveProfile>::storage_bytes(&largest, 1).is_some());
}

#[test]
fn what_no_machine_has() {
    let def = MapDef::new(MapType::PerCpuArray, 4, 32 << 10, u32::MAX);
    let settings = Settings::new().cpus(u32::MAX);
    let error = AnyMap::<ActiveProfile>::with_settings(def, settings).err();
    assert!(matches!(error, Some(MapError::OutOfMemory(_))), "{error:?}");
}

#[test]
fn flags() {
    for map_type in KEYED {
        let def = MapDef::new(map_type, 4, 4, 4);
        for known in [BPF_F_RDONLY, BPF_F_WRONLY, BPF_F_RDONLY_PROG, BPF_F_WRONLY_PROG] {
            accepted(def.with_flags(known));
        }
        for unknown in [1 << 31, BPF_F_RDONLY | BPF_F_WRONLY, BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG]
        {
            assert_eq!(refused(def.with_flags(unknown)), MapError::InvalidFlags);
        }
    }
    let array = BPF_F_MMAPABLE | BPF_F_NUMA_NODE | BPF_F_INNER_MAP;
    accepted(MapDef::new(MapType::Array, 4, 4, 4).with_flags(array));
    accepted(MapDef::new(MapType::Hash, 4, 4, 4).with_flags(BPF_F_NO_PREALLOC | BPF_F_ZERO_SEED));
    for (map_type, flags) in [
        (MapType::Array, BPF_F_NO_PREALLOC),
        (MapType::PerCpuArray, BPF_F_MMAPABLE),
        (MapType::PerCpuArray, BPF_F_INNER_MAP),
        (MapType::Hash, BPF_F_MMAPABLE),
        (MapType::Hash, BPF_F_NO_COMMON_LRU),
        (MapType::ProgArray, BPF_F_RDONLY_PROG),
    ] {
        assert_eq!(
            refused(MapDef::new(map_type, 4, 4, 4).with_flags(flags)),
            MapError::InvalidFlags
        );
    }
}

#[test]
fn ring_sizes() {
    let ring = |key, value, bytes| MapDef::new(MapType::RingBuf, key, value, bytes);
    accepted(ring(0, 0, 4096));
    accepted(ring(0, 0, RING_PAGE));
    accepted(ring(0, 0, 4096).with_flags(BPF_F_NUMA_NODE));
    for def in [
        ring(0, 0, 0),
        ring(0, 0, RING_PAGE / 2),
        ring(0, 0, 3 * 4096),
        ring(4, 0, 4096),
        ring(0, 4, 4096),
    ] {
        assert_eq!(refused(def).errno(), EINVAL, "{def:?}");
    }
    assert_eq!(refused(ring(0, 0, 4096).with_flags(1)), MapError::InvalidFlags);
}

#[test]
fn no_cpus() {
    let def = MapDef::new(MapType::PerCpuArray, 4, 4, 4);
    let error = AnyMap::<ActiveProfile>::with_settings(def, Settings::new().cpus(0)).err();
    assert_eq!(error.map(|e| e.errno()), Some(EINVAL));
}

#[cfg(feature = "embedded-profile")]
#[test]
fn types_that_the_profile_lacks() {
    for (map_type, name) in [(MapType::LruHash, "lru_hash"), (MapType::LpmTrie, "lpm_trie")] {
        let error = refused(MapDef::new(map_type, 8, 4, 4).with_flags(BPF_F_NO_PREALLOC));
        assert_eq!(error, MapError::Unsupported { map_type, profile: "embedded" });
        assert_eq!(
            error.to_string(),
            format!("map type {name} is not available in the embedded profile")
        );
    }
}

#[cfg(feature = "cloud-profile")]
#[test]
fn cloud_types() {
    accepted(MapDef::new(MapType::LruHash, 4, 4, 4).with_flags(BPF_F_NO_COMMON_LRU));
    let lru = MapDef::new(MapType::LruHash, 4, 4, 4).with_flags(BPF_F_NO_PREALLOC);
    assert_eq!(refused(lru), MapError::NotSupported);
    assert_eq!(refused(lru.with_flags(BPF_F_NO_PREALLOC | 1 << 31)), MapError::InvalidFlags);
    let trie = |key| MapDef::new(MapType::LpmTrie, key, 4, 4).with_flags(BPF_F_NO_PREALLOC);
    accepted(trie(5));
    accepted(trie(260));
    for key in [0, 4, 261] {
        assert_eq!(refused(trie(key)).errno(), EINVAL);
    }
    let value = |bytes| MapDef { value_size: bytes, ..trie(8) };
    accepted(value((4 << 20) - 280));
    assert_eq!(refused(value((4 << 20) - 279)).errno(), EINVAL);
    assert_eq!(refused(trie(8).with_flags(0)), MapError::InvalidFlags);
}

#[test]
fn rights_of_the_host() {
    let key = 0_u32.to_ne_bytes();
    for map_type in [MapType::Array, MapType::Hash, MapType::PerCpuArray, MapType::PerCpuHash] {
        let def = MapDef::new(map_type, 4, 8, 4);
        let map = create::<ActiveProfile>(def.with_flags(BPF_F_RDONLY)).unwrap();
        assert_eq!(map.update(&key, &[0; 8], 0), Err(MapError::NotPermitted));
        assert_eq!(map.delete(&key), Err(MapError::NotPermitted));
        map.update_from(&key, [1; 8].as_slice().into(), 0, 0).unwrap();
        assert_eq!(map.lookup(&key).unwrap(), [1; 8]);

        let map = create::<ActiveProfile>(def.with_flags(BPF_F_WRONLY)).unwrap();
        map.update(&key, &[0; 8], 0).unwrap();
        assert_eq!(map.lookup(&key), Err(MapError::NotPermitted));
        assert_eq!(map.next_key(None, &mut [0; 4]), Err(MapError::NotPermitted));
        assert!(map.lookup_ptr(&key, 0).is_some());
    }
}
