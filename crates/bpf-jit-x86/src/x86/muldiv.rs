//! Multiplication and division.
//!
//! The CPU divides `rdx:rax`, where R3 and R0 are. The divisor is moved to
//! `r11` first, so that it is none of them; what the division destroys is kept
//! in `r10` and, for a destination that is neither, in the destination itself.

use bpf_bytecode::opcode::{AluOp, Width};
use dynasm::dynasm;

use super::Emitter;
use super::buffer::Flag;
use super::encode::{Imm, Opcode, Rm, Source};
use super::regs::{RAX, RDX, SCRATCH as DIVISOR, SCRATCH_TOO as KEPT};

/// Registers of a division whose values nobody needs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spare {
    pub(super) rax: bool,
    pub(super) rdx: bool,
}

impl Emitter {
    /// `dst = from * src`
    pub(super) fn multiply(&mut self, width: Width, dst: u8, from: u8, src: Source) {
        let rm = match src {
            Source::Reg(src) => Rm::Reg(src),
            Source::Mem(mem) => Rm::Mem(mem),
            Source::Imm(imm) => {
                let (code, imm) = match i8::try_from(imm) {
                    Ok(imm) => (0x6b, Imm::Byte(imm)),
                    Err(_) => (0x69, Imm::Dword(imm)),
                };
                return self.code.insn(Opcode::one(code), width, dst, Rm::Reg(from), imm);
            }
        };
        self.copy(Width::W64, dst, from);
        self.code.insn(Opcode::two(0xaf), width, dst, rm, Imm::None);
    }

    /// `dst = dst op src`. Registers that are `spare` may hold anything
    /// afterwards.
    pub(super) fn divide(&mut self, op: AluOp, width: Width, dst: u8, src: Source, spare: Spare) {
        match src {
            Source::Imm(0) => self.by_zero(op, width, dst),
            Source::Imm(-1) if is_signed(op) => self.by_minus_one(op, width, dst),
            Source::Imm(imm) => {
                self.set(
                    DIVISOR,
                    match width {
                        Width::W64 => i64::from(imm).cast_unsigned(),
                        Width::W32 => imm.cast_unsigned().into(),
                    },
                );
                self.by_r11(op, width, dst, spare);
            }
            Source::Reg(src) => self.by_register(op, width, dst, src, spare),
            // Divisors are in registers.
            Source::Mem(_) => {}
        }
    }

    /// A division by what is known at run time only.
    fn by_register(&mut self, op: AluOp, width: Width, dst: u8, src: u8, spare: Spare) {
        let (zero, done) = (self.code.label(), self.code.label());
        self.copy(width, DIVISOR, src);
        self.test(width, DIVISOR, Source::Reg(DIVISOR));
        self.code.jump_if(Flag::Equal, zero);
        if is_signed(op) {
            let ordinary = self.code.label();
            self.compare(width, DIVISOR, Source::Imm(-1));
            self.code.jump_if(Flag::NotEqual, ordinary);
            self.by_minus_one(op, width, dst);
            self.code.jump(done);
            self.code.bind(ordinary);
        }
        self.by_r11(op, width, dst, spare);
        if is_remainder(op) && width == Width::W64 {
            // There is nothing to do.
            self.code.bind(zero);
        } else {
            self.code.jump(done);
            self.code.bind(zero);
            self.by_zero(op, width, dst);
        }
        self.code.bind(done);
    }

    fn by_zero(&mut self, op: AluOp, width: Width, dst: u8) {
        match op {
            AluOp::Mod | AluOp::Smod => self.copy(width, dst, dst),
            _ => self.set(dst, 0),
        }
    }

    /// The CPU traps on the least number divided by -1.
    fn by_minus_one(&mut self, op: AluOp, width: Width, dst: u8) {
        match op {
            AluOp::Smod => self.set(dst, 0),
            _ => self.negate(width, dst),
        }
    }

    /// A division by `r11`, which is not zero and, if signed, not -1.
    fn by_r11(&mut self, op: AluOp, width: Width, dst: u8, spare: Spare) {
        let result = if is_remainder(op) { RDX } else { RAX };
        let (rax, rdx) = (dst == RAX || spare.rax, dst == RDX || spare.rdx);
        // The dividend is in `dst`, which may hold `rax` meanwhile.
        if !rdx {
            self.copy(Width::W64, KEPT, RDX);
        }
        if dst == RDX && !rax {
            self.copy(Width::W64, KEPT, RAX);
        }
        if dst != RAX {
            if rax || dst == RDX {
                self.copy(Width::W64, RAX, dst);
            } else {
                self.exchange_rax(dst);
            }
        }
        self.divide_rax(op, width);
        if dst != RAX && dst != RDX && !rax {
            // What `rax` held goes back, and the result where that was.
            if result == RAX {
                self.exchange_rax(dst);
            } else {
                self.copy(Width::W64, RAX, dst);
                self.copy(Width::W64, dst, RDX);
            }
        } else {
            self.copy(Width::W64, dst, result);
        }
        if dst == RDX && !rax {
            self.copy(Width::W64, RAX, KEPT);
        }
        if !rdx {
            self.copy(Width::W64, RDX, KEPT);
        }
    }

    /// `xchg rax, reg`
    fn exchange_rax(&mut self, reg: u8) {
        self.code.short(false, 0x90, Width::W64, reg);
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
