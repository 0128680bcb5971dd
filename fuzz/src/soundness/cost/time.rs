//! Execution time, in units of the standard cost table.

use kernel_bpf::bytecode::{BpfProgram, Instruction};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::{CostTable, VerifiedInfo};

/// The time that a run took.
#[derive(Debug, Default)]
pub(crate) struct Cost(u64);

impl Cost {
    pub fn add(&mut self, insn: &Instruction) {
        self.0 += CostTable::DEFAULT.cost(insn);
    }

    /// # Panics
    /// When the run took more than was proven.
    pub fn assert_within(&self, info: &VerifiedInfo, program: &BpfProgram<ActiveProfile>) {
        assert!(
            self.0 <= info.wcet,
            "{} units, {} proven\n{}",
            self.0,
            info.wcet,
            program.listing()
        );
    }
}
