//! The way into a program and out of it.

use bpf_bytecode::Register;
use bpf_bytecode::abi::context::FieldKind;
use dynasm::dynasm;

use super::Emitter;
use super::regs::native;
use crate::lower::Mode;
use crate::runtime::offset;

impl Emitter<'_> {
    /// The entry from the host: a function that takes the session and gives R0.
    pub(super) fn entry(&mut self) {
        let body = self.code.label();
        dynasm!(self.code; .arch x64
            ; push rbp
            ; push rbx
            ; push r12
            ; push r13
            ; push r14
            ; push r15
            ; mov r12, rdi
            ; mov [BYTE r12 + offset::STACK_POINTER], rsp
            ; sub rsp, BYTE 8
        );
        self.code.call(body);
        self.code.bind(self.exit);
        dynasm!(self.code; .arch x64
            ; mov rsp, [BYTE r12 + offset::STACK_POINTER]
            ; pop r15
            ; pop r14
            ; pop r13
            ; pop r12
            ; pop rbx
            ; pop rbp
            ; ret
        );
        self.code.bind(body);
    }

    /// The registers at a program's entry. A verified program reads none that
    /// it was not given; of another it is known that they are 0.
    pub(super) fn body(&mut self) {
        dynasm!(self.code; .arch x64
            ; mov rdi, [BYTE r12 + offset::R1]
            ; mov rbp, [BYTE r12 + offset::R10]
        );
        if self.mode == Mode::Checked {
            dynasm!(self.code; .arch x64
                ; mov rsi, [BYTE r12 + offset::R2]
                ; mov r9, [BYTE r12 + offset::BUDGET]
                ; xor eax, eax
                ; xor edx, edx
                ; xor ecx, ecx
                ; xor r8d, r8d
                ; xor ebx, ebx
                ; xor r13d, r13d
                ; xor r14d, r14d
                ; xor r15d, r15d
            );
        }
    }

    /// One of the packet's addresses as it is now.
    pub(super) fn packet_address(&mut self, dst: Register, kind: FieldKind) {
        let (dst, field) = (native(dst), offset::packet(kind));
        dynasm!(self.code; .arch x64; mov Rq(dst), [BYTE r12 + field]);
    }
}
