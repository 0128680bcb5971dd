//! The JIT compiler, with and without run-time checks.

use kernel_bpf::execution::BpfExecutor;
use kernel_bpf::execution::jit::{CompiledProgram, HostMemory, JitExecutor};
use kernel_bpf::profile::ActiveProfile;

use super::{Engine, run_fresh};

const CHECKED: Engine = Engine {
    name: "checked JIT",
    verified_only: false,
    run: |case, program, _| {
        let compiled = CompiledProgram::<ActiveProfile>::compile_checked(program, &HostMemory)
            .unwrap_or_else(|e| panic!("case {}: {e}", case.name));
        run_fresh(case, &|env, context| JitExecutor::with_env(env).execute(&compiled, context))
    },
};

const VERIFIED: Engine = Engine {
    name: "JIT",
    verified_only: true,
    run: |case, _, verified| {
        let verified = verified.expect("the caller has looked");
        let compiled = CompiledProgram::<ActiveProfile>::compile(verified, &HostMemory)
            .unwrap_or_else(|e| panic!("case {}: {e}", case.name));
        run_fresh(case, &|env, context| JitExecutor::with_env(env).execute(&compiled, context))
    },
};

/// Both forms.
pub fn engines() -> Vec<Engine> {
    vec![CHECKED, VERIFIED]
}
