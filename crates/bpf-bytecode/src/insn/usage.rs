//! Which registers an instruction reads and writes, told by its slot's fields alone.
//!
//! As with where control goes, this holds for slots that begin an instruction.

use super::BpfInsn;
use crate::opcode::{AluOp, Source};
use crate::table::{Form, INSTRUCTION_SET};

const READS_DST: u8 = 1;
const READS_SRC: u8 = 2;
const WRITES_DST: u8 = 4;
/// The opcode and the register fields do not tell.
const HIDDEN: u8 = 8;

/// What instructions with an opcode do with the registers that their fields name.
static USES: [u8; 256] = {
    let mut uses = [HIDDEN; 256];
    let mut rows = INSTRUCTION_SET;
    while let [row, rest @ ..] = rows {
        let (_, from) = uses.split_at_mut(row.code as usize);
        if let [use_of_code, ..] = from {
            *use_of_code = use_of(row.form);
        }
        rows = rest;
    }
    uses
};

/// Forms that share an opcode do the same, or are hidden.
const fn use_of(form: Form) -> u8 {
    match form {
        Form::Alu(AluOp::Mov, _, source) => WRITES_DST | read_by(source),
        Form::Alu(_, _, source) => READS_DST | WRITES_DST | read_by(source),
        Form::Neg(_) | Form::ByteSwap(..) => READS_DST | WRITES_DST,
        Form::MovSx(..) | Form::Load(..) => READS_SRC | WRITES_DST,
        Form::LoadImm64 => WRITES_DST,
        Form::Store(_, source) | Form::JumpIf(_, _, source) => READS_DST | read_by(source),
        Form::Ja | Form::Gotol | Form::MayGoto => 0,
        Form::Atomic(..)
        | Form::LoadAcquire(_)
        | Form::StoreRelease(_)
        | Form::LegacyAbs(_)
        | Form::LegacyInd(_)
        | Form::CallHelper
        | Form::CallLocal
        | Form::CallKfunc
        | Form::Exit => HIDDEN,
    }
}

const fn read_by(source: Source) -> u8 {
    match source {
        Source::Imm => 0,
        Source::Reg => READS_SRC,
    }
}

/// Registers by number, a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisterUse {
    /// Those that are read.
    pub read: u16,
    /// Those that are written.
    pub written: u16,
}

impl BpfInsn {
    /// The registers that the instruction reads and writes; none where its opcode and
    /// register fields alone do not say: atomic operations, loads from a packet, calls and
    /// exits.
    #[inline]
    pub fn register_use(self) -> Option<RegisterUse> {
        let uses = USES.get(usize::from(self.code)).copied().unwrap_or(HIDDEN);
        if uses & HIDDEN != 0 {
            return None;
        }
        let bit = |number: u8, flag| u16::from(uses & flag != 0).wrapping_shl(u32::from(number));
        let read = bit(self.dst(), READS_DST) | bit(self.src(), READS_SRC);
        Some(RegisterUse { read, written: bit(self.dst(), WRITES_DST) })
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "tests may panic")]
mod tests {
    use super::*;
    use crate::Instruction;
    use crate::instruction::Operand;
    use crate::registers::Register;

    fn bits(registers: &[Register]) -> u16 {
        registers.iter().fold(0, |bits, register| bits | 1 << register.number())
    }

    fn with(first: &[Register], operand: Operand) -> u16 {
        let second = if let Operand::Reg(register) = operand { bits(&[register]) } else { 0 };
        bits(first) | second
    }

    /// What each decoded instruction reads and writes by its operands; none where that is not
    /// all.
    fn decoded_use(insn: Instruction) -> Option<RegisterUse> {
        let (read, written) = match insn {
            Instruction::Alu { op: AluOp::Mov, dst, src, .. } => (with(&[], src), bits(&[dst])),
            Instruction::Alu { dst, src, .. } => (with(&[dst], src), bits(&[dst])),
            Instruction::Neg { dst, .. } | Instruction::ByteSwap { dst, .. } => {
                (bits(&[dst]), bits(&[dst]))
            }
            Instruction::MovSx { dst, src, .. } => (bits(&[src]), bits(&[dst])),
            Instruction::LoadImm64 { dst, .. } => (0, bits(&[dst])),
            Instruction::Load { dst, base, .. } => (bits(&[base]), bits(&[dst])),
            Instruction::Store { base, src, .. } => (with(&[base], src), 0),
            Instruction::JumpIf { dst, src, .. } => (with(&[dst], src), 0),
            Instruction::Jump { .. } | Instruction::MayGoto { .. } => (0, 0),
            _ => return None,
        };
        Some(RegisterUse { read, written })
    }

    #[test]
    fn agrees_with_the_decoder() {
        for row in INSTRUCTION_SET {
            for registers in [(0, 0), (3, 7), (10, 1), (9, 10)] {
                let slot = row.with_operands(registers.0, registers.1, 5, 3);
                let insns = [slot, BpfInsn::default()];
                let insn = Instruction::decode(&insns, 0).expect("a row of the table");
                assert_eq!(slot.register_use(), decoded_use(insn), "{insn:?}");
            }
        }
    }
}
