//! Jumps and calls to what is known at run time only. There are no others than
//! these.

use bpf_bytecode::opcode::Width;
use dynasm::dynasm;

use super::Emitter;
use super::buffer::Label;
use super::encode::{Imm, Mem, Opcode, Rm};
use super::regs::RAX;
use crate::runtime::{Shim, offset};

/// How code comes to an address in a register.
#[derive(Clone, Copy, Debug)]
pub(super) enum Indirect {
    /// The CPU's instruction does it, and guesses meanwhile.
    Plain,
    /// What stands at a label does it, which goes to the address in `r10`.
    Retpoline(Label),
}

impl Emitter<'_> {
    /// Goes on at the address in `r10`.
    pub(super) fn jump_to_r10(&mut self) {
        match self.indirect {
            Indirect::Plain => dynasm!(self.code; .arch x64; jmp r10),
            Indirect::Retpoline(thunk) => self.code.jump(thunk),
        }
    }

    /// Calls what is at the address in `r10`.
    pub(super) fn call_r10(&mut self) {
        match self.indirect {
            Indirect::Plain => dynasm!(self.code; .arch x64; call r10),
            Indirect::Retpoline(thunk) => self.code.call(thunk),
        }
    }

    /// Calls a function of the host; `rax` and `r10` are lost.
    pub(super) fn call_shim(&mut self, shim: Shim) {
        dynasm!(self.code; .arch x64; mov rax, [BYTE r15 + offset::SHIMS]);
        match self.indirect {
            Indirect::Plain => {
                let at = Rm::Mem(Mem::new(RAX, offset::shim(shim).into()));
                self.code.insn(Opcode::one(0xff), Width::W32, 2, at, Imm::None);
            }
            Indirect::Retpoline(thunk) => {
                dynasm!(self.code; .arch x64; mov r10, [BYTE rax + offset::shim(shim)]);
                self.code.call(thunk);
            }
        }
    }

    /// Emits what goes to the address in `r10`: a return to it. Whoever guesses where
    /// that leads takes the place behind the call, and stays there.
    pub(super) fn retpoline(&mut self) {
        let Indirect::Retpoline(thunk) = self.indirect else { return };
        let (go, stay) = (self.code.label(), self.code.label());
        self.code.bind(thunk);
        self.code.call(go);
        self.code.bind(stay);
        dynasm!(self.code; .arch x64; pause; lfence);
        self.code.jump(stay);
        self.code.bind(go);
        dynasm!(self.code; .arch x64; mov [rsp], r10; ret);
    }
}
