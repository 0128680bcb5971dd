//! Atomic operations that need no check. All are sequentially consistent: the
//! CPU has no weaker ones.

use bpf_bytecode::Register;
use bpf_bytecode::opcode::{AtomicOp, Width};
use dynasm::dynasm;

use super::Emitter;
use super::buffer::Flag;
use super::mem::{Place, with_place};
use super::regs::{RAX, native};
use crate::lower::Address;

/// `lock op [place], src`
macro_rules! locked {
    ($code:expr, $op:ident, $width:expr, $place:expr, $src:expr) => {{
        let src = $src;
        match $width {
            Width::W64 => with_place!($code, $place, [lock $op] QWORD [, Rq(src)]),
            Width::W32 => with_place!($code, $place, [lock $op] DWORD [, Rd(src)]),
        }
    }};
}

/// `op r11, src`
macro_rules! combine {
    ($code:expr, $op:ident, $width:expr, $src:expr) => {{
        let src = $src;
        match $width {
            Width::W64 => dynasm!($code; .arch x64; $op r11, Rq(src)),
            Width::W32 => dynasm!($code; .arch x64; $op r11d, Rd(src)),
        }
    }};
}

impl Emitter {
    pub(super) fn atomic(
        &mut self,
        op: AtomicOp,
        fetch: bool,
        width: Width,
        at: Address,
        src: Register,
    ) {
        let (code, place, src) = (&mut self.code, Place::of(at), native(src));
        match (op, fetch) {
            (AtomicOp::Add, false) => locked!(code, add, width, place, src),
            (AtomicOp::Or, false) => locked!(code, or, width, place, src),
            (AtomicOp::And, false) => locked!(code, and, width, place, src),
            (AtomicOp::Xor, false) => locked!(code, xor, width, place, src),
            (AtomicOp::Add, true) => locked!(code, xadd, width, place, src),
            (AtomicOp::Or | AtomicOp::And | AtomicOp::Xor, true) => {
                self.fetch(op, width, place, src);
            }
            (AtomicOp::Xchg, _) => match width {
                Width::W64 => with_place!(code, place, [xchg] QWORD [, Rq(src)]),
                Width::W32 => with_place!(code, place, [xchg] DWORD [, Rd(src)]),
            },
            (AtomicOp::Cmpxchg, _) => {
                locked!(code, cmpxchg, width, place, src);
                if width == Width::W32 {
                    // Where the exchange succeeds the CPU leaves `rax` alone.
                    dynasm!(code; .arch x64; mov eax, eax);
                }
            }
        }
    }

    /// An operation that the CPU does not have: load, combine, and store if
    /// nobody was faster. `r9` holds the address, as the base may be `rax`,
    /// which holds the old value; `r10` what was in `rax`.
    fn fetch(&mut self, op: AtomicOp, width: Width, place: Place, src: u8) {
        let again = self.code.label();
        with_place!(self.code, place, [lea r9,] []);
        dynasm!(self.code; .arch x64; mov r10, rax);
        let operand = if src == RAX { 10 } else { src };
        match width {
            Width::W64 => dynasm!(self.code; .arch x64; mov rax, [r9]),
            Width::W32 => dynasm!(self.code; .arch x64; mov eax, [r9]),
        }
        self.code.bind(again);
        dynasm!(self.code; .arch x64; mov r11, rax);
        match op {
            AtomicOp::Or => combine!(self.code, or, width, operand),
            AtomicOp::And => combine!(self.code, and, width, operand),
            _ => combine!(self.code, xor, width, operand),
        }
        match width {
            Width::W64 => dynasm!(self.code; .arch x64; lock cmpxchg [r9], r11),
            Width::W32 => dynasm!(self.code; .arch x64; lock cmpxchg [r9], r11d),
        }
        self.code.jump_if(Flag::NotEqual, again);
        if src != RAX {
            dynasm!(self.code; .arch x64; mov Rq(src), rax; mov rax, r10);
        }
    }
}
