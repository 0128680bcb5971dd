//! Arithmetic.

use bpf_bytecode::Register;
use bpf_bytecode::instruction::Operand;
use bpf_bytecode::opcode::{AluOp, ByteOrder, Size, Width};

use super::{Explorer, Step, reject};
use crate::arena::low;
use crate::domain::{Scalar, alu, byte_swap, negate, sign_extend};
use crate::error::{Sink, VerifyErrorKind};
use crate::state::Value;

/// What may be added to a number so that it keeps its identity.
const MAX_SUM: i64 = 1 << 30;

/// `out` is `a op b`. Where that is a constant more or less than one of them, it
/// has that one's identity.
fn sum(op: AluOp, width: Width, (a, b): (&Value, &Value), out: Value) -> Value {
    let (named, by) = match (op, a.as_constant(), b.as_constant()) {
        (AluOp::Add | AluOp::Sub, None, Some(by)) => (a, by),
        (AluOp::Add, Some(by), None) => (b, by),
        _ => return out,
    };
    if named.id == 0 || named.range != 0 || out.number.as_constant().is_some() {
        return out;
    }
    let by = match width {
        Width::W64 => by.cast_signed(),
        Width::W32 => i64::from(low(by).cast_signed()),
    };
    let by = if op == AluOp::Sub { by.wrapping_neg() } else { by };
    if width == Width::W32 {
        // The whole must be the low half, before and after.
        let max = i64::from(u32::MAX);
        let (from, to) = (named.number.full().smin, named.number.full().smax);
        if from < 0 || to > max || from.wrapping_add(by) < 0 || to.wrapping_add(by) > max {
            return out;
        }
    }
    match i32::try_from(i64::from(named.off).wrapping_add(by)) {
        Ok(off) if i64::from(off).abs() <= MAX_SUM => Value { id: named.id, off, ..out },
        _ => out,
    }
}

impl Explorer<'_> {
    /// The value of an operand; an immediate is sign-extended to `bits`.
    pub(super) fn operand(&self, operand: Operand, bits: u32) -> Step<Value> {
        match operand {
            Operand::Reg(register) => self.read(register),
            Operand::Imm(imm) if bits == 32 => {
                Ok(Value::scalar(Scalar::constant(imm.cast_unsigned().into())))
            }
            Operand::Imm(imm) => Ok(Value::scalar(Scalar::signed_constant(imm.into()))),
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
                    sum(op, width, (&a, &b), out)
                }
            }
            _ => self.pointer_alu(op, width, (dst, a), (src, b))?,
        };
        self.write(dst, out)
    }

    fn mov(&mut self, width: Width, dst: Register, src: Operand) -> Step {
        let value = self.operand(src, width.bits())?;
        let out = match (src, width) {
            (Operand::Imm(_), _) => value,
            (Operand::Reg(src), Width::W64) => self.linked(src, value),
            (Operand::Reg(src), Width::W32) if value.is_scalar() => {
                if value.number.umax() <= u32::MAX.into() {
                    self.linked(src, value)
                } else {
                    Value { deps: value.deps, ..Value::scalar(value.number.low_half()) }
                }
            }
            (Operand::Reg(src), Width::W32) => self.number_of_address(src, 32)?,
        };
        self.write(dst, out)
    }

    /// A copy of a register's value. Copies of a number share an identity, so
    /// that what is learned of one holds for the others.
    pub(super) fn linked(&mut self, register: Register, value: Value) -> Value {
        let mut value = value;
        let unnamed = value.id == 0 || value.range != 0;
        if value.is_scalar() && unnamed && value.number.as_constant().is_none() {
            (value.id, value.off, value.range) = (self.fresh_id(), 0, 0);
            self.state.set_reg(register, value);
        }
        value
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
            Value { deps: a.deps, ..Value::scalar(negate(width, a.number)) }
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
            let number = sign_extend(width, from.bits(), a.number);
            Value { deps: a.deps, ..Value::scalar(number) }
        } else {
            self.number_of_address(src, width.bits())?
        };
        self.write(dst, out)
    }

    pub(super) fn byte_swap(&mut self, order: ByteOrder, size: Size, dst: Register) -> Step {
        let a = self.read(dst)?;
        let out = if a.is_scalar() {
            let bytes = size.bits() / 8;
            Value { deps: a.deps, ..Value::scalar(byte_swap(order, bytes, a.number)) }
        } else {
            self.number_of_address(dst, size.bits())?
        };
        self.write(dst, out)
    }
}
