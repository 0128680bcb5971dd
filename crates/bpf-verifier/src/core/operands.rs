//! What a comparison of a result says of the operands it was made of.
//!
//! Where `a` is `x | y`, every bit of either is one of `a`: so none of them is greater than `a`,
//! and where `a` is compared with zero, both are. Compilers ask so of two numbers at once. Which
//! registers these are follows from the code in front of the jump, as far as no other way leads
//! into it: whoever comes to the jump executed it just before, and no state was kept there that
//! could stand for another.
//!
//! ```text
//! r0 = r3                   r0 is r3
//! w0 |= w2                  its low half has the bits of r3's and r2's
//! if w0 > 31 goto ...       behind it, the low halves of r2 and r3 are at most 31
//! ```

use bpf_bytecode::Register;
use bpf_bytecode::instruction::{Instruction, Operand};
use bpf_bytecode::opcode::{AluOp, Cond, Width};

use super::Explorer;
use crate::domain::{Scalar, one_side};
use crate::state::Value;

/// As many instructions in front of a jump are looked at.
const LOOKED_AT: u32 = 12;

/// The register whose bits, before some instruction, are all among those of what is compared.
#[derive(Clone, Copy)]
struct Part {
    register: Register,
    /// Of that register and of the other, the low half alone is meant.
    half: bool,
    /// The shift to the right by 32 which the instruction in front of has to make good.
    raised: bool,
    /// Something was added to its bits since: what is but a copy is known by its name.
    joined: bool,
}

fn narrower(half: bool, width: Width) -> bool {
    half || matches!(width, Width::W32)
}

impl Part {
    /// The same in front of an instruction that writes the register, and another register with such
    /// bits, of which all count or the low half.
    fn before(self, insn: &Instruction) -> Option<(Self, Option<(Register, bool)>)> {
        let Instruction::Alu { op, width, dst, src } = *insn else { return None };
        let half = narrower(self.half, width);
        let part = Self { half, ..self };
        match (op, src) {
            (AluOp::Lsh, Operand::Imm(32)) if self.raised && width == Width::W64 => {
                Some((Self { register: dst, half: true, raised: false, ..self }, None))
            }
            _ if self.raised => None,
            (AluOp::Rsh | AluOp::Arsh, Operand::Imm(32)) if width == Width::W64 => {
                Some((Self { raised: true, ..part }, None))
            }
            (AluOp::Or, Operand::Reg(src)) => {
                Some((Self { joined: true, ..part }, Some((src, half))))
            }
            (AluOp::Or, Operand::Imm(_)) => Some((Self { joined: true, ..part }, None)),
            (AluOp::Mov, Operand::Reg(src)) => {
                Some((Self { register: src, ..part }, Some((src, half))))
            }
            _ => None,
        }
    }
}

/// The bit of a register.
fn bit(register: Register) -> u16 {
    1_u16.wrapping_shl(register.number().into())
}

/// The bits of the registers that an instruction writes, if it is one behind which the next one
/// may be executed, and writes one at the most.
fn written(insn: &Instruction) -> Option<u16> {
    match *insn {
        Instruction::Alu { dst, .. }
        | Instruction::Neg { dst, .. }
        | Instruction::MovSx { dst, .. }
        | Instruction::ByteSwap { dst, .. }
        | Instruction::Load { dst, .. } => Some(bit(dst)),
        Instruction::Store { .. } | Instruction::JumpIf { .. } => Some(0),
        _ => None,
    }
}

/// A number of which all bits, or all of the low half, are bits of the other.
fn within(number: Scalar, all: &Scalar, half: bool) -> Option<Scalar> {
    let up_to = |number, width, most| {
        one_side(true, Cond::Le, width, number, Scalar::constant(most)).map(|(number, _)| number)
    };
    let number = up_to(number, Width::W32, all.half().umax)?;
    if half { Some(number) } else { up_to(number, Width::W64, all.umax()) }
}

impl Explorer<'_> {
    /// A comparison at the walk's place says that a register's number is `number`, resting on
    /// `deps`: so it says something of what that was made of.
    pub(super) fn learn_operands(&mut self, register: Register, number: &Scalar, deps: u64) {
        let mut part = Part { register, half: false, raised: false, joined: false };
        let (mut at, mut changed) = (self.walker.pc, 0_u16);
        for _ in 0..LOOKED_AT {
            let joins = self.code.known(&self.arena, at).is_point();
            let Some(before) = at.checked_sub(1).filter(|_| !joins) else { return };
            at = before;
            let Ok(insn) = self.code.insn(at) else { return };
            let Some(writes) = written(&insn) else { return };
            if writes == bit(part.register) {
                let Some((next, operand)) = part.before(&insn) else { return };
                if let Some((operand, half)) = operand
                    && next.joined
                    && operand != part.register
                    && changed & bit(operand) == 0
                {
                    self.learn_operand(operand, half, number, deps);
                }
                part = next;
            }
            changed |= writes;
        }
    }

    /// All bits of a register, or of its low half, are bits of `number`.
    fn learn_operand(&mut self, register: Register, half: bool, number: &Scalar, deps: u64) {
        let value: Value = self.state.reg(register);
        if value.is_scalar()
            && let Some(learned) = within(value.number, number, half)
        {
            self.learn_number(register, value, learned, value.deps | deps);
        }
    }
}
