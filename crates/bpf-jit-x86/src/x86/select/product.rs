//! Products by numbers for which the CPU has something sooner than its multiplication.

use bpf_bytecode::Register;
use bpf_bytecode::instruction::Operand;
use bpf_bytecode::opcode::{AluOp, Width};

use super::super::alu::Arith;
use super::super::encode::{Mem, Source};
use super::super::regs::{SCRATCH, native};
use super::{Parts, Selector, Sum, Value};

use crate::lower::{Op, Registers, Step};

impl Selector<'_, '_> {
    /// `dst *= imm`. Whether the sum behind it is done with, too.
    pub(super) fn multiply(&mut self, step: &Step, width: Width, dst: Register, imm: i32) -> bool {
        if let Some(scale) = sum_of_two(imm) {
            let from = self.steady_source(dst, width);
            let (base, index) = (Some(from), Some((from, scale)));
            self.define(dst, Value::Sum(Sum::of(Parts { base, index, disp: 0, width })));
            return false;
        }
        if let Some(sum) = self.following_on(step, dst)
            && let Op::Alu { op: AluOp::Add, width: added, dst: into, src: Operand::Reg(src) } =
                self.lowered.op(&sum)
            && added == width
            && into != src
        {
            if self.shifts_and_adds(&sum, width, dst, imm, [into, src]) {
                return true;
            }
            // The sum multiplies by 2, 4, or 8.
            let by = imm.trailing_zeros().min(3);
            if let Some(scale) = sum_of_two(imm.wrapping_shr(by))
                && let Ok(by) = u8::try_from(by)
            {
                let src = self.origin(dst, width);
                let mem = Mem { base: src, index: Some((src, scale)), disp: 0 };
                self.out.lea(width, native(dst), mem);
                let index = Some((dst, by));
                self.define(dst, Value::Sum(Sum::of(Parts { base: None, index, disp: 0, width })));
                return false;
            }
        }
        let src = self.origin(dst, width);
        if let Some((op, by)) = beside_power(imm)
            && self.flow.is_repeated(step)
        {
            // Rounds that wait for each other's product, as hashes do, wait for less.
            let into = native(dst);
            let kept = if src == into { SCRATCH } else { src };
            self.out.copy(Width::W64, kept, src);
            self.out.copy(Width::W64, into, src);
            self.out.shift(AluOp::Lsh, width, into, by);
            self.out.arith(op, width, into, Source::Reg(kept));
            self.set_flags(dst, width, false);
            return false;
        }
        self.out.multiply(width, native(dst), src, Source::Imm(imm));
        false
    }

    /// `a * 31 + b` is `(a << 5) + (b - a)`, and `a * 33 + b` with a plus: who waits for
    /// `a`, as hashes do from one round to the next, waits half as long. Only where `b` has
    /// just been loaded, so that nobody waits for it; outside of loops only where it is read no
    /// more, so that no copy is needed.
    fn shifts_and_adds(
        &mut self,
        sum: &Step,
        width: Width,
        dst: Register,
        imm: i32,
        [into, src]: [Register; 2],
    ) -> bool {
        let Some((op, by)) = beside_power(imm) else { return false };
        let behind = self.lowered.live_behind(sum);
        let other = if into == dst { src } else { into };
        let copied = behind.has(src);
        if copied && (src == dst || !self.flow.is_repeated(sum)) || !self.is_just_loaded(sum, other)
        {
            return false;
        }
        self.live = behind;
        self.needed = behind.with(Registers::of(into)).with(Registers::of(src));
        self.set_bits(into, super::bits_of(width));
        if copied {
            let multiplied = self.modify(dst);
            self.ready(src, width);
            let added = self.register_of(src, width);
            if op == Arith::Add {
                let sum = Mem { base: added, index: Some((multiplied, 0)), disp: 0 };
                self.out.lea(width, SCRATCH, sum);
            } else {
                self.out.copy(width, SCRATCH, added);
                self.out.arith(op, width, SCRATCH, Source::Reg(multiplied));
            }
            self.out.shift(AluOp::Lsh, width, multiplied, by);
            self.out.arith(Arith::Add, width, multiplied, Source::Reg(SCRATCH));
            self.set_flags(dst, width, false);
            return true;
        }
        let changed = self.modify(other);
        let multiplied = self.modify(dst);
        self.out.arith(op, width, changed, Source::Reg(multiplied));
        self.out.shift(AluOp::Lsh, width, multiplied, by);
        self.set_bits(src, 64);
        self.define(into, Value::Sum(Sum::of_two(into, src, width)));
        true
    }

    /// Whether a register has been loaded in the last few steps in front of one, whatever it
    /// was changed by since.
    fn is_just_loaded(&self, step: &Step, register: Register) -> bool {
        let mut before = (1..=12).map_while(|back| self.lowered.step(step.pc.checked_sub(back)?));
        before.any(|step| step.is_load() && step.effect.writes().has(register))
    }
}

/// Of a number next to a power of two, from 7 on: what makes it of that power, and by how much
/// is shifted for that.
fn beside_power(imm: i32) -> Option<(Arith, Source)> {
    let (op, power) = match (imm.wrapping_add(1), imm.wrapping_sub(1)) {
        (power, _) if power.count_ones() == 1 => (Arith::Sub, power),
        (_, power) if power.count_ones() == 1 => (Arith::Add, power),
        _ => return None,
    };
    (imm >= 7).then(|| (op, Source::Imm(power.trailing_zeros().cast_signed())))
}

/// For a number by which a form of address multiplies its scale.
const fn sum_of_two(imm: i32) -> Option<u8> {
    match imm {
        3 => Some(1),
        5 => Some(2),
        9 => Some(3),
        _ => None,
    }
}
