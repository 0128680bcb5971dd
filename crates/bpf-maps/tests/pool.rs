//! The static pool. One test alone: what others take would show here.
#![cfg(feature = "embedded-profile")]

use bpf_bytecode::abi::errno::ENOMEM;
use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_maps::static_pool::DEFAULT_POOL;
use bpf_maps::{BpfMap, create};
use bpf_profile::EmbeddedProfile;

#[test]
fn maps_take_from_the_pool_and_give_back() {
    let free = DEFAULT_POOL.free_bytes();
    let def = MapDef::new(MapType::Array, 4, 64, 1024);
    let mut maps = Vec::new();
    let error = loop {
        match create::<EmbeddedProfile>(def) {
            Ok(map) => maps.push(map),
            Err(error) => break error,
        }
    };
    assert_eq!(error.errno(), ENOMEM);
    assert_eq!(maps.len(), free / (64 * 1024));
    for (index, map) in (0_u32..).zip(&maps) {
        map.update(&index.to_ne_bytes(), &[1; 64], 0).unwrap();
    }

    // A map of two blocks that gets only the first gives that back.
    maps.pop();
    let left = DEFAULT_POOL.free_bytes();
    let two = MapDef::new(MapType::PerCpuHash, 4, 32, 2000);
    assert_eq!(create::<EmbeddedProfile>(two).unwrap_err().errno(), ENOMEM);
    assert_eq!(DEFAULT_POOL.free_bytes(), left);

    for (index, map) in (0_u32..).zip(&maps) {
        assert_eq!(map.lookup(&index.to_ne_bytes()).unwrap(), [1; 64]);
    }
    drop(maps);
    assert_eq!(DEFAULT_POOL.free_bytes(), free);

    // What was used before comes back zeroed.
    let map = create::<EmbeddedProfile>(def).unwrap();
    assert_eq!(map.lookup(&0_u32.to_ne_bytes()).unwrap(), [0; 64]);
}
