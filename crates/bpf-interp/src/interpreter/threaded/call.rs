//! Calls of the program's functions and of helpers, and the way back.
#![allow(unsafe_code)]

use bpf_bytecode::abi::helper::id;

use super::dispatch::{self, handler};
use super::form::{Form, Hand};
use super::machine::Machine;
use super::slow;
use crate::interpreter::opcodes;
use crate::run::Run;

/// Whether a helper is only called: neither a tail call nor one that calls back.
pub(super) const fn is_plain(helper: u32) -> bool {
    helper != id::TAIL_CALL && !Run::calls_back(helper)
}

handler! {
    /// A call of whatever it is.
    fn any<>(op, m, hand, ip) {
        let handler = match F::src(op) {
            opcodes::CALL_LOCAL => function::<F>,
            opcodes::CALL_HELPER if is_plain(F::imm(op).cast_unsigned()) => helper::<F>,
            _ => slow::slow::<F>,
        };
        // SAFETY: as for this handler.
        unsafe { handler(ip, m, hand.a, hand.b, hand.c, hand.d) }
    }
}

handler! {
    /// A call of a function of the program.
    fn function<>(op, m, hand, ip) {
        m.hand = hand;
        if !m.enter_function(op) {
            // The step says what is wrong.
            // SAFETY: as for this handler.
            return unsafe { slow::instead(ip, m, hand) };
        }
        // SAFETY: a function of the program begins there.
        unsafe { dispatch::guard(ip.byte_offset(F::callee(op)), m, hand) }
    }
}

handler! {
    /// A call of a helper that is only called.
    fn helper<>(op, m, hand, ip) {
        m.hand = hand;
        if !m.call_helper(op) {
            return core::ptr::null();
        }
        let hand = m.hand;
        // SAFETY: a call is no program's last instruction.
        unsafe { dispatch::next(ip.add(1), m, hand) }
    }
}

handler! {
    /// The program's end, or that of another function.
    fn exit<const R0: u8>(op, m, hand, ip) {
        if !m.run.in_first_function() {
            // SAFETY: as for this handler.
            return unsafe { back(ip, m, hand.a, hand.b, hand.c, hand.d) };
        }
        m.r0 = hand.get::<R0>(&m.regs, 0);
        core::ptr::null()
    }
}

handler! {
    /// The end of a function that is not the first. Apart, so that the program's end
    /// needs no native frame.
    #[inline(never)]
    fn back<>(op, m, hand) {
        m.hand = hand;
        let to = m.leave_function(op);
        if to.is_null() {
            return to;
        }
        let hand = m.hand;
        // SAFETY: the caller goes on there.
        unsafe { dispatch::guard(to, m, hand) }
    }
}
