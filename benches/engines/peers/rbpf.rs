//! `rbpf`: its JIT compiler, which checks nothing, and its interpreter, which
//! checks every access.

use anyhow::{Result, ensure};
use kernel_bpf_benches::{Program, Workload};
use rbpf::EbpfVmRaw;

use super::{LOOKUP, Low, bytes, lookup, relocate};
use crate::runner::{ByFunction, Runner};

/// The compiler has one page for a program's code, and does not notice where that
/// ends; so many slots fit.
pub const SLOTS: usize = 500;

/// The program in a virtual machine.
pub fn load(program: &Program) -> Result<EbpfVmRaw<'static>> {
    let (insns, ranges) = relocate(program)?;
    let mut vm = EbpfVmRaw::new(Some(bytes(&insns).leak()))?;
    vm.register_helper(LOOKUP, lookup)?;
    for range in ranges {
        vm.register_allowed_memory(range);
    }
    Ok(vm)
}

/// Compiled code.
pub fn jit(workload: &Workload, program: &Program) -> Result<Box<dyn Runner>> {
    ensure!(program.insns.len() <= SLOTS, "more code than its one page holds");
    let mut vm = load(program)?;
    vm.jit_compile()?;
    let memory = Low::new(workload)?;
    Ok(Box::new(ByFunction(move || {
        // SAFETY: the programs were verified, and stay within what they are given.
        let r0 = unsafe { vm.execute_program_jit(memory.bytes())? };
        Ok(u32::try_from(r0 & u64::from(u32::MAX))?)
    })))
}

/// The interpreter.
pub fn interpreter(workload: &Workload, program: &Program) -> Result<Box<dyn Runner>> {
    let vm = load(program)?;
    let memory = Low::new(workload)?;
    Ok(Box::new(ByFunction(move || {
        let r0 = vm.execute_program(memory.bytes())?;
        Ok(u32::try_from(r0 & u64::from(u32::MAX))?)
    })))
}
