//! Where functions begin and end.

use bpf_bytecode::BpfInsn;
use bpf_bytecode::instruction::jump_target;

use super::{CfgError, Code, FUNCTION_WORDS, bit, reject, slot_number};
use crate::HelperTable;
use crate::arena::{Arena, pair};
use crate::error::VerifyErrorKind;

/// The function that an instruction calls or takes the address of.
pub(super) fn function_named(pc: usize, insn: BpfInsn) -> Option<usize> {
    jump_target(pc, insn.function_offset()?)
}

impl Code<'_> {
    /// A function begins at the first slot and wherever a call leads. What every
    /// instruction reads and writes is noted here.
    pub(super) fn find_functions(
        &mut self,
        arena: &mut Arena<'_>,
        helpers: &HelperTable<'_>,
    ) -> Result<(), CfgError> {
        self.mark(arena, 0, bit::FUNCTION | bit::ENTERED);
        if let Some(global) = self.exception_signature() {
            let slot = usize::try_from(global.slot).unwrap_or(usize::MAX);
            self.mark(arena, slot, bit::FUNCTION | bit::ENTERED);
        }
        self.frames.note(self.insns);
        let (mut pc, mut ends, mut leaves) = (0, false, false);
        while pc < self.insns.len() {
            // Most instructions lead to the next one and name no function.
            pc = self.note_straight(arena, pc);
            let Some(slot) = self.insns.get(pc).copied() else { break };
            let named = slot.function_offset();
            let turns = slot.is_jump_class() || named.is_some();
            self.note_effects(arena, (pc, slot), turns, helpers)?;
            if turns {
                self.turns = self.turns.saturating_add(1);
                let target = slot.jump_offset().map(|off| jump_target(pc, off));
                leaves |= target.is_some_and(|to| to.is_none_or(|to| to >= self.insns.len()));
            }
            if let Some(target) = named.and_then(|off| jump_target(pc, off)) {
                self.mark(arena, target, bit::FUNCTION | bit::ENTERED);
                self.names_functions = true;
            }
            if slot.slots() == 2 {
                self.mark(arena, pc.saturating_add(1), bit::SECOND);
            }
            ends = !slot.falls_through();
            pc = pc.saturating_add(slot.slots());
        }
        let count = self.count_with(arena, bit::FUNCTION);
        let words = count.saturating_mul(FUNCTION_WORDS as usize);
        let functions = arena.alloc_for_good(words)?;
        arena.slice_mut(functions, words).fill(0);
        self.functions = functions;
        let mut from = 0;
        while let Some(pc) = self.next_with(arena, from, bit::FUNCTION) {
            arena.set(self.function_at(self.function_count), pair(slot_number(pc), 0));
            self.function_count = self.function_count.saturating_add(1);
            from = pc.saturating_add(1);
        }
        // Where there is one function, no jump leads into another.
        if self.function_count == 1 && ends && !leaves {
            return Ok(());
        }
        self.check_functions(arena)
    }

    /// No jump leaves its function, no function runs into the next one.
    fn check_functions(&self, arena: &Arena<'_>) -> Result<(), CfgError> {
        for index in 0..self.function_count {
            let (start, end) = (self.function_start(arena, index), self.function_end(arena, index));
            let mut pc = start;
            while pc < end {
                let insn = self.slot(pc);
                if let Some(off) = insn.jump_offset() {
                    let target = jump_target(pc, off).unwrap_or(usize::MAX);
                    if target < start || target >= end {
                        let (from, target) = (slot_number(pc), slot_number(target));
                        let kind = VerifyErrorKind::JumpAcrossFunctions { pc: from, target };
                        return reject(kind, pc);
                    }
                }
                let next = pc.saturating_add(insn.slots());
                if next >= end && insn.falls_through() {
                    return reject(VerifyErrorKind::FallsOutOfFunction, pc);
                }
                pc = next;
            }
        }
        Ok(())
    }
}
