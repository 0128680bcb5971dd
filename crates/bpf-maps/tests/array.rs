//! Arrays, per-CPU arrays and program arrays.

use bpf_bytecode::abi::errno::{E2BIG, EEXIST, EINVAL, ENOENT, EPERM};
use bpf_bytecode::abi::frozen::FrozenBytes;
use bpf_bytecode::abi::map::flags::{
    BPF_ANY, BPF_EXIST, BPF_F_LOCK, BPF_F_RDONLY_PROG, BPF_F_WRONLY_PROG, BPF_NOEXIST,
};
use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_maps::{AnyMap, ArrayMap, BpfMap, MapError, PerCpuArrayMap, ProgArray};
use bpf_profile::ActiveProfile;

fn array(value_size: u32, entries: u32) -> ArrayMap<ActiveProfile> {
    ArrayMap::with_entries(value_size, entries).unwrap()
}

fn key(index: u32) -> [u8; 4] {
    index.to_ne_bytes()
}

#[test]
fn every_value_exists_from_the_beginning() {
    let map = array(3, 4);
    assert_eq!(map.len(), 4);
    for index in 0..4 {
        assert_eq!(map.lookup(&key(index)).unwrap(), [0; 3]);
    }
    assert_eq!(map.lookup(&key(4)), Err(MapError::NotFound));
    assert!(map.lookup_ptr(&key(4), 0).is_none());
    assert!(map.lookup_ptr(&[0; 3], 0).is_none());
}

#[test]
fn updates() {
    let map = array(4, 4);
    map.update(&key(1), &[1, 2, 3, 4], BPF_ANY).unwrap();
    map.update(&key(2), &[5, 6, 7, 8], BPF_EXIST).unwrap();
    assert_eq!(map.lookup(&key(1)).unwrap(), [1, 2, 3, 4]);
    assert_eq!(map.lookup(&key(2)).unwrap(), [5, 6, 7, 8]);
    assert_eq!(map.lookup(&key(0)).unwrap(), [0; 4]);

    let error = |key: &[u8], value: &[u8], flags| map.update(key, value, flags).unwrap_err();
    assert_eq!(error(&key(1), &[0; 4], BPF_NOEXIST).errno(), EEXIST);
    assert_eq!(error(&key(4), &[0; 4], BPF_ANY).errno(), E2BIG);
    assert_eq!(error(&key(4), &[0; 4], BPF_NOEXIST).errno(), E2BIG);
    for flags in [3, 4, 8, u64::MAX] {
        assert_eq!(error(&key(1), &[0; 4], flags).errno(), EINVAL);
    }
    assert_eq!(error(&key(1), &[0; 5], BPF_ANY), MapError::InvalidValue);
    assert_eq!(error(&[0; 3], &[0; 4], BPF_ANY), MapError::InvalidKey);
    assert_eq!(map.lookup(&key(1)).unwrap(), [1, 2, 3, 4]);
}

/// Measured by running a program with these updates on Linux 6.18.
#[test]
fn where_no_value_has_a_lock_a_program_hears_of_that_last() {
    let per_cpu = PerCpuArrayMap::<ActiveProfile>::with_entries(4, 4).unwrap();
    let maps: [&dyn BpfMap; 2] = [&array(4, 4), &per_cpu];
    for map in maps {
        let error = |index, flags| {
            map.update_from(&key(index), [0; 4].as_slice().into(), flags, 0).unwrap_err().errno()
        };
        for flags in [BPF_F_LOCK, BPF_F_LOCK | BPF_NOEXIST, BPF_NOEXIST, BPF_EXIST] {
            assert_eq!(error(9, flags), E2BIG, "{flags}");
        }
        assert_eq!(error(0, BPF_F_LOCK | BPF_NOEXIST), EEXIST);
        for flags in [BPF_F_LOCK, BPF_F_LOCK | BPF_EXIST, 3, 7, 8] {
            assert_eq!(error(0, flags), EINVAL, "{flags}");
        }
        // The host hears of it first.
        let value = [0; 8];
        let value = value.get(..map.host_value_size()).unwrap();
        assert_eq!(map.update(&key(9), value, BPF_F_LOCK).unwrap_err().errno(), EINVAL);
    }
}

#[test]
fn nothing_can_be_deleted() {
    let map = array(4, 4);
    assert_eq!(map.delete(&key(0)).unwrap_err().errno(), EINVAL);
    assert_eq!(map.delete_on(&key(9), 0).unwrap_err().errno(), EINVAL);
}

#[test]
fn keys_follow_each_other() {
    let map = array(4, 3);
    let next = |previous: Option<u32>| {
        let mut out = [0; 4];
        map.next_key(previous.map(key).as_ref().map(<[u8; 4]>::as_slice), &mut out)
            .map(|()| u32::from_ne_bytes(out))
            .map_err(|e| e.errno())
    };
    assert_eq!(next(None), Ok(0));
    assert_eq!(next(Some(0)), Ok(1));
    assert_eq!(next(Some(1)), Ok(2));
    assert_eq!(next(Some(2)), Err(ENOENT));
    assert_eq!(next(Some(3)), Ok(0));
    assert_eq!(next(Some(u32::MAX)), Ok(0));
    assert_eq!(map.next_key(None, &mut [0; 5]), Err(MapError::InvalidKey));
}

#[test]
fn the_specification_s_example() {
    let map = ArrayMap::<ActiveProfile>::with_entries(4, 100).expect("create map");
    let key = 5u32.to_ne_bytes();
    let value = 42u32.to_ne_bytes();
    map.update(&key, &value, 0).expect("update");
    let result = map.lookup(&key).expect("lookup");
    assert_eq!(result, value);
}

#[test]
fn pointers_into_values() {
    let map = array(5, 10);
    let region = map.value_region(0).unwrap();
    assert!(map.value_region(1).is_none());
    assert_eq!((region.stride(), region.count(), region.value_size()), (8, 10, 5));
    for index in 0..10 {
        let at = map.lookup_ptr(&key(index), 0).unwrap();
        let address = at.addr().get();
        assert_eq!(address, region.base().addr().get() + 8 * index as usize);
        assert_eq!(map.resolve_value(address, 5), Some(at));
        assert!(map.resolve_value(address + 1, 4).is_some());
        assert!(map.resolve_value(address + 5, 0).is_some());
        // Past the value, though not past the record.
        assert!(map.resolve_value(address + 1, 5).is_none());
        assert!(map.resolve_value(address + 5, 1).is_none());
        assert!(map.resolve_value(address, usize::MAX).is_none());
    }
    let base = region.base().addr().get();
    assert!(map.resolve_value(base - 1, 1).is_none());
    assert!(map.resolve_value(base + 80, 1).is_none());
    assert!(map.resolve_value(usize::MAX, 1).is_none());
    assert!(map.resolve_value(0, 8).is_none());
}

#[test]
fn values_per_cpu() {
    let map = PerCpuArrayMap::<ActiveProfile>::with_cpus(4, 9, 3).unwrap();
    assert_eq!((map.cpus(), map.host_value_size()), (3, 24));
    for cpu in 0..3 {
        let value = [u8::try_from(cpu).unwrap() + 1; 4];
        map.update_from(&key(8), value.as_slice().into(), BPF_ANY, cpu).unwrap();
    }
    let value = map.lookup(&key(8)).unwrap();
    assert_eq!((value.len(), value.cpus()), (24, 3));
    assert_eq!(value, [1, 1, 1, 1, 0, 0, 0, 0, 2, 2, 2, 2, 0, 0, 0, 0, 3, 3, 3, 3, 0, 0, 0, 0]);
    let mut middle = [0; 10];
    value.read(6, &mut middle).unwrap();
    assert_eq!(middle, [0, 0, 2, 2, 2, 2, 0, 0, 0, 0]);
    assert!(value.read(15, &mut middle).is_none());
    assert!(value.cpu(3).is_none());
    assert_eq!(map.lookup(&key(7)).unwrap(), [0; 24]);

    // The host sets all of them, with what rounds them up.
    map.update(&key(8), &[9; 24], BPF_EXIST).unwrap();
    assert_eq!(map.lookup(&key(8)).unwrap(), [9; 24]);
    assert_eq!(map.update(&key(8), &[9; 12], BPF_ANY), Err(MapError::InvalidValue));
    assert_eq!(map.update(&key(8), &[9; 24], BPF_NOEXIST).unwrap_err().errno(), EEXIST);
    assert_eq!(map.update(&key(9), &[9; 24], BPF_ANY).unwrap_err().errno(), E2BIG);
    assert_eq!(map.delete(&key(8)).unwrap_err().errno(), EINVAL);

    // Another CPU than there are.
    assert!(map.lookup_ptr(&key(8), 3).is_none());
    let value = [0; 4];
    assert!(map.update_from(&key(8), value.as_slice().into(), BPF_ANY, 3).is_err());
}

#[test]
fn every_cpu_s_value_can_be_pointed_into() {
    let map = PerCpuArrayMap::<ActiveProfile>::with_cpus(12, 5, 4).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for (index, cpu) in (0..5).flat_map(|index| (0..4).map(move |cpu| (index, cpu))) {
        let at = map.lookup_ptr(&key(index), cpu).unwrap();
        assert_eq!(map.resolve_value(at.addr().get(), 12), Some(at));
        assert!(map.resolve_value(at.addr().get(), 13).is_none());
        assert!(seen.insert(at.addr().get()));
    }
}

#[test]
fn programs() {
    let map = ProgArray::<ActiveProfile>::with_entries(4).unwrap();
    assert!(map.is_empty());
    map.update(&key(1), &key(0), BPF_ANY).unwrap();
    map.update(&key(2), &key(u32::MAX), BPF_ANY).unwrap();
    assert_eq!(map.len(), 2);
    assert_eq!(
        [0, 1, 2, 3, 4].map(|i| map.program(i)),
        [None, Some(0), Some(u32::MAX), None, None]
    );
    assert_eq!(map.lookup(&key(1)).unwrap().u32(), Some(0));
    assert_eq!(map.lookup(&key(0)), Err(MapError::NotFound));
    map.update(&key(1), &key(7), BPF_ANY).unwrap();
    assert_eq!(map.program(1), Some(7));

    map.delete(&key(1)).unwrap();
    assert_eq!(map.program(1), None);
    assert_eq!(map.delete(&key(1)).unwrap_err().errno(), ENOENT);
    assert_eq!(map.delete(&key(4)).unwrap_err().errno(), E2BIG);
    assert_eq!(map.update(&key(4), &key(7), BPF_ANY).unwrap_err().errno(), E2BIG);
    assert_eq!(map.update(&key(1), &key(7), BPF_EXIST).unwrap_err().errno(), EINVAL);
    assert_eq!(map.update(&key(1), &[0; 5], BPF_ANY), Err(MapError::InvalidValue));

    // Programs have no access.
    assert!(map.lookup_ptr(&key(2), 0).is_none());
    assert!(map.value_region(0).is_none());
    assert_eq!(map.delete_on(&key(2), 0), Err(MapError::NotSupported));
    let number = key(3);
    let update = map.update_from(&key(2), number.as_slice().into(), BPF_ANY, 0);
    assert_eq!(update, Err(MapError::NotSupported));
}

#[cfg(feature = "cloud-profile")]
mod resize {
    use super::*;

    #[test]
    fn values_stay_where_they_are() {
        let map = array(8, 4);
        map.update(&key(3), &[7; 8], BPF_ANY).unwrap();
        let before = map.lookup_ptr(&key(3), 0).unwrap();
        for entries in [5, 8, 9, 100, 1000] {
            map.resize(entries).unwrap();
            assert_eq!((map.max_entries(), map.def().max_entries), (entries, 4));
            assert_eq!(map.lookup_ptr(&key(3), 0), Some(before));
            let last = key(entries - 1);
            assert_eq!(map.lookup(&last).unwrap(), [0; 8]);
            map.update(&last, &[1; 8], BPF_ANY).unwrap();
            assert!(map.lookup_ptr(&key(entries), 0).is_none());
            let at = map.lookup_ptr(&last, 0).unwrap();
            assert_eq!(map.resolve_value(at.addr().get(), 8), Some(at));
        }
        assert_eq!(map.lookup(&key(3)).unwrap(), [7; 8]);
    }

    #[test]
    fn what_was_cut_off_is_zero_when_it_comes_back() {
        let map = array(8, 8);
        let held = map.lookup(&key(6)).unwrap();
        map.update(&key(6), &[1; 8], BPF_ANY).unwrap();
        map.resize(4).unwrap();
        assert_eq!(map.lookup(&key(6)), Err(MapError::NotFound));
        assert_eq!(map.update(&key(6), &[1; 8], BPF_ANY), Err(MapError::IndexOutOfRange));
        assert_eq!(held, [1; 8]);
        map.resize(8).unwrap();
        assert_eq!(map.lookup(&key(6)).unwrap(), [0; 8]);
        assert_eq!(map.resize(0).unwrap_err().errno(), EINVAL);
    }

    #[test]
    fn per_cpu() {
        let map = PerCpuArrayMap::<ActiveProfile>::with_cpus(8, 2, 2).unwrap();
        map.update(&key(1), &[1; 16], BPF_ANY).unwrap();
        map.resize(20).unwrap();
        assert_eq!(map.lookup(&key(1)).unwrap(), [1; 16]);
        map.update_from(&key(19), [2; 8].as_slice().into(), BPF_ANY, 1).unwrap();
        let value = map.lookup(&key(19)).unwrap();
        assert_eq!(value.cpu(0).unwrap(), [0; 8]);
        assert_eq!(value.cpu(1).unwrap(), [2; 8]);
    }

    #[test]
    fn programs_are_not_cut_off() {
        let map = ProgArray::<ActiveProfile>::with_entries(4).unwrap();
        map.update(&key(2), &key(9), BPF_ANY).unwrap();
        assert_eq!(map.resize(2), Err(MapError::Busy));
        assert_eq!(map.max_entries(), 4);
        map.resize(3).unwrap();
        map.resize(40).unwrap();
        assert_eq!((map.program(2), map.program(39)), (Some(9), None));
    }
}

#[test]
fn a_frozen_array_never_changes() {
    let def = |entries, flags| MapDef::new(MapType::Array, 4, 4, entries).with_flags(flags);
    let new = |def| AnyMap::<ActiveProfile>::new(def).unwrap();
    let bytes = FrozenBytes::from_static(&[1, 2]);
    let open = new(def(1, BPF_F_RDONLY_PROG));
    open.update(&key(0), &[9; 4], BPF_ANY).unwrap();
    assert!(open.frozen().is_none());
    let map = open.freeze(bytes.clone()).unwrap();
    // Zeros follow what was given.
    assert_eq!(map.lookup(&key(0)).unwrap(), [1, 2, 0, 0]);
    assert_eq!(map.frozen(), Some(&bytes));
    let refused = map.update(&key(0), &[1, 2, 0, 0], BPF_ANY).unwrap_err();
    assert_eq!((refused, refused.errno()), (MapError::NotPermitted, EPERM));
    assert_eq!(
        map.update_from(&key(0), (&[0; 4][..]).into(), BPF_ANY, 0),
        Err(MapError::NotPermitted)
    );
    #[cfg(feature = "cloud-profile")]
    assert_eq!(map.resize(0), Err(MapError::NotPermitted));
    assert_eq!(map.lookup(&key(0)).unwrap(), [1, 2, 0, 0]);

    // Not where programs may write, or not read, or where there are more values.
    for def in [
        def(1, 0),
        def(2, BPF_F_RDONLY_PROG),
        def(1, BPF_F_WRONLY_PROG),
        MapDef::new(MapType::Hash, 4, 4, 1).with_flags(BPF_F_RDONLY_PROG),
    ] {
        let error = new(def).freeze(bytes.clone()).err();
        assert!(matches!(error, Some(MapError::InvalidDefinition(_))), "{def:?}: {error:?}");
    }
    let long = FrozenBytes::from_static(&[0; 5]);
    let error = new(def(1, BPF_F_RDONLY_PROG)).freeze(long).err();
    assert_eq!(error, Some(MapError::InvalidValue));
}

#[test]
fn the_first_value_is_filled_from_its_beginning() {
    let def = MapDef::new(MapType::Array, 4, 4, 2);
    let new = |def| AnyMap::<ActiveProfile>::new(def).unwrap();
    let old = new(def);
    for index in 0..2 {
        old.update(&key(index), &[9; 4], BPF_ANY).unwrap();
    }
    let map = old.filled(&[1, 2]).unwrap();
    assert_eq!(map.lookup(&key(0)).unwrap(), [1, 2, 0, 0]);
    assert_eq!(map.lookup(&key(1)).unwrap(), [9; 4]);
    // It may be changed as any other.
    map.update(&key(0), &[3; 4], BPF_ANY).unwrap();
    assert_eq!(new(def).filled(&[0; 5]).err(), Some(MapError::InvalidValue));
    let hash = new(MapDef::new(MapType::Hash, 4, 4, 1)).filled(&[1]).err();
    assert!(matches!(hash, Some(MapError::InvalidDefinition(_))), "{hash:?}");
}
