//! Shifts and rotations. The CPU takes a variable count from `cl`, where R4 is,
//! or with BMI2 from any register, and masks it as the instruction set says.

use bpf_bytecode::opcode::{AluOp, Width};

use super::Emitter;
use super::encode::{Imm, Opcode, Rm, Source};
use super::regs::{RCX, SCRATCH, SCRATCH_TOO};

/// Numbers of the instructions in opcodes.
const ROTATE_LEFT: u8 = 0;

/// What is done to a bit that a register counts out: `bt` and its like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bit {
    /// It goes into the carry flag, and nothing else is done.
    Ask = 0xa3,
    Set = 0xab,
    Clear = 0xb3,
    Turn = 0xbb,
}

const fn number(op: AluOp) -> u8 {
    match op {
        AluOp::Lsh => 4,
        AluOp::Rsh => 5,
        _ => 7,
    }
}

impl Emitter<'_> {
    pub(super) fn shift(&mut self, op: AluOp, width: Width, dst: u8, src: Source) {
        match src {
            Source::Imm(0) => self.copy(width, dst, dst),
            // Masked when lowered.
            Source::Imm(count) => self.move_bits(number(op), width, dst, count),
            Source::Reg(count) => self.shift_by_register(op, width, dst, dst, count),
            // Counts are in registers.
            Source::Mem(_) => {}
        }
    }

    /// `dst = from op count`
    pub(super) fn shift_by_register(
        &mut self,
        op: AluOp,
        width: Width,
        dst: u8,
        from: u8,
        count: u8,
    ) {
        if self.features.bmi2 {
            let prefix = match op {
                AluOp::Lsh => 1,
                AluOp::Rsh => 3,
                _ => 2,
            };
            let shift = (2, prefix, 0xf7);
            return self.code.three(shift, width, dst, count, from, Imm::None);
        }
        if count == RCX && dst != RCX {
            self.copy(Width::W64, dst, from);
            return self.by_cl(op, width, dst);
        }
        if dst != RCX && dst != count {
            self.copy(Width::W64, dst, from);
            self.copy(Width::W64, SCRATCH, RCX);
            self.copy(Width::W64, RCX, count);
            self.by_cl(op, width, dst);
            return self.copy(Width::W64, RCX, SCRATCH);
        }
        // `dst` is needed as the count, and shifted elsewhere.
        self.copy(Width::W64, SCRATCH, from);
        if dst != RCX {
            self.copy(Width::W64, SCRATCH_TOO, RCX);
        }
        self.copy(Width::W64, RCX, count);
        self.by_cl(op, width, SCRATCH);
        if dst != RCX {
            self.copy(Width::W64, RCX, SCRATCH_TOO);
        }
        self.copy(Width::W64, dst, SCRATCH);
    }

    /// `dst = from` rotated left.
    pub(super) fn rotate(&mut self, width: Width, dst: u8, from: u8, by: u8) {
        let left = i32::from(by);
        if dst == from || !self.features.bmi2 {
            self.copy(Width::W64, dst, from);
            return self.move_bits(ROTATE_LEFT, width, dst, left);
        }
        let right = i8::try_from(width.bits().cast_signed().wrapping_sub(left)).unwrap_or(0);
        self.code.three((3, 3, 0xf0), width, dst, 0, from, Imm::Byte(right));
    }

    /// A bit of a register, counted as a shift of the width counts.
    pub(super) fn bit(&mut self, bit: Bit, width: Width, reg: u8, count: u8) {
        self.code.insn(Opcode::two(bit as u8), width, count, Rm::Reg(reg), Imm::None);
    }

    fn move_bits(&mut self, number: u8, width: Width, dst: u8, count: i32) {
        match i8::try_from(count) {
            Ok(1) => self.code.insn(Opcode::one(0xd1), width, number, Rm::Reg(dst), Imm::None),
            Ok(count) => {
                let opcode = Opcode::one(0xc1);
                self.code.insn(opcode, width, number, Rm::Reg(dst), Imm::Byte(count));
            }
            Err(_) => {}
        }
    }

    fn by_cl(&mut self, op: AluOp, width: Width, dst: u8) {
        self.code.insn(Opcode::one(0xd3), width, number(op), Rm::Reg(dst), Imm::None);
    }
}
