//! What operations read and write.

use bpf_bytecode::abi::helper::{ArgKind, HelperSig, STANDARD, find};
use bpf_bytecode::instruction::Operand;
use bpf_bytecode::opcode::AtomicOp;
use bpf_bytecode::{BpfInsn, Register};

use super::op::{Op, Order, Trap};

/// A set of registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers(pub(crate) u32);

impl Registers {
    /// None.
    pub const NONE: Self = Self(0);
    /// R0 to R10.
    pub const ALL: Self = Self(0x7ff);
    /// What a call does not preserve: R0 to R5.
    pub const LOST: Self = Self(0x3f);
    /// What it does: R6 to R9.
    pub const KEPT: Self = Self(0x3c0);

    /// One.
    #[inline]
    pub const fn of(register: Register) -> Self {
        Self(1 << register.number())
    }

    /// R1 to R`count`.
    const fn arguments(count: usize) -> Self {
        Self(Self::LOST.0 & ((2 << count) - 2))
    }

    /// One, or none.
    #[inline]
    fn of_operand(operand: Operand) -> Self {
        match operand {
            Operand::Reg(register) => Self::of(register),
            Operand::Imm(_) => Self::NONE,
        }
    }

    /// Those of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Those that are in `other`, too.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether a register is one of them.
    pub const fn has(self, register: Register) -> bool {
        self.0 & 1 << register.number() != 0
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many there are.
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Each, the lowest first.
    pub fn iter(self) -> impl Iterator<Item = Register> {
        let mut left = self.and(Self::ALL).0;
        core::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let lowest = u8::try_from(left.trailing_zeros()).ok()?;
            left &= left.wrapping_sub(1);
            Register::new(lowest)
        })
    }
}

/// What is done to the registers that the fields of a slot name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Share {
    /// Nothing.
    Nothing,
    /// The destination is read.
    Read,
    /// It is written.
    Write,
    /// Both.
    Change,
    /// The destination and the source are read.
    ReadBoth,
    /// The source is read, and the destination written.
    Copy,
    /// The source is read, and the destination changed.
    ChangeBy,
}

impl Share {
    const ALL: [Self; 8] = [
        Self::Nothing,
        Self::Read,
        Self::Write,
        Self::Change,
        Self::ReadBoth,
        Self::Copy,
        Self::ChangeBy,
        Self::Nothing,
    ];

    /// What that is for each value of a slot's two fields.
    #[allow(clippy::indexing_slicing, reason = "evaluated at build time")]
    pub(super) const fn named(self) -> &'static Named {
        &NAMED[self as usize]
    }

    const fn reads(self) -> bool {
        matches!(self, Self::Read | Self::Change | Self::ReadBoth | Self::ChangeBy)
    }

    const fn writes(self) -> bool {
        matches!(self, Self::Write | Self::Change | Self::Copy | Self::ChangeBy)
    }

    const fn reads_source(self) -> bool {
        matches!(self, Self::ReadBoth | Self::Copy | Self::ChangeBy)
    }
}

/// For each value of a slot's two fields, the source's in the upper half, what is read and
/// written, so far as they name registers.
pub(super) type Named = [u32; 256];

/// For each [`Share`] what it does to the registers that a slot names.
#[allow(clippy::indexing_slicing, reason = "evaluated at build time")]
static NAMED: [Named; 8] = {
    let (mut named, mut share) = ([[0; 256]; 8], 0);
    while share < named.len() {
        let (what, mut fields) = (Share::ALL[share], 0);
        while fields < named[share].len() {
            let (dst, src) = (fields & 15, fields >> 4);
            if what.reads() && dst <= 10 {
                named[share][fields] |= 1 << dst;
            }
            // R10 is never written.
            if what.writes() && dst < 10 {
                named[share][fields] |= 1 << dst << Effect::WRITES;
            }
            if what.reads_source() && src <= 10 {
                named[share][fields] |= 1 << src;
            }
            fields += 1;
        }
        share += 1;
    }
    named
};

/// What an operation reads and writes, and what else is asked of many operations at
/// once. R10 is always there and never written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// From the lowest: the registers that are read, at [`WRITES`](Self::WRITES) those
    /// that are written, and the flags.
    bits: u32,
}

impl Effect {
    /// None.
    pub const NONE: Self = Self { bits: 0 };

    const WRITES: u32 = 11;
    /// Control comes to it from two places or more that name it. It is where R10 would be
    /// written, which it never is.
    const CROSSED: u32 = 1 << 21;
    /// Control need not go on behind it, or registers are read elsewhere.
    const TURNS: u32 = 1 << 22;
    /// It gives registers values, and does nothing else.
    const PURE: u32 = 1 << 23;
    /// In proven code, it calls the host, which is told the frame.
    const ASKS: u32 = 1 << 24;
    /// What takes over returns to the function's caller.
    const LEAVES: u32 = 1 << 25;
    /// Nothing is emitted for it, or not always.
    const VOID: u32 = 1 << 26;
    /// It names a slot.
    const NAMES: u32 = 1 << 27;
    /// It takes more than the instruction to say what it does.
    const SPECIAL: u32 = 1 << 28;
    /// Control comes to it from elsewhere than the slot in front.
    const JOINED: u32 = 1 << 29;
    /// Control comes to it from further down.
    const LOOPED: u32 = 1 << 30;
    /// It may end the program where that has no exit, or takes every scratch register.
    const OPEN: u32 = 1 << 31;

    /// Registers get values, and that is all.
    pub(super) const PURELY: Self = Self { bits: Self::PURE };
    /// Registers that may be written.
    const WRITTEN: u32 = Registers::ALL.0 >> 1;
    /// Control comes there from more than one place elsewhere, too.
    pub(super) const CROSSING: Self = Self { bits: Self::JOINED | Self::CROSSED };
    /// Nothing is done.
    pub(super) const SECOND_HALF: Self = Self { bits: Self::VOID };
    /// Control goes back, with R0.
    pub(super) const RETURNS: Self = Self { bits: Self::TURNS | 1 };
    /// More than the instruction says what it does.
    pub(super) const SPECIALLY: Self = Self { bits: Self::SPECIAL };
    /// Control goes to a function, and comes back.
    pub(super) const CALLS: Self =
        Self { bits: Registers::LOST.0 << Self::WRITES | Self::TURNS | Self::NAMES };
    /// Control may go to a slot that is named.
    pub(super) const TO_SLOT: Self = Self { bits: Self::TURNS | Self::NAMES };

    /// With what is done to the registers that a slot names.
    #[inline(always)]
    pub(super) fn and_to(self, named: &Named, insn: BpfInsn) -> Self {
        let fields = usize::from(insn.src() << 4 | insn.dst());
        Self { bits: self.bits | named.get(fields).copied().unwrap_or(0) }
    }

    /// How control comes to the slot that an instruction at `from` names, at `to`.
    pub(super) const fn joined(from: usize, to: usize) -> Self {
        Self { bits: if to <= from { Self::JOINED | Self::LOOPED } else { Self::JOINED } }
    }

    /// With one more way by which control comes to it.
    pub(super) const fn and_joined(self, joined: Self) -> Self {
        let crossed = if self.is_joined() { Self::CROSSED } else { 0 };
        Self { bits: self.bits | joined.bits | crossed }
    }

    const fn new(reads: Registers, writes: Registers) -> Self {
        Self { bits: reads.0 | (writes.0 & Self::WRITTEN) << Self::WRITES }
    }

    const fn and(self, flags: u32) -> Self {
        Self { bits: self.bits | flags }
    }

    /// What an operation reads and writes by itself; not what a function reads
    /// that it calls.
    #[inline(always)]
    pub fn of(op: Op) -> Self {
        let (none, of) = (Registers::NONE, Registers::of);
        match op {
            Op::Count => Self::new(none, none).and(Self::ASKS),
            Op::Nothing => Self::new(none, none).and(Self::VOID),
            Op::Trap(Trap::Unreached) => {
                Self::new(none, none).and(Self::TURNS | Self::VOID | Self::OPEN)
            }
            Op::Trap(_) => Self::new(none, none).and(Self::TURNS | Self::OPEN),
            Op::Jump { .. } => Self::new(none, none).and(Self::TURNS | Self::NAMES),
            Op::MayGoto { .. } => Self::new(none, none).and(Self::TURNS | Self::NAMES | Self::ASKS),
            Op::Alu { dst, src, .. } => {
                Self::new(Registers::of_operand(src).with(of(dst)), of(dst)).and(Self::PURE)
            }
            Op::Neg { dst, .. } | Op::ZeroExtend { dst, .. } | Op::Swap { dst, .. } => {
                Self::new(of(dst), of(dst)).and(Self::PURE)
            }
            Op::Move { dst, src, .. } | Op::SignExtend { dst, src, .. } => {
                Self::new(of(src), of(dst)).and(Self::PURE)
            }
            Op::Const { dst, .. }
            | Op::MapReference { dst, .. }
            | Op::LinkedValue { dst, .. }
            | Op::PacketAddress { dst, .. } => Self::new(none, of(dst)).and(Self::PURE),
            Op::FunctionReference { dst, .. } => {
                Self::new(none, of(dst)).and(Self::PURE | Self::NAMES)
            }
            Op::MapValueAddress { dst, .. } => Self::new(none, of(dst)).and(Self::ASKS),
            Op::Load { dst, at, order, .. } => {
                let flags = if order == Order::Relaxed { Self::PURE } else { 0 };
                Self::new(of(at.base), of(dst)).and(flags)
            }
            Op::Store { at, src, .. } => {
                Self::new(Registers::of_operand(src).with(of(at.base)), none)
            }
            Op::StoreField { at, src, .. } => {
                Self::new(Registers::of_operand(src).with(of(at.base)), none).and(Self::ASKS)
            }
            Op::Atomic { op, fetch, at, src, .. } => {
                let reads = of(at.base).with(of(src));
                let old = match op {
                    AtomicOp::Cmpxchg => of(Register::R0),
                    _ if fetch => of(src),
                    _ => none,
                };
                let compared = if op == AtomicOp::Cmpxchg { old } else { none };
                let flags = if fetch { Self::OPEN } else { 0 };
                Self::new(reads.with(compared), old).and(flags)
            }
            Op::PacketLoad { index, .. } => {
                let index = index.map_or(none, Registers::of);
                Self::new(index, of(Register::R0)).and(Self::ASKS)
            }
            Op::Branch { lhs, rhs, .. } => {
                let reads = Registers::of_operand(rhs).with(of(lhs));
                Self::new(reads, none).and(Self::TURNS | Self::NAMES)
            }
            // What is read by what is called is added where that is known.
            Op::Call { .. } => Self::CALLS,
            Op::Helper { id } => {
                let reads = Registers::arguments(arguments(id));
                Self::new(reads, Registers::LOST).and(Self::ASKS)
            }
            Op::Kfunc { .. } | Op::CallBack { .. } => {
                Self::new(Registers::arguments(5), Registers::LOST).and(Self::ASKS)
            }
            Op::TailCall => Self::new(Registers::arguments(3), none).and(Self::ASKS | Self::LEAVES),
            Op::Exit => Self::new(of(Register::R0), none).and(Self::TURNS),
        }
    }

    /// Registers whose values it needs.
    pub const fn reads(self) -> Registers {
        Registers(self.bits & Registers::ALL.0)
    }

    /// Registers that it gives other values.
    pub const fn writes(self) -> Registers {
        Registers(self.bits >> Self::WRITES & Self::WRITTEN)
    }

    /// Registers that are read by it or behind it, where `behind` are read behind it.
    #[inline]
    #[must_use]
    pub const fn in_front(self, behind: Registers) -> Registers {
        Registers(behind.0 & !(self.bits >> Self::WRITES) | self.bits & Registers::ALL.0)
    }

    /// Whether control need not go on behind it, or registers are read elsewhere.
    pub const fn turns(self) -> bool {
        self.bits & Self::TURNS != 0
    }

    /// Whether it turns without any register, and is not the start of a loop, as a jump.
    pub const fn is_plain_jump(self) -> bool {
        self.bits & !(Self::JOINED | Self::CROSSED) == Self::TO_SLOT.bits
    }

    /// Whether it turns, begins a loop, or more than the instruction says what it does.
    #[inline(always)]
    pub(super) const fn is_notable(self) -> bool {
        self.bits & (Self::TURNS | Self::LOOPED | Self::SPECIAL) != 0
    }

    /// Whether it names a slot.
    pub const fn names_slot(self) -> bool {
        self.bits & Self::NAMES != 0
    }

    /// Whether more than the instruction says what it does.
    pub const fn is_special(self) -> bool {
        self.bits & Self::SPECIAL != 0
    }

    /// Whether control comes to it from elsewhere than the slot in front.
    pub const fn is_joined(self) -> bool {
        self.bits & Self::JOINED != 0
    }

    /// Whether one slot further up names it, and no other.
    pub const fn is_joined_once(self) -> bool {
        self.bits & (Self::JOINED | Self::CROSSED | Self::LOOPED) == Self::JOINED
    }

    /// Whether control comes to it from further down.
    pub const fn is_looped(self) -> bool {
        self.bits & Self::LOOPED != 0
    }

    /// Whether what is read in front of it follows from what is read behind it alone, and
    /// is of interest nowhere else.
    #[inline]
    pub const fn is_straight(self) -> bool {
        self.bits & (Self::TURNS | Self::LOOPED) == 0
    }

    /// Whether it does nothing but give registers values.
    pub const fn is_pure(self) -> bool {
        self.bits & Self::PURE != 0
    }

    /// Whether it does nothing but give registers values none of which is among those that
    /// are read behind it.
    #[inline]
    pub const fn is_in_vain(self, behind: Registers) -> bool {
        // What is above the registers is above all that are read.
        self.is_pure() && self.bits >> Self::WRITES & behind.0 == 0
    }

    /// Whether it is void, control comes to it from elsewhere, or it turns.
    #[inline]
    pub const fn is_unusual(self) -> bool {
        self.bits & (Self::VOID | Self::JOINED | Self::TURNS) != 0
    }

    /// Whether it is unusual, or more than the instruction says what it does.
    #[inline]
    pub const fn is_unusual_or_special(self) -> bool {
        self.bits & (Self::VOID | Self::JOINED | Self::TURNS | Self::SPECIAL) != 0
    }

    /// Whether it is the second half of an instruction, or never reached.
    pub const fn is_void(self) -> bool {
        self.bits & Self::VOID != 0
    }

    /// Whether a function with these effects has a frame: it reads R10 or, in proven
    /// code, calls the host, which is told the frame.
    pub const fn is_framed(self) -> bool {
        self.bits & Self::ASKS != 0 || self.reads().has(Register::R10)
    }

    /// Whether something else may take a function's place, and return to its caller.
    pub const fn leaves(self) -> bool {
        self.bits & Self::LEAVES != 0
    }

    /// Whether nothing but an exit ends the program, the host is never asked, and a scratch
    /// register is left over.
    pub const fn is_closed(self) -> bool {
        self.bits & (Self::OPEN | Self::ASKS | Self::LEAVES) == 0
    }

    /// Both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self { bits: self.bits | other.bits }
    }
}

/// How many arguments a helper has.
fn arguments(id: u32) -> usize {
    let given = |sig: &HelperSig| sig.args.iter().rposition(|arg| *arg != ArgKind::None);
    find(STANDARD, id).map_or(5, |sig| given(sig).map_or(0, |last| last.saturating_add(1)))
}
