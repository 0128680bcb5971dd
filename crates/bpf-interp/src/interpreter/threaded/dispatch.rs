//! From one handler to the next.
//!
//! Where the compiler makes a call at a function's end a jump, handlers call each
//! other, so that every handler has an indirect jump of its own for the CPU to
//! predict. Elsewhere, and without optimisation, each one returns to the driver,
//! which calls the next. The build script says which (`tail_dispatch`).
//!
//! That the compiler does so is no promise of Rust's. If it did not, the native
//! stack would grow: so a backward jump, and in code that only goes forward a
//! mark now and then, looks where the stack is, and returns to the driver if it
//! has grown ([`guard`]). Bytecode in place has no marks, so there every handler
//! looks.
#![allow(unsafe_code)]

#[cfg(tail_dispatch)]
use core::arch::asm;
use core::hint::cold_path;

use super::form::{Form, Hand};
use super::machine::Machine;

/// Bytes by which the native stack may grow, and not more than that by what comes
/// to the next guard.
const GROWTH: usize = 1024;

/// Executes one operation and what follows. Gives the operation at which the
/// driver goes on, or null when the program has ended.
pub(in crate::interpreter) type Handler<F> = for<'a, 'r> unsafe fn(
    *const <F as Form>::Op,
    &'a mut Machine<'r, F>,
    <F as Form>::Held,
    <F as Form>::Held,
    <F as Form>::Held,
    <F as Form>::Held,
) -> *const <F as Form>::Op;

/// A handler: `op`, the machine and the hand by these names. Gives what its body
/// gives.
macro_rules! handler {
    ($(#[$meta:meta])* fn $name:ident<$(const $param:ident: $ty:ty),*>(
        $op:ident, $machine:ident, $hand:ident $(, $ip:ident)?) $body:block) => {
        $(#[$meta])*
        ///
        /// # Safety
        /// Handlers are called where `ip` is the next operation of the program
        /// that the machine executes, and it has this handler.
        pub(super) unsafe fn $name<F: Form $(, const $param: $ty)*>(
            ip: *const F::Op,
            $machine: &mut Machine<'_, F>,
            a: F::Held,
            b: F::Held,
            c: F::Held,
            d: F::Held,
        ) -> *const F::Op {
            #[allow(unused_mut, reason = "not every handler sets a register")]
            let mut $hand = Hand { a, b, c, d };
            // SAFETY: an operation is at `ip`, by contract.
            #[allow(unused_variables, reason = "not every handler has operands")]
            let $op: &F::Op = unsafe { &*ip };
            $(let $ip = ip;)?
            $body
        }
    };
}

/// A handler after which comes the operation behind.
macro_rules! straight {
    ($(#[$meta:meta])* fn $name:ident<$(const $param:ident: $ty:ty),*>(
        $op:ident, $machine:ident, $hand:ident) $body:block) => {
        handler! {
            $(#[$meta])*
            fn $name<$(const $param: $ty),*>($op, $machine, $hand, ip) {
                $body
                // SAFETY: what is executed does not jump, and no program's last
                // instruction is of that kind.
                unsafe { dispatch::next(ip.add(1), $machine, $hand) }
            }
        }
    };
}

pub(super) use {handler, straight};

/// Goes on at `ip`.
///
/// # Safety
/// An operation of the program that `machine` executes is at `ip`, and it is the
/// one that comes next.
#[inline(always)]
pub(super) unsafe fn next<F: Form>(
    ip: *const F::Op,
    machine: &mut Machine<'_, F>,
    hand: Hand<F::Held>,
) -> *const F::Op {
    let returns = !F::MARKED && stack_pointer() < machine.floor;
    if cfg!(tail_dispatch) && !returns {
        // SAFETY: there is an operation at `ip`, by contract.
        let handler = F::handler(machine, unsafe { &*ip });
        // SAFETY: the handler is that of the operation at `ip`.
        unsafe { handler(ip, machine, hand.a, hand.b, hand.c, hand.d) }
    } else {
        machine.hand = hand;
        ip
    }
}

/// Jumps `distance` bytes from `ip`.
///
/// # Safety
/// As [`next`], for the operation there.
#[inline(always)]
pub(super) unsafe fn jump<F: Form>(
    ip: *const F::Op,
    distance: isize,
    machine: &mut Machine<'_, F>,
    hand: Hand<F::Held>,
) -> *const F::Op {
    // SAFETY: an operation of the same program is there, by contract.
    let to = unsafe { ip.byte_offset(distance) };
    if distance < 0 {
        // SAFETY: by contract.
        return unsafe { guard(to, machine, hand) };
    }
    // SAFETY: by contract.
    unsafe { next(to, machine, hand) }
}

/// Where the native stack is.
#[inline(always)]
fn stack_pointer() -> usize {
    #[cfg(tail_dispatch)]
    {
        let at: usize;
        // SAFETY: reads a register.
        unsafe {
            #[cfg(target_arch = "x86_64")]
            asm!("mov {}, rsp", out(reg) at, options(nomem, nostack, preserves_flags));
            #[cfg(target_arch = "aarch64")]
            asm!("mov {}, sp", out(reg) at, options(nomem, nostack, preserves_flags));
        }
        at
    }
    #[cfg(not(tail_dispatch))]
    {
        usize::MAX
    }
}

/// Goes on at `ip`, by way of the driver if the native stack has grown.
///
/// # Safety
/// As [`next`].
#[inline(always)]
pub(super) unsafe fn guard<F: Form>(
    ip: *const F::Op,
    machine: &mut Machine<'_, F>,
    hand: Hand<F::Held>,
) -> *const F::Op {
    if F::MARKED && stack_pointer() < machine.floor {
        machine.hand = hand;
        return ip;
    }
    // SAFETY: by contract.
    unsafe { next(ip, machine, hand) }
}

/// Runs from `ip` on to the end, with `hand` there. Gives whether handlers came to the end
/// by themselves.
#[inline(always)]
pub(super) fn drive<F: Form>(
    ip: *const F::Op,
    machine: &mut Machine<'_, F>,
    hand: Hand<F::Held>,
) -> bool {
    machine.floor = stack_pointer().wrapping_sub(GROWTH);
    // SAFETY: `ip` is the program's first operation.
    let next = unsafe {
        let handler = F::handler(machine, &*ip);
        handler(ip, machine, hand.a, hand.b, hand.c, hand.d)
    };
    if next.is_null() {
        return true;
    }
    cold_path();
    drive_on(next, machine);
    false
}

/// The same from an operation on to which a handler says comes next.
#[inline(never)]
fn drive_on<F: Form>(mut ip: *const F::Op, machine: &mut Machine<'_, F>) {
    machine.floor = stack_pointer().wrapping_sub(GROWTH);
    while !ip.is_null() {
        let hand = machine.hand;
        // SAFETY: a handler says that `ip` comes next.
        unsafe {
            let handler = F::handler(machine, &*ip);
            ip = handler(ip, machine, hand.a, hand.b, hand.c, hand.d);
        }
    }
}
