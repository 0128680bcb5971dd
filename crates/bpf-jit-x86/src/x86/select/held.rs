//! Comparisons whose flags are there for more than one question.

use bpf_bytecode::Register;
use bpf_bytecode::opcode::Width;

use super::super::alu::Arith;
use super::super::buffer::Flag;
use super::super::encode::Source;
use super::super::regs::native;
use super::Selector;

/// A comparison whose flags are there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    /// Bytes of code behind what leaves them as they are.
    pub(super) at: u32,
    what: Pair,
    /// A register that is 1 where a flag is set, and 0 where not.
    pub(super) outcome: Option<(Register, Flag)>,
}

impl Held {
    /// None are there, as no code is so long.
    pub(super) const NONE: Self = Self { at: u32::MAX, what: Pair::NONE, outcome: None };
}

/// A register that is compared with a number or with another one: in one word, which is written
/// and looked at as a whole. From the lowest bit the number or the other one, then a byte each:
/// the register, whether there is another one, and whether all of it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pair(u64);

impl Pair {
    const NONE: Self = Self(u64::MAX);
    const LHS: u32 = 32;
    const OTHER: u64 = 1 << 40;
    const WIDE: u64 = 1 << 48;

    #[inline(always)]
    const fn new(width: Width, lhs: u8, rhs: u64) -> Self {
        let wide = if matches!(width, Width::W64) { Self::WIDE } else { 0 };
        Self(rhs | (lhs as u64) << Self::LHS | wide)
    }

    #[inline(always)]
    const fn with_number(width: Width, lhs: u8, number: i32) -> Self {
        Self::new(width, lhs, number.cast_unsigned() as u64)
    }

    #[inline(always)]
    const fn of_two(width: Width, lhs: u8, rhs: u8) -> Self {
        Self::new(width, lhs, rhs as u64 | Self::OTHER)
    }

    /// Whether a register is one of the two.
    const fn has(self, register: u8) -> bool {
        let [other, _, _, _, lhs, ..] = self.0.to_le_bytes();
        lhs == register || (self.0 & Self::OTHER != 0 && other == register)
    }
}

impl Selector<'_, '_> {
    /// Whether the flags are those of a comparison. Where what is emitted next leaves them as they
    /// are, [`Self::keep_held`] says so.
    #[inline(always)]
    pub(super) fn is_held(&self) -> bool {
        self.held.at == self.out.code.len()
    }

    /// What was emitted last has left the flags as they were held, and has written a register.
    #[cold]
    #[inline(never)]
    pub(super) fn keep_held(&mut self, written: Register) {
        if self.held.what.has(native(written)) {
            // They are those of what it was.
            self.held.what = Pair::NONE;
        }
        self.held.at = self.out.code.len();
        if self.held.outcome.is_some_and(|(register, _)| register == written) {
            self.held.outcome = None;
        }
    }

    /// Compares, if that is not what the flags are of.
    #[inline(always)]
    pub(super) fn compare(&mut self, width: Width, lhs: u8, rhs: Source) {
        match rhs {
            Source::Imm(number) => self.compare_number(width, lhs, number),
            Source::Reg(other) => self.compare_two(width, lhs, other),
            // What is in memory may be another number later: the flags are not held.
            Source::Mem(_) => self.out.compare(width, lhs, rhs),
        }
    }

    /// The same with a number.
    #[inline(always)]
    pub(super) fn compare_number(&mut self, width: Width, lhs: u8, number: i32) {
        let what = Pair::with_number(width, lhs, number);
        if !self.holds(what) {
            self.out.compare_number(width, lhs, number);
            self.hold(what);
        }
    }

    /// The same of two registers.
    #[inline(always)]
    pub(super) fn compare_two(&mut self, width: Width, lhs: u8, rhs: u8) {
        let what = Pair::of_two(width, lhs, rhs);
        if !self.holds(what) {
            self.out.arith_registers(Arith::Cmp, width, lhs, rhs);
            self.hold(what);
        }
    }

    #[inline(always)]
    fn holds(&self, what: Pair) -> bool {
        self.is_held() && self.held.what == what
    }

    #[inline(always)]
    fn hold(&mut self, what: Pair) {
        self.held = Held { at: self.out.code.len(), what, outcome: None };
    }

    pub(super) fn move_if(&mut self, width: Width, flag: Flag, dst: Register, from: u8) {
        let held = self.is_held();
        self.out.move_if(width, flag, native(dst), from);
        if held {
            self.keep_held(dst);
        }
    }

    pub(super) fn set_if(&mut self, flag: Flag, dst: Register) {
        let held = self.is_held();
        self.out.set_if(flag, native(dst));
        if held {
            self.keep_held(dst);
            self.held.outcome = Some((dst, flag));
        }
    }

    #[inline(never)]
    pub(super) fn put_number(&mut self, register: Register, value: u64) {
        if value != 0 && self.is_held() {
            self.out.set(native(register), value);
            return self.keep_held(register);
        }
        self.out.set(native(register), value);
    }
}
