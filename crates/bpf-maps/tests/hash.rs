//! Hash maps and per-CPU hash maps.

use bpf_bytecode::abi::errno::{E2BIG, EEXIST, EINVAL, ENOENT};
use bpf_bytecode::abi::map::flags::{BPF_ANY, BPF_EXIST, BPF_NOEXIST};
use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_maps::{BPF_F_ZERO_SEED, BpfMap, HashMap, MapError, PerCpuHashMap, Settings};
use bpf_profile::ActiveProfile;

fn map(entries: u32) -> HashMap<ActiveProfile> {
    HashMap::with_entries(4, 8, entries).unwrap()
}

fn keys(map: &dyn BpfMap) -> Vec<Vec<u8>> {
    let mut out = vec![0; map.def().key_size as usize];
    let mut keys: Vec<Vec<u8>> = Vec::new();
    while map.next_key(keys.last().map(Vec::as_slice), &mut out).is_ok() {
        keys.push(out.clone());
        assert!(keys.len() <= map.len(), "keys come twice");
    }
    keys
}

#[test]
fn flags() {
    let map = map(4);
    assert_eq!(map.update(b"aaaa", &[1; 8], BPF_EXIST).unwrap_err().errno(), ENOENT);
    map.update(b"aaaa", &[1; 8], BPF_NOEXIST).unwrap();
    assert_eq!(map.update(b"aaaa", &[2; 8], BPF_NOEXIST).unwrap_err().errno(), EEXIST);
    assert_eq!(map.lookup(b"aaaa").unwrap(), [1; 8]);
    map.update(b"aaaa", &[3; 8], BPF_EXIST).unwrap();
    map.update(b"aaaa", &[4; 8], BPF_ANY).unwrap();
    assert_eq!(map.lookup(b"aaaa").unwrap(), [4; 8]);
    for flags in [3, 4, u64::MAX] {
        assert_eq!(map.update(b"aaaa", &[5; 8], flags).unwrap_err().errno(), EINVAL);
    }
    assert_eq!(map.update(b"aaa", &[5; 8], BPF_ANY), Err(MapError::InvalidKey));
    assert_eq!(map.update(b"aaaa", &[5; 7], BPF_ANY), Err(MapError::InvalidValue));
    assert_eq!(map.len(), 1);
    assert_eq!(map.lookup(b"aaaa").unwrap(), [4; 8]);
}

#[test]
fn full() {
    let map = map(3);
    for key in [b"aaaa", b"bbbb", b"cccc"] {
        map.update(key, &[0; 8], BPF_ANY).unwrap();
    }
    assert_eq!(map.update(b"dddd", &[0; 8], BPF_ANY).unwrap_err().errno(), E2BIG);
    assert_eq!(map.update(b"dddd", &[0; 8], BPF_EXIST).unwrap_err().errno(), ENOENT);
    // What exists can be replaced all the same, again and again.
    for round in 0..10 {
        map.update(b"aaaa", &[round; 8], BPF_ANY).unwrap();
    }
    assert_eq!((map.len(), keys(&map).len()), (3, 3));
    map.delete(b"bbbb").unwrap();
    map.update(b"dddd", &[0; 8], BPF_ANY).unwrap();
    assert_eq!(map.update(b"eeee", &[0; 8], BPF_ANY), Err(MapError::Full));
}

#[test]
fn deletion() {
    let map = map(4);
    assert_eq!(map.delete(b"aaaa").unwrap_err().errno(), ENOENT);
    map.update(b"aaaa", &[1; 8], BPF_ANY).unwrap();
    map.delete(b"aaaa").unwrap();
    assert_eq!(map.lookup(b"aaaa"), Err(MapError::NotFound));
    assert!(map.lookup_ptr(b"aaaa", 0).is_none());
    assert!(map.is_empty());
    assert_eq!(map.delete(b"aaa"), Err(MapError::InvalidKey));
}

#[test]
fn a_guard_outlives_its_entry() {
    let map = map(1);
    map.update(b"aaaa", &[1; 8], BPF_ANY).unwrap();
    let guard = map.lookup(b"aaaa").unwrap();
    map.delete(b"aaaa").unwrap();
    assert_eq!(guard, [1; 8]);
    map.update(b"bbbb", &[2; 8], BPF_ANY).unwrap();
    map.update(b"bbbb", &[2; 8], BPF_ANY).unwrap();
    assert_eq!(guard, [2; 8]);
}

#[test]
fn a_pointer_keeps_the_value_it_was_given() {
    let map = map(2);
    map.update(b"aaaa", &[1; 8], BPF_ANY).unwrap();
    let (old, guard) = (map.lookup_ptr(b"aaaa", 0).unwrap(), map.lookup(b"aaaa").unwrap());
    map.update_from(b"aaaa", [2; 8].as_slice().into(), BPF_ANY, 0).unwrap();
    assert_eq!(guard, [1; 8]);
    assert_ne!(map.lookup_ptr(b"aaaa", 0), Some(old));
    assert_eq!(map.resolve_value(old.addr().get(), 8), Some(old));
}

#[test]
fn iteration_goes_on_while_values_are_replaced() {
    let map = map(50);
    for key in 0..50_u32 {
        map.update(&key.to_ne_bytes(), &[0; 8], BPF_ANY).unwrap();
    }
    let mut seen = 0;
    let (mut key, mut next) = ([0; 4], [0; 4]);
    let mut previous = None;
    while map.next_key(previous, &mut next).is_ok() {
        map.update(&next, &[1; 8], BPF_EXIST).unwrap();
        seen += 1;
        key = next;
        previous = Some(&key);
        assert!(seen <= 50);
    }
    assert_eq!((seen, key), (50, next));
}

#[test]
fn next_key_of_a_key_that_is_gone() {
    let map = map(4);
    assert_eq!(map.next_key(None, &mut [0; 4]), Err(MapError::NotFound));
    map.update(b"aaaa", &[0; 8], BPF_ANY).unwrap();
    let mut out = [0; 4];
    map.next_key(Some(b"zzzz"), &mut out).unwrap();
    assert_eq!(&out, b"aaaa");
    assert_eq!(map.next_key(Some(b"aaaa"), &mut out), Err(MapError::NotFound));
    assert_eq!(map.next_key(None, &mut [0; 3]), Err(MapError::InvalidKey));
}

#[test]
fn any_size_of_key_and_value() {
    for key_size in [1_u32, 3, 4, 7, 8, 9, 16, 37, 512] {
        for value_size in [1_u32, 5, 8, 33, 1024] {
            let map = HashMap::<ActiveProfile>::with_entries(key_size, value_size, 3).unwrap();
            let key = vec![0xa5; key_size as usize];
            let value: Vec<u8> = (0..value_size).map(|i| u8::try_from(i % 251).unwrap()).collect();
            map.update(&key, &value, BPF_ANY).unwrap();
            let found = map.lookup(&key).unwrap();
            assert_eq!(found, value.as_slice());
            let mut copy = vec![0; value.len() + 1];
            assert_eq!(found.copy_to(&mut copy), value.len());
            assert_eq!(map.lookup_ptr(&key, 0).unwrap().addr().get() % 8, 0);
            let mut other = key.clone();
            *other.last_mut().unwrap() ^= 1;
            assert_eq!(map.lookup(&other), Err(MapError::NotFound));
        }
    }
}

#[test]
fn order_depends_on_the_seed_alone() {
    let order = |def: MapDef, settings| {
        let map = HashMap::<ActiveProfile>::with_settings(def, settings).unwrap();
        for key in 0..20_u32 {
            map.update(&key.to_le_bytes(), &[0; 8], BPF_ANY).unwrap();
        }
        keys(&map)
    };
    let def = MapDef::new(MapType::Hash, 4, 8, 32);
    assert_eq!(order(def, Settings::new()), order(def, Settings::new()));
    assert_ne!(order(def, Settings::new()), order(def, Settings::new().seed(1)));
    let zero = def.with_flags(BPF_F_ZERO_SEED);
    assert_eq!(order(zero, Settings::new().seed(1)), order(def, Settings::new().seed(0)));
}

#[test]
fn values_per_cpu() {
    let map = PerCpuHashMap::<ActiveProfile>::with_cpus(4, 4, 2, 2).unwrap();
    assert_eq!((map.cpus(), map.host_value_size()), (2, 16));
    map.update(b"aaaa", &[7; 16], BPF_NOEXIST).unwrap();
    assert_eq!(map.update(b"aaaa", &[7; 8], BPF_ANY), Err(MapError::InvalidValue));
    let before = map.lookup_ptr(b"aaaa", 1).unwrap();
    map.update_from(b"aaaa", [8; 4].as_slice().into(), BPF_EXIST, 1).unwrap();
    assert_eq!(map.lookup_ptr(b"aaaa", 1), Some(before));
    assert_eq!(map.lookup(b"aaaa").unwrap(), [7, 7, 7, 7, 7, 7, 7, 7, 8, 8, 8, 8, 7, 7, 7, 7]);
    map.delete(b"aaaa").unwrap();

    // The memory of the old entry shows in none of a new one's values.
    map.update(b"bbbb", &[9; 16], BPF_ANY).unwrap();
    map.update_from(b"cccc", [1; 4].as_slice().into(), BPF_ANY, 0).unwrap();
    assert_eq!(map.lookup(b"cccc").unwrap(), [1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(map.update(b"dddd", &[0; 16], BPF_ANY).unwrap_err().errno(), E2BIG);
    assert_eq!(map.update(b"dddd", &[0; 16], BPF_EXIST).unwrap_err().errno(), ENOENT);
    assert_eq!(map.update(b"bbbb", &[0; 16], BPF_NOEXIST).unwrap_err().errno(), EEXIST);
    assert_eq!(map.update(b"bbbb", &[0; 16], 4).unwrap_err().errno(), EINVAL);
    assert!(map.lookup_ptr(b"bbbb", 2).is_none());
    let value = [0; 4];
    assert!(map.update_from(b"bbbb", value.as_slice().into(), BPF_ANY, 2).is_err());
    assert_eq!(map.len(), 2);
    map.delete_on(b"bbbb", 0).unwrap();
    assert_eq!(keys(&map), [b"cccc".to_vec()]);
}

#[cfg(feature = "cloud-profile")]
mod resize {
    use super::*;

    #[test]
    fn entries_stay_where_they_are() {
        let map = map(2);
        let mut addresses = Vec::new();
        let mut count = 0_u32;
        for entries in [2, 3, 8, 9, 64, 65, 1000, 5000] {
            if cfg!(miri) && entries > 64 {
                break;
            }
            map.resize(entries).unwrap();
            assert_eq!((map.max_entries(), map.def().max_entries), (entries, 2));
            while count < entries {
                let key = count.to_ne_bytes();
                map.update(&key, &u64::from(count).to_ne_bytes(), BPF_NOEXIST).unwrap();
                addresses.push(map.lookup_ptr(&key, 0).unwrap());
                count += 1;
            }
            assert_eq!(map.update(&[0xff; 4], &[0; 8], BPF_ANY), Err(MapError::Full));
            for (key, at) in (0..count).zip(&addresses) {
                assert_eq!(map.lookup_ptr(&key.to_ne_bytes(), 0), Some(*at));
                assert_eq!(map.resolve_value(at.addr().get(), 8), Some(*at));
                assert_eq!(map.lookup(&key.to_ne_bytes()).unwrap().u64(), Some(key.into()));
            }
            assert_eq!(keys(&map).len(), count as usize);
        }
    }

    #[test]
    fn not_below_what_is_in_use() {
        let map = map(4);
        map.update(b"aaaa", &[0; 8], BPF_ANY).unwrap();
        map.update(b"bbbb", &[0; 8], BPF_ANY).unwrap();
        assert_eq!(map.resize(1), Err(MapError::Busy));
        assert_eq!(map.resize(0).unwrap_err().errno(), EINVAL);
        assert_eq!(map.resize(u32::MAX).unwrap_err().errno(), E2BIG);
        assert_eq!(map.max_entries(), 4);
        map.resize(2).unwrap();
        assert_eq!(map.update(b"cccc", &[0; 8], BPF_ANY), Err(MapError::Full));
    }

    #[test]
    fn per_cpu() {
        let map = PerCpuHashMap::<ActiveProfile>::with_cpus(4, 8, 1, 2).unwrap();
        for key in 0..100_u32 {
            map.resize(key + 1).unwrap();
            let value = [u64::from(key), u64::from(key) + 1].map(u64::to_ne_bytes).concat();
            map.update(&key.to_ne_bytes(), &value, BPF_ANY).unwrap();
        }
        for key in 0..100_u32 {
            let value = map.lookup(&key.to_ne_bytes()).unwrap();
            assert_eq!(value.cpu(1).unwrap().u64(), Some(u64::from(key) + 1));
        }
    }
}
