//! The forms of code, and where a program's registers are.
#![allow(unsafe_code)]

use bpf_bytecode::BpfInsn;
use bpf_bytecode::opcode::Width;

use super::dispatch::Handler;
use super::machine::Machine;
use crate::interpreter::registers::Registers;
use crate::run::ProgramInfo;

/// How many registers a hand has.
pub(in crate::interpreter) const HAND: usize = 4;

/// The place of a register that is not in the hand; the hand's places are the
/// numbers below it.
pub(in crate::interpreter) const MEMORY: u8 = 4;

/// A form of code that handlers can run.
pub(in crate::interpreter) trait Form: Sized + 'static {
    /// One operation.
    type Op: 'static;
    /// What a place of the hand holds.
    type Held: Held;
    /// A program in this form.
    type Code<'r>: Code<'r, Form = Self>;

    /// Whether there are marks in code that only goes forward.
    const MARKED: bool;
    /// Operations that the load of a constant takes.
    const CONSTANT: usize;

    /// The handler of `op`.
    fn handler(machine: &Machine<'_, Self>, op: &Self::Op) -> Handler<Self>;
    /// Number of the first operand's register.
    fn dst(op: &Self::Op) -> u8;
    /// Number of the second operand's register.
    fn src(op: &Self::Op) -> u8;
    /// The immediate.
    fn imm(op: &Self::Op) -> i32;
    /// What is added to the address of an access.
    fn displacement(op: &Self::Op) -> i32;
    /// Bytes from `op` to the operation that it jumps to.
    fn distance(op: &Self::Op) -> isize;
    /// Bytes from `op` to the first operation of the function that it calls.
    fn callee(op: &Self::Op) -> isize;
    /// Whether the access at `op` is to plain memory, and proven.
    fn is_plain(machine: &Machine<'_, Self>, op: &Self::Op) -> bool;
    /// The constant that the operation at `ip` loads, if it loads one. It takes
    /// [`CONSTANT`](Self::CONSTANT) operations.
    ///
    /// # Safety
    /// The load of a 64-bit immediate is at `ip`.
    unsafe fn constant(ip: *const Self::Op) -> Option<u64>;
    /// The slot of `op`, where it is one for the checked step.
    fn slot(machine: &Machine<'_, Self>, op: &Self::Op) -> usize;
}

/// A program in a form.
pub(in crate::interpreter) trait Code<'r>: Copy {
    /// The form.
    type Form: Form;
    /// The bytecode.
    fn insns(self) -> &'r [BpfInsn];
    /// What a run must know.
    fn info(self) -> ProgramInfo<'r>;
    /// The operation that begins at `slot`.
    fn at(self, slot: usize) -> Option<*const <Self::Form as Form>::Op>;
    /// Numbers of the registers in the hand: R2 is at most at the last place, and R1 not
    /// there.
    fn hand(self) -> [u8; HAND];
}

/// What a place of the hand holds: a number, or nothing in a form without a
/// hand.
pub(in crate::interpreter) trait Held: Copy + Default {
    /// The number.
    fn get(self) -> u64;
    /// This number.
    fn of(value: u64) -> Self;
}

impl Held for u64 {
    #[inline(always)]
    fn get(self) -> u64 {
        self
    }

    #[inline(always)]
    fn of(value: u64) -> Self {
        value
    }
}

impl Held for () {
    #[inline(always)]
    fn get(self) -> u64 {
        0
    }

    #[inline(always)]
    fn of(_: u64) -> Self {}
}

/// The registers that handlers pass on.
#[derive(Clone, Copy, Default)]
pub(in crate::interpreter) struct Hand<H> {
    pub a: H,
    pub b: H,
    pub c: H,
    pub d: H,
}

impl<H: Held> Hand<H> {
    /// The register at `PLACE`; in memory it is the one of this number.
    #[inline(always)]
    pub fn get<const PLACE: u8>(&self, regs: &Registers, number: u8) -> u64 {
        match PLACE {
            0 => self.a.get(),
            1 => self.b.get(),
            2 => self.c.get(),
            3 => self.d.get(),
            _ => regs.get(number),
        }
    }

    /// Sets it.
    #[inline(always)]
    pub fn set<const PLACE: u8>(&mut self, regs: &mut Registers, number: u8, value: u64) {
        match PLACE {
            0 => self.a = H::of(value),
            1 => self.b = H::of(value),
            2 => self.c = H::of(value),
            3 => self.d = H::of(value),
            _ => regs.set(number, value),
        }
    }

    /// The hand at the entry of a program, with these values in R1 and R2: whatever the
    /// others hold, a verified program does not read it.
    #[inline(always)]
    pub fn begin(r1: u64, r2: u64) -> Self {
        let first = H::of(r1);
        Self { a: first, b: first, c: first, d: H::of(r2) }
    }

    /// Takes the registers of these numbers up.
    pub fn take_up(regs: &Registers, numbers: [u8; HAND]) -> Self {
        let [a, b, c, d] = numbers.map(|number| H::of(regs.get(number)));
        Self { a, b, c, d }
    }

    /// Lays them down again.
    pub fn lay_down(self, regs: &mut Registers, numbers: [u8; HAND]) {
        if size_of::<H>() > 0 {
            for (number, held) in numbers.into_iter().zip([self.a, self.b, self.c, self.d]) {
                regs.set(number, held.get());
            }
        }
    }
}

/// The width that a handler's parameter says.
pub(super) const fn width(wide: bool) -> Width {
    if wide { Width::W64 } else { Width::W32 }
}
