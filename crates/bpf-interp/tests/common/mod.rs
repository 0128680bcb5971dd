//! What the tests share: programs from text, run in one line.
#![allow(dead_code, reason = "not every test uses everything")]

use bpf_bytecode::abi::map::MapDef;
use bpf_bytecode::text::assemble;
use bpf_bytecode::{BpfInsn, BpfProgType, BpfProgram, ProgramBuilder};
use bpf_interp::{BpfContext, BpfError, BpfExecutor, BpfResult, Environment, Fault, Interpreter};
use bpf_profile::ActiveProfile;

pub type Program = BpfProgram<ActiveProfile>;

/// A program of this text, with map definitions.
pub fn program(prog_type: BpfProgType, maps: &[MapDef], text: &str) -> Program {
    let insns = assemble::<ActiveProfile>(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    built(prog_type, maps, &insns)
}

/// A program of these slots.
pub fn built(prog_type: BpfProgType, maps: &[MapDef], insns: &[BpfInsn]) -> Program {
    let mut builder = ProgramBuilder::new(prog_type).insns(insns);
    for map in maps {
        builder = builder.map(*map);
    }
    builder.build().unwrap_or_else(|error| panic!("{error}"))
}

/// Runs a socket filter of this text without a context.
pub fn run(text: &str) -> BpfResult {
    run_on(text, &BpfContext::empty())
}

/// Runs a socket filter of this text over a context.
pub fn run_on(text: &str, context: &BpfContext<'_>) -> BpfResult {
    run_in(Environment::new(), BpfProgType::SocketFilter, &[], text, context)
}

/// Runs a program of this text.
pub fn run_in(
    env: Environment<'_>,
    prog_type: BpfProgType,
    maps: &[MapDef],
    text: &str,
    context: &BpfContext<'_>,
) -> BpfResult {
    let program = program(prog_type, maps, text);
    Interpreter::<ActiveProfile>::with_env(env).execute(&program, context)
}

/// The fault at slot `pc`.
pub fn fault(pc: u32, fault: Fault) -> BpfResult {
    Err(BpfError::Fault { pc, fault })
}

/// The slot and size of a memory fault; the address is not looked at.
pub fn memory_fault(result: BpfResult) -> Option<(u32, u32)> {
    match result {
        Err(BpfError::Fault { pc, fault: Fault::Memory { size, .. } }) => Some((pc, size)),
        _ => None,
    }
}

/// A negative number as R0 holds it.
pub const fn minus(number: i64) -> u64 {
    number.wrapping_neg().cast_unsigned()
}
