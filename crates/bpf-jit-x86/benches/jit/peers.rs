//! The other engines.
#![allow(unsafe_code)]

use std::hint::black_box;
use std::ptr::NonNull;
use std::sync::Arc;

use criterion::BenchmarkGroup;
use criterion::measurement::WallTime;
use solana_sbpf::elf::Executable;
use solana_sbpf::memory_region::MemoryMapping;
use solana_sbpf::program::{BuiltinProgram, FunctionRegistry, SBPFVersion};
use solana_sbpf::vm::{Config, ContextObject, EbpfVm, ExecutionMode};

type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// `rbpf` on a program that finds `memory` behind R1.
pub fn rbpf(group: &mut Group<'_>, program: &[u8], memory: &mut [u8], expected: u64) {
    let mut vm = match rbpf::EbpfVmRaw::new(Some(program)) {
        Ok(vm) => vm,
        Err(error) => return println!("rbpf refuses the program: {error}"),
    };
    vm.jit_compile().expect("code");
    let memory: *mut [u8] = memory;
    let run = || {
        // SAFETY: the workloads stay within the memory, which is used here only.
        unsafe { vm.execute_program_jit(&mut *memory) }
    };
    assert_eq!(run().ok(), Some(expected));
    group.bench_function("rbpf", |b| b.iter(|| black_box(run())));
}

/// Time that `rbpf` takes to compile.
pub fn rbpf_compile(group: &mut Group<'_>, program: &[u8]) {
    let Ok(mut vm) = rbpf::EbpfVmRaw::new(Some(program)) else {
        return println!("rbpf refuses the program");
    };
    group.bench_function("rbpf", |b| b.iter(|| vm.jit_compile().is_ok()));
}

/// What `solana-sbpf` asks of its embedder.
struct Unmetered(MemoryMapping);

impl ContextObject for Unmetered {
    fn consume(&mut self, _: u64) {}

    fn get_remaining(&self) -> u64 {
        u64::from(u32::MAX)
    }

    fn active_mapping_ptr(&mut self) -> NonNull<MemoryMapping> {
        NonNull::from(&mut self.0)
    }
}

fn config() -> Config {
    Config {
        enable_address_translation: false,
        enable_instruction_meter: false,
        sanitize_user_provided_values: false,
        noop_instruction_rate: 0,
        ..Config::default()
    }
}

fn executable(program: &[u8]) -> Executable<Unmetered> {
    let loader = Arc::new(BuiltinProgram::new_loader(config()));
    let registry = FunctionRegistry::default();
    Executable::from_text_bytes(program, loader, SBPFVersion::V0, registry).expect("an executable")
}

/// `solana-sbpf` on a program that finds `memory` behind R1.
pub fn solana(group: &mut Group<'_>, program: &[u8], memory: &mut [u8], expected: u64) {
    let executable = executable(program);
    executable.jit_compile().expect("code");
    let mut stack = vec![0_u64; 1024];
    // SAFETY: no region is mapped.
    let mapping = unsafe { MemoryMapping::new(Vec::new(), &config(), SBPFVersion::V0) };
    let mut context = Unmetered(mapping.expect("a mapping"));
    let loader = executable.get_loader().clone();
    let mut vm = EbpfVm::new(loader, SBPFVersion::V0, &mut context, 8192);
    vm.registers[1] = u64::try_from(memory.as_mut_ptr().addr()).expect("an address");
    vm.registers[10] = u64::try_from(stack.as_mut_ptr_range().end.addr()).expect("an address");
    let registers = vm.registers;
    let mut run = || {
        vm.registers = registers;
        let (_, result) = vm.execute_program(&executable, &mut ExecutionMode::Jit, &mut []);
        Result::from(result).ok()
    };
    assert_eq!(run(), Some(expected));
    group.bench_function("solana-sbpf", |b| b.iter(|| black_box(run())));
}

/// Time that `solana-sbpf` takes to compile.
pub fn solana_compile(group: &mut Group<'_>, program: &[u8]) {
    let executable = executable(program);
    group.bench_function("solana-sbpf", |b| b.iter(|| executable.jit_compile().is_ok()));
}
