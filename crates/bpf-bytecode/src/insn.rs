//! The encoded instruction.

mod flow;
mod usage;

use core::fmt;

pub use usage::RegisterUse;

/// One 8-byte slot of a program: a whole instruction, or one half of a 64-bit
/// immediate load.
///
/// The constructors of every instruction are in [`table`](crate::table); they
/// take register numbers and never fail. A number above 10 is kept as invalid
/// and refused by [`ProgramBuilder::build`](crate::ProgramBuilder::build).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(C)]
pub struct BpfInsn {
    code: u8,
    /// Destination in the low four bits, source in the high four.
    regs: u8,
    off: i16,
    imm: i32,
}

const _: () = assert!(size_of::<BpfInsn>() == 8);

impl BpfInsn {
    /// The slot with these fields, whether it means anything or not.
    pub const fn new(code: u8, dst: u8, src: u8, off: i16, imm: i32) -> Self {
        Self { code, regs: nibble(dst) | (nibble(src) << 4), off, imm }
    }

    /// The opcode byte.
    #[inline]
    pub const fn code(self) -> u8 {
        self.code
    }

    /// Number in the destination field, 0 to 15.
    #[inline]
    pub const fn dst(self) -> u8 {
        self.regs & 0xf
    }

    /// Number in the source field, 0 to 15.
    #[inline]
    pub const fn src(self) -> u8 {
        self.regs >> 4
    }

    /// The offset field.
    #[inline]
    pub const fn off(self) -> i16 {
        self.off
    }

    /// The immediate field.
    #[inline]
    pub const fn imm(self) -> i32 {
        self.imm
    }

    /// The same slot with another offset.
    #[must_use]
    pub const fn with_off(self, off: i16) -> Self {
        Self { off, ..self }
    }

    /// The same slot with another immediate.
    #[must_use]
    pub const fn with_imm(self, imm: i32) -> Self {
        Self { imm, ..self }
    }

    /// The same slot with another source field.
    #[must_use]
    pub const fn with_src(self, src: u8) -> Self {
        Self::new(self.code, self.dst(), src, self.off, self.imm)
    }

    /// Little-endian wire form, as in an object for the target `bpfel`.
    pub const fn to_bytes(self) -> [u8; 8] {
        let [o0, o1] = self.off.to_le_bytes();
        let [i0, i1, i2, i3] = self.imm.to_le_bytes();
        [self.code, self.regs, o0, o1, i0, i1, i2, i3]
    }

    /// The slot of a little-endian wire form.
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        let [code, regs, o0, o1, i0, i1, i2, i3] = bytes;
        Self {
            code,
            regs,
            off: i16::from_le_bytes([o0, o1]),
            imm: i32::from_le_bytes([i0, i1, i2, i3]),
        }
    }

    /// The two slots of a 64-bit immediate load. `src` says what the value
    /// means: 0 a number; see [`Imm64`](crate::instruction::Imm64).
    pub const fn ld_imm64_pair(dst: u8, src: u8, low: i32, high: i32) -> [Self; 2] {
        [Self::new(0x18, dst, src, 0, low), Self::new(0, 0, 0, 0, high)]
    }

    /// `dst = value ll`
    #[allow(clippy::cast_possible_truncation, reason = "split into halves")]
    pub const fn ld_imm64(dst: u8, value: u64) -> [Self; 2] {
        Self::ld_imm64_pair(dst, 0, value as i32, (value >> 32) as i32)
    }

    /// `dst =` the map behind a file descriptor
    pub const fn ld_map_fd(dst: u8, fd: i32) -> [Self; 2] {
        Self::ld_imm64_pair(dst, 1, fd, 0)
    }

    /// `dst =` address of byte `offset` of the only value of the map behind a
    /// file descriptor
    pub const fn ld_map_fd_value(dst: u8, fd: i32, offset: u32) -> [Self; 2] {
        Self::ld_imm64_pair(dst, 2, fd, offset.cast_signed())
    }

    /// `dst =` address of the platform's variable number `id`
    pub const fn ld_var(dst: u8, id: i32) -> [Self; 2] {
        Self::ld_imm64_pair(dst, 3, id, 0)
    }

    /// `dst =` address of a function of the program; `distance` is counted in
    /// slots from the second slot of this instruction
    pub const fn ld_code(dst: u8, distance: i32) -> [Self; 2] {
        Self::ld_imm64_pair(dst, 4, distance, 0)
    }

    /// `dst =` the map of the program's definition number `index`
    pub const fn ld_map(dst: u8, index: u32) -> [Self; 2] {
        Self::ld_imm64_pair(dst, 5, index.cast_signed(), 0)
    }

    /// `dst =` address of byte `offset` of the only value of the program's map
    /// definition number `index`
    pub const fn ld_map_value(dst: u8, index: u32, offset: u32) -> [Self; 2] {
        Self::ld_imm64_pair(dst, 6, index.cast_signed(), offset.cast_signed())
    }
}

/// A register number as the four bits that hold it; what does not fit becomes
/// 15, which names no register.
const fn nibble(number: u8) -> u8 {
    if number > 0xf { 0xf } else { number }
}

impl fmt::Debug for BpfInsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "BpfInsn(code {:#04x}, dst {}, src {}, off {}, imm {})",
            self.code,
            self.dst(),
            self.src(),
            self.off,
            self.imm
        )
    }
}
