//! Moves and arithmetic, but for division and shifts.

use bpf_bytecode::Register;
use bpf_bytecode::instruction::Operand;
use bpf_bytecode::opcode::{AluOp, Size, Width};
use dynasm::dynasm;

use super::Emitter;
use super::regs::native;

/// `op dst, src` in the shortest form of the two-operand instructions.
macro_rules! two_operands {
    ($code:expr, $op:ident, $width:expr, $dst:expr, $src:expr) => {{
        let dst = $dst;
        match ($width, $src) {
            (Width::W64, Operand::Reg(src)) => {
                dynasm!($code; .arch x64; $op Rq(dst), Rq(native(src)));
            }
            (Width::W32, Operand::Reg(src)) => {
                dynasm!($code; .arch x64; $op Rd(dst), Rd(native(src)));
            }
            (Width::W64, Operand::Imm(imm)) => match i8::try_from(imm) {
                Ok(imm) => dynasm!($code; .arch x64; $op Rq(dst), BYTE imm),
                Err(_) => dynasm!($code; .arch x64; $op Rq(dst), DWORD imm),
            },
            (Width::W32, Operand::Imm(imm)) => match i8::try_from(imm) {
                Ok(imm) => dynasm!($code; .arch x64; $op Rd(dst), BYTE imm),
                Err(_) => dynasm!($code; .arch x64; $op Rd(dst), DWORD imm),
            },
        }
    }};
}

impl Emitter {
    pub(super) fn alu(&mut self, op: AluOp, width: Width, dst: Register, src: Operand) {
        let code = &mut self.code;
        match op {
            AluOp::Add => two_operands!(code, add, width, native(dst), src),
            AluOp::Sub => two_operands!(code, sub, width, native(dst), src),
            AluOp::Or => two_operands!(code, or, width, native(dst), src),
            AluOp::And => two_operands!(code, and, width, native(dst), src),
            AluOp::Xor => two_operands!(code, xor, width, native(dst), src),
            AluOp::Mul => self.multiply(width, native(dst), src),
            AluOp::Div | AluOp::Sdiv | AluOp::Mod | AluOp::Smod => {
                self.divide(op, width, dst, src);
            }
            AluOp::Lsh | AluOp::Rsh | AluOp::Arsh => self.shift(op, width, dst, src),
            AluOp::Mov => match src {
                Operand::Reg(src) => self.move_register(width, dst, src),
                Operand::Imm(imm) => self.constant(dst, i64::from(imm).cast_unsigned()),
            },
        }
    }

    pub(super) fn negate(&mut self, width: Width, dst: Register) {
        let dst = native(dst);
        match width {
            Width::W64 => dynasm!(self.code; .arch x64; neg Rq(dst)),
            Width::W32 => dynasm!(self.code; .arch x64; neg Rd(dst)),
        }
    }

    pub(super) fn move_register(&mut self, width: Width, dst: Register, src: Register) {
        let (dst, src) = (native(dst), native(src));
        match width {
            Width::W64 if dst == src => {}
            Width::W64 => dynasm!(self.code; .arch x64; mov Rq(dst), Rq(src)),
            Width::W32 => dynasm!(self.code; .arch x64; mov Rd(dst), Rd(src)),
        }
    }

    pub(super) fn constant(&mut self, dst: Register, value: u64) {
        self.set(native(dst), value);
    }

    /// Loads a number into a register of the CPU.
    pub(super) fn set(&mut self, dst: u8, value: u64) {
        let signed = value.cast_signed();
        if value == 0 {
            dynasm!(self.code; .arch x64; xor Rd(dst), Rd(dst));
        } else if let Ok(low) = u32::try_from(value) {
            dynasm!(self.code; .arch x64; mov Rd(dst), DWORD low.cast_signed());
        } else if let Ok(low) = i32::try_from(signed) {
            dynasm!(self.code; .arch x64; mov Rq(dst), DWORD low);
        } else {
            dynasm!(self.code; .arch x64; mov Rq(dst), QWORD signed);
        }
    }

    pub(super) fn sign_extend(&mut self, width: Width, from: Size, dst: Register, src: Register) {
        let (dst, src) = (native(dst), native(src));
        match (width, from) {
            (Width::W64, Size::B) => dynasm!(self.code; .arch x64; movsx Rq(dst), Rb(src)),
            (Width::W64, Size::H) => dynasm!(self.code; .arch x64; movsx Rq(dst), Rw(src)),
            (Width::W64, Size::W) => dynasm!(self.code; .arch x64; movsxd Rq(dst), Rd(src)),
            (Width::W64, Size::Dw) => dynasm!(self.code; .arch x64; mov Rq(dst), Rq(src)),
            (Width::W32, Size::B) => dynasm!(self.code; .arch x64; movsx Rd(dst), Rb(src)),
            (Width::W32, Size::H) => dynasm!(self.code; .arch x64; movsx Rd(dst), Rw(src)),
            (Width::W32, Size::W | Size::Dw) => {
                dynasm!(self.code; .arch x64; mov Rd(dst), Rd(src));
            }
        }
    }

    pub(super) fn zero_extend(&mut self, from: Size, dst: Register) {
        let dst = native(dst);
        match from {
            Size::B => dynasm!(self.code; .arch x64; movzx Rd(dst), Rb(dst)),
            Size::H => dynasm!(self.code; .arch x64; movzx Rd(dst), Rw(dst)),
            Size::W => dynasm!(self.code; .arch x64; mov Rd(dst), Rd(dst)),
            Size::Dw => {}
        }
    }

    pub(super) fn swap(&mut self, size: Size, dst: Register) {
        let reg = native(dst);
        match size {
            Size::B => self.zero_extend(Size::B, dst),
            Size::H => {
                dynasm!(self.code; .arch x64; ror Rw(reg), BYTE 8; movzx Rd(reg), Rw(reg));
            }
            Size::W => dynasm!(self.code; .arch x64; bswap Rd(reg)),
            Size::Dw => dynasm!(self.code; .arch x64; bswap Rq(reg)),
        }
    }

    /// Sets the flags for a comparison of two operands.
    pub(super) fn compare(&mut self, width: Width, lhs: Register, rhs: Operand) {
        if rhs == Operand::Imm(0) {
            return self.test(width, lhs, Operand::Reg(lhs));
        }
        let lhs = native(lhs);
        match (width, rhs) {
            (Width::W64, Operand::Reg(rhs)) => {
                dynasm!(self.code; .arch x64; cmp Rq(lhs), Rq(native(rhs)));
            }
            (Width::W32, Operand::Reg(rhs)) => {
                dynasm!(self.code; .arch x64; cmp Rd(lhs), Rd(native(rhs)));
            }
            (_, Operand::Imm(imm)) => match (i8::try_from(imm), width) {
                (Ok(imm), _) => self.compare_byte(width, lhs, imm),
                (Err(_), Width::W64) => dynasm!(self.code; .arch x64; cmp Rq(lhs), DWORD imm),
                (Err(_), Width::W32) => dynasm!(self.code; .arch x64; cmp Rd(lhs), DWORD imm),
            },
        }
    }

    /// `cmp lhs, imm8`, for which `dynasm!` takes the form with four bytes.
    pub(super) fn compare_byte(&mut self, width: Width, lhs: u8, imm: i8) {
        let high = lhs >> 3;
        match width {
            Width::W64 => self.code.push(0x48 | high),
            Width::W32 if high != 0 => self.code.push(0x41),
            Width::W32 => {}
        }
        self.code.extend(&[0x83, 0xf8 | (lhs & 7)]);
        self.code.push_i8(imm);
    }

    /// Sets the flags for the bits that two operands have in common.
    pub(super) fn test(&mut self, width: Width, lhs: Register, rhs: Operand) {
        let lhs = native(lhs);
        match (width, rhs) {
            (Width::W64, Operand::Reg(rhs)) => {
                dynasm!(self.code; .arch x64; test Rq(lhs), Rq(native(rhs)));
            }
            (Width::W32, Operand::Reg(rhs)) => {
                dynasm!(self.code; .arch x64; test Rd(lhs), Rd(native(rhs)));
            }
            // The upper half of a positive immediate is zero.
            (Width::W64, Operand::Imm(imm)) if imm < 0 => {
                dynasm!(self.code; .arch x64; test Rq(lhs), DWORD imm);
            }
            (_, Operand::Imm(imm)) => dynasm!(self.code; .arch x64; test Rd(lhs), DWORD imm),
        }
    }
}
