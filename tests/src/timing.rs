//! What a run takes, by the standard cost table.

use kernel_bpf::bytecode::Instruction;
use kernel_bpf::bytecode::instruction::CallTarget;
use kernel_bpf::execution::Step;
use kernel_bpf::verifier::CostTable;

/// Units of the standard cost table that a run has taken so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timing {
    /// Units.
    pub units: u64,
    /// The last instruction, and the frame that it was in.
    last: Option<(Instruction, u64)>,
}

impl Timing {
    /// The instruction at a step is about to be executed.
    pub fn step(&mut self, insn: &Instruction, step: &Step<'_, '_>) {
        let frame = step.registers[10];
        let called_back = self.last.is_some_and(|(last, from)| match last {
            Instruction::Call(CallTarget::Helper(_)) => frame != from,
            // The helper has called the function again.
            Instruction::Exit => frame == from,
            _ => false,
        });
        if called_back {
            self.units += u64::from(CostTable::DEFAULT.call);
        }
        self.units += CostTable::DEFAULT.cost(insn);
        self.last = Some((*insn, frame));
    }
}
