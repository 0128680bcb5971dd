//! Accesses to memory that are checked when they happen.

use bpf_bytecode::Register;
use bpf_bytecode::instruction::Operand;
use bpf_bytecode::opcode::{AtomicOp, Size, Width};
use dynasm::dynasm;

use super::Emitter;
use super::encode::{Mem, Source};
use super::regs::{RAX, SCRATCH_TOO, native};
use crate::descriptor::{Access, Descriptor};
use crate::lower::{Address, Order};
use crate::runtime::{Shim, offset};

impl Emitter<'_> {
    pub(super) fn load_checked(
        &mut self,
        pc: usize,
        (size, signed): (Size, bool),
        order: Order,
        dst: Register,
        at: Address,
    ) {
        let access = if signed { Access::LoadSigned(size) } else { Access::Load(size, order) };
        self.access(pc, access, at);
        let dst = native(dst);
        dynasm!(self.code; .arch x64; mov Rq(dst), r10);
    }

    pub(super) fn store_checked(
        &mut self,
        pc: usize,
        size: Size,
        order: Order,
        at: Address,
        src: Operand,
    ) {
        let access = match src {
            Operand::Reg(src) => {
                self.leave_operand(native(src));
                Access::Store(size, order)
            }
            Operand::Imm(imm) => {
                self.leave_immediate(imm);
                Access::StoreImmediate(size)
            }
        };
        self.access(pc, access, at);
    }

    pub(super) fn atomic_checked(
        &mut self,
        pc: usize,
        (op, fetch): (AtomicOp, bool),
        width: Width,
        at: Address,
        src: Register,
    ) {
        self.leave_operand(native(src));
        self.access(pc, Access::Atomic(op, width), at);
        let old = match op {
            AtomicOp::Cmpxchg => RAX,
            _ if fetch => native(src),
            _ => return,
        };
        dynasm!(self.code; .arch x64; mov Rq(old), r10);
    }

    /// Leaves a register's value to the function that is called.
    pub(super) fn leave_operand(&mut self, src: u8) {
        dynasm!(self.code; .arch x64; mov [BYTE r15 + offset::OPERAND], Rq(src));
    }

    /// The same for an immediate.
    fn leave_immediate(&mut self, imm: i32) {
        if let Source::Reg(register) = self.chosen(Operand::Imm(imm)) {
            return self.leave_operand(register);
        }
        dynasm!(self.code; .arch x64; mov QWORD [BYTE r15 + offset::OPERAND], DWORD imm);
    }

    fn access(&mut self, pc: usize, access: Access, at: Address) {
        match self.chosen_place(at) {
            Mem { base, index: None, disp: 0 } => self.copy(Width::W64, SCRATCH_TOO, base),
            place => self.lea(Width::W64, SCRATCH_TOO, place),
        }
        self.call_out(Shim::Access, Descriptor::new(pc, access.code()));
    }
}
