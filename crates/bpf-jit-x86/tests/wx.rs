//! No page is writable and executable at once, nobody may access those beside code,
//! and code is given back with its program. One test, in a process of its own, as it reads the process's maps.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use bpf_bytecode::abi::helper::{ArgKind, HelperSig, RetKind};
use bpf_bytecode::{BpfInsn, BpfProgType, BpfProgram, ProgramBuilder};
use bpf_interp::{BpfContext, BpfExecutor, Environment, Fault, Helper, HelperCall};
use bpf_jit_x86::memory::{ExecutableCode, WritableCode};
use bpf_jit_x86::{CodeMemory, CodeMemoryError, CompiledProgram, HostMemory, JitExecutor};
use bpf_profile::ActiveProfile;

/// The process's mappings: address range and rights.
fn mappings() -> Vec<(String, String)> {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("the process's maps");
    let fields = |line: &str| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    };
    maps.lines().filter_map(fields).collect()
}

fn assert_separate(when: &str) {
    for (range, rights) in mappings() {
        assert!(!(rights.contains('w') && rights.contains('x')), "{when}: {range} is {rights}");
    }
}

/// Whether nobody may access the bytes in front of and behind the mapping with an
/// address.
fn is_guarded(address: usize) -> bool {
    let mappings = mappings();
    let own = mappings.iter().find(|(range, _)| contains(range, address));
    let Some((from, to)) = own.and_then(|(range, _)| range.split_once('-')) else { return false };
    let closed = |edge: &dyn Fn(&str, &str) -> bool| {
        mappings.iter().any(|(range, rights)| {
            let (begin, end) = range.split_once('-').unwrap_or_default();
            rights == "---p" && edge(begin, end)
        })
    };
    closed(&|_, end| end == from) && closed(&|begin, _| begin == to)
}

fn executable() -> Vec<String> {
    mappings().into_iter().filter(|(_, r)| r.contains('x')).map(|(range, _)| range).collect()
}

/// The host's memory, watched at every step.
struct Watched;

struct WatchedCode(Box<dyn WritableCode>);

impl CodeMemory for Watched {
    fn allocate(&self, bytes: usize) -> Result<Box<dyn WritableCode>, CodeMemoryError> {
        assert_separate("before");
        let code = HostMemory.allocate(bytes)?;
        assert_separate("allocated");
        Ok(Box::new(WatchedCode(code)))
    }
}

impl WritableCode for WatchedCode {
    fn bytes(&mut self) -> &mut [u8] {
        assert_separate("writing");
        let bytes = self.0.bytes();
        assert!(is_guarded(bytes.as_ptr().addr()));
        bytes
    }

    fn seal(self: Box<Self>) -> Result<Box<dyn ExecutableCode>, CodeMemoryError> {
        assert_separate("written");
        let sealed = self.0.seal()?;
        assert_separate("sealed");
        Ok(sealed)
    }
}

/// Looks at the maps while compiled code waits for it.
#[allow(clippy::unnecessary_wraps, reason = "helpers can fail")]
fn look(_: &mut HelperCall<'_, '_>) -> Result<u64, Fault> {
    assert_separate("running");
    Ok(u64::try_from(executable().len()).unwrap_or(0))
}

fn program(helper: i32) -> BpfProgram<ActiveProfile> {
    ProgramBuilder::new(BpfProgType::Syscall)
        .insn(BpfInsn::call(helper))
        .insn(BpfInsn::exit())
        .build()
        .expect("a program")
}

#[test]
fn pages_are_writable_or_executable_and_given_back() {
    let signatures = [HelperSig::new(70_000, "look", [ArgKind::None; 5], RetKind::Integer)];
    let helpers: [&dyn Helper; 1] = [&look];
    let env = Environment::new().with_helpers(&signatures, &helpers);
    let before = executable();
    let compiled = CompiledProgram::compile_checked(&program(70_000), &Watched).expect("code");
    let jit = JitExecutor::with_env(env);
    let while_running = jit.execute(&compiled, &BpfContext::empty()).expect("a result");
    assert_eq!(usize::try_from(while_running), Ok(before.len() + 1));
    // The code is where it says, and nowhere writable.
    let base = compiled.code().as_ptr().addr();
    let own = executable().into_iter().find(|range| contains(range, base));
    assert!(own.is_some_and(|range| !before.contains(&range)));
    assert!(is_guarded(base));
    drop(compiled);
    assert_separate("dropped");
    assert_eq!(executable(), before);
}

fn contains(range: &str, address: usize) -> bool {
    let parse = |text: &str| usize::from_str_radix(text, 16).unwrap_or(0);
    range.split_once('-').is_some_and(|(from, to)| (parse(from)..parse(to)).contains(&address))
}
