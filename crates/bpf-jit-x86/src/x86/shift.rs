//! Shifts. The CPU takes a variable count from `cl`, where R4 is, and masks it
//! as the instruction set says.

use bpf_bytecode::Register;
use bpf_bytecode::instruction::Operand;
use bpf_bytecode::opcode::{AluOp, Width};
use dynasm::dynasm;

use super::Emitter;
use super::regs::{RCX, native};

impl Emitter {
    pub(super) fn shift(&mut self, op: AluOp, width: Width, dst: Register, src: Operand) {
        match src {
            Operand::Imm(0) => self.move_register(width, dst, dst),
            Operand::Imm(count) => {
                // Masked when lowered.
                let count = i8::try_from(count).unwrap_or_default();
                self.shift_by_constant(op, width, native(dst), count);
            }
            Operand::Reg(src) => match (native(dst), native(src)) {
                (RCX, RCX) => {
                    dynasm!(self.code; .arch x64; mov r11, rcx);
                    self.shift_by_cl(op, width, 11);
                    dynasm!(self.code; .arch x64; mov rcx, r11);
                }
                (RCX, src) => {
                    dynasm!(self.code; .arch x64; mov r11, rcx; mov ecx, Rd(src));
                    self.shift_by_cl(op, width, 11);
                    dynasm!(self.code; .arch x64; mov rcx, r11);
                }
                (dst, RCX) => self.shift_by_cl(op, width, dst),
                (dst, src) => {
                    dynasm!(self.code; .arch x64; mov r11, rcx; mov ecx, Rd(src));
                    self.shift_by_cl(op, width, dst);
                    dynasm!(self.code; .arch x64; mov rcx, r11);
                }
            },
        }
    }

    fn shift_by_constant(&mut self, op: AluOp, width: Width, dst: u8, count: i8) {
        match (op, width) {
            (AluOp::Lsh, Width::W64) => dynasm!(self.code; .arch x64; shl Rq(dst), BYTE count),
            (AluOp::Lsh, Width::W32) => dynasm!(self.code; .arch x64; shl Rd(dst), BYTE count),
            (AluOp::Rsh, Width::W64) => dynasm!(self.code; .arch x64; shr Rq(dst), BYTE count),
            (AluOp::Rsh, Width::W32) => dynasm!(self.code; .arch x64; shr Rd(dst), BYTE count),
            (_, Width::W64) => dynasm!(self.code; .arch x64; sar Rq(dst), BYTE count),
            (_, Width::W32) => dynasm!(self.code; .arch x64; sar Rd(dst), BYTE count),
        }
    }

    fn shift_by_cl(&mut self, op: AluOp, width: Width, dst: u8) {
        match (op, width) {
            (AluOp::Lsh, Width::W64) => dynasm!(self.code; .arch x64; shl Rq(dst), cl),
            (AluOp::Lsh, Width::W32) => dynasm!(self.code; .arch x64; shl Rd(dst), cl),
            (AluOp::Rsh, Width::W64) => dynasm!(self.code; .arch x64; shr Rq(dst), cl),
            (AluOp::Rsh, Width::W32) => dynasm!(self.code; .arch x64; shr Rd(dst), cl),
            (_, Width::W64) => dynasm!(self.code; .arch x64; sar Rq(dst), cl),
            (_, Width::W32) => dynasm!(self.code; .arch x64; sar Rd(dst), cl),
        }
    }
}
