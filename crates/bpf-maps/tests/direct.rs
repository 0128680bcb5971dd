//! The short way to a map does what the functions do that it is a way to.
#![cfg(feature = "cloud-profile")]
#![allow(unsafe_code)]

use std::ptr::NonNull;

use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_maps::{AnyMap, BpfMap, Settings};
use bpf_profile::ActiveProfile;

const VALUE: usize = 12;

fn bytes_at(value: Option<NonNull<u8>>) -> Option<[u8; VALUE]> {
    // SAFETY: the address of a value, which nobody changes meanwhile.
    value.map(|value| unsafe { value.cast::<[u8; VALUE]>().read() })
}

/// Two maps are changed alike, one of them by its way.
fn as_the_functions(map_type: MapType, key_size: u32) {
    let def = MapDef::new(map_type, key_size, VALUE.try_into().unwrap(), 12);
    let make = || AnyMap::<ActiveProfile>::with_settings(def, Settings::new().cpus(2)).unwrap();
    let (map, other) = (make(), make());
    let direct = map.direct().expect("a way");
    let mut state = u64::from(key_size) + 1;
    let mut below = |bound: u64| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (state >> 33) % bound
    };
    let (mut found, mut failed) = (0, 0);
    for round in 0..3000_u32 {
        // Of keys some are alike but for their last byte; their place is odd at times.
        let (number, last, odd) = (below(15).to_ne_bytes(), below(2), usize::from(below(2) == 1));
        let mut buffer = [0_u8; 48];
        let size = usize::try_from(key_size).unwrap();
        let key = &mut buffer[odd..odd + size];
        key[..4].copy_from_slice(&number[..4]);
        if size > 4 {
            key[size - 1] = last.to_ne_bytes()[0];
        }
        let (cpu, at) = (u32::try_from(below(2)).unwrap(), NonNull::from(&mut *key).cast());
        match below(8) {
            0..=2 => {
                let flags = [0, 1, 2, 4, 8][usize::try_from(below(5)).unwrap()];
                let mut value = [0; VALUE];
                value[..4].copy_from_slice(&round.to_ne_bytes());
                let expected = other.update_from(key, value.as_slice().into(), flags, cpu);
                let expected = expected.map_or_else(|error| -error.errno(), |()| 0);
                // SAFETY: both are of the map's sizes, and nobody else's.
                let result =
                    unsafe { direct.set(at, NonNull::from(&mut value).cast(), flags, cpu) };
                assert_eq!(result, expected, "{map_type:?} {key_size} {key:?} {flags}");
                failed += u32::from(result != 0);
            }
            3 => assert_eq!(map.delete_on(key, cpu), other.delete_on(key, cpu)),
            _ => {
                // SAFETY: as above.
                let value = unsafe { direct.find(at, cpu) };
                assert_eq!(value, map.lookup_ptr(key, cpu));
                let value = bytes_at(value);
                assert_eq!(value, bytes_at(other.lookup_ptr(key, cpu)));
                found += u32::from(value.is_some());
            }
        }
    }
    assert!(found > 100 && failed > 100, "{found} {failed}");
}

#[test]
fn ways_are_as_the_functions() {
    for key_size in [4, 8, 16] {
        for map_type in [MapType::Hash, MapType::LruHash, MapType::PerCpuHash] {
            as_the_functions(map_type, key_size);
        }
    }
    for map_type in [MapType::Array, MapType::PerCpuArray] {
        as_the_functions(map_type, 4);
    }
}

/// Prefixes of a few addresses, and of others that are theirs but for a bit, come and go.
fn finds_prefixes_that_come_and_go(key_size: usize, rounds: u32) {
    let def = MapDef::new(MapType::LpmTrie, key_size.try_into().unwrap(), 8, 24);
    let map = AnyMap::<ActiveProfile>::new(def.with_flags(1)).unwrap();
    let direct = map.direct().expect("a way");
    let mut state = 7_u64;
    let mut below = |bound: usize| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % bound
    };
    let bits = (key_size - 4) * 8;
    let (mut known, mut found, mut longest) = (Vec::<Vec<u8>>::new(), 0, 0);
    for round in 0..rounds {
        let mut key = vec![[0, 0xff, 0x5a][below(3)]; key_size];
        if below(2) == 0 {
            let bit = below(bits);
            key[4 + bit / 8] ^= 0x80 >> (bit % 8);
        }
        let len = [bits, bits, below(bits + 1), below(bits + 1), below(8), bits + 1][below(6)];
        key[..4].copy_from_slice(&u32::try_from(len).unwrap().to_ne_bytes());
        let value = u64::from(round).to_ne_bytes();
        match below(4) {
            0 if map.update_from(&key, value[..].into(), 0, 0).is_ok() => {
                known.retain(|other| bits_of(other) != bits_of(&key) || !begins(&key, other));
                known.push(key);
            }
            1 if !known.is_empty() => {
                assert!(map.delete_on(&known.swap_remove(below(known.len())), 0).is_ok());
            }
            _ => {
                let mut odd = vec![0; key_size + 3];
                let at = below(4);
                let place = &mut odd[at..at + key_size];
                place.copy_from_slice(&key);
                // SAFETY: it has the size of the map's keys, and is nobody else's.
                let value = unsafe { direct.find(NonNull::from(place).cast(), 0) };
                assert_eq!(value, map.lookup_ptr(&key, 0), "{key:?}");
                let mut best: Vec<_> = known.iter().filter(|other| begins(&key, other)).collect();
                best.sort_by_key(|other| bits_of(other));
                assert_eq!(value.is_some(), !best.is_empty(), "{key:?} of {known:?}");
                found += u32::from(value.is_some());
                longest += u32::from(best.len() > 1);
            }
        }
    }
    assert!(found > rounds / 8 && longest > rounds / 40, "{found} {longest}");
}

fn bits_of(key: &[u8]) -> u32 {
    u32::from_ne_bytes(*key.first_chunk().unwrap())
}

/// Whether an address that is long enough begins with a prefix.
fn begins(key: &[u8], prefix: &[u8]) -> bool {
    let len = bits_of(prefix);
    let bit = |of: &[u8], at: u32| {
        let at = usize::try_from(at).unwrap();
        of[4 + at / 8] << (at % 8) & 0x80
    };
    let whole = usize::try_from(bits_of(key)).unwrap() <= (key.len() - 4) * 8;
    whole && len <= bits_of(key) && (0..len).all(|at| bit(key, at) == bit(prefix, at))
}

/// Prefixes of addresses that begin alike, by the way and by the function.
fn finds_longest_prefixes(key_size: usize) {
    let def = MapDef::new(MapType::LpmTrie, key_size.try_into().unwrap(), 12, 64);
    let map = AnyMap::<ActiveProfile>::new(def.with_flags(1)).unwrap();
    let direct = map.direct().expect("a way");
    let mut state = 5_u64;
    let mut below = |bound: u64| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (state >> 33) % bound
    };
    let mut found = 0;
    for round in 0..6000_u32 {
        let mut key = vec![0; key_size];
        let bits = u64::try_from(key_size - 4).unwrap() * 8;
        key[..4].copy_from_slice(&u32::try_from(below(bits + 2)).unwrap().to_ne_bytes());
        for byte in &mut key[4..] {
            *byte = [0, 0, 0, 0x80, 0x81, 1][usize::try_from(below(6)).unwrap()];
        }
        match below(6) {
            0 => drop(map.delete_on(&key, 0)),
            1 | 2 => drop(map.update_from(
                &key,
                [round; 3].map(u32::to_ne_bytes).as_flattened().into(),
                0,
                0,
            )),
            _ => {
                key[..4].copy_from_slice(&u32::try_from(bits).unwrap().to_ne_bytes());
                if below(4) == 0 {
                    key[..4]
                        .copy_from_slice(&u32::try_from(below(bits + 3)).unwrap().to_ne_bytes());
                }
                // SAFETY: it has the size of the map's keys, and is nobody else's.
                let value = unsafe { direct.find(NonNull::from(&mut key[..]).cast(), 0) };
                assert_eq!(value, map.lookup_ptr(&key, 0), "{key:?}");
                found += u32::from(value.is_some());
            }
        }
    }
    assert!((500..2900).contains(&found), "{found}");
}

#[test]
fn longest_prefixes_are_found_as_by_the_function() {
    finds_longest_prefixes(8);
    finds_longest_prefixes(20);
    finds_prefixes_that_come_and_go(8, 20_000);
    finds_prefixes_that_come_and_go(20, 20_000);
}

#[test]
fn other_sizes_have_no_way() {
    for key_size in [1, 5, 12, 15, 17, 64] {
        for map_type in [MapType::Hash, MapType::LruHash, MapType::PerCpuHash] {
            let map = AnyMap::<ActiveProfile>::new(MapDef::new(map_type, key_size, 8, 4)).unwrap();
            assert!(map.direct().is_none());
        }
    }
}
