//! The interpreter of translated programs.

use kernel_bpf::execution::{BpfExecutor, TranslatedInterpreter, TranslatedProgram};
use kernel_bpf::profile::ActiveProfile;

use super::{Engine, run_fresh};

const TRANSLATED: Engine = Engine {
    name: "translated",
    verified_only: true,
    run: |case, _, verified| {
        let verified = verified.expect("the caller has looked");
        let program = TranslatedProgram::<ActiveProfile>::new(verified)
            .unwrap_or_else(|e| panic!("case {}: {e}", case.name));
        run_fresh(case, &|env, context| {
            TranslatedInterpreter::with_env(env).execute(&program, context)
        })
    },
};

/// The engine.
pub fn engines() -> Vec<Engine> {
    vec![TRANSLATED]
}
