//! Live maps made from the definitions of a file.

use anyhow::{Context, Result, anyhow};
use kernel_bpf::bytecode::abi::map::{MapDef, MapType, flags};
use kernel_bpf::maps::{self, AnyMap, BpfMap};
use kernel_bpf::profile::ActiveProfile;

use crate::exit::{Negative, Usage};
use crate::hex;
use crate::object::MapUnit;

/// A map and its name in the file.
#[derive(Debug)]
pub struct LiveMap {
    pub name: String,
    pub map: AnyMap<ActiveProfile>,
}

/// Creates every map of a file with its initial contents. `programs` numbers
/// the programs for program arrays.
pub fn create(units: &[MapUnit], programs: &[&str]) -> Result<Vec<LiveMap>> {
    units.iter().map(|unit| create_one(unit, programs)).collect()
}

fn create_one(unit: &MapUnit, programs: &[&str]) -> Result<LiveMap> {
    let name = unit.name.clone();
    let map = maps::create::<ActiveProfile>(unit.def)
        .map_err(|error| anyhow!(Negative(format!("map `{name}`: {error}"))))?;
    if !unit.contents.is_empty() {
        let mut value = unit.contents.clone();
        value.resize(map.host_value_size(), 0);
        map.update(&0_u32.to_ne_bytes(), &value, flags::BPF_ANY)
            .map_err(|error| anyhow!("map `{name}`: initial contents: {error}"))?;
    }
    for (slot, program) in &unit.programs {
        let number = programs
            .iter()
            .position(|known| known == program)
            .with_context(|| format!("map `{name}`: no program `{program}`"))?;
        let value = u32::try_from(number)?.to_ne_bytes();
        map.update(&slot.to_ne_bytes(), &value, flags::BPF_ANY)
            .map_err(|error| anyhow!("map `{name}`: slot {slot}: {error}"))?;
    }
    Ok(LiveMap { name, map })
}

/// Puts an entry of the form `NAME=KEYHEX:VALUEHEX` into its map.
pub fn insert(live: &[LiveMap], entry: &str) -> Result<()> {
    let usage = || anyhow!(Usage(format!("--map `{entry}`: the form is NAME=KEYHEX:VALUEHEX")));
    let (name, pair) = entry.split_once('=').ok_or_else(usage)?;
    let (key, value) = pair.split_once(':').ok_or_else(usage)?;
    let map = live
        .iter()
        .find(|map| map.name == name)
        .ok_or_else(|| anyhow!(Usage(format!("--map `{entry}`: there is no map `{name}`"))))?;
    let (key, value) = (hex::parse(key)?, hex::parse(value)?);
    map.map
        .update(&key, &value, flags::BPF_ANY)
        .map_err(|error| anyhow!(Usage(format!("--map `{entry}`: {error}"))))
}

/// One entry of a map.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

/// Every entry of a map, sorted by key. An array's untouched entries (zeros) are
/// left out. The records of a ring buffer are consumed: their number is the key.
pub fn entries(map: &AnyMap<ActiveProfile>) -> Vec<Entry> {
    let def = map.def();
    if let Some(ring) = map.ring_buf() {
        return ring_entries(ring);
    }
    let mut found = Vec::new();
    let key_size = usize::try_from(def.key_size).unwrap_or_default();
    let (mut key, mut next) = (None::<Vec<u8>>, vec![0; key_size]);
    // Bounded, should the map change under the walk.
    for _ in 0..=map.max_entries() {
        if map.next_key(key.as_deref(), &mut next).is_err() {
            break;
        }
        if let Ok(value) = map.lookup(&next) {
            let mut bytes = vec![0; value.len()];
            value.copy_to(&mut bytes);
            if !is_array(def) || bytes.iter().any(|byte| *byte != 0) {
                found.push(Entry { key: next.clone(), value: bytes });
            }
        }
        key = Some(next.clone());
    }
    found.sort();
    found
}

fn is_array(def: &MapDef) -> bool {
    matches!(def.map_type, MapType::Array | MapType::PerCpuArray)
}

fn ring_entries(ring: &dyn maps::RingBuffer) -> Vec<Entry> {
    let mut found = Vec::new();
    let mut take = |record: maps::MapValue<'_>| {
        let mut value = vec![0; record.len()];
        record.copy_to(&mut value);
        let key = u32::try_from(found.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
        found.push(Entry { key, value });
    };
    // After an error, what was read before it is still worth showing.
    let _ = ring.consume(&mut take);
    found
}
