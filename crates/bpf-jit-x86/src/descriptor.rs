//! What compiled code says when it calls out: the slot of the instruction and
//! what is wanted, in one 32-bit number.

use bpf_bytecode::opcode::{AtomicOp, Size, Width};

use crate::lower::{Order, Trap};

/// The slot of an instruction and a code of eight bits. A program has at most
/// a million slots, so that 24 bits hold one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor(pub(crate) u32);

impl Descriptor {
    pub(crate) fn new(pc: usize, code: u8) -> Self {
        let pc = u32::try_from(pc).unwrap_or(u32::MAX);
        Self(pc << 8 | u32::from(code))
    }

    /// Slot of the instruction.
    pub(crate) const fn pc(self) -> u32 {
        self.0 >> 8
    }

    /// What is wanted.
    pub(crate) const fn code(self) -> u8 {
        self.0.to_le_bytes()[0]
    }
}

/// The number of a helper or kernel function that is called, as a code; `None` of one that
/// is told in another way.
pub(crate) fn helper_code(number: u32) -> Option<u8> {
    u8::try_from(number).ok().filter(|code| *code != OTHER_HELPER)
}

/// The code of every other helper.
pub(crate) const OTHER_HELPER: u8 = u8::MAX;

/// An access to memory that is to be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Load(Size, Order),
    LoadSigned(Size),
    Store(Size, Order),
    StoreImmediate(Size),
    Atomic(AtomicOp, Width),
}

const SIZES: [Size; 4] = [Size::B, Size::H, Size::W, Size::Dw];
const ATOMICS: [AtomicOp; 6] =
    [AtomicOp::Add, AtomicOp::Or, AtomicOp::And, AtomicOp::Xor, AtomicOp::Xchg, AtomicOp::Cmpxchg];

impl Access {
    const LOAD: u8 = 0;
    const STORE: u8 = 1;
    const ATOMIC: u8 = 2;
    const SIGNED: u8 = 3;

    /// The kind in the two highest bits, then a flag, then an index.
    pub(crate) fn code(self) -> u8 {
        let (kind, flag, index) = match self {
            Self::Load(size, order) => (Self::LOAD, order == Order::Ordered, size as u8),
            Self::LoadSigned(size) => (Self::SIGNED, false, size as u8),
            Self::StoreImmediate(size) => (Self::SIGNED, true, size as u8),
            Self::Store(size, order) => (Self::STORE, order == Order::Ordered, size as u8),
            Self::Atomic(op, width) => (Self::ATOMIC, width == Width::W64, op as u8),
        };
        kind << 6 | u8::from(flag) << 5 | index
    }

    /// The access that [`code`](Self::code) stands for; `None` for a code that
    /// stands for none.
    #[inline]
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        let (flag, index) = (code & 1 << 5 != 0, usize::from(code & 0x1f));
        let order = if flag { Order::Ordered } else { Order::Relaxed };
        match code >> 6 {
            Self::LOAD => Some(Self::Load(*SIZES.get(index)?, order)),
            Self::STORE => Some(Self::Store(*SIZES.get(index)?, order)),
            Self::ATOMIC => {
                let width = if flag { Width::W64 } else { Width::W32 };
                Some(Self::Atomic(*ATOMICS.get(index)?, width))
            }
            _ if flag => Some(Self::StoreImmediate(*SIZES.get(index)?)),
            _ => Some(Self::LoadSigned(*SIZES.get(index)?)),
        }
    }
}

/// Why compiled code stops the program by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Budget,
    Trap(Trap),
}

impl Stop {
    const ALL: [Self; 5] = [
        Self::Budget,
        Self::Trap(Trap::Unreached),
        Self::Trap(Trap::FramePointerWrite),
        Self::Trap(Trap::MapDescriptor),
        Self::Trap(Trap::Variable),
    ];

    pub(crate) fn code(self) -> u8 {
        let index = Self::ALL.iter().position(|stop| *stop == self);
        index.and_then(|index| u8::try_from(index).ok()).unwrap_or(u8::MAX)
    }

    pub(crate) fn from_code(code: u8) -> Self {
        Self::ALL.get(usize::from(code)).copied().unwrap_or(Self::Trap(Trap::Unreached))
    }
}
