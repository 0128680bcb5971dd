//! Multiplication and division.
//!
//! The CPU divides `rdx:rax`, where R3 and R0 are. What the division destroys of these
//! is kept in `r10` and `r11`, a divisor among it. One that is a number takes `r11`: what
//! `rax` held is then kept in the destination itself, if that is another register.

use bpf_bytecode::opcode::{AluOp, Width};
use dynasm::dynasm;

use super::Emitter;
use super::alu::Arith;
use super::buffer::{Flag, Part};
use super::encode::{Imm, Opcode, Rm, Source};
use super::regs::{RAX, RDX, SCRATCH as DIVISOR, SCRATCH_TOO as KEPT};

/// `r11`, too.
const QUOTIENT: u8 = DIVISOR;
/// And this.
const KEPT_RAX: u8 = DIVISOR;

/// What a number is multiplied with and shifted by, instead of being divided.
struct Reciprocal {
    factor: u64,
    /// At least the width.
    shift: i32,
}

impl Reciprocal {
    /// For every dividend of `bits` bits, with a factor of as many: where
    /// `0 <= factor * divisor - 2^shift <= 2^(shift - bits)`, the quotient is exact.
    fn of(divisor: u32, bits: u32) -> Option<Self> {
        let divisor = u128::from(divisor);
        (bits..bits.saturating_add(32)).find_map(|shift| {
            let power = 1_u128.checked_shl(shift)?;
            let factor = power.div_ceil(divisor);
            let above = factor.checked_mul(divisor)?.checked_sub(power)?;
            let fits = factor.checked_shr(bits)? == 0;
            let exact = above <= 1_u128.checked_shl(shift.checked_sub(bits)?)?;
            let factor = u64::try_from(factor).ok().filter(|_| fits && exact)?;
            Some(Self { factor, shift: shift.cast_signed() })
        })
    }

    /// For every dividend of 32 bits, with a factor of 64.
    fn whole(divisor: u32) -> Option<Self> {
        let factor = u64::try_from((1_u128 << 64).div_ceil(divisor.into())).ok()?;
        Some(Self { factor, shift: 64 })
    }
}

/// What of a division's registers nobody needs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spare {
    pub(super) rax: bool,
    pub(super) rdx: bool,
    /// The upper half of the dividend is zero.
    pub(super) upper: bool,
}

impl Emitter<'_> {
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

    /// `dst = dst op divisor`, unsigned, by a multiplication with the reciprocal;
    /// false if that does not do.
    pub(super) fn divide_by(
        &mut self,
        op: AluOp,
        width: Width,
        dst: u8,
        divisor: u32,
        spare: Spare,
    ) -> bool {
        let Ok(imm) = i32::try_from(divisor) else { return false };
        if divisor.is_power_of_two() {
            let by = divisor.trailing_zeros().cast_signed();
            match op {
                AluOp::Div => self.shift(AluOp::Rsh, width, dst, Source::Imm(by)),
                _ => self.arith(Arith::And, width, dst, Source::Imm(imm.wrapping_sub(1))),
            }
            return true;
        }
        if !self.quotient(width, dst, divisor, spare) {
            return false;
        }
        if op == AluOp::Div {
            self.copy(Width::W64, dst, QUOTIENT);
        } else {
            self.multiply(width, QUOTIENT, QUOTIENT, Source::Imm(imm));
            self.arith(Arith::Sub, width, dst, Source::Reg(QUOTIENT));
        }
        true
    }

    /// The quotient, in a scratch register; false if it is not to be had.
    fn quotient(&mut self, width: Width, dividend: u8, divisor: u32, spare: Spare) -> bool {
        if width == Width::W32
            && let Some(Reciprocal { factor, shift }) = Reciprocal::of(divisor, 32)
            && let Ok(factor) = u32::try_from(factor)
        {
            self.set(KEPT, factor.into());
            self.copy(Width::W32, QUOTIENT, dividend);
            self.multiply(Width::W64, QUOTIENT, QUOTIENT, Source::Reg(KEPT));
            self.shift(AluOp::Rsh, Width::W64, QUOTIENT, Source::Imm(shift));
            return true;
        }
        let reciprocal = match width {
            Width::W32 => Reciprocal::whole(divisor),
            Width::W64 => Reciprocal::of(divisor, 64),
        };
        let Some(Reciprocal { factor, shift }) = reciprocal.filter(|_| self.features.bmi2) else {
            return false;
        };
        let keeps = dividend != RDX && !spare.rdx;
        if keeps {
            self.copy(Width::W64, KEPT, RDX);
        }
        self.copy(width, RDX, dividend);
        self.set(QUOTIENT, factor);
        // Both halves of the product go to the same register; the upper one stays.
        let multiply = (2, 3, 0xf6);
        self.code.three(multiply, Width::W64, QUOTIENT, QUOTIENT, QUOTIENT, Imm::None);
        self.shift(AluOp::Rsh, Width::W64, QUOTIENT, Source::Imm(shift.wrapping_sub(64)));
        if keeps {
            self.copy(Width::W64, RDX, KEPT);
        }
        true
    }

    /// A division by what is known at run time only.
    fn by_register(&mut self, op: AluOp, width: Width, dst: u8, src: u8, spare: Spare) {
        let (zero, done) = (self.code.label(), self.code.label());
        if is_remainder(op) && width == Width::W32 && !spare.upper {
            // What is left without a division, too.
            self.copy(Width::W32, dst, dst);
        }
        self.test(width, src, Source::Reg(src));
        self.code.jump_if(Flag::Equal, zero);
        if is_signed(op) {
            let ordinary = self.code.label();
            self.copy(width, DIVISOR, src);
            self.compare(width, DIVISOR, Source::Imm(-1));
            self.code.jump_if(Flag::NotEqual, ordinary);
            self.by_minus_one(op, width, dst);
            self.code.jump(done);
            self.code.bind(ordinary);
        }
        if src == DIVISOR {
            self.by_r11(op, width, dst, spare);
        } else {
            self.by_nonzero(op, width, dst, src, spare);
        }
        if is_remainder(op) {
            // There is nothing to do.
            self.code.bind(zero);
        } else {
            self.code.jump(done);
            self.code.bind(zero);
            self.by_zero(op, width, dst);
        }
        self.code.bind(done);
    }

    /// A division by a register that is not zero and, if signed, not -1. One that the
    /// division destroys is kept, and divided by where it is kept.
    fn by_nonzero(&mut self, op: AluOp, width: Width, dst: u8, src: u8, spare: Spare) {
        let result = if is_remainder(op) { RDX } else { RAX };
        let (rax, rdx) = (dst != RAX && !spare.rax, dst != RDX && !spare.rdx);
        let mut divisor = src;
        for (register, kept, wanted) in [(RAX, KEPT_RAX, rax), (RDX, KEPT, rdx)] {
            if wanted || src == register {
                self.copy(Width::W64, kept, register);
            }
            if src == register {
                divisor = kept;
            }
        }
        self.copy(Width::W64, RAX, dst);
        self.divide_rax(op, width, divisor);
        self.copy(Width::W64, dst, result);
        for (register, kept, wanted) in [(RAX, KEPT_RAX, rax), (RDX, KEPT, rdx)] {
            if wanted {
                self.copy(Width::W64, register, kept);
            }
        }
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
        self.divide_rax(op, width, DIVISOR);
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
        self.code.short(false, 0x90, Width::W64, reg, Part::EMPTY);
    }

    /// `rax / divisor` to `rax`, the remainder to `rdx`.
    fn divide_rax(&mut self, op: AluOp, width: Width, divisor: u8) {
        let number = match (is_signed(op), width) {
            (false, _) => {
                dynasm!(self.code; .arch x64; xor edx, edx);
                6
            }
            (true, Width::W64) => {
                dynasm!(self.code; .arch x64; cqo);
                7
            }
            (true, Width::W32) => {
                dynasm!(self.code; .arch x64; cdq);
                7
            }
        };
        self.code.insn(Opcode::one(0xf7), width, number, Rm::Reg(divisor), Imm::None);
    }
}

const fn is_remainder(op: AluOp) -> bool {
    matches!(op, AluOp::Mod | AluOp::Smod)
}

const fn is_signed(op: AluOp) -> bool {
    matches!(op, AluOp::Sdiv | AluOp::Smod)
}
