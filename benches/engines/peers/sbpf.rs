//! `solana-sbpf`, with metering and the translation of addresses off. Its
//! operations on halves of registers extend signs, so it is given what clang
//! compiles for `-mcpu=v2`, which has none of them.

use std::error::Error;
use std::ptr::NonNull;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use kernel_bpf_benches::{Program, Workload};
use solana_sbpf::declare_builtin_function;
use solana_sbpf::ebpf;
use solana_sbpf::elf::Executable;
use solana_sbpf::memory_region::MemoryMapping;
use solana_sbpf::program::{BuiltinProgram, FunctionRegistry, SBPFVersion};
use solana_sbpf::vm::{CallFrame, Config, ContextObject, EbpfVm, ExecutionMode};

use super::{LOOKUP, Low, bytes, lookup, relocate};
use crate::runner::{ByFunction, Runner};

/// The version whose calls are RFC 9669's.
const VERSION: SBPFVersion = SBPFVersion::V3;
/// Name of the helper.
const NAME: &str = "map_lookup";

/// What the engine asks of its embedder.
pub struct Unmetered(MemoryMapping);

impl ContextObject for Unmetered {
    fn consume(&mut self, _: u64) {}

    fn get_remaining(&self) -> u64 {
        u64::from(u32::MAX)
    }

    fn active_mapping_ptr(&mut self) -> NonNull<MemoryMapping> {
        NonNull::from(&mut self.0)
    }
}

declare_builtin_function!(
    /// `bpf_map_lookup_elem`.
    MapLookup,
    fn rust(
        _context: &mut Unmetered,
        map: u64,
        key: u64,
        a: u64,
        b: u64,
        c: u64,
    ) -> Result<u64, Box<dyn Error>> {
        Ok(lookup(map, key, a, b, c))
    }
);

fn config() -> Config {
    Config {
        enable_address_translation: false,
        enable_instruction_meter: false,
        sanitize_user_provided_values: false,
        noop_instruction_rate: 0,
        ..Config::default()
    }
}

/// The program in the engine's form.
pub fn load(program: &Program) -> Result<Executable<Unmetered>> {
    let (mut insns, _) = relocate(program)?;
    let mut loader = BuiltinProgram::new_loader(config());
    loader.register_definition::<MapLookup>(NAME)?;
    let key = ebpf::hash_symbol_name(NAME.as_bytes()).cast_signed();
    for insn in &mut insns {
        if insn.code() == ebpf::CALL_IMM && insn.src() == 0 && insn.imm().cast_unsigned() == LOOKUP
        {
            *insn = insn.with_imm(key);
        }
    }
    let registry = FunctionRegistry::default();
    Executable::from_text_bytes(&bytes(&insns), Arc::new(loader), VERSION, registry)
        .map_err(|error| anyhow!("{error}"))
}

fn runner(workload: &Workload, mode: fn() -> ExecutionMode) -> Result<Box<dyn Runner>> {
    let executable: &'static _ = Box::leak(Box::new(load(&workload.program_v2()?)?));
    if matches!(mode(), ExecutionMode::Jit) {
        executable.jit_compile().map_err(|error| anyhow!("{error}"))?;
    }
    let config = executable.get_config();
    let frames = vec![CallFrame::default(); config.max_call_depth].leak();
    let stack = vec![0_u64; config.stack_size() / 8].leak();
    // SAFETY: no region is mapped.
    let mapping = unsafe { MemoryMapping::new(Vec::new(), config, VERSION) };
    let context = Box::leak(Box::new(Unmetered(mapping.map_err(|error| anyhow!("{error}"))?)));
    let loader = executable.get_loader().clone();
    let mut vm = EbpfVm::new(loader, VERSION, context, config.stack_size());
    vm.registers[1] = Low::new(workload)?.address();
    // Frames follow one another upwards; R10 is at the end of the first.
    vm.registers[10] = stack.as_mut_ptr().expose_provenance() as u64;
    vm.registers[10] += config.stack_frame_size as u64;
    let registers = vm.registers;
    Ok(Box::new(ByFunction(move || {
        vm.registers = registers;
        let (_, result) = vm.execute_program(executable, &mut mode(), frames);
        let r0 = Result::from(result).map_err(|error| anyhow!("{error}"))?;
        Ok(u32::try_from(r0 & u64::from(u32::MAX))?)
    })))
}

/// Compiled code.
pub fn jit(workload: &Workload) -> Result<Box<dyn Runner>> {
    runner(workload, || ExecutionMode::Jit)
}

/// The interpreter.
pub fn interpreter(workload: &Workload) -> Result<Box<dyn Runner>> {
    runner(workload, || ExecutionMode::Interpreted)
}
