//! Helpers that call functions of the program.
//!
//! The host says which function is next; the code calls it, as any function,
//! and tells what it returned. Nothing of the host waits meanwhile. Where all is known
//! that the host would look at, code goes round by itself.

use bpf_bytecode::Register;
use bpf_bytecode::abi::errno::E2BIG;
use bpf_bytecode::opcode::Width;
use bpf_verifier::callback::MAX_LOOPS;
use dynasm::dynasm;

use super::Emitter;
use super::buffer::{Flag, Label};
use super::encode::Source;
use super::regs::{RAX, native};
use crate::descriptor::Descriptor;
use crate::lower::Registers;
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
            ; push r12
            ; push rbp
            ; mov rbp, [BYTE r15 + offset::FRAME]
            ; mov rdi, [r15 + offset::argument(0)]
            ; mov rsi, [r15 + offset::argument(1)]
            ; mov rdx, [r15 + offset::argument(2)]
            ; mov rcx, [r15 + offset::argument(3)]
            ; mov r8, [r15 + offset::argument(4)]
            ; xor eax, eax
        );
        self.call_r10();
        dynasm!(self.code; .arch x64
            ; pop rbp
            ; pop r12
            ; pop r14
            ; pop r13
            ; pop rbx
        );
        self.leave_base();
        dynasm!(self.code; .arch x64; mov r10, rax);
        self.call_out(Shim::Next, Descriptor::new(pc, 0));
        self.code.jump(again);
        self.code.bind(done);
        dynasm!(self.code; .arch x64; mov rax, [r15 + offset::RESULT]);
    }

    /// `bpf_loop` of R1 rounds over a function of the program, which has R3 as its
    /// context; there may be none or too many, unless they are `some`. As
    /// [`call_function`](Self::call_function) else. On the stack are, from the top, the
    /// number of the round, that of all, and the context.
    pub(super) fn rounds(&mut self, target: Label, some: bool, saved: Registers, framed: bool) {
        let (again, left, end) = (self.code.label(), self.code.label(), self.code.label());
        if !some {
            let number = native(Register::R1);
            self.set(RAX, E2BIG.wrapping_neg().cast_unsigned());
            self.compare(Width::W32, number, Source::Imm(MAX_LOOPS.cast_signed()));
            self.code.jump_if(Flag::Above, end);
            self.set(RAX, 0);
            self.test(Width::W32, number, Source::Reg(number));
            self.code.jump_if(Flag::Equal, end);
        }
        let mut saved = saved;
        if framed {
            saved = saved.with(Registers::of(Register::R10));
            if !saved.len().is_multiple_of(2) {
                saved = saved.with(Registers::of(Register::R1));
            }
        }
        self.save(saved);
        dynasm!(self.code; .arch x64
            ; push rdx
            ; push rdi
            ; push BYTE 0
            ; xor edi, edi
        );
        if framed {
            dynasm!(self.code; .arch x64; add rbp, [BYTE r15 + offset::STRIDE]);
        }
        self.code.bind(again);
        dynasm!(self.code; .arch x64; mov rsi, [rsp + 16]);
        if framed {
            self.zero_frame();
        }
        self.code.call(target);
        dynasm!(self.code; .arch x64
            ; mov edi, [rsp]
            ; add edi, BYTE 1
            ; mov [rsp], edi
            ; test rax, rax
        );
        self.code.jump_if(Flag::NotEqual, left);
        dynasm!(self.code; .arch x64; cmp edi, [rsp + 8]);
        self.code.jump_if(Flag::Below, again);
        self.code.bind(left);
        dynasm!(self.code; .arch x64
            ; mov eax, [rsp]
            ; add rsp, BYTE 24
        );
        self.restore(saved);
        self.code.bind(end);
    }

    /// Leaves the address of the code's first byte to the host, which finds the
    /// program by it.
    fn leave_base(&mut self) {
        let start = self.start;
        self.code.address_to_r11(start);
        dynasm!(self.code; .arch x64
            ; mov [BYTE r15 + offset::OPERAND], r11
        );
    }
}
