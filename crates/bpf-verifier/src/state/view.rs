//! States as others see them.

use core::fmt;

use bpf_bytecode::Register;
use bpf_bytecode::abi::map::MapDef;

use super::State;
use super::cells::SAVED;
use super::notation::Shown;
use super::reg::Value;
use crate::arena::Arena;
use crate::domain::Scalar;

/// What is known at one instruction of one path.
///
/// Its text is the state as Linux prints it: `R1=ctx() R10=fp0 fp-8=0`.
#[derive(Clone, Copy)]
pub struct StateView<'a> {
    state: &'a State,
    arena: &'a Arena<'a>,
    maps: &'a [MapDef],
}

/// Initialised bytes on a stack.
#[derive(Clone, Copy, Debug)]
pub struct Bytes {
    /// Frame, 0 for the program's own.
    pub frame: u32,
    /// Offset of the first byte from the end of the frame.
    pub off: i32,
    /// Number of bytes.
    pub len: u32,
    /// Content, as a number in the host's byte order where there are at most
    /// eight bytes; else unknown or zero bytes.
    pub value: Value,
}

/// How far two numbers are apart.
#[derive(Clone, Copy, Debug)]
pub struct Apart {
    /// The identity of the one number.
    pub first: u32,
    /// The identity of the other.
    pub second: u32,
    /// What the first is more than the second, modulo 2^64.
    pub number: Scalar,
}

impl<'a> StateView<'a> {
    pub(crate) const fn new(state: &'a State, arena: &'a Arena<'a>, maps: &'a [MapDef]) -> Self {
        Self { state, arena, maps }
    }

    /// The running frame, 0 for the program's own.
    pub const fn frame(&self) -> u32 {
        self.state.frame
    }

    /// A register of the running frame.
    pub fn reg(&self, register: Register) -> Value {
        self.state.reg(register)
    }

    /// The registers of the running frame that are set.
    pub fn regs(&self) -> impl Iterator<Item = (Register, Value)> + use<'a> {
        let state = self.state;
        Register::all().map(|r| (r, state.reg(r))).filter(|(_, value)| value.is_init())
    }

    /// Initialised bytes of every frame's stack, by frame and address.
    pub fn stack(&self) -> impl Iterator<Item = Bytes> + use<'a> {
        let (state, arena) = (self.state, self.arena);
        let cells = (0..state.cells.len()).filter_map(|index| state.cells.get(arena, index));
        cells.filter(|cell| cell.addr < SAVED).map(|cell| {
            let (frame, off) = state.stack_place(cell.addr);
            Bytes { frame, off, len: cell.len, value: cell.value }
        })
    }

    /// How far numbers that values name are apart, beside what follows from their bounds.
    pub fn apart(&self) -> impl Iterator<Item = Apart> + use<'a> {
        self.state.all_apart(self.arena)
    }

    /// Reservations that are still to be released.
    pub const fn references(&self) -> u32 {
        self.state.refs
    }

    /// The map definitions that values name by index.
    pub const fn maps(&self) -> &'a [MapDef] {
        self.maps
    }

    /// A value in the field's notation.
    pub const fn show(&self, value: Value) -> Shown<'a> {
        Shown { value, maps: self.maps, frame: self.state.frame }
    }
}

impl fmt::Display for StateView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sep = "";
        for (register, value) in self.regs() {
            write!(f, "{sep}R{}={}", register.number(), self.show(value))?;
            sep = " ";
        }
        for bytes in self.stack() {
            write!(f, "{sep}")?;
            sep = " ";
            if bytes.frame != self.frame() {
                write!(f, "frame{}:", bytes.frame)?;
            }
            write!(f, "fp{}", bytes.off)?;
            if bytes.len != 8 {
                write!(f, "[{}]", bytes.len)?;
            }
            write!(f, "={}", self.show(bytes.value))?;
        }
        Ok(())
    }
}

impl fmt::Debug for StateView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
