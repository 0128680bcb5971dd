//! Values of maps by address and by lookup, in proven code and beside it in
//! checked code, which asks the host for everything.

use std::fmt::Write;
use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

use bpf_bytecode::abi::frozen::FrozenBytes;
use bpf_bytecode::abi::helper::{ArgKind, HelperSig, RetKind, id};
use bpf_bytecode::abi::map::flags::{
    BPF_ANY, BPF_EXIST, BPF_F_NO_PREALLOC, BPF_F_RDONLY_PROG, BPF_NOEXIST,
};
use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_bytecode::text::assemble;
use bpf_bytecode::{BpfProgType, ProgramBuilder};
use bpf_interp::run::StackMemory;
use bpf_interp::{BpfContext, BpfExecutor, BpfResult, Environment, Helper, HelperCall};
use bpf_maps::{AnyMap, ArrayMap, BpfMap, ProgArray};
use bpf_profile::ActiveProfile;
use bpf_verifier::{HelperTable, InsnFact, VerifiedInfo, Verifier};

use super::{Compiled, Program, built, checked, hardened, proven, with_maps};
use crate::{CompiledProgram, HostMemory, JitExecutor};

/// Runs both forms of a program in an environment, and expects the same of both.
#[track_caller]
fn both(program: &Program, maps: &[&dyn BpfMap], bytes: &[u8]) -> BpfResult {
    let env = Environment::new().with_maps(maps);
    let run = |compiled: &Compiled| {
        super::decode::assert_sound(compiled);
        let mut bytes = bytes.to_vec();
        JitExecutor::with_env(env).execute(compiled, &BpfContext::bytes(&mut bytes))
    };
    let result = run(&checked(program));
    assert_eq!(run(&proven(program)), result);
    for (way, compiled) in hardened::ways(program) {
        assert_eq!(run(&compiled), result, "{way}");
    }
    result
}

/// Looks up the 32 bits of the context as a key, and gives the value's first byte
/// and a hundred, or 7 where there is none.
const LOOKUP: &str = "r2 = r1\nr1 = map[idx:0]\ncall 1\nif r0 == 0 goto none
     r0 = *(u8 *)(r0 +0)\nr0 += 100\nexit\nnone: r0 = 7\nexit";

/// The same, with the comparison the other way round.
const LOOKUP_OTHERWISE: &str = "r6 = map[idx:0]\nr2 = r1\nr1 = r6\ncall 1\nif r0 != 0 goto found
     r0 = 7\nexit\nfound: r0 = *(u8 *)(r0 +0)\nr0 += 100\nexit";

/// The same, with the comparison later, and an address of the key in R0.
const LOOKUP_LATER: &str = "r0 = r1\nr1 = map[idx:0]\nr2 = r0\ncall 1\nr3 = r0\nr0 = 7
     if r3 == 0 goto +2\nr0 = *(u8 *)(r3 +0)\nr0 += 100\nexit";

/// The same, where null is seen by 32 bits, as no map's value has such an address.
const LOOKUP_NARROW: &str = "r2 = r1\nr1 = map[idx:0]\ncall 1\nr8 = r0\nif w0 != 0 goto +2
     r0 = 7\nexit\nr0 = *(u8 *)(r8 +0)\nr0 += 100\nexit";

#[test]
fn elements_of_arrays_of_every_size_and_behind_a_resize() {
    for value_size in [1, 4, 8, 12, 16, 24, 100] {
        let def = MapDef::new(MapType::Array, 4, value_size, 10);
        let map = ArrayMap::<ActiveProfile>::new(def).unwrap();
        let set = |index: u8| {
            let mut value = vec![0; map.host_value_size()];
            value[0] = index;
            let key = u32::from(index).to_ne_bytes();
            map.update(&key, &value, 0).is_ok()
        };
        for text in [LOOKUP, LOOKUP_OTHERWISE, LOOKUP_LATER, LOOKUP_NARROW] {
            let program = with_maps(text, &[def]);
            let at = |index: u32| both(&program, &[&map], &index.to_ne_bytes());
            assert!((0..10).all(set));
            assert_eq!([at(0), at(9), at(10), at(u32::MAX)], [Ok(100), Ok(109), Ok(7), Ok(7)]);
            // Of the first block there is less, and then all of it again.
            map.resize(5).unwrap();
            assert_eq!([at(4), at(5), at(9)], [Ok(104), Ok(7), Ok(7)]);
            map.resize(8).unwrap();
            assert_eq!([at(4), at(5), at(8)], [Ok(104), Ok(100), Ok(7)]);
            // There is more, in another block.
            map.resize(40).unwrap();
            assert!((0..40).all(set));
            assert_eq!([at(9), at(10), at(39), at(40)], [Ok(109), Ok(110), Ok(139), Ok(7)]);
            map.resize(10).unwrap();
        }
    }
}

#[test]
fn keys_of_every_size() {
    for (map_type, sizes) in [
        (MapType::Hash, &[1, 3, 4, 7, 8, 12, 15, 16, 17, 64, 65, 512][..]),
        (MapType::LruHash, &[4, 8, 12, 16]),
        (MapType::LpmTrie, &[5, 8, 12]),
        (MapType::PerCpuHash, &[4, 8]),
        (MapType::PerCpuArray, &[4]),
    ] {
        for &size in sizes {
            let flags = if map_type == MapType::LpmTrie { BPF_F_NO_PREALLOC } else { 0 };
            let def = MapDef::new(map_type, size, 8, 20).with_flags(flags);
            let map = AnyMap::<ActiveProfile>::new(def).unwrap();
            let key: Vec<u8> = match map_type {
                MapType::LpmTrie => [8, 0, 0, 0, 1].into_iter().chain(vec![0; 60]).collect(),
                MapType::PerCpuArray => vec![1, 0, 0, 0],
                _ => (1..=255).cycle().take(512).collect(),
            };
            let key = &key[..usize::try_from(size).unwrap()];
            map.update(key, &5_u64.to_ne_bytes(), 0).unwrap();
            for text in [LOOKUP, LOOKUP_OTHERWISE, LOOKUP_LATER] {
                let program = with_maps(text, &[def]);
                assert_eq!(both(&program, &[&map], key), Ok(105), "{map_type:?} {size}");
                let other: Vec<u8> = key.iter().map(|byte| byte ^ 0x40).collect();
                assert_eq!(both(&program, &[&map], &other), Ok(7), "{map_type:?} {size}");
            }
            if matches!(map_type, MapType::LpmTrie | MapType::PerCpuArray) {
                continue;
            }
            // Every byte counts, and in its place.
            let program = with_maps(LOOKUP, &[def]);
            let (proven, checked) = (proven(&program), checked(&program));
            let maps: [&dyn BpfMap; 1] = [&map];
            let jit = JitExecutor::with_env(Environment::new().with_maps(&maps));
            for at in (0..key.len()).take(20) {
                let mut other = key.to_vec();
                other[at] ^= 1;
                for compiled in [&proven, &checked] {
                    let result = jit.execute(compiled, &BpfContext::bytes(&mut other));
                    assert_eq!(result, Ok(7), "{map_type:?} {size} {at}");
                }
            }
        }
    }
}

/// Sets the value of the key in the context, and gives what that returned.
fn update(flags: u64) -> String {
    format!(
        "r6 = r1\nr7 = 66\n*(u64 *)(r10 -8) = r7\nr2 = r6\nr3 = r10\nr3 += -8\nr4 = {flags}
         r1 = map[idx:0]\ncall 2\nexit"
    )
}

#[test]
fn updates_of_every_kind() {
    for (map_type, sizes) in [
        (MapType::Hash, &[1, 4, 7, 8, 12, 16, 64, 65, 512][..]),
        (MapType::LruHash, &[4, 12, 16]),
        (MapType::PerCpuHash, &[4, 8]),
        (MapType::Array, &[4]),
        (MapType::PerCpuArray, &[4]),
    ] {
        for &size in sizes {
            let def = MapDef::new(map_type, size, 8, 20);
            let map = AnyMap::<ActiveProfile>::new(def).unwrap();
            let array = matches!(map_type, MapType::Array | MapType::PerCpuArray);
            let mut key = vec![if array { 0 } else { 9 }; usize::try_from(size).unwrap()];
            key[0] = 3;
            let failed = |error: i64| Ok(error.wrapping_neg().cast_unsigned());
            let run = |text: &str| both(&with_maps(text, &[def]), &[&map], &key);
            let absent = if array { Ok(0) } else { failed(2) };
            for (flags, expected) in [
                (BPF_EXIST, absent),
                (BPF_ANY, Ok(0)),
                (BPF_NOEXIST, failed(17)),
                (BPF_EXIST, Ok(0)),
            ] {
                assert_eq!(run(&update(flags)), expected, "{map_type:?} {size} {flags}");
            }
            assert_eq!(run(LOOKUP), Ok(166), "{map_type:?} {size}");
        }
    }
}

#[test]
fn what_is_read_behind_a_lookup_outlives_it() {
    let def = MapDef::new(MapType::Array, 4, 8, 4);
    let map = ArrayMap::<ActiveProfile>::new(def).unwrap();
    // Sums that are put off when the lookup comes, found and not found.
    for (index, expected) in [(1, 5 + 8 + 11), (9, 5 + 8 + 10)] {
        let text = format!(
            "r6 = 5\nr7 = r6\nr7 += 3\nr8 = r6\nr8 <<= 1\n*(u32 *)(r10 -8) = {index}
             r2 = r10\nr2 += -8\nr1 = map[idx:0]\ncall 1\nif r0 == 0 goto +1\nr8 += 1
             r0 = r6\nr0 += r7\nr0 += r8\nexit"
        );
        assert_eq!(both(&with_maps(&text, &[def]), &[&map], &[]), Ok(expected));
    }
}

#[test]
fn addresses_of_values_and_more_maps_than_links() {
    let count = crate::lower::MAX_LINKS + 3;
    let defs = vec![MapDef::new(MapType::Array, 4, 64, 1); count];
    let maps: Vec<_> = defs.iter().map(|def| AnyMap::<ActiveProfile>::new(*def).unwrap()).collect();
    let maps: Vec<&dyn BpfMap> = maps.iter().map(|map| map as &dyn BpfMap).collect();
    let mut text = String::from("r0 = 0\n");
    for index in 0..count {
        write!(
            text,
            "r1 = map[idx:{index}][0]+8\nr2 = r1\nr1 += 8\n*(u64 *)(r1 +8) = {index}
             r3 = *(u64 *)(r2 +16)\nr0 += r3\n*(u32 *)(r10 -4) = 0\nr6 = r0
             r1 = map[idx:{index}]\nr2 = r10\nr2 += -4\ncall 1\nif r0 != 0 goto +2\nr0 = 0\nexit
             r3 = *(u64 *)(r0 +24)\nr0 = r6\nr0 += r3\n"
        )
        .unwrap();
    }
    text += "exit";
    let sum = u64::try_from(count * (count - 1)).unwrap();
    assert_eq!(both(&with_maps(&text, &defs), &maps, &[]), Ok(sum));
}

/// What a session finds out about a map at the first call is used by those behind it.
#[test]
fn many_maps_looked_up_and_updated_again_and_again_in_one_run() {
    let types = [MapType::Hash, MapType::LruHash, MapType::PerCpuHash, MapType::PerCpuArray];
    let defs: Vec<_> = (0..crate::lower::MAX_LINKS + 4)
        .map(|index| {
            let map_type = types[index / 4 % 4];
            let array = map_type == MapType::PerCpuArray;
            MapDef::new(map_type, if array { 4 } else { [4, 8, 16, 7][index % 4] }, 8, 3)
        })
        .collect();
    let mut text = String::from("*(u64 *)(r10 -16) = 2\n*(u64 *)(r10 -8) = 0\nr6 = 0\n");
    for round in 0..3 {
        for index in 0..defs.len() {
            // What was set in the round before, or 5, and what setting it again returns.
            write!(
                text,
                "r2 = r10\nr2 += -16\nr1 = map[idx:{index}]\ncall 1\nr6 *= 3
                 if r0 == 0 goto +2\nr3 = *(u64 *)(r0 +0)\nr6 += r3
                 *(u64 *)(r10 -24) = {}\nr2 = r10\nr2 += -16\nr3 = r10\nr3 += -24\nr4 = {round}
                 r1 = map[idx:{index}]\ncall 2\nr6 += r0\n",
                100 * round + index
            )
            .unwrap();
        }
    }
    text += "r0 = r6\nexit";
    let program = with_maps(&text, &defs);
    let run = |compiled: &Compiled| {
        let maps = defs.iter().map(|def| AnyMap::<ActiveProfile>::new(*def).unwrap());
        let maps: Vec<_> = maps.collect();
        for map in maps.iter().filter(|map| map.def().map_type != MapType::Hash) {
            let mut key = vec![0; map.def().key_size.try_into().unwrap()];
            key[0] = 2;
            map.update(&key, &5_u64.to_ne_bytes(), 0).unwrap();
        }
        let maps: Vec<&dyn BpfMap> = maps.iter().map(|map| map as &dyn BpfMap).collect();
        let jit = JitExecutor::with_env(Environment::new().with_maps(&maps));
        let mut stack = StackMemory::new();
        let mut prepared = jit.prepare(compiled, &mut stack).unwrap();
        let mut context = BpfContext::empty();
        [prepared.run(&mut context), prepared.run(&mut context)]
    };
    let results = run(&checked(&program));
    assert!(results[0].is_ok() && results[1].is_ok() && results[0] != results[1], "{results:?}");
    assert_eq!(run(&proven(&program)), results);
}

#[test]
fn lookups_and_updates_of_the_kernels_own() {
    let [value, flags] = [ArgKind::MapValue, ArgKind::Anything];
    let signatures =
        [(id::MAP_LOOKUP_ELEM, [ArgKind::None; 2]), (id::MAP_UPDATE_ELEM, [value, flags])].map(
            |(id, [third, fourth])| {
                let args = [ArgKind::Map, ArgKind::MapKey, third, fourth, ArgKind::None];
                HelperSig::new(id, "own", args, RetKind::Integer)
            },
        );
    let own = |call: &mut HelperCall<'_, '_>| {
        let mut key = [0; 4];
        call.read(2, 0, &mut key)?;
        Ok(u64::from(u32::from_ne_bytes(key)) + 1000)
    };
    let helpers: [&dyn Helper; 2] = [&own, &own];
    // Both of them, and each by itself.
    for (map_type, id, signatures) in [
        (MapType::Array, 1, &signatures[..]),
        (MapType::Hash, 1, &signatures[..1]),
        (MapType::Array, 2, &signatures[..]),
        (MapType::Hash, 2, &signatures[1..]),
    ] {
        let info = VerifiedInfo {
            helpers: HelperTable::with(signatures).expect("numbers only").fingerprint(),
            frames: 1,
            ..VerifiedInfo::default()
        };
        let def = MapDef::new(map_type, 4, 8, 4);
        let map = AnyMap::<ActiveProfile>::new(def).unwrap();
        let maps: [&dyn BpfMap; 1] = [&map];
        let env = Environment::new().with_maps(&maps).with_helpers(signatures, &helpers);
        let program = with_maps(
            &format!("r2 = r1\nr3 = r1\nr4 = 0\nr1 = map[idx:0]\ncall {id}\nexit"),
            &[def],
        );
        let facts = vec![InsnFact::Plain; program.len()];
        let proof = Some((&facts[..], &info));
        let proven = built(&program, proof);
        for compiled in [proven, checked(&program)] {
            let mut key = 3_u32.to_ne_bytes();
            let result =
                JitExecutor::with_env(env).execute(&compiled, &BpfContext::bytes(&mut key));
            assert_eq!(result, Ok(1003));
        }
    }
}

/// Runs both forms of two programs that write to two arrays, the second of which is
/// tail-called, and gives what the arrays hold at the end.
#[track_caller]
fn values_after(first: &str, second: &str, expected: u64) -> Vec<[Option<u64>; 2]> {
    let defs = [
        MapDef::new(MapType::ProgArray, 4, 4, 2),
        MapDef::new(MapType::Array, 4, 8, 1),
        MapDef::new(MapType::Array, 4, 8, 1),
    ];
    let [first, second] = [first, second].map(|text| with_maps(text, &defs));
    let targets = ProgArray::<ActiveProfile>::new(defs[0]).unwrap();
    targets.update(&0_u32.to_ne_bytes(), &0_u32.to_ne_bytes(), 0).unwrap();
    let verified = |program: &Program| {
        let verified = Verifier::<ActiveProfile>::new().verify_program(program).unwrap();
        CompiledProgram::compile(&verified, &HostMemory).unwrap()
    };
    let forms = [[verified(&first), verified(&second)], [checked(&first), checked(&second)]];
    let values = forms.map(|[first, second]| {
        let [one, two] = [1, 2].map(|at| ArrayMap::<ActiveProfile>::new(defs[at]).unwrap());
        let maps: [&dyn BpfMap; 3] = [&targets, &one, &two];
        let programs = [&second];
        let jit =
            JitExecutor::with_env(Environment::new().with_maps(&maps)).with_programs(&programs);
        assert_eq!(jit.execute(&first, &BpfContext::empty()), Ok(expected));
        [&one, &two].map(|map| map.lookup(&0_u32.to_ne_bytes()).unwrap().u64())
    });
    values.to_vec()
}

#[test]
fn a_tail_call_has_links_of_its_own() {
    let values = values_after(
        "r6 = map[idx:1][0]+0\n*(u64 *)(r6 +0) = 1\nr2 = map[idx:0]\nr3 = 0\ncall 12\nr0 = 9\nexit",
        "r6 = map[idx:2][0]+0\n*(u64 *)(r6 +0) = 2\nr0 = 3\nexit",
        3,
    );
    assert_eq!(values, [[Some(1), Some(2)]; 2]);
}

/// A target returns to whoever called the function that made the tail call.
#[test]
fn links_are_still_there_when_a_tail_call_returns() {
    let values = values_after(
        "call local f\nr6 = map[idx:1][0]+0\n*(u64 *)(r6 +0) = r0\nexit
         f: r2 = map[idx:0]\nr3 = 0\ncall 12\nr0 = 9\nexit",
        "r6 = map[idx:2][0]+0\n*(u64 *)(r6 +0) = 2\nr0 = 3\nexit",
        3,
    );
    assert_eq!(values, [[Some(3), Some(2)]; 2]);
}

#[test]
fn constants_that_the_proof_rests_on() {
    let def = MapDef::new(MapType::Array, 4, 32, 1).with_flags(BPF_F_RDONLY_PROG);
    let contents = FrozenBytes::from_static(&[
        1, 2, 3, 0x84, 5, 6, 7, 8, 0x89, 10, 11, 12, 13, 14, 15, 0xf0, 17,
    ]);
    let text = "r1 = map[idx:0][0]+4\nr0 = *(u32 *)(r1 -4)\nr2 = *(s8 *)(r1 +4)\nr0 += r2
         r2 = *(u64 *)(r1 +4)\nr0 ^= r2\nr2 = *(u16 *)(r1 +12)\nr0 += r2\nr3 = 5\nr1 += r3
         r2 = *(u8 *)(r1 +0)\nr0 += r2\nr1 = map[idx:0][0]+0\nr1 = *(s16 *)(r1 +15)\nr0 += r1
         r1 = map[idx:0][0]+0\nr2 = *(u64 *)(r1 +24)\nr0 += r2\nexit";
    let insns = assemble::<ActiveProfile>(text).unwrap();
    let program = ProgramBuilder::new(BpfProgType::Xdp).insns(&insns);
    let program = program.frozen_map(def, contents.clone()).build().unwrap();
    let info = |known_maps| VerifiedInfo {
        helpers: HelperTable::standard().fingerprint(),
        frames: 1,
        known_maps,
        ..VerifiedInfo::default()
    };
    let map = ArrayMap::<ActiveProfile>::new(def).unwrap().freeze(contents).unwrap();
    let maps: [&dyn BpfMap; 1] = [&map];
    let facts = vec![InsnFact::Plain; program.len()];
    let mut compiled: Vec<_> = [info(1), info(0)]
        .iter()
        .map(|info| {
            let proof = Some((&facts[..], info));
            built(&program, proof)
        })
        .collect();
    let [folded, loaded] = [0, 1].map(|at: usize| compiled[at].code().len());
    assert!(folded < loaded, "{folded} bytes with constants, {loaded} without");
    compiled.push(checked(&program));
    let expected = {
        let r0 = 0x8403_0201_u64.wrapping_add(i64::from(0x89_u8.cast_signed()).cast_unsigned());
        let r0 = (r0 ^ 0xf00f_0e0d_0c0b_0a89).wrapping_add(17).wrapping_add(10);
        r0.wrapping_add(0x11f0)
    };
    for compiled in compiled {
        let jit = JitExecutor::with_env(Environment::new().with_maps(&maps));
        assert_eq!(jit.execute(&compiled, &BpfContext::empty()), Ok(expected));
    }
}
