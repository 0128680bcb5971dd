//! Atomic operations that need no check. All are sequentially consistent: the
//! CPU has no weaker ones.

use bpf_bytecode::opcode::{AtomicOp, Width};
use dynasm::dynasm;

use super::Emitter;
use super::alu::Arith;
use super::buffer::Flag;
use super::encode::{Imm, LOCK, Mem, Opcode, Rm, Source};
use super::regs::{RAX, SCRATCH, SCRATCH_TOO};

/// `r9`
const ADDRESS: u8 = 9;

const EXCHANGE: Opcode = Opcode::one(0x87);
const EXCHANGE_ADD: Opcode = Opcode::two(0xc1).prefixed(LOCK);
const COMPARE_EXCHANGE: Opcode = Opcode::two(0xb1).prefixed(LOCK);

impl Emitter<'_> {
    pub(super) fn atomic(&mut self, op: AtomicOp, fetch: bool, width: Width, at: Mem, src: u8) {
        match (op, fetch) {
            (AtomicOp::Add, false) => self.locked(Arith::Add, width, at, src),
            (AtomicOp::Or, false) => self.locked(Arith::Or, width, at, src),
            (AtomicOp::And, false) => self.locked(Arith::And, width, at, src),
            (AtomicOp::Xor, false) => self.locked(Arith::Xor, width, at, src),
            (AtomicOp::Add, true) => {
                self.code.insn(EXCHANGE_ADD, width, src, Rm::Mem(at), Imm::None);
            }
            (AtomicOp::Or, true) => self.fetch(Arith::Or, width, at, src),
            (AtomicOp::And, true) => self.fetch(Arith::And, width, at, src),
            (AtomicOp::Xor, true) => self.fetch(Arith::Xor, width, at, src),
            (AtomicOp::Xchg, _) => self.code.insn(EXCHANGE, width, src, Rm::Mem(at), Imm::None),
            (AtomicOp::Cmpxchg, _) => {
                self.code.insn(COMPARE_EXCHANGE, width, src, Rm::Mem(at), Imm::None);
                if width == Width::W32 {
                    // Where the exchange succeeds the CPU leaves `rax` alone.
                    self.copy(width, RAX, RAX);
                }
            }
        }
    }

    /// `lock op [at], src`
    fn locked(&mut self, op: Arith, width: Width, at: Mem, src: u8) {
        let opcode = Opcode::one((op as u8) << 3 | 1).prefixed(LOCK);
        self.code.insn(opcode, width, src, Rm::Mem(at), Imm::None);
    }

    /// An operation that the CPU does not have: load, combine, and store if
    /// nobody was faster. `r9` holds the address, as the base may be `rax`,
    /// which holds the old value; `r10` what was in `rax`.
    fn fetch(&mut self, op: Arith, width: Width, at: Mem, src: u8) {
        let again = self.code.label();
        self.lea(Width::W64, ADDRESS, at);
        self.copy(Width::W64, SCRATCH_TOO, RAX);
        let operand = if src == RAX { SCRATCH_TOO } else { src };
        match width {
            Width::W64 => dynasm!(self.code; .arch x64; mov rax, [r9]),
            Width::W32 => dynasm!(self.code; .arch x64; mov eax, [r9]),
        }
        self.code.bind(again);
        self.copy(Width::W64, SCRATCH, RAX);
        self.arith(op, width, SCRATCH, Source::Reg(operand));
        let place = Rm::Mem(Mem::new(ADDRESS, 0));
        self.code.insn(COMPARE_EXCHANGE, width, SCRATCH, place, Imm::None);
        self.code.jump_if(Flag::NotEqual, again);
        if src != RAX {
            self.copy(Width::W64, src, RAX);
            self.copy(Width::W64, RAX, SCRATCH_TOO);
        }
    }
}
