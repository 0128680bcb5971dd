//! Opcode classes, operations, conditions and widths.

/// The three low bits of an opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Class {
    /// Loads of immediates and of packet bytes.
    Ld = 0,
    /// Loads from memory to a register.
    Ldx = 1,
    /// Stores of an immediate to memory.
    St = 2,
    /// Stores of a register to memory; atomics.
    Stx = 3,
    /// 32-bit arithmetic.
    Alu = 4,
    /// Jumps with 64-bit operands.
    Jmp = 5,
    /// Jumps with 32-bit operands.
    Jmp32 = 6,
    /// 64-bit arithmetic.
    Alu64 = 7,
}

impl Class {
    /// The class of an opcode.
    pub const fn of(code: u8) -> Self {
        match code & 7 {
            0 => Self::Ld,
            1 => Self::Ldx,
            2 => Self::St,
            3 => Self::Stx,
            4 => Self::Alu,
            5 => Self::Jmp,
            6 => Self::Jmp32,
            _ => Self::Alu64,
        }
    }
}

/// Width of an operation on registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    /// The low half; the high half of the result is zero.
    W32,
    /// The whole register.
    W64,
}

impl Width {
    /// Width in bits.
    #[inline]
    pub const fn bits(self) -> u32 {
        match self {
            Self::W32 => 32,
            Self::W64 => 64,
        }
    }
}

/// Size of an access to memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Size {
    /// One byte, `u8`.
    B,
    /// Two bytes, `u16`.
    H,
    /// Four bytes, `u32`.
    W,
    /// Eight bytes, `u64`.
    Dw,
}

impl Size {
    /// Size in bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::B => 1,
            Self::H => 2,
            Self::W => 4,
            Self::Dw => 8,
        }
    }

    /// Size in bits.
    #[inline]
    pub const fn bits(self) -> u32 {
        match self {
            Self::B => 8,
            Self::H => 16,
            Self::W => 32,
            Self::Dw => 64,
        }
    }
}

/// Arithmetic on two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AluOp {
    /// Wrapping addition.
    Add,
    /// Wrapping subtraction.
    Sub,
    /// Wrapping multiplication.
    Mul,
    /// Unsigned division; by zero gives 0.
    Div,
    /// Signed division, truncating; by zero gives 0, MIN by -1 gives MIN.
    Sdiv,
    /// Unsigned remainder; by zero leaves the destination (its low half, zero-
    /// extended, at 32 bits).
    Mod,
    /// Signed remainder with the dividend's sign; by zero leaves the destination
    /// (its low half, zero-extended, at 32 bits), MIN by -1 gives 0.
    Smod,
    /// Bitwise or.
    Or,
    /// Bitwise and.
    And,
    /// Bitwise exclusive or.
    Xor,
    /// Shift left, count masked to the width.
    Lsh,
    /// Logical shift right, count masked to the width.
    Rsh,
    /// Arithmetic shift right, count masked to the width.
    Arsh,
    /// Copy.
    Mov,
}

impl AluOp {
    /// Whether the operation is a shift.
    pub const fn is_shift(self) -> bool {
        matches!(self, Self::Lsh | Self::Rsh | Self::Arsh)
    }

    /// Whether the operation is a division or a remainder.
    pub const fn is_division(self) -> bool {
        matches!(self, Self::Div | Self::Sdiv | Self::Mod | Self::Smod)
    }
}

/// What a byte-swap instruction converts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// From the host's order to little-endian.
    Little,
    /// From the host's order to big-endian.
    Big,
    /// Always reversed.
    Swap,
}

/// Condition of a jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cond {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Any common bit set.
    Set,
    /// Unsigned greater.
    Gt,
    /// Unsigned greater or equal.
    Ge,
    /// Unsigned less.
    Lt,
    /// Unsigned less or equal.
    Le,
    /// Signed greater.
    Sgt,
    /// Signed greater or equal.
    Sge,
    /// Signed less.
    Slt,
    /// Signed less or equal.
    Sle,
}

impl Cond {
    /// Every condition, in the order of their declaration.
    pub const ALL: [Self; 11] = [
        Self::Eq,
        Self::Ne,
        Self::Set,
        Self::Gt,
        Self::Ge,
        Self::Lt,
        Self::Le,
        Self::Sgt,
        Self::Sge,
        Self::Slt,
        Self::Sle,
    ];
}

/// Atomic read-modify-write on memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AtomicOp {
    /// Addition.
    Add,
    /// Bitwise or.
    Or,
    /// Bitwise and.
    And,
    /// Bitwise exclusive or.
    Xor,
    /// Exchange; always fetches.
    Xchg,
    /// Compare with R0 and exchange; the old value goes to R0.
    Cmpxchg,
}

/// Where the second operand comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The immediate, sign-extended to the width of the operation.
    Imm,
    /// The source register.
    Reg,
}
