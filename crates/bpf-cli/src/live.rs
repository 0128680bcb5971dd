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

/// Bytes that the maps of one file may take together: a file that asks for more
/// is refused, before the machine runs out.
const MAX_BYTES: usize = 1 << 30;

/// Creates every map of a file with its initial contents. `programs` numbers
/// the programs for program arrays.
pub fn create(units: &[MapUnit], programs: &[&str]) -> Result<Vec<LiveMap>> {
    let bytes = units
        .iter()
        .filter_map(|unit| AnyMap::<ActiveProfile>::storage_bytes(&unit.def, 1))
        .fold(0, usize::saturating_add);
    if bytes > MAX_BYTES {
        let text = format!("the maps take {bytes} bytes, {MAX_BYTES} are allowed here");
        return Err(anyhow!(Negative(text)));
    }
    units.iter().map(|unit| create_one(unit, programs)).collect()
}

fn create_one(unit: &MapUnit, programs: &[&str]) -> Result<LiveMap> {
    let name = unit.name.clone();
    let mut map = maps::create::<ActiveProfile>(unit.def)
        .and_then(|map| match &unit.frozen {
            Some(bytes) => map.freeze(bytes.clone()),
            None => Ok(map),
        })
        .map_err(|error| anyhow!(Negative(format!("map `{name}`: {error}"))))?;
    if unit.frozen.is_none() && !unit.contents.is_empty() {
        map = map
            .filled(&unit.contents)
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
    let bytes = |text| {
        hex::parse(text).map_err(|error| anyhow!(Usage(format!("--map `{entry}`: {error}"))))
    };
    let (key, value) = (bytes(key)?, bytes(value)?);
    let sizes = [
        ("key", &key, usize::try_from(map.map.def().key_size)?),
        ("value", &value, map.map.host_value_size()),
    ];
    for (what, given, wanted) in sizes.iter().filter(|_| map.map.ring_buf().is_none()) {
        if given.len() != *wanted {
            let text = format!("--map `{entry}`: a {what} has {wanted} bytes, not {}", given.len());
            return Err(anyhow!(Usage(text)));
        }
    }
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
    let (mut key, mut next) = (vec![0; key_size], vec![0; key_size]);
    let mut value = vec![0; map.host_value_size()];
    // Bounded, should the map change under the walk.
    for number in 0..=map.max_entries() {
        let previous = (number > 0).then_some(&*key);
        if map.next_key(previous, &mut next).is_err() {
            break;
        }
        let read = map.lookup(&next).is_ok_and(|guard| guard.read(0, &mut value).is_some());
        if read && (!is_array(def) || value.iter().any(|byte| *byte != 0)) {
            found.push(Entry { key: next.clone(), value: value.clone() });
        }
        key.copy_from_slice(&next);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(def: MapDef) -> MapUnit {
        let name = "m".to_owned();
        let (contents, programs) = (Vec::new(), Vec::new());
        MapUnit { name, def, contents, frozen: None, programs, types: (0, 0) }
    }

    #[test]
    fn entries_come_sorted_and_untouched_ones_of_an_array_not_at_all() {
        let live = create(&[unit(MapDef::new(MapType::Hash, 1, 1, 8))], &[]).unwrap();
        for entry in ["m=03:01", "m=01:02", "m=02:00"] {
            insert(&live, entry).unwrap();
        }
        let keys: Vec<_> = entries(&live[0].map).into_iter().map(|entry| entry.key).collect();
        assert_eq!(keys, [[1], [2], [3]]);

        let live = create(&[unit(MapDef::new(MapType::Array, 4, 2, 4))], &[]).unwrap();
        insert(&live, "m=02000000:0700").unwrap();
        let expected = Entry { key: vec![2, 0, 0, 0], value: vec![7, 0] };
        assert_eq!(entries(&live[0].map), [expected]);
    }

    #[test]
    fn initial_contents_are_filled_up_with_zeros_and_programs_numbered() {
        let array = unit(MapDef::new(MapType::Array, 4, 4, 1));
        let array = MapUnit { contents: vec![1, 2], ..array };
        let calls = unit(MapDef::new(MapType::ProgArray, 4, 4, 2));
        let calls = MapUnit { programs: vec![(1, "second".to_owned())], ..calls };
        let live = create(&[array, calls], &["first", "second"]).unwrap();
        assert_eq!(entries(&live[0].map)[0].value, [1, 2, 0, 0]);
        let expected = Entry { key: vec![1, 0, 0, 0], value: vec![1, 0, 0, 0] };
        assert_eq!(entries(&live[1].map), [expected]);
    }

    #[test]
    fn more_memory_than_the_machine_should_give_is_refused() {
        let error = create(&[unit(MapDef::new(MapType::Array, 4, 1024, 1 << 24))], &[]);
        assert!(error.unwrap_err().to_string().contains("are allowed here"));
    }

    #[test]
    fn an_entry_that_makes_no_sense_is_refused() {
        let live = create(&[unit(MapDef::new(MapType::Hash, 1, 1, 8))], &[]).unwrap();
        for entry in ["m", "m=01", "n=01:02", "m=01:0203", "m=zz:00"] {
            assert!(insert(&live, entry).is_err(), "{entry}");
        }
    }
}
