//! Sequences of operations on a map, against a model in the standard library's
//! collections.

mod keyed;
mod model;
mod ring;

use kernel_bpf::bytecode::abi::map::{MapDef, MapType};

use crate::input::Input;

/// Operations of one sequence at the most.
const OPERATIONS: usize = 200;

/// Makes a map and works on it.
///
/// # Panics
/// When the map answers otherwise than its model.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let types = model::TYPES;
    let map_type = types[input.below(types.len())];
    let entries = 1 + u32::from(input.u8() % 12);
    match map_type {
        MapType::RingBuf => ring::check(&mut input),
        MapType::LpmTrie => {
            let def = MapDef::new(map_type, 4 + 1 + u32::from(input.u8() % 4), 8, entries);
            // Linux has tries with this flag only.
            keyed::check(def.with_flags(1), &mut input);
        }
        MapType::Array | MapType::PerCpuArray => {
            keyed::check(
                MapDef::new(map_type, 4, 1 + u32::from(input.u8() % 24), entries),
                &mut input,
            );
        }
        _ => {
            let (key, value) = (1 + u32::from(input.u8() % 8), 1 + u32::from(input.u8() % 24));
            keyed::check(MapDef::new(map_type, key, value, entries), &mut input);
        }
    }
}
