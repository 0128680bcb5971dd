//! The upper bits of 32, where all that code without operations of 32 bits has is a mask.
//!
//! A shift to the right of half a register is a mask and a shift there: the mask keeps those
//! bits that are left behind the shift, and clears the upper half. It is in a register, as no
//! immediate is zero in its upper half and not below. The shift of 32 bits does both.

use bpf_bytecode::Register;
use bpf_bytecode::instruction::Operand;
use bpf_bytecode::opcode::{AluOp, Width};

use super::{Selector, Value};

use crate::lower::{Op, Step};

/// Steps behind a mask among which the shift is looked for: others may stand in between.
const STEPS: u32 = 4;

impl Selector<'_, '_> {
    /// Whether all that a mask in a register does is to clear the upper half, since what else it
    /// clears is shifted out behind it.
    #[inline(never)]
    pub(super) fn is_cut(&self, step: &Step, width: Width, dst: Register, mask: Register) -> bool {
        let by = match width {
            Width::W64 if dst != mask && self.out.random.is_none() => self.shift_behind(step, dst),
            _ => None,
        };
        let Some(by) = by else { return false };
        let mask = match self.value(mask) {
            Value::Half(mask) => Some(mask),
            Value::Own => self.lowered.number_at(step, mask).and_then(|n| u32::try_from(n).ok()),
            _ => None,
        };
        mask.is_some_and(|mask| mask.wrapping_shr(by) == u32::MAX.wrapping_shr(by))
    }

    /// By how many bits less than 32 a register is shifted to the right that is not read before.
    fn shift_behind(&self, step: &Step, dst: Register) -> Option<u32> {
        for pc in (1..=STEPS).map(|steps| step.pc.wrapping_add(steps)) {
            let next = self.lowered.step(pc)?;
            if next.effect.is_joined() || next.effect.turns() {
                return None;
            }
            if next.effect.reads().with(next.effect.writes()).has(dst) {
                let Op::Alu { op: AluOp::Rsh, width: Width::W64, dst: shifted, src } =
                    self.lowered.op(&next)
                else {
                    return None;
                };
                let Operand::Imm(by) = src else { return None };
                return u32::try_from(by).ok().filter(|by| *by < 32 && shifted == dst);
            }
        }
        None
    }
}
