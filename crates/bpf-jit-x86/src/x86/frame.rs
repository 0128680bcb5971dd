//! The way into a program and out of it.

use bpf_bytecode::Register;
use bpf_bytecode::abi::context::FieldKind;
use bpf_bytecode::opcode::{Size, Width};
use dynasm::dynasm;

use super::Emitter;
use super::buffer::Label;
use super::encode::{Mem, Source};
use super::regs::{RSP, SCRATCH, SESSION, SESSION_TOO, native};
use crate::lower::{Mode, Registers};
use crate::runtime::offset;

impl Emitter<'_> {
    /// The entry from the host: a function that takes the session and gives R0. The
    /// host has `changed`, of the registers that calls keep, as they were. Gives the
    /// place that a tail call enters. A `quiet` program calls no function of the host, and
    /// is not stopped.
    pub(super) fn entry(&mut self, changed: Registers, quiet: bool) -> Label {
        let body = self.code.label();
        let changed = changed.and(Registers::KEPT.with(Registers::of(Register::R10)));
        // The body finds the stack aligned as a function of the host does.
        let aligned = quiet || changed.len().is_multiple_of(2);
        self.save(changed);
        dynasm!(self.code; .arch x64; push r15);
        if !aligned {
            dynasm!(self.code; .arch x64; push rax);
        }
        dynasm!(self.code; .arch x64; mov r15, rdi);
        if !quiet {
            self.store(Size::Dw, session(offset::STACK_POINTER), Source::Reg(RSP));
        }
        self.code.call(body);
        if !aligned {
            dynasm!(self.code; .arch x64; pop r15);
        }
        dynasm!(self.code; .arch x64; pop r15);
        self.restore(changed);
        dynasm!(self.code; .arch x64; ret);
        self.code.bind(body);
        body
    }

    /// The same of a program that calls nothing: whoever enters it finds every register
    /// as it was that calls keep, and the session stays in one that they do not: that in which
    /// it comes if it is asked for `soon`, as long as R1 has no value.
    pub(super) fn closed_entry(&mut self, changed: Registers, soon: bool) -> Label {
        self.saved = changed.and(Registers::KEPT.with(Registers::of(Register::R10)));
        self.save(self.saved);
        self.session = native(Register::R1);
        if !soon {
            self.copy(Width::W64, SESSION_TOO, self.session);
            self.session = SESSION_TOO;
        }
        self.start
    }

    /// The way out of a program that is stopped, however deep in it that is: as if the
    /// first function returned, to the entry of the program that the host has called.
    /// The address at which that goes on is where it was left. It never lies below the
    /// stack pointer: an interrupt in a kernel's code writes there.
    pub(super) fn exit(&mut self) {
        self.code.bind(self.exit);
        self.load(Size::Dw, false, SCRATCH, session(offset::STACK_POINTER));
        dynasm!(self.code; .arch x64
            ; lea rsp, [BYTE r11 - 8]
            ; ret
        );
    }

    /// The registers at a program's entry, those that are read. A verified program
    /// reads none that it was not given; of another it is known that they are 0.
    pub(super) fn body(&mut self, read: Registers) {
        for (register, field) in [(Register::R1, offset::R1), (Register::R10, offset::R10)] {
            if read.has(register) {
                self.load_field(native(register), field);
            }
        }
        if self.mode == Mode::Checked {
            dynasm!(self.code; .arch x64
                ; mov rsi, [BYTE r15 + offset::R2]
                ; mov r9, [BYTE r15 + offset::BUDGET]
                ; xor eax, eax
                ; xor edx, edx
                ; xor ecx, ecx
                ; xor r8d, r8d
                ; xor ebx, ebx
                ; xor r13d, r13d
                ; xor r14d, r14d
                ; xor r12d, r12d
            );
        }
    }

    /// One of the packet's addresses as it is now.
    pub(super) fn packet_address(&mut self, dst: Register, kind: FieldKind) {
        self.load_field(native(dst), offset::packet(kind));
    }

    fn load_field(&mut self, dst: u8, field: i8) {
        self.load(Size::Dw, false, dst, Mem::new(self.session, field.into()));
    }
}

/// A field of the session, in a program that calls something.
pub(super) fn session(field: i8) -> Mem {
    Mem::new(SESSION, field.into())
}
