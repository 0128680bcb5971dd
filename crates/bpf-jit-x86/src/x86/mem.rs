//! Accesses to memory that need no check.

use bpf_bytecode::opcode::{Size, Width};

use super::Emitter;
use super::alu::width_of;
use super::encode::{Imm, Mem, OPERAND_16, Opcode, Rm, Source};
use super::regs::native;
use crate::lower::Address;

impl Mem {
    pub(super) fn of(at: Address) -> Self {
        Self::new(native(at.base), at.off.into())
    }
}

impl Emitter<'_> {
    #[inline(always)]
    pub(super) fn load(&mut self, size: Size, signed: bool, dst: u8, from: Mem) {
        if signed {
            self.sign_extend(Width::W64, size, dst, Rm::Mem(from));
        } else {
            self.zero_extend(size, dst, Rm::Mem(from));
        }
    }

    #[inline(always)]
    pub(super) fn store(&mut self, size: Size, to: Mem, src: Source) {
        let (to, width) = (Rm::Mem(to), width_of(size));
        let prefix = if size == Size::H { OPERAND_16 } else { 0 };
        match src {
            Source::Reg(src) => {
                let opcode = match size {
                    Size::B => Opcode::one(0x88).byte_reg(),
                    _ => Opcode::one(0x89).prefixed(prefix),
                };
                self.code.insn(opcode, width, src, to, Imm::None);
            }
            Source::Imm(imm) => {
                let [b0, b1, ..] = imm.to_le_bytes();
                let (code, imm) = match size {
                    Size::B => (0xc6, Imm::Byte(i8::from_le_bytes([b0]))),
                    Size::H => (0xc7, Imm::Word(i16::from_le_bytes([b0, b1]))),
                    _ => (0xc7, Imm::Dword(imm)),
                };
                self.code.insn(Opcode::one(code).prefixed(prefix), width, 0, to, imm);
            }
            // No instruction has two places in memory.
            Source::Mem(_) => {}
        }
    }

    /// Loads four or eight bytes in reverse order.
    pub(super) fn load_swapped(&mut self, size: Size, dst: u8, from: Mem) {
        self.code.insn(Opcode::three(0xf0), width_of(size), dst, Rm::Mem(from), Imm::None);
    }

    /// Stores two, four or eight bytes in reverse order.
    pub(super) fn store_swapped(&mut self, size: Size, to: Mem, src: u8) {
        let prefix = if size == Size::H { OPERAND_16 } else { 0 };
        let opcode = Opcode::three(0xf1).prefixed(prefix);
        self.code.insn(opcode, width_of(size), src, Rm::Mem(to), Imm::None);
    }
}
