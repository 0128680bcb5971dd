//! The JIT compiler, with run-time checks and without.

use kernel_bpf::execution::BpfExecutor;
use kernel_bpf::execution::jit::{CompiledProgram, HostMemory, JitExecutor};
use kernel_bpf::profile::ActiveProfile;

use super::{Loaded, Program, Verified};

type Compiled = CompiledProgram<ActiveProfile>;

/// What the compiler makes of the program.
pub(super) fn engines<'p>(program: &'p Program, verified: Option<&'p Verified>) -> Vec<Loaded<'p>> {
    let checked = Compiled::compile_checked(program, &HostMemory);
    let proven = verified.map(|verified| Compiled::compile(verified, &HostMemory));
    let loaded = |name, verified, compiled: Compiled| Loaded {
        name,
        verified,
        execute: Box::new(move |env, context| {
            let programs = [&compiled];
            JitExecutor::with_env(env).with_programs(&programs).execute(&compiled, context)
        }),
    };
    // A program of this size has code, whatever it does.
    let checked = loaded("checked JIT", false, checked.expect("compiles"));
    let proven = proven.map(|proven| loaded("JIT", true, proven.expect("compiles")));
    [checked].into_iter().chain(proven).collect()
}
