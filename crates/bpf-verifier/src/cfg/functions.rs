//! Where functions begin and end.

use bpf_bytecode::instruction::{CallTarget, Imm64, Instruction, jump_target};

use super::{CfgError, Code, FUNCTION_WORDS, bit, reject, slot_number};
use crate::arena::{Arena, pair};
use crate::error::VerifyErrorKind;

/// The function that an instruction calls or takes the address of.
pub(super) fn function_named(pc: usize, insn: &Instruction) -> Option<usize> {
    match *insn {
        Instruction::Call(CallTarget::Local(off))
        | Instruction::LoadImm64 { value: Imm64::Code(off), .. } => jump_target(pc, off),
        _ => None,
    }
}

impl Code<'_> {
    /// A function begins at the first slot and wherever a call leads.
    pub(super) fn find_functions(&mut self, arena: &mut Arena<'_>) -> Result<(), CfgError> {
        self.mark(arena, 0, bit::FUNCTION | bit::ENTERED);
        let mut pc = 0;
        while pc < self.insns.len() {
            let insn = match self.insn(pc) {
                Ok(insn) => insn,
                Err(kind) => return reject(kind, pc),
            };
            if let Some(target) = function_named(pc, &insn) {
                self.mark(arena, target, bit::FUNCTION | bit::ENTERED);
            }
            if insn.slots() == 2 {
                self.mark(arena, pc.saturating_add(1), bit::SECOND);
            }
            pc = pc.saturating_add(insn.slots());
        }
        let starts = |arena: &Arena<'_>, pc: &usize| self.has(arena, *pc, bit::FUNCTION);
        let count = (0..self.insns.len()).filter(|pc| starts(arena, pc)).count();
        let words = count.saturating_mul(FUNCTION_WORDS as usize);
        let functions = arena.alloc(words)?;
        arena.slice_mut(functions, words).fill(0);
        self.functions = functions;
        for pc in 0..self.insns.len() {
            if self.has(arena, pc, bit::FUNCTION) {
                arena.set(self.function_at(self.function_count), pair(slot_number(pc), 0));
                self.function_count = self.function_count.saturating_add(1);
            }
        }
        self.check_functions(arena)
    }

    /// No jump leaves its function, no function runs into the next one.
    fn check_functions(&self, arena: &Arena<'_>) -> Result<(), CfgError> {
        for index in 0..self.function_count {
            let (start, end) = (self.function_start(arena, index), self.function_end(arena, index));
            let mut pc = start;
            while pc < end {
                let insn = match self.insn(pc) {
                    Ok(insn) => insn,
                    Err(kind) => return reject(kind, pc),
                };
                if let Some(off) = insn.jump_offset() {
                    let target = jump_target(pc, off).unwrap_or(usize::MAX);
                    if target < start || target >= end {
                        let (from, target) = (slot_number(pc), slot_number(target));
                        let kind = VerifyErrorKind::JumpAcrossFunctions { pc: from, target };
                        return reject(kind, pc);
                    }
                }
                let next = pc.saturating_add(insn.slots());
                let ends = matches!(insn, Instruction::Exit | Instruction::Jump { .. });
                if next >= end && !ends {
                    return reject(VerifyErrorKind::FallsOutOfFunction, pc);
                }
                pc = next;
            }
        }
        Ok(())
    }
}
