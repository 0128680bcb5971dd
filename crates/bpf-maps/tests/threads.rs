//! Several CPUs at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_maps::memory::{Rmw, load_u64, rmw_u64};
use bpf_maps::{BpfMap, MapError, RingBuf, RingBuffer, create};
use bpf_profile::ActiveProfile;

const ROUNDS: u32 = if cfg!(miri) { 40 } else { 20_000 };

/// Repeats a change for as long as another thread holds the lock: on a busy host
/// that may be off its CPU.
fn patiently(mut change: impl FnMut() -> Result<(), MapError>) -> Result<(), MapError> {
    loop {
        match change() {
            Err(MapError::Busy) => thread::yield_now(),
            done => return done,
        }
    }
}

/// A value of two halves that belong together.
fn pair(number: u32) -> [u8; 16] {
    let half = u64::from(number).to_ne_bytes();
    [half, half].concat().try_into().unwrap()
}

#[test]
fn lookups_see_whole_values_of_their_own_key() {
    let mut types = vec![MapType::Hash];
    if cfg!(feature = "cloud-profile") {
        types.push(MapType::LruHash);
    }
    for map_type in types {
        let map = create::<ActiveProfile>(MapDef::new(map_type, 4, 16, 64)).unwrap();
        let done = AtomicBool::new(false);
        // These stay throughout, in chains where others come and go.
        for key in 0..8_u32 {
            map.update(&key.to_ne_bytes(), &pair(key), 0).unwrap();
        }
        thread::scope(|scope| {
            let (map, done) = (&map, &done);
            let writers: Vec<_> = (0..2_u32)
                .map(|cpu| {
                    scope.spawn(move || {
                        for round in 0..ROUNDS {
                            let key = 8 + cpu * 24 + round % 24;
                            let bytes = pair(key);
                            patiently(|| {
                                map.update_from(&key.to_ne_bytes(), bytes.as_slice().into(), 0, cpu)
                            })
                            .unwrap();
                            if round % 3 == 0 {
                                patiently(|| map.delete_on(&key.to_ne_bytes(), cpu)).unwrap();
                            }
                        }
                    })
                })
                .collect();
            let reader = scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    for key in 0..8_u32 {
                        assert!(
                            map.lookup_ptr(&key.to_ne_bytes(), 2).is_some(),
                            "{key} was missed"
                        );
                        assert_eq!(map.lookup(&key.to_ne_bytes()).unwrap(), pair(key));
                    }
                }
            });
            for writer in writers {
                writer.join().unwrap();
            }
            done.store(true, Ordering::Relaxed);
            reader.join().unwrap();
        });
        assert!(map.len() >= 8 && map.len() <= 64);
    }
}

#[cfg(feature = "cloud-profile")]
#[test]
fn lookups_go_on_through_a_resize() {
    const STEPS: u32 = if cfg!(miri) { 4 } else { 12 };
    let map = create::<ActiveProfile>(MapDef::new(MapType::Hash, 4, 16, 16)).unwrap();
    for key in 0..16_u32 {
        map.update(&key.to_ne_bytes(), &pair(key), 0).unwrap();
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let (map, done) = (&map, &done);
        let reader = scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                for key in 0..16_u32 {
                    assert_eq!(map.lookup(&key.to_ne_bytes()).unwrap(), pair(key));
                }
            }
        });
        for step in 1..STEPS {
            patiently(|| map.resize(16 << step)).unwrap();
            for key in (8 << step)..(16 << step) {
                patiently(|| map.update(&u32::to_ne_bytes(key), &pair(key), 0)).unwrap();
            }
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
    assert_eq!(map.len(), 16 << (STEPS - 1));
}

#[cfg(feature = "cloud-profile")]
#[test]
fn tries_are_found_in_while_they_change() {
    use bpf_maps::LpmTrie;
    let map = LpmTrie::<ActiveProfile>::with_entries(8, 16, 64).unwrap();
    let key = |len: u32, address: [u8; 4]| [len.to_ne_bytes(), address].concat();
    map.update(&key(8, [10, 0, 0, 0]), &pair(8), 0).unwrap();
    map.update(&key(32, [10, 1, 2, 3]), &pair(32), 0).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let (map, done) = (&map, &done);
        let reader = scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                assert_eq!(map.lookup(&key(32, [10, 1, 2, 3])).unwrap(), pair(32));
                assert_eq!(map.lookup(&key(32, [10, 200, 0, 0])).unwrap(), pair(8));
            }
        });
        for round in 0..ROUNDS {
            let len = 9 + round % 23;
            patiently(|| map.update(&key(len, [10, 1, 2, 3]), &pair(len), 0)).unwrap();
            if round % 2 == 0 {
                patiently(|| map.delete(&key(len, [10, 1, 2, 3]))).unwrap();
            }
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
}

#[test]
#[allow(unsafe_code)]
fn no_count_is_lost() {
    let map = create::<ActiveProfile>(MapDef::new(MapType::Array, 4, 8, 1)).unwrap();
    thread::scope(|scope| {
        for cpu in 0..3 {
            let map = &map;
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    let at = map.lookup_ptr(&[0; 4], cpu).unwrap();
                    // SAFETY: the map lives, and its values have 8 bytes.
                    unsafe { rmw_u64(at, Rmw::Add, 1) }.unwrap();
                }
            });
        }
    });
    let at = map.lookup_ptr(&[0; 4], 0).unwrap();
    // SAFETY: as above.
    assert_eq!(unsafe { load_u64(at) }, 3 * u64::from(ROUNDS));
}

#[test]
fn numbers_are_written_whole() {
    // The second one is in the rest after the last eight bytes.
    for (offset, size) in [(0, 4), (8, 12), (8, 10)] {
        let map = create::<ActiveProfile>(MapDef::new(MapType::Array, 4, size, 1)).unwrap();
        let size = size as usize;
        thread::scope(|scope| {
            let map = &map;
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let byte = if round % 2 == 0 { 0xff } else { 0 };
                    map.update(&[0; 4], &vec![byte; size], 0).unwrap();
                }
            });
            for _ in 0..ROUNDS {
                let mut number = vec![0; size - offset];
                map.lookup(&[0; 4]).unwrap().read(offset, &mut number).unwrap();
                assert!(number.iter().all(|byte| *byte == number[0]), "{number:?}");
            }
        });
    }
}

#[test]
fn every_cpu_counts_for_itself() {
    for map_type in [MapType::PerCpuArray, MapType::PerCpuHash] {
        let def = MapDef::new(map_type, 4, 8, 4);
        let settings = bpf_maps::Settings::new().cpus(3);
        let map = bpf_maps::AnyMap::<ActiveProfile>::with_settings(def, settings).unwrap();
        thread::scope(|scope| {
            for cpu in 0..3 {
                let map = &map;
                scope.spawn(move || {
                    for round in 1..=ROUNDS {
                        let value = u64::from(round + cpu).to_ne_bytes();
                        patiently(|| map.update_from(&[0; 4], value.as_slice().into(), 0, cpu))
                            .unwrap();
                    }
                });
            }
        });
        let value = map.lookup(&[0; 4]).unwrap();
        for cpu in 0..3 {
            assert_eq!(value.cpu(cpu).unwrap().u64(), Some(u64::from(ROUNDS) + cpu as u64));
        }
    }
}

#[test]
fn records_of_several_producers() {
    let ring = RingBuf::<ActiveProfile>::with_bytes(4096).unwrap();
    let mut last = [0; 3];
    let mut total = 0;
    thread::scope(|scope| {
        for producer in 0..3_u32 {
            let ring = &ring;
            scope.spawn(move || {
                for round in 1..=ROUNDS {
                    let len = 8 + (round as usize * 13) % 100;
                    let mut record = vec![0xab; len];
                    record[..4].copy_from_slice(&producer.to_ne_bytes());
                    record[4..8].copy_from_slice(&round.to_ne_bytes());
                    while ring.output(record.as_slice().into(), 0).is_err() {
                        thread::yield_now();
                    }
                    // Now and then a record that is given up.
                    if round % 7 == 0
                        && let Some(at) = ring.reserve(24, 0)
                    {
                        ring.discard(at, 0).unwrap();
                    }
                }
            });
        }
        while total < 3 * ROUNDS as usize {
            total += ring
                .consume(&mut |record| {
                    let mut bytes = vec![0; record.len()];
                    record.copy_to(&mut bytes);
                    let producer = u32::from_ne_bytes(bytes[..4].try_into().unwrap()) as usize;
                    let round = u32::from_ne_bytes(bytes[4..8].try_into().unwrap());
                    assert_eq!(round, last[producer] + 1, "out of order");
                    assert_eq!(bytes.len(), 8 + (round as usize * 13) % 100);
                    assert!(bytes[8..].iter().all(|&byte| byte == 0xab));
                    last[producer] = round;
                })
                .unwrap();
            thread::yield_now();
        }
    });
    assert_eq!(last, [ROUNDS; 3]);
}
