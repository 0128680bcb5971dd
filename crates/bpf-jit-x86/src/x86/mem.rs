//! Accesses to memory that need no check.

use bpf_bytecode::Register;
use bpf_bytecode::instruction::Operand;
use bpf_bytecode::opcode::Size;
use dynasm::dynasm;

use super::Emitter;
use super::regs::{native, needs_displacement};
use crate::lower::Address;

/// A place in memory as the CPU addresses it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// `[base]`
    Bare(u8),
    /// `[base + disp8]`
    Near(u8, i8),
    /// `[base + disp32]`
    Far(u8, i32),
}

impl Place {
    pub(super) fn of(at: Address) -> Self {
        Self::new(native(at.base), i32::from(at.off))
    }

    pub(super) fn new(base: u8, off: i32) -> Self {
        match i8::try_from(off) {
            Ok(0) if !needs_displacement(base) => Self::Bare(base),
            Ok(near) => Self::Near(base, near),
            Err(_) => Self::Far(base, off),
        }
    }
}

/// One instruction with a memory operand, `{size [place]}`, in the shortest
/// form that addresses it.
macro_rules! with_place {
    ($code:expr, $place:expr, [$($before:tt)*] $($size:ident)? [$($after:tt)*]) => {
        match $place {
            $crate::x86::mem::Place::Bare(base) => {
                dynasm!($code; .arch x64; $($before)* $($size)? [Rq(base)] $($after)*);
            }
            $crate::x86::mem::Place::Near(base, off) => {
                dynasm!($code; .arch x64; $($before)* $($size)? [BYTE Rq(base) + off] $($after)*);
            }
            $crate::x86::mem::Place::Far(base, off) => {
                dynasm!($code; .arch x64; $($before)* $($size)? [DWORD Rq(base) + off] $($after)*);
            }
        }
    };
}
pub(super) use with_place;

impl Emitter {
    pub(super) fn load(&mut self, size: Size, signed: bool, dst: Register, at: Address) {
        let (code, dst, place) = (&mut self.code, native(dst), Place::of(at));
        match (size, signed) {
            (Size::B, false) => with_place!(code, place, [movzx Rd(dst),] BYTE []),
            (Size::H, false) => with_place!(code, place, [movzx Rd(dst),] WORD []),
            (Size::W, false) => with_place!(code, place, [mov Rd(dst),] DWORD []),
            (Size::Dw, _) => with_place!(code, place, [mov Rq(dst),] QWORD []),
            (Size::B, true) => with_place!(code, place, [movsx Rq(dst),] BYTE []),
            (Size::H, true) => with_place!(code, place, [movsx Rq(dst),] WORD []),
            (Size::W, true) => with_place!(code, place, [movsxd Rq(dst),] DWORD []),
        }
    }

    pub(super) fn store(&mut self, size: Size, at: Address, src: Operand) {
        let (code, place) = (&mut self.code, Place::of(at));
        match src {
            Operand::Reg(src) => {
                let src = native(src);
                match size {
                    Size::B => with_place!(code, place, [mov] BYTE [, Rb(src)]),
                    Size::H => with_place!(code, place, [mov] WORD [, Rw(src)]),
                    Size::W => with_place!(code, place, [mov] DWORD [, Rd(src)]),
                    Size::Dw => with_place!(code, place, [mov] QWORD [, Rq(src)]),
                }
            }
            Operand::Imm(imm) => {
                let [b0, b1, ..] = imm.to_le_bytes();
                let (byte, word) = (i8::from_le_bytes([b0]), i16::from_le_bytes([b0, b1]));
                match size {
                    Size::B => with_place!(code, place, [mov] BYTE [, BYTE byte]),
                    Size::H => with_place!(code, place, [mov] WORD [, WORD word]),
                    Size::W => with_place!(code, place, [mov] DWORD [, DWORD imm]),
                    Size::Dw => with_place!(code, place, [mov] QWORD [, DWORD imm]),
                }
            }
        }
    }
}
