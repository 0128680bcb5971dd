//! The register file, R0 to R10.

use core::fmt;

/// One of the eleven registers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Register(u8);

impl Register {
    /// Return value of functions and programs.
    pub const R0: Self = Self(0);
    /// First argument; the context at a program's entry.
    pub const R1: Self = Self(1);
    /// Second argument.
    pub const R2: Self = Self(2);
    /// Third argument.
    pub const R3: Self = Self(3);
    /// Fourth argument.
    pub const R4: Self = Self(4);
    /// Fifth argument.
    pub const R5: Self = Self(5);
    /// Preserved across calls.
    pub const R6: Self = Self(6);
    /// Preserved across calls.
    pub const R7: Self = Self(7);
    /// Preserved across calls.
    pub const R8: Self = Self(8);
    /// Preserved across calls.
    pub const R9: Self = Self(9);
    /// Frame pointer, read-only: the end of the frame's stack.
    pub const R10: Self = Self(10);

    /// Number of registers.
    pub const COUNT: usize = 11;

    /// The register of this number, if there is one.
    #[inline]
    pub const fn new(number: u8) -> Option<Self> {
        if number <= 10 { Some(Self(number)) } else { None }
    }

    /// The register's number, 0 to 10.
    #[inline]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The register's number as an index, 0 to 10.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Every register, R0 first.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=10).map(Self)
    }
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

impl fmt::Debug for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
