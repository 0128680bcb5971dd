//! The decoded instruction, on which verifier and engines work.

use crate::insn::BpfInsn;
use crate::opcode::{AluOp, AtomicOp, ByteOrder, Cond, Size, Source, Width};
use crate::registers::Register;
use crate::table::{self, Form, InsnDef};

mod encode;

pub use encode::Encoded;

/// A second operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// An immediate, to be sign-extended to the operation's width.
    Imm(i32),
    /// A register.
    Reg(Register),
}

/// What a 64-bit immediate load loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Imm64 {
    /// A number.
    Value(u64),
    /// A map by file descriptor.
    MapFd(i32),
    /// Address of a byte in the first value of a map by file descriptor.
    MapFdValue(i32, u32),
    /// Address of a platform variable.
    Var(i32),
    /// Address of a function of the program; the distance in slots is counted
    /// from the load's second slot, as a local call there would count it.
    Code(i32),
    /// A map by index into the program's definitions.
    MapIdx(u32),
    /// Address of a byte in the first value of a map by index.
    MapIdxValue(u32, u32),
}

/// What a call calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallTarget {
    /// A helper by number.
    Helper(u32),
    /// A function of the program; the distance in slots from the next
    /// instruction.
    Local(i32),
    /// A kernel function by BTF id.
    Kfunc(i32),
}

/// A decoded instruction. Jump distances are in slots, counted from the
/// instruction behind the jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Instruction {
    /// `dst = dst op src` (or `dst = src` for a move).
    Alu {
        /// Operation.
        op: AluOp,
        /// Width of operands and result.
        width: Width,
        /// Destination and first operand.
        dst: Register,
        /// Second operand.
        src: Operand,
    },
    /// `dst = -dst`.
    Neg {
        /// Width of operand and result.
        width: Width,
        /// Destination and operand.
        dst: Register,
    },
    /// `dst = (s8, s16 or s32)src`, sign-extended to `width`.
    MovSx {
        /// Width of the result.
        width: Width,
        /// Size of what is extended.
        from: Size,
        /// Destination.
        dst: Register,
        /// Source.
        src: Register,
    },
    /// `dst = ` its low `size` bytes in another order, zero-extended.
    ByteSwap {
        /// Target order.
        order: ByteOrder,
        /// How many bytes: two, four or eight.
        size: Size,
        /// Destination and operand.
        dst: Register,
    },
    /// `dst =` a 64-bit value; the only instruction of two slots.
    LoadImm64 {
        /// Destination.
        dst: Register,
        /// Value.
        value: Imm64,
    },
    /// `dst = *(size *)(base + off)`.
    Load {
        /// Bytes read.
        size: Size,
        /// Whether the value is sign-extended.
        signed: bool,
        /// Destination.
        dst: Register,
        /// Address.
        base: Register,
        /// Added to the address, in bytes.
        off: i16,
    },
    /// `*(size *)(base + off) = src`.
    Store {
        /// Bytes written.
        size: Size,
        /// Address.
        base: Register,
        /// Added to the address, in bytes.
        off: i16,
        /// Value.
        src: Operand,
    },
    /// Atomic read-modify-write of `*(base + off)`.
    Atomic {
        /// Operation.
        op: AtomicOp,
        /// Whether the old value is returned, in `src` (in R0 for cmpxchg).
        fetch: bool,
        /// Width of memory operand and value.
        width: Width,
        /// Address.
        base: Register,
        /// Added to the address, in bytes.
        off: i16,
        /// Value.
        src: Register,
    },
    /// Load with acquire order, zero-extended.
    LoadAcquire {
        /// Bytes read.
        size: Size,
        /// Destination.
        dst: Register,
        /// Address.
        base: Register,
        /// Added to the address, in bytes.
        off: i16,
    },
    /// Store with release order.
    StoreRelease {
        /// Bytes written.
        size: Size,
        /// Address.
        base: Register,
        /// Added to the address, in bytes.
        off: i16,
        /// Value.
        src: Register,
    },
    /// `r0 =` big-endian bytes of the packet at `index + off`, or exit with 0
    /// where the packet is shorter.
    LegacyPacket {
        /// Bytes read: one, two or four.
        size: Size,
        /// Register part of the position; none for the absolute form.
        index: Option<Register>,
        /// Constant part of the position, in bytes.
        off: i32,
    },
    /// Jump.
    Jump {
        /// Distance in slots.
        off: i32,
    },
    /// Jump if the condition holds.
    JumpIf {
        /// Condition.
        cond: Cond,
        /// Width of the operands.
        width: Width,
        /// First operand.
        dst: Register,
        /// Second operand.
        src: Operand,
        /// Distance in slots.
        off: i16,
    },
    /// Jump if the program's allowance of such jumps is used up.
    MayGoto {
        /// Distance in slots.
        off: i16,
    },
    /// Call; arguments in R1 to R5, result in R0.
    Call(CallTarget),
    /// Return to the caller, or end the program.
    Exit,
}

/// Why a slot is no instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum DecodeError {
    /// There is no slot at this index.
    #[error("no instruction at this index")]
    OutOfRange,
    /// The opcode byte means nothing.
    #[error("unknown opcode {0:#04x}")]
    UnknownOpcode(u8),
    /// The opcode exists, but not with these values in its other fields.
    #[error("opcode {0:#04x} with a reserved field that is not zero, or an unknown variant")]
    ReservedField(u8),
    /// A register field names none of r0 to r10.
    #[error("R{0} is invalid")]
    InvalidRegister(u8),
    /// The second slot of a 64-bit immediate load is missing or malformed.
    #[error("incomplete ld_imm64 instruction")]
    IncompleteImm64,
}

impl Instruction {
    /// Decodes the instruction whose first slot is `insns[pc]`.
    ///
    /// # Errors
    /// [`DecodeError`] when there is none.
    #[inline]
    pub fn decode(insns: &[BpfInsn], pc: usize) -> Result<Self, DecodeError> {
        let (insn, def) = Self::find(insns, pc)?;
        Self::of_row(def, insn, insns, pc)
    }

    /// Decodes as [`decode`](Self::decode) does, and names the row of the
    /// instruction set besides.
    ///
    /// # Errors
    /// [`DecodeError`] when `insns[pc]` begins no instruction.
    #[inline]
    pub fn decode_with(
        insns: &[BpfInsn],
        pc: usize,
    ) -> Result<(Self, &'static InsnDef), DecodeError> {
        let (insn, def) = Self::find(insns, pc)?;
        Ok((Self::of_row(def, insn, insns, pc)?, def))
    }

    /// The slot, and the row that it belongs to.
    #[inline]
    fn find(insns: &[BpfInsn], pc: usize) -> Result<(BpfInsn, &'static InsnDef), DecodeError> {
        let insn = *insns.get(pc).ok_or(DecodeError::OutOfRange)?;
        Ok((insn, table::find(insn)?))
    }

    /// The instruction of a row with the operands of a slot. Every form is returned where it
    /// is made: put together in one place, each would take as long as all of them.
    #[inline]
    fn of_row(
        def: &InsnDef,
        insn: BpfInsn,
        insns: &[BpfInsn],
        pc: usize,
    ) -> Result<Self, DecodeError> {
        let dst = register(insn.dst(), def.operands.has_dst())?;
        let src = register(insn.src(), def.operands.has_src())?;
        let operand = |source| match source {
            Source::Imm => Operand::Imm(insn.imm()),
            Source::Reg => Operand::Reg(src),
        };
        let (off, imm) = (insn.off(), insn.imm());
        match def.form {
            Form::Alu(op, width, source) => Ok(Self::Alu { op, width, dst, src: operand(source) }),
            Form::Neg(width) => Ok(Self::Neg { width, dst }),
            Form::MovSx(width, from) => Ok(Self::MovSx { width, from, dst, src }),
            Form::ByteSwap(order, size) => Ok(Self::ByteSwap { order, size, dst }),
            Form::LoadImm64 => {
                let high = pc.checked_add(1).and_then(|next| insns.get(next));
                let high = *high.ok_or(DecodeError::IncompleteImm64)?;
                Ok(Self::LoadImm64 { dst, value: imm64(insn, high)? })
            }
            Form::Load(size, signed) => Ok(Self::Load { size, signed, dst, base: src, off }),
            Form::Store(size, source) => {
                Ok(Self::Store { size, base: dst, off, src: operand(source) })
            }
            Form::Atomic(op, width, fetch) => {
                Ok(Self::Atomic { op, fetch, width, base: dst, off, src })
            }
            Form::LoadAcquire(size) => Ok(Self::LoadAcquire { size, dst, base: src, off }),
            Form::StoreRelease(size) => Ok(Self::StoreRelease { size, base: dst, off, src }),
            Form::LegacyAbs(size) => Ok(Self::LegacyPacket { size, index: None, off: imm }),
            Form::LegacyInd(size) => Ok(Self::LegacyPacket { size, index: Some(src), off: imm }),
            Form::Ja => Ok(Self::Jump { off: i32::from(off) }),
            Form::Gotol => Ok(Self::Jump { off: imm }),
            Form::JumpIf(cond, width, source) => {
                Ok(Self::JumpIf { cond, width, dst, src: operand(source), off })
            }
            Form::MayGoto => Ok(Self::MayGoto { off }),
            Form::CallHelper => Ok(Self::Call(CallTarget::Helper(imm.cast_unsigned()))),
            Form::CallLocal => Ok(Self::Call(CallTarget::Local(imm))),
            Form::CallKfunc => Ok(Self::Call(CallTarget::Kfunc(imm))),
            Form::Exit => Ok(Self::Exit),
        }
    }

    /// Slots that the instruction takes: two for a 64-bit immediate load, else
    /// one.
    pub const fn slots(&self) -> usize {
        if matches!(self, Self::LoadImm64 { .. }) { 2 } else { 1 }
    }

    /// Distance of the jump in slots from the next instruction, if this is one.
    pub const fn jump_offset(&self) -> Option<i32> {
        match *self {
            Self::Jump { off } => Some(off),
            Self::JumpIf { off, .. } | Self::MayGoto { off } => Some(off as i32),
            _ => None,
        }
    }
}

/// The index `off` slots behind the instruction that follows `pc`.
pub fn jump_target(pc: usize, off: i32) -> Option<usize> {
    pc.checked_add(1)?.checked_add_signed(isize::try_from(off).ok()?)
}

#[inline]
fn register(number: u8, used: bool) -> Result<Register, DecodeError> {
    // A field that is no operand was compared with the row by `table::find`.
    let number = if used { number } else { 0 };
    Register::new(number).ok_or(DecodeError::InvalidRegister(number))
}

fn imm64(low: BpfInsn, high: BpfInsn) -> Result<Imm64, DecodeError> {
    if high.code() != 0 || high.dst() != 0 || high.src() != 0 || high.off() != 0 {
        return Err(DecodeError::IncompleteImm64);
    }
    let (first, second) = (low.imm(), high.imm());
    let no_second = |value| if second == 0 { Ok(value) } else { reserved(low) };
    match low.src() {
        0 => {
            let value =
                u64::from(first.cast_unsigned()) | (u64::from(second.cast_unsigned()) << 32);
            Ok(Imm64::Value(value))
        }
        1 => no_second(Imm64::MapFd(first)),
        2 => Ok(Imm64::MapFdValue(first, second.cast_unsigned())),
        3 => no_second(Imm64::Var(first)),
        4 => no_second(Imm64::Code(first)),
        5 => no_second(Imm64::MapIdx(first.cast_unsigned())),
        6 => Ok(Imm64::MapIdxValue(first.cast_unsigned(), second.cast_unsigned())),
        _ => reserved(low),
    }
}

fn reserved<T>(insn: BpfInsn) -> Result<T, DecodeError> {
    Err(DecodeError::ReservedField(insn.code()))
}
