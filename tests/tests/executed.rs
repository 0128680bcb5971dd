//! How many instructions runs of compiled programs execute, beside the bound that was proven.
//!
//! `cargo test --test executed --features cloud-profile -- --nocapture` prints a table: bound,
//! the most that any run executed, and their ratio. With `KERNEL_BPF_OBJECTS=DIR` in the
//! environment it is made of every object in that folder and those below it, too.
#![cfg(feature = "cloud-profile")]

use std::path::{Path, PathBuf};
use std::{env, fs};

use kernel_bpf::bytecode::abi::context::CtxForm;
use kernel_bpf::bytecode::abi::map::flags::BPF_ANY;
use kernel_bpf::bytecode::{BpfProgType, BpfProgram};
use kernel_bpf::execution::{BpfContext, Environment, Interpreter, Observer, Step};
use kernel_bpf::live::{self, LiveMapError};
use kernel_bpf::loader::Object;
use kernel_bpf::maps::{AnyMap, BpfMap};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf_tests::engine;
use kernel_bpf_tests::random::Rng;

/// Runs of each program.
const RUNS: usize = 60;
/// Instructions after which a run is given up, without a word on the bound.
const BUDGET: u64 = 4_000_000;
/// Room in front of a packet and behind it, in bytes.
const ROOM: usize = 256;
/// Entries that are made in a map before a run, at the most.
const ENTRIES: u32 = 64;

/// Counts instructions.
#[derive(Default)]
struct Executed(u64);

impl Observer for Executed {
    fn step(&mut self, _: &Step<'_, '_>) {
        self.0 += 1;
    }
}

/// Bytes of one kind: all the same, a few different ones, or any.
fn bytes(len: usize, rng: &mut Rng) -> Vec<u8> {
    let kind = rng.below(4);
    let same = [0, 1, 0x41, 0xff][rng.below(4)];
    (0..len)
        .map(|_| match kind {
            0 => same,
            1 => [0, 1, 2, 3][rng.below(4)],
            2 if rng.below(8) > 0 => same,
            _ => rng.next_u64().to_le_bytes()[0],
        })
        .collect()
}

/// A packet: bytes, at times with the headers of a TCP or UDP datagram over IPv4.
fn packet(rng: &mut Rng) -> Vec<u8> {
    let len = [64, 128, 1024, 1500, 14 + rng.below(200)][rng.below(5)];
    let mut packet = bytes(len, rng);
    if rng.below(2) == 0 {
        let protocol = [6, 17][rng.below(2)];
        let headers =
            [8, 0, 0x45, 0, 0, 60, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        for (to, from) in packet.iter_mut().skip(12).zip(headers) {
            *to = from;
        }
    }
    packet
}

/// The bytes, some of them others.
fn like(packet: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut packet = packet.to_vec();
    for _ in 0..=rng.below(4) {
        let (at, len) = (rng.below(packet.len().max(1)), 1 + rng.below(16));
        let more = bytes(len, rng);
        for (to, from) in packet.iter_mut().skip(at).zip(more) {
            *to = from;
        }
    }
    packet
}

/// Puts something into maps that are not of the program's own variables.
fn fill(map: &AnyMap<ActiveProfile>, rng: &mut Rng) {
    let def = map.def();
    for index in 0..def.max_entries.min(ENTRIES) {
        let mut key = bytes(def.key_size as usize, rng);
        if def.key_size == 4 && rng.below(4) > 0 {
            key.copy_from_slice(&index.to_le_bytes());
        }
        // Whoever does not take it is as it was.
        map.update(&key, &bytes(def.value_size as usize, rng), BPF_ANY).ok();
    }
}

/// Instructions of one run; none, if there is nothing to run it over, or it ended early.
fn run(
    object: &Object<'_, ActiveProfile>,
    program: &BpfProgram<ActiveProfile>,
    packet: &[u8],
    rng: &mut Rng,
) -> Option<u64> {
    let maps = live::of_object(object).collect::<Result<Vec<_>, LiveMapError>>().ok()?;
    if rng.below(3) > 0 {
        for map in &maps {
            fill(map, rng);
        }
    }
    let refs: Vec<&dyn BpfMap> = maps.iter().map(|map| map as &dyn BpfMap).collect();
    let env = Environment::standard().with_maps(&refs).with_budget(BUDGET);
    let mut executed = Executed::default();
    let mut buffer = [&[0; ROOM], packet, &[0; ROOM]].concat();
    let range = ROOM..ROOM + packet.len();
    let prog_type = program.prog_type();
    let context = if prog_type.context().form == CtxForm::Bytes {
        BpfContext::bytes(&mut buffer)
    } else if prog_type == BpfProgType::Xdp {
        BpfContext::xdp_md(&mut buffer, range).ok()?
    } else {
        BpfContext::sk_buff(&mut buffer, range).ok()?
    };
    let engine = Interpreter::<ActiveProfile>::with_env(env);
    let ended = engine.execute_with(program, &context, &mut executed).is_ok();
    // Where it does not end well it has executed as many all the same.
    (ended || executed.0 < BUDGET).then_some(executed.0)
}

/// The proven bounds and the most that runs executed, of all programs of an object that are
/// accepted and run here.
fn measure(file: &Path, bytes: &[u8]) -> Vec<(String, u64, u64)> {
    let Ok(object) = Object::<ActiveProfile>::parse(bytes) else { return Vec::new() };
    let mut measured = Vec::new();
    for found in object.programs() {
        let name = format!("{} {}", file.file_name().unwrap_or_default().display(), found.name());
        let Ok(program) = found.link().and_then(|linked| linked.build()) else { continue };
        let Ok(verified) = engine::verify(&program) else { continue };
        let bound = verified.info().max_insns;
        let mut rng = Rng::new(1);
        // Every other run is over a packet like the one that took longest so far.
        let mut longest = (0, Vec::new());
        for round in 0..RUNS {
            let packet = if round % 2 == 0 { packet(&mut rng) } else { like(&longest.1, &mut rng) };
            let Some(executed) = run(&object, &program, &packet, &mut rng) else { break };
            if executed > longest.0 {
                longest = (executed, packet);
            }
        }
        let most = longest.0;
        if most == 0 {
            continue;
        }
        assert!(most <= bound, "{name}: {most} executed, {bound} proven");
        measured.push((name, bound, most));
    }
    measured
}

/// The objects in a folder and those below it.
fn objects(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        for path in entries.map(|entry| entry.expect("an entry").path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "o") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn no_run_executes_more_than_was_proven() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let own = ["benches/programs", "examples/programs"].map(|folder| root.join(folder));
    let others = env::var_os("KERNEL_BPF_OBJECTS").map(PathBuf::from);
    let (mut programs, mut close) = (0, 0);
    for file in own.iter().chain(&others).flat_map(|folder| objects(folder)) {
        let bytes = fs::read(&file).expect("an object");
        for (name, bound, most) in measure(&file, &bytes) {
            let hundredths = bound.saturating_mul(100) / most.max(1);
            println!(
                "{name:60} {bound:12} {most:10} {:8}.{:02}",
                hundredths / 100,
                hundredths % 100
            );
            programs += 1;
            close += u32::from(hundredths <= 110);
        }
    }
    println!("{close} of {programs} within a tenth");
    // Otherwise the test would show nothing.
    assert!(programs >= 50 && close >= 25, "{programs} programs, {close} of them close");
}
