//! Jumps within a function.
#![allow(unsafe_code)]
#![allow(clippy::indexing_slicing, reason = "by constants: what is out of range does not compile")]

use bpf_bytecode::opcode::Cond;

use super::dispatch::{self, handler};
use super::form::{Form, Hand, width};
use super::machine::Machine;
use crate::semantics::{self, immediate};

handler! {
    /// Jumps.
    fn always<>(op, m, hand, ip) {
        // SAFETY: the target is an instruction of the program.
        unsafe { dispatch::jump(ip, F::distance(op), m, hand) }
    }
}

handler! {
    /// Jumps if `dst cond imm`.
    fn if_imm<const COND: usize, const WIDE: bool, const D: u8>(op, m, hand, ip) {
        let dst = hand.get::<D>(&m.regs, F::dst(op));
        let cond = const { Cond::ALL[COND] };
        if semantics::condition(cond, const { width(WIDE) }, dst, immediate(F::imm(op))) {
            // SAFETY: the target is an instruction of the program.
            return unsafe { dispatch::jump(ip, F::distance(op), m, hand) };
        }
        // SAFETY: a condition is no program's last instruction.
        unsafe { dispatch::next(ip.add(1), m, hand) }
    }
}

handler! {
    /// Jumps if `dst cond src`.
    fn if_reg<const COND: usize, const WIDE: bool, const D: u8, const S: u8>(op, m, hand, ip) {
        let dst = hand.get::<D>(&m.regs, F::dst(op));
        let src = hand.get::<S>(&m.regs, F::src(op));
        if semantics::condition(const { Cond::ALL[COND] }, const { width(WIDE) }, dst, src) {
            // SAFETY: the target is an instruction of the program.
            return unsafe { dispatch::jump(ip, F::distance(op), m, hand) };
        }
        // SAFETY: a condition is no program's last instruction.
        unsafe { dispatch::next(ip.add(1), m, hand) }
    }
}
