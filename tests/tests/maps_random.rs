//! Programs made at random that look keys up, update and delete them in maps of every type
//! that has keys, from one CPU and another, beside what the kernel does to the maps: every
//! engine of the build gives the same results, and leaves the same in the maps.
//!
//! `KBPF_MAPS_TRIES` sets another number of programs, `KBPF_MAPS_FIRST` the first one.
#![cfg(all(feature = "cloud-profile", target_arch = "x86_64"))]

use std::fmt::Write;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use kernel_bpf::bytecode::abi::map::{MapDef, MapType};
use kernel_bpf::bytecode::text::assemble;
use kernel_bpf::bytecode::{BpfProgType, BpfProgram, ProgramBuilder};
use kernel_bpf::execution::jit::{CompiledProgram, HostMemory, JitExecutor};
use kernel_bpf::execution::run::StackMemory;
use kernel_bpf::execution::{
    BpfContext, BpfExecutor, BpfResult, Environment, Interpreter, Platform, TranslatedInterpreter,
    TranslatedProgram, VerifiedInterpreter,
};
use kernel_bpf::maps::{AnyMap, BpfMap, Settings};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::{VerifiedProgram, Verifier};
use kernel_bpf_tests::random::Rng;

type Map = AnyMap<ActiveProfile>;
type Program = BpfProgram<ActiveProfile>;
type Verified = VerifiedProgram<ActiveProfile>;
type Stack = StackMemory<ActiveProfile>;
/// One run.
type Once<'o> = dyn FnMut(&mut BpfContext<'_>) -> BpfResult + 'o;
/// All of them, with what was done to the maps in between.
type All<'a> = dyn FnMut(&mut Once<'_>) + 'a;

/// What became of all runs in an engine.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// What the kernel was told in front of each, and the result.
    runs: Vec<(Vec<i64>, BpfResult)>,
    /// What is in the maps.
    contents: Vec<Option<Vec<u8>>>,
}

const PROGRAMS: u64 = 400;
/// Runs of a program, one after the other.
const RUNS: usize = 8;
/// CPUs that there are values for; the last runs on one more.
const CPUS: u32 = 2;
const VALUE: usize = 12;
const ENTRIES: u32 = 12;
/// Keys go up to this, so that some are no index, and some find no room.
const KEYS: usize = 18;

fn definitions() -> Vec<MapDef> {
    let value = VALUE.try_into().unwrap();
    let map = |map_type, key| MapDef::new(map_type, key, value, ENTRIES);
    let mut all: Vec<_> = [4, 5, 8, 16]
        .into_iter()
        .flat_map(|key| {
            [MapType::Hash, MapType::LruHash, MapType::PerCpuHash].map(|of| map(of, key))
        })
        .collect();
    all.extend([MapType::Array, MapType::PerCpuArray].map(|map_type| map(map_type, 4)));
    all
}

/// Two engines have maps that are alike.
fn create() -> Vec<Map> {
    let settings = || Settings::new().cpus(CPUS).seed(5);
    definitions().into_iter().map(|def| Map::with_settings(def, settings()).unwrap()).collect()
}

/// R6 is the context, with two keys; R7 sums up what is found, R8 is an address of a value of
/// the array, or a number, R9 another sum. 16 bytes at -16 are the key, 12 at -32 the value.
fn text(chance: &mut Rng) -> String {
    let maps = definitions().len();
    // Mostly the same few, so that they are asked again.
    let some = [chance.below(maps), chance.below(maps), chance.below(maps), maps - 1];
    let mut text = String::from(
        "r6 = r1\nr7 = 0\nr9 = 1\n*(u64 *)(r10 -16) = 0\n*(u64 *)(r10 -8) = 0
         *(u64 *)(r10 -32) = 7\n*(u32 *)(r10 -24) = 9\n",
    );
    for step in 0..3 + chance.below(12) {
        let (map, end) = (chance.pick(&some), format!("end{step}"));
        let key = match chance.below(5) {
            0 => String::from("r1 = *(u32 *)(r6 +8)"),
            1 => String::from("r1 = *(u32 *)(r6 +12)"),
            2 => String::from("r1 = r9\nr1 &= 31"),
            _ => format!("r1 = {}", chance.below(KEYS)),
        };
        let more = chance.pick(&[
            "",
            "*(u8 *)(r10 -12) = 1",
            "*(u8 *)(r10 -1) = 3",
            "*(u8 *)(r10 -9) = 4",
        ]);
        let arguments = format!(
            "{key}\n*(u32 *)(r10 -16) = r1\n{more}\nr2 = r10\nr2 += -16\nr1 = map[idx:{map}] ll"
        );
        let sum = "r9 *= 31\nr9 += r0";
        let body = match chance.below(10) {
            0..4 => {
                let used = chance.pick(&[
                    "r1 = *(u32 *)(r0 +4)\nr9 += r1",
                    "r1 = *(u32 *)(r0 +0)\nr1 += 1\n*(u32 *)(r0 +0) = r1",
                    "r1 = 3\nlock *(u32 *)(r0 +8) += r1",
                    "r8 = *(u32 *)(r0 +8)\nr7 ^= r8",
                    "*(u32 *)(r0 +4) = r9",
                ]);
                format!("{arguments}\ncall 1\nr9 += 1\nif r0 == 0 goto {end}\nr9 *= 31\n{used}")
            }
            4..8 => {
                let flags = chance.pick(&["0", "0", "1", "2", "4", "8", "3", "-1"]);
                let value = chance.pick(&[
                    "*(u32 *)(r10 -28) = r9",
                    "*(u32 *)(r10 -32) = r9",
                    "*(u32 *)(r10 -24) = r7",
                ]);
                format!("{value}\n{arguments}\nr3 = r10\nr3 += -32\nr4 = {flags}\ncall 2\n{sum}")
            }
            8 => format!("{arguments}\ncall 3\n{sum}"),
            _ => format!("call 8\n{sum}"),
        };
        writeln!(text, "{body}\n{end}: r0 = 0").unwrap();
    }
    text + "r0 = r7\nr0 <<= 32\nr0 ^= r9\nexit\n"
}

struct Cpu(AtomicU32);

impl Platform for Cpu {
    fn cpu(&self) -> u32 {
        self.0.load(Relaxed)
    }
}

/// What the kernel does to the maps in front of a run.
fn disturb(maps: &[Map], chance: &mut Rng) -> Vec<i64> {
    let mut told = Vec::new();
    for _ in 0..chance.below(4) {
        let map = &maps[chance.below(maps.len())];
        let mut key = vec![0; map.def().key_size as usize];
        key[0] = chance.below(KEYS).try_into().unwrap();
        let result = match chance.below(4) {
            0 => map.delete(&key),
            1 => map.resize(chance.pick(&[5, 12, 12, 20, 40])),
            _ => {
                let value = vec![chance.below(256).try_into().unwrap(); map.host_value_size()];
                map.update(&key, &value, chance.pick(&[0, 0, 1, 2]))
            }
        };
        told.push(result.map_or_else(|error| -error.errno(), |()| 0));
    }
    told
}

/// What is in the maps.
fn contents(maps: &[Map]) -> Vec<Option<Vec<u8>>> {
    let mut all = Vec::new();
    for map in maps {
        for number in 0..KEYS {
            for last in [0, 1, 3, 4] {
                let mut key = vec![0; map.def().key_size as usize];
                key[0] = number.try_into().unwrap();
                *key.last_mut().unwrap() |= last;
                let value = map.lookup(&key).ok();
                all.push(value.map(|value| {
                    let mut bytes = vec![0; value.len()];
                    value.copy_to(&mut bytes);
                    bytes
                }));
            }
        }
    }
    all
}

/// What becomes of all runs in an engine, with maps of its own.
fn outcome(seed: u64, run: impl FnOnce(Environment<'_>, &mut All<'_>)) -> Outcome {
    let maps = create();
    let list: Vec<&dyn BpfMap> = maps.iter().map(|map| map as &dyn BpfMap).collect();
    let cpu = Cpu(AtomicU32::new(0));
    let mut runs = Vec::new();
    let env = Environment::new().with_maps(&list).with_platform(&cpu);
    run(env, &mut |once| {
        let mut chance = Rng::new(seed);
        for _ in 0..RUNS {
            let told = disturb(&maps, &mut chance);
            cpu.0.store(chance.pick(&[0, 0, 0, 1, 1, CPUS]), Relaxed);
            let mut bytes = [0; 16];
            for half in bytes.chunks_mut(4) {
                half[0] = chance.below(KEYS).try_into().unwrap();
                half[3] = chance.pick(&[0, 0, 0, 0xff]);
            }
            runs.push((told, once(&mut BpfContext::bytes(&mut bytes))));
        }
    });
    Outcome { runs, contents: contents(&maps) }
}

/// What becomes of them in each engine, by its name; the first one checks everything.
fn outcomes(program: &Program, verified: &Verified, seed: u64) -> [(&'static str, Outcome); 6] {
    let translated = TranslatedProgram::<ActiveProfile>::new(verified).unwrap();
    let compiled = CompiledProgram::<ActiveProfile>::compile(verified, &HostMemory).unwrap();
    let checked = CompiledProgram::<ActiveProfile>::compile_checked(program, &HostMemory).unwrap();
    let interpreter = outcome(seed, |env, all| {
        let engine = Interpreter::<ActiveProfile>::with_env(env);
        all(&mut |context| engine.execute(program, context));
    });
    let in_place = outcome(seed, |env, all| {
        let (engine, mut stack) = (VerifiedInterpreter::with_env(env), Stack::new());
        let mut prepared = engine.prepare(verified, &mut stack).unwrap();
        all(&mut |context| prepared.run(context));
    });
    let in_translation = outcome(seed, |env, all| {
        let (engine, mut stack) = (TranslatedInterpreter::with_env(env), Stack::new());
        let mut prepared = engine.prepare(&translated, &mut stack).unwrap();
        all(&mut |context| prepared.run(context));
    });
    let [jit, checked_jit] = [&compiled, &checked].map(|program| {
        outcome(seed, |env, all| {
            let engine = JitExecutor::with_env(env);
            all(&mut |context| engine.execute(program, context));
        })
    });
    let prepared_jit = outcome(seed, |env, all| {
        let (engine, mut stack) = (JitExecutor::with_env(env), Stack::new());
        let mut prepared = engine.prepare(&compiled, &mut stack).unwrap();
        all(&mut |context| prepared.run(context));
    });
    [
        ("interpreter", interpreter),
        ("in place", in_place),
        ("in translation", in_translation),
        ("JIT", jit),
        ("checked JIT", checked_jit),
        ("prepared JIT", prepared_jit),
    ]
}

#[test]
fn engines_agree_on_maps() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first: u64 = number("KBPF_MAPS_FIRST").unwrap_or(0);
    let tries = number("KBPF_MAPS_TRIES").unwrap_or(PROGRAMS);
    let (mut found, mut failed) = (0, 0);
    for seed in first..first + tries {
        let mut chance = Rng::new(seed);
        let text = text(&mut chance);
        let insns = assemble::<ActiveProfile>(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let builder = ProgramBuilder::<ActiveProfile>::new(BpfProgType::Tracepoint).insns(&insns);
        let builder = definitions().into_iter().fold(builder, ProgramBuilder::map);
        let program = builder.build().unwrap();
        let verified = Verifier::new().verify_program(&program);
        let verified = verified.unwrap_or_else(|error| panic!("{seed}: {error}\n{text}"));
        let [(_, expected), others @ ..] = outcomes(&program, &verified, chance.next_u64());
        for (name, outcome) in others {
            assert_eq!(outcome, expected, "{name}, {seed}\n{text}");
        }
        found += expected.contents.iter().flatten().count();
        failed += expected.runs.iter().flat_map(|run| &run.0).filter(|told| **told < 0).count();
    }
    let tries = usize::try_from(tries).unwrap();
    assert!(found > 20 * tries && failed > tries, "{found} {failed}");
}
