//! Which registers still matter.

use bpf_bytecode::Register;
use bpf_bytecode::abi::kfunc::Kfunc;
use bpf_bytecode::instruction::{CallTarget, Imm64, Instruction, Operand, jump_target};
use bpf_bytecode::opcode::{AluOp, AtomicOp};

use super::{ALL_LIVE, Code, bit, edges};
use crate::HelperTable;
use crate::arena::Arena;

/// Passes over a program before liveness is given up: one more than loops are
/// nested suffices where compilers order the code.
const PASSES: usize = 24;

const R0: u16 = 1;
/// R1 to R5.
const ARGUMENTS: u16 = 0x3e;

const fn one(register: Register) -> u16 {
    1_u16.wrapping_shl(register.number() as u32) & ALL_LIVE
}

/// The first `count` of R1 to R5.
fn arguments(count: usize) -> u16 {
    [0, 0x2, 0x6, 0xe, 0x1e].get(count).copied().unwrap_or(ARGUMENTS)
}

const fn operand(operand: Operand) -> u16 {
    match operand {
        Operand::Imm(_) => 0,
        Operand::Reg(register) => one(register),
    }
}

/// Registers that an instruction reads, and those that it writes or leaves
/// without a value. What a local call and the end of a function read lies
/// elsewhere.
fn effects(insn: &Instruction, helpers: &HelperTable<'_>) -> (u16, u16) {
    match *insn {
        Instruction::Alu { op: AluOp::Mov, dst, src, .. } => (operand(src), one(dst)),
        Instruction::Alu { dst, src, .. } => (one(dst) | operand(src), one(dst)),
        Instruction::Neg { dst, .. } | Instruction::ByteSwap { dst, .. } => (one(dst), one(dst)),
        Instruction::MovSx { dst, src, .. } => (one(src), one(dst)),
        Instruction::LoadImm64 { dst, .. } => (0, one(dst)),
        Instruction::Load { dst, base, .. } | Instruction::LoadAcquire { dst, base, .. } => {
            (one(base), one(dst))
        }
        Instruction::Store { base, src, .. } => (one(base) | operand(src), 0),
        Instruction::StoreRelease { base, src, .. } => (one(base) | one(src), 0),
        Instruction::Atomic { op: AtomicOp::Cmpxchg, base, src, .. } => {
            (one(base) | one(src) | R0, R0)
        }
        Instruction::Atomic { fetch, base, src, .. } => {
            (one(base) | one(src), if fetch { one(src) } else { 0 })
        }
        Instruction::LegacyPacket { index, .. } => {
            (one(Register::R6) | index.map_or(0, one), R0 | ARGUMENTS)
        }
        Instruction::JumpIf { dst, src, .. } => (one(dst) | operand(src), 0),
        Instruction::Jump { .. } | Instruction::MayGoto { .. } | Instruction::Exit => (0, 0),
        Instruction::Call(CallTarget::Helper(id)) => {
            (arguments(helpers.argument_count(id)), R0 | ARGUMENTS)
        }
        Instruction::Call(CallTarget::Kfunc(number)) => {
            (arguments(Kfunc::from_number(number).map_or(5, Kfunc::arguments)), R0 | ARGUMENTS)
        }
        Instruction::Call(CallTarget::Local(_)) => (ARGUMENTS, R0 | ARGUMENTS),
    }
}

impl Code<'_> {
    /// Goes backwards over the program until nothing changes. Where that takes
    /// too long, every register counts as live everywhere.
    pub(super) fn find_liveness(&self, arena: &mut Arena<'_>, helpers: &HelperTable<'_>) {
        self.mark_results(arena);
        for _ in 0..PASSES {
            if !self.liveness_pass(arena, helpers) {
                return;
            }
        }
        for pc in 0..self.insns.len() {
            self.set_live(arena, pc, ALL_LIVE);
        }
    }

    /// Marks the functions whose results matter whoever calls them: the program
    /// itself, what is verified apart, and what helpers call.
    fn mark_results(&self, arena: &mut Arena<'_>) {
        for function in 0..self.function_count {
            if function == 0 || self.global(arena, function).is_some() {
                self.mark(arena, self.function_start(arena, function), bit::RESULT);
            }
        }
        for pc in 0..self.insns.len() {
            if self.is_second(arena, pc) {
                continue;
            }
            if let Ok(Instruction::LoadImm64 { value: Imm64::Code(off), .. }) = self.insn(pc)
                && let Some(target) = jump_target(pc, off)
            {
                self.mark(arena, target, bit::RESULT);
            }
        }
    }

    /// One pass; whether anything changed.
    fn liveness_pass(&self, arena: &mut Arena<'_>, helpers: &HelperTable<'_>) -> bool {
        let mut changed = false;
        for pc in (0..self.insns.len()).rev() {
            if self.is_second(arena, pc) {
                continue;
            }
            let Ok(insn) = self.insn(pc) else { continue };
            let (first, second) = edges::successors(pc, &insn);
            let mut out = first.map_or(0, |pc| self.live(arena, pc));
            out |= second.map_or(0, |pc| self.live(arena, pc));
            let (mut read, written) = effects(&insn, helpers);
            if let Instruction::Call(CallTarget::Local(off)) = insn {
                // The callee reads what it reads, or what its signature names, and what
                // it returns may be read here.
                read = match self.global_called(arena, pc, &insn) {
                    Some((_, global)) => arguments(global.arity()),
                    None => jump_target(pc, off).map_or(ALL_LIVE, |pc| self.live(arena, pc)),
                };
                read &= ARGUMENTS;
                if let Some(target) = jump_target(pc, off)
                    && out & R0 != 0
                    && !self.has(arena, target, bit::RESULT)
                {
                    self.mark(arena, target, bit::RESULT);
                    changed = true;
                }
            }
            if insn == Instruction::Exit {
                let function = self.function_of(arena, pc);
                if self.has(arena, self.function_start(arena, function), bit::RESULT) {
                    read = R0;
                }
            }
            let live = (out & !written) | read;
            if live != self.live(arena, pc) {
                self.set_live(arena, pc, live);
                changed = true;
            }
        }
        changed
    }
}
