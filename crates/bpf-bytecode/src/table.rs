//! The instruction set as one table.
//!
//! Each row of [`INSTRUCTION_SET`] names an instruction once: its constructor,
//! opcode, operands, the values of fields that are no operands, its meaning,
//! its conformance group of RFC 9669, and its text in the two dialects in use.
//! Constructors, decoder, validation, disassembler and assembler read the rows.

use crate::insn::BpfInsn;
use crate::instruction::DecodeError;
use crate::opcode::Source::{Imm, Reg};
use crate::opcode::Width::{W32, W64};
use crate::opcode::{AluOp, AtomicOp, ByteOrder, Cond, Size, Source, Width};

/// What an instruction does, without its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// Arithmetic with two operands, or a move.
    Alu(AluOp, Width, Source),
    /// Negation.
    Neg(Width),
    /// Sign-extending move from a size to a width.
    MovSx(Width, Size),
    /// Change of byte order.
    ByteSwap(ByteOrder, Size),
    /// Load of a 64-bit immediate, in two slots.
    LoadImm64,
    /// Load, sign-extending if set.
    Load(Size, bool),
    /// Store.
    Store(Size, Source),
    /// Atomic read-modify-write, returning the old value if set.
    Atomic(AtomicOp, Width, bool),
    /// Load with acquire order.
    LoadAcquire(Size),
    /// Store with release order.
    StoreRelease(Size),
    /// Load from a constant position in the packet.
    LegacyAbs(Size),
    /// Load from a computed position in the packet.
    LegacyInd(Size),
    /// Jump by the offset field.
    Ja,
    /// Jump by the immediate field.
    Gotol,
    /// Conditional jump.
    JumpIf(Cond, Width, Source),
    /// Jump when the allowance is used up.
    MayGoto,
    /// Call of a helper by number.
    CallHelper,
    /// Call of a function of the same program.
    CallLocal,
    /// Call of a kernel function by BTF id.
    CallKfunc,
    /// Return, or the program's end.
    Exit,
}

/// Conformance group of RFC 9669; `Linux` is for what only Linux defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// Basic instructions with 32-bit operands.
    Base32,
    /// Basic instructions with 64-bit operands.
    Base64,
    /// 32-bit atomics.
    Atomic32,
    /// 64-bit atomics.
    Atomic64,
    /// 32-bit multiplication, division and remainder.
    DivMul32,
    /// 64-bit multiplication, division and remainder.
    DivMul64,
    /// Deprecated access to packets.
    Packet,
    /// Linux's additions.
    Linux,
}

/// The fields of a slot that an instruction takes operands from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operands(u8);

impl Operands {
    const DST: u8 = 1;
    const SRC: u8 = 2;
    const OFF: u8 = 4;
    const IMM: u8 = 8;

    /// The fields with these names.
    const fn named(mut names: &[&str]) -> Self {
        let mut mask = 0;
        while let [name, rest @ ..] = names {
            mask |= match name.as_bytes() {
                b"dst" => Self::DST,
                b"src" => Self::SRC,
                b"off" => Self::OFF,
                _ => Self::IMM,
            };
            names = rest;
        }
        Self(mask)
    }

    /// Whether the destination field is an operand.
    pub const fn has_dst(self) -> bool {
        self.0 & Self::DST != 0
    }

    /// Whether the source field is an operand.
    #[inline]
    pub const fn has_src(self) -> bool {
        self.0 & Self::SRC != 0
    }

    /// Whether the offset field is an operand.
    pub const fn has_off(self) -> bool {
        self.0 & Self::OFF != 0
    }

    /// Whether the immediate field is an operand.
    pub const fn has_imm(self) -> bool {
        self.0 & Self::IMM != 0
    }
}

/// One row of the instruction set.
///
/// The texts hold fields in braces: `{dst}` and `{src}` are registers,
/// `{wdst}` and `{wsrc}` their 32-bit names, `{off}` and `{+imm}` numbers with
/// a sign, `{imm}` a number, `{jump}` and `{jump32}` a distance with a sign (or
/// a label), `{helper}` a helper's number or name, `{local}` a function of the
/// program, `{imm64}` the value of a 64-bit immediate load.
#[derive(Debug)]
pub struct InsnDef {
    /// Name of the constructor.
    pub name: &'static str,
    /// Opcode byte.
    pub code: u8,
    /// Fields that are operands.
    pub operands: Operands,
    /// A slot with the values that the other fields must have.
    pub fixed: BpfInsn,
    /// Meaning.
    pub form: Form,
    /// Conformance group.
    pub group: Group,
    /// Text as LLVM and Linux write it.
    pub text: &'static str,
    /// Text in the mnemonic dialect.
    pub mnemonic: &'static str,
}

impl InsnDef {
    /// The bits of a slot that are no operand, and what they are in this row.
    const fn key(&self) -> Key {
        let ops = self.operands;
        let src = ops.has_src() || matches!(self.form, Form::LoadImm64);
        let mask = 0xff
            | fixed_bits(ops.has_dst(), 0xf << 8)
            | fixed_bits(src, 0xf << 12)
            | fixed_bits(ops.has_off(), 0xffff << 16)
            | fixed_bits(ops.has_imm(), 0xffff_ffff << 32);
        Key { mask, value: slot_bits(self.fixed) & mask }
    }

    /// The instruction's (first) slot with these operands. What is no operand
    /// has its fixed value, whatever is given here.
    #[must_use]
    pub const fn with_operands(&self, dst: u8, src: u8, off: i16, imm: i32) -> BpfInsn {
        let (ops, fixed) = (self.operands, self.fixed);
        BpfInsn::new(
            self.code,
            if ops.has_dst() { dst } else { fixed.dst() },
            if ops.has_src() { src } else { fixed.src() },
            if ops.has_off() { off } else { fixed.off() },
            if ops.has_imm() { imm } else { fixed.imm() },
        )
    }
}

/// The row that `insn` (the first slot, of a 64-bit immediate load) belongs to.
///
/// # Errors
/// [`DecodeError`] when there is none.
#[inline]
pub fn find(insn: BpfInsn) -> Result<&'static InsnDef, DecodeError> {
    let mut row = FIRST_ROW.get(usize::from(insn.code())).copied().unwrap_or(NONE);
    if row == NONE {
        return Err(DecodeError::UnknownOpcode(insn.code()));
    }
    let bits = slot_bits(insn);
    while let Some(key) = KEYS.get(usize::from(row)) {
        if bits & key.mask == key.value
            && let Some(def) = INSTRUCTION_SET.get(usize::from(row))
        {
            return Ok(def);
        }
        row = NEXT_ROW.get(usize::from(row)).copied().unwrap_or(NONE);
    }
    Err(DecodeError::ReservedField(insn.code()))
}

/// What tells the slots of a row from others with its opcode.
#[derive(Clone, Copy)]
struct Key {
    mask: u64,
    value: u64,
}

/// The fields of a slot side by side: the opcode in the low byte, then the
/// registers, the offset, the immediate.
const fn slot_bits(insn: BpfInsn) -> u64 {
    let regs = (insn.dst() as u64) | ((insn.src() as u64) << 4);
    let off = insn.off().cast_unsigned() as u64;
    let imm = insn.imm().cast_unsigned() as u64;
    (insn.code() as u64) | (regs << 8) | (off << 16) | (imm << 32)
}

/// The bits of a field that is no operand.
const fn fixed_bits(operand: bool, bits: u64) -> u64 {
    if operand { 0 } else { bits }
}

/// For each row what tells its slots.
static KEYS: [Key; INSTRUCTION_SET.len()] = {
    let mut keys = [Key { mask: 0, value: 1 }; INSTRUCTION_SET.len()];
    let mut rest: (&[InsnDef], &mut [Key]) = (INSTRUCTION_SET, &mut keys);
    while let ([def, defs @ ..], [key, more @ ..]) = rest {
        *key = def.key();
        rest = (defs, more);
    }
    keys
};

/// Marks the end of a chain of rows.
const NONE: u8 = u8::MAX;

/// For each opcode its first row.
static FIRST_ROW: [u8; 256] = INDEX.0;
/// For each row the next one with the same opcode.
static NEXT_ROW: [u8; INSTRUCTION_SET.len()] = INDEX.1;

#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "evaluated at build time, where a mistake stops the build"
)]
const INDEX: ([u8; 256], [u8; INSTRUCTION_SET.len()]) = {
    assert!(INSTRUCTION_SET.len() < NONE as usize);
    let mut first = [NONE; 256];
    let mut next = [NONE; INSTRUCTION_SET.len()];
    let mut row = INSTRUCTION_SET.len();
    while row > 0 {
        row -= 1;
        let code = INSTRUCTION_SET[row].code as usize;
        next[row] = first[code];
        first[code] = row as u8;
    }
    (first, next)
};

/// The fields of a slot by name; what a row does not mention is zero.
struct Fields {
    dst: u8,
    src: u8,
    off: i16,
    imm: i32,
}

impl Fields {
    const ZERO: Self = Self { dst: 0, src: 0, off: 0, imm: 0 };

    const fn slot(self, code: u8) -> BpfInsn {
        BpfInsn::new(code, self.dst, self.src, self.off, self.imm)
    }
}

macro_rules! instruction_set {
    ($(
        $name:ident($($arg:ident: $ty:ty),*) = $code:literal { $($field:ident: $fixed:expr),* }
        $form:expr, $group:ident, $text:literal, $mnemonic:literal;
    )*) => {
        /// The instruction set.
        pub const INSTRUCTION_SET: &[InsnDef] = &[
            LD_IMM64,
            $(InsnDef {
                name: stringify!($name),
                code: $code,
                operands: Operands::named(&[$(stringify!($arg)),*]),
                fixed: Fields { $($field: $fixed,)* ..Fields::ZERO }.slot($code),
                form: $form,
                group: Group::$group,
                text: $text,
                mnemonic: $mnemonic,
            }),*
        ];

        /// A constructor for every instruction of one slot.
        impl BpfInsn {
            $(
                #[doc = concat!("`", $text, "`")]
                #[allow(clippy::needless_update, reason = "a row may name every field")]
                pub const fn $name($($arg: $ty),*) -> Self {
                    Fields { $($arg,)* $($field: $fixed,)* ..Fields::ZERO }.slot($code)
                }
            )*
        }
    };
}

/// The only instruction of two slots. Its source field says what kind of value
/// the slots hold.
const LD_IMM64: InsnDef = InsnDef {
    name: "ld_imm64",
    code: 0x18,
    operands: Operands::named(&["dst", "imm"]),
    fixed: Fields::ZERO.slot(0x18),
    form: Form::LoadImm64,
    group: Group::Base64,
    text: "{dst} = {imm64}",
    mnemonic: "lddw {dst}, {imm64}",
};

#[rustfmt::skip]
#[allow(clippy::wildcard_imports, reason = "the rows use every name of the module")]
mod rows {
    use super::*;

    instruction_set! {
        // Arithmetic.
        add64_imm(dst: u8, imm: i32) = 0x07 {} Form::Alu(AluOp::Add, W64, Imm), Base64, "{dst} += {imm}", "add64 {dst}, {imm}";
        add64_reg(dst: u8, src: u8) = 0x0f {} Form::Alu(AluOp::Add, W64, Reg), Base64, "{dst} += {src}", "add64 {dst}, {src}";
        add32_imm(dst: u8, imm: i32) = 0x04 {} Form::Alu(AluOp::Add, W32, Imm), Base32, "{wdst} += {imm}", "add32 {dst}, {imm}";
        add32_reg(dst: u8, src: u8) = 0x0c {} Form::Alu(AluOp::Add, W32, Reg), Base32, "{wdst} += {wsrc}", "add32 {dst}, {src}";
        sub64_imm(dst: u8, imm: i32) = 0x17 {} Form::Alu(AluOp::Sub, W64, Imm), Base64, "{dst} -= {imm}", "sub64 {dst}, {imm}";
        sub64_reg(dst: u8, src: u8) = 0x1f {} Form::Alu(AluOp::Sub, W64, Reg), Base64, "{dst} -= {src}", "sub64 {dst}, {src}";
        sub32_imm(dst: u8, imm: i32) = 0x14 {} Form::Alu(AluOp::Sub, W32, Imm), Base32, "{wdst} -= {imm}", "sub32 {dst}, {imm}";
        sub32_reg(dst: u8, src: u8) = 0x1c {} Form::Alu(AluOp::Sub, W32, Reg), Base32, "{wdst} -= {wsrc}", "sub32 {dst}, {src}";
        mul64_imm(dst: u8, imm: i32) = 0x27 {} Form::Alu(AluOp::Mul, W64, Imm), DivMul64, "{dst} *= {imm}", "mul64 {dst}, {imm}";
        mul64_reg(dst: u8, src: u8) = 0x2f {} Form::Alu(AluOp::Mul, W64, Reg), DivMul64, "{dst} *= {src}", "mul64 {dst}, {src}";
        mul32_imm(dst: u8, imm: i32) = 0x24 {} Form::Alu(AluOp::Mul, W32, Imm), DivMul32, "{wdst} *= {imm}", "mul32 {dst}, {imm}";
        mul32_reg(dst: u8, src: u8) = 0x2c {} Form::Alu(AluOp::Mul, W32, Reg), DivMul32, "{wdst} *= {wsrc}", "mul32 {dst}, {src}";
        div64_imm(dst: u8, imm: i32) = 0x37 {} Form::Alu(AluOp::Div, W64, Imm), DivMul64, "{dst} /= {imm}", "div64 {dst}, {imm}";
        div64_reg(dst: u8, src: u8) = 0x3f {} Form::Alu(AluOp::Div, W64, Reg), DivMul64, "{dst} /= {src}", "div64 {dst}, {src}";
        div32_imm(dst: u8, imm: i32) = 0x34 {} Form::Alu(AluOp::Div, W32, Imm), DivMul32, "{wdst} /= {imm}", "div32 {dst}, {imm}";
        div32_reg(dst: u8, src: u8) = 0x3c {} Form::Alu(AluOp::Div, W32, Reg), DivMul32, "{wdst} /= {wsrc}", "div32 {dst}, {src}";
        or64_imm(dst: u8, imm: i32) = 0x47 {} Form::Alu(AluOp::Or, W64, Imm), Base64, "{dst} |= {imm}", "or64 {dst}, {imm}";
        or64_reg(dst: u8, src: u8) = 0x4f {} Form::Alu(AluOp::Or, W64, Reg), Base64, "{dst} |= {src}", "or64 {dst}, {src}";
        or32_imm(dst: u8, imm: i32) = 0x44 {} Form::Alu(AluOp::Or, W32, Imm), Base32, "{wdst} |= {imm}", "or32 {dst}, {imm}";
        or32_reg(dst: u8, src: u8) = 0x4c {} Form::Alu(AluOp::Or, W32, Reg), Base32, "{wdst} |= {wsrc}", "or32 {dst}, {src}";
        and64_imm(dst: u8, imm: i32) = 0x57 {} Form::Alu(AluOp::And, W64, Imm), Base64, "{dst} &= {imm}", "and64 {dst}, {imm}";
        and64_reg(dst: u8, src: u8) = 0x5f {} Form::Alu(AluOp::And, W64, Reg), Base64, "{dst} &= {src}", "and64 {dst}, {src}";
        and32_imm(dst: u8, imm: i32) = 0x54 {} Form::Alu(AluOp::And, W32, Imm), Base32, "{wdst} &= {imm}", "and32 {dst}, {imm}";
        and32_reg(dst: u8, src: u8) = 0x5c {} Form::Alu(AluOp::And, W32, Reg), Base32, "{wdst} &= {wsrc}", "and32 {dst}, {src}";
        lsh64_imm(dst: u8, imm: i32) = 0x67 {} Form::Alu(AluOp::Lsh, W64, Imm), Base64, "{dst} <<= {imm}", "lsh64 {dst}, {imm}";
        lsh64_reg(dst: u8, src: u8) = 0x6f {} Form::Alu(AluOp::Lsh, W64, Reg), Base64, "{dst} <<= {src}", "lsh64 {dst}, {src}";
        lsh32_imm(dst: u8, imm: i32) = 0x64 {} Form::Alu(AluOp::Lsh, W32, Imm), Base32, "{wdst} <<= {imm}", "lsh32 {dst}, {imm}";
        lsh32_reg(dst: u8, src: u8) = 0x6c {} Form::Alu(AluOp::Lsh, W32, Reg), Base32, "{wdst} <<= {wsrc}", "lsh32 {dst}, {src}";
        rsh64_imm(dst: u8, imm: i32) = 0x77 {} Form::Alu(AluOp::Rsh, W64, Imm), Base64, "{dst} >>= {imm}", "rsh64 {dst}, {imm}";
        rsh64_reg(dst: u8, src: u8) = 0x7f {} Form::Alu(AluOp::Rsh, W64, Reg), Base64, "{dst} >>= {src}", "rsh64 {dst}, {src}";
        rsh32_imm(dst: u8, imm: i32) = 0x74 {} Form::Alu(AluOp::Rsh, W32, Imm), Base32, "{wdst} >>= {imm}", "rsh32 {dst}, {imm}";
        rsh32_reg(dst: u8, src: u8) = 0x7c {} Form::Alu(AluOp::Rsh, W32, Reg), Base32, "{wdst} >>= {wsrc}", "rsh32 {dst}, {src}";
        mod64_imm(dst: u8, imm: i32) = 0x97 {} Form::Alu(AluOp::Mod, W64, Imm), DivMul64, "{dst} %= {imm}", "mod64 {dst}, {imm}";
        mod64_reg(dst: u8, src: u8) = 0x9f {} Form::Alu(AluOp::Mod, W64, Reg), DivMul64, "{dst} %= {src}", "mod64 {dst}, {src}";
        mod32_imm(dst: u8, imm: i32) = 0x94 {} Form::Alu(AluOp::Mod, W32, Imm), DivMul32, "{wdst} %= {imm}", "mod32 {dst}, {imm}";
        mod32_reg(dst: u8, src: u8) = 0x9c {} Form::Alu(AluOp::Mod, W32, Reg), DivMul32, "{wdst} %= {wsrc}", "mod32 {dst}, {src}";
        xor64_imm(dst: u8, imm: i32) = 0xa7 {} Form::Alu(AluOp::Xor, W64, Imm), Base64, "{dst} ^= {imm}", "xor64 {dst}, {imm}";
        xor64_reg(dst: u8, src: u8) = 0xaf {} Form::Alu(AluOp::Xor, W64, Reg), Base64, "{dst} ^= {src}", "xor64 {dst}, {src}";
        xor32_imm(dst: u8, imm: i32) = 0xa4 {} Form::Alu(AluOp::Xor, W32, Imm), Base32, "{wdst} ^= {imm}", "xor32 {dst}, {imm}";
        xor32_reg(dst: u8, src: u8) = 0xac {} Form::Alu(AluOp::Xor, W32, Reg), Base32, "{wdst} ^= {wsrc}", "xor32 {dst}, {src}";
        mov64_imm(dst: u8, imm: i32) = 0xb7 {} Form::Alu(AluOp::Mov, W64, Imm), Base64, "{dst} = {imm}", "mov64 {dst}, {imm}";
        mov64_reg(dst: u8, src: u8) = 0xbf {} Form::Alu(AluOp::Mov, W64, Reg), Base64, "{dst} = {src}", "mov64 {dst}, {src}";
        mov32_imm(dst: u8, imm: i32) = 0xb4 {} Form::Alu(AluOp::Mov, W32, Imm), Base32, "{wdst} = {imm}", "mov32 {dst}, {imm}";
        mov32_reg(dst: u8, src: u8) = 0xbc {} Form::Alu(AluOp::Mov, W32, Reg), Base32, "{wdst} = {wsrc}", "mov32 {dst}, {src}";
        arsh64_imm(dst: u8, imm: i32) = 0xc7 {} Form::Alu(AluOp::Arsh, W64, Imm), Base64, "{dst} s>>= {imm}", "arsh64 {dst}, {imm}";
        arsh64_reg(dst: u8, src: u8) = 0xcf {} Form::Alu(AluOp::Arsh, W64, Reg), Base64, "{dst} s>>= {src}", "arsh64 {dst}, {src}";
        arsh32_imm(dst: u8, imm: i32) = 0xc4 {} Form::Alu(AluOp::Arsh, W32, Imm), Base32, "{wdst} s>>= {imm}", "arsh32 {dst}, {imm}";
        arsh32_reg(dst: u8, src: u8) = 0xcc {} Form::Alu(AluOp::Arsh, W32, Reg), Base32, "{wdst} s>>= {wsrc}", "arsh32 {dst}, {src}";
        sdiv64_imm(dst: u8, imm: i32) = 0x37 { off: 1 } Form::Alu(AluOp::Sdiv, W64, Imm), DivMul64, "{dst} s/= {imm}", "sdiv64 {dst}, {imm}";
        sdiv64_reg(dst: u8, src: u8) = 0x3f { off: 1 } Form::Alu(AluOp::Sdiv, W64, Reg), DivMul64, "{dst} s/= {src}", "sdiv64 {dst}, {src}";
        sdiv32_imm(dst: u8, imm: i32) = 0x34 { off: 1 } Form::Alu(AluOp::Sdiv, W32, Imm), DivMul32, "{wdst} s/= {imm}", "sdiv32 {dst}, {imm}";
        sdiv32_reg(dst: u8, src: u8) = 0x3c { off: 1 } Form::Alu(AluOp::Sdiv, W32, Reg), DivMul32, "{wdst} s/= {wsrc}", "sdiv32 {dst}, {src}";
        smod64_imm(dst: u8, imm: i32) = 0x97 { off: 1 } Form::Alu(AluOp::Smod, W64, Imm), DivMul64, "{dst} s%= {imm}", "smod64 {dst}, {imm}";
        smod64_reg(dst: u8, src: u8) = 0x9f { off: 1 } Form::Alu(AluOp::Smod, W64, Reg), DivMul64, "{dst} s%= {src}", "smod64 {dst}, {src}";
        smod32_imm(dst: u8, imm: i32) = 0x94 { off: 1 } Form::Alu(AluOp::Smod, W32, Imm), DivMul32, "{wdst} s%= {imm}", "smod32 {dst}, {imm}";
        smod32_reg(dst: u8, src: u8) = 0x9c { off: 1 } Form::Alu(AluOp::Smod, W32, Reg), DivMul32, "{wdst} s%= {wsrc}", "smod32 {dst}, {src}";
        neg64(dst: u8) = 0x87 {} Form::Neg(W64), Base64, "{dst} = -{dst}", "neg64 {dst}";
        neg32(dst: u8) = 0x84 {} Form::Neg(W32), Base32, "{wdst} = -{wdst}", "neg32 {dst}";
        movsx8_64(dst: u8, src: u8) = 0xbf { off: 8 } Form::MovSx(W64, Size::B), Base64, "{dst} = (s8){src}", "movsx864 {dst}, {src}";
        movsx16_64(dst: u8, src: u8) = 0xbf { off: 16 } Form::MovSx(W64, Size::H), Base64, "{dst} = (s16){src}", "movsx1664 {dst}, {src}";
        movsx32_64(dst: u8, src: u8) = 0xbf { off: 32 } Form::MovSx(W64, Size::W), Base64, "{dst} = (s32){src}", "movsx3264 {dst}, {src}";
        movsx8_32(dst: u8, src: u8) = 0xbc { off: 8 } Form::MovSx(W32, Size::B), Base32, "{wdst} = (s8){wsrc}", "movsx832 {dst}, {src}";
        movsx16_32(dst: u8, src: u8) = 0xbc { off: 16 } Form::MovSx(W32, Size::H), Base32, "{wdst} = (s16){wsrc}", "movsx1632 {dst}, {src}";
        // Byte order.
        le16(dst: u8) = 0xd4 { imm: 16 } Form::ByteSwap(ByteOrder::Little, Size::H), Base32, "{dst} = le16 {dst}", "le16 {dst}";
        le32(dst: u8) = 0xd4 { imm: 32 } Form::ByteSwap(ByteOrder::Little, Size::W), Base32, "{dst} = le32 {dst}", "le32 {dst}";
        le64(dst: u8) = 0xd4 { imm: 64 } Form::ByteSwap(ByteOrder::Little, Size::Dw), Base64, "{dst} = le64 {dst}", "le64 {dst}";
        be16(dst: u8) = 0xdc { imm: 16 } Form::ByteSwap(ByteOrder::Big, Size::H), Base32, "{dst} = be16 {dst}", "be16 {dst}";
        be32(dst: u8) = 0xdc { imm: 32 } Form::ByteSwap(ByteOrder::Big, Size::W), Base32, "{dst} = be32 {dst}", "be32 {dst}";
        be64(dst: u8) = 0xdc { imm: 64 } Form::ByteSwap(ByteOrder::Big, Size::Dw), Base64, "{dst} = be64 {dst}", "be64 {dst}";
        bswap16(dst: u8) = 0xd7 { imm: 16 } Form::ByteSwap(ByteOrder::Swap, Size::H), Base32, "{dst} = bswap16 {dst}", "swap16 {dst}";
        bswap32(dst: u8) = 0xd7 { imm: 32 } Form::ByteSwap(ByteOrder::Swap, Size::W), Base32, "{dst} = bswap32 {dst}", "swap32 {dst}";
        bswap64(dst: u8) = 0xd7 { imm: 64 } Form::ByteSwap(ByteOrder::Swap, Size::Dw), Base64, "{dst} = bswap64 {dst}", "swap64 {dst}";
        // Loads and stores.
        ldx_b(dst: u8, src: u8, off: i16) = 0x71 {} Form::Load(Size::B, false), Base32, "{dst} = *(u8 *)({src} {off})", "ldxb {dst}, [{src}{off}]";
        ldx_h(dst: u8, src: u8, off: i16) = 0x69 {} Form::Load(Size::H, false), Base32, "{dst} = *(u16 *)({src} {off})", "ldxh {dst}, [{src}{off}]";
        ldx_w(dst: u8, src: u8, off: i16) = 0x61 {} Form::Load(Size::W, false), Base32, "{dst} = *(u32 *)({src} {off})", "ldxw {dst}, [{src}{off}]";
        ldx_dw(dst: u8, src: u8, off: i16) = 0x79 {} Form::Load(Size::Dw, false), Base64, "{dst} = *(u64 *)({src} {off})", "ldxdw {dst}, [{src}{off}]";
        ldxs_b(dst: u8, src: u8, off: i16) = 0x91 {} Form::Load(Size::B, true), Base64, "{dst} = *(s8 *)({src} {off})", "ldxsb {dst}, [{src}{off}]";
        ldxs_h(dst: u8, src: u8, off: i16) = 0x89 {} Form::Load(Size::H, true), Base64, "{dst} = *(s16 *)({src} {off})", "ldxsh {dst}, [{src}{off}]";
        ldxs_w(dst: u8, src: u8, off: i16) = 0x81 {} Form::Load(Size::W, true), Base64, "{dst} = *(s32 *)({src} {off})", "ldxsw {dst}, [{src}{off}]";
        st_b(dst: u8, off: i16, imm: i32) = 0x72 {} Form::Store(Size::B, Imm), Base32, "*(u8 *)({dst} {off}) = {imm}", "stb [{dst}{off}], {imm}";
        st_h(dst: u8, off: i16, imm: i32) = 0x6a {} Form::Store(Size::H, Imm), Base32, "*(u16 *)({dst} {off}) = {imm}", "sth [{dst}{off}], {imm}";
        st_w(dst: u8, off: i16, imm: i32) = 0x62 {} Form::Store(Size::W, Imm), Base32, "*(u32 *)({dst} {off}) = {imm}", "stw [{dst}{off}], {imm}";
        st_dw(dst: u8, off: i16, imm: i32) = 0x7a {} Form::Store(Size::Dw, Imm), Base64, "*(u64 *)({dst} {off}) = {imm}", "stdw [{dst}{off}], {imm}";
        stx_b(dst: u8, off: i16, src: u8) = 0x73 {} Form::Store(Size::B, Reg), Base32, "*(u8 *)({dst} {off}) = {src}", "stxb [{dst}{off}], {src}";
        stx_h(dst: u8, off: i16, src: u8) = 0x6b {} Form::Store(Size::H, Reg), Base32, "*(u16 *)({dst} {off}) = {src}", "stxh [{dst}{off}], {src}";
        stx_w(dst: u8, off: i16, src: u8) = 0x63 {} Form::Store(Size::W, Reg), Base32, "*(u32 *)({dst} {off}) = {src}", "stxw [{dst}{off}], {src}";
        stx_dw(dst: u8, off: i16, src: u8) = 0x7b {} Form::Store(Size::Dw, Reg), Base64, "*(u64 *)({dst} {off}) = {src}", "stxdw [{dst}{off}], {src}";
        // Atomics.
        atomic_add64(dst: u8, off: i16, src: u8) = 0xdb {} Form::Atomic(AtomicOp::Add, W64, false), Atomic64, "lock *(u64 *)({dst} {off}) += {src}", "lock add [{dst}{off}], {src}";
        atomic_or64(dst: u8, off: i16, src: u8) = 0xdb { imm: 0x40 } Form::Atomic(AtomicOp::Or, W64, false), Atomic64, "lock *(u64 *)({dst} {off}) |= {src}", "lock or [{dst}{off}], {src}";
        atomic_and64(dst: u8, off: i16, src: u8) = 0xdb { imm: 0x50 } Form::Atomic(AtomicOp::And, W64, false), Atomic64, "lock *(u64 *)({dst} {off}) &= {src}", "lock and [{dst}{off}], {src}";
        atomic_xor64(dst: u8, off: i16, src: u8) = 0xdb { imm: 0xa0 } Form::Atomic(AtomicOp::Xor, W64, false), Atomic64, "lock *(u64 *)({dst} {off}) ^= {src}", "lock xor [{dst}{off}], {src}";
        atomic_fetch_add64(dst: u8, off: i16, src: u8) = 0xdb { imm: 0x1 } Form::Atomic(AtomicOp::Add, W64, true), Atomic64, "{src} = atomic_fetch_add((u64 *)({dst} {off}), {src})", "lock fetch_add [{dst}{off}], {src}";
        atomic_fetch_or64(dst: u8, off: i16, src: u8) = 0xdb { imm: 0x41 } Form::Atomic(AtomicOp::Or, W64, true), Atomic64, "{src} = atomic_fetch_or((u64 *)({dst} {off}), {src})", "lock fetch_or [{dst}{off}], {src}";
        atomic_fetch_and64(dst: u8, off: i16, src: u8) = 0xdb { imm: 0x51 } Form::Atomic(AtomicOp::And, W64, true), Atomic64, "{src} = atomic_fetch_and((u64 *)({dst} {off}), {src})", "lock fetch_and [{dst}{off}], {src}";
        atomic_fetch_xor64(dst: u8, off: i16, src: u8) = 0xdb { imm: 0xa1 } Form::Atomic(AtomicOp::Xor, W64, true), Atomic64, "{src} = atomic_fetch_xor((u64 *)({dst} {off}), {src})", "lock fetch_xor [{dst}{off}], {src}";
        atomic_xchg64(dst: u8, off: i16, src: u8) = 0xdb { imm: 0xe1 } Form::Atomic(AtomicOp::Xchg, W64, true), Atomic64, "{src} = xchg_64({dst} {off}, {src})", "lock xchg [{dst}{off}], {src}";
        atomic_cmpxchg64(dst: u8, off: i16, src: u8) = 0xdb { imm: 0xf1 } Form::Atomic(AtomicOp::Cmpxchg, W64, true), Atomic64, "r0 = cmpxchg_64({dst} {off}, r0, {src})", "lock cmpxchg [{dst}{off}], {src}";
        atomic_add32(dst: u8, off: i16, src: u8) = 0xc3 {} Form::Atomic(AtomicOp::Add, W32, false), Atomic32, "lock *(u32 *)({dst} {off}) += {wsrc}", "lock add32 [{dst}{off}], {src}";
        atomic_or32(dst: u8, off: i16, src: u8) = 0xc3 { imm: 0x40 } Form::Atomic(AtomicOp::Or, W32, false), Atomic32, "lock *(u32 *)({dst} {off}) |= {wsrc}", "lock or32 [{dst}{off}], {src}";
        atomic_and32(dst: u8, off: i16, src: u8) = 0xc3 { imm: 0x50 } Form::Atomic(AtomicOp::And, W32, false), Atomic32, "lock *(u32 *)({dst} {off}) &= {wsrc}", "lock and32 [{dst}{off}], {src}";
        atomic_xor32(dst: u8, off: i16, src: u8) = 0xc3 { imm: 0xa0 } Form::Atomic(AtomicOp::Xor, W32, false), Atomic32, "lock *(u32 *)({dst} {off}) ^= {wsrc}", "lock xor32 [{dst}{off}], {src}";
        atomic_fetch_add32(dst: u8, off: i16, src: u8) = 0xc3 { imm: 0x1 } Form::Atomic(AtomicOp::Add, W32, true), Atomic32, "{wsrc} = atomic_fetch_add((u32 *)({dst} {off}), {wsrc})", "lock fetch_add32 [{dst}{off}], {src}";
        atomic_fetch_or32(dst: u8, off: i16, src: u8) = 0xc3 { imm: 0x41 } Form::Atomic(AtomicOp::Or, W32, true), Atomic32, "{wsrc} = atomic_fetch_or((u32 *)({dst} {off}), {wsrc})", "lock fetch_or32 [{dst}{off}], {src}";
        atomic_fetch_and32(dst: u8, off: i16, src: u8) = 0xc3 { imm: 0x51 } Form::Atomic(AtomicOp::And, W32, true), Atomic32, "{wsrc} = atomic_fetch_and((u32 *)({dst} {off}), {wsrc})", "lock fetch_and32 [{dst}{off}], {src}";
        atomic_fetch_xor32(dst: u8, off: i16, src: u8) = 0xc3 { imm: 0xa1 } Form::Atomic(AtomicOp::Xor, W32, true), Atomic32, "{wsrc} = atomic_fetch_xor((u32 *)({dst} {off}), {wsrc})", "lock fetch_xor32 [{dst}{off}], {src}";
        atomic_xchg32(dst: u8, off: i16, src: u8) = 0xc3 { imm: 0xe1 } Form::Atomic(AtomicOp::Xchg, W32, true), Atomic32, "{wsrc} = xchg32_32({dst} {off}, {wsrc})", "lock xchg32 [{dst}{off}], {src}";
        atomic_cmpxchg32(dst: u8, off: i16, src: u8) = 0xc3 { imm: 0xf1 } Form::Atomic(AtomicOp::Cmpxchg, W32, true), Atomic32, "w0 = cmpxchg32_32({dst} {off}, w0, {wsrc})", "lock cmpxchg32 [{dst}{off}], {src}";
        load_acquire_b(dst: u8, src: u8, off: i16) = 0xd3 { imm: 0x100 } Form::LoadAcquire(Size::B), Linux, "{wdst} = load_acquire((u8 *)({src} {off}))", "load_acquire_b {dst}, [{src}{off}]";
        load_acquire_h(dst: u8, src: u8, off: i16) = 0xcb { imm: 0x100 } Form::LoadAcquire(Size::H), Linux, "{wdst} = load_acquire((u16 *)({src} {off}))", "load_acquire_h {dst}, [{src}{off}]";
        load_acquire_w(dst: u8, src: u8, off: i16) = 0xc3 { imm: 0x100 } Form::LoadAcquire(Size::W), Linux, "{wdst} = load_acquire((u32 *)({src} {off}))", "load_acquire_w {dst}, [{src}{off}]";
        load_acquire_dw(dst: u8, src: u8, off: i16) = 0xdb { imm: 0x100 } Form::LoadAcquire(Size::Dw), Linux, "{dst} = load_acquire((u64 *)({src} {off}))", "load_acquire_dw {dst}, [{src}{off}]";
        store_release_b(dst: u8, off: i16, src: u8) = 0xd3 { imm: 0x110 } Form::StoreRelease(Size::B), Linux, "store_release((u8 *)({dst} {off}), {wsrc})", "store_release_b [{dst}{off}], {src}";
        store_release_h(dst: u8, off: i16, src: u8) = 0xcb { imm: 0x110 } Form::StoreRelease(Size::H), Linux, "store_release((u16 *)({dst} {off}), {wsrc})", "store_release_h [{dst}{off}], {src}";
        store_release_w(dst: u8, off: i16, src: u8) = 0xc3 { imm: 0x110 } Form::StoreRelease(Size::W), Linux, "store_release((u32 *)({dst} {off}), {wsrc})", "store_release_w [{dst}{off}], {src}";
        store_release_dw(dst: u8, off: i16, src: u8) = 0xdb { imm: 0x110 } Form::StoreRelease(Size::Dw), Linux, "store_release((u64 *)({dst} {off}), {src})", "store_release_dw [{dst}{off}], {src}";
        // The deprecated access to packets.
        ld_abs_b(imm: i32) = 0x30 {} Form::LegacyAbs(Size::B), Packet, "r0 = *(u8 *)skb[{imm}]", "ldabsb {imm}";
        ld_abs_h(imm: i32) = 0x28 {} Form::LegacyAbs(Size::H), Packet, "r0 = *(u16 *)skb[{imm}]", "ldabsh {imm}";
        ld_abs_w(imm: i32) = 0x20 {} Form::LegacyAbs(Size::W), Packet, "r0 = *(u32 *)skb[{imm}]", "ldabsw {imm}";
        ld_ind_b(src: u8, imm: i32) = 0x50 {} Form::LegacyInd(Size::B), Packet, "r0 = *(u8 *)skb[{src} {+imm}]", "ldindb {src}, {imm}";
        ld_ind_h(src: u8, imm: i32) = 0x48 {} Form::LegacyInd(Size::H), Packet, "r0 = *(u16 *)skb[{src} {+imm}]", "ldindh {src}, {imm}";
        ld_ind_w(src: u8, imm: i32) = 0x40 {} Form::LegacyInd(Size::W), Packet, "r0 = *(u32 *)skb[{src} {+imm}]", "ldindw {src}, {imm}";
        // Jumps, calls and the end.
        ja(off: i16) = 0x05 {} Form::Ja, Base32, "goto {jump}", "ja {jump}";
        gotol(imm: i32) = 0x06 {} Form::Gotol, Base32, "gotol {jump32}", "ja32 {jump32}";
        may_goto(off: i16) = 0xe5 {} Form::MayGoto, Linux, "may_goto {jump}", "may_goto {jump}";
        jeq_imm(dst: u8, imm: i32, off: i16) = 0x15 {} Form::JumpIf(Cond::Eq, W64, Imm), Base64, "if {dst} == {imm} goto {jump}", "jeq {dst}, {imm}, {jump}";
        jeq_reg(dst: u8, src: u8, off: i16) = 0x1d {} Form::JumpIf(Cond::Eq, W64, Reg), Base64, "if {dst} == {src} goto {jump}", "jeq {dst}, {src}, {jump}";
        jeq32_imm(dst: u8, imm: i32, off: i16) = 0x16 {} Form::JumpIf(Cond::Eq, W32, Imm), Base32, "if {wdst} == {imm} goto {jump}", "jeq32 {dst}, {imm}, {jump}";
        jeq32_reg(dst: u8, src: u8, off: i16) = 0x1e {} Form::JumpIf(Cond::Eq, W32, Reg), Base32, "if {wdst} == {wsrc} goto {jump}", "jeq32 {dst}, {src}, {jump}";
        jne_imm(dst: u8, imm: i32, off: i16) = 0x55 {} Form::JumpIf(Cond::Ne, W64, Imm), Base64, "if {dst} != {imm} goto {jump}", "jne {dst}, {imm}, {jump}";
        jne_reg(dst: u8, src: u8, off: i16) = 0x5d {} Form::JumpIf(Cond::Ne, W64, Reg), Base64, "if {dst} != {src} goto {jump}", "jne {dst}, {src}, {jump}";
        jne32_imm(dst: u8, imm: i32, off: i16) = 0x56 {} Form::JumpIf(Cond::Ne, W32, Imm), Base32, "if {wdst} != {imm} goto {jump}", "jne32 {dst}, {imm}, {jump}";
        jne32_reg(dst: u8, src: u8, off: i16) = 0x5e {} Form::JumpIf(Cond::Ne, W32, Reg), Base32, "if {wdst} != {wsrc} goto {jump}", "jne32 {dst}, {src}, {jump}";
        jset_imm(dst: u8, imm: i32, off: i16) = 0x45 {} Form::JumpIf(Cond::Set, W64, Imm), Base64, "if {dst} & {imm} goto {jump}", "jset {dst}, {imm}, {jump}";
        jset_reg(dst: u8, src: u8, off: i16) = 0x4d {} Form::JumpIf(Cond::Set, W64, Reg), Base64, "if {dst} & {src} goto {jump}", "jset {dst}, {src}, {jump}";
        jset32_imm(dst: u8, imm: i32, off: i16) = 0x46 {} Form::JumpIf(Cond::Set, W32, Imm), Base32, "if {wdst} & {imm} goto {jump}", "jset32 {dst}, {imm}, {jump}";
        jset32_reg(dst: u8, src: u8, off: i16) = 0x4e {} Form::JumpIf(Cond::Set, W32, Reg), Base32, "if {wdst} & {wsrc} goto {jump}", "jset32 {dst}, {src}, {jump}";
        jgt_imm(dst: u8, imm: i32, off: i16) = 0x25 {} Form::JumpIf(Cond::Gt, W64, Imm), Base64, "if {dst} > {imm} goto {jump}", "jgt {dst}, {imm}, {jump}";
        jgt_reg(dst: u8, src: u8, off: i16) = 0x2d {} Form::JumpIf(Cond::Gt, W64, Reg), Base64, "if {dst} > {src} goto {jump}", "jgt {dst}, {src}, {jump}";
        jgt32_imm(dst: u8, imm: i32, off: i16) = 0x26 {} Form::JumpIf(Cond::Gt, W32, Imm), Base32, "if {wdst} > {imm} goto {jump}", "jgt32 {dst}, {imm}, {jump}";
        jgt32_reg(dst: u8, src: u8, off: i16) = 0x2e {} Form::JumpIf(Cond::Gt, W32, Reg), Base32, "if {wdst} > {wsrc} goto {jump}", "jgt32 {dst}, {src}, {jump}";
        jge_imm(dst: u8, imm: i32, off: i16) = 0x35 {} Form::JumpIf(Cond::Ge, W64, Imm), Base64, "if {dst} >= {imm} goto {jump}", "jge {dst}, {imm}, {jump}";
        jge_reg(dst: u8, src: u8, off: i16) = 0x3d {} Form::JumpIf(Cond::Ge, W64, Reg), Base64, "if {dst} >= {src} goto {jump}", "jge {dst}, {src}, {jump}";
        jge32_imm(dst: u8, imm: i32, off: i16) = 0x36 {} Form::JumpIf(Cond::Ge, W32, Imm), Base32, "if {wdst} >= {imm} goto {jump}", "jge32 {dst}, {imm}, {jump}";
        jge32_reg(dst: u8, src: u8, off: i16) = 0x3e {} Form::JumpIf(Cond::Ge, W32, Reg), Base32, "if {wdst} >= {wsrc} goto {jump}", "jge32 {dst}, {src}, {jump}";
        jlt_imm(dst: u8, imm: i32, off: i16) = 0xa5 {} Form::JumpIf(Cond::Lt, W64, Imm), Base64, "if {dst} < {imm} goto {jump}", "jlt {dst}, {imm}, {jump}";
        jlt_reg(dst: u8, src: u8, off: i16) = 0xad {} Form::JumpIf(Cond::Lt, W64, Reg), Base64, "if {dst} < {src} goto {jump}", "jlt {dst}, {src}, {jump}";
        jlt32_imm(dst: u8, imm: i32, off: i16) = 0xa6 {} Form::JumpIf(Cond::Lt, W32, Imm), Base32, "if {wdst} < {imm} goto {jump}", "jlt32 {dst}, {imm}, {jump}";
        jlt32_reg(dst: u8, src: u8, off: i16) = 0xae {} Form::JumpIf(Cond::Lt, W32, Reg), Base32, "if {wdst} < {wsrc} goto {jump}", "jlt32 {dst}, {src}, {jump}";
        jle_imm(dst: u8, imm: i32, off: i16) = 0xb5 {} Form::JumpIf(Cond::Le, W64, Imm), Base64, "if {dst} <= {imm} goto {jump}", "jle {dst}, {imm}, {jump}";
        jle_reg(dst: u8, src: u8, off: i16) = 0xbd {} Form::JumpIf(Cond::Le, W64, Reg), Base64, "if {dst} <= {src} goto {jump}", "jle {dst}, {src}, {jump}";
        jle32_imm(dst: u8, imm: i32, off: i16) = 0xb6 {} Form::JumpIf(Cond::Le, W32, Imm), Base32, "if {wdst} <= {imm} goto {jump}", "jle32 {dst}, {imm}, {jump}";
        jle32_reg(dst: u8, src: u8, off: i16) = 0xbe {} Form::JumpIf(Cond::Le, W32, Reg), Base32, "if {wdst} <= {wsrc} goto {jump}", "jle32 {dst}, {src}, {jump}";
        jsgt_imm(dst: u8, imm: i32, off: i16) = 0x65 {} Form::JumpIf(Cond::Sgt, W64, Imm), Base64, "if {dst} s> {imm} goto {jump}", "jsgt {dst}, {imm}, {jump}";
        jsgt_reg(dst: u8, src: u8, off: i16) = 0x6d {} Form::JumpIf(Cond::Sgt, W64, Reg), Base64, "if {dst} s> {src} goto {jump}", "jsgt {dst}, {src}, {jump}";
        jsgt32_imm(dst: u8, imm: i32, off: i16) = 0x66 {} Form::JumpIf(Cond::Sgt, W32, Imm), Base32, "if {wdst} s> {imm} goto {jump}", "jsgt32 {dst}, {imm}, {jump}";
        jsgt32_reg(dst: u8, src: u8, off: i16) = 0x6e {} Form::JumpIf(Cond::Sgt, W32, Reg), Base32, "if {wdst} s> {wsrc} goto {jump}", "jsgt32 {dst}, {src}, {jump}";
        jsge_imm(dst: u8, imm: i32, off: i16) = 0x75 {} Form::JumpIf(Cond::Sge, W64, Imm), Base64, "if {dst} s>= {imm} goto {jump}", "jsge {dst}, {imm}, {jump}";
        jsge_reg(dst: u8, src: u8, off: i16) = 0x7d {} Form::JumpIf(Cond::Sge, W64, Reg), Base64, "if {dst} s>= {src} goto {jump}", "jsge {dst}, {src}, {jump}";
        jsge32_imm(dst: u8, imm: i32, off: i16) = 0x76 {} Form::JumpIf(Cond::Sge, W32, Imm), Base32, "if {wdst} s>= {imm} goto {jump}", "jsge32 {dst}, {imm}, {jump}";
        jsge32_reg(dst: u8, src: u8, off: i16) = 0x7e {} Form::JumpIf(Cond::Sge, W32, Reg), Base32, "if {wdst} s>= {wsrc} goto {jump}", "jsge32 {dst}, {src}, {jump}";
        jslt_imm(dst: u8, imm: i32, off: i16) = 0xc5 {} Form::JumpIf(Cond::Slt, W64, Imm), Base64, "if {dst} s< {imm} goto {jump}", "jslt {dst}, {imm}, {jump}";
        jslt_reg(dst: u8, src: u8, off: i16) = 0xcd {} Form::JumpIf(Cond::Slt, W64, Reg), Base64, "if {dst} s< {src} goto {jump}", "jslt {dst}, {src}, {jump}";
        jslt32_imm(dst: u8, imm: i32, off: i16) = 0xc6 {} Form::JumpIf(Cond::Slt, W32, Imm), Base32, "if {wdst} s< {imm} goto {jump}", "jslt32 {dst}, {imm}, {jump}";
        jslt32_reg(dst: u8, src: u8, off: i16) = 0xce {} Form::JumpIf(Cond::Slt, W32, Reg), Base32, "if {wdst} s< {wsrc} goto {jump}", "jslt32 {dst}, {src}, {jump}";
        jsle_imm(dst: u8, imm: i32, off: i16) = 0xd5 {} Form::JumpIf(Cond::Sle, W64, Imm), Base64, "if {dst} s<= {imm} goto {jump}", "jsle {dst}, {imm}, {jump}";
        jsle_reg(dst: u8, src: u8, off: i16) = 0xdd {} Form::JumpIf(Cond::Sle, W64, Reg), Base64, "if {dst} s<= {src} goto {jump}", "jsle {dst}, {src}, {jump}";
        jsle32_imm(dst: u8, imm: i32, off: i16) = 0xd6 {} Form::JumpIf(Cond::Sle, W32, Imm), Base32, "if {wdst} s<= {imm} goto {jump}", "jsle32 {dst}, {imm}, {jump}";
        jsle32_reg(dst: u8, src: u8, off: i16) = 0xde {} Form::JumpIf(Cond::Sle, W32, Reg), Base32, "if {wdst} s<= {wsrc} goto {jump}", "jsle32 {dst}, {src}, {jump}";
        call(imm: i32) = 0x85 {} Form::CallHelper, Base32, "call {helper}", "call {helper}";
        call_local(imm: i32) = 0x85 { src: 1 } Form::CallLocal, Base32, "call {local}", "call local {jump32}";
        call_kfunc(imm: i32) = 0x85 { src: 2 } Form::CallKfunc, Base32, "call kfunc#{imm}", "call kfunc {imm}";
        exit() = 0x95 {} Form::Exit, Base32, "exit", "exit";
    }
}

pub use rows::INSTRUCTION_SET;
