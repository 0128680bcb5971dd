//! How instructions are put into bytes: prefixes, opcode, operands,
//! displacement, immediate.

use bpf_bytecode::opcode::Width;

use super::buffer::CodeBuffer;

/// A place in memory, `[base + index << scale + disp]`. Registers are the
/// CPU's, by number; `rsp` and `r12` are no index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mem {
    pub(super) base: u8,
    /// Register and the shift of its value, 0 to 3.
    pub(super) index: Option<(u8, u8)>,
    pub(super) disp: i32,
}

impl Mem {
    pub(super) const fn new(base: u8, disp: i32) -> Self {
        Self { base, index: None, disp }
    }
}

/// A second operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Reg(u8),
    Imm(i32),
    Mem(Mem),
}

/// What stands where a register or a place in memory may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rm {
    Reg(u8),
    Mem(Mem),
}

/// An immediate behind the operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Imm {
    None,
    Byte(i8),
    Word(i16),
    Dword(i32),
}

/// An opcode: the page it is on, a prefix, and which operands are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opcode {
    code: u8,
    /// 0, or 0x66, 0xf0, 0xf2, 0xf3, in front of everything else.
    prefix: u8,
    page: Page,
    /// The registers that are bytes: `spl` to `dil` want a prefix.
    bytes: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    One,
    /// `0f`
    Two,
    /// `0f 38`
    Three,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bytes {
    Neither,
    Reg,
    Rm,
}

impl Opcode {
    pub(super) const fn one(code: u8) -> Self {
        Self { code, prefix: 0, page: Page::One, bytes: Bytes::Neither }
    }

    pub(super) const fn two(code: u8) -> Self {
        Self { page: Page::Two, ..Self::one(code) }
    }

    pub(super) const fn three(code: u8) -> Self {
        Self { page: Page::Three, ..Self::one(code) }
    }

    /// With a prefix: of 16-bit operands, or a lock.
    pub(super) const fn prefixed(self, prefix: u8) -> Self {
        Self { prefix, ..self }
    }

    /// The register operand is a byte.
    pub(super) const fn byte_reg(self) -> Self {
        Self { bytes: Bytes::Reg, ..self }
    }

    /// The other operand, if a register, is a byte.
    pub(super) const fn byte_rm(self) -> Self {
        Self { bytes: Bytes::Rm, ..self }
    }
}

/// Of 16-bit operands.
pub(super) const OPERAND_16: u8 = 0x66;
/// Of an atomic instruction.
pub(super) const LOCK: u8 = 0xf0;

/// The bytes of one instruction, the first in the lowest place: prefixes, opcode
/// and what names the operands, eight at the most; then displacement and
/// immediate.
#[derive(Clone, Copy)]
struct Encoded {
    head: Part,
    tail: Part,
}

/// At most eight bytes.
#[derive(Clone, Copy)]
struct Part {
    bytes: u64,
    bits: u32,
}

impl Part {
    const EMPTY: Self = Self { bytes: 0, bits: 0 };

    #[inline]
    fn push(&mut self, byte: u8) {
        self.add(byte.into(), 8);
    }

    #[inline]
    fn add(&mut self, bytes: u64, bits: u32) {
        self.bytes |= bytes.wrapping_shl(self.bits);
        self.bits = self.bits.wrapping_add(bits);
    }
}

impl Encoded {
    const EMPTY: Self = Self { head: Part::EMPTY, tail: Part::EMPTY };

    #[inline]
    fn push(&mut self, byte: u8) {
        self.head.push(byte);
    }

    /// The bytes that say what the operands are.
    #[inline]
    fn operands(&mut self, reg: u8, rm: Rm) {
        let reg = (reg & 7) << 3;
        let Mem { base, index, disp } = match rm {
            Rm::Reg(rm) => return self.push(0xc0 | reg | rm & 7),
            Rm::Mem(mem) => mem,
        };
        // `rbp` and `r13` without a displacement mean something else.
        let (mode, bits) = match i8::try_from(disp) {
            Ok(0) if base & 7 != 5 => (0x00, 0),
            Ok(_) => (0x40, 8),
            Err(_) => (0x80, 32),
        };
        match index {
            Some((index, scale)) => {
                self.push(mode | reg | 4);
                self.push(scale << 6 | (index & 7) << 3 | base & 7);
            }
            // `rsp` and `r12` say that there is an index; here there is none.
            None if base & 7 == 4 => {
                self.push(mode | reg | 4);
                self.push(0x20 | base & 7);
            }
            None => self.push(mode | reg | base & 7),
        }
        let disp = u64::from(disp.cast_unsigned());
        self.tail.add(disp & 1_u64.wrapping_shl(bits).wrapping_sub(1), bits);
    }

    #[inline]
    fn immediate(&mut self, imm: Imm) {
        match imm {
            Imm::None => {}
            Imm::Byte(imm) => self.tail.push(imm.cast_unsigned()),
            Imm::Word(imm) => self.tail.add(imm.cast_unsigned().into(), 16),
            Imm::Dword(imm) => self.tail.add(imm.cast_unsigned().into(), 32),
        }
    }
}

/// The high bits of an instruction's registers: of `reg`, of the index, of
/// what stands in `rm`.
const fn high(reg: u8, rm: Rm) -> (u8, u8, u8) {
    match rm {
        Rm::Reg(rm) => (reg >> 3, 0, rm >> 3),
        Rm::Mem(Mem { base, index: Some((index, _)), .. }) => (reg >> 3, index >> 3, base >> 3),
        Rm::Mem(Mem { base, index: None, .. }) => (reg >> 3, 0, base >> 3),
    }
}

impl CodeBuffer {
    /// An instruction with a register (or the digit that stands in its place)
    /// and a register or a place in memory.
    #[inline]
    pub(super) fn insn(&mut self, op: Opcode, width: Width, reg: u8, rm: Rm, imm: Imm) {
        let mut out = Encoded::EMPTY;
        if op.prefix != 0 {
            out.push(op.prefix);
        }
        let (r, x, b) = high(reg, rm);
        let wide = u8::from(width == Width::W64);
        let rex = wide << 3 | r << 2 | x << 1 | b;
        let byte = match (op.bytes, rm) {
            (Bytes::Reg, _) => reg,
            (Bytes::Rm, Rm::Reg(rm)) => rm,
            _ => 0,
        };
        if rex != 0 || byte >= 4 {
            out.push(0x40 | rex);
        }
        match op.page {
            Page::One => {}
            Page::Two => out.push(0x0f),
            Page::Three => {
                out.push(0x0f);
                out.push(0x38);
            }
        }
        out.push(op.code);
        out.operands(reg, rm);
        out.immediate(imm);
        self.put_parts(out.head.bytes, out.head.bits / 8, out.tail.bytes, out.tail.bits / 8);
    }

    /// `op reg, rm, other` of the extensions with three operands, on the page
    /// `0f 38` (2) or `0f 3a` (3), with a prefix by number.
    pub(super) fn three(
        &mut self,
        (page, prefix, code): (u8, u8, u8),
        width: Width,
        reg: u8,
        other: u8,
        rm: Rm,
        imm: Imm,
    ) {
        let mut out = Encoded::EMPTY;
        let (r, x, b) = high(reg, rm);
        let wide = u8::from(width == Width::W64);
        out.push(0xc4);
        out.push((r ^ 1) << 7 | (x ^ 1) << 6 | (b ^ 1) << 5 | page);
        out.push(wide << 7 | (other ^ 15) << 3 | prefix);
        out.push(code);
        out.operands(reg, rm);
        out.immediate(imm);
        self.put_parts(out.head.bytes, out.head.bits / 8, out.tail.bytes, out.tail.bits / 8);
    }

    /// An instruction whose opcode holds its register, `code + reg`.
    pub(super) fn short(&mut self, page: bool, code: u8, width: Width, reg: u8) {
        let mut out = Encoded::EMPTY;
        let rex = u8::from(width == Width::W64) << 3 | reg >> 3;
        if rex != 0 {
            out.push(0x40 | rex);
        }
        if page {
            out.push(0x0f);
        }
        out.push(code | reg & 7);
        self.put_parts(out.head.bytes, out.head.bits / 8, out.tail.bytes, out.tail.bits / 8);
    }
}
