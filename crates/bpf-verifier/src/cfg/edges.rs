//! What leads where.

use bpf_bytecode::BpfInsn;
use bpf_bytecode::instruction::{CallTarget, Instruction, jump_target};

use super::functions::function_named;
use super::{CfgError, Code, bit, reject, slot_number};
use crate::HelperTable;
use crate::arena::Arena;
use crate::core::iterator::asks;
use crate::error::VerifyErrorKind;

/// The slots that may be executed next, a called function's apart.
pub(super) fn successors(pc: usize, insn: &Instruction) -> (Option<usize>, Option<usize>) {
    let next = pc.saturating_add(insn.slots());
    let target = insn.jump_offset().and_then(|off| jump_target(pc, off));
    match insn {
        Instruction::Exit => (None, None),
        Instruction::Jump { .. } => (target, None),
        _ => (Some(next), target),
    }
}

/// Whether an instruction is the head of loops whose rounds it bounds.
fn counts_rounds(insn: &Instruction, helpers: &HelperTable<'_>) -> bool {
    match insn {
        Instruction::MayGoto { .. } => true,
        Instruction::Call(CallTarget::Helper(id)) => helpers.calls_back(*id),
        Instruction::Call(CallTarget::Kfunc(number)) => asks(*number),
        _ => false,
    }
}

impl Code<'_> {
    /// Visits every slot that can be reached, finds the places where paths
    /// join, and makes a point for each.
    pub(super) fn walk_edges(
        &mut self,
        arena: &mut Arena<'_>,
        helpers: &HelperTable<'_>,
    ) -> Result<(), CfgError> {
        // Jumps, calls, and loads of addresses.
        let forks = |insn: &&BpfInsn| matches!(insn.code() & 7, 5 | 6) || insn.code() == 0x18;
        let branches = self.insns.iter().filter(forks).count();
        let stack = arena.alloc(branches.saturating_add(1))?;
        let mut depth = 0_u32;
        let mut next = Some(0);
        loop {
            let pc = match next.take() {
                Some(pc) => pc,
                None => match depth.checked_sub(1) {
                    Some(top) => {
                        depth = top;
                        usize::try_from(arena.word(stack.saturating_add(top))).unwrap_or(usize::MAX)
                    }
                    None => break,
                },
            };
            if pc >= self.insns.len() || self.has(arena, pc, bit::REACHED) {
                continue;
            }
            self.mark(arena, pc, bit::REACHED);
            let insn = match self.insn(pc) {
                Ok(insn) => insn,
                Err(kind) => return reject(kind, pc),
            };
            let (first, second) = successors(pc, &insn);
            for successor in [first, second].into_iter().flatten() {
                self.enter(arena, successor);
                // Where a jump leads backwards, states are worth comparing even if it
                // is the only edge: much of what follows was walked before.
                if successor <= pc {
                    self.mark(arena, successor, bit::JOIN);
                }
            }
            if counts_rounds(&insn, helpers) {
                self.mark(arena, pc, bit::JOIN | bit::ROUND);
                self.mark(arena, pc.saturating_add(1), bit::JOIN);
            }
            let mut other = second;
            if let Some(function) = function_named(pc, &insn) {
                other = Some(function);
                // Several returns lead to where a call goes on.
                self.mark(arena, pc.saturating_add(insn.slots()), bit::JOIN);
            }
            if let Some(other) = other {
                arena.set(stack.saturating_add(depth), other as u64);
                depth = depth.saturating_add(1);
            }
            next = first;
        }
        arena.free(stack, branches.saturating_add(1));
        self.check_reached(arena)?;
        self.make_points(arena)
    }

    fn enter(&self, arena: &mut Arena<'_>, pc: usize) {
        let again = self.has(arena, pc, bit::ENTERED);
        self.mark(arena, pc, if again { bit::JOIN } else { bit::ENTERED });
    }

    fn check_reached(&self, arena: &Arena<'_>) -> Result<(), CfgError> {
        for pc in 0..self.insns.len() {
            if !self.has(arena, pc, bit::REACHED) && !self.is_second(arena, pc) {
                return reject(VerifyErrorKind::Unreachable { pc: slot_number(pc) }, pc);
            }
        }
        Ok(())
    }

    fn make_points(&mut self, arena: &mut Arena<'_>) -> Result<(), CfgError> {
        let joins = (0..self.insns.len()).filter(|&pc| self.has(arena, pc, bit::JOIN)).count();
        if joins == 0 {
            return Ok(());
        }
        let mut point = arena.alloc(joins)?;
        arena.slice_mut(point, joins).fill(0);
        (self.points, self.point_count) = (point, slot_number(joins));
        for pc in 0..self.insns.len() {
            if self.has(arena, pc, bit::JOIN) {
                self.mark(arena, pc, point.into());
                point = point.saturating_add(1);
            }
        }
        Ok(())
    }
}
