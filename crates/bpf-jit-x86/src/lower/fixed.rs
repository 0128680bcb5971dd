//! Numbers that registers hold all the time, within a loop, too.

use bpf_bytecode::Register;

use super::{Lowered, Op, Step, Transfer, index};

/// Slots in front of a step, and transfers, that are looked at.
const SLOTS: usize = 256;
const TRANSFERS: usize = 512;

impl Lowered<'_> {
    /// The number that a register holds at a step whenever control comes there, if a step in
    /// front of it, which is not far, gives it that number and nothing else does: from there
    /// on control stays among steps that do not write it, up to the step and to whatever leads
    /// back among them; it comes there by no other way.
    pub fn number_at(&self, step: &Step, register: Register) -> Option<u64> {
        let mut end = step.slot();
        let writes = |slot: usize| {
            self.notes.get(slot).is_none_or(|note| note.effect.writes().has(register))
        };
        let given = (end.saturating_sub(SLOTS)..end).rev().find(|slot| writes(*slot))?;
        let given_by = u32::try_from(given).ok().and_then(|given| self.step(given))?;
        let Op::Const { value, .. } = self.op(&given_by) else { return None };
        if self.transfers.len() > TRANSFERS {
            return None;
        }
        loop {
            let before = end;
            for Transfer { from, to, calls } in &self.transfers {
                let (from, to) = (index(*from), index(*to));
                if to <= given || to > before {
                    continue;
                }
                if *calls || from <= given {
                    return None;
                }
                end = end.max(from);
            }
            if end == before {
                return Some(value);
            }
            if (before..=end).any(writes) {
                return None;
            }
        }
    }
}
