//! The JIT compiler, with run-time checks and without, and in a mode that follows from
//! the program.

use std::cell::RefCell;

use kernel_bpf::bytecode::BpfInsn;
use kernel_bpf::execution::jit::{CompileOptions, CompiledProgram, HostMemory, JitExecutor};
use kernel_bpf::execution::run::StackMemory;
use kernel_bpf::execution::{BpfError, BpfExecutor};
use kernel_bpf::profile::ActiveProfile;

use super::{Loaded, Program, Verified};
use crate::mutate::Rng;

type Compiled = CompiledProgram<ActiveProfile>;

/// What the compiler makes of the program.
pub(super) fn engines<'p>(program: &'p Program, verified: Option<&'p Verified>) -> Vec<Loaded<'p>> {
    let mut engines = compile(program, verified, ["checked JIT", "JIT"], &CompileOptions::new());
    engines.extend(verified.map(prepared));
    let bytes = program.insns().iter().copied().map(BpfInsn::to_bytes);
    let seed = bytes.fold(0, |seed: u64, bytes| {
        (seed ^ u64::from_le_bytes(bytes)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    });
    let rng = RefCell::new(Rng::new(seed));
    let random = || rng.borrow_mut().next_u64();
    let plain = CompileOptions::new();
    let mode = match seed >> 62 {
        0 => return engines,
        1 => plain.with_blinding(&random),
        2 => plain.with_retpolines(),
        _ => plain.with_blinding(&random).with_retpolines(),
    };
    engines.extend(compile(program, verified, ["hardened checked JIT", "hardened JIT"], &mode));
    engines
}

/// Code that is entered as it is again and again, mostly without a run beside it.
fn prepared(verified: &Verified) -> Loaded<'_> {
    let compiled = Compiled::compile(verified, &HostMemory).expect("compiles");
    Loaded {
        name: "prepared JIT",
        verified: true,
        execute: Box::new(move |env, context| {
            let programs = [&compiled];
            let (jit, mut stack) = (JitExecutor::with_env(env), StackMemory::new());
            let jit = jit.with_programs(&programs);
            let mut prepared = jit.prepare(&compiled, &mut stack).map_err(BpfError::Refused)?;
            prepared.run(context)
        }),
    }
}

/// Both forms.
fn compile<'p>(
    program: &'p Program,
    verified: Option<&'p Verified>,
    [checked_name, name]: [&'static str; 2],
    options: &CompileOptions<'_>,
) -> Vec<Loaded<'p>> {
    let checked = Compiled::compile_checked_with(program, &HostMemory, options);
    let proven = verified.map(|verified| Compiled::compile_with(verified, &HostMemory, options));
    let loaded = |name, verified, compiled: Compiled| Loaded {
        name,
        verified,
        execute: Box::new(move |env, context| {
            let programs = [&compiled];
            JitExecutor::with_env(env).with_programs(&programs).execute(&compiled, context)
        }),
    };
    // A program of this size has code, whatever it does.
    let checked = loaded(checked_name, false, checked.expect("compiles"));
    let proven = proven.map(|proven| loaded(name, true, proven.expect("compiles")));
    [checked].into_iter().chain(proven).collect()
}
