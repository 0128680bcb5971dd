//! From the decoded instruction back to slots.

use super::{CallTarget, Imm64, Instruction, Operand};
use crate::insn::BpfInsn;
use crate::opcode::Source;
use crate::registers::Register;
use crate::table::{Form, INSTRUCTION_SET};

/// The one or two slots of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded {
    slots: [BpfInsn; 2],
    wide: bool,
}

impl Encoded {
    pub(crate) const fn single(insn: BpfInsn) -> Self {
        Self { slots: [insn, BpfInsn::new(0, 0, 0, 0, 0)], wide: false }
    }

    pub(crate) const fn wide(dst: u8, value: Imm64) -> Self {
        let (src, low, high) = value.fields();
        Self { slots: BpfInsn::ld_imm64_pair(dst, src, low, high), wide: true }
    }

    /// The slots.
    pub fn slots(&self) -> &[BpfInsn] {
        let [first, _] = &self.slots;
        if self.wide { &self.slots } else { core::slice::from_ref(first) }
    }
}

impl Imm64 {
    /// Source field and the two immediates that stand for the value.
    #[allow(clippy::cast_possible_truncation, reason = "split into halves")]
    pub const fn fields(self) -> (u8, i32, i32) {
        match self {
            Self::Value(value) => (0, value as i32, (value >> 32) as i32),
            Self::MapFd(fd) => (1, fd, 0),
            Self::MapFdValue(fd, offset) => (2, fd, offset.cast_signed()),
            Self::Var(id) => (3, id, 0),
            Self::Code(distance) => (4, distance, 0),
            Self::MapIdx(index) => (5, index.cast_signed(), 0),
            Self::MapIdxValue(index, offset) => (6, index.cast_signed(), offset.cast_signed()),
        }
    }
}

/// The operand fields of a slot; what an instruction does not name is ignored.
#[derive(Default)]
struct Fields {
    dst: u8,
    src: u8,
    off: i16,
    imm: i32,
}

impl Fields {
    fn dst(self, register: Register) -> Self {
        Self { dst: register.number(), ..self }
    }

    fn src(self, register: Register) -> Self {
        Self { src: register.number(), ..self }
    }

    fn operand(self, operand: Operand) -> (Self, Source) {
        match operand {
            Operand::Imm(imm) => (Self { imm, ..self }, Source::Imm),
            Operand::Reg(register) => (self.src(register), Source::Reg),
        }
    }

    fn off(self, off: i16) -> Self {
        Self { off, ..self }
    }

    fn imm(self, imm: i32) -> Self {
        Self { imm, ..self }
    }
}

impl Instruction {
    /// The slots that decode to this instruction. There are none for what the
    /// instruction set does not have, such as a sign-extending load of eight
    /// bytes. A jump takes its short form where the distance allows.
    pub fn encode(&self) -> Option<Encoded> {
        let none = Fields::default();
        let (form, fields) = match *self {
            Self::LoadImm64 { dst, value } => return Some(Encoded::wide(dst.number(), value)),
            Self::Alu { op, width, dst, src } => {
                let (fields, source) = none.dst(dst).operand(src);
                (Form::Alu(op, width, source), fields)
            }
            Self::Neg { width, dst } => (Form::Neg(width), none.dst(dst)),
            Self::MovSx { width, from, dst, src } => {
                (Form::MovSx(width, from), none.dst(dst).src(src))
            }
            Self::ByteSwap { order, size, dst } => (Form::ByteSwap(order, size), none.dst(dst)),
            Self::Load { size, signed, dst, base, off } => {
                (Form::Load(size, signed), none.dst(dst).src(base).off(off))
            }
            Self::Store { size, base, off, src } => {
                let (fields, source) = none.dst(base).off(off).operand(src);
                (Form::Store(size, source), fields)
            }
            Self::Atomic { op, fetch, width, base, off, src } => {
                (Form::Atomic(op, width, fetch), none.dst(base).off(off).src(src))
            }
            Self::LoadAcquire { size, dst, base, off } => {
                (Form::LoadAcquire(size), none.dst(dst).src(base).off(off))
            }
            Self::StoreRelease { size, base, off, src } => {
                (Form::StoreRelease(size), none.dst(base).off(off).src(src))
            }
            Self::LegacyPacket { size, index: None, off } => (Form::LegacyAbs(size), none.imm(off)),
            Self::LegacyPacket { size, index: Some(index), off } => {
                (Form::LegacyInd(size), none.src(index).imm(off))
            }
            Self::Jump { off } => match i16::try_from(off) {
                Ok(off) => (Form::Ja, none.off(off)),
                Err(_) => (Form::Gotol, none.imm(off)),
            },
            Self::JumpIf { cond, width, dst, src, off } => {
                let (fields, source) = none.dst(dst).off(off).operand(src);
                (Form::JumpIf(cond, width, source), fields)
            }
            Self::MayGoto { off } => (Form::MayGoto, none.off(off)),
            Self::Call(CallTarget::Helper(id)) => (Form::CallHelper, none.imm(id.cast_signed())),
            Self::Call(CallTarget::Local(distance)) => (Form::CallLocal, none.imm(distance)),
            Self::Call(CallTarget::Kfunc(id)) => (Form::CallKfunc, none.imm(id)),
            Self::Exit => (Form::Exit, none),
        };
        let def = INSTRUCTION_SET.iter().find(|def| def.form == form)?;
        let Fields { dst, src, off, imm } = fields;
        Some(Encoded::single(def.with_operands(dst, src, off, imm)))
    }
}
