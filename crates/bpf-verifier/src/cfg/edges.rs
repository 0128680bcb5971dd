//! What leads where.

use bpf_bytecode::BpfInsn;
use bpf_bytecode::instruction::jump_target;

use super::functions::function_named;
use super::{CfgError, Code, bit, reject, slot_number};
use crate::arena::Arena;
use crate::error::VerifyErrorKind;

/// The slots that may be executed next, a called function's apart.
pub(super) fn successors(pc: usize, insn: BpfInsn) -> (Option<usize>, Option<usize>) {
    if !insn.is_jump_class() {
        return (Some(pc.saturating_add(insn.slots())), None);
    }
    let target = insn.jump_offset().and_then(|off| jump_target(pc, off));
    if insn.falls_through() { (Some(pc.saturating_add(1)), target) } else { (target, None) }
}

/// A slot's half word, one more edge leading there; `again`, whether it counts as another
/// one whatever else does.
const fn entered(half: u32, again: bool) -> u32 {
    let join = if again || half & bit::ENTERED != 0 { bit::JOIN } else { 0 };
    half | bit::ENTERED | join
}

impl Code<'_> {
    /// Visits every slot that can be reached, and finds the places where paths
    /// join.
    pub(super) fn walk_edges(&mut self, arena: &mut Arena<'_>) -> Result<(), CfgError> {
        let room = self.turns.saturating_add(2);
        let stack = arena.alloc(room)?;
        let mut depth = 0_u32;
        if let Some((function, _)) = self.exception_callback(arena) {
            arena.set(stack, self.function_start(arena, function) as u64);
            depth = 1;
        }
        let (mut next, mut reached) = (Some(0), 0_usize);
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
            let Some((pc, insn)) = self.walk_straight(arena, pc, &mut reached)? else { continue };
            let (first, second) = successors(pc, insn);
            if let Some(successor) = first {
                self.enter(arena, pc, successor);
            }
            if let Some(successor) = second {
                self.enter(arena, pc, successor);
            }
            if insn.is_may_goto() || insn.is_call() && self.calls_in_rounds(arena, pc) {
                self.mark(arena, pc, bit::JOIN | bit::ROUND);
                self.has_rounds = true;
                self.mark(arena, pc.saturating_add(1), bit::JOIN);
            }
            let mut other = second;
            if let Some(function) = function_named(pc, insn) {
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
        arena.free(stack, room);
        if reached == self.insns.len() { Ok(()) } else { self.check_reached(arena) }
    }

    /// Visits what lies ahead, up to the next jump, call or load of an address: where that
    /// is, if it was not visited before. Adds to the slots that are `reached`.
    fn walk_straight(
        &self,
        arena: &mut Arena<'_>,
        from: usize,
        reached: &mut usize,
    ) -> Result<Option<(usize, BpfInsn)>, CfgError> {
        let mut pc = from;
        if pc >= self.insns.len() {
            return Ok(None);
        }
        let mut known = self.slots.get(arena, pc);
        while known & bit::REACHED == 0 {
            self.slots.set(arena, pc, known | bit::REACHED);
            if known & bit::SECOND != 0
                && let Err(error) = self.insn(pc)
            {
                return reject(error.into(), pc);
            }
            let insn = self.slot(pc);
            *reached = reached.saturating_add(insn.slots());
            if self.turns(arena, pc) {
                return Ok(Some((pc, insn)));
            }
            pc = pc.saturating_add(insn.slots());
            known = entered(self.slots.get(arena, pc), false);
        }
        if pc != from {
            self.slots.set(arena, pc, known);
        }
        Ok(None)
    }

    /// An edge leads from a slot to another.
    fn enter(&mut self, arena: &mut Arena<'_>, from: usize, to: usize) {
        // Where a jump leads backwards, states are worth comparing even if it is
        // the only edge: much of what follows was walked before.
        let back = from >= to;
        self.turns_back |= back;
        let half = self.slots.get(arena, to);
        self.slots.set(arena, to, entered(half, back));
    }

    fn check_reached(&self, arena: &Arena<'_>) -> Result<(), CfgError> {
        let mut all = self.slots.iter_from(arena, 0);
        match all.position(|half| half & (bit::REACHED | bit::SECOND) == 0) {
            Some(pc) => reject(VerifyErrorKind::Unreachable { pc: slot_number(pc) }, pc),
            None => Ok(()),
        }
    }
}
