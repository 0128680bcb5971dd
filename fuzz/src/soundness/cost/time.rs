//! Execution time, in units of the standard cost table.

use kernel_bpf::bytecode::{BpfProgram, Instruction};
use kernel_bpf::execution::{Step, Timing};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::{CostTable, VerifiedInfo};

/// The time that a run took.
#[derive(Debug)]
pub(crate) struct Cost(Timing<'static>);

impl Default for Cost {
    fn default() -> Self {
        Self(Timing::new(CostTable::DEFAULT))
    }
}

impl Cost {
    pub fn add(&mut self, insn: &Instruction, step: &Step<'_, '_>) {
        self.0.step(insn, step);
    }

    /// # Panics
    /// When the run took more than was proven.
    pub fn assert_within(&self, info: &VerifiedInfo, program: &BpfProgram<ActiveProfile>) {
        assert!(
            self.0.units() <= info.wcet,
            "{} units, {} proven\n{}",
            self.0.units(),
            info.wcet,
            program.listing()
        );
    }
}
