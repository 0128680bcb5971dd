//! Arithmetic.
#![allow(unsafe_code)]
#![allow(clippy::indexing_slicing, reason = "by constants: what is out of range does not compile")]

use bpf_bytecode::opcode::{AluOp, ByteOrder, Size};

use super::dispatch::{self, handler, straight};
use super::form::{Form, Hand, width};
use super::machine::Machine;
use super::slow;
use crate::semantics::{self, immediate};

/// The operations that have handlers, by what the handlers' parameter says.
const OPS: [AluOp; 12] = [
    AluOp::Add,
    AluOp::Sub,
    AluOp::Mul,
    AluOp::Or,
    AluOp::And,
    AluOp::Xor,
    AluOp::Lsh,
    AluOp::Rsh,
    AluOp::Arsh,
    AluOp::Mov,
    AluOp::Div,
    AluOp::Mod,
];

/// Parameters of some of them.
pub(super) const MOV: usize = 9;
pub(super) const DIV: usize = 10;
pub(super) const MOD: usize = 11;

straight! {
    /// `dst op= imm`.
    fn with_imm<const OP: usize, const WIDE: bool, const D: u8>(op, m, hand) {
        let dst = hand.get::<D>(&m.regs, F::dst(op));
        let alu = const { OPS[OP] };
        let value = semantics::alu(alu, const { width(WIDE) }, dst, immediate(F::imm(op)));
        hand.set::<D>(&mut m.regs, F::dst(op), value);
    }
}

straight! {
    /// `dst op= src`.
    fn with_reg<const OP: usize, const WIDE: bool, const D: u8, const S: u8>(op, m, hand) {
        let dst = hand.get::<D>(&m.regs, F::dst(op));
        let src = hand.get::<S>(&m.regs, F::src(op));
        let value = semantics::alu(const { OPS[OP] }, const { width(WIDE) }, dst, src);
        hand.set::<D>(&mut m.regs, F::dst(op), value);
    }
}

straight! {
    /// `dst = -dst`.
    fn neg<const WIDE: bool, const D: u8>(op, m, hand) {
        let dst = hand.get::<D>(&m.regs, F::dst(op));
        hand.set::<D>(&mut m.regs, F::dst(op), semantics::neg(const { width(WIDE) }, dst));
    }
}

straight! {
    /// `dst = (signed)src`, by the bytes that are extended.
    fn extend<const BYTES: u8, const WIDE: bool, const D: u8, const S: u8>(op, m, hand) {
        let from = const { if BYTES == 1 { Size::B } else if BYTES == 2 { Size::H } else { Size::W } };
        let src = hand.get::<S>(&m.regs, F::src(op));
        let value = semantics::mov_sx(const { width(WIDE) }, from, src);
        hand.set::<D>(&mut m.regs, F::dst(op), value);
    }
}

handler! {
    /// `dst =` a constant of 64 bits.
    fn constant<const D: u8>(op, m, hand, ip) {
        // SAFETY: that is what has this handler.
        let Some(value) = (unsafe { F::constant(ip) }) else {
            // SAFETY: as for this handler.
            return unsafe { slow::instead(ip, m, hand) };
        };
        hand.set::<D>(&mut m.regs, F::dst(op), value);
        // SAFETY: such a load is no program's last instruction.
        unsafe { dispatch::next(ip.add(F::CONSTANT), m, hand) }
    }
}

straight! {
    /// `dst =` its low bytes, reversed or as they are, zero-extended.
    fn bytes<const REVERSED: bool, const BYTES: u8, const D: u8>(op, m, hand) {
        let native = if cfg!(target_endian = "big") { ByteOrder::Big } else { ByteOrder::Little };
        let order = if REVERSED { ByteOrder::Swap } else { native };
        let size = const { if BYTES == 2 { Size::H } else if BYTES == 4 { Size::W } else { Size::Dw } };
        let dst = hand.get::<D>(&m.regs, F::dst(op));
        hand.set::<D>(&mut m.regs, F::dst(op), semantics::byte_swap(order, size, dst));
    }
}
