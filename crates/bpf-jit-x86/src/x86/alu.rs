//! Moves and arithmetic, but for multiplication, division and shifts.

use bpf_bytecode::Register;
use bpf_bytecode::instruction::Operand;
use bpf_bytecode::opcode::{AluOp, Size, Width};

use super::Emitter;
use super::buffer::Flag;
use super::buffer::Part;
use super::encode::{Imm, Mem, OPERAND_16, Opcode, Rm, Source};
use super::muldiv::Spare;
use super::regs::{RAX, native};

/// The instructions that have all forms of two operands, by their number in
/// opcodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Arith {
    Add = 0,
    Or = 1,
    And = 4,
    Sub = 5,
    Xor = 6,
    Cmp = 7,
}

impl Arith {
    pub(super) const fn of(op: AluOp) -> Option<Self> {
        match op {
            AluOp::Add => Some(Self::Add),
            AluOp::Sub => Some(Self::Sub),
            AluOp::Or => Some(Self::Or),
            AluOp::And => Some(Self::And),
            AluOp::Xor => Some(Self::Xor),
            _ => None,
        }
    }

    /// Of an operation on registers or immediates; stores are one byte less.
    const fn load_code(self) -> u8 {
        (self as u8) << 3 | 3
    }
}

/// `mov reg, rm`
const MOV: Opcode = Opcode::one(0x8b);
/// `reg =` the low bytes of `rm`, for each size.
const LOADS: [Opcode; 4] = [Opcode::two(0xb6).byte_rm(), Opcode::two(0xb7), MOV, MOV];
const LEA: Opcode = Opcode::one(0x8d);
const XOR: Opcode = Opcode::one(0x33);
const TEST: Opcode = Opcode::one(0x85);

/// An operand as the CPU takes it.
pub(super) fn source(operand: Operand) -> Source {
    match operand {
        Operand::Reg(register) => Source::Reg(native(register)),
        Operand::Imm(imm) => Source::Imm(imm),
    }
}

impl Emitter<'_> {
    /// Any operation, on the registers themselves.
    pub(super) fn alu(&mut self, op: AluOp, width: Width, dst: Register, src: Operand) {
        let dst = native(dst);
        // The bits of a count are few.
        let src = if op.is_shift() { source(src) } else { self.chosen(src) };
        if let Some(op) = Arith::of(op) {
            return self.arith(op, width, dst, src);
        }
        match op {
            AluOp::Mul => self.multiply(width, dst, dst, src),
            AluOp::Div | AluOp::Sdiv | AluOp::Mod | AluOp::Smod => {
                self.divide(op, width, dst, src, Spare::default());
            }
            AluOp::Lsh | AluOp::Rsh | AluOp::Arsh => self.shift(op, width, dst, src),
            _ => match src {
                Source::Imm(imm) => self.set(dst, i64::from(imm).cast_unsigned()),
                Source::Reg(src) => self.copy(width, dst, src),
                Source::Mem(mem) => self.code.insn(MOV, width, dst, Rm::Mem(mem), Imm::None),
            },
        }
    }

    /// `op dst, src`. What the source is, is mostly known where this is asked for.
    #[inline(always)]
    pub(super) fn arith(&mut self, op: Arith, width: Width, dst: u8, src: Source) {
        match src {
            Source::Reg(src) => self.arith_registers(op, width, dst, src),
            Source::Mem(src) => {
                let load = Opcode::one(op.load_code());
                self.code.insn(load, width, dst, Rm::Mem(src), Imm::None);
            }
            Source::Imm(imm) => self.arith_immediate(op, width, dst, imm),
        }
    }

    /// `op dst, imm`, in the shortest form.
    #[inline(never)]
    pub(super) fn arith_immediate(&mut self, op: Arith, width: Width, dst: u8, imm: i32) {
        match (op, imm) {
            (Arith::Add, 1) | (Arith::Sub, -1) => {
                self.code.insn(Opcode::one(0xff), width, 0, Rm::Reg(dst), Imm::None);
            }
            (Arith::Add, -1) | (Arith::Sub, 1) => {
                self.code.insn(Opcode::one(0xff), width, 1, Rm::Reg(dst), Imm::None);
            }
            (Arith::Add, 128) => self.immediate(Arith::Sub, width, Rm::Reg(dst), -128),
            (Arith::Sub, 128) => self.immediate(Arith::Add, width, Rm::Reg(dst), -128),
            // The upper half of what is kept is zero with a positive immediate.
            (Arith::And, 0..) => self.immediate(op, Width::W32, Rm::Reg(dst), imm),
            _ => self.immediate(op, width, Rm::Reg(dst), imm),
        }
    }

    /// `op dst, src`, of registers.
    #[inline(always)]
    pub(super) fn arith_registers(&mut self, op: Arith, width: Width, dst: u8, src: u8) {
        self.code.insn(Opcode::one(op.load_code()), width, dst, Rm::Reg(src), Imm::None);
    }

    /// `op rm, imm`, whatever the immediate is.
    fn immediate(&mut self, op: Arith, width: Width, rm: Rm, imm: i32) {
        match i8::try_from(imm) {
            Ok(imm) => self.code.insn(Opcode::one(0x83), width, op as u8, rm, Imm::Byte(imm)),
            Err(_) if rm == Rm::Reg(RAX) => {
                let wide = u128::from(width == Width::W64);
                let code = u128::from((op as u8) << 3 | 5) | u128::from(imm.cast_unsigned()) << 8;
                let bytes = if width == Width::W64 { code << 8 | 0x48 } else { code };
                self.code.put(bytes, if wide == 1 { 6 } else { 5 });
            }
            Err(_) => self.code.insn(Opcode::one(0x81), width, op as u8, rm, Imm::Dword(imm)),
        }
    }

    /// `op [mem], src` on as many bytes.
    pub(super) fn arith_memory(&mut self, op: Arith, size: Size, mem: Mem, src: Source) {
        let (mem, width) = (Rm::Mem(mem), width_of(size));
        let prefix = if size == Size::H { OPERAND_16 } else { 0 };
        match src {
            Source::Reg(src) => {
                let code = (op as u8) << 3 | u8::from(size != Size::B);
                let opcode = Opcode::one(code).prefixed(prefix);
                let opcode = if size == Size::B { opcode.byte_reg() } else { opcode };
                self.code.insn(opcode, width, src, mem, Imm::None);
            }
            Source::Imm(imm) => {
                let [b0, b1, ..] = imm.to_le_bytes();
                let (byte, word) = (i8::from_le_bytes([b0]), i16::from_le_bytes([b0, b1]));
                let (code, imm) = match (size, i8::try_from(imm)) {
                    (Size::B, _) => (0x80, Imm::Byte(byte)),
                    (_, Ok(imm)) => (0x83, Imm::Byte(imm)),
                    (Size::H, _) => (0x81, Imm::Word(word)),
                    _ => (0x81, Imm::Dword(imm)),
                };
                let opcode = Opcode::one(code).prefixed(prefix);
                self.code.insn(opcode, width, op as u8, mem, imm);
            }
            // No instruction has two places in memory.
            Source::Mem(_) => {}
        }
    }

    /// `dst = -dst`
    pub(super) fn negate(&mut self, width: Width, dst: u8) {
        self.code.insn(Opcode::one(0xf7), width, 3, Rm::Reg(dst), Imm::None);
    }

    /// `dst = src`; the upper half is zero at 32 bits.
    pub(super) fn copy(&mut self, width: Width, dst: u8, src: u8) {
        if dst != src || width == Width::W32 {
            self.code.insn(MOV, width, dst, Rm::Reg(src), Imm::None);
        }
    }

    /// Copies a register if a condition holds; at 32 bits the upper half is zero then, and if
    /// it does not hold.
    pub(super) fn move_if(&mut self, width: Width, flag: Flag, dst: u8, src: u8) {
        let opcode = Opcode::two(0x40 | flag as u8);
        self.code.insn(opcode, width, dst, Rm::Reg(src), Imm::None);
    }

    /// Sets a register's lowest byte to whether a condition holds.
    pub(super) fn set_if(&mut self, flag: Flag, dst: u8) {
        let opcode = Opcode::two(0x90 | flag as u8).byte_rm();
        self.code.insn(opcode, Width::W32, 0, Rm::Reg(dst), Imm::None);
    }

    /// Loads a number into a register.
    pub(super) fn set(&mut self, dst: u8, value: u64) {
        let signed = value.cast_signed();
        if value == 0 {
            self.code.insn(XOR, Width::W32, dst, Rm::Reg(dst), Imm::None);
        } else if let Ok(low) = u32::try_from(value) {
            let low = Part { bytes: low.into(), bits: 32 };
            self.code.short(false, 0xb8, Width::W32, dst, low);
        } else if let Ok(low) = i32::try_from(signed) {
            self.code.insn(Opcode::one(0xc7), Width::W64, 0, Rm::Reg(dst), Imm::Dword(low));
        } else {
            let value = Part { bytes: value, bits: 64 };
            self.code.short(false, 0xb8, Width::W64, dst, value);
        }
    }

    /// `dst =` the address of a place, cut to a width.
    pub(super) fn lea(&mut self, width: Width, dst: u8, mem: Mem) {
        self.code.insn(LEA, width, dst, Rm::Mem(mem), Imm::None);
    }

    /// `dst =` low bytes, sign-extended to a width.
    pub(super) fn sign_extend(&mut self, width: Width, from: Size, dst: u8, src: Rm) {
        let opcode = match (width, from) {
            (_, Size::B) => Opcode::two(0xbe).byte_rm(),
            (_, Size::H) => Opcode::two(0xbf),
            (Width::W64, Size::W) => Opcode::one(0x63),
            (_, Size::W | Size::Dw) => MOV,
        };
        self.code.insn(opcode, width, dst, src, Imm::None);
    }

    /// `dst =` low bytes, zero-extended to 64 bits.
    #[inline(always)]
    pub(super) fn zero_extend(&mut self, from: Size, dst: u8, src: Rm) {
        let opcode = LOADS.get(from as usize).copied().unwrap_or(MOV);
        self.code.insn(opcode, width_of(from), dst, src, Imm::None);
    }

    /// `dst =` its low bytes in reverse order, zero-extended. `clean` says that
    /// what is above them is zero already.
    pub(super) fn swap(&mut self, size: Size, dst: u8, clean: bool) {
        match size {
            Size::B => self.zero_extend(Size::B, dst, Rm::Reg(dst)),
            Size::H => {
                let rotate = Opcode::one(0xc1).prefixed(OPERAND_16);
                self.code.insn(rotate, Width::W32, 1, Rm::Reg(dst), Imm::Byte(8));
                if !clean {
                    self.zero_extend(Size::H, dst, Rm::Reg(dst));
                }
            }
            Size::W => self.code.short(true, 0xc8, Width::W32, dst, Part::EMPTY),
            Size::Dw => self.code.short(true, 0xc8, Width::W64, dst, Part::EMPTY),
        }
    }

    /// Sets the flags for a comparison of two operands.
    pub(super) fn compare(&mut self, width: Width, lhs: u8, rhs: Source) {
        match rhs {
            Source::Imm(imm) => self.compare_number(width, lhs, imm),
            _ => self.arith(Arith::Cmp, width, lhs, rhs),
        }
    }

    /// The same of a register and a number.
    #[inline(never)]
    pub(super) fn compare_number(&mut self, width: Width, lhs: u8, number: i32) {
        if number == 0 {
            return self.code.insn(TEST, width, lhs, Rm::Reg(lhs), Imm::None);
        }
        self.immediate(Arith::Cmp, width, Rm::Reg(lhs), number);
    }

    /// Sets the zero flag, and no other, for the bits that two operands have in
    /// common; all flags, if both are the same register.
    pub(super) fn test(&mut self, width: Width, lhs: u8, rhs: Source) {
        let (lhs, imm) = match rhs {
            Source::Reg(rhs) => {
                return self.code.insn(TEST, width, rhs, Rm::Reg(lhs), Imm::None);
            }
            Source::Mem(mem) => {
                return self.code.insn(TEST, width, lhs, Rm::Mem(mem), Imm::None);
            }
            Source::Imm(imm) => (lhs, imm),
        };
        if let Ok(low) = u8::try_from(imm) {
            let (opcode, low) = (Opcode::one(0xf6).byte_rm(), Imm::Byte(low.cast_signed()));
            return self.code.insn(opcode, Width::W32, 0, Rm::Reg(lhs), low);
        }
        // The upper half of a positive immediate is zero.
        let width = if imm >= 0 { Width::W32 } else { width };
        self.code.insn(Opcode::one(0xf7), width, 0, Rm::Reg(lhs), Imm::Dword(imm));
    }
}

impl Emitter<'_> {
    /// Compares the low bytes of a register with 0.
    pub(super) fn test_part(&mut self, size: Size, reg: u8) {
        let opcode = match size {
            Size::B => Opcode::one(0x84).byte_rm(),
            Size::H => TEST.prefixed(OPERAND_16),
            Size::W | Size::Dw => TEST,
        };
        self.code.insn(opcode, width_of(size), reg, Rm::Reg(reg), Imm::None);
    }
}

/// The width of an instruction on as many bytes.
pub(super) const fn width_of(size: Size) -> Width {
    match size {
        Size::Dw => Width::W64,
        _ => Width::W32,
    }
}
