//! Helpers that call functions of the program.
//!
//! The host says which function is next; the code calls it, as any function,
//! and tells what it returned. Nothing of the host waits meanwhile.

use dynasm::dynasm;

use super::Emitter;
use super::buffer::Flag;
use crate::descriptor::Descriptor;
use crate::runtime::{Shim, offset};

impl Emitter<'_> {
    pub(super) fn call_back(&mut self, pc: usize, id: u32) {
        let (again, done) = (self.code.label(), self.code.label());
        self.leave_base();
        self.host_call(Shim::Begin, pc, id);
        dynasm!(self.code; .arch x64; mov r10, rax);
        self.code.bind(again);
        dynasm!(self.code; .arch x64; test r10, r10);
        self.code.jump_if(Flag::Equal, done);
        dynasm!(self.code; .arch x64
            ; push rbx
            ; push r13
            ; push r14
            ; push r15
            ; push rbp
            ; mov rbp, [BYTE r12 + offset::FRAME]
            ; mov rdi, [r12 + offset::argument(0)]
            ; mov rsi, [r12 + offset::argument(1)]
            ; mov rdx, [r12 + offset::argument(2)]
            ; mov rcx, [r12 + offset::argument(3)]
            ; mov r8, [r12 + offset::argument(4)]
            ; xor eax, eax
        );
        self.call_r10();
        dynasm!(self.code; .arch x64
            ; pop rbp
            ; pop r15
            ; pop r14
            ; pop r13
            ; pop rbx
        );
        self.leave_base();
        dynasm!(self.code; .arch x64; mov r10, rax);
        self.call_out(Shim::Next, Descriptor::new(pc, 0));
        self.code.jump(again);
        self.code.bind(done);
        dynasm!(self.code; .arch x64; mov rax, [r12 + offset::RESULT]);
    }

    /// Leaves the address of the code's first byte to the host, which finds the
    /// program by it.
    fn leave_base(&mut self) {
        let start = self.start;
        self.code.address_to_r11(start);
        dynasm!(self.code; .arch x64
            ; mov [BYTE r12 + offset::OPERAND], r11
        );
    }
}
