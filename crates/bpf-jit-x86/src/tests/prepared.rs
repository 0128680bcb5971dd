//! Programs that are prepared once and run again and again.

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;
use std::format;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_interp::run::StackMemory;
use bpf_interp::{BpfContext, BpfError, BpfExecutor, Environment, Fault, Platform, Refusal};
use bpf_maps::{AnyMap, ArrayMap, BpfMap, ProgArray, Settings};
use bpf_profile::ActiveProfile;
use bpf_verifier::{HelperTable, InsnFact, VerifiedInfo, Verifier};

use super::{built, checked, program, proven, with_maps};
use crate::x86::Wants;
use crate::{CompiledProgram, HostMemory, JitExecutor};

/// Counts its runs in an array's value of the index in the context.
const COUNT: &str = "r2 = r1\nr1 = map[idx:0]\ncall 1\nif r0 == 0 goto +4
     r1 = *(u64 *)(r0 +0)\nr1 += 1\n*(u64 *)(r0 +0) = r1\nr0 = r1\nexit";

#[test]
fn every_run_is_a_new_one() {
    let def = MapDef::new(MapType::Array, 4, 8, 2);
    let program = with_maps(COUNT, &[def]);
    for compiled in [proven(&program), checked(&program)] {
        let map = ArrayMap::<ActiveProfile>::new(def).unwrap();
        let maps: [&dyn BpfMap; 1] = [&map];
        let jit = JitExecutor::with_env(Environment::new().with_maps(&maps));
        let mut stack = StackMemory::new();
        let mut prepared = jit.prepare(&compiled, &mut stack).unwrap();
        let (mut first, mut third) = ([0; 4], 2_u32.to_ne_bytes());
        let mut first = BpfContext::bytes(&mut first);
        let mut third = BpfContext::bytes(&mut third);
        for count in 1..=3 {
            assert_eq!(prepared.run(&mut first), Ok(count));
            assert_eq!(prepared.run(&mut third), Ok(0));
        }
        assert_eq!(jit.execute(&compiled, &first), Ok(4));
        // What the map becomes in between is seen.
        map.resize(3).unwrap();
        assert_eq!(prepared.run(&mut third), Ok(1));
        map.resize(2).unwrap();
        assert_eq!(prepared.run(&mut third), Ok(0));
        assert_eq!(prepared.run(&mut BpfContext::bytes(&mut [0; 4])), Ok(5));
    }
}

#[test]
fn what_does_not_fit_is_refused_before_it_runs() {
    let def = MapDef::new(MapType::Array, 4, 8, 2);
    let compiled = proven(&with_maps(COUNT, &[def]));
    let refused = JitExecutor::new().prepare(&compiled, &mut StackMemory::new()).err();
    assert_eq!(refused, Some(Refusal::MapMissing { index: 0 }));
    let other = ArrayMap::<ActiveProfile>::with_entries(8, 3).unwrap();
    let maps: [&dyn BpfMap; 1] = [&other];
    let jit = JitExecutor::with_env(Environment::new().with_maps(&maps));
    let mut stack = StackMemory::new();
    assert_eq!(jit.prepare(&compiled, &mut stack).err(), Some(Refusal::MapMismatch { index: 0 }));

    let program = with_maps("r0 = *(u32 *)(r1 +12)\nexit", &[]);
    let helpers = HelperTable::standard().fingerprint();
    let info = VerifiedInfo { frames: 1, helpers, context_bytes: 16, ..VerifiedInfo::default() };
    let facts = [InsnFact::Plain; 2];
    let build = |info: &VerifiedInfo| {
        let proof = Some((&facts[..], info));
        built(&program, proof)
    };
    let refused_in = |env, info| {
        JitExecutor::with_env(env).prepare(&build(&info), &mut StackMemory::new()).err()
    };
    let env = Environment::new();
    let other = VerifiedInfo { helpers: 1, ..info };
    assert_eq!(refused_in(env, other), Some(Refusal::HelperMismatch));
    let long = VerifiedInfo { max_insns: 1 << 40, ..info };
    let budget = (1 << 40) - 1;
    let refusal = Some(Refusal::BudgetTooSmall { bound: 1 << 40, budget });
    assert_eq!(refused_in(env.with_budget(budget), long), refusal);
    assert_eq!(refused_in(env, long), None, "time is soft");

    let (compiled, jit) = (build(&info), JitExecutor::new());
    let mut stack = StackMemory::new();
    let mut prepared = jit.prepare(&compiled, &mut stack).unwrap();
    let mut bytes = [0; 64];
    let kind = Err(BpfError::Refused(Refusal::ContextKind));
    assert_eq!(prepared.run(&mut BpfContext::bytes(&mut bytes)), kind);
    assert_eq!(prepared.run(&mut BpfContext::socket(&mut bytes)), kind);
    let none = BpfError::Refused(Refusal::ContextTooSmall { actual: 0, needed: 16 });
    assert_eq!(prepared.run(&mut BpfContext::empty()), Err(none));
    let mut packet = BpfContext::xdp(&mut bytes).with_ifindex(7);
    assert_eq!(prepared.run(&mut packet), Ok(7));
}

/// A program that asks the host for nothing finds packet, metadata, structure and frames,
/// and gives the context back; one that asks does, too.
#[test]
fn what_is_found_without_a_run() {
    let sum = "r6 = *(u32 *)(r1 +12)\n*(u64 *)(r10 -8) = r6\nr2 = *(u32 *)(r1 +4)
        r3 = *(u32 *)(r1 +8)\nr1 = *(u32 *)(r1 +0)\nr2 -= r1\nr4 = r1\nr4 -= r3
        *(u64 *)(r10 -16) = r2\n*(u64 *)(r10 -24) = r4\nr1 = r10\nr1 += -8\ncall add\nexit
        add: *(u64 *)(r10 -8) = 1000\nr0 = *(u64 *)(r1 +0)\nr2 = *(u64 *)(r1 -8)\nr2 *= 100
        r0 += r2\nr2 = *(u64 *)(r1 -16)\nr2 *= 10000\nr0 += r2\nr2 = *(u64 *)(r10 -8)
        r2 *= 1000\nr0 += r2\nexit";
    let asks = format!("r6 = r1\ncall 7\nr1 = r6\n{sum}");
    let runs = asks.replace("call 7", "r1 = r10\nr1 += -8\n*(u64 *)(r1 +0) = 5\nr2 = 8\ncall 6");
    let element = "*(u32 *)(r10 -4) = 1\nr2 = r10\nr2 += -4\nr1 = map[idx:0]\ncall 1";
    let finds = asks.replace("call 7", element);
    let def = MapDef::new(MapType::Array, 4, 8, 2);
    let map = ArrayMap::<ActiveProfile>::new(def).unwrap();
    let maps: [&dyn BpfMap; 1] = [&map];
    let cases = [
        (sum, Wants::Nothing),
        (asks.as_str(), Wants::Answers),
        (finds.as_str(), Wants::Answers),
        (runs.as_str(), Wants::Run),
    ];
    for (text, wants) in cases {
        let program = with_maps(text, &[def]);
        let verified = Verifier::<ActiveProfile>::new().verify_program(&program).unwrap();
        let compiled = CompiledProgram::compile(&verified, &HostMemory).unwrap();
        assert_eq!(compiled.wants(), wants);
        let jit = JitExecutor::with_env(Environment::new().with_maps(&maps));
        let mut stack = StackMemory::new();
        let mut prepared = jit.prepare(&compiled, &mut stack).unwrap();
        for packet in [14..64, 8..60, 20..20] {
            let mut bytes = [0; 64];
            let context = BpfContext::xdp_md(&mut bytes, packet.clone()).unwrap();
            let mut context = context.with_metadata(4).unwrap().with_ifindex(7);
            let expected = 1_000_007 + 100 * packet.len() as u64 + 40_000;
            for _ in 0..2 {
                assert_eq!(prepared.run(&mut context), Ok(expected), "{wants:?}");
                assert_eq!(jit.execute(&compiled, &context), Ok(expected), "{wants:?}");
                assert_eq!(context.packet_range(), Ok(packet.clone()));
            }
            let refused = prepared.run(&mut BpfContext::empty());
            assert!(matches!(refused, Err(BpfError::Refused(_))), "{refused:?}");
        }
    }
}

/// Contexts may come in turn, those of other memory and none among them.
#[test]
fn every_run_finds_its_own_context() {
    let packet = "r2 = *(u32 *)(r1 +4)\nr3 = *(u32 *)(r1 +0)\nr0 = *(u32 *)(r1 +12)\nr4 = r3
        r4 += 1\nif r4 > r2 goto +4\nr4 = *(u8 *)(r3 +0)\nr4 <<= 8\nr0 += r4
        *(u8 *)(r3 +0) = 9\nexit";
    let program = with_maps(packet, &[]);
    let verified = Verifier::<ActiveProfile>::new().verify_program(&program).unwrap();
    let compiled = CompiledProgram::compile(&verified, &HostMemory).unwrap();
    assert_eq!(compiled.wants(), Wants::Nothing);
    let (jit, mut stack) = (JitExecutor::new(), StackMemory::new());
    let mut prepared = jit.prepare(&compiled, &mut stack).unwrap();
    let (mut one, mut two, mut none) = ([1; 20], [2; 30], []);
    let mut one = BpfContext::xdp(&mut one).with_ifindex(5);
    let mut two = BpfContext::xdp(&mut two).with_ifindex(6);
    let mut none = BpfContext::xdp(&mut none).with_ifindex(7);
    for first in [[1, 2], [9, 9]] {
        let results = [&mut one, &mut none, &mut two].map(|context| prepared.run(context));
        let [a, b] = first.map(|byte| byte << 8);
        assert_eq!(results, [Ok(a + 5), Ok(7), Ok(b + 6)]);
        let refused = prepared.run(&mut BpfContext::empty());
        assert!(matches!(refused, Err(BpfError::Refused(_))), "{refused:?}");
    }
    assert_eq!(one.into_packet()[..2], [9, 1]);
    assert_eq!(two.into_packet()[..2], [9, 2]);
}

/// Where a program may read what it has not written, its frames are of zeros each time.
#[test]
fn frames_are_as_the_proof_says() {
    let text = "r0 = *(u64 *)(r10 -8)\n*(u64 *)(r10 -8) = 5\nexit";
    let program = with_maps(text, &[]);
    let helpers = HelperTable::standard().fingerprint();
    let info = VerifiedInfo { frames: 1, helpers, unwritten_reads: true, ..Default::default() };
    let compiled = built(&program, Some((&[InsnFact::Plain; 3][..], &info)));
    let (jit, mut stack) = (JitExecutor::new(), StackMemory::new());
    let mut prepared = jit.prepare(&compiled, &mut stack).unwrap();
    for _ in 0..3 {
        assert_eq!(prepared.run(&mut BpfContext::empty()), Ok(0));
    }
}

#[test]
fn a_fault_leaves_it_as_it_was() {
    let compiled = checked(&program("r0 = *(u64 *)(r1 +0)\nr0 = *(u8 *)(r0 +0)\nexit"));
    let jit = JitExecutor::new();
    let mut stack = StackMemory::new();
    let mut prepared = jit.prepare(&compiled, &mut stack).unwrap();
    let mut bytes = [0; 8];
    let mut context = BpfContext::bytes(&mut bytes);
    for _ in 0..2 {
        let fault = Fault::Memory { addr: 0, size: 1 };
        assert_eq!(prepared.run(&mut context), Err(BpfError::Fault { pc: 1, fault }));
        assert_eq!(context.with_packet(<[u8]>::len), Ok(8));
    }
}

#[test]
fn a_tail_call_leads_on_in_every_run() {
    let defs = [MapDef::new(MapType::ProgArray, 4, 4, 1), MapDef::new(MapType::Array, 4, 8, 1)];
    let first = proven(&with_maps(
        "r6 = map[idx:1][0]+0\n*(u64 *)(r6 +0) = 1\nr2 = map[idx:0]\nr3 = 0\ncall 12\nr0 = 9\nexit",
        &defs,
    ));
    let second = proven(&with_maps("r6 = map[idx:1][0]+0\nr0 = *(u64 *)(r6 +0)\nexit", &defs));
    let targets = ProgArray::<ActiveProfile>::new(defs[0]).unwrap();
    let array = ArrayMap::<ActiveProfile>::new(defs[1]).unwrap();
    let maps: [&dyn BpfMap; 2] = [&targets, &array];
    let programs = [&second];
    let env = Environment::new().with_maps(&maps);
    let jit = JitExecutor::with_env(env).with_programs(&programs);
    let mut stack = StackMemory::new();
    let mut prepared = jit.prepare(&first, &mut stack).unwrap();
    assert_eq!(prepared.run(&mut BpfContext::empty()), Ok(9));
    targets.update(&0_u32.to_ne_bytes(), &0_u32.to_ne_bytes(), 0).unwrap();
    for _ in 0..2 {
        assert_eq!(prepared.run(&mut BpfContext::empty()), Ok(1));
    }
}

/// A CPU that can be changed, to one of which nothing is known, too.
struct OnCpu(AtomicU32);

/// That one.
const NOWHERE: u32 = 77;

impl Platform for OnCpu {
    fn cpu(&self) -> u32 {
        let cpu = self.0.load(Relaxed);
        assert_ne!(cpu, NOWHERE);
        cpu
    }
}

/// A platform that panics ends that run alone: the next one is on its own CPU, whoever asks
/// first: the entry for the values of the program, the program, an update, a tail call.
#[test]
fn a_panic_leaves_it_as_it_was() {
    let defs = [
        MapDef::new(MapType::PerCpuArray, 4, 8, 2),
        MapDef::new(MapType::Hash, 4, 8, 2),
        MapDef::new(MapType::ProgArray, 4, 4, 1),
    ];
    let asks = "call 8\nr8 = r0\ncall 8\nr0 += r8\n";
    let counts = "*(u32 *)(r10 -4) = 1\nr2 = r10\nr2 += -4\nr1 = map[idx:0]\ncall 1
         if r0 == 0 goto none\nr6 = *(u64 *)(r0 +0)\nr6 += 1\n*(u64 *)(r0 +0) = r6
         call 8\nr0 *= 100\nr0 += r6\nnone: exit";
    let updates = "*(u32 *)(r10 -4) = 1\n*(u64 *)(r10 -16) = 9\nr1 = map[idx:0]\nr2 = r10
         r2 += -4\nr3 = r10\nr3 += -16\nr4 = 0\ncall 2\nr8 = r0\ncall 8\nr0 += r8\nexit";
    let leads = "r2 = map[idx:2]\nr3 = 0\ncall 12\nr0 = 7\nexit";
    let per_cpu = |text: &str| with_maps(text, &defs);
    // Without values per CPU the entry asks nothing.
    let asks = program(&format!("{asks}exit"));
    let updates = with_maps(updates, &defs[1..2]);
    for compile in [proven, checked] {
        let [asks, updates] = [&asks, &updates].map(compile);
        let [counts, leads] = [counts, leads].map(|text| compile(&per_cpu(text)));
        let settings = Settings::new().cpus(3);
        let values = AnyMap::<ActiveProfile>::with_settings(defs[0], settings).unwrap();
        let hash = AnyMap::<ActiveProfile>::new(defs[1]).unwrap();
        let targets = ProgArray::<ActiveProfile>::new(defs[2]).unwrap();
        targets.update(&0_u32.to_ne_bytes(), &0_u32.to_ne_bytes(), 0).unwrap();
        let (maps, one): ([&dyn BpfMap; 3], [&dyn BpfMap; 1]) =
            ([&values, &hash, &targets], [&hash]);
        let cpu = OnCpu(AtomicU32::new(0));
        let env = Environment::new().with_platform(&cpu).with_budget(1000);
        let programs = [&counts];
        let jit = JitExecutor::with_env(env.with_maps(&maps)).with_programs(&programs);
        let other = JitExecutor::with_env(env.with_maps(&one));
        let mut stacks: [StackMemory<ActiveProfile>; 4] =
            core::array::from_fn(|_| StackMemory::new());
        let [a, b, c, d] = &mut stacks;
        let mut prepared = [
            other.prepare(&asks, a).unwrap(),
            other.prepare(&updates, b).unwrap(),
            jit.prepare(&counts, c).unwrap(),
            jit.prepare(&leads, d).unwrap(),
        ];
        let mut counted = [0; 3];
        let (mut bytes, known) = ([5; 8], [0, 2, 1, 1, 2, 0]);
        let mut context = BpfContext::bytes(&mut bytes);
        for on in known.into_iter().flat_map(|on| [NOWHERE, on, on]) {
            cpu.0.store(on, Relaxed);
            let results = prepared
                .each_mut()
                .map(|prepared| catch_unwind(AssertUnwindSafe(|| prepared.run(&mut context))).ok());
            assert_eq!(context.with_packet(<[u8]>::len), Ok(8));
            if on == NOWHERE {
                assert_eq!(results, [const { None }; 4]);
                continue;
            }
            let count = &mut counted[usize::try_from(on).unwrap()];
            *count += 2;
            let on = u64::from(on);
            let expected = [2 * on, on, 100 * on + *count - 1, 100 * on + *count];
            assert_eq!(results, expected.map(|result| Some(Ok(result))));
        }
    }
}

/// The values are those of the CPU that a run is on, one with none included, and of the
/// CPU that a tail call's target is on.
#[test]
fn values_per_cpu() {
    for map_type in [MapType::PerCpuArray, MapType::PerCpuHash] {
        let defs = [MapDef::new(map_type, 4, 8, 2), MapDef::new(MapType::ProgArray, 4, 4, 1)];
        let text = format!("r6 = r1\n{COUNT}").replace("r2 = r1", "r2 = r6");
        let leads = "r2 = map[idx:1]\nr3 = 0\ncall 12\nr0 = 0\nexit";
        let [counts, leads] = [text.as_str(), leads].map(|text| with_maps(text, &defs));
        for compile in [proven, checked] {
            let (counts, leads) = (compile(&counts), compile(&leads));
            let settings = Settings::new().cpus(2);
            let map = AnyMap::<ActiveProfile>::with_settings(defs[0], settings).unwrap();
            for index in 0..2_u32 {
                map.update(&index.to_ne_bytes(), &[0; 16], 0).unwrap();
            }
            let targets = ProgArray::<ActiveProfile>::new(defs[1]).unwrap();
            targets.update(&0_u32.to_ne_bytes(), &0_u32.to_ne_bytes(), 0).unwrap();
            let maps: [&dyn BpfMap; 2] = [&map, &targets];
            let cpu = OnCpu(AtomicU32::new(0));
            let env = Environment::new().with_maps(&maps).with_platform(&cpu);
            let programs = [&counts];
            let jit = JitExecutor::with_env(env).with_programs(&programs);
            let (mut one, mut two) = (StackMemory::new(), StackMemory::new());
            let mut counting = jit.prepare(&counts, &mut one).unwrap();
            let mut leading = jit.prepare(&leads, &mut two).unwrap();
            let mut bytes = 1_u32.to_ne_bytes();
            let mut context = BpfContext::bytes(&mut bytes);
            for (on, counted) in [(0, 1), (1, 1), (1, 4), (0, 4), (2, 0), (0, 7_u64)] {
                cpu.0.store(on, Relaxed);
                let counted = |more| Ok(if on == 2 { 0 } else { counted + more });
                assert_eq!(counting.run(&mut context), counted(0), "{map_type:?} {on}");
                assert_eq!(leading.run(&mut context), counted(1), "{map_type:?} {on}");
                assert_eq!(jit.execute(&counts, &context), counted(2), "{map_type:?} {on}");
            }
        }
    }
}
