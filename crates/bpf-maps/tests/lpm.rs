//! Tries.
#![cfg(feature = "cloud-profile")]

use bpf_bytecode::abi::errno::{EEXIST, EINVAL, ENOENT, ENOSPC};
use bpf_bytecode::abi::map::flags::{BPF_ANY, BPF_EXIST, BPF_NOEXIST};
use bpf_maps::{BpfMap, LpmTrie, MapError};
use bpf_profile::ActiveProfile;

fn map(entries: u32) -> LpmTrie<ActiveProfile> {
    LpmTrie::with_entries(8, 4, entries).unwrap()
}

fn key(address: [u8; 4], len: u32) -> Vec<u8> {
    [len.to_ne_bytes(), address].concat()
}

fn set(map: &dyn BpfMap, address: [u8; 4], len: u32, value: u32) {
    map.update(&key(address, len), &value.to_ne_bytes(), BPF_ANY).unwrap();
}

fn get(map: &dyn BpfMap, address: [u8; 4]) -> Option<u32> {
    map.lookup(&key(address, 32)).ok()?.u32()
}

fn keys(map: &dyn BpfMap) -> Vec<(u32, [u8; 4])> {
    let mut keys = Vec::new();
    let (mut next, mut previous) = ([0; 8], None);
    while map.next_key(previous.as_ref().map(<[u8; 8]>::as_slice), &mut next).is_ok() {
        let (len, address) = next.split_at(4);
        keys.push((u32::from_ne_bytes(len.try_into().unwrap()), address.try_into().unwrap()));
        previous = Some(next);
        assert!(keys.len() <= map.len(), "keys come twice");
    }
    keys
}

#[test]
fn the_longest_prefix_wins() {
    let map = map(10);
    assert_eq!(get(&map, [0; 4]), None);
    set(&map, [10, 0, 0, 0], 8, 8);
    set(&map, [10, 1, 0, 0], 16, 16);
    set(&map, [10, 1, 2, 0], 24, 24);
    set(&map, [10, 1, 2, 3], 32, 32);
    set(&map, [192, 168, 0, 0], 16, 1);
    assert_eq!(get(&map, [10, 1, 2, 3]), Some(32));
    assert_eq!(get(&map, [10, 1, 2, 4]), Some(24));
    assert_eq!(get(&map, [10, 1, 3, 3]), Some(16));
    assert_eq!(get(&map, [10, 2, 2, 3]), Some(8));
    assert_eq!(get(&map, [192, 168, 5, 5]), Some(1));
    assert_eq!(get(&map, [192, 169, 5, 5]), None);
    assert_eq!(get(&map, [11, 1, 2, 3]), None);
    // A shorter key matches prefixes that are no longer than it.
    assert_eq!(map.lookup(&key([10, 1, 2, 3], 20)).unwrap().u32(), Some(16));
    assert_eq!(map.lookup(&key([10, 1, 2, 3], 7)), Err(MapError::NotFound));
    // No bits at all: everything begins with that.
    set(&map, [0; 4], 0, 100);
    assert_eq!(get(&map, [11, 1, 2, 3]), Some(100));
    assert_eq!(map.len(), 6);
}

#[test]
fn bits_after_the_prefix_do_not_matter() {
    let map = map(4);
    set(&map, [10, 99, 99, 99], 8, 1);
    set(&map, [10, 0, 0, 0], 8, 2);
    assert_eq!(map.len(), 1);
    assert_eq!(get(&map, [10, 5, 5, 5]), Some(2));
    map.delete(&key([10, 77, 0, 0], 8)).unwrap();
    assert_eq!(map.len(), 0);
}

/// As Linux: a prefix's bits behind its length are those of its last update,
/// also where the prefix was before the place at which two others part.
#[test]
fn next_keys_have_the_bits_of_the_last_update() {
    let map = map(3);
    set(&map, [10, 1, 0, 0], 16, 1);
    set(&map, [10, 0, 0, 0], 16, 2);
    set(&map, [10, 0, 77, 5], 15, 3);
    assert_eq!(keys(&map), [(16, [10, 0, 0, 0]), (16, [10, 1, 0, 0]), (15, [10, 0, 77, 5])]);
    set(&map, [10, 1, 9, 9], 15, 4);
    set(&map, [10, 1, 2, 3], 16, 5);
    assert_eq!(keys(&map), [(16, [10, 0, 0, 0]), (16, [10, 1, 2, 3]), (15, [10, 1, 9, 9])]);
    assert_eq!((map.len(), get(&map, [10, 1, 1, 1])), (3, Some(5)));
    // However often: nothing is used up.
    for i in 0..100 {
        set(&map, [10, 1, i, 0], 15, 6);
        set(&map, [10, 0, 0, i], 16, 7);
    }
    assert_eq!(keys(&map), [(16, [10, 0, 0, 99]), (16, [10, 1, 2, 3]), (15, [10, 1, 99, 0])]);
    map.delete(&key([10, 0, 0, 0], 15)).unwrap();
    map.delete(&key([10, 0, 0, 0], 16)).unwrap();
    assert_eq!(keys(&map), [(16, [10, 1, 2, 3])]);
}

#[test]
fn flags_and_errors() {
    let map = map(2);
    let update =
        |address, len, flags| map.update(&key(address, len), &[0; 4], flags).map_err(|e| e.errno());
    assert_eq!(update([1; 4], 8, BPF_EXIST), Err(ENOENT));
    assert_eq!(update([1; 4], 8, BPF_NOEXIST), Ok(()));
    assert_eq!(update([1; 4], 8, BPF_NOEXIST), Err(EEXIST));
    assert_eq!(update([1; 4], 8, BPF_EXIST), Ok(()));
    assert_eq!(update([1; 4], 8, 4), Err(EINVAL));
    assert_eq!(update([1; 4], 33, BPF_ANY), Err(EINVAL));
    assert_eq!(update([2; 4], 8, BPF_ANY), Ok(()));
    assert_eq!(update([3; 4], 8, BPF_ANY), Err(ENOSPC));
    assert_eq!(update([3; 4], 8, BPF_EXIST), Err(ENOENT));
    assert_eq!(update([1; 4], 8, BPF_ANY), Ok(()));
    assert_eq!(map.update(&[0; 7], &[0; 4], BPF_ANY), Err(MapError::InvalidKey));
    assert_eq!(map.update(&key([1; 4], 8), &[0; 5], BPF_ANY), Err(MapError::InvalidValue));

    assert_eq!(map.lookup(&key([1; 4], 33)), Err(MapError::NotFound));
    assert!(map.lookup_ptr(&key([1; 4], 33), 0).is_none());
    assert_eq!(map.delete(&key([1; 4], 33)).unwrap_err().errno(), EINVAL);
    assert_eq!(map.delete(&key([1; 4], 9)).unwrap_err().errno(), ENOENT);
    assert_eq!(map.delete(&key([1; 4], 7)).unwrap_err().errno(), ENOENT);
    map.delete(&key([1; 4], 8)).unwrap();
    assert_eq!(update([3; 4], 8, BPF_ANY), Ok(()));
}

#[test]
fn a_place_where_prefixes_part_is_no_entry() {
    let map = map(4);
    set(&map, [192, 168, 0, 0], 24, 1);
    set(&map, [192, 168, 1, 0], 24, 2);
    assert_eq!(map.delete(&key([192, 168, 0, 0], 23)), Err(MapError::NotFound));
    assert_eq!(map.update(&key([192, 168, 0, 0], 23), &[0; 4], BPF_EXIST), Err(MapError::NotFound));
    set(&map, [192, 168, 0, 0], 23, 3);
    assert_eq!(map.len(), 3);
    map.delete(&key([192, 168, 0, 0], 24)).unwrap();
    map.delete(&key([192, 168, 0, 0], 23)).unwrap();
    assert_eq!(keys(&map), [(24, [192, 168, 1, 0])]);
    map.delete(&key([192, 168, 1, 0], 24)).unwrap();
    assert_eq!((map.len(), keys(&map).len()), (0, 0));
}

#[test]
fn longer_prefixes_come_first() {
    let map = map(10);
    set(&map, [192, 168, 0, 0], 16, 0);
    set(&map, [192, 168, 0, 0], 24, 0);
    set(&map, [192, 168, 128, 0], 24, 0);
    set(&map, [192, 168, 1, 0], 24, 0);
    assert_eq!(
        keys(&map),
        [
            (24, [192, 168, 0, 0]),
            (24, [192, 168, 1, 0]),
            (24, [192, 168, 128, 0]),
            (16, [192, 168, 0, 0])
        ]
    );
    // Where there is no such key, the first one comes.
    for absent in [key([1; 4], 8), key([192, 168, 0, 0], 23), key([1; 4], 33)] {
        let mut next = [0; 8];
        map.next_key(Some(&absent), &mut next).unwrap();
        assert_eq!(next, key([192, 168, 0, 0], 24).as_slice());
    }
    assert_eq!(map.next_key(Some(&[0; 3]), &mut [0; 8]), Err(MapError::InvalidKey));
    assert_eq!(map.next_key(None, &mut [0; 9]), Err(MapError::InvalidKey));
}

#[test]
#[cfg_attr(miri, ignore = "takes long")]
fn storage_is_enough_for_the_worst_shape() {
    let map = map(256);
    // No prefix begins with another, so there are as many forks as can be.
    for round in 0..3 {
        for byte in 0..=255_u8 {
            set(&map, [byte, round, 7, 7], 32, u32::from(byte));
        }
        let full = map.update(&key([1, 99, 9, 9], 32), &[0; 4], BPF_ANY);
        assert_eq!(full, Err(MapError::NoSpace));
        assert_eq!(keys(&map).len(), 256);
        for byte in (0..=255_u8).rev() {
            map.delete(&key([byte, round, 7, 7], 32)).unwrap();
        }
    }
}

#[test]
fn a_new_value_takes_the_place_of_the_old_one() {
    let map = map(2);
    set(&map, [1; 4], 32, 1);
    let held = map.lookup(&key([1; 4], 32)).unwrap();
    set(&map, [1; 4], 32, 2);
    assert_eq!((held.u32(), get(&map, [1; 4])), (Some(1), Some(2)));
    let at = map.lookup_ptr(&key([1; 4], 32), 0).unwrap();
    assert_eq!(map.resolve_value(at.addr().get(), 4), Some(at));
    assert!(map.resolve_value(at.addr().get(), 5).is_none());
}

#[test]
#[cfg_attr(miri, ignore = "takes long")]
fn longest_keys() {
    let map = LpmTrie::<ActiveProfile>::with_entries(260, 1, 3000).unwrap();
    let key = |len: u32| [len.to_ne_bytes().as_slice(), &[0xaa; 256]].concat();
    // A chain of every length there is.
    for len in 0..=2048_u32 {
        map.update(&key(len), &[len.to_le_bytes()[0]], BPF_NOEXIST).unwrap();
    }
    for len in [0, 1, 1000, 2048] {
        assert_eq!(map.lookup(&key(len)).unwrap(), [len.to_le_bytes()[0]]);
    }
    assert_eq!(map.update(&key(2049), &[0], BPF_ANY), Err(MapError::InvalidKey));
    let mut out = vec![0; 260];
    map.next_key(None, &mut out).unwrap();
    assert_eq!(out, key(2048));
    map.next_key(Some(&key(1)), &mut out).unwrap();
    assert_eq!(out, key(0));
    assert_eq!(map.next_key(Some(&key(0)), &mut out), Err(MapError::NotFound));
}

#[test]
fn resize() {
    let map = map(1);
    for byte in 0..200_u8 {
        map.resize(u32::from(byte) + 1).unwrap();
        set(&map, [byte, 1, 2, 3], 32, u32::from(byte));
    }
    assert_eq!(map.resize(199), Err(MapError::Busy));
    assert_eq!(map.resize(0).unwrap_err().errno(), EINVAL);
    for byte in 0..200_u8 {
        assert_eq!(get(&map, [byte, 1, 2, 3]), Some(u32::from(byte)));
    }
}
