//! Programs that nobody has verified do no harm, in any mode: what the CPU would
//! trap at, accesses to everywhere, calls without an end.

use std::borrow::ToOwned;
use std::string::String;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{format, vec};

use bpf_bytecode::abi::helper::{ArgKind, HelperSig, RetKind};
use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_interp::{BpfContext, BpfError, BpfExecutor, BpfResult, Environment, Fault};
use bpf_interp::{Helper, HelperCall};
use bpf_maps::{BpfMap, ProgArray};
use bpf_profile::ActiveProfile;
use bpf_verifier::{HelperTable, InsnFact, StackPolicy, VerifiedInfo};

use super::{Compiled, Program, built, checked, hardened, program, with_maps};
use crate::JitExecutor;

fn ways(program: &Program) -> [Compiled; 2] {
    [checked(program), hardened::checked(program)]
}

/// Runs a program in each way, with R1 and R2 those of a context of 16 bytes.
fn results(program: &Program, env: Environment<'_>) -> [BpfResult; 2] {
    ways(program).map(|compiled| {
        let mut bytes = [1; 16];
        JitExecutor::with_env(env).execute(&compiled, &BpfContext::bytes(&mut bytes))
    })
}

#[test]
fn what_the_cpu_traps_at_has_a_result() {
    for (op, by, expected) in [
        ("/", "0", 0),
        ("%", "0", 1 << 63),
        ("s/", "0", 0),
        ("s%", "0", 1 << 63),
        ("s/", "-1", 1 << 63),
        ("s%", "-1", 0),
    ] {
        for operand in [by.to_owned(), "r3".to_owned()] {
            let text = format!("r0 = 0x8000000000000000 ll\nr3 = {by}\nr0 {op}= {operand}\nexit");
            let program = program(&text);
            assert_eq!(results(&program, Environment::new()), [Ok(expected); 2], "{text}");
        }
        let text = format!("w0 = 0x80000000\nw3 = {by}\nw0 {op}= w3\nexit");
        let narrow = if expected == 0 { 0 } else { 1 << 31 };
        assert_eq!(results(&program(&text), Environment::new()), [Ok(narrow); 2], "{text}");
    }
}

#[test]
fn accesses_to_everywhere_are_refused() {
    let places = [
        "0",
        "-1",
        "1",
        "0x1000",
        "0x7fffffffffff",
        "0x800000000000",
        "0xffff800000000000",
        "0xfffffffffffffff8",
    ];
    for place in places {
        for access in [
            "r0 = *(u8 *)(r3 +0)",
            "r0 = *(u64 *)(r3 -7)",
            "*(u32 *)(r3 +32767) = 7",
            "*(u64 *)(r3 -32768) = r3",
            "lock *(u64 *)(r3 +0) += r3",
            "r0 = cmpxchg_64(r3 +0, r0, r3)",
        ] {
            let program = program(&format!("r0 = 0\nr3 = {place} ll\n{access}\nexit"));
            for result in results(&program, Environment::new()) {
                let refused =
                    matches!(result, Err(BpfError::Fault { pc: 3, fault: Fault::Memory { .. } }));
                assert!(refused, "{access} at {place}: {result:?}");
            }
        }
    }
}

#[test]
fn calls_without_an_end_stop() {
    let program = program("r0 = 0\nf: call local f\nexit");
    let deep = BpfError::Fault { pc: 1, fault: Fault::CallDepth };
    assert_eq!(results(&program, Environment::new()), [Err(deep); 2]);
    let many = StackPolicy::new::<ActiveProfile>(8, 8, 2000).unwrap();
    let env = Environment::new().with_stack_policy(many);
    assert_eq!(results(&program, env), [Err(deep); 2]);
}

#[test]
fn tail_calls_without_an_end_stop() {
    let def = MapDef::new(MapType::ProgArray, 4, 4, 1);
    let program = with_maps("r2 = map[idx:0]\nr3 = 0\ncall 12\nr0 = 7\nexit", &[def]);
    let array = ProgArray::<ActiveProfile>::new(def).unwrap();
    array.update(&0_u32.to_ne_bytes(), &0_u32.to_ne_bytes(), 0).unwrap();
    let maps: [&dyn BpfMap; 1] = [&array];
    for compiled in ways(&program) {
        let programs = [&compiled];
        let jit = JitExecutor::with_env(Environment::new().with_maps(&maps));
        let mut packet = [0; 60];
        let result = jit.with_programs(&programs).execute(&compiled, &BpfContext::xdp(&mut packet));
        assert_eq!(result, Ok(7));
    }
}

/// Numbers that stand for no function lead nowhere.
#[test]
fn forged_functions_are_refused() {
    let function = |slot: u64| bpf_interp::Run::function_handle(0) + slot;
    let bad = BpfError::Fault { pc: 7, fault: Fault::HelperArgument { helper: 181, arg: 2 } };
    // Slots 2 and 3 are one instruction, and there is no slot 9.
    for number in [0, 1, u64::MAX, function(3), function(9), function(1 << 31)] {
        let text =
            format!("r1 = 1\nr4 = 0\nr2 = {number:#x} ll\nr3 = 0\nr0 = 0\ngoto +0\ncall 181\nexit");
        let program = program(&text);
        assert_eq!(results(&program, Environment::new()), [Err(bad); 2], "{number:#x}");
    }
}

/// How much of the native stack code takes is known beforehand.
#[test]
fn the_native_stack_grows_as_it_is_said() {
    let lowest = AtomicUsize::new(usize::MAX);
    let look = |_: &mut HelperCall<'_, '_>| {
        let here = 0_u8;
        lowest.fetch_min((&raw const here).addr(), Ordering::Relaxed);
        Ok(0)
    };
    let signatures = [HelperSig::new(70_000, "look", [ArgKind::None; 5], RetKind::Integer)];
    let helpers: [&dyn Helper; 1] = [&look];
    let env = Environment::new().with_helpers(&signatures, &helpers);
    let deepest = |compiled: &Compiled| {
        lowest.store(usize::MAX, Ordering::Relaxed);
        JitExecutor::with_env(env).execute(compiled, &BpfContext::empty()).unwrap();
        lowest.load(Ordering::Relaxed)
    };
    // All that is kept has to be saved.
    let frame = |next: &str| {
        format!(
            "r6 = 1\nr7 = 2\nr8 = 3\nr9 = 4\n*(u64 *)(r10 -8) = r6\n{next}\nr0 += r6\nr0 += r7
                 r0 += r8\nr0 += r9\nexit\n"
        )
    };
    let chain = |frames: usize, call: &dyn Fn(usize) -> String| {
        let calls = (1..frames).map(|at| frame(&call(at)) + &format!("f{at}: "));
        calls.collect::<String>() + &frame("call 70000")
    };
    let plain = |at: usize| format!("call local f{at}");
    // Helpers call four times, one inside of the other, and no more.
    let rounds = |at: usize| match at {
        2 | 4 => format!("r1 = 1\nr2 = subprog[f{at}] ll\nr3 = 0\nr4 = 0\ncall 181"),
        _ => plain(at),
    };
    let info = VerifiedInfo {
        helpers: HelperTable::with(&signatures).unwrap().fingerprint(),
        frames: 8,
        ..VerifiedInfo::default()
    };
    let compile = |text: &str| {
        let program = program(text);
        let facts = vec![InsnFact::Plain; program.len()];
        [built(&program, Some((&facts, &info))), checked(&program), hardened::checked(&program)]
    };
    let most = JitExecutor::<ActiveProfile>::native_stack(8)
        - JitExecutor::<ActiveProfile>::native_stack(1);
    let one = compile(&chain(1, &plain));
    for eight in [compile(&chain(8, &plain)), compile(&chain(8, &rounds))] {
        for (one, eight) in one.iter().zip(&eight) {
            let grown = deepest(one) - deepest(eight);
            assert!((7 * 48..=most).contains(&grown), "{grown} bytes of {most}");
        }
    }
}
