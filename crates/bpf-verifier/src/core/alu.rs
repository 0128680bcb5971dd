//! Arithmetic.

use bpf_bytecode::Register;
use bpf_bytecode::instruction::Operand;
use bpf_bytecode::opcode::{AluOp, ByteOrder, Size, Width};

use super::{Explorer, Step, reject};
use crate::arena::{NONE, high, low};
use crate::domain::{Scalar, alu, byte_swap, negate, sign_extend};
use crate::error::{Sink, VerifyErrorKind};
use crate::state::{
    DOUBLED, HALVED, MODULO, RAISED, RAISED_SIGNED, SHIFTED, SHIFTED_HALF, Value, WRAPPED,
    WRAPPED_SIGNED,
};

/// What may be added to a number so that it keeps its identity.
const MAX_SUM: i64 = 1 << 30;

/// `out` is `a op b`. Where that is a constant more or less than one of them, it
/// has that one's identity; in a loop that is summarised (`counts`), also where
/// it is more or less by something within bounds, half, or twice as much, or where low bits
/// of it are cut off by a mask or by two shifts, between which it may be added to. A mask of
/// bits that are all zero anyway leaves it as it is.
fn sum(op: AluOp, width: Width, (a, b): (&Value, &Value), counts: bool, out: Value) -> Value {
    if op == AluOp::And
        && a.id != 0
        && let Some(mask) = b.as_constant()
        && let bits = a.number.bits()
        && (bits.value() | bits.mask()) & !(mask & greatest(width)) == 0
    {
        return Value { deps: out.deps, ..*a };
    }
    if counts
        && op == AluOp::And
        && let Some(mask) = b.as_constant().map(|mask| mask & greatest(width))
        && is_low_mask(mask)
    {
        return cut(a, mask.count_ones(), out);
    }
    if counts && let Some(by) = cut_by(width, b) {
        match op {
            AluOp::Lsh if a.range == 0 => return raised(width, a, by, out),
            AluOp::Lsh if width == Width::W64 && a.same_bits().saturating_add(by) >= 64 => {
                return raised_half(a, by, out);
            }
            AluOp::Rsh | AluOp::Arsh if a.shift() == Some((width, by)) => {
                return lowered(op, a, out);
            }
            _ => {}
        }
    }
    if counts && let Some(shift) = a.shift().filter(|shift| shift.0 == width) {
        return raised_sum(op, (a, b), shift, out);
    }
    let counts = counts && a.range == 0;
    let (named, by) = match (op, a.as_constant(), b.as_constant()) {
        (AluOp::Add | AluOp::Sub, None, Some(_)) => (a, b),
        (AluOp::Add, Some(_), None) => (b, a),
        (AluOp::Add, None, None) if counts && a.base().is_some() && a.base() == b.base() => {
            return scaled(width, a, AluOp::Mul, 2, out);
        }
        (AluOp::Add | AluOp::Sub, None, None) if counts => (a, b),
        (_, None, Some(by)) if counts => return scaled(width, a, op, by, out),
        _ => return out,
    };
    // Of the low half of a copy, a sum of 32 bits is the low half of one.
    let low_half = width == Width::W32 && named.range != 0 && named.same_bits() >= 32;
    let other = named.range != 0 && !low_half;
    if named.id == 0 || other || out.number.as_constant().is_some() {
        return out;
    }
    let range = match width {
        Width::W64 => by.number.full(),
        Width::W32 => by.number.half(),
    };
    let (least, most) = match op {
        AluOp::Sub => (range.smax.wrapping_neg(), range.smin.wrapping_neg()),
        _ => (range.smin, range.smax),
    };
    if least < MAX_SUM.wrapping_neg() || most > MAX_SUM || least > most {
        return out;
    }
    let off = i64::from(named.off).wrapping_add(least);
    let range = match width {
        Width::W64 => i32::try_from(most.wrapping_sub(least)).ok(),
        Width::W32 => half_sum(named, (least, most), counts),
    };
    match (i32::try_from(off), range) {
        (Ok(off), Some(range)) if i64::from(off).abs() <= MAX_SUM => {
            let index = if range == 0 { named.index } else { 0 };
            Value { id: named.id, index, off, range, ..out }
        }
        _ => out,
    }
}

/// What a 32-bit sum of `named` and so much is of the whole sum: by how much more that may be, or
/// its low half; none, if that is of no use.
fn half_sum(named: &Value, (least, most): (i64, i64), counts: bool) -> Option<i32> {
    let max = i64::from(u32::MAX);
    let (from, to) = match named.range {
        0 => (named.number.full().smin, named.number.full().smax),
        WRAPPED_SIGNED => (named.number.half().smin, named.number.half().smax),
        _ => return Some(WRAPPED),
    };
    let whole = named.range == 0 && from >= 0 && to <= max;
    let (first, last) = (from.saturating_add(least), to.saturating_add(most));
    if whole && first >= 0 && last <= max {
        return i32::try_from(most.wrapping_sub(least)).ok();
    }
    let fits = first >= i32::MIN.into() && last <= i32::MAX.into();
    let low_half = if fits { WRAPPED_SIGNED } else { WRAPPED };
    (least == most && (whole || counts || named.range != 0)).then_some(low_half)
}

/// The greatest number of a width.
const fn greatest(width: Width) -> u64 {
    match width {
        Width::W64 => u64::MAX,
        Width::W32 => 0xffff_ffff,
    }
}

/// `out` is `a op by`: half of `a` at the most, or twice that at the least, or
/// something else.
fn scaled(width: Width, a: &Value, op: AluOp, by: u64, out: Value) -> Value {
    let (min, max) = (a.number.umin(), a.number.umax());
    let all = greatest(width);
    let by = by & all;
    let times = match op {
        AluOp::Mul => Some(by),
        AluOp::Lsh if by < 32 => Some(1_u64.wrapping_shl(low(by))),
        _ => None,
    };
    let halves = match op {
        AluOp::Div => by >= 2,
        AluOp::Rsh => by >= 1 && by < width.bits().into(),
        AluOp::Arsh => by >= 1 && by < width.bits().into() && max <= all / 2,
        _ => false,
    };
    let grows = times.is_some_and(|by| by >= 2 && max.checked_mul(by).is_some_and(|to| to <= all));
    if a.id == 0 || min == 0 || max > all || !(halves || grows) {
        return out;
    }
    let range = if halves { HALVED } else { DOUBLED };
    Value { id: a.id, off: a.off, range, ..out }
}

/// Whether bits from the lowest on are set, and no others.
const fn is_low_mask(bits: u64) -> bool {
    bits != 0 && bits & bits.wrapping_add(1) == 0
}

/// `out` and `a` agree in so many low bits, at least.
fn cut(a: &Value, bits: u32, out: Value) -> Value {
    let bits = bits.min(a.same_bits());
    if !(1..64).contains(&bits) {
        return out;
    }
    Value { id: a.id, off: a.off, range: MODULO.wrapping_sub_unsigned(bits), ..out }
}

/// By how many bits compilers shift up and down again, to cut a number to 32, 16 or 8 bits.
fn cut_by(width: Width, by: &Value) -> Option<u32> {
    let by = by.as_constant().map(low)?;
    let cuts = match width {
        Width::W64 => matches!(by, 32 | 48 | 56),
        Width::W32 => matches!(by, 16 | 24),
    };
    cuts.then_some(by)
}

/// What a number is, so many bits higher, which lies between these.
const fn raised_between((width, by): (Width, u32), from: i64, to: i64) -> i32 {
    let base = match width {
        Width::W64 if by == 32 && from >= 0 && to <= 0xffff_ffff => return RAISED,
        Width::W64 if by == 32 && from >= i32::MIN as i64 && to <= i32::MAX as i64 => {
            return RAISED_SIGNED;
        }
        Width::W64 => SHIFTED,
        Width::W32 => SHIFTED_HALF,
    };
    base.wrapping_sub_unsigned(by)
}

/// `out` is `a`, so many bits higher.
fn raised(width: Width, a: &Value, by: u32, out: Value) -> Value {
    let full = a.number.full();
    let range = raised_between((width, by), full.smin, full.smax);
    if a.id == 0 { out } else { Value { id: a.id, off: a.off, range, ..out } }
}

/// `out` is `a`, which is the low half of what it has the identity of, so many bits higher that
/// no more of it is left. Of what is known, nobody compares whether it is that.
fn raised_half(a: &Value, by: u32, out: Value) -> Value {
    if out.number.as_constant().is_some() {
        return out;
    }
    let signed = a.range == WRAPPED_SIGNED && by == 32;
    let range = if signed { RAISED_SIGNED } else { SHIFTED.wrapping_sub_unsigned(by) };
    Value { id: a.id, off: a.off, range, ..out }
}

/// `out` is `a op b`: if `b` is a constant of the upper bits, the sum that `a` is, and more, as
/// high as it was. So compilers count before they extend the sign by the shift back.
fn raised_sum(op: AluOp, (a, b): (&Value, &Value), (width, by): (Width, u32), out: Value) -> Value {
    let constant = b.as_constant().map(|constant| match width {
        Width::W64 => constant.cast_signed(),
        Width::W32 => low(constant).cast_signed().into(),
    });
    let upper = constant.filter(|constant| constant.trailing_zeros() >= by);
    let more = match (op, upper.map(|constant| constant.wrapping_shr(by))) {
        (AluOp::Add, Some(more)) => more,
        (AluOp::Sub, Some(more)) => more.wrapping_neg(),
        _ => return out,
    };
    let full = a.number.full();
    let (from, to) = match a.range {
        RAISED => (high(full.umin).into(), high(full.umax).into()),
        _ => (full.smin.wrapping_shr(32), full.smax.wrapping_shr(32)),
    };
    let range = match a.range {
        RAISED | RAISED_SIGNED => {
            raised_between((width, by), more.wrapping_add(from), more.wrapping_add(to))
        }
        range => range,
    };
    let off = i64::from(a.off).wrapping_add(more);
    match i32::try_from(off) {
        Ok(off) if i64::from(off).abs() <= MAX_SUM => Value { id: a.id, off, range, ..out },
        _ => out,
    }
}

/// `out` is `a`, which was raised before, lower by as much: what it was, where that had
/// no more bits, or else the same in the low ones that were left.
fn lowered(op: AluOp, a: &Value, out: Value) -> Value {
    let range = match (op, a.range) {
        (AluOp::Rsh, RAISED) | (AluOp::Arsh, RAISED_SIGNED) => 0,
        (AluOp::Arsh, RAISED) if a.number.smin() >= 0 => 0,
        _ => {
            let Some((width, by)) = a.shift() else { return out };
            MODULO.wrapping_sub_unsigned(width.bits().saturating_sub(by))
        }
    };
    Value { id: a.id, off: a.off, range, ..out }
}

/// An immediate, sign-extended to `bits`.
fn immediate(imm: i32, bits: u32) -> Scalar {
    match bits {
        32 => Scalar::constant(imm.cast_unsigned().into()),
        _ => Scalar::signed_constant(imm.into()),
    }
}

/// Whether numbers are what they are when they are cut to so many bits, with a sign or without.
const fn is_kept(bits: u32, number: &Scalar) -> bool {
    bits < 64 && number.umax().wrapping_shr(bits.saturating_sub(1)) == 0
}

/// A number, and what it rests on.
type Known = (Scalar, u64);

/// What a result rests on: not on an operand that might as well be any number.
/// `a` and `b` are the operands, `number` is what they give.
fn rests(op: AluOp, width: Width, a: Known, b: Known, number: Scalar) -> u64 {
    if a.1 | b.1 == 0 || number == Scalar::of_bits(width.bits()) {
        return 0;
    }
    // Of others, an unknown operand leaves nothing known, but for the width.
    let narrows = matches!(
        op,
        AluOp::And | AluOp::Or | AluOp::Lsh | AluOp::Rsh | AluOp::Arsh | AluOp::Div | AluOp::Mod
    );
    let of_any = |a: Scalar, b: Scalar| number == alu(op, width, a, b);
    // By a constant, the greatest number gives something that most results do not hold.
    let might = |by: u64| {
        let most: Scalar = alu(op, width, Scalar::constant(u64::MAX), Scalar::constant(by));
        number.contains(most.umax())
    };
    if narrows
        && a.1 != 0
        && (a.0 == Scalar::UNKNOWN
            || (b.0.as_constant().is_none_or(might) && of_any(Scalar::UNKNOWN, b.0)))
    {
        b.1
    } else if narrows && b.1 != 0 && of_any(a.0, Scalar::UNKNOWN) {
        a.1
    } else {
        a.1 | b.1
    }
}

/// A result of one operand, which rests on that, unless it might be any number.
fn result(of: &Value, operation: impl Fn(Scalar) -> Scalar) -> Value {
    let number = operation(of.number);
    let free = of.deps == 0 || number == operation(Scalar::UNKNOWN);
    Value { deps: if free { 0 } else { of.deps }, ..Value::scalar(number) }
}

/// Whether a number is known, or has an identity that says that it is the number itself.
fn is_linked(number: &Value) -> bool {
    number.id != 0 && number.range == 0 || number.number.as_constant().is_some()
}

impl Explorer<'_> {
    /// The value of an operand; an immediate is sign-extended to `bits`.
    pub(super) fn operand(&self, operand: Operand, bits: u32) -> Step<Value> {
        match operand {
            Operand::Reg(register) => self.read(register),
            Operand::Imm(imm) => Ok(Value::scalar(immediate(imm, bits))),
        }
    }

    pub(super) fn alu(&mut self, op: AluOp, width: Width, dst: Register, src: Operand) -> Step {
        if let Operand::Imm(imm) = src {
            let bits = width.bits();
            if op.is_shift() && u32::try_from(imm).map_or(true, |imm| imm >= bits) {
                return reject(VerifyErrorKind::InvalidShift { amount: imm, bits });
            }
            if op.is_division() && imm == 0 {
                return reject(VerifyErrorKind::DivisionByZero);
            }
        }
        if op == AluOp::Mov {
            return self.mov(width, dst, src);
        }
        if self.plain_alu(op, width, dst, src) {
            return Ok(());
        }
        let b = self.operand(src, width.bits())?;
        let a = self.read(dst)?;
        let out = match (a.kind.is_pointer(), b.kind.is_pointer()) {
            (false, false) => {
                // A number minus itself, whatever it is.
                let cancels = matches!(op, AluOp::Sub | AluOp::Xor) && src == Operand::Reg(dst);
                if cancels {
                    Value::scalar(Scalar::constant(0))
                } else {
                    let number = alu(op, width, a.number, b.number);
                    let out = Value { deps: a.deps | b.deps, ..Value::scalar(number) };
                    let out = sum(op, width, (&a, &b), self.counts_by(a.id), out);
                    // What has the identity of an operand stands by that.
                    let deps = match out.id {
                        0 => rests(op, width, (a.number, a.deps), (b.number, b.deps), number),
                        _ => out.deps,
                    };
                    let mut out = Value { deps, ..out };
                    if self.differences > 0 && op == AluOp::Sub {
                        self.meet_difference(width, (&a, &b), &mut out);
                    }
                    out
                }
            }
            _ => self.pointer_alu(op, width, (dst, a), (src, b))?,
        };
        self.write(dst, out)
    }

    /// The common case, in place: numbers, of which the result keeps no identity.
    /// Whether it is one.
    fn plain_alu(&mut self, op: AluOp, width: Width, dst: Register, src: Operand) -> bool {
        let named = matches!(op, AluOp::Add | AluOp::Sub | AluOp::And);
        let apart = self.walker.active.0 == NONE && !named;
        let regs = self.state.regs();
        let plain = |value: &&Value| value.is_scalar() && (apart || value.id == 0);
        let Some(a) = regs.get(dst.index()).filter(plain) else { return false };
        let b = match src {
            Operand::Imm(imm) => (immediate(imm, width.bits()), 0),
            // A number with itself is another matter.
            Operand::Reg(src) if src == dst => return false,
            Operand::Reg(src) => {
                let Some(b) = regs.get(src.index()).filter(plain) else { return false };
                (b.number, b.deps)
            }
        };
        let number = alu(op, width, a.number, b.0);
        let free = a.deps | b.1 == 0;
        let deps = if free { 0 } else { rests(op, width, (a.number, a.deps), b, number) };
        let Some(out) = self.state.reg_mut(dst) else { return false };
        (out.number, out.deps) = (number, deps);
        (out.index, out.id, out.off, out.range) = (0, 0, 0, 0);
        true
    }

    fn mov(&mut self, width: Width, dst: Register, src: Operand) -> Step {
        // The common case: what is copied is named already, or needs no name.
        if let (Operand::Reg(src), Width::W64) = (src, width)
            && let Some(value) = self.state.regs().get(src.index())
            && value.is_init()
            && (!value.is_scalar() || is_linked(value))
        {
            let value = *value;
            return self.write(dst, value);
        }
        let value = self.operand(src, width.bits())?;
        let out = match (src, width) {
            (Operand::Imm(_), _) => value,
            (Operand::Reg(src), Width::W64) => self.linked(src, value),
            (Operand::Reg(src), Width::W32) if value.is_scalar() => {
                if value.number.umax() <= u32::MAX.into() {
                    self.linked(src, value)
                } else {
                    self.cut_in_loop(&value, 32, result(&value, Scalar::low_half))
                }
            }
            (Operand::Reg(src), Width::W32) => self.number_of_address(src, 32)?,
        };
        self.write(dst, out)
    }

    /// A copy of a register's value. Copies of a number share an identity, so
    /// that what is learned of one holds for the others.
    #[inline]
    pub(super) fn linked(&mut self, register: Register, value: Value) -> Value {
        if !value.is_scalar() || is_linked(&value) {
            return value;
        }
        let mut value = value;
        let other = value.range == WRAPPED || (value.range != 0 && !self.counts_by(value.id));
        if value.id == 0 || other {
            (value.id, value.off, value.range) = (self.fresh_id(), 0, 0);
            self.state.set_reg(register, value);
        }
        value
    }

    /// `out` and `a` agree in so many low bits: in a loop that is summarised, it says so.
    fn cut_in_loop(&self, a: &Value, bits: u32, out: Value) -> Value {
        let known = out.number.as_constant().is_some();
        if known || !self.counts_by(a.id) || a.same_bits() == 0 {
            return out;
        }
        if a.range == 0 && a.number == out.number && is_kept(bits, &a.number) {
            return *a;
        }
        cut(a, bits, Value { deps: a.deps, ..out })
    }

    /// The unknown number that an address is; some may not see it.
    pub(super) fn number_of_address(&self, register: Register, bits: u32) -> Step<Value> {
        if self.guards_addresses() {
            let into = Sink::Arithmetic;
            return reject(VerifyErrorKind::PointerLeak { reg: register, into });
        }
        Ok(Value::scalar(Scalar::of_bits(bits)))
    }

    pub(super) fn negate(&mut self, width: Width, dst: Register) -> Step {
        let a = self.read(dst)?;
        let out = if a.is_scalar() {
            result(&a, |number| negate(width, number))
        } else {
            self.number_of_address(dst, width.bits())?
        };
        self.write(dst, out)
    }

    pub(super) fn move_signed(
        &mut self,
        width: Width,
        from: Size,
        dst: Register,
        src: Register,
    ) -> Step {
        let a = self.read(src)?;
        let out = if a.is_scalar() {
            let out = result(&a, |number| sign_extend(width, from.bits(), number));
            let whole = (width, from) == (Width::W64, Size::W) && a.range == WRAPPED_SIGNED;
            if whole && self.counts_by(a.id) && out.number.as_constant().is_none() {
                Value { id: a.id, off: a.off, deps: a.deps, ..out }
            } else {
                self.cut_in_loop(&a, from.bits(), out)
            }
        } else {
            self.number_of_address(src, width.bits())?
        };
        self.write(dst, out)
    }

    pub(super) fn byte_swap(&mut self, order: ByteOrder, size: Size, dst: Register) -> Step {
        let a = self.read(dst)?;
        let out = if a.is_scalar() {
            let bytes = size.bits() / 8;
            result(&a, |number| byte_swap(order, bytes, number))
        } else {
            self.number_of_address(dst, size.bits())?
        };
        self.write(dst, out)
    }
}
