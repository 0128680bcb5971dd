//! Each map against a collection of the standard library, over random
//! operations.

use std::collections::{HashMap as StdHashMap, VecDeque};

use bpf_bytecode::abi::map::flags::{BPF_ANY, BPF_EXIST, BPF_NOEXIST};
use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_maps::{AnyMap, BpfMap, MapError, RingBuf, RingBuffer, Settings};
use bpf_profile::ActiveProfile;
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
    Update {
        key: u8,
        value: u8,
        flags: u64,
        program: Option<u32>,
    },
    Delete {
        key: u8,
        program: Option<u32>,
    },
    Lookup {
        key: u8,
    },
    Walk,
    #[cfg(feature = "cloud-profile")]
    Resize {
        entries: u32,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let flags =
        prop_oneof![4 => Just(BPF_ANY), 1 => Just(BPF_NOEXIST), 1 => Just(BPF_EXIST), 1 => Just(7)];
    let program = prop_oneof![Just(None), (0..2_u32).prop_map(Some)];
    let update = (0..24_u8, any::<u8>(), flags, program.clone())
        .prop_map(|(key, value, flags, program)| Op::Update { key, value, flags, program });
    let delete = (0..24_u8, program).prop_map(|(key, program)| Op::Delete { key, program });
    prop_oneof![
        6 => update,
        3 => delete,
        2 => (0..24_u8).prop_map(|key| Op::Lookup { key }),
        1 => Just(Op::Walk),
        1 => last(),
    ]
}

#[cfg(feature = "cloud-profile")]
fn last() -> impl Strategy<Value = Op> {
    (0..40_u32).prop_map(|entries| Op::Resize { entries })
}

#[cfg(not(feature = "cloud-profile"))]
fn last() -> impl Strategy<Value = Op> {
    Just(Op::Walk)
}

/// Keys of any length.
fn key_bytes(key: u8, size: u32) -> Vec<u8> {
    (0..size)
        .map(|at| if at == 0 { key } else { key.wrapping_mul(7) ^ at.to_le_bytes()[0] })
        .collect()
}

fn walk(map: &dyn BpfMap) -> Vec<Vec<u8>> {
    let mut out = vec![0; map.def().key_size as usize];
    let mut keys: Vec<Vec<u8>> = Vec::new();
    while map.next_key(keys.last().map(Vec::as_slice), &mut out).is_ok() {
        keys.push(out.clone());
        assert!(keys.len() <= 100, "the walk does not end");
    }
    keys
}

/// What a map of entries should do.
struct Model {
    entries: StdHashMap<Vec<u8>, Vec<u8>>,
    max: u32,
    part: usize,
    cpus: u32,
}

impl Model {
    fn update(
        &mut self,
        key: &[u8],
        value: &[u8],
        flags: u64,
        cpu: Option<u32>,
    ) -> Result<(), MapError> {
        let exists = self.entries.contains_key(key);
        match flags {
            BPF_NOEXIST if exists => return Err(MapError::Exists),
            BPF_EXIST if !exists => return Err(MapError::NotFound),
            BPF_ANY | BPF_NOEXIST | BPF_EXIST => {}
            _ => return Err(MapError::InvalidFlags),
        }
        if !exists && self.entries.len() >= self.max as usize {
            return Err(MapError::Full);
        }
        let whole = self.part * self.cpus as usize;
        let entry = self.entries.entry(key.to_vec()).or_insert_with(|| vec![0; whole]);
        match cpu {
            Some(cpu) => {
                let start = cpu as usize * self.part;
                entry[start..start + value.len()].copy_from_slice(value);
            }
            None => entry.copy_from_slice(value),
        }
        Ok(())
    }
}

/// Runs the operations on a hash map and on its model.
fn check_hash(def: MapDef, cpus: u32, seed: u64, ops: &[Op]) -> Result<(), TestCaseError> {
    let settings = Settings::new().cpus(cpus).seed(seed);
    let map = AnyMap::<ActiveProfile>::with_settings(def, settings).unwrap();
    let per_cpu = def.map_type == MapType::PerCpuHash;
    let size = def.value_size as usize;
    let part = if per_cpu { size.next_multiple_of(8) } else { size };
    let mut model = Model {
        entries: StdHashMap::new(),
        max: def.max_entries,
        part,
        cpus: if per_cpu { cpus } else { 1 },
    };
    for op in ops {
        match *op {
            Op::Update { key, value, flags, program } => {
                let key = key_bytes(key, def.key_size);
                let (found, expected) = if let Some(cpu) = program {
                    let value = vec![value; size];
                    let part = if per_cpu { cpu } else { 0 };
                    let found = map.update_from(&key, value.as_slice().into(), flags, cpu);
                    (found, model.update(&key, &value, flags, Some(part)))
                } else {
                    let value = vec![value; map.host_value_size()];
                    (map.update(&key, &value, flags), model.update(&key, &value, flags, None))
                };
                prop_assert_eq!(found, expected);
            }
            Op::Delete { key, program } => {
                let key = key_bytes(key, def.key_size);
                let found = match program {
                    Some(cpu) => map.delete_on(&key, cpu),
                    None => map.delete(&key),
                };
                let expected = model.entries.remove(&key).map(|_| ()).ok_or(MapError::NotFound);
                prop_assert_eq!(found, expected);
            }
            Op::Lookup { key } => {
                let key = key_bytes(key, def.key_size);
                match (map.lookup(&key), model.entries.get(&key)) {
                    (Ok(found), Some(expected)) => prop_assert_eq!(found, expected.as_slice()),
                    (Err(MapError::NotFound), None) => {}
                    other => prop_assert!(false, "{:?}", other),
                }
                let at = map.lookup_ptr(&key, 0);
                prop_assert_eq!(at.is_some(), model.entries.contains_key(&key));
                prop_assert_eq!(at.and_then(|at| map.resolve_value(at.addr().get(), size)), at);
            }
            Op::Walk => {
                let (mut found, mut expected): (Vec<_>, Vec<_>) =
                    (walk(&map), model.entries.keys().cloned().collect());
                found.sort();
                expected.sort();
                prop_assert_eq!(found, expected);
            }
            #[cfg(feature = "cloud-profile")]
            Op::Resize { entries } => match map.resize(entries) {
                Ok(()) => model.max = entries,
                Err(MapError::Busy) => prop_assert!((entries as usize) < model.entries.len()),
                Err(error) => prop_assert_eq!((error.errno(), entries), (22, 0)),
            },
        }
        prop_assert_eq!(map.len(), model.entries.len());
        prop_assert_eq!(map.max_entries(), model.max);
    }
    for (key, value) in &model.entries {
        prop_assert_eq!(map.lookup(key).unwrap(), value.as_slice());
    }
    Ok(())
}

/// Runs the operations on an array and on its model.
fn check_array(def: MapDef, cpus: u32, ops: &[Op]) -> Result<(), TestCaseError> {
    let map = AnyMap::<ActiveProfile>::with_settings(def, Settings::new().cpus(cpus)).unwrap();
    let per_cpu = def.map_type == MapType::PerCpuArray;
    let size = def.value_size as usize;
    let part = if per_cpu { size.next_multiple_of(8) } else { size };
    let whole = map.host_value_size();
    let mut model = vec![vec![0; whole]; def.max_entries as usize];
    for op in ops {
        match *op {
            Op::Update { key, value, flags, program } => {
                let index = usize::from(key);
                let key = u32::from(key).to_ne_bytes();
                let (found, range) = match program {
                    Some(cpu) => {
                        let start = if per_cpu { cpu as usize * part } else { 0 };
                        let bytes = vec![value; size];
                        (
                            map.update_from(&key, bytes.as_slice().into(), flags, cpu),
                            start..start + size,
                        )
                    }
                    None => (map.update(&key, &vec![value; whole], flags), 0..whole),
                };
                let expected = match (flags > BPF_EXIST, model.get_mut(index)) {
                    (true, _) => Err(MapError::InvalidFlags),
                    (_, None) => Err(MapError::IndexOutOfRange),
                    _ if flags == BPF_NOEXIST => Err(MapError::Exists),
                    (_, Some(entry)) => {
                        entry[range].fill(value);
                        Ok(())
                    }
                };
                prop_assert_eq!(found, expected);
            }
            Op::Delete { key, .. } => {
                prop_assert_eq!(map.delete(&u32::from(key).to_ne_bytes()).unwrap_err().errno(), 22);
            }
            Op::Lookup { key } => {
                let found = map.lookup(&u32::from(key).to_ne_bytes()).ok();
                prop_assert_eq!(found.is_some(), usize::from(key) < model.len());
                if let Some(found) = found {
                    prop_assert_eq!(found, model[usize::from(key)].as_slice());
                }
            }
            Op::Walk => prop_assert_eq!(walk(&map).len(), model.len()),
            #[cfg(feature = "cloud-profile")]
            Op::Resize { entries } => {
                prop_assert_eq!(map.resize(entries).is_ok(), entries != 0);
                if entries != 0 {
                    model.resize(entries as usize, vec![0; whole]);
                }
            }
        }
    }
    for (index, value) in (0_u32..).zip(&model) {
        prop_assert_eq!(map.lookup(&index.to_ne_bytes()).unwrap(), value.as_slice());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hash(
        key_size in 1..20_u32,
        value_size in 1..40_u32,
        entries in 1..20_u32,
        seed in any::<u64>(),
        ops in vec(op(), 0..200),
    ) {
        check_hash(MapDef::new(MapType::Hash, key_size, value_size, entries), 2, seed, &ops)?;
    }

    #[test]
    fn per_cpu_hash(
        key_size in 1..20_u32,
        value_size in 1..40_u32,
        entries in 1..20_u32,
        ops in vec(op(), 0..200),
    ) {
        check_hash(MapDef::new(MapType::PerCpuHash, key_size, value_size, entries), 2, 0, &ops)?;
    }

    #[test]
    fn array(value_size in 1..40_u32, entries in 1..30_u32, ops in vec(op(), 0..200)) {
        check_array(MapDef::new(MapType::Array, 4, value_size, entries), 2, &ops)?;
    }

    #[test]
    fn per_cpu_array(value_size in 1..40_u32, entries in 1..30_u32, ops in vec(op(), 0..200)) {
        check_array(MapDef::new(MapType::PerCpuArray, 4, value_size, entries), 2, &ops)?;
    }

    #[test]
    fn ring(ops in vec((0..5000_usize, 0..4_u8), 0..300)) {
        let ring = RingBuf::<ActiveProfile>::with_bytes(4096).unwrap();
        // Reserved records: address, bytes, and what became of them.
        let mut model = VecDeque::new();
        let mut used = 0;
        for (number, what) in ops {
            match what {
                0 | 1 => {
                    let len = if what == 0 { number % 64 } else { number };
                    let span = (len + 8).next_multiple_of(8);
                    let record = ring.reserve(len as u64, 0);
                    prop_assert_eq!(record.is_some(), used + span < 4096, "{} + {}", used, span);
                    if let Some(at) = record {
                        used += span;
                        model.push_back((at, len, span, None));
                    }
                }
                2 => {
                    let index = number % model.len().max(1);
                    if let Some((at, _, _, done)) = model.get_mut(index) && done.is_none() {
                        let discard = number % 3 == 0;
                        *done = Some(!discard);
                        let give = if discard { RingBuffer::discard } else { RingBuffer::submit };
                        give(&ring, *at, 0).unwrap();
                    }
                }
                _ => {
                    let mut lens = Vec::new();
                    ring.consume(&mut |record| lens.push(record.len())).unwrap();
                    let mut expected = Vec::new();
                    while let Some(&(_, len, span, Some(submitted))) = model.front() {
                        model.pop_front();
                        used -= span;
                        expected.extend(submitted.then_some(len));
                    }
                    prop_assert_eq!(lens, expected);
                }
            }
            prop_assert_eq!(ring.query(0), used as u64);
        }
    }
}

#[cfg(feature = "cloud-profile")]
mod cloud {
    use std::collections::BTreeMap;

    use super::*;
    use bpf_maps::{LpmTrie, LruHashMap};

    #[derive(Clone, Debug)]
    enum PrefixOp {
        Update([u8; 2], u32, u8, u64),
        Delete([u8; 2], u32),
        Lookup([u8; 2], u32),
        Next([u8; 2], u32),
        Resize(u32),
    }

    fn prefix_op() -> impl Strategy<Value = PrefixOp> {
        // Few bits, so that prefixes meet.
        let data = prop_oneof![any::<[u8; 2]>(), (0..4_u8, 0..4_u8).prop_map(|(a, b)| [a << 6, b])];
        let len = 0..18_u32;
        prop_oneof![
            5 => (data.clone(), len.clone(), any::<u8>(), 0..4_u64)
                .prop_map(|(data, len, value, flags)| PrefixOp::Update(data, len, value, flags)),
            3 => (data.clone(), len.clone()).prop_map(|(data, len)| PrefixOp::Delete(data, len)),
            3 => (data.clone(), len.clone()).prop_map(|(data, len)| PrefixOp::Lookup(data, len)),
            1 => (data, len).prop_map(|(data, len)| PrefixOp::Next(data, len)),
            1 => (0..40_u32).prop_map(PrefixOp::Resize),
        ]
    }

    /// A prefix as text of its bits: a prefix of it begins with that text.
    fn bits(data: [u8; 2], len: u32) -> Option<String> {
        format!("{:016b}", u16::from_be_bytes(data)).get(..len as usize).map(str::to_owned)
    }

    fn key(data: [u8; 2], len: u32) -> Vec<u8> {
        [len.to_ne_bytes().as_slice(), &data].concat()
    }

    /// The bits of every key, in the order in which a walk gives them: longer
    /// ones before those that they begin with, else in order.
    fn order(model: &BTreeMap<String, u8>) -> Vec<String> {
        let mut keys: Vec<String> = model.keys().cloned().collect();
        keys.sort_by(|a, b| {
            if a.starts_with(b.as_str()) || b.starts_with(a.as_str()) {
                b.len().cmp(&a.len())
            } else {
                a.cmp(b)
            }
        });
        keys
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn trie(entries in 1..20_u32, ops in vec(prefix_op(), 0..200)) {
            let map = LpmTrie::<ActiveProfile>::with_entries(6, 1, entries).unwrap();
            let mut model: BTreeMap<String, u8> = BTreeMap::new();
            let mut max = entries;
            for op in ops {
                match op {
                    PrefixOp::Update(data, len, value, flags) => {
                        let found = map.update(&key(data, len), &[value], flags);
                        let bits = bits(data, len);
                        let exists = bits.as_ref().is_some_and(|bits| model.contains_key(bits));
                        let expected = match (flags, bits) {
                            (3, _) => Err(MapError::InvalidFlags),
                            (_, None) => Err(MapError::InvalidKey),
                            (BPF_NOEXIST, _) if exists => Err(MapError::Exists),
                            (BPF_EXIST, _) if !exists => Err(MapError::NotFound),
                            _ if !exists && model.len() >= max as usize => Err(MapError::NoSpace),
                            (_, Some(bits)) => {
                                model.insert(bits, value);
                                Ok(())
                            }
                        };
                        prop_assert_eq!(found, expected);
                    }
                    PrefixOp::Delete(data, len) => {
                        let expected = match bits(data, len) {
                            None => Err(MapError::InvalidKey),
                            Some(bits) => model.remove(&bits).map(|_| ()).ok_or(MapError::NotFound),
                        };
                        prop_assert_eq!(map.delete(&key(data, len)), expected);
                    }
                    PrefixOp::Lookup(data, len) => {
                        let expected = bits(data, len).and_then(|bits| {
                            (0..=bits.len()).rev().find_map(|len| model.get(&bits[..len]))
                        });
                        let found = map.lookup(&key(data, len));
                        prop_assert_eq!(found.is_ok(), expected.is_some());
                        if let (Ok(found), Some(&expected)) = (found, expected) {
                            prop_assert_eq!(found, [expected]);
                        }
                    }
                    PrefixOp::Next(data, len) => {
                        let order = order(&model);
                        let at = bits(data, len).and_then(|bits| order.iter().position(|k| *k == bits));
                        let expected = order.get(at.map_or(0, |at| at + 1));
                        let mut out = [0; 6];
                        let found = map.next_key(Some(&key(data, len)), &mut out);
                        prop_assert_eq!(found.is_ok(), expected.is_some());
                        if let Some(expected) = expected {
                            let (len, data) = out.split_at(4);
                            let len = u32::from_ne_bytes(len.try_into().unwrap());
                            prop_assert_eq!(&bits(data.try_into().unwrap(), len).unwrap(), expected);
                        }
                    }
                    PrefixOp::Resize(entries) => match map.resize(entries) {
                        Ok(()) => max = entries,
                        Err(_) => prop_assert!(entries == 0 || (entries as usize) < model.len()),
                    },
                }
                prop_assert_eq!(map.len(), model.len());
            }
        }

        #[test]
        fn lru(entries in 1..12_u32, ops in vec((0..30_u8, 0..4_u8), 0..300)) {
            let map = LruHashMap::<ActiveProfile>::with_entries(1, 1, entries).unwrap();
            let mut model: StdHashMap<u8, u8> = StdHashMap::new();
            for (key, what) in ops {
                match what {
                    0 | 1 => {
                        map.update(&[key], &[what], BPF_ANY).unwrap();
                        model.insert(key, what);
                        // At most one other went, and only where there was need.
                        let gone: Vec<u8> =
                            model.keys().copied().filter(|key| map.lookup(&[*key]).is_err()).collect();
                        prop_assert_eq!(gone.len(), model.len().saturating_sub(entries as usize));
                        prop_assert!(!gone.contains(&key));
                        for key in gone {
                            model.remove(&key);
                        }
                    }
                    2 => prop_assert_eq!(map.delete(&[key]).is_ok(), model.remove(&key).is_some()),
                    _ => prop_assert_eq!(map.lookup_ptr(&[key], 0).is_some(), model.contains_key(&key)),
                }
                prop_assert_eq!(map.len(), model.len());
            }
            for (key, value) in &model {
                prop_assert_eq!(map.lookup(&[*key]).unwrap(), [*value]);
            }
        }
    }
}
