//! How instructions are put into bytes: prefixes, opcode, operands,
//! displacement, immediate.

use bpf_bytecode::opcode::Width;

use super::buffer::{CodeBuffer, Part};

/// A place in memory, `[base + index << scale + disp]`. Registers are the
/// CPU's, by number; `rsp` is no index.
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

    /// The same in the shortest form: `rbp` and `r13` cannot be a base without a
    /// displacement, but an index.
    #[inline]
    fn shortest(self) -> Self {
        match self {
            Self { base, index: Some((index, 0)), disp: 0 } if base & 7 == 5 && index & 7 != 5 => {
                Self { base: index, index: Some((base, 0)), disp: 0 }
            }
            _ => self,
        }
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

/// For a register operand, in the upper half of the index, and another one: in the lowest byte
/// what the prefix `rex` has of them, in the third what names them behind an opcode.
#[allow(clippy::indexing_slicing, reason = "evaluated at build time")]
static REGISTERS: [u32; 256] = {
    let (mut named, mut both) = ([0; 256], 0_u32);
    while both < 256 {
        let (reg, rm) = (both >> 4, both & 15);
        let (rex, operands) = (reg >> 3 << 2 | rm >> 3, 0xc0 | (reg & 7) << 3 | rm & 7);
        named[both as usize] = rex | operands << 16;
        both += 1;
    }
    named
};

/// An immediate behind the operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Imm {
    None,
    Byte(i8),
    Word(i16),
    Dword(i32),
}

/// An opcode with what stands in front of it, and which operands are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opcode {
    /// The bytes behind the prefixes, the first in the lowest place.
    code: u32,
    bits: u8,
    /// 0, or 0x66, 0xf0, 0xf2, 0xf3, in front of everything else.
    prefix: u8,
    /// The registers that are bytes: `spl` to `dil` want a prefix.
    bytes: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bytes {
    Neither,
    Reg,
    Rm,
}

impl Opcode {
    pub(super) const fn one(code: u8) -> Self {
        Self { code: code as u32, bits: 8, prefix: 0, bytes: Bytes::Neither }
    }

    /// On the page `0f`.
    pub(super) const fn two(code: u8) -> Self {
        Self { code: (code as u32) << 8 | 0x0f, bits: 16, ..Self::one(code) }
    }

    /// On the page `0f 38`.
    pub(super) const fn three(code: u8) -> Self {
        Self { code: (code as u32) << 16 | 0x380f, bits: 24, ..Self::one(code) }
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

impl Opcode {
    /// Whether nothing stands in front of it but what the registers and the width say.
    #[inline(always)]
    const fn is_plain(self) -> bool {
        self.prefix == 0 && matches!(self.bytes, Bytes::Neither)
    }

    /// The same, where the other operand is no register.
    #[inline(always)]
    const fn is_plain_on_memory(self) -> bool {
        self.prefix == 0 && !matches!(self.bytes, Bytes::Reg)
    }

    #[inline]
    const fn part(self) -> Part {
        Part { bytes: self.code as u64, bits: self.bits as u32 }
    }

    /// With what names its operands, and with a prefix `rex`, be it empty.
    #[inline(always)]
    const fn on_named(self, width: Width, named: u32) -> Part {
        let prefix = 0x40 | (wide(width) as u64) << 3;
        if self.bits == 8 {
            let bytes = named as u64 | (self.code as u64) << 8 | prefix;
            return Part { bytes, bits: 24 };
        }
        let head = named as u64 & 0xff | prefix | (self.code as u64) << 8;
        let bits = (self.bits as u32).wrapping_add(8);
        Part { bytes: head, bits }.and(named as u64 >> 16, 8)
    }
}

/// See [`REGISTERS`].
#[inline(always)]
fn named(reg: u8, rm: u8) -> u32 {
    REGISTERS.get(usize::from(reg << 4 | rm)).copied().unwrap_or(0)
}

/// What may be set in a prefix `rex`.
const REX: u64 = 0x0f;

impl Part {
    /// The same of another length.
    #[inline(always)]
    const fn with_bits(self, bits: u32) -> Self {
        Self { bits, ..self }
    }

    /// Without its prefix `rex` if that is empty.
    #[inline(always)]
    const fn shortest(self) -> Self {
        let empty = if self.bytes & REX == 0 { 8 } else { 0 };
        Self { bytes: self.bytes >> empty, bits: self.bits.wrapping_sub(empty) }
    }

    /// Behind the prefix with the width and the registers' high bits, if they ask for it.
    #[inline]
    const fn behind_rex(self, rex: u8) -> Self {
        if rex == 0 {
            return self;
        }
        Self { bytes: self.bytes << 8 | 0x40 | rex as u64, bits: self.bits.wrapping_add(8) }
    }
}

/// Of 16-bit operands.
pub(super) const OPERAND_16: u8 = 0x66;
/// Of an atomic instruction.
pub(super) const LOCK: u8 = 0xf0;

/// The displacement of a place whose base has these three low bits, and how it is said
/// that there is one.
#[inline]
fn displacement(disp: i32, low: u8) -> (u8, Part) {
    match i8::try_from(disp) {
        // `rbp` and `r13` without a displacement mean something else.
        Ok(0) if low != 5 => (0x00, Part::EMPTY),
        Ok(disp) => (0x40, Part { bytes: disp.cast_unsigned().into(), bits: 8 }),
        Err(_) => (0x80, Part { bytes: disp.cast_unsigned().into(), bits: 32 }),
    }
}

/// What names a register operand and a place in memory: the prefix `rex` with the high bits
/// of the place's registers, the bytes behind the opcode, the displacement behind these.
type Named = (u8, Part, Part);

#[inline(always)]
fn place_of(rex: u8, reg: u8, mem: Mem) -> Named {
    if mem.index.is_none() { on_base(rex, reg, mem) } else { on_index(rex, reg, mem) }
}

/// Of a place without an index.
#[inline(always)]
fn on_base(rex: u8, reg: u8, mem: Mem) -> Named {
    let low = mem.base & 7;
    let (mode, disp) = displacement(mem.disp, low);
    let named = u64::from(mode | (reg & 7) << 3 | low);
    // `rsp` and `r12` say that there is an index; here there is none.
    let place = match low {
        4 => Part { bytes: 0x2400 | named, bits: 16 },
        _ => Part { bytes: named, bits: 8 },
    };
    (rex | mem.base >> 3, place, disp)
}

#[inline(always)]
fn on_index(rex: u8, reg: u8, mem: Mem) -> Named {
    let Mem { base, index, disp } = mem.shortest();
    let (index, scale) = index.unwrap_or_default();
    let (mode, disp) = displacement(disp, base & 7);
    let place = Part { bytes: indexed(mode, reg, base, (index, scale)), bits: 16 };
    (rex | index >> 3 << 1 | base >> 3, place, disp)
}

/// What names a register and a place with an index, whose distance is said as by `mode`.
#[inline(always)]
fn indexed(mode: u8, reg: u8, base: u8, (index, scale): (u8, u8)) -> u64 {
    let sib = u64::from(scale << 6 | (index & 7) << 3 | base & 7);
    sib << 8 | u64::from(mode | (reg & 7) << 3 | 4)
}

const fn wide(width: Width) -> u8 {
    match width {
        Width::W64 => 1,
        Width::W32 => 0,
    }
}

impl Imm {
    #[inline]
    const fn part(self) -> Part {
        match self {
            Self::None => Part::EMPTY,
            Self::Byte(imm) => Part { bytes: imm.cast_unsigned() as u64, bits: 8 },
            Self::Word(imm) => Part { bytes: imm.cast_unsigned() as u64, bits: 16 },
            Self::Dword(imm) => Part { bytes: imm.cast_unsigned() as u64, bits: 32 },
        }
    }
}

impl CodeBuffer {
    /// An instruction with a register (or the digit that stands in its place)
    /// and a register or a place in memory.
    #[inline(always)]
    pub(super) fn insn(&mut self, op: Opcode, width: Width, reg: u8, rm: Rm, imm: Imm) {
        match rm {
            // Where it is known what stands in front of an opcode, so is the way.
            Rm::Reg(rm) if op.is_plain() => self.on_registers(op, width, reg, rm, imm.part()),
            Rm::Reg(rm) => self.on_bytes(op, width, reg, rm, imm.part()),
            Rm::Mem(Mem { base, index: None, disp })
                if op.is_plain_on_memory() && imm == Imm::None =>
            {
                self.on_based_memory(op, width, reg, (base, disp));
            }
            Rm::Mem(mem) if op.is_plain_on_memory() && imm == Imm::None => {
                self.on_indexed_memory(op, width, reg, mem, Part::EMPTY);
            }
            Rm::Mem(mem) if op.is_plain_on_memory() => {
                self.on_other_memory(op, width, reg, mem, imm.part());
            }
            Rm::Mem(mem) => self.on_byte_memory(op, width, reg, mem, imm.part()),
        }
    }

    /// Of these, with all that stands in front and behind, none has more than eight bytes.
    fn on_registers(&mut self, op: Opcode, width: Width, reg: u8, rm: u8, imm: Part) {
        self.put_part(op.on_named(width, named(reg, rm)).and(imm.bytes, imm.bits).shortest());
    }

    /// Most places are near what is in a register, and need nothing else.
    #[inline(never)]
    fn on_based_memory(&mut self, op: Opcode, width: Width, reg: u8, (base, disp): (u8, i32)) {
        match i8::try_from(disp) {
            Ok(near) if near != 0 && base & 7 != 4 => {
                if op.bits != 8 {
                    return self.on_near_memory(op, width, reg, (base, near));
                }
                // Where an opcode is one byte, each part has its place.
                let near = u32::from(near.cast_unsigned()) << 24;
                let named = (named(reg, base) ^ 0x80_0000) | near;
                self.put_part(op.on_named(width, named).with_bits(32).shortest());
            }
            Ok(0) if base & 7 != 4 && base & 7 != 5 => self.on_register(op, width, reg, base),
            _ => self.on_other_memory(op, width, reg, Mem::new(base, disp), Part::EMPTY),
        }
    }

    /// Of a place near what is in a register.
    #[inline(never)]
    fn on_near_memory(&mut self, op: Opcode, width: Width, reg: u8, (base, near): (u8, i8)) {
        let named = named(reg, base) ^ 0x80_0000;
        let near = u64::from(near.cast_unsigned());
        self.put_part(op.on_named(width, named).and(near, 8).shortest());
    }

    /// Of the place that a register holds.
    #[inline(never)]
    fn on_register(&mut self, op: Opcode, width: Width, reg: u8, base: u8) {
        self.put_part(op.on_named(width, named(reg, base) ^ 0xc0_0000).shortest());
    }

    #[inline(never)]
    fn on_other_memory(&mut self, op: Opcode, width: Width, reg: u8, mem: Mem, imm: Part) {
        if mem.index.is_some() {
            return self.on_indexed_memory(op, width, reg, mem, imm);
        }
        self.plain(op, on_base(wide(width) << 3 | reg >> 3 << 2, reg, mem), imm);
    }

    /// By itself, as most places have no index. Of those that have one most have no distance.
    #[inline(never)]
    fn on_indexed_memory(&mut self, op: Opcode, width: Width, reg: u8, mem: Mem, imm: Part) {
        let Mem { base, index: Some((index, scale)), disp: 0 } = mem else {
            return self.on_distant_memory(op, width, reg, mem, imm);
        };
        if base & 7 == 5 || imm.bits != 0 {
            return self.on_distant_memory(op, width, reg, mem, imm);
        }
        let rex = wide(width) << 3 | reg >> 3 << 2 | index >> 3 << 1 | base >> 3;
        let place = indexed(0x00, reg, base, (index, scale));
        self.put_part(op.part().and(place, 16).behind_rex(rex));
    }

    #[inline(never)]
    fn on_distant_memory(&mut self, op: Opcode, width: Width, reg: u8, mem: Mem, imm: Part) {
        self.plain(op, on_index(wide(width) << 3 | reg >> 3 << 2, reg, mem), imm);
    }

    #[inline(always)]
    fn plain(&mut self, op: Opcode, (rex, place, disp): Named, imm: Part) {
        let head = op.part().and(place.bytes, place.bits).behind_rex(rex);
        self.put_parts(head, disp.and(imm.bytes, imm.bits));
    }

    /// With a prefix, or a register of which a byte is meant.
    fn on_bytes(&mut self, op: Opcode, width: Width, reg: u8, rm: u8, imm: Part) {
        let rex = wide(width) << 3 | reg >> 3 << 2 | rm >> 3;
        let byte = match op.bytes {
            Bytes::Neither => 0,
            Bytes::Reg => reg,
            Bytes::Rm => rm,
        };
        let operands = u64::from(0xc0 | (reg & 7) << 3 | rm & 7);
        self.put_parts(head(op, rex, byte).and(operands, 8), imm);
    }

    fn on_byte_memory(&mut self, op: Opcode, width: Width, reg: u8, mem: Mem, imm: Part) {
        let rex = wide(width) << 3 | reg >> 3 << 2;
        let (rex, place, disp) = place_of(rex, reg, mem);
        let byte = if op.bytes == Bytes::Reg { reg } else { 0 };
        let head = head(op, rex, byte).and(place.bytes, place.bits);
        self.put_parts(head, disp.and(imm.bytes, imm.bits));
    }

    /// `op reg, rm, other` of the extensions with three operands, on the page
    /// `0f 38` (2) or `0f 3a` (3), with a prefix by number.
    pub(super) fn three(
        &mut self,
        (page, prefix, code): (u8, u8, u8),
        width: Width,
        reg: u8,
        other: u8,
        rm: u8,
        imm: Imm,
    ) {
        let second = (reg >> 3 ^ 1) << 7 | 1 << 6 | (rm >> 3 ^ 1) << 5 | page;
        let third = wide(width) << 7 | (other ^ 15) << 3 | prefix;
        let operands = 0xc0 | (reg & 7) << 3 | rm & 7;
        let head = u64::from_le_bytes([0xc4, second, third, code, operands, 0, 0, 0]);
        self.put_parts(Part { bytes: head, bits: 40 }, imm.part());
    }

    /// An instruction whose opcode holds its register, `code + reg`.
    pub(super) fn short(&mut self, page: bool, code: u8, width: Width, reg: u8, imm: Part) {
        let op = if page { Opcode::two(code | reg & 7) } else { Opcode::one(code | reg & 7) };
        self.put_parts(head(op, wide(width) << 3 | reg >> 3, 0), imm);
    }
}

/// Prefixes and opcode; `rex` are the low bits of the prefix that has the width and the
/// registers' high bits, `byte` is a register of which one byte is meant.
#[inline]
fn head(op: Opcode, rex: u8, byte: u8) -> Part {
    let mut head = op.part();
    if rex != 0 || byte >= 4 {
        head = Part { bytes: (0x40 | rex).into(), bits: 8 }.and(head.bytes, head.bits);
    }
    if op.prefix != 0 {
        head = Part { bytes: op.prefix.into(), bits: 8 }.and(head.bytes, head.bits);
    }
    head
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use iced_x86::{Decoder, DecoderOptions, Encoder, Instruction, OpKind, Register};

    use super::*;

    const DISTANCES: [i32; 11] = [0, 1, -1, 127, 128, -128, -129, 8, 255, i32::MAX, i32::MIN];

    /// An instruction that is encoded as another assembler does it.
    fn decoded(op: Opcode, width: Width, reg: u8, rm: Rm, imm: Imm) -> Instruction {
        let mut code = CodeBuffer::default();
        code.begin(64, 0);
        code.insn(op, width, reg, rm, imm);
        let insn = Decoder::with_ip(64, code.code(), 0, DecoderOptions::NONE).decode();
        let what = (op, width, reg, rm, imm);
        assert_eq!((insn.is_invalid(), insn.len()), (false, code.code().len()), "{what:?}");
        let mut encoder = Encoder::new(64);
        assert_eq!(encoder.encode(&insn, 0).ok(), Some(insn.len()), "{what:?}");
        assert_eq!(encoder.take_buffer(), code.code(), "{what:?}");
        insn
    }

    /// The widths of an instruction that means something in them.
    fn widths(op: Opcode) -> &'static [Width] {
        if op.prefix == 0 && op.bytes != Bytes::Reg {
            &[Width::W32, Width::W64]
        } else {
            &[Width::W32]
        }
    }

    fn number(register: Register) -> u8 {
        u8::try_from(register.full_register().number()).unwrap_or(u8::MAX)
    }

    fn all_places() -> impl Iterator<Item = Mem> {
        let indices = (0..16).filter(|index| *index != 4);
        let indices = indices.flat_map(|index| [0, 3].map(|scale| Some((index, scale))));
        let indices = core::iter::once(None).chain(indices);
        indices.flat_map(|index| {
            (0..16).flat_map(move |base| DISTANCES.map(|disp| Mem { base, index, disp }))
        })
    }

    /// What an instruction finds in memory.
    fn place_in(insn: &Instruction) -> Mem {
        let index = insn.memory_index();
        let scale = u8::try_from(insn.memory_index_scale().trailing_zeros()).unwrap_or(u8::MAX);
        let index = (index != Register::None).then(|| (number(index), scale));
        let disp = i32::try_from(insn.memory_displacement64().cast_signed()).unwrap_or_default();
        Mem { base: number(insn.memory_base()), index, disp }
    }

    #[test]
    fn registers_are_named() {
        let (plain, none) = (Opcode::one(0x8b), Imm::None);
        let cases = [
            (plain, none),
            (Opcode::two(0xaf), none),
            (Opcode::one(0x69), Imm::Dword(-70_000)),
            (Opcode::one(0x6b), Imm::Byte(-7)),
            (plain.prefixed(OPERAND_16), none),
            (Opcode::two(0xb6).byte_rm(), none),
            (Opcode::one(0x8a).byte_reg(), none),
        ];
        for (op, imm) in cases {
            for (reg, rm) in (0..16).flat_map(|reg| (0..16).map(move |rm| (reg, rm))) {
                for &width in widths(op) {
                    if op.bytes == Bytes::Reg && (4..8).contains(&rm) {
                        // `8a` has two operands of bytes, of which one is said to be.
                        continue;
                    }
                    let insn = decoded(op, width, reg, Rm::Reg(rm), imm);
                    let registers = [0, 1].map(|at| insn.op_register(at));
                    assert_eq!(registers.map(number), [reg, rm], "{op:?} {width:?}");
                    let size = match (op.prefix, op.bytes, width) {
                        (OPERAND_16, _, Width::W32) => 2,
                        (_, Bytes::Reg, _) => 1,
                        (_, _, Width::W32) => 4,
                        (_, _, Width::W64) => 8,
                    };
                    let [first, _] = registers;
                    assert_eq!(first.size(), size, "{op:?} {width:?}");
                }
            }
        }
    }

    #[test]
    fn places_are_named() {
        let cases = [
            (Opcode::one(0x8b), Imm::None),
            (Opcode::two(0xaf), Imm::None),
            (Opcode::three(0xf0), Imm::None),
            (Opcode::two(0xb6).byte_rm(), Imm::None),
            (Opcode::one(0x8a).byte_reg(), Imm::None),
            (Opcode::one(0x8b).prefixed(OPERAND_16), Imm::None),
            (Opcode::one(0x69), Imm::Dword(1 << 30)),
        ];
        for (op, imm) in cases {
            for (at, mem) in all_places().enumerate() {
                // Each register with each base, index and distance takes too long.
                let some = u8::try_from(at % 16).unwrap_or_default();
                for reg in [some, some ^ 4, some ^ 8] {
                    for &width in widths(op) {
                        let insn = decoded(op, width, reg, Rm::Mem(mem), imm);
                        assert_eq!(number(insn.op0_register()), reg, "{op:?} {width:?} {mem:?}");
                        assert_eq!(insn.op1_kind(), OpKind::Memory);
                        assert_eq!(place_in(&insn), mem.shortest(), "{op:?} {width:?}");
                    }
                }
            }
        }
    }
}
