//! Parts of a number that are summed up, as checksums do with halves.

use bpf_bytecode::Register;
use bpf_bytecode::instruction::Operand;
use bpf_bytecode::opcode::{AluOp, Size};

use super::super::encode::{Rm, Source};
use super::super::regs::native;
use super::{Motion, Selector, Shift, Value, size_bits};

use crate::lower::{Op, Registers, Step};

/// Steps behind one that are looked at.
const FAR: u32 = 4;

impl Selector<'_, '_> {
    /// `dst` is cut to low bytes, and a register is to have its upper bits, both of which are
    /// joined soon and then read no more: each takes the other one's place, so that no copy is
    /// needed. Whether that was done.
    #[inline(always)]
    pub(super) fn exchanges(&mut self, step: &Step, size: Size, dst: Register) -> bool {
        let readers = self.readers_of(dst);
        !readers.is_empty() && self.exchanges_with(step, size, dst, readers)
    }

    #[inline(never)]
    fn exchanges_with(
        &mut self,
        step: &Step,
        size: Size,
        dst: Register,
        readers: Registers,
    ) -> bool {
        let mut readers = readers.iter();
        let (Some(upper), None) = (readers.next(), readers.next()) else { return false };
        let Value::Shift(Shift { from, motion: Motion::Right, by, width }) = self.value(upper)
        else {
            return false;
        };
        if from != dst || self.pending.has(dst) || !self.is_joined_soon(step, dst, upper) {
            return false;
        }
        let (low, high) = (self.bits(dst).min(size_bits(size)), self.bits(upper));
        self.forget(upper);
        self.spare_readers(upper, None);
        self.out.zero_extend(size, native(upper), Rm::Reg(native(dst)));
        self.out.shift(AluOp::Rsh, width, native(dst), Source::Imm(by.into()));
        self.set_bits(upper, low);
        self.set_bits(dst, high);
        true
    }

    /// Whether the first step behind one that has a part in two registers joins them without
    /// regard to their order, and one of them is read no more.
    fn is_joined_soon(&self, step: &Step, one: Register, two: Register) -> bool {
        let both = Registers::of(one).with(Registers::of(two));
        for far in 1..=FAR {
            let Some(next) = self.lowered.step(step.pc.wrapping_add(far)) else { return false };
            let effect = next.effect;
            if effect.is_unusual() || effect.is_special() {
                return false;
            }
            if effect.reads().with(effect.writes()).and(both).is_empty() {
                continue;
            }
            let Op::Alu { op, dst, src: Operand::Reg(src), .. } = self.lowered.op(&next) else {
                return false;
            };
            let joins = matches!(op, AluOp::Add | AluOp::Or | AluOp::Xor);
            let joined = Registers::of(dst).with(Registers::of(src)) == both;
            return joins && joined && !self.lowered.live_behind(&next).has(src);
        }
        false
    }
}
