//! A helper that panics under compiled code does what it does under the
//! interpreter: the panic reaches the caller, and what the run held is free.
#![cfg(target_arch = "x86_64")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use bpf_bytecode::abi::helper::{ArgKind, HelperSig, RetKind};
use bpf_bytecode::{BpfInsn, BpfProgType, BpfProgram, ProgramBuilder};
use bpf_interp::{BpfContext, BpfExecutor, BpfResult, Environment, Fault};
use bpf_interp::{Helper, HelperCall, Interpreter, VerifiedInterpreter};
use bpf_jit_x86::{CompiledProgram, HostMemory, JitExecutor};
use bpf_profile::ActiveProfile;
use bpf_verifier::{HelperTable, Verifier};

const NUMBER: i32 = 70_000;
const SIGNATURES: [HelperSig; 1] =
    [HelperSig::new(70_000, "fails", [ArgKind::None; 5], RetKind::Integer)];

fn fails(_: &mut HelperCall<'_, '_>) -> Result<u64, Fault> {
    panic!("as the helper says")
}

/// Calls the helper from a function that the program calls.
fn program() -> BpfProgram<ActiveProfile> {
    ProgramBuilder::new(BpfProgType::Syscall)
        .insn(BpfInsn::call_local(1))
        .insn(BpfInsn::exit())
        .insn(BpfInsn::call(NUMBER))
        .insn(BpfInsn::exit())
        .build()
        .expect("a program")
}

fn panics(name: &str, execute: impl Fn(Environment<'_>, &BpfContext<'_>) -> BpfResult) {
    let helpers: [&dyn Helper; 1] = [&fails];
    let env = Environment::new().with_helpers(&SIGNATURES, &helpers);
    let mut bytes = [1, 2, 3];
    let context = BpfContext::bytes(&mut bytes);
    // Twice: the first run has given the context back.
    for _ in 0..2 {
        let panic = catch_unwind(AssertUnwindSafe(|| execute(env, &context)));
        let payload = panic.expect_err(name);
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"as the helper says"), "{name}");
    }
}

#[test]
fn panics_of_helpers_reach_the_caller() {
    let program = program();
    let table = HelperTable::with(&SIGNATURES).expect("a helper of the kernel's own");
    let verified = Verifier::with_env(table).verify_program(&program).expect("safe");
    let proven = CompiledProgram::compile(&verified, &HostMemory).expect("code");
    let checked = CompiledProgram::compile_checked(&program, &HostMemory).expect("code");

    panics("interpreter", |env, context| Interpreter::with_env(env).execute(&program, context));
    panics("verified interpreter", |env, context| {
        VerifiedInterpreter::with_env(env).execute(&verified, context)
    });
    panics("JIT", |env, context| JitExecutor::with_env(env).execute(&proven, context));
    panics("checked JIT", |env, context| JitExecutor::with_env(env).execute(&checked, context));
}
