//! Compiled code against the interpreter.

use std::vec::Vec;

use bpf_bytecode::text::Listing;
use bpf_bytecode::{BpfInsn, BpfProgType, ProgramBuilder};
use bpf_interp::run::StackMemory;
use bpf_interp::{BpfContext, BpfError, BpfExecutor, BpfResult, Environment, Fault, Interpreter};
use bpf_profile::ActiveProfile;
use bpf_verifier::Verifier;
use proptest::prelude::*;

use super::decode::assert_sound;
use super::generator::{Dice, Style, any, right, sums, tangled};
use super::{Program, checked, from_insns, hardened, proven, proven_old};
use crate::{CompiledProgram, HostMemory, JitExecutor};

/// The result, without the addresses that differ from run to run.
fn comparable(result: BpfResult) -> BpfResult {
    result.map_err(|error| match error {
        BpfError::Fault { pc, fault: Fault::Memory { size, .. } } => {
            BpfError::Fault { pc, fault: Fault::Memory { addr: 0, size } }
        }
        other => other,
    })
}

/// What memory holds in front of a run.
fn fresh() -> [u8; 64] {
    core::array::from_fn(|i| u8::try_from(i * 3).unwrap())
}

/// Runs twice over the same memory, at the same address.
fn both(
    memory: &mut [u8; 64],
    packet: bool,
    mut first: impl FnMut(&BpfContext<'_>) -> BpfResult,
    mut second: impl FnMut(&BpfContext<'_>) -> BpfResult,
) -> [(BpfResult, [u8; 64]); 2] {
    let fresh = fresh();
    let mut run = |execute: &mut dyn FnMut(&BpfContext<'_>) -> BpfResult| {
        *memory = fresh;
        // The context's own structure lies at the same address both times, as
        // this is the same frame of the same stack.
        let result = if packet {
            execute(&BpfContext::socket(memory))
        } else {
            execute(&BpfContext::bytes(memory))
        };
        (comparable(result), *memory)
    };
    [run(&mut first), run(&mut second)]
}

fn checked_equals_interpreter(program: &Program, budget: u64, packet: bool) {
    let env = Environment::new().with_budget(budget);
    let (jit, interp) = (JitExecutor::with_env(env), Interpreter::with_env(env));
    let mut memory = [0; 64];
    for compiled in [checked(program), hardened::checked(program)] {
        assert_sound(&compiled);
        let [a, b] = both(
            &mut memory,
            packet,
            |context| interp.execute(program, context),
            |context| jit.execute(&compiled, context),
        );
        assert_eq!(a, b, "budget {budget}\n{}", Listing::new(program.insns()));
    }
}

#[test]
fn checked_code_gives_what_the_interpreter_gives() {
    for seed in 0..4_000 {
        let program = from_insns(&any(seed));
        checked_equals_interpreter(&program, 500, false);
        if seed % 8 == 0 {
            for budget in 0..40 {
                checked_equals_interpreter(&program, budget, false);
            }
        }
    }
}

#[test]
fn checked_code_over_packets_gives_what_the_interpreter_gives() {
    for seed in 0..3_000 {
        let insns = any(seed);
        let program = ProgramBuilder::new(BpfProgType::SchedCls).insns(&insns).build().unwrap();
        checked_equals_interpreter(&program, 300, true);
    }
}

fn proven_equals_interpreter(program: &Program) {
    let env = Environment::new().with_budget(100_000);
    let interp = Interpreter::<ActiveProfile>::with_env(env);
    let jit = JitExecutor::with_env(env);
    let mut memory = [0; 64];
    let hardened = hardened::ways(program).map(|(_, compiled)| compiled);
    let plain = [proven(program), proven_old(program), checked(program)];
    for compiled in plain.into_iter().chain(hardened) {
        assert_sound(&compiled);
        let [a, b] = both(
            &mut memory,
            false,
            |context| interp.execute(program, context),
            |context| jit.execute(&compiled, context),
        );
        assert_eq!(a, b, "{}", Listing::new(program.insns()));
        assert!(a.0.is_ok(), "{a:?}\n{}", Listing::new(program.insns()));
        // Again and again, most of them without a run beside the code.
        let mut stack = StackMemory::new();
        let mut prepared = jit.prepare(&compiled, &mut stack).unwrap();
        for _ in 0..2 {
            memory = fresh();
            let result = comparable(prepared.run(&mut BpfContext::bytes(&mut memory)));
            assert_eq!((result, memory), a, "{}", Listing::new(program.insns()));
        }
    }
}

#[test]
fn proven_code_gives_what_the_interpreter_gives() {
    for seed in 0..2_000 {
        proven_equals_interpreter(&from_insns(&right(seed, Style::Free)));
    }
}

#[test]
fn tangled_code_gives_what_the_interpreter_gives() {
    for seed in 0..700 {
        proven_equals_interpreter(&from_insns(&tangled(seed)));
    }
}

/// Sums of registers and numbers, in both widths: of these several become one instruction.
#[test]
fn sums_give_what_the_interpreter_gives() {
    for seed in 0..1_500 {
        proven_equals_interpreter(&from_insns(&sums(seed)));
    }
}

#[test]
fn verified_code_gives_what_the_interpreter_gives() {
    let verifier = Verifier::<ActiveProfile>::new();
    let env = Environment::new().with_budget(100_000);
    let (jit, interp) = (JitExecutor::with_env(env), Interpreter::with_env(env));
    let mut accepted = 0;
    for seed in 0..1_000 {
        let program = from_insns(&right(seed, Style::Strict));
        // Not every program that is right is accepted.
        let Ok(verified) = verifier.verify_program(&program) else { continue };
        accepted += 1;
        let compiled = CompiledProgram::compile(&verified, &HostMemory).unwrap();
        assert_sound(&compiled);
        let mut memory = [0; 64];
        let [a, b] = both(
            &mut memory,
            false,
            |context| interp.execute(&program, context),
            |context| jit.execute(&compiled, context),
        );
        assert_eq!(a, b, "{}", Listing::new(program.insns()));
    }
    assert!(accepted > 300, "{accepted}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_program(seed: u64, budget in 0_u64..1000) {
        checked_equals_interpreter(&from_insns(&any(seed)), budget, false);
    }

    #[test]
    fn any_right_program(seed: u64) {
        proven_equals_interpreter(&from_insns(&right(seed, Style::Free)));
    }

    #[test]
    fn hostile_bytes_never_crash(bytes in prop::collection::vec(any_slot(), 1..40)) {
        let insns: Vec<_> = bytes.iter().map(|b| BpfInsn::from_bytes(*b)).collect();
        run_if_built(&insns);
    }
}

fn any_slot() -> impl Strategy<Value = [u8; 8]> {
    prop::array::uniform8(any_byte())
}

fn any_byte() -> impl Strategy<Value = u8> {
    prop_oneof![Just(0_u8), proptest::num::u8::ANY]
}

/// Runs what can be built, for a while.
fn run_if_built(insns: &[BpfInsn]) {
    let Ok(program) =
        ProgramBuilder::<ActiveProfile>::new(BpfProgType::Syscall).insns(insns).build()
    else {
        return;
    };
    let compiled = checked(&program);
    assert_sound(&compiled);
    let jit = JitExecutor::with_env(Environment::new().with_budget(1000));
    let mut memory = [7; 64];
    let _ = jit.execute(&compiled, &BpfContext::bytes(&mut memory));
}

#[test]
fn mutated_programs_never_crash() {
    for seed in 0..10_000 {
        let mut dice = Dice::new(seed);
        let mut insns = any(seed);
        for _ in 0..=dice.below(4) {
            let at = dice.below(insns.len());
            let mut bytes = insns[at].to_bytes();
            let byte = dice.below(8);
            bytes[byte] ^= 1 << dice.below(8);
            insns[at] = BpfInsn::from_bytes(bytes);
        }
        run_if_built(&insns);
    }
}
