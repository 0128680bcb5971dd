//! Calling out.
//!
//! What a call of one of the host's functions takes stands once in a program,
//! in a thunk: the site only says what it wants, in `r10`, `r11d` and the
//! session. A thunk keeps R0 to R5, which are in registers that the host's
//! functions may change.

use bpf_bytecode::Register;
use bpf_bytecode::opcode::Size;
use dynasm::dynasm;

use super::alu::Arith;
use super::buffer::{Flag, Label};
use super::encode::Source;
use super::frame::session;
use super::regs::{SCRATCH, SCRATCH_TOO, SESSION, native};
use super::{Emitter, Wants};
use crate::descriptor::{Access, Descriptor, OTHER_HELPER, helper_code};
use crate::lower::{Mode, Order};
use crate::runtime::{Shim, offset};

/// The thunks that a program uses.
#[derive(Debug, Default)]
pub(super) struct Thunks {
    labels: [Option<Label>; Shim::ALL.len()],
}

impl Emitter<'_> {
    /// The thunk for a function, to be emitted at the end.
    pub(super) fn thunk(&mut self, shim: Shim) -> Label {
        let Some(slot) = self.thunks.labels.get_mut(shim as usize) else { return self.exit };
        *slot.get_or_insert_with(|| self.code.label())
    }

    /// What code wants that has been emitted with the thunks it uses; a `quiet` program has none.
    pub(super) fn wants(&self, quiet: bool) -> Wants {
        let used = |shim: &Shim| matches!(self.thunks.labels.get(*shim as usize), Some(Some(_)));
        let answers = || Shim::ALL.into_iter().filter(used).all(Shim::is_answer);
        match self.mode {
            _ if quiet => Wants::Nothing,
            Mode::Proven if answers() => Wants::Answers,
            _ => Wants::Run,
        }
    }

    /// Emits the thunks that are used.
    pub(super) fn thunks(&mut self) {
        // Without the session where thunks want it there are none; `finish` would report a
        // label that has no place.
        if self.session != SESSION {
            return;
        }
        for shim in Shim::ALL {
            let Some(label) = self.thunks.labels.get(shim as usize).copied().flatten() else {
                continue;
            };
            self.code.bind(label);
            match shim {
                Shim::Helper
                | Shim::Lookup
                | Shim::Update
                | Shim::Platform
                | Shim::Begin
                | Shim::Kfunc => self.helper_thunk(shim),
                Shim::Stop => self.stop_thunk(),
                _ => self.plain_thunk(shim),
            }
        }
        // Only thunks lead there.
        if self.thunks.labels.iter().any(Option::is_some) {
            self.exit();
        }
    }

    /// Calls a function with `r10`, the descriptor and R0; its result is in
    /// `r10` afterwards, and every register of the program is as before.
    pub(super) fn call_out(&mut self, shim: Shim, descriptor: Descriptor) {
        let thunk = self.thunk(shim);
        self.set_descriptor(descriptor);
        self.code.call(thunk);
    }

    pub(super) fn set_descriptor(&mut self, Descriptor(descriptor): Descriptor) {
        self.set_chosen(SCRATCH, descriptor.into());
    }

    /// Calls a function of the host with R1 to R5; its result is in `rax`.
    pub(super) fn host_call(&mut self, shim: Shim, pc: usize, id: u32) {
        let thunk = self.thunk(shim);
        let code = helper_code(id).unwrap_or_else(|| {
            self.set_chosen(SCRATCH_TOO, id.into());
            self.store(Size::W, session(offset::HELPER), Source::Reg(SCRATCH_TOO));
            OTHER_HELPER
        });
        self.set_descriptor(Descriptor::new(pc, code));
        self.code.call(thunk);
    }

    /// Continues with another program, if there is one.
    pub(super) fn tail_call(&mut self, pc: usize) {
        self.leave_operand(native(Register::R3));
        dynasm!(self.code; .arch x64; mov r10, Rq(native(Register::R2)));
        self.call_out(Shim::TailCall, Descriptor::new(pc, 0));
        let on = self.code.label();
        dynasm!(self.code; .arch x64; test r10, r10);
        self.code.jump_if(Flag::Equal, on);
        // What is entered there may want the session as the host gives it.
        dynasm!(self.code; .arch x64; mov rdi, r15);
        self.jump_to_r10();
        self.code.bind(on);
    }

    /// Loads from the packet, or returns 0 from the function.
    pub(super) fn packet_load(&mut self, pc: usize, size: Size, index: Option<Register>, off: i32) {
        self.set_chosen(SCRATCH_TOO, off.cast_unsigned().into());
        if let Some(index) = index {
            let index = native(index);
            dynasm!(self.code; .arch x64; add r10d, Rd(index));
        }
        let access = Access::Load(size, Order::Relaxed);
        self.call_out(Shim::PacketLoad, Descriptor::new(pc, access.code()));
        let loaded = self.code.label();
        dynasm!(self.code; .arch x64; mov rax, r10; test r10, r10);
        self.code.jump_if(Flag::NotNegative, loaded);
        dynasm!(self.code; .arch x64; xor eax, eax; ret);
        self.code.bind(loaded);
    }

    /// The address of a byte in a map's only value.
    pub(super) fn map_value(&mut self, pc: usize, dst: Register, index: u32, off: u32) {
        self.set_chosen(SCRATCH_TOO, u64::from(index) << 32 | u64::from(off));
        self.call_out(Shim::MapValue, Descriptor::new(pc, 0));
        let dst = native(dst);
        dynasm!(self.code; .arch x64; mov Rq(dst), r10);
    }

    /// Writes what the host is to know to the session.
    fn publish(&mut self) {
        if self.mode == Mode::Checked {
            dynasm!(self.code; .arch x64; mov [BYTE r15 + offset::BUDGET], r9);
        }
        dynasm!(self.code; .arch x64; mov [BYTE r15 + offset::FRAME], rbp);
    }

    /// Reads what the host may have changed, and leaves the program if it was
    /// stopped.
    fn resume(&mut self) {
        if self.mode == Mode::Checked {
            dynasm!(self.code; .arch x64; mov r9, [BYTE r15 + offset::BUDGET]);
        }
        self.arith_memory(Arith::Cmp, Size::W, session(offset::STOPPED), Source::Imm(0));
        self.code.jump_if(Flag::NotEqual, self.exit);
    }

    fn plain_thunk(&mut self, shim: Shim) {
        self.publish();
        dynasm!(self.code; .arch x64
            ; push rax
            ; push rdi
            ; push rsi
            ; push rdx
            ; push rcx
            ; push r8
            ; mov rdi, r15
            ; mov rsi, r10
            ; mov edx, r11d
            ; mov rcx, rax
        );
        self.call_shim(shim);
        dynasm!(self.code; .arch x64
            ; mov r10, rax
            ; pop r8
            ; pop rcx
            ; pop rdx
            ; pop rsi
            ; pop rdi
            ; pop rax
        );
        self.resume();
        dynasm!(self.code; .arch x64; ret);
    }

    /// Entered by a jump, from functions without a frame, too, and left by way of
    /// the exit, which finds the stack again.
    fn stop_thunk(&mut self) {
        dynasm!(self.code; .arch x64
            ; mov rdi, r15
            ; mov edx, r11d
            ; and rsp, BYTE -16
        );
        self.call_shim(Shim::Stop);
        self.code.jump(self.exit);
    }

    /// The arguments are one register further than the host wants them.
    fn helper_thunk(&mut self, shim: Shim) {
        self.publish();
        dynasm!(self.code; .arch x64; mov [BYTE r15 + offset::DESCRIPTOR], r11d);
        if self.mode == Mode::Checked {
            dynasm!(self.code; .arch x64
                ; push rdi
                ; push rsi
                ; push rdx
                ; push rcx
                ; push r8
                ; push r8
            );
        }
        if shim != Shim::Platform {
            dynasm!(self.code; .arch x64
                ; mov r9, r8
                ; mov r8, rcx
                ; mov rcx, rdx
                ; mov rdx, rsi
                ; mov rsi, rdi
            );
        }
        dynasm!(self.code; .arch x64; mov rdi, r15);
        self.call_shim(shim);
        if self.mode == Mode::Checked {
            dynasm!(self.code; .arch x64
                ; pop r8
                ; pop r8
                ; pop rcx
                ; pop rdx
                ; pop rsi
                ; pop rdi
            );
        }
        self.resume();
        dynasm!(self.code; .arch x64; ret);
    }
}
