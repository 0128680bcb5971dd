//! Times of map operations, with the standard library's hash map beside.

use std::collections::HashMap as StdHashMap;
use std::hint::black_box;
use std::sync::RwLock;

use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_maps::{BpfMap, RingBuf, RingBuffer, create};
use bpf_profile::ActiveProfile;
use criterion::{Criterion, criterion_group, criterion_main};

const ENTRIES: u32 = 10_000;

/// Keys in an order that is not theirs.
fn keys() -> impl Iterator<Item = u32> {
    (0..ENTRIES).map(|at| at.wrapping_mul(2_654_435_761) % ENTRIES).cycle()
}

fn map(map_type: MapType) -> impl BpfMap {
    let map = create::<ActiveProfile>(MapDef::new(map_type, 4, 8, ENTRIES)).expect("a map");
    for key in 0..ENTRIES {
        map.update(&key.to_ne_bytes(), &u64::from(key).to_ne_bytes(), 0).expect("room");
    }
    map
}

fn std_map() -> StdHashMap<[u8; 4], u64> {
    (0..ENTRIES).map(|key| (key.to_ne_bytes(), u64::from(key))).collect()
}

fn lookups(c: &mut Criterion) {
    let mut group = c.benchmark_group("lookup");
    for map_type in [MapType::Array, MapType::Hash, MapType::PerCpuArray, MapType::PerCpuHash] {
        let (map, mut keys) = (map(map_type), keys());
        group.bench_function(map_type.name(), |b| {
            b.iter(|| map.lookup_ptr(&keys.next().unwrap_or(0).to_ne_bytes(), 0));
        });
    }
    let (map, mut keys_) = (std_map(), keys());
    group.bench_function("std", |b| {
        b.iter(|| black_box(map.get(&keys_.next().unwrap_or(0).to_ne_bytes())));
    });
    // What the standard library needs for others to write at the same time.
    let (map, mut keys) = (RwLock::new(std_map()), keys());
    group.bench_function("std, locked", |b| {
        b.iter(|| {
            let map = map.read().expect("not poisoned");
            map.get(&keys.next().unwrap_or(0).to_ne_bytes()).copied()
        });
    });
    group.finish();
}

fn updates(c: &mut Criterion) {
    let mut group = c.benchmark_group("update");
    let value = 7_u64.to_ne_bytes();
    for map_type in [MapType::Array, MapType::Hash, MapType::PerCpuHash] {
        let (map, mut keys) = (map(map_type), keys());
        group.bench_function(map_type.name(), |b| {
            b.iter(|| {
                let key = keys.next().unwrap_or(0).to_ne_bytes();
                map.update_from(&key, value.as_slice().into(), 0, 0)
            });
        });
    }
    let (map, mut keys) = (RwLock::new(std_map()), keys());
    group.bench_function("std, locked", |b| {
        b.iter(|| {
            let mut map = map.write().expect("not poisoned");
            map.insert(keys.next().unwrap_or(0).to_ne_bytes(), 7)
        });
    });
    group.finish();
}

fn ring(c: &mut Criterion) {
    let ring = RingBuf::<ActiveProfile>::with_bytes(1 << 16).expect("a ring");
    let record = [7_u8; 48];
    c.bench_function("ring buffer, 100 records of 48 bytes", |b| {
        b.iter(|| {
            for _ in 0..100 {
                ring.output(record.as_slice().into(), 0).expect("room");
            }
            ring.consume(&mut |record| {
                black_box(record.u64());
            })
        });
    });
}

#[cfg(feature = "cloud-profile")]
fn cloud(c: &mut Criterion) {
    use bpf_maps::{LpmTrie, LruHashMap};

    let trie = LpmTrie::<ActiveProfile>::with_entries(8, 8, ENTRIES).expect("a trie");
    let key = |len: u32, address: u32| {
        let mut key = [0; 8];
        key[..4].copy_from_slice(&len.to_ne_bytes());
        key[4..].copy_from_slice(&address.to_be_bytes());
        key
    };
    for at in 0..ENTRIES {
        let address = at.wrapping_mul(2_654_435_761);
        trie.update(&key(8 + at % 25, address), &[0; 8], 0).expect("room");
    }
    let mut addresses = keys();
    c.bench_function("lookup/lpm_trie", |b| {
        b.iter(|| {
            let address = addresses.next().unwrap_or(0).wrapping_mul(2_654_435_761);
            trie.lookup_ptr(&key(32, address), 0)
        });
    });

    let lru = LruHashMap::<ActiveProfile>::with_entries(4, 8, ENTRIES / 2).expect("a map");
    let mut keys = keys();
    c.bench_function("update/lru_hash, evicting", |b| {
        b.iter(|| lru.update(&keys.next().unwrap_or(0).to_ne_bytes(), &[0; 8], 0));
    });
}

#[cfg(feature = "embedded-profile")]
fn cloud(_: &mut Criterion) {}

criterion_group!(benches, lookups, updates, ring, cloud);
criterion_main!(benches);
