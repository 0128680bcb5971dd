//! The interpreter of translated programs.

use kernel_bpf::execution::{BpfExecutor, TranslatedInterpreter, TranslatedProgram};
use kernel_bpf::profile::ActiveProfile;

use super::{Loaded, Verified};

/// The translation of the program, if it was verified.
pub(super) fn engines(verified: Option<&Verified>) -> Vec<Loaded<'_>> {
    let loaded = |verified| {
        let program = TranslatedProgram::<ActiveProfile>::new(verified).expect("there is memory");
        Loaded {
            name: "translated",
            verified: true,
            execute: Box::new(move |env, context| {
                let programs = [&program];
                TranslatedInterpreter::with_env(env)
                    .with_programs(&programs)
                    .execute(&program, context)
            }),
        }
    };
    verified.map(loaded).into_iter().collect()
}
