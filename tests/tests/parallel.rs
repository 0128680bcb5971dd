//! What names no storage takes it from stores of a fixed size on embedded, and
//! threads that do so at once do not starve each other. A binary of its own: the
//! pool has one user here.
#![cfg(feature = "embedded-profile")]

use std::sync::{Barrier, Mutex, PoisonError};
use std::thread;

use kernel_bpf::bytecode::abi::map::{MapDef, MapType};
use kernel_bpf::bytecode::insn::BpfInsn;
use kernel_bpf::bytecode::program::{BpfProgType, ProgramBuilder};
use kernel_bpf::execution::BpfContext;
use kernel_bpf::maps::static_pool::DEFAULT_POOL;
use kernel_bpf::maps::{AnyMap, BpfMap, MapError};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::profile::config::{POOL_BYTES, QUEUE_CAPACITY};
use kernel_bpf::scheduler::{AdmissionError, BpfExecRequest, BpfScheduler, ProgId};
use kernel_bpf::verifier::Verifier;

type Map = AnyMap<ActiveProfile>;

const THREADS: usize = 16;
const ROUNDS: u32 = 40;

/// The tests share the pool.
static ALONE: Mutex<()> = Mutex::new(());

/// A map of every type that takes storage for its entries, for one CPU.
fn definitions() -> [MapDef; 6] {
    [
        MapDef::new(MapType::Array, 4, 24, 500),
        MapDef::new(MapType::Hash, 8, 16, 200),
        MapDef::new(MapType::PerCpuArray, 4, 8, 64),
        MapDef::new(MapType::PerCpuHash, 4, 8, 64),
        MapDef::new(MapType::RingBuf, 0, 0, 4096),
        MapDef::new(MapType::ProgArray, 4, 4, 32),
    ]
}

fn create() -> Vec<Map> {
    let made = definitions().map(|def| Map::new(def).unwrap_or_else(|e| panic!("{def:?}: {e}")));
    made.into()
}

/// A program in a builder's own storage, verified in a verifier's own, and a
/// queue that takes as many requests as it says.
fn verify_and_queue() {
    let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SocketFilter)
        .insn(BpfInsn::mov64_imm(0, 42))
        .insn(BpfInsn::exit())
        .build()
        .expect("room for the program");
    let verified = Verifier::<ActiveProfile>::new().verify_program(&program);
    let verified = &verified.expect("room for the verifier");
    let request = |id| BpfExecRequest::new(ProgId(id), verified, BpfContext::empty());
    let mut scheduler = BpfScheduler::new();
    for id in (0..).take(QUEUE_CAPACITY) {
        scheduler.submit(request(id)).map_err(|e| e.reason).expect("room in the queue");
    }
    let full = scheduler.submit(request(0)).map_err(|e| e.reason);
    assert_eq!(full, Err(AdmissionError::QueueFull));
    assert!(scheduler.next().is_some());
    scheduler.submit(request(0)).map_err(|e| e.reason).expect("room again");
}

#[test]
fn all_threads_find_room_within_the_pool() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let free = DEFAULT_POOL.free_bytes();
    assert_eq!(free, POOL_BYTES);
    let maps = create();
    let one = free - DEFAULT_POOL.free_bytes();
    drop(maps);
    // Blocks of several sizes leave gaps, which may take as much again.
    assert!(2 * THREADS * one <= free, "{one} bytes a thread, {free} in the pool");

    let together = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                together.wait();
                for round in 0..ROUNDS {
                    let maps = create();
                    let key = [round.to_ne_bytes(); 2];
                    maps[1].update(key.as_flattened(), &[7; 16], 0).expect("room for an entry");
                    verify_and_queue();
                    assert_eq!(maps[1].len(), 1);
                }
            });
        }
    });
    assert_eq!(DEFAULT_POOL.free_bytes(), free);
}

#[test]
fn exhaustion_is_an_error_and_passes() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let free = DEFAULT_POOL.free_bytes();
    let def = MapDef::new(MapType::Array, 4, 64, 16);
    let mut all = Vec::new();
    let error = loop {
        match Map::new(def) {
            Ok(map) => all.push(map),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, MapError::OutOfMemory(_)), "{error:?}");
    assert!(!all.is_empty());

    let together = Barrier::new(THREADS + 1);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                together.wait();
                let refused = Map::new(def).map(|_| ());
                // What takes nothing from the pool does not notice.
                let others = thread::spawn(verify_and_queue).join();
                together.wait();
                together.wait();
                // Nothing is asserted before: who fails would let the rest wait.
                let map = Map::new(def);
                assert!(others.is_ok());
                assert!(matches!(refused, Err(MapError::OutOfMemory(_))), "{refused:?}");
                let map = map.expect("given back");
                let value = map.lookup(&[0; 4]).expect("an element");
                assert_eq!(value, [0; 64]);
            });
        }
        together.wait();
        together.wait();
        all.clear();
        together.wait();
    });
    assert_eq!(DEFAULT_POOL.free_bytes(), free);
}
