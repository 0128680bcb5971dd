//! Where programs run: one input and one set of maps for all engines, at the
//! same addresses.

use kernel_bpf::bytecode::BpfProgType;
use kernel_bpf::bytecode::abi::map::MapType;
use kernel_bpf::execution::{BpfContext, BpfResult, Environment};
use kernel_bpf::maps::{AnyMap, BpfMap};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf_tests::case::{Case, Input};
use kernel_bpf_tests::outcome;

use super::Loaded;
use crate::mutate::Rng;

/// Room in front of a packet and behind it, in bytes.
const ROOM: usize = 64;

/// What an engine made of a program.
pub(super) struct Outcome {
    pub result: BpfResult,
    /// The input as the program left it.
    memory: Vec<u8>,
    /// Every key with its value, map by map.
    maps: Vec<Vec<u8>>,
}

/// Whether outcomes are the same, addresses in faults aside.
pub(super) fn same(a: &Outcome, b: &Outcome) -> bool {
    outcome::of(a.result) == outcome::of(b.result) && a.memory == b.memory && a.maps == b.maps
}

/// Input and maps. A program that misses one of them and hits another does so on
/// every engine, since they stay where they are.
pub(super) struct Place {
    prog_type: BpfProgType,
    input: Input,
    buffer: Vec<u8>,
    maps: Vec<AnyMap<ActiveProfile>>,
}

impl Place {
    /// The place for a case.
    pub fn new(case: &Case) -> Self {
        let create = |def| AnyMap::new(def).expect("small maps of both profiles");
        let len = match &case.input {
            Input::Empty => 0,
            Input::Bytes(bytes) | Input::Packet(bytes) => bytes.len(),
        };
        Self {
            prog_type: case.prog_type,
            input: case.input.clone(),
            buffer: vec![0; ROOM + len + ROOM],
            maps: case.maps.iter().copied().map(create).collect(),
        }
    }

    /// Runs something here, as if it were the first.
    pub fn run(
        &mut self,
        execute: &dyn Fn(Environment<'_>, &BpfContext<'_>) -> BpfResult,
    ) -> Outcome {
        self.maps.iter_mut().for_each(reset);
        self.buffer.fill(0);
        let range = ROOM..self.buffer.len() - ROOM;
        if let Input::Bytes(bytes) | Input::Packet(bytes) = &self.input {
            self.buffer[range.clone()].copy_from_slice(bytes);
        }
        let refs: Vec<&dyn BpfMap> = self.maps.iter().map(|map| map as &dyn BpfMap).collect();
        let env = Environment::standard().with_maps(&refs);
        let is_packet = matches!(self.input, Input::Packet(_));
        let context = match &self.input {
            Input::Empty => BpfContext::empty(),
            Input::Bytes(_) => BpfContext::bytes(&mut self.buffer[range]),
            Input::Packet(_) if self.prog_type == BpfProgType::Xdp => {
                BpfContext::xdp_md(&mut self.buffer, range).expect("inside of the buffer")
            }
            Input::Packet(_) => {
                BpfContext::sk_buff(&mut self.buffer, range).expect("inside of the buffer")
            }
        };
        let result = execute(env, &context);
        let memory = if is_packet {
            context.with_packet(<[u8]>::to_vec).expect("no run is under way")
        } else {
            self.buffer.clone()
        };
        Outcome { result, memory, maps: self.maps.iter().map(contents).collect() }
    }
}

/// A map as it was at first, at the same addresses where it has a fixed number
/// of entries. Another one gives its entries addresses in an order that depends
/// on what was in it, so it is made anew.
fn reset(map: &mut AnyMap<ActiveProfile>) {
    let def = *map.def();
    if def.map_type == MapType::Array {
        let zeros = vec![0; def.value_size as usize];
        for index in 0..def.max_entries {
            map.update(&index.to_ne_bytes(), &zeros, 0).expect("the index exists");
        }
    } else {
        *map = AnyMap::new(def).expect("it was possible before");
    }
}

/// Every key with its value, in the order of the keys.
fn contents(map: &AnyMap<ActiveProfile>) -> Vec<u8> {
    let mut keys = Vec::new();
    let mut next = vec![0; map.def().key_size as usize];
    while map.next_key(keys.last().map(Vec::as_slice), &mut next).is_ok() {
        keys.push(next.clone());
    }
    keys.sort();
    let mut all = Vec::new();
    for key in keys {
        let value = map.lookup(&key).expect("nobody else is here");
        let mut bytes = vec![0; value.len()];
        value.copy_to(&mut bytes);
        all.extend(key);
        all.extend(bytes);
    }
    all
}

/// Whether the outcome of a program depends on where its memory is: one engine
/// alone then gives several, with memory elsewhere. The stack is moved by small
/// and by large distances, on this thread and on others, so that all bits of an
/// address change, and the heap's blocks get other neighbours.
pub(super) fn shows_addresses(case: &Case, engines: &[Loaded<'_>]) -> bool {
    engines.iter().filter(|engine| !engine.verified).any(|engine| {
        let run = || {
            Place::new(case)
                .run(&|env, context| (engine.execute)(env.with_budget(super::BUDGET), context))
        };
        let first = run();
        let differs = || (0..DEPTHS).any(|depth| !same(&first, &elsewhere(&run, depth)));
        let there = || std::thread::scope(|scope| scope.spawn(differs).join().expect("no panic"));
        differs() || (0..4).any(|_| there())
    })
}

/// Depths from which an engine is called.
const DEPTHS: usize = 16;

/// What `run` gives `depth` frames of several sizes further down the stack, and
/// with the heap in another state.
fn elsewhere(run: &dyn Fn() -> Outcome, depth: usize) -> Outcome {
    let mut rng = Rng::new(depth as u64);
    let mut held: Vec<Vec<u8>> = (0..8).map(|_| vec![0; 16 + rng.below(600)]).collect();
    held.retain(|block| block.len() % 2 == 0);
    // Two of these differ by the stack's alignment, so not even the lowest bits
    // of an address stay the same.
    let outcome = match depth % 4 {
        _ if depth == 0 => run(),
        0 => with_pad::<4112>(run, depth),
        1 => with_pad::<16>(run, depth),
        2 => with_pad::<32>(run, depth),
        _ => with_pad::<240>(run, depth),
    };
    drop(std::hint::black_box(held));
    outcome
}

#[inline(never)]
fn with_pad<const BYTES: usize>(run: &dyn Fn() -> Outcome, depth: usize) -> Outcome {
    let pad = std::hint::black_box([0_u8; BYTES]);
    let outcome = elsewhere(run, depth - 1);
    std::hint::black_box(&pad);
    outcome
}
