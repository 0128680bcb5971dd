//! The executor that suits the build.
#![cfg(any(feature = "std", feature = "embedded-profile"))]

use kernel_bpf::bytecode::abi::map::{MapDef, MapType, flags};
use kernel_bpf::bytecode::{BpfProgType, ProgramBuilder};
use kernel_bpf::execution::{
    BpfContext, BpfExecutor, DefaultExecutor, Engine, Environment, LoadedProgram, load,
};
use kernel_bpf::maps::{self, BpfMap};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::{VerifiedProgram, Verifier};

fn verified(source: &str) -> VerifiedProgram<ActiveProfile> {
    let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SocketFilter)
        .map(MapDef::new(MapType::ProgArray, 4, 4, 2))
        .asm(source)
        .unwrap()
        .build()
        .unwrap();
    Verifier::new().verify_program(&program).unwrap()
}

/// A program array with program 1 in its first slot.
fn program_array() -> maps::AnyMap<ActiveProfile> {
    let map = maps::create(MapDef::new(MapType::ProgArray, 4, 4, 2)).unwrap();
    map.update(&0_u32.to_ne_bytes(), &1_u32.to_ne_bytes(), flags::BPF_ANY).unwrap();
    map
}

const CALLER: &str = "r2 = map[idx:0]
                      r3 = 0
                      call bpf_tail_call
                      r0 = 1
                      exit";

fn run(programs: &[LoadedProgram<ActiveProfile>]) -> (Engine, u64) {
    let array = program_array();
    let live: [&dyn BpfMap; 1] = [&array];
    let targets: Vec<_> = programs.iter().collect();
    let env = Environment::new().with_maps(&live);
    let executor = DefaultExecutor::with_env(env).with_programs(&targets).unwrap();
    let result = executor.execute(&programs[0], &BpfContext::empty());
    (executor.engine(&programs[0]), result.unwrap())
}

#[test]
fn programs_tail_call_each_other() {
    let programs = [load(verified(CALLER)), load(verified("r0 = 7\nexit"))];
    assert_eq!(run(&programs).1, 7);
    // Without the target, the caller goes on.
    assert_eq!(run(&programs[..1]).1, 1);
}

#[cfg(all(feature = "cloud-profile", target_arch = "x86_64"))]
mod compiled {
    use kernel_bpf::execution::jit::memory::WritableCode;
    use kernel_bpf::execution::jit::{CodeMemory, CodeMemoryError, CompileOptions, HostMemory};
    use kernel_bpf::execution::{load_into, load_with};

    use super::*;

    /// A kernel that has no executable memory left.
    struct Nothing;

    impl CodeMemory for Nothing {
        fn allocate(&self, bytes: usize) -> Result<Box<dyn WritableCode>, CodeMemoryError> {
            Err(CodeMemoryError::Exhausted { bytes })
        }
    }

    /// What is asked for is in the code, and changes no result.
    #[test]
    fn code_is_hardened_where_that_is_asked_for() {
        let random = || 0x1234_5678_9abc_def0;
        let options = CompileOptions::new().with_blinding(&random).with_retpolines();
        let text = CALLER.replace("r0 = 1", "r0 = 0x5a5a5a5a");
        let has_number = |program: &LoadedProgram<ActiveProfile>| {
            let code = program.compiled().unwrap().code();
            code.windows(4).any(|bytes| bytes == [0x5a; 4])
        };
        let plain = load(verified(&text));
        let hardened = load_with(verified(&text), &HostMemory, &options);
        assert_eq!((has_number(&plain), has_number(&hardened)), (true, false));
        assert_eq!(run(&[hardened]), (Engine::Jit, 0x5a5a_5a5a));
        let targets = [CALLER, "r0 = 7\nexit"];
        let targets = targets.map(|text| load_with(verified(text), &HostMemory, &options));
        assert_eq!(run(&targets), (Engine::Jit, 7));
    }

    #[test]
    fn the_compiler_is_the_default() {
        let program = load(verified("r0 = 7\nexit"));
        assert!(program.compiled().is_ok());
        assert_eq!(run(&[program]), (Engine::Jit, 7));
    }

    #[test]
    fn the_interpreter_runs_what_could_not_be_compiled() {
        let program = load_into(verified("r0 = 7\nexit"), &Nothing);
        assert!(program.compiled().is_err());
        assert_eq!(run(&[program]), (Engine::Interpreter, 7));
    }

    #[test]
    fn a_chain_without_code_is_interpreted() {
        let programs = [CALLER, "r0 = 7\nexit"].map(|text| load_into(verified(text), &Nothing));
        assert_eq!(run(&programs), (Engine::Interpreter, 7));
    }

    #[test]
    fn a_chain_runs_on_one_engine() {
        let target = load_into(verified("r0 = 7\nexit"), &Nothing);
        let programs = [load(verified(CALLER)), target];
        assert!(programs[0].compiled().is_ok());
        assert_eq!(run(&programs), (Engine::Interpreter, 7));
    }
}

#[cfg(feature = "embedded-profile")]
mod interpreted {
    use super::*;

    #[test]
    fn the_interpreter_is_the_default() {
        assert_eq!(run(&[load(verified("r0 = 7\nexit"))]), (Engine::Interpreter, 7));
    }
}
