//! Where programs run: one input and one set of maps for all engines, at the
//! same addresses.

use std::collections::BTreeMap;

use kernel_bpf::bytecode::abi::frozen::{FrozenBytes, FrozenMap};
use kernel_bpf::bytecode::abi::map::{MapDef, MapType};
use kernel_bpf::bytecode::instruction::Imm64;
use kernel_bpf::bytecode::{BpfProgType, Instruction};
use kernel_bpf::execution::{BpfContext, BpfResult, Environment};
use kernel_bpf::maps::{AnyMap, BpfMap};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf_tests::case::{Case, Input};
use kernel_bpf_tests::outcome;

use crate::mutate::{self, Rng};

/// Room in front of a packet and behind it, in bytes.
pub(crate) const ROOM: usize = 64;

/// The number of the program among those that it may tail-call.
const ITSELF: u32 = 0;

/// Tail calls may follow one another so often, and each one begins a program that may
/// take all that is proven.
pub(crate) const TAIL_CALLS: u64 = 40;

/// Keys with their values.
pub(crate) type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// What an engine made of a program.
pub(crate) struct Outcome {
    pub result: BpfResult,
    /// The input as the program left it.
    pub memory: Vec<u8>,
    /// Every key with its value, map by map.
    pub maps: Vec<Vec<u8>>,
}

/// Whether outcomes are the same, addresses in faults aside.
pub(crate) fn same(a: &Outcome, b: &Outcome) -> bool {
    outcome::of(a.result) == outcome::of(b.result) && a.memory == b.memory && a.maps == b.maps
}

/// Input and maps. A program that misses one of them and hits another does so on
/// every engine, since they stay where they are.
pub(crate) struct Place {
    prog_type: BpfProgType,
    input: Input,
    buffer: Vec<u8>,
    maps: Vec<AnyMap<ActiveProfile>>,
    /// One in front of each map, of which no program knows.
    _gaps: Vec<AnyMap<ActiveProfile>>,
    /// Which of them the program names; the others are as they were made.
    used: Vec<bool>,
    /// What array values and a few entries of hash maps are at first; zeros and
    /// no entries without it.
    values: Option<u64>,
}

impl Place {
    /// The place for a case.
    pub fn new(case: &Case) -> Self {
        Self::at(case, 0)
    }

    /// As [`new`](Self::new), with maps at addresses and distances that follow from a
    /// number. Maps do not touch: the pool of the embedded profile would put one right
    /// behind the other, and who leaves the one would always find the other.
    fn at(case: &Case, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let (mut maps, mut gaps) = (Vec::new(), Vec::new());
        for &def in &case.maps {
            gaps.push(create(MapDef::new(MapType::Array, 4, gap(&mut rng), 1)));
            maps.push(create(def));
        }
        let len = match &case.input {
            Input::Empty => 0,
            Input::Bytes(bytes) | Input::Packet(bytes) => bytes.len(),
        };
        Self {
            prog_type: case.prog_type,
            input: case.input.clone(),
            buffer: vec![0; ROOM + len + ROOM],
            maps,
            _gaps: gaps,
            used: used(case),
            values: None,
        }
    }

    /// A place elsewhere with the same input and values, and the maps where it follows
    /// from `seed`. `case` is the one that this place is for.
    pub fn elsewhere(&self, case: &Case, seed: u64) -> Self {
        let mut place = Self::at(case, seed);
        if let Some(values) = self.values {
            place.fill(self.input.clone(), values);
        }
        place
    }

    /// Another input, of any length, and other values in the maps.
    pub fn fill(&mut self, input: Input, values: u64) {
        let len = match &input {
            Input::Empty => 0,
            Input::Bytes(bytes) | Input::Packet(bytes) => bytes.len(),
        };
        self.buffer.resize(ROOM + len + ROOM, 0);
        (self.input, self.values) = (input, Some(values));
    }

    /// The input.
    pub fn input(&self) -> &Input {
        &self.input
    }

    /// The maps as a run finds them.
    pub fn initial(&mut self) -> Vec<(MapDef, Entries)> {
        self.reset();
        self.maps.iter().map(|map| (*map.def(), entries(map).collect())).collect()
    }

    /// Runs something here, as if it were the first.
    pub fn run(
        &mut self,
        execute: &dyn Fn(Environment<'_>, &mut BpfContext<'_>) -> BpfResult,
    ) -> Outcome {
        let (result, packet) = self.with_context(&|env, context| {
            let result = execute(env, context);
            (result, context.with_packet(<[u8]>::to_vec).expect("no run is under way"))
        });
        let is_packet = matches!(self.input, Input::Packet(_));
        let memory = if is_packet { packet } else { self.buffer.clone() };
        Outcome { result, memory, maps: self.maps.iter().map(contents).collect() }
    }

    /// As [`run`](Self::run), where nothing is asked but the result.
    pub fn execute(
        &mut self,
        execute: &dyn Fn(Environment<'_>, &mut BpfContext<'_>) -> BpfResult,
    ) -> BpfResult {
        self.with_context(execute)
    }

    fn reset(&mut self) {
        for index in (0..self.maps.len()).filter(|&index| self.used[index]) {
            let def = *self.maps[index].def();
            // An array keeps the addresses of its values. Another map gives them to its
            // entries in an order that depends on what was in it, so it is made anew,
            // and given back before that: then the new one comes to be where it was.
            if def.map_type != MapType::Array {
                drop(self.maps.remove(index));
                self.maps.insert(index, create(def));
            }
            fill(&self.maps[index], self.values);
        }
    }

    fn with_context<T>(&mut self, work: &dyn Fn(Environment<'_>, &mut BpfContext<'_>) -> T) -> T {
        self.reset();
        self.buffer.fill(0);
        let range = ROOM..self.buffer.len() - ROOM;
        if let Input::Bytes(bytes) | Input::Packet(bytes) = &self.input {
            self.buffer[range.clone()].copy_from_slice(bytes);
        }
        let refs: Vec<&dyn BpfMap> = self.maps.iter().map(|map| map as &dyn BpfMap).collect();
        let env = Environment::standard().with_maps(&refs);
        let mut context = match &self.input {
            Input::Empty => BpfContext::empty(),
            Input::Bytes(_) => BpfContext::bytes(&mut self.buffer[range]),
            Input::Packet(_) if self.prog_type == BpfProgType::Xdp => {
                BpfContext::xdp_md(&mut self.buffer, range).expect("inside of the buffer")
            }
            Input::Packet(_) => {
                BpfContext::sk_buff(&mut self.buffer, range).expect("inside of the buffer")
            }
        };
        work(env, &mut context)
    }
}

/// Which maps a program names.
fn used(case: &Case) -> Vec<bool> {
    let mut used = vec![false; case.maps.len()];
    for at in 0..case.insns.len() {
        let Ok(Instruction::LoadImm64 { value, .. }) = Instruction::decode(&case.insns, at) else {
            continue;
        };
        if let Imm64::MapIdx(index) | Imm64::MapIdxValue(index, _) = value
            && let Some(used) = used.get_mut(index as usize)
        {
            *used = true;
        }
    }
    used
}

/// A map.
fn create(def: MapDef) -> AnyMap<ActiveProfile> {
    let map = AnyMap::new(def).expect("small maps of both profiles");
    match constants(&def) {
        Some(bytes) => map.freeze(bytes).expect("no more bytes than a value has"),
        None => map,
    }
}

/// What a map that may be one of constants holds: numbers of which each byte is another,
/// and which make small indexes at the beginning; behind them is what nobody gave.
pub(crate) fn constants(def: &MapDef) -> Option<FrozenBytes> {
    const BYTES: [u8; 37] = [
        3, 0, 0, 0, 0, 0, 0, 0, 56, 0, 0, 0, 63, 0, 0, 0, 255, 255, 255, 255, 64, 0, 0, 0, 7, 128,
        1, 0, 0, 0, 0, 128, 8, 9, 10, 11, 12,
    ];
    let size = usize::try_from(def.value_size).unwrap_or(usize::MAX).min(BYTES.len());
    FrozenMap::can_be(def).then(|| FrozenBytes::from_static(&BYTES[..size]))
}

/// Bytes between two maps: more than what a program adds to an address by itself, most
/// of the time.
fn gap(rng: &mut Rng) -> u32 {
    512 + 64 * u32::try_from(rng.below(32)).expect("a small number")
}

/// Puts into an array, or into a new map, what it holds at first.
fn fill(map: &AnyMap<ActiveProfile>, values: Option<u64>) {
    let def = *map.def();
    let mut rng = values.map(Rng::new);
    let mut value = || -> Vec<u8> {
        let byte = |rng: &mut Rng| mutate::byte(rng);
        (0..def.value_size).map(|_| rng.as_mut().map_or(0, byte)).collect()
    };
    match def.map_type {
        // It is as it was made.
        _ if map.frozen().is_some() => {}
        MapType::Array => {
            for index in 0..def.max_entries {
                map.update(&index.to_ne_bytes(), &value(), 0).expect("the index exists");
            }
        }
        MapType::Hash if values.is_some() => {
            for key in 0..def.max_entries.min(3) {
                let mut bytes = u64::from(key).to_le_bytes().to_vec();
                bytes.resize(def.key_size as usize, 0);
                map.update(&bytes, &value(), 0).expect("there is room");
            }
        }
        // The program itself, where its slots are not empty.
        MapType::ProgArray => {
            for index in 0..def.max_entries / 2 {
                map.update(&index.to_ne_bytes(), &ITSELF.to_ne_bytes(), 0).expect("a number");
            }
        }
        _ => {}
    }
}

/// Every key with its value, in the order of the keys.
fn contents(map: &AnyMap<ActiveProfile>) -> Vec<u8> {
    entries(map).flat_map(|(key, value)| [key, value].concat()).collect()
}

/// Every key and its value, in the order of the keys.
fn entries(map: &AnyMap<ActiveProfile>) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> + use<'_> {
    let mut keys = Vec::new();
    let mut next = vec![0; map.def().key_size as usize];
    while map.next_key(keys.last().map(Vec::as_slice), &mut next).is_ok() {
        keys.push(next.clone());
    }
    keys.sort();
    // A slot of a program array may be empty.
    keys.into_iter().filter_map(|key| {
        let value = map.lookup(&key).ok()?;
        let mut bytes = vec![0; value.len()];
        value.copy_to(&mut bytes);
        Some((key, bytes))
    })
}
