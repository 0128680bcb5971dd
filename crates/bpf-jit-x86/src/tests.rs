//! Tests. Code is compiled both ways: as proven, with a proof made up here for
//! programs that are right by construction, and as checked.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::vec;

use bpf_bytecode::abi::map::MapDef;
use bpf_bytecode::text::assemble;
use bpf_bytecode::{BpfInsn, BpfProgType, BpfProgram, ProgramBuilder};
use bpf_interp::run::StackMemory;
use bpf_interp::{BpfContext, BpfExecutor, BpfResult, Environment};
use bpf_profile::ActiveProfile;
use bpf_verifier::{HelperTable, InsnFact, VerifiedInfo};

use crate::x86::Features;
use crate::{CompileOptions, CompiledProgram, Compiler, HostMemory, JitExecutor};

mod alu;
mod callbacks;
mod choice;
mod control;
mod cut;
mod decode;
mod differential;
mod emitted;
mod environment;
mod generator;
mod hardened;
mod hostile;
mod idioms;
mod loops;
mod maps;
mod memory;
mod outcomes;
mod prepared;
mod product;
mod questions;
mod tails;

type Program = BpfProgram<ActiveProfile>;
type Compiled = CompiledProgram<ActiveProfile>;

/// A program from its text.
fn program(text: &str) -> Program {
    let insns = assemble::<ActiveProfile>(text).unwrap_or_else(|e| panic!("{e} in\n{text}"));
    from_insns(&insns)
}

/// A program from its text, with these maps.
fn with_maps(text: &str, maps: &[MapDef]) -> Program {
    let insns = assemble::<ActiveProfile>(text).unwrap_or_else(|e| panic!("{e} in\n{text}"));
    let mut builder = ProgramBuilder::new(BpfProgType::Xdp).insns(&insns);
    for map in maps {
        builder = builder.map(*map);
    }
    builder.build().unwrap()
}

fn from_insns(insns: &[BpfInsn]) -> Program {
    ProgramBuilder::new(BpfProgType::Syscall).insns(insns).build().unwrap()
}

/// Compiles as if the verifier had accepted the program, for the CPU at hand.
fn proven(program: &Program) -> Compiled {
    proven_for(program, &vec![InsnFact::Plain; program.len()], Features::detect())
}

/// For a CPU that has none of the instructions that not every one has.
fn proven_old(program: &Program) -> Compiled {
    proven_for(program, &vec![InsnFact::Plain; program.len()], Features::default())
}

/// For a CPU that has them all; to be looked at, not to be run.
fn proven_new(program: &Program) -> Compiled {
    let features = Features { bmi2: true, movbe: true };
    proven_for(program, &vec![InsnFact::Plain; program.len()], features)
}

fn proven_with(program: &Program, facts: &[InsnFact]) -> Compiled {
    proven_for(program, facts, Features::detect())
}

fn proven_for(program: &Program, facts: &[InsnFact], features: Features) -> Compiled {
    proven_as(program, facts, features, &CompileOptions::new())
}

fn proven_as(
    program: &Program,
    facts: &[InsnFact],
    features: Features,
    options: &CompileOptions<'_>,
) -> Compiled {
    let helpers = HelperTable::standard().fingerprint();
    let info = VerifiedInfo { max_insns: 1, frames: 8, helpers, ..VerifiedInfo::default() };
    Compiler::new().build(program, Some((facts, &info)), features, options, &HostMemory).unwrap()
}

/// Plain code for the CPU at hand.
fn built(program: &Program, proof: Option<(&[InsnFact], &VerifiedInfo)>) -> Compiled {
    let options = CompileOptions::new();
    Compiler::new().build(program, proof, Features::detect(), &options, &HostMemory).unwrap()
}

fn checked(program: &Program) -> Compiled {
    CompiledProgram::compile_checked(program, &HostMemory).unwrap()
}

fn execute(program: &Compiled, context: &BpfContext<'_>) -> BpfResult {
    JitExecutor::with_env(Environment::new().with_budget(1 << 20)).execute(program, context)
}

/// Expects a result of both ways of compiling a program that is right.
#[track_caller]
fn gives(text: &str, expected: u64) {
    let program = program(text);
    let ways = [
        ("proven", proven(&program)),
        ("proven, old CPU", proven_old(&program)),
        ("checked", checked(&program)),
    ];
    for (way, compiled) in ways.into_iter().chain(hardened::ways(&program)) {
        decode::assert_sound(&compiled);
        let result = execute(&compiled, &BpfContext::empty());
        assert_eq!(result, Ok(expected), "{way}:\n{text}");
        let (jit, mut stack) = (JitExecutor::new(), StackMemory::new());
        let mut prepared = jit.prepare(&compiled, &mut stack).unwrap();
        for _ in 0..2 {
            let result = prepared.run(&mut BpfContext::empty());
            assert_eq!(result, Ok(expected), "{way}, prepared:\n{text}");
        }
    }
}
