//! Multiplication and division.
//!
//! The CPU divides `rdx:rax`, where R3 and R0 are. What the division destroys of these
//! is kept in `r10` and `r11`, a divisor among it. One that is a number takes `r11`: what
//! `rax` held is then kept in the destination itself, if that is another register.

use bpf_bytecode::opcode::{AluOp, Size, Width};
use dynasm::dynasm;

use super::Emitter;
use super::alu::Arith;
use super::buffer::Flag;
use super::encode::{Imm, Opcode, Rm, Source};
use super::regs::{RAX, RDX, SCRATCH as DIVISOR, SCRATCH_TOO as KEPT};

/// `r11`, too.
const QUOTIENT: u8 = DIVISOR;
/// And this.
const KEPT_RAX: u8 = DIVISOR;

/// What a number is multiplied with and shifted by, instead of being divided.
struct Reciprocal {
    factor: u64,
    shift: i32,
}

impl Reciprocal {
    /// For every dividend of `bits` bits, by a divisor that is no power of two, with a
    /// factor of no more than `room` bits, which are as many or more, and a shift by at
    /// least these: where `0 < factor * divisor - 2^shift <= 2^(shift - bits)`, the
    /// quotient is exact.
    fn of(divisor: u32, bits: u32, room: u32) -> Option<Self> {
        let log = u32::BITS.saturating_sub(divisor.leading_zeros());
        let mut shift = bits.saturating_add(log).max(room);
        let power = 1_u128.checked_shl(shift)?;
        let above = 1_u128.checked_shl(shift.checked_sub(bits)?)?;
        // The greatest number that is too small, and the greatest that is not too large.
        let mut small = power.checked_div(divisor.into())?;
        let mut factor = power.checked_add(above)?.checked_div(divisor.into())?;
        while shift > room && small >> 1 < factor >> 1 {
            (small, factor, shift) = (small >> 1, factor >> 1, shift.saturating_sub(1));
        }
        let fits = small < factor && factor.checked_shr(room)? == 0;
        let factor = u64::try_from(factor).ok().filter(|_| fits)?;
        Some(Self { factor, shift: shift.cast_signed() })
    }

    /// For every dividend of 64 bits, by a divisor that is no power of two: a factor to
    /// which 2^64 is added. The shift is by at least 65.
    fn of_65(divisor: u32) -> Option<Self> {
        let shift = 96_u32.checked_sub(divisor.leading_zeros())?;
        let factor = 1_u128.checked_shl(shift)?.div_ceil(divisor.into());
        let factor = u64::try_from(factor.checked_sub(1 << 64)?).ok()?;
        Some(Self { factor, shift: shift.cast_signed() })
    }
}

/// What of a division's registers nobody needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spare {
    pub(super) rax: bool,
    pub(super) rdx: bool,
    /// How many low bits of the dividend may be set.
    pub(super) bits: u8,
}

impl Default for Spare {
    fn default() -> Self {
        Self { rax: false, rdx: false, bits: 64 }
    }
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

    /// `dst = dst op divisor` by a multiplication with the reciprocal; false if that does
    /// not do, as for signed 64 bits.
    pub(super) fn divide_by(
        &mut self,
        op: AluOp,
        width: Width,
        dst: u8,
        divisor: u32,
        spare: Spare,
    ) -> bool {
        let Ok(imm) = i32::try_from(divisor) else { return false };
        if is_signed(op) {
            if width == Width::W64 || divisor < 2 {
                return false;
            }
            self.signed_quotient(dst, divisor);
        } else if divisor.is_power_of_two() {
            let by = divisor.trailing_zeros().cast_signed();
            match op {
                AluOp::Div => self.shift(AluOp::Rsh, width, dst, Source::Imm(by)),
                _ => self.arith(Arith::And, width, dst, Source::Imm(imm.wrapping_sub(1))),
            }
            return true;
        } else if !self.quotient(width, dst, divisor, spare) {
            return false;
        }
        if is_remainder(op) {
            self.multiply(width, QUOTIENT, QUOTIENT, Source::Imm(imm));
            self.arith(Arith::Sub, width, dst, Source::Reg(QUOTIENT));
        } else {
            self.copy(Width::W64, dst, QUOTIENT);
        }
        true
    }

    /// The quotient of signed 32 bits by two or more, in a scratch register, without
    /// anything above.
    fn signed_quotient(&mut self, dividend: u8, divisor: u32) {
        let log = u32::BITS.saturating_sub(divisor.leading_zeros());
        self.sign_extend(Width::W64, Size::W, QUOTIENT, Rm::Reg(dividend));
        if divisor.is_power_of_two() {
            // What is negative is rounded up.
            let by = log.saturating_sub(1).cast_signed();
            self.copy(Width::W64, KEPT, QUOTIENT);
            self.shift(AluOp::Rsh, Width::W64, KEPT, Source::Imm(64_i32.wrapping_sub(by)));
            self.arith(Arith::Add, Width::W32, QUOTIENT, Source::Reg(KEPT));
            return self.shift(AluOp::Arsh, Width::W32, QUOTIENT, Source::Imm(by));
        }
        // A factor of 32 bits, above the exact one by less than makes a difference to
        // numbers of 31 bits: `factor * divisor - 2^shift < divisor < 2^log`. What is
        // rounded down is one too small where it is negative.
        let shift = log.saturating_add(31);
        let factor = 1_u64.wrapping_shl(shift).div_ceil(divisor.into());
        self.set(KEPT, factor);
        self.multiply(Width::W64, QUOTIENT, QUOTIENT, Source::Reg(KEPT));
        self.copy(Width::W64, KEPT, QUOTIENT);
        self.shift(AluOp::Arsh, Width::W64, QUOTIENT, Source::Imm(shift.cast_signed()));
        self.shift(AluOp::Rsh, Width::W64, KEPT, Source::Imm(63));
        self.arith(Arith::Add, Width::W32, QUOTIENT, Source::Reg(KEPT));
    }

    /// The quotient, in a scratch register; false if it is not to be had.
    fn quotient(&mut self, width: Width, dividend: u8, divisor: u32, spare: Spare) -> bool {
        let bits = u32::from(spare.bits).min(width.bits());
        if width == Width::W32
            && let Some(Reciprocal { factor, shift }) = Reciprocal::of(divisor, bits, 32)
            && let Ok(factor) = u32::try_from(factor)
        {
            self.set(KEPT, factor.into());
            self.copy(Width::W32, QUOTIENT, dividend);
            self.multiply(Width::W64, QUOTIENT, QUOTIENT, Source::Reg(KEPT));
            self.shift(AluOp::Rsh, Width::W64, QUOTIENT, Source::Imm(shift));
            return true;
        }
        if !self.features.bmi2 {
            return false;
        }
        // Whatever has no factor of 64 bits loses bits that do not count first, or has one
        // of 65.
        let zeros = divisor.trailing_zeros();
        let direct = Reciprocal::of(divisor, bits, 64).map(|found| (0, found, false));
        let less = || {
            let found = Reciprocal::of(divisor.checked_shr(zeros)?, bits.checked_sub(zeros)?, 64);
            found.map(|found| (zeros, found, false))
        };
        let more = || Reciprocal::of_65(divisor).map(|found| (0, found, true));
        let found = direct.or_else(less).or_else(more);
        let Some((before, Reciprocal { factor, shift }, sums)) = found else { return false };
        let changes = before != 0 || sums;
        let keeps = if dividend == RDX { changes } else { !spare.rdx };
        if keeps {
            self.copy(Width::W64, KEPT, RDX);
        }
        self.copy(width, RDX, dividend);
        if before != 0 {
            self.shift(AluOp::Rsh, Width::W64, RDX, Source::Imm(before.cast_signed()));
        }
        self.set(QUOTIENT, factor);
        // Both halves of the product go to the same register; the upper one stays.
        let multiply = (2, 3, 0xf6);
        self.code.three(multiply, Width::W64, QUOTIENT, QUOTIENT, QUOTIENT, Imm::None);
        let mut left = shift.wrapping_sub(64);
        if sums {
            // The dividend is added, and half of both is taken, which has no carry.
            self.arith(Arith::Sub, Width::W64, RDX, Source::Reg(QUOTIENT));
            self.shift(AluOp::Rsh, Width::W64, RDX, Source::Imm(1));
            self.arith(Arith::Add, Width::W64, QUOTIENT, Source::Reg(RDX));
            left = left.wrapping_sub(1);
        }
        if left != 0 {
            self.shift(AluOp::Rsh, Width::W64, QUOTIENT, Source::Imm(left));
        }
        if keeps {
            self.copy(Width::W64, RDX, KEPT);
        }
        true
    }

    /// A division by what is known at run time only.
    fn by_register(&mut self, op: AluOp, width: Width, dst: u8, src: u8, spare: Spare) {
        let (zero, done) = (self.code.label(), self.code.label());
        if is_remainder(op) && width == Width::W32 && spare.bits > 32 {
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
        let holds = dst != RAX && dst != RDX && !rax;
        if holds {
            self.copy(Width::W64, RDX, dst);
            self.copy(Width::W64, dst, RAX);
            self.copy(Width::W64, RAX, RDX);
        } else {
            self.copy(Width::W64, RAX, dst);
        }
        self.divide_rax(op, width, DIVISOR);
        if holds {
            self.copy(Width::W64, KEPT_RAX, dst);
        }
        self.copy(Width::W64, dst, result);
        if holds {
            self.copy(Width::W64, RAX, KEPT_RAX);
        }
        if dst == RDX && !rax {
            self.copy(Width::W64, RAX, KEPT);
        }
        if !rdx {
            self.copy(Width::W64, RDX, KEPT);
        }
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
