//! The other engines, as their users run them.
#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::Arc;

use solana_sbpf::aligned_memory::AlignedMemory;
use solana_sbpf::ebpf;
use solana_sbpf::elf::Executable;
use solana_sbpf::error::StableResult;
use solana_sbpf::memory_region::{MemoryMapping, MemoryRegion};
use solana_sbpf::program::{BuiltinProgram, FunctionRegistry, SBPFVersion};
use solana_sbpf::vm::{CallFrame, Config, ContextObject, EbpfVm, ExecutionMode};

/// rbpf's interpreter, with its checks of memory.
pub struct Rbpf<'a> {
    vm: rbpf::EbpfVmRaw<'a>,
}

impl<'a> Rbpf<'a> {
    pub fn new(program: &'a [u8]) -> Self {
        Self { vm: rbpf::EbpfVmRaw::new(Some(program)).expect("rbpf takes the program") }
    }

    pub fn execute(&mut self, memory: &mut [u8]) -> u64 {
        // SAFETY: the engine keeps the slice for the call alone, though its
        // signature asks for more.
        let memory = unsafe { &mut *std::ptr::from_mut(memory) };
        self.vm.execute_program(memory).expect("rbpf runs")
    }
}

/// The meter and the memory that solana-sbpf asks its host for.
struct Host {
    mapping: MemoryMapping,
    remaining: u64,
}

impl ContextObject for Host {
    fn consume(&mut self, amount: u64) {
        self.remaining = self.remaining.saturating_sub(amount);
    }

    fn get_remaining(&self) -> u64 {
        self.remaining
    }

    fn active_mapping_ptr(&mut self) -> NonNull<MemoryMapping> {
        NonNull::from_mut(&mut self.mapping)
    }
}

/// solana-sbpf's interpreter, with meter and address translation.
pub struct Sbpf<'m> {
    executable: Executable<Host>,
    host: Host,
    frames: Vec<CallFrame>,
    stack_len: usize,
    _stack: AlignedMemory<{ ebpf::HOST_ALIGN }>,
    _memory: &'m mut [u8],
}

impl<'m> Sbpf<'m> {
    pub fn new(program: &[u8], memory: &'m mut [u8]) -> Self {
        let (config, version) = (Config::default(), SBPFVersion::V0);
        let stack_len = config.stack_size();
        let frames = vec![CallFrame::default(); config.max_call_depth];
        let loader = Arc::new(BuiltinProgram::new_loader(config.clone()));
        let registry = FunctionRegistry::default();
        let executable = Executable::from_text_bytes(program, loader, version, registry)
            .expect("solana-sbpf takes the program");
        let mut stack = AlignedMemory::<{ ebpf::HOST_ALIGN }>::zero_filled(stack_len);
        let regions = vec![
            executable.get_ro_region(),
            MemoryRegion::new_gapped(
                &raw mut *stack.as_slice_mut(),
                ebpf::MM_STACK_START,
                config.stack_frame_size as u64,
            ),
            MemoryRegion::new(&raw mut *memory, ebpf::MM_INPUT_START),
        ];
        // SAFETY: the regions are those of the program, the stack and the
        // memory, all of which the result keeps.
        let mapping = unsafe { MemoryMapping::new(regions, &config, version) }.expect("regions");
        let host = Host { mapping, remaining: 0 };
        Self { executable, host, frames, stack_len, _stack: stack, _memory: memory }
    }

    pub fn execute(&mut self) -> u64 {
        self.host.remaining = 1 << 32;
        let loader = self.executable.get_loader().clone();
        let version = self.executable.get_sbpf_version();
        let mut vm = EbpfVm::new(loader, version, &mut self.host, self.stack_len);
        vm.registers[1] = ebpf::MM_INPUT_START;
        let mut mode = ExecutionMode::Interpreted;
        let (_, result) = vm.execute_program(&self.executable, &mut mode, &mut self.frames);
        match result {
            StableResult::Ok(r0) => r0,
            StableResult::Err(error) => panic!("solana-sbpf: {error}"),
        }
    }
}
