//! Multiplication and division.
//!
//! The CPU divides `rdx:rax`, where R3 and R0 are. The divisor is moved to
//! `r11` first, so that it is none of them; what the division destroys is kept
//! in `r10` and, for a destination that is neither, in the destination itself.

use bpf_bytecode::Register;
use bpf_bytecode::instruction::Operand;
use bpf_bytecode::opcode::{AluOp, Width};
use dynasm::dynasm;

use super::Emitter;
use super::buffer::Flag;
use super::regs::{RAX, RDX, native};

/// `r11`
const DIVISOR: u8 = 11;

impl Emitter {
    pub(super) fn multiply(&mut self, width: Width, dst: u8, src: Operand) {
        match (width, src) {
            (Width::W64, Operand::Reg(src)) => {
                dynasm!(self.code; .arch x64; imul Rq(dst), Rq(native(src)));
            }
            (Width::W32, Operand::Reg(src)) => {
                dynasm!(self.code; .arch x64; imul Rd(dst), Rd(native(src)));
            }
            (_, Operand::Imm(imm)) => self.multiply_by(width, dst, imm),
        }
    }

    fn multiply_by(&mut self, width: Width, dst: u8, imm: i32) {
        match (width, i8::try_from(imm)) {
            (Width::W64, Ok(imm)) => {
                dynasm!(self.code; .arch x64; imul Rq(dst), Rq(dst), BYTE imm);
            }
            (Width::W64, Err(_)) => {
                dynasm!(self.code; .arch x64; imul Rq(dst), Rq(dst), DWORD imm);
            }
            (Width::W32, Ok(imm)) => {
                dynasm!(self.code; .arch x64; imul Rd(dst), Rd(dst), BYTE imm);
            }
            (Width::W32, Err(_)) => {
                dynasm!(self.code; .arch x64; imul Rd(dst), Rd(dst), DWORD imm);
            }
        }
    }

    pub(super) fn divide(&mut self, op: AluOp, width: Width, dst: Register, src: Operand) {
        match src {
            Operand::Imm(0) => self.by_zero(op, width, dst),
            Operand::Imm(-1) if is_signed(op) => self.by_minus_one(op, width, dst),
            Operand::Imm(imm) => {
                match width {
                    Width::W64 => dynasm!(self.code; .arch x64; mov r11, DWORD imm),
                    Width::W32 => dynasm!(self.code; .arch x64; mov r11d, DWORD imm),
                }
                self.by_r11(op, width, native(dst));
            }
            Operand::Reg(src) => self.by_register(op, width, dst, native(src)),
        }
    }

    /// A division by what is known at run time only.
    fn by_register(&mut self, op: AluOp, width: Width, dst: Register, src: u8) {
        let (zero, done) = (self.code.label(), self.code.label());
        match width {
            Width::W64 => dynasm!(self.code; .arch x64; mov r11, Rq(src); test r11, r11),
            Width::W32 => dynasm!(self.code; .arch x64; mov r11d, Rd(src); test r11d, r11d),
        }
        self.code.skip_if(Flag::Equal, zero);
        if is_signed(op) {
            let ordinary = self.code.label();
            self.compare_byte(width, DIVISOR, -1);
            self.code.skip_if(Flag::NotEqual, ordinary);
            self.by_minus_one(op, width, dst);
            self.code.skip(done);
            self.code.bind(ordinary);
        }
        self.by_r11(op, width, native(dst));
        if is_remainder(op) && width == Width::W64 {
            // There is nothing to do.
            self.code.bind(zero);
        } else {
            self.code.skip(done);
            self.code.bind(zero);
            self.by_zero(op, width, dst);
        }
        self.code.bind(done);
    }

    fn by_zero(&mut self, op: AluOp, width: Width, dst: Register) {
        match op {
            AluOp::Mod | AluOp::Smod => {
                if width == Width::W32 {
                    self.move_register(width, dst, dst);
                }
            }
            _ => self.constant(dst, 0),
        }
    }

    /// The CPU traps on the least number divided by -1.
    fn by_minus_one(&mut self, op: AluOp, width: Width, dst: Register) {
        match op {
            AluOp::Smod => self.constant(dst, 0),
            _ => self.negate(width, dst),
        }
    }

    /// A division by `r11`, which is not zero and, if signed, not -1.
    fn by_r11(&mut self, op: AluOp, width: Width, dst: u8) {
        let remainder = is_remainder(op);
        match dst {
            RAX => {
                dynasm!(self.code; .arch x64; mov r10, rdx);
                self.divide_rax(op, width);
                if remainder {
                    dynasm!(self.code; .arch x64; mov rax, rdx);
                }
                dynasm!(self.code; .arch x64; mov rdx, r10);
            }
            RDX => {
                dynasm!(self.code; .arch x64; mov r10, rax; mov rax, rdx);
                self.divide_rax(op, width);
                if !remainder {
                    dynasm!(self.code; .arch x64; mov rdx, rax);
                }
                dynasm!(self.code; .arch x64; mov rax, r10);
            }
            _ => {
                dynasm!(self.code; .arch x64; mov r10, rdx; xchg rax, Rq(dst));
                self.divide_rax(op, width);
                if remainder {
                    dynasm!(self.code; .arch x64; mov rax, rdx);
                }
                dynasm!(self.code; .arch x64; xchg rax, Rq(dst); mov rdx, r10);
            }
        }
    }

    /// `rax / r11` to `rax`, the remainder to `rdx`.
    fn divide_rax(&mut self, op: AluOp, width: Width) {
        match (is_signed(op), width) {
            (false, Width::W64) => dynasm!(self.code; .arch x64; xor edx, edx; div r11),
            (false, Width::W32) => dynasm!(self.code; .arch x64; xor edx, edx; div r11d),
            (true, Width::W64) => dynasm!(self.code; .arch x64; cqo; idiv r11),
            (true, Width::W32) => dynasm!(self.code; .arch x64; cdq; idiv r11d),
        }
    }
}

const fn is_remainder(op: AluOp) -> bool {
    matches!(op, AluOp::Mod | AluOp::Smod)
}

const fn is_signed(op: AluOp) -> bool {
    matches!(op, AluOp::Sdiv | AluOp::Smod)
}
