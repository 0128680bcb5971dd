//! What is left to others.
#![allow(unsafe_code)]

use super::dispatch::{self, handler};
use super::form::{Form, Hand};
use super::machine::Machine;

/// As [`slow`], for handlers that find that they do not handle an operation.
///
/// # Safety
/// As for handlers.
#[inline(always)]
pub(super) unsafe fn instead<F: Form>(
    ip: *const F::Op,
    machine: &mut Machine<'_, F>,
    hand: Hand<F::Held>,
) -> *const F::Op {
    // SAFETY: by contract.
    unsafe { slow(ip, machine, hand.a, hand.b, hand.c, hand.d) }
}

handler! {
    /// The program's end; the end of another function is left to the step.
    fn exit<const R0: u8>(op, m, hand, ip) {
        if !m.run.in_first_function() {
            // SAFETY: as for this handler.
            return unsafe { instead(ip, m, hand) };
        }
        m.r0 = hand.get::<R0>(&m.regs, 0);
        core::ptr::null()
    }
}

handler! {
    /// Any instruction, by the checked step.
    fn slow<>(op, m, hand) {
        m.hand = hand;
        let to = m.step(op);
        if to.is_null() {
            return to;
        }
        let hand = m.hand;
        // SAFETY: the step says what comes next.
        unsafe { dispatch::guard(to, m, hand) }
    }
}
