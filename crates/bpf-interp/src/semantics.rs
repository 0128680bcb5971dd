//! What instructions compute, as pure functions.
//!
//! The interpreter is made of them; other engines' tests and the verifier's
//! measure against them.

use bpf_bytecode::opcode::{AluOp, AtomicOp, ByteOrder, Cond, Size, Width};

/// An immediate as an operand of 64 bits.
#[inline(always)]
pub const fn immediate(imm: i32) -> u64 {
    (imm as i64).cast_unsigned()
}

/// `dst op src` in the given width; a 32-bit result is zero-extended.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "32-bit operations take the low half")]
pub const fn alu(op: AluOp, width: Width, dst: u64, src: u64) -> u64 {
    match width {
        Width::W32 => alu32(op, dst as u32, src as u32) as u64,
        Width::W64 => alu64(op, dst, src),
    }
}

macro_rules! alu {
    ($(#[$doc:meta])* $name:ident: $ty:ty, $signed:ty) => {
        $(#[$doc])*
        #[inline(always)]
        #[allow(clippy::cast_possible_truncation, reason = "shift counts are masked anyway")]
        pub const fn $name(op: AluOp, dst: $ty, src: $ty) -> $ty {
            match op {
                AluOp::Add => dst.wrapping_add(src),
                AluOp::Sub => dst.wrapping_sub(src),
                AluOp::Mul => dst.wrapping_mul(src),
                AluOp::Div => match dst.checked_div(src) {
                    Some(quotient) => quotient,
                    None => 0,
                },
                AluOp::Mod => match dst.checked_rem(src) {
                    Some(remainder) => remainder,
                    None => dst,
                },
                AluOp::Sdiv => match dst.cast_signed().checked_div(src.cast_signed()) {
                    Some(quotient) => quotient.cast_unsigned(),
                    None if src == 0 => 0,
                    None => dst,
                },
                AluOp::Smod => match dst.cast_signed().checked_rem(src.cast_signed()) {
                    Some(remainder) => remainder.cast_unsigned(),
                    None if src == 0 => dst,
                    None => 0,
                },
                AluOp::Or => dst | src,
                AluOp::And => dst & src,
                AluOp::Xor => dst ^ src,
                AluOp::Lsh => dst.wrapping_shl(src as u32),
                AluOp::Rsh => dst.wrapping_shr(src as u32),
                AluOp::Arsh => dst.cast_signed().wrapping_shr(src as u32).cast_unsigned(),
                AluOp::Mov => src,
            }
        }
    };
}

alu! {
    /// `dst op src` on 64 bits. Division by zero gives 0, a remainder by zero
    /// the dividend; the least number divided by -1 gives itself, with remainder
    /// 0. Shift counts are taken modulo 64.
    alu64: u64, i64
}
alu! {
    /// As [`alu64`], on 32 bits.
    alu32: u32, i32
}

/// `-dst` in the given width.
#[inline(always)]
pub const fn neg(width: Width, dst: u64) -> u64 {
    alu(AluOp::Sub, width, 0, dst)
}

/// The low `size` bytes of `value`, sign-extended to 64 bits.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "the low bytes are extended")]
pub const fn sign_extend(size: Size, value: u64) -> u64 {
    match size {
        Size::B => (value as i8 as i64).cast_unsigned(),
        Size::H => (value as i16 as i64).cast_unsigned(),
        Size::W => (value as i32 as i64).cast_unsigned(),
        Size::Dw => value,
    }
}

/// A sign-extending move: the low `from` bytes of `src`, sign-extended to the
/// width and from there zero-extended.
#[inline(always)]
pub const fn mov_sx(width: Width, from: Size, src: u64) -> u64 {
    alu(AluOp::Mov, width, 0, sign_extend(from, src))
}

/// The low `size` bytes of `value` in another order, zero-extended.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "the low bytes are meant")]
pub const fn byte_swap(order: ByteOrder, size: Size, value: u64) -> u64 {
    let swap = match order {
        ByteOrder::Little => cfg!(target_endian = "big"),
        ByteOrder::Big => cfg!(target_endian = "little"),
        ByteOrder::Swap => true,
    };
    match (size, swap) {
        (Size::B, _) => value as u8 as u64,
        (Size::H, false) => value as u16 as u64,
        (Size::H, true) => (value as u16).swap_bytes() as u64,
        (Size::W, false) => value as u32 as u64,
        (Size::W, true) => (value as u32).swap_bytes() as u64,
        (Size::Dw, false) => value,
        (Size::Dw, true) => value.swap_bytes(),
    }
}

/// Whether `dst cond src` holds in the given width.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "32-bit operations take the low half")]
pub const fn condition(cond: Cond, width: Width, dst: u64, src: u64) -> bool {
    match width {
        Width::W32 => condition32(cond, dst as u32, src as u32),
        Width::W64 => condition64(cond, dst, src),
    }
}

macro_rules! condition {
    ($(#[$doc:meta])* $name:ident: $ty:ty) => {
        $(#[$doc])*
        #[inline(always)]
        pub const fn $name(cond: Cond, dst: $ty, src: $ty) -> bool {
            match cond {
                Cond::Eq => dst == src,
                Cond::Ne => dst != src,
                Cond::Set => dst & src != 0,
                Cond::Gt => dst > src,
                Cond::Ge => dst >= src,
                Cond::Lt => dst < src,
                Cond::Le => dst <= src,
                Cond::Sgt => dst.cast_signed() > src.cast_signed(),
                Cond::Sge => dst.cast_signed() >= src.cast_signed(),
                Cond::Slt => dst.cast_signed() < src.cast_signed(),
                Cond::Sle => dst.cast_signed() <= src.cast_signed(),
            }
        }
    };
}

condition! {
    /// Whether `dst cond src` holds on 64 bits.
    condition64: u64
}
condition! {
    /// Whether `dst cond src` holds on 32 bits.
    condition32: u32
}

/// What an atomic operation leaves in memory that held `old`; `expected` is R0,
/// for a compare-and-exchange. All are of the width's size, zero-extended.
#[inline(always)]
pub const fn atomic(op: AtomicOp, width: Width, old: u64, src: u64, expected: u64) -> u64 {
    let op = match op {
        AtomicOp::Add => AluOp::Add,
        AtomicOp::Or => AluOp::Or,
        AtomicOp::And => AluOp::And,
        AtomicOp::Xor => AluOp::Xor,
        AtomicOp::Cmpxchg if !condition(Cond::Eq, width, old, expected) => return old,
        AtomicOp::Xchg | AtomicOp::Cmpxchg => AluOp::Mov,
    };
    alu(op, width, old, src)
}
