//! Tests. Code is compiled both ways: as proven, with a proof made up here for
//! programs that are right by construction, and as checked.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::vec;

use bpf_bytecode::text::assemble;
use bpf_bytecode::{BpfInsn, BpfProgType, BpfProgram, ProgramBuilder};
use bpf_interp::{BpfContext, BpfExecutor, BpfResult, Environment};
use bpf_profile::ActiveProfile;
use bpf_verifier::{HelperTable, InsnFact, VerifiedInfo};

use crate::{CompiledProgram, HostMemory, JitExecutor};

mod alu;
mod control;
mod decode;
mod differential;
mod emitted;
mod environment;
mod generator;
mod memory;

type Program = BpfProgram<ActiveProfile>;
type Compiled = CompiledProgram<ActiveProfile>;

/// A program from its text.
fn program(text: &str) -> Program {
    let insns = assemble::<ActiveProfile>(text).unwrap_or_else(|e| panic!("{e} in\n{text}"));
    from_insns(&insns)
}

fn from_insns(insns: &[BpfInsn]) -> Program {
    ProgramBuilder::new(BpfProgType::Syscall).insns(insns).build().unwrap()
}

/// Compiles as if the verifier had accepted the program.
fn proven(program: &Program) -> Compiled {
    let facts = vec![InsnFact::Plain; program.len()];
    proven_with(program, &facts)
}

fn proven_with(program: &Program, facts: &[InsnFact]) -> Compiled {
    let helpers = HelperTable::standard().fingerprint();
    let info = VerifiedInfo { max_insns: 1, frames: 8, helpers, ..VerifiedInfo::default() };
    CompiledProgram::build(program, Some((facts, &info)), &HostMemory).unwrap()
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
    for (way, compiled) in [("proven", proven(&program)), ("checked", checked(&program))] {
        decode::assert_sound(&compiled);
        let result = execute(&compiled, &BpfContext::empty());
        assert_eq!(result, Ok(expected), "{way}:\n{text}");
    }
}
