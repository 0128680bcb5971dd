//! Jumps, calls of functions, and the instruction budget.

use bpf_bytecode::Register;
use bpf_bytecode::instruction::Operand;
use bpf_bytecode::opcode::{Cond, Width};
use dynasm::dynasm;

use super::Emitter;
use super::buffer::{Flag, Label, Part};
use super::regs::native;
use crate::descriptor::{Descriptor, Stop};

use crate::lower::Registers;
use crate::runtime::{Shim, offset};

/// What holds after a comparison, or after a test of bits in common.
pub(super) const fn flag(cond: Cond) -> Flag {
    match cond {
        Cond::Eq => Flag::Equal,
        Cond::Ne | Cond::Set => Flag::NotEqual,
        Cond::Gt => Flag::Above,
        Cond::Ge => Flag::AboveOrEqual,
        Cond::Lt => Flag::Below,
        Cond::Le => Flag::BelowOrEqual,
        Cond::Sgt => Flag::Greater,
        Cond::Sge => Flag::GreaterOrEqual,
        Cond::Slt => Flag::Less,
        Cond::Sle => Flag::LessOrEqual,
    }
}

impl Emitter<'_> {
    pub(super) fn branch(
        &mut self,
        cond: Cond,
        width: Width,
        lhs: Register,
        rhs: Operand,
        target: Label,
    ) {
        let (lhs, rhs) = (native(lhs), self.chosen(rhs));
        if cond == Cond::Set {
            self.test(width, lhs, rhs);
        } else {
            self.compare(width, lhs, rhs);
        }
        self.code.jump_if(flag(cond), target);
    }

    /// Calls a function from checked code, which asks the run for a frame.
    pub(super) fn call(&mut self, pc: usize, target: Label) {
        self.call_out(Shim::Enter, Descriptor::new(pc, 0));
        self.save(Registers::KEPT.with(Registers::of(Register::R10)));
        dynasm!(self.code; .arch x64; mov rbp, r10);
        self.code.call(target);
        self.restore(Registers::KEPT.with(Registers::of(Register::R10)));
        self.call_out(Shim::Leave, Descriptor::new(pc, 0));
    }

    /// Calls a function from proven code, which takes a frame by moving R10; the
    /// run hears of it when the host is called. `saved` are registers that the
    /// function writes and the caller reads afterwards.
    pub(super) fn call_function(&mut self, target: Label, saved: Registers, framed: bool) {
        if !framed {
            self.save(saved);
            self.code.call(target);
            return self.restore(saved);
        }
        // The host wants the stack aligned: with the return address an even
        // number of words. R1 is lost anyway.
        let mut saved = saved.with(Registers::of(Register::R10));
        if saved.len().is_multiple_of(2) {
            saved = saved.with(Registers::of(Register::R1));
        }
        self.save(saved);
        dynasm!(self.code; .arch x64; add rbp, [BYTE r15 + offset::STRIDE]);
        self.zero_frame();
        self.code.call(target);
        self.restore(saved);
    }

    /// Pushes registers.
    pub(super) fn save(&mut self, registers: Registers) {
        for register in registers.iter() {
            self.code.short(false, 0x50, Width::W32, native(register), Part::EMPTY);
        }
    }

    /// Pops them again.
    pub(super) fn restore(&mut self, registers: Registers) {
        let mut left = registers;
        while let Some(register) = left.iter().last() {
            self.code.short(false, 0x58, Width::W32, native(register), Part::EMPTY);
            left = left.without(Registers::of(register));
        }
    }

    /// Zeroes the frame that ends at R10, where the program may read what it has
    /// not written. R0 has no value at the entry of a function.
    pub(super) fn zero_frame(&mut self) {
        let Ok(bytes) = i32::try_from(self.zeroed) else { return };
        if bytes == 0 {
            return;
        }
        // Frames are a multiple of eight bytes.
        dynasm!(self.code; .arch x64
            ; mov r10, rdi
            ; mov r11, rcx
            ; lea rdi, [rbp - bytes]
            ; mov ecx, bytes / 8
            ; xor eax, eax
            ; rep stosq
            ; mov rdi, r10
            ; mov rcx, r11
        );
    }

    /// Returns to the calling function, or from the first one to the entry; or to whoever
    /// has entered a program that calls nothing.
    pub(super) fn ret(&mut self) {
        self.restore(self.saved);
        dynasm!(self.code; .arch x64; ret);
    }

    /// Whether [`ret`](Self::ret) has no more bytes than the shortest jump.
    pub(super) fn returns_shortly(&self) -> bool {
        self.saved.len() <= 1 && self.saved.iter().all(|register| native(register) < 8)
    }

    /// Jumps where the allowance of such jumps is used up.
    pub(super) fn may_goto(&mut self, pc: usize, target: Label) {
        self.call_out(Shim::MayGoto, Descriptor::new(pc, 0));
        dynasm!(self.code; .arch x64; test r10, r10);
        self.code.jump_if(Flag::Equal, target);
    }

    /// Counts an instruction.
    pub(super) fn count(&mut self, pc: usize) {
        let stop = self.code.label();
        dynasm!(self.code; .arch x64; sub r9, BYTE 1);
        self.code.jump_if(Flag::Below, stop);
        if self.budget_stops.try_reserve(1).is_ok() {
            self.budget_stops.push((stop, pc));
        }
        // Without room for it the label has no place, which `finish` reports.
    }

    /// What happens where the budget is used up.
    pub(super) fn budget_stops(&mut self) {
        for (label, pc) in core::mem::take(&mut self.budget_stops) {
            self.code.bind(label);
            self.stop(pc, Stop::Budget);
        }
    }

    /// Stops the program.
    pub(super) fn stop(&mut self, pc: usize, stop: Stop) {
        let thunk = self.thunk(Shim::Stop);
        self.set_descriptor(Descriptor::new(pc, stop.code()));
        self.code.jump(thunk);
    }
}
