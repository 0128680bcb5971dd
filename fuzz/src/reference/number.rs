//! Arithmetic, by way of integers that are wide enough for every result.

use kernel_bpf::bytecode::opcode::{AluOp, AtomicOp, ByteOrder, Cond, Size, Width};

/// The low `bits` of a number.
pub(crate) fn cut(value: u64, bits: u32) -> u64 {
    if bits == 64 { value } else { value % (1 << bits) }
}

/// A number whose low `bits` are all there is of it, with its sign.
fn signed(value: u64, bits: u32) -> i128 {
    let value = i128::from(cut(value, bits));
    let half = 1_i128 << (bits - 1);
    if value >= half { value - 2 * half } else { value }
}

/// A number modulo 2^64.
fn modulo(value: i128) -> u64 {
    u64::try_from(value.rem_euclid(1 << 64)).expect("a remainder of 2^64")
}

/// The low `bits`, sign-extended to 64.
pub(crate) fn sign_extend(value: u64, bits: u32) -> u64 {
    modulo(signed(value, bits))
}

/// `a op b` in a width; the upper half of a narrow result is zero.
pub(crate) fn alu(op: AluOp, width: Width, a: u64, b: u64) -> u64 {
    let bits = width.bits();
    let (ua, ub) = (i128::from(cut(a, bits)), i128::from(cut(b, bits)));
    let (sa, sb) = (signed(a, bits), signed(b, bits));
    // How far a shift goes is taken modulo the width.
    let count = u32::try_from(ub % i128::from(bits)).expect("less than the width");
    let power = 1_i128 << count;
    let result = match op {
        AluOp::Add => ua + ub,
        AluOp::Sub => ua - ub,
        // Both factors signed: the product has the same low bits, and fits.
        AluOp::Mul => sa * sb,
        AluOp::Div if ub == 0 => 0,
        AluOp::Div => ua / ub,
        AluOp::Mod if ub == 0 => ua,
        AluOp::Mod => ua % ub,
        AluOp::Sdiv if sb == 0 => 0,
        AluOp::Sdiv => sa / sb,
        AluOp::Smod if sb == 0 => sa,
        AluOp::Smod => sa % sb,
        AluOp::Or => ua | ub,
        AluOp::And => ua & ub,
        AluOp::Xor => ua ^ ub,
        // Only the low bits of what is shifted out at the top matter.
        AluOp::Lsh => return cut(modulo(i128::from(cut(a, bits - count)) * power), bits),
        AluOp::Rsh => ua / power,
        AluOp::Arsh => sa.div_euclid(power),
        AluOp::Mov => ub,
    };
    cut(modulo(result), bits)
}

/// The low bytes of a number in another order.
pub(crate) fn reordered(order: ByteOrder, size: Size, value: u64) -> u64 {
    let mut bytes = value.to_le_bytes()[..size.bytes()].to_vec();
    let swaps = match order {
        ByteOrder::Swap => true,
        ByteOrder::Big => cfg!(target_endian = "little"),
        ByteOrder::Little => cfg!(target_endian = "big"),
    };
    if swaps {
        bytes.reverse();
    }
    bytes.resize(8, 0);
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

/// Whether a jump is taken.
pub(crate) fn holds(cond: Cond, width: Width, a: u64, b: u64) -> bool {
    let bits = width.bits();
    let (ua, ub) = (cut(a, bits), cut(b, bits));
    let (sa, sb) = (signed(a, bits), signed(b, bits));
    match cond {
        Cond::Eq => ua == ub,
        Cond::Ne => ua != ub,
        Cond::Set => ua & ub != 0,
        Cond::Gt => ua > ub,
        Cond::Ge => ua >= ub,
        Cond::Lt => ua < ub,
        Cond::Le => ua <= ub,
        Cond::Sgt => sa > sb,
        Cond::Sge => sa >= sb,
        Cond::Slt => sa < sb,
        Cond::Sle => sa <= sb,
    }
}

/// Whether the operation compares with R0, and returns there.
pub(crate) fn compares(op: AtomicOp) -> bool {
    op == AtomicOp::Cmpxchg
}

/// What an atomic operation leaves in memory, where `old` was.
pub(crate) fn atomic(op: AtomicOp, width: Width, old: u64, src: u64, r0: u64) -> u64 {
    match op {
        AtomicOp::Add => alu(AluOp::Add, width, old, src),
        AtomicOp::Or => alu(AluOp::Or, width, old, src),
        AtomicOp::And => alu(AluOp::And, width, old, src),
        AtomicOp::Xor => alu(AluOp::Xor, width, old, src),
        AtomicOp::Xchg => src,
        AtomicOp::Cmpxchg if holds(Cond::Eq, width, old, r0) => src,
        AtomicOp::Cmpxchg => old,
    }
}
