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
