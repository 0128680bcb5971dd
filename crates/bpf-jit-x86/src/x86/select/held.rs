//! Comparisons whose flags are there for more than one question.

use bpf_bytecode::Register;
use bpf_bytecode::opcode::Width;

use super::super::buffer::Flag;
use super::super::encode::Source;
use super::super::regs::native;
use super::Selector;

/// A comparison whose flags are there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    /// Bytes of code behind what leaves them as they are.
    pub(super) at: u32,
    width: Width,
    lhs: u8,
    rhs: Source,
    /// A register that is 1 where a flag is set, and 0 where not.
    pub(super) outcome: Option<(Register, Flag)>,
}

impl Held {
    /// None are there, as no code is so long.
    pub(super) const NONE: Self =
        Self { at: u32::MAX, width: Width::W32, lhs: u8::MAX, rhs: Source::Imm(0), outcome: None };
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
        let changed = native(written);
        if self.held.lhs == changed || self.held.rhs == Source::Reg(changed) {
            // They are those of what it was.
            self.held.lhs = Held::NONE.lhs;
        }
        self.held.at = self.out.code.len();
        if self.held.outcome.is_some_and(|(register, _)| register == written) {
            self.held.outcome = None;
        }
    }

    /// Compares, if that is not what the flags are of.
    #[inline(always)]
    pub(super) fn compare(&mut self, width: Width, lhs: u8, rhs: Source) {
        let Held { at, width: held, lhs: other, rhs: with, .. } = self.held;
        let here = self.out.code.len();
        if at == here && (held, other, with) == (width, lhs, rhs) {
            return;
        }
        self.out.compare(width, lhs, rhs);
        self.held = Held { at: self.out.code.len(), width, lhs, rhs, outcome: None };
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
