//! LRU hash maps.
#![cfg(feature = "cloud-profile")]

use bpf_bytecode::abi::errno::{EEXIST, EINVAL, ENOENT};
use bpf_bytecode::abi::map::flags::{BPF_ANY, BPF_EXIST, BPF_NOEXIST};
use bpf_maps::{BpfMap, LruHashMap, MapError};
use bpf_profile::ActiveProfile;

fn map(entries: u32) -> LruHashMap<ActiveProfile> {
    LruHashMap::with_entries(4, 4, entries).unwrap()
}

fn has(map: &dyn BpfMap, key: u32) -> bool {
    map.lookup(&key.to_ne_bytes()).is_ok()
}

fn set(map: &dyn BpfMap, key: u32) {
    map.update(&key.to_ne_bytes(), &key.to_ne_bytes(), BPF_ANY).unwrap();
}

#[test]
#[cfg_attr(miri, ignore = "takes long")]
fn never_full() {
    let map = map(8);
    for key in 0..1000 {
        set(&map, key);
        assert!(has(&map, key));
        assert_eq!(map.len(), (key as usize + 1).min(8));
    }
}

#[test]
fn what_is_used_stays() {
    let map = map(8);
    for key in 0..200 {
        set(&map, key);
        assert!(map.lookup_ptr(&0_u32.to_ne_bytes(), 0).is_some(), "after {key}");
    }
}

#[test]
fn what_the_host_reads_does_not() {
    let map = map(4);
    for key in 0..4 {
        set(&map, key);
    }
    assert!(has(&map, 0));
    set(&map, 4);
    assert!(!has(&map, 0));
}

#[test]
fn all_used_and_one_must_go() {
    let map = map(4);
    for round in 0..100 {
        for key in 0..4 {
            set(&map, round * 10 + key);
            assert!(map.lookup_ptr(&(round * 10 + key).to_ne_bytes(), 0).is_some());
        }
        set(&map, round * 10 + 9);
        assert!(has(&map, round * 10 + 9));
        assert_eq!(map.len(), 4);
    }
}

#[test]
fn flags() {
    let map = map(2);
    let key = 1_u32.to_ne_bytes();
    let update = |flags| map.update(&key, &[0; 4], flags).map_err(|e| e.errno());
    assert_eq!(update(BPF_EXIST), Err(ENOENT));
    assert_eq!(update(BPF_NOEXIST), Ok(()));
    assert_eq!(update(BPF_NOEXIST), Err(EEXIST));
    assert_eq!(update(BPF_EXIST), Ok(()));
    assert_eq!(update(4), Err(EINVAL));
    map.delete(&key).unwrap();
    assert_eq!(map.delete_on(&key, 0), Err(MapError::NotFound));
    // A failed update evicts nothing.
    set(&map, 5);
    set(&map, 6);
    assert_eq!(update(BPF_EXIST), Err(ENOENT));
    assert!(has(&map, 5) && has(&map, 6));
}

#[test]
fn resize() {
    let map = map(2);
    for key in 0..10 {
        map.resize(key + 1).ok();
        set(&map, key);
    }
    assert_eq!((map.len(), map.max_entries()), (10, 10));
    assert_eq!(map.resize(9), Err(MapError::Busy));
    map.delete(&0_u32.to_ne_bytes()).unwrap();
    map.resize(9).unwrap();
    for key in 10..30 {
        set(&map, key);
        assert_eq!(map.len(), 9);
    }
}
