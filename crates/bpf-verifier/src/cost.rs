//! What instructions and helpers cost on a target.

use bpf_bytecode::Instruction;
use bpf_bytecode::instruction::CallTarget;
use bpf_bytecode::opcode::AluOp;

/// The cost of every kind of instruction and of every helper, in units of the
/// table's own choice: cycles of a core, nanoseconds, or plain instructions.
/// Worst-case execution time is the sum along the costliest path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CostTable<'e> {
    /// Arithmetic, moves and loads of immediates.
    pub alu: u32,
    /// Multiplication.
    pub mul: u32,
    /// Division and remainder.
    pub div: u32,
    /// Load from memory.
    pub load: u32,
    /// Store to memory.
    pub store: u32,
    /// Atomic access to memory.
    pub atomic: u32,
    /// Load from the packet by a legacy instruction.
    pub legacy_packet: u32,
    /// Jump, taken or not.
    pub jump: u32,
    /// Call of a function, by the program or by a helper that calls back.
    pub call: u32,
    /// Exit, and return from a function.
    pub exit: u32,
    /// Helper that `helpers` does not list.
    pub helper: u32,
    /// Helpers by number.
    pub helpers: &'e [(u32, u32)],
}

impl CostTable<'static> {
    /// Estimates in units of about a cycle of a Cortex-M4 that interprets. They
    /// are counted, not measured: Arm's reference manual of the core gives data
    /// operations and multiplication one cycle, a load two, a division up to 12
    /// and a taken branch up to four, without wait states; to decode and dispatch
    /// takes some 20 to 30 of these, an address that is resolved as many again, a
    /// helper that looks a key up some hundreds. A system with wait states, caches,
    /// or helpers whose work depends on their arguments needs a table of its own,
    /// with measured figures for the largest case.
    pub const DEFAULT: Self = Self {
        alu: 30,
        mul: 32,
        div: 60,
        load: 60,
        store: 60,
        atomic: 80,
        legacy_packet: 120,
        jump: 30,
        call: 120,
        exit: 40,
        helper: 600,
        helpers: &[(5, 120), (7, 120), (8, 60)],
    };

    /// One unit for every instruction and helper.
    pub const INSTRUCTIONS: Self = Self {
        alu: 1,
        mul: 1,
        div: 1,
        load: 1,
        store: 1,
        atomic: 1,
        legacy_packet: 1,
        jump: 1,
        call: 1,
        exit: 1,
        helper: 1,
        helpers: &[],
    };
}

impl CostTable<'_> {
    /// The cost of one execution of `insn`.
    pub fn cost(&self, insn: &Instruction) -> u64 {
        let cost = match insn {
            Instruction::Alu { op: AluOp::Mul, .. } => self.mul,
            Instruction::Alu { op, .. } if op.is_division() => self.div,
            Instruction::Alu { .. }
            | Instruction::Neg { .. }
            | Instruction::MovSx { .. }
            | Instruction::ByteSwap { .. }
            | Instruction::LoadImm64 { .. } => self.alu,
            Instruction::Load { .. } => self.load,
            Instruction::Store { .. } => self.store,
            Instruction::Atomic { .. }
            | Instruction::LoadAcquire { .. }
            | Instruction::StoreRelease { .. } => self.atomic,
            Instruction::LegacyPacket { .. } => self.legacy_packet,
            Instruction::Jump { .. } | Instruction::JumpIf { .. } | Instruction::MayGoto { .. } => {
                self.jump
            }
            Instruction::Call(CallTarget::Helper(id)) => {
                let listed = self.helpers.iter().find(|(helper, _)| helper == id);
                listed.map_or(self.helper, |(_, cost)| *cost)
            }
            Instruction::Call(_) => self.call,
            Instruction::Exit => self.exit,
        };
        cost.into()
    }
}

impl Default for CostTable<'static> {
    fn default() -> Self {
        Self::DEFAULT
    }
}
