//! Maps with keys and values.

use kernel_bpf::bytecode::abi::map::{MapDef, MapType};
use kernel_bpf::maps::{AnyMap, BpfMap, MapError, Settings};
use kernel_bpf::profile::ActiveProfile;

use super::OPERATIONS;
use super::model::Model;
use crate::input::Input;

const CPUS: u32 = 2;

/// A map and its model.
struct Pair {
    map: AnyMap<ActiveProfile>,
    model: Model,
    per_cpu: bool,
}

/// Works on a map of this definition.
pub fn check(def: MapDef, input: &mut Input<'_>) {
    let per_cpu = matches!(def.map_type, MapType::PerCpuHash | MapType::PerCpuArray);
    // A CPU's part of the host's value is a multiple of eight bytes; what the
    // bytes behind a value hold is nobody's business.
    let size = if per_cpu { def.value_size.next_multiple_of(8) } else { def.value_size };
    let def = MapDef { value_size: size, ..def };
    let settings = Settings::new().cpus(if per_cpu { CPUS } else { 1 }).seed(input.u64());
    let map = AnyMap::<ActiveProfile>::with_settings(def, settings).expect("a small map");
    let model = Model::new(def, map.host_value_size());
    let mut pair = Pair { map, model, per_cpu };
    for _ in 0..OPERATIONS {
        if input.is_empty() {
            break;
        }
        pair.step(input);
        pair.agree();
    }
}

impl Pair {
    fn def(&self) -> MapDef {
        *self.map.def()
    }

    /// A key, of few that differ.
    fn key(&self, input: &mut Input<'_>) -> Vec<u8> {
        let (size, number) = (self.def().key_size as usize, input.u8());
        match self.def().map_type {
            MapType::Array | MapType::PerCpuArray => u32::from(number % 16).to_ne_bytes().to_vec(),
            MapType::LpmTrie => {
                let bits = u32::from(number) % (8 * u32::try_from(size - 4).unwrap_or(0) + 2);
                let mut key = bits.to_ne_bytes().to_vec();
                key.extend((4..size).map(|_| input.u8() & 0b1100_0011));
                key
            }
            _ => (0..size).map(|at| if at == 0 { number % 24 } else { number % 2 }).collect(),
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let operation = input.below(16);
        let key = self.key(input);
        match operation {
            0..6 => self.update(&key, input),
            6..8 => self.update_on_a_cpu(&key, input),
            8..11 => {
                let found = self.map.delete(&key);
                self.same(found, self.model_delete(&key));
                self.model_forget(&key, found);
            }
            11 => {
                let found = self.map.delete_on(&key, u32::from(input.u8()) % CPUS);
                self.same(found, self.model_delete(&key));
                self.model_forget(&key, found);
            }
            12 => self.misfit(&key, input),
            #[cfg(feature = "cloud-profile")]
            13 => self.resize(input),
            _ => self.look(&key),
        }
    }

    /// What the model would answer to a deletion.
    fn model_delete(&self, key: &[u8]) -> Result<(), MapError> {
        if self.model.is_array() {
            return Err(MapError::InvalidOperation);
        }
        let exact = self.model.keys().any(|known| known == &self.exact(key));
        if exact { Ok(()) } else { Err(MapError::NotFound) }
    }

    fn model_forget(&mut self, key: &[u8], found: Result<(), MapError>) {
        if found.is_ok() {
            self.model.delete(key).expect("both have the key");
        }
    }

    /// The key under which the model keeps an entry: for a trie without the bits
    /// behind the prefix.
    fn exact(&self, key: &[u8]) -> Vec<u8> {
        let mut probe = Model::new(MapDef { max_entries: 1, ..self.def() }, 0);
        if probe.is_array() || probe.update(key, 0, |_| Vec::new()).is_err() {
            return key.to_vec();
        }
        probe.keys().next().cloned().unwrap_or_default()
    }

    /// The same success, and the same failure where Linux's choice of one is
    /// plain.
    fn same(&self, found: Result<(), MapError>, expected: Result<(), MapError>) {
        let def = self.def();
        // Which of several mistakes is reported is not the model's business.
        let vague = |error: MapError| {
            matches!(error, MapError::InvalidKey | MapError::InvalidFlags | MapError::NotFound)
        };
        match (found, expected) {
            (Err(found), Err(expected)) if vague(found) && vague(expected) => {}
            _ => assert_eq!(found, expected, "{def:?}"),
        }
    }

    fn flags(input: &mut Input<'_>) -> u64 {
        [0, 0, 0, 1, 2, 3][input.below(6)]
    }

    fn update(&mut self, key: &[u8], input: &mut Input<'_>) {
        let (flags, byte) = (Self::flags(input), input.u8());
        let value: Vec<u8> = (byte..=u8::MAX).cycle().take(self.map.host_value_size()).collect();
        let found = self.map.update(key, &value, flags);
        let expected = self.model.update(key, flags, |_| value);
        self.same(found, expected);
    }

    /// As a program does: with a value of its own CPU, where values are per CPU.
    fn update_on_a_cpu(&mut self, key: &[u8], input: &mut Input<'_>) {
        let (flags, byte) = (Self::flags(input), input.u8());
        let (size, whole) = (self.def().value_size as usize, self.map.host_value_size());
        let cpu = if self.per_cpu { usize::from(byte) % CPUS as usize } else { 0 };
        let value = vec![byte; size];
        let on = u32::try_from(cpu).expect("a small number");
        let found = self.map.update_from(key, value.as_slice().into(), flags, on);
        let expected = self.model.update(key, flags, |old| {
            let mut new = old.cloned().unwrap_or_else(|| vec![0; whole]);
            new[cpu * size..][..size].copy_from_slice(&value);
            new
        });
        self.same(found, expected);
    }

    /// Keys and values of other sizes change nothing.
    fn misfit(&self, key: &[u8], input: &mut Input<'_>) {
        let size = self.map.host_value_size();
        let (short, long) = (&key[1..], [key, &[0]].concat());
        let value = vec![input.u8(); size];
        for key in [short, long.as_slice()] {
            assert!(self.map.update(key, &value, 0).is_err());
            assert!(self.map.lookup(key).is_err());
            assert!(self.map.delete(key).is_err());
            assert!(self.map.lookup_ptr(key, 0).is_none());
        }
        assert!(self.map.update(key, &value[1..], 0).is_err());
        assert!(self.map.update(key, &vec![0; size + 1], 0).is_err());
    }

    #[cfg(feature = "cloud-profile")]
    fn resize(&mut self, input: &mut Input<'_>) {
        let entries = 1 + u32::from(input.u8() % 24);
        if self.model.is_array() || self.model.forgets() {
            return;
        }
        match self.map.resize(entries) {
            Ok(()) => {
                assert!(entries as usize >= self.model.len());
                self.model.max_entries = entries as usize;
            }
            Err(MapError::Busy) => assert!((entries as usize) < self.model.len()),
            Err(error) => assert_eq!(error, MapError::NotSupported),
        }
    }

    /// The host's and the program's view of one key.
    fn look(&self, key: &[u8]) {
        let found = self.map.lookup(key).ok();
        let expected = self.model.lookup(key);
        assert_eq!(found.is_some(), expected.is_some(), "{:?} {key:?}", self.def());
        if let (Some(found), Some(expected)) = (found, expected) {
            assert_eq!(found, expected.as_slice());
        }
        let size = self.def().value_size as usize;
        let at = self.map.lookup_ptr(key, 0);
        assert_eq!(at.is_some(), expected.is_some());
        if let Some(at) = at {
            assert_eq!(self.map.resolve_value(at.addr().get(), size), Some(at));
            let behind = self.map.resolve_value(at.addr().get() + 1, size);
            assert!(behind.is_none(), "a value ends where the next one begins");
        }
    }

    /// The whole map is the whole model.
    fn agree(&mut self) {
        if self.model.forgets() {
            let map = &self.map;
            self.model.retain(|key| map.lookup(key).is_ok());
            assert!(self.map.len() <= self.model.max_entries);
        }
        assert_eq!(self.map.len(), self.model.len(), "{:?}", self.def());
        let mut keys = Vec::new();
        let mut next = vec![0; self.def().key_size as usize];
        let mut previous: Option<Vec<u8>> = None;
        while self.map.next_key(previous.as_deref(), &mut next).is_ok() {
            assert!(keys.len() < self.model.len(), "a key comes twice");
            keys.push(next.clone());
            previous = Some(next.clone());
        }
        // A trie shows the bits behind a prefix as they were written.
        keys = keys.iter().map(|key| self.exact(key)).collect();
        keys.sort();
        assert!(keys.iter().eq(self.model.keys()), "{:?}", self.def());
        for key in &keys {
            self.look(key);
        }
    }
}
