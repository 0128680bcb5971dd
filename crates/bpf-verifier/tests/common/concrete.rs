//! What instructions compute, written down once more, apart from the domain.
//! `proofs` reads this file, too.

use bpf_bytecode::opcode::{AluOp, Cond};

/// The low `w` bits.
pub(crate) const fn low(value: u64, w: u32) -> u64 {
    if w == 64 { value } else { value & ((1_u64 << w) - 1) }
}

/// The low `w` bits as a signed number.
pub(crate) const fn signed(value: u64, w: u32) -> i64 {
    (value << (64 - w)).cast_signed() >> (64 - w)
}

/// `x op y` at `w` bits, as RFC 9669 defines it.
#[inline(always)]
pub(crate) const fn alu(op: AluOp, x: u64, y: u64, w: u32) -> u64 {
    let (x, y) = (low(x, w), low(y, w));
    let (sx, sy) = (signed(x, w), signed(y, w));
    #[allow(clippy::cast_possible_truncation, reason = "a count is less than the width")]
    let count = (y & (w as u64 - 1)) as u32;
    let out = match op {
        AluOp::Add => x.wrapping_add(y),
        AluOp::Sub => x.wrapping_sub(y),
        AluOp::Mul => x.wrapping_mul(y),
        AluOp::Div => match x.checked_div(y) {
            Some(quotient) => quotient,
            None => 0,
        },
        AluOp::Mod => match x.checked_rem(y) {
            Some(rest) => rest,
            None => x,
        },
        AluOp::Sdiv => {
            if sy == 0 {
                0
            } else {
                sx.wrapping_div(sy).cast_unsigned()
            }
        }
        AluOp::Smod => {
            if sy == 0 {
                x
            } else {
                sx.wrapping_rem(sy).cast_unsigned()
            }
        }
        AluOp::Or => x | y,
        AluOp::And => x & y,
        AluOp::Xor => x ^ y,
        AluOp::Lsh => x << count,
        AluOp::Rsh => x >> count,
        AluOp::Arsh => (sx >> count).cast_unsigned(),
        AluOp::Mov => y,
    };
    low(out, w)
}

/// Whether the condition holds at `w` bits.
#[inline(always)]
pub(crate) const fn holds(cond: Cond, x: u64, y: u64, w: u32) -> bool {
    let (x, y) = (low(x, w), low(y, w));
    let (sx, sy) = (signed(x, w), signed(y, w));
    match cond {
        Cond::Eq => x == y,
        Cond::Ne => x != y,
        Cond::Set => x & y != 0,
        Cond::Gt => x > y,
        Cond::Ge => x >= y,
        Cond::Lt => x < y,
        Cond::Le => x <= y,
        Cond::Sgt => sx > sy,
        Cond::Sge => sx >= sy,
        Cond::Slt => sx < sy,
        Cond::Sle => sx <= sy,
    }
}
