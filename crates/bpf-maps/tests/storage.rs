//! Storage that is handed in, and storage that runs out.

use bpf_bytecode::abi::errno::ENOMEM;
use bpf_bytecode::abi::map::flags::BPF_F_NO_PREALLOC;
use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_maps::{AnyMap, ArrayMap, BpfMap, MapError, Settings, create};
use bpf_profile::ActiveProfile;

const DEF: MapDef = MapDef::new(MapType::Array, 4, 8, 16);
const BYTES: usize = match ArrayMap::<ActiveProfile>::storage_bytes(&DEF, 1) {
    Some(bytes) => bytes,
    None => 0,
};

/// A definition of every type.
fn definitions() -> Vec<MapDef> {
    let keyed = [MapType::Array, MapType::PerCpuArray, MapType::Hash, MapType::PerCpuHash]
        .map(|map_type| MapDef::new(map_type, 4, 12, 10));
    let others =
        [MapDef::new(MapType::ProgArray, 4, 4, 10), MapDef::new(MapType::RingBuf, 0, 0, 4096)];
    let cloud = [
        MapDef::new(MapType::LruHash, 4, 12, 10),
        MapDef::new(MapType::LpmTrie, 8, 12, 10).with_flags(BPF_F_NO_PREALLOC),
    ];
    let cloud = cloud.into_iter().filter(|_| cfg!(feature = "cloud-profile"));
    keyed.into_iter().chain(others).chain(cloud).collect()
}

/// Storage whose first byte is not aligned.
fn storage(bytes: usize) -> &'static mut [u8] {
    let storage = Box::leak(vec![0xff_u8; bytes + 16].into_boxed_slice());
    let skip = storage.as_ptr().align_offset(8) + 1;
    &mut storage[skip..skip + bytes]
}

#[test]
fn a_static_array() {
    static mut STORAGE: [u8; BYTES] = [0xff; BYTES];
    let storage = &raw mut STORAGE;
    #[allow(unsafe_code)]
    // SAFETY: no other code refers to the storage, and this runs once.
    let storage = unsafe { &mut *storage };
    let map = ArrayMap::<ActiveProfile>::with_storage(DEF, storage).unwrap();
    let key = 15_u32.to_ne_bytes();
    assert_eq!(map.lookup(&key).unwrap(), [0; 8]);
    map.update(&key, &[1; 8], 0).unwrap();
    assert_eq!(map.lookup(&key).unwrap(), [1; 8]);
}

#[test]
fn as_many_bytes_as_said_and_no_fewer() {
    for def in definitions() {
        for cpus in [1, 3] {
            let bytes = AnyMap::<ActiveProfile>::storage_bytes(&def, cpus).unwrap();
            let settings = Settings::new().cpus(cpus);
            let make = |bytes| {
                AnyMap::<ActiveProfile>::with_settings_and_storage(def, settings, storage(bytes))
            };
            let map = make(bytes).unwrap_or_else(|e| panic!("{def:?}: {e}"));
            exercise(&map);
            // What the alignment may take is not taken here.
            let error = make(bytes - 8).unwrap_err();
            assert_eq!(error.errno(), ENOMEM, "{def:?}");
            assert!(make(0).is_err());
        }
    }
}

/// Fills a map to the brim.
fn exercise(map: &dyn BpfMap) {
    if map.ring_buf().is_some() {
        return;
    }
    let value = vec![1; map.host_value_size()];
    for index in 0..10_u32 {
        let mut key = index.to_ne_bytes().to_vec();
        if map.def().map_type == MapType::LpmTrie {
            key = [32_u32, index.to_be()].map(u32::to_ne_bytes).concat();
        }
        for _ in 0..3 {
            map.update(&key, &value, 0).unwrap();
        }
        assert_eq!(map.lookup(&key).unwrap(), value.as_slice());
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes long")]
fn a_map_too_many_leaves_the_others_alone() {
    let def = MapDef::new(MapType::Hash, 4, 1 << 20, 4);
    let first = create::<ActiveProfile>(def.with_flags(0)).unwrap();
    first.update(b"aaaa", &vec![7; 1 << 20], 0).unwrap();
    let error = create::<ActiveProfile>(MapDef { max_entries: 1 << 31, ..def });
    #[cfg(target_pointer_width = "64")]
    if let Err(error) = &error {
        assert!(matches!(error, MapError::OutOfMemory(_)), "{error:?}");
    }
    assert!(error.is_err() || cfg!(feature = "cloud-profile"));
    assert_eq!(first.lookup(b"aaaa").unwrap(), vec![7; 1 << 20].as_slice());
    first.update(b"bbbb", &vec![8; 1 << 20], 0).unwrap();
}
