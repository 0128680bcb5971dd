//! Helpers, packets, maps and tail calls through compiled code.

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;
use std::format;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::vec::Vec;

use bpf_bytecode::abi::context::FieldKind;
use bpf_bytecode::abi::helper::{ArgKind, HelperSig, RetKind, STANDARD, find};
use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_bytecode::text::assemble;
use bpf_bytecode::{BpfProgType, ProgramBuilder};
use bpf_interp::run::StackMemory;
use bpf_interp::{BpfContext, BpfError, BpfExecutor, Environment, Fault, HelperCall};
use bpf_interp::{Helper, Platform, Refusal};
use bpf_maps::{AnyMap, ArrayMap, BpfMap, ProgArray, Settings};
use bpf_profile::ActiveProfile;
use bpf_verifier::{HelperTable, InsnFact, VerifiedInfo, Verifier};

use super::{Compiled, Program, built, checked, execute, program, proven, proven_with, with_maps};
use crate::{CompiledProgram, HostMemory, JitExecutor};

fn proven_in(program: &Program, info: VerifiedInfo) -> Compiled {
    let facts = std::vec![InsnFact::Plain; program.len()];
    let proof = Some((&facts[..], &info));
    built(program, proof)
}

/// The sum of ten times the first byte at R1 and what is in R2 to R5.
fn sum(call: &mut HelperCall<'_, '_>) -> Result<u64, Fault> {
    let mut byte = [0];
    call.read(1, 0, &mut byte)?;
    Ok((2..=5).map(|i| call.arg(i)).sum::<u64>() + 10 * u64::from(byte[0]))
}

const SUM: HelperSig = HelperSig::new(
    5000,
    "sum",
    [ArgKind::MemRead, ArgKind::Size, ArgKind::Anything, ArgKind::Anything, ArgKind::Anything],
    RetKind::Integer,
);

#[test]
fn helpers_get_all_arguments_and_reach_every_frame() {
    // Each function passes a byte of its own frame, the last one of the first's.
    let text = "*(u8 *)(r10 -1) = 1\nr1 = r10\nr1 += -1\nr2 = 1\nr3 = 3\nr4 = 4\nr5 = 5
         call 5000\nr6 = r0\nr1 = r10\nr1 += -1\ncall local f\nr0 += r6\nexit
         f: r6 = r1\n*(u8 *)(r10 -1) = 2\nr1 = r10\nr1 += -1\nr2 = 1\nr3 = 0\nr4 = 0\nr5 = 100
         call 5000\nr7 = r0\nr1 = r6\nr2 = 1\nr3 = 0\nr4 = 0\nr5 = 200\ncall 5000\nr0 += r7\nexit";
    let program = program(text);
    let signatures = [SUM];
    let env = Environment::new().with_helpers(&signatures, &[&sum]).with_budget(1000);
    let info = VerifiedInfo {
        helpers: HelperTable::with(&signatures).expect("numbers only").fingerprint(),
        frames: 2,
        ..VerifiedInfo::default()
    };
    for compiled in [proven_in(&program, info), checked(&program)] {
        let result = JitExecutor::with_env(env).execute(&compiled, &BpfContext::empty());
        assert_eq!(result, Ok((10 + 13) + (20 + 101) + (10 + 201)));
    }
    // Verified against other helpers.
    let result = JitExecutor::new().execute(&proven_in(&program, info), &BpfContext::empty());
    assert_eq!(result, Err(BpfError::Refused(Refusal::HelperMismatch)));
}

/// Another CPU each time that somebody asks, or a panic once there is none left.
struct Wandering {
    next: AtomicU32,
    end: u32,
}

impl Wandering {
    fn from(next: u32, end: u32) -> Self {
        Self { next: AtomicU32::new(next), end }
    }
}

impl Platform for Wandering {
    fn now_ns(&self) -> u64 {
        0x1_0000_0000 + u64::from(self.cpu())
    }

    fn random_u32(&self) -> u32 {
        self.cpu()
    }

    fn cpu(&self) -> u32 {
        let cpu = self.next.fetch_add(1, Relaxed);
        assert_ne!(cpu, self.end);
        cpu
    }
}

/// The difference of what two functions are told, four times, and what they are told.
const ON: &str = "r7 = 4\nr8 = 0\nagain: call 8\nr6 = r0\ncall local f\nr8 <<= 1\nr6 -= r0
     r8 += r6\nr7 += -1\nif r7 != 0 goto again\ncall 8\nr0 += r8\nexit
     f: call 8\nr5 = r0\nif r5 s>= 0 goto +1\nr5 = 77\nexit";

#[test]
fn a_run_asks_once_on_which_cpu_it_is() {
    let program = program(ON);
    for compiled in [proven(&program), checked(&program)] {
        for first in [0, 5, i32::MAX.cast_unsigned() - 1, u32::MAX - 2] {
            let platform = Wandering::from(first, u32::MAX);
            let env = Environment::new().with_platform(&platform).with_budget(1000);
            let (jit, mut stack) = (JitExecutor::with_env(env), StackMemory::new());
            let mut prepared = jit.prepare(&compiled, &mut stack).unwrap();
            assert_eq!(prepared.run(&mut BpfContext::empty()), Ok(first.into()));
            let second = jit.execute(&compiled, &BpfContext::empty());
            assert_eq!(second, Ok(u64::from(first) + 1));
            let run = AssertUnwindSafe(|| prepared.run(&mut BpfContext::empty()));
            let third = catch_unwind(run).ok();
            assert_eq!(third, (first < u32::MAX - 2).then_some(Ok(u64::from(first) + 2)));
        }
    }
}

/// An update asks on which CPU it is, too, if nobody has before, and comes to the platform's
/// panic.
#[test]
fn an_update_asks_on_which_cpu_it_is() {
    let update = "*(u32 *)(r10 -4) = 1\n*(u64 *)(r10 -16) = 9\nr1 = map[idx:0]\nr2 = r10
         r2 += -4\nr3 = r10\nr3 += -16\nr4 = 0\ncall 2\n";
    let text = format!("{update}{update}call 8\nexit");
    for map_type in [MapType::Hash, MapType::Array, MapType::PerCpuArray] {
        let def = MapDef::new(map_type, 4, 8, 2);
        let program = with_maps(&text, &[def]);
        for compiled in [proven(&program), checked(&program)] {
            for (end, expected) in [(0, Some(Ok(3))), (3, None)] {
                let settings = Settings::new().cpus(4);
                let map = AnyMap::<ActiveProfile>::with_settings(def, settings).unwrap();
                let (maps, platform) = ([&map as &dyn BpfMap], Wandering::from(3, end));
                let env = Environment::new().with_maps(&maps).with_platform(&platform);
                let jit = JitExecutor::with_env(env);
                let run = AssertUnwindSafe(|| jit.execute(&compiled, &BpfContext::empty()));
                assert_eq!(catch_unwind(run).ok(), expected, "{map_type:?} {end}");
                let mut bytes = [0; 32];
                let value = map.lookup(&1_u32.to_ne_bytes()).ok();
                value.map(|value| value.copy_to(&mut bytes));
                let set = bytes.contains(&9);
                assert_eq!(set, end == 0, "{map_type:?} {end}");
            }
        }
    }
}

/// What [`ON`] gives where nine questions have the answers from `first` on, by `step`.
fn of_nine(first: u64, step: u64) -> u64 {
    let differences = (0..4).fold(0_u64, |sum, _| (sum << 1).wrapping_sub(step));
    differences.wrapping_add(first).wrapping_add(8 * step)
}

#[test]
fn clock_and_randomness_are_asked_for_each_time() {
    for (call, first) in [("call 5", 0x1_0000_0003), ("call 7", 3)] {
        let program = program(&ON.replace("call 8", call));
        for compiled in [proven(&program), checked(&program)] {
            for (end, expected) in [(0, Some(Ok(of_nine(first, 1)))), (9, None)] {
                let platform = Wandering::from(3, end);
                let env = Environment::new().with_platform(&platform).with_budget(1000);
                let jit = JitExecutor::with_env(env);
                let run = AssertUnwindSafe(|| jit.execute(&compiled, &BpfContext::empty()));
                assert_eq!(catch_unwind(run).ok(), expected, "{call} {end}");
            }
        }
    }
}

#[test]
fn a_kernels_own_helper_is_asked_each_time() {
    for id in [5, 7, 8] {
        let signatures = [HelperSig::new(id, "own", [ArgKind::None; 5], RetKind::Integer)];
        let info = VerifiedInfo {
            helpers: HelperTable::with(&signatures).expect("numbers only").fingerprint(),
            frames: 2,
            ..VerifiedInfo::default()
        };
        let program = program(&ON.replace("call 8", &format!("call {id}")));
        for compiled in [proven_in(&program, info), checked(&program)] {
            let asked = AtomicU32::new(0);
            let own = |_: &mut HelperCall<'_, '_>| {
                Ok(0x1_0000_0000 * u64::from(asked.fetch_add(1, Relaxed)))
            };
            let helpers: [&dyn Helper; 1] = [&own];
            let env = Environment::new().with_helpers(&signatures, &helpers).with_budget(1000);
            let result = JitExecutor::with_env(env).execute(&compiled, &BpfContext::empty());
            assert_eq!(result, Ok(of_nine(0, 1 << 32)), "{id}");
            assert_eq!(asked.into_inner(), 9, "{id}");
        }
    }
}

/// A kernel's own helper in place of one that needs no run finds the program's memory, in a
/// program that was prepared, too.
#[test]
fn a_kernels_own_helper_finds_memory() {
    let signatures = [*find(STANDARD, 2).expect("an update")];
    let own = |call: &mut HelperCall<'_, '_>| {
        let mut key = [0; 4];
        call.read(2, 0, &mut key)?;
        Ok(u32::from_ne_bytes(key).into())
    };
    let helpers: [&dyn Helper; 1] = [&own];
    let info = VerifiedInfo {
        helpers: HelperTable::with(&signatures).expect("an integer").fingerprint(),
        frames: 1,
        ..VerifiedInfo::default()
    };
    let defs = [MapDef::new(MapType::Hash, 4, 8, 1)];
    let map = AnyMap::<ActiveProfile>::new(defs[0]).unwrap();
    let maps: [&dyn BpfMap; 1] = [&map];
    let env = Environment::new().with_maps(&maps).with_budget(1000);
    let env = env.with_helpers(&signatures, &helpers);
    let text = "*(u32 *)(r10 -4) = 7\n*(u64 *)(r10 -16) = 1\nr1 = map[idx:0]\nr2 = r10\nr2 += -4
         r3 = r10\nr3 += -16\nr4 = 0\ncall 2\nexit";
    let program = with_maps(text, &defs);
    let mut facts = std::vec![InsnFact::Plain; program.len()];
    facts[3] = InsnFact::Unreached;
    for compiled in [built(&program, Some((&facts[..], &info))), checked(&program)] {
        let (jit, mut stack) = (JitExecutor::with_env(env), StackMemory::new());
        let mut prepared = jit.prepare(&compiled, &mut stack).unwrap();
        for _ in 0..2 {
            assert_eq!(prepared.run(&mut BpfContext::empty()), Ok(7));
        }
    }
}

/// Sums and copies that were put off when the platform is asked, some of registers that the
/// question takes: in the first round it is asked, in the second the CPU is known.
#[test]
fn what_is_read_behind_a_question_outlives_it() {
    for id in [5, 7, 8] {
        let text = format!(
            "r9 = r1\nr8 = 2\nr0 = 0\nagain: r1 = *(u32 *)(r9 +0)\nr5 = *(u32 *)(r9 +4)
             r6 = r1\nr6 += 3\nr7 = r5\nr7 += r1\nr7 <<= 2\nr0 += r6\n*(u64 *)(r10 -8) = r0
             call {id}\nr0 = *(u64 *)(r10 -8)\nr0 *= 100\nr0 += r6\nr0 += r7\nr8 += -1
             if r8 != 0 goto again\nexit"
        );
        let program = program(&text);
        for compiled in [proven(&program), checked(&program)] {
            let platform = Wandering::from(0, u32::MAX);
            let env = Environment::new().with_platform(&platform).with_budget(1000);
            let mut bytes = [4, 0, 0, 0, 5, 0, 0, 0];
            let context = BpfContext::bytes(&mut bytes);
            let result = JitExecutor::with_env(env).execute(&compiled, &context);
            assert_eq!(result, Ok((743 + 7) * 100 + 43), "{id}");
        }
    }
}

#[test]
fn a_fault_in_a_helper_stops_the_program_there() {
    let text = "r6 = 0\ncall local f\nr0 = 1\nexit\nf: r1 = 8\nr2 = 1\ncall 5000\nr0 = 2\nexit";
    let program = program(text);
    let signatures = [SUM];
    let env = Environment::new().with_helpers(&signatures, &[&sum]);
    let info = VerifiedInfo {
        helpers: HelperTable::with(&signatures).expect("numbers only").fingerprint(),
        frames: 2,
        ..VerifiedInfo::default()
    };
    for compiled in [proven_in(&program, info), checked(&program)] {
        let result = JitExecutor::with_env(env).execute(&compiled, &BpfContext::empty());
        let fault = Fault::Memory { addr: 8, size: 1 };
        assert_eq!(result, Err(BpfError::Fault { pc: 6, fault }));
    }
}

#[test]
fn the_packet_and_its_bounds() {
    let text = "r6 = r1\nr2 = 2\ncall 44\nr2 = *(u32 *)(r6 +4)\nr1 = *(u32 *)(r6 +0)
         r3 = r2\nr3 -= r1\nr0 = *(u8 *)(r1 +0)\n*(u8 *)(r1 +1) = 99\nr0 <<= 8\nr0 += r3\nexit";
    let program = with_maps(text, &[]);
    let mut facts = std::vec![InsnFact::Plain; program.len()];
    facts[3] = InsnFact::ContextPointer(FieldKind::PacketEnd);
    facts[4] = InsnFact::ContextPointer(FieldKind::PacketData);
    for compiled in [proven_with(&program, &facts), checked(&program)] {
        let mut packet: Vec<u8> = (0..64).collect();
        let context = BpfContext::xdp(&mut packet);
        assert_eq!(execute(&compiled, &context), Ok(2 * 256 + 62));
        assert_eq!(context.with_packet(|packet| packet[1]), Ok(99));
    }
}

#[test]
fn legacy_loads_end_the_function_where_the_packet_ends() {
    let text = "r6 = r1\nr7 = 2\nr0 = *(u16 *)skb[0]\nr8 = r0\nr0 = *(u32 *)skb[r7 + 1]
         r8 += r0\ncall local f\nr0 += r8\nexit\nf: r0 = *(u8 *)skb[r7 -1]\nexit";
    let insns = assemble::<ActiveProfile>(text).unwrap();
    let program = ProgramBuilder::new(BpfProgType::SocketFilter).insns(&insns).build().unwrap();
    let helpers = HelperTable::standard().fingerprint();
    let info = VerifiedInfo { frames: 2, helpers, ..VerifiedInfo::default() };
    for compiled in [proven_in(&program, info), checked(&program)] {
        let mut packet = [1, 2, 3, 4, 5, 6, 7, 8];
        let result = execute(&compiled, &BpfContext::socket(&mut packet));
        assert_eq!(result, Ok(0x0102 + 0x0405_0607 + 2));
        let mut short = [1, 2, 3, 4, 5, 6];
        let result = execute(&compiled, &BpfContext::socket(&mut short));
        assert_eq!(result, Ok(0));
    }
    // In a function: its caller goes on.
    let text = "r6 = r1\ncall local f\nr0 += 9\nexit
         f: r0 = *(u8 *)skb[5]\nr0 = 7\nexit";
    let insns = assemble::<ActiveProfile>(text).unwrap();
    let program = ProgramBuilder::new(BpfProgType::SocketFilter).insns(&insns).build().unwrap();
    for compiled in [proven_in(&program, info), checked(&program)] {
        for (len, expected) in [(6, 16), (5, 9)] {
            let mut packet = [1, 2, 3, 4, 5, 6];
            let result = execute(&compiled, &BpfContext::socket(&mut packet[..len]));
            assert_eq!(result, Ok(expected));
        }
    }
}

/// What takes over in a function returns to the function's caller, whose registers,
/// stack and zeros are as they were.
#[test]
fn tail_calls_in_functions() {
    let def = MapDef::new(MapType::ProgArray, 4, 4, 1);
    let caller = "r6 = 40\nr7 = r10\n*(u64 *)(r10 -8) = 100\ncall local f\nr6 += r0
         call local g\nr0 += r6\nr1 = *(u64 *)(r7 -8)\nr0 += r1\nexit
         f: r2 = map[idx:0]\nr3 = 0\ncall 12\nr0 = 5000\nexit
         g: call local zeros\nexit
         zeros: r0 = *(u64 *)(r10 -16)\nexit";
    let target = "r6 = 1\nr7 = 2\nr8 = 3\nr9 = 4\n*(u64 *)(r10 -8) = r8\n*(u64 *)(r10 -16) = r8
         call local h\nr0 += r6\nr7 += r9\nexit
         h: r6 = 9\n*(u64 *)(r10 -8) = r6\n*(u64 *)(r10 -16) = r6\nr0 = 1\nexit";
    let wide = "r6 = r1\ncall local f\nr7 = r0\nr1 = r6\ncall local f\nr0 += r7\nr0 += 1\nexit
         f: r2 = map[idx:0]\nr3 = 0\ncall 12\nr0 = 0\nexit";
    let verified = |program: &Program| {
        let verified = Verifier::<ActiveProfile>::new().verify_program(program).unwrap();
        CompiledProgram::compile(&verified, &HostMemory).unwrap()
    };
    let [caller, target, wide] = [caller, target, wide].map(|text| with_maps(text, &[def]));
    let run = |first: &Compiled, next: &Compiled| {
        let map = ProgArray::<ActiveProfile>::new(def).unwrap();
        map.update(&0_u32.to_ne_bytes(), &0_u32.to_ne_bytes(), 0).unwrap();
        let maps: [&dyn BpfMap; 1] = [&map];
        let programs = [next];
        let env = Environment::new().with_maps(&maps);
        let jit = JitExecutor::with_env(env).with_programs(&programs);
        let mut packet = [0; 64];
        jit.execute(first, &BpfContext::xdp(&mut packet))
    };
    assert_eq!(run(&verified(&caller), &verified(&target)), Ok(142));
    // One that calls nothing keeps the registers of whoever is returned to by itself.
    let closed = "r6 = 1\nr7 = 2\nr8 = 3\nr9 = r1\n*(u64 *)(r10 -8) = r8\n*(u64 *)(r10 -16) = r8
         r1 = *(u32 *)(r9 +0)\nr2 = *(u32 *)(r9 +4)\nr2 -= r1\nr0 = *(u64 *)(r10 -8)\nr0 += r2
         r0 -= 65\nexit";
    assert_eq!(run(&verified(&caller), &verified(&with_maps(closed, &[def]))), Ok(142));
    assert_eq!(run(&checked(&caller), &checked(&target)), Ok(142));
    let wide = verified(&wide);
    assert_eq!(run(&wide, &wide), Ok(34));
}

#[test]
fn values_of_maps_by_address_and_by_lookup() {
    let def = MapDef::new(MapType::Array, 4, 8, 1);
    let text = "r6 = map[idx:0][0]+0\nr1 = 40\n*(u64 *)(r6 +0) = r1\n*(u32 *)(r10 -4) = 0
         r1 = map[idx:0]\nr2 = r10\nr2 += -4\ncall 1\nif r0 == 0 goto out
         r1 = *(u64 *)(r0 +0)\nr1 += 2\n*(u64 *)(r6 +0) = r1\nr0 = r1\nout: exit";
    let insns = match assemble::<ActiveProfile>(text) {
        Ok(insns) => insns,
        Err(e) => panic!("{e}"),
    };
    let program = ProgramBuilder::new(BpfProgType::Xdp).insns(&insns).map(def).build().unwrap();
    for compiled in [proven(&program), checked(&program)] {
        let map = ArrayMap::<ActiveProfile>::new(def).unwrap();
        let maps: [&dyn BpfMap; 1] = [&map];
        let env = Environment::new().with_maps(&maps);
        let jit = JitExecutor::with_env(env);
        assert_eq!(jit.execute(&compiled, &BpfContext::empty()), Ok(42));
        assert_eq!(map.lookup(&0_u32.to_ne_bytes()).unwrap().u64(), Some(42));
        let missing = JitExecutor::new().execute(&compiled, &BpfContext::empty());
        assert_eq!(missing, Err(BpfError::Refused(Refusal::MapMissing { index: 0 })));
    }
}

#[test]
fn tail_calls() {
    let def = MapDef::new(MapType::ProgArray, 4, 4, 4);
    // Jumps to itself until the limit stops it, with a count in the packet.
    let again = "r6 = r1\nr7 = *(u32 *)(r1 +0)\nr8 = *(u8 *)(r7 +0)\nr8 += 1\n*(u8 *)(r7 +0) = r8
         r2 = map[idx:0]\nr3 = 1\ncall 12\nr0 = r8\nexit";
    let first = "r6 = 6\nr2 = map[idx:0]\nr3 = 3\ncall 12\nr3 = 1\nr2 = map[idx:0]\ncall 12\nexit";
    let (again, first) = (with_maps(again, &[def]), with_maps(first, &[def]));
    let mut facts = std::vec![InsnFact::Plain; again.len()];
    facts[1] = InsnFact::ContextPointer(FieldKind::PacketData);
    let sets = [[proven(&first), proven_with(&again, &facts)], [checked(&first), checked(&again)]];
    for [first, again] in &sets {
        let map = ProgArray::<ActiveProfile>::new(def).unwrap();
        map.update(&1_u32.to_ne_bytes(), &0_u32.to_ne_bytes(), 0).unwrap();
        let maps: [&dyn BpfMap; 1] = [&map];
        let programs = [again];
        let env = Environment::new().with_maps(&maps).with_budget(10_000);
        let jit = JitExecutor::with_env(env).with_programs(&programs);
        let mut packet = [0; 64];
        assert_eq!(jit.execute(first, &BpfContext::xdp(&mut packet)), Ok(33));
        let mut packet = [0; 64];
        assert_eq!(jit.execute(again, &BpfContext::xdp(&mut packet)), Ok(34));
    }
    // Verified programs go on with verified ones only.
    let map = ProgArray::<ActiveProfile>::new(def).unwrap();
    map.update(&1_u32.to_ne_bytes(), &0_u32.to_ne_bytes(), 0).unwrap();
    let maps: [&dyn BpfMap; 1] = [&map];
    let programs = [&sets[1][1]];
    let env = Environment::new().with_maps(&maps);
    let jit = JitExecutor::with_env(env).with_programs(&programs);
    let mut packet = [0; 64];
    let _ = jit.execute(&sets[0][0], &BpfContext::xdp(&mut packet));
    assert_eq!(packet[0], 0);
}
