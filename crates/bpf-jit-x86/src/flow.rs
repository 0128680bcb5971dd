//! Where control goes, and which registers are still read afterwards.
//!
//! Of compiled code that was proven. One backward pass over the operations, and
//! more over those of loops.

use alloc::vec::Vec;

use bpf_bytecode::Register;
use bpf_bytecode::abi::helper::{ArgKind, HelperSig, STANDARD, find};
use bpf_bytecode::instruction::Operand;
use bpf_bytecode::opcode::AtomicOp;
use bpf_profile::OutOfMemory;

use crate::error::CompileError;
use crate::lower::{Lowered, Op, Step};

/// A set of registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers(u16);

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
    pub const fn of(register: Register) -> Self {
        Self(1 << register.index())
    }

    /// R1 to R`count`.
    const fn arguments(count: usize) -> Self {
        Self(Self::LOST.0 & ((2 << count) - 2))
    }

    /// One, or none.
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
        self.0 & 1 << register.index() != 0
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
        let mut left = self.0;
        core::iter::from_fn(move || {
            let lowest = u8::try_from(left.trailing_zeros()).ok()?;
            left &= left.wrapping_sub(1);
            Register::new(lowest)
        })
    }
}

/// What an operation reads and writes. R10 is always there and never written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// Registers whose values it needs.
    pub reads: Registers,
    /// Registers that it gives other values.
    pub writes: Registers,
}

impl Effect {
    /// What an operation reads and writes by itself; not what a function reads
    /// that it calls.
    #[inline(always)]
    pub fn of(op: Op) -> Self {
        let (reads, writes) = match op {
            Op::Count | Op::Nothing | Op::Trap(_) | Op::Jump { .. } | Op::MayGoto { .. } => {
                (Registers::NONE, Registers::NONE)
            }
            Op::Alu { dst, src, .. } => {
                (Registers::of_operand(src).with(Registers::of(dst)), Registers::of(dst))
            }
            Op::Neg { dst, .. } | Op::ZeroExtend { dst, .. } | Op::Swap { dst, .. } => {
                (Registers::of(dst), Registers::of(dst))
            }
            Op::Move { dst, src, .. } | Op::SignExtend { dst, src, .. } => {
                (Registers::of(src), Registers::of(dst))
            }
            Op::Const { dst, .. }
            | Op::PacketAddress { dst, .. }
            | Op::MapReference { dst, .. }
            | Op::MapValueAddress { dst, .. }
            | Op::LinkedValue { dst, .. }
            | Op::FunctionReference { dst, .. } => (Registers::NONE, Registers::of(dst)),
            Op::Load { dst, at, .. } => (Registers::of(at.base), Registers::of(dst)),
            Op::Store { at, src, .. } | Op::StoreField { at, src, .. } => {
                (Registers::of_operand(src).with(Registers::of(at.base)), Registers::NONE)
            }
            Op::Atomic { op, fetch, at, src, .. } => {
                let reads = Registers::of(at.base).with(Registers::of(src));
                let old = match op {
                    AtomicOp::Cmpxchg => Registers::of(Register::R0),
                    _ if fetch => Registers::of(src),
                    _ => Registers::NONE,
                };
                let compared = if op == AtomicOp::Cmpxchg { old } else { Registers::NONE };
                (reads.with(compared), old)
            }
            Op::PacketLoad { index, .. } => {
                let index = index.map_or(Registers::NONE, Registers::of);
                (index, Registers::of(Register::R0))
            }
            Op::Branch { lhs, rhs, .. } => {
                (Registers::of_operand(rhs).with(Registers::of(lhs)), Registers::NONE)
            }
            // What is read by what is called is added where that is known.
            Op::Call { .. } => (Registers::NONE, Registers::LOST),
            Op::Helper { id } => (Registers::arguments(arguments(id)), Registers::LOST),
            Op::Kfunc { .. } | Op::CallBack { .. } => (Registers::arguments(5), Registers::LOST),
            Op::TailCall => (Registers::arguments(3), Registers::NONE),
            Op::Exit => (Registers::of(Register::R0), Registers::NONE),
        };
        Self { reads, writes }
    }
}

/// How many arguments a helper has.
fn arguments(id: u32) -> usize {
    let given = |sig: &HelperSig| sig.args.iter().rposition(|arg| *arg != ArgKind::None);
    find(STANDARD, id).map_or(5, |sig| given(sig).map_or(0, |last| last.saturating_add(1)))
}

/// What is known of a program's control flow.
#[derive(Debug)]
pub struct Flow {
    /// For each slot what is live in front of it, and how it is reached.
    slots: Vec<Slot>,
    /// For each step the registers that are read behind it.
    live: Vec<Registers>,
}

/// Where control comes from.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    live: Registers,
    /// Control comes from somewhere else than from the slot in front.
    joined: bool,
    /// It comes from further down.
    looped: bool,
}

/// Where a loop begins, and the number of the last step that leads back there.
type Loop = (u32, usize);

/// How often steps are looked at, in the mean, before registers count as read at
/// the start of every loop.
const VISITS: usize = 12;

impl Flow {
    /// Finds out.
    ///
    /// # Errors
    /// [`CompileError::OutOfMemory`] without heap memory for the tables.
    pub fn of(lowered: &Lowered<'_>) -> Result<Self, CompileError> {
        let (mut slots, mut live) = (Vec::new(), Vec::new());
        if slots.try_reserve(lowered.slots).is_err()
            || live.try_reserve(lowered.steps.len()).is_err()
        {
            let requested = lowered.slots.saturating_mul(size_of::<Slot>());
            return Err(OutOfMemory { requested }.into());
        }
        slots.resize(lowered.slots, Slot::default());
        live.resize(lowered.steps.len(), Registers::NONE);
        let mut flow = Self { slots, live };
        let loops = flow.find_joins(&lowered.steps)?;
        flow.find_live(&lowered.steps, &loops);
        Ok(flow)
    }

    /// Whether control comes to a slot from elsewhere than the slot in front.
    pub fn is_joined(&self, slot: u32) -> bool {
        self.slots.get(index(slot)).is_none_or(|slot| slot.joined)
    }

    /// Registers that are read at or behind a slot.
    pub fn live_at(&self, slot: u32) -> Registers {
        self.slots.get(index(slot)).map_or(Registers::ALL, |slot| slot.live)
    }

    /// Registers that are read behind a step, by its number.
    pub fn live_behind(&self, step: usize) -> Registers {
        self.live.get(step).copied().unwrap_or(Registers::ALL)
    }

    /// Marks where control meets, and gives the loops in the order of their slots.
    fn find_joins(&mut self, steps: &[Step]) -> Result<Vec<Loop>, CompileError> {
        let mut loops: Vec<Loop> = Vec::new();
        for (number, step) in steps.iter().enumerate() {
            let target = match step.op {
                Op::Jump { target }
                | Op::Branch { target, .. }
                | Op::MayGoto { target }
                | Op::Call { target } => target,
                Op::FunctionReference { slot, .. } => slot,
                _ => continue,
            };
            let back = target <= step.pc;
            if let Some(slot) = self.slots.get_mut(index(target)) {
                slot.joined = true;
                slot.looped |= back;
            }
            if back {
                let requested = size_of::<Loop>();
                loops.try_reserve(1).map_err(|_| OutOfMemory { requested })?;
                loops.push((target, number));
            }
        }
        loops.sort_unstable();
        Ok(loops)
    }

    /// Goes through the steps from the last to the first, and through those of a
    /// loop again as long as it turns out that more is read at its start.
    fn find_live(&mut self, steps: &[Step], loops: &[Loop]) {
        let mut visits = steps.len().saturating_mul(VISITS);
        let mut end = steps.len();
        while let Some(start) = self.look_back(steps, end) {
            visits = visits.saturating_sub(end.saturating_sub(start));
            if visits == 0 {
                for slot in self.slots.iter_mut().filter(|slot| slot.looped) {
                    slot.live = Registers::ALL;
                }
                end = steps.len();
                continue;
            }
            let slot = steps.get(start).map_or(0, |step| step.pc);
            let ends = loops.partition_point(|(start, _)| *start <= slot);
            let last = ends.checked_sub(1).and_then(|last| loops.get(last));
            end = last.map_or(steps.len(), |(_, step)| step.saturating_add(1));
        }
    }

    /// Goes from the step in front of `end` to the first, or to the start of a
    /// loop where more is read than was known, and gives the number of that step.
    fn look_back(&mut self, steps: &[Step], end: usize) -> Option<usize> {
        let mut next = steps.get(end).map_or(Registers::NONE, |step| self.live_at(step.pc));
        let (steps, live) = (steps.get(..end)?, self.live.get_mut(..end)?);
        for (number, (step, behind)) in steps.iter().zip(live).enumerate().rev() {
            let at = |target: u32| self.slots.get(index(target)).map_or(Registers::ALL, |s| s.live);
            let (out, called) = match step.op {
                Op::Jump { target } => (at(target), Registers::NONE),
                Op::Branch { target, .. } | Op::MayGoto { target } => {
                    (next.with(at(target)), Registers::NONE)
                }
                Op::Call { target } => (next, at(target)),
                Op::Exit | Op::Trap(_) => (Registers::NONE, Registers::NONE),
                _ => (next, Registers::NONE),
            };
            *behind = out;
            next = out.without(step.effect.writes).with(step.effect.reads).with(called);
            if let Some(slot) = self.slots.get_mut(step.slot()) {
                let known = slot.live;
                slot.live = known.with(next);
                if slot.looped && slot.live != known {
                    return Some(number);
                }
            }
        }
        None
    }
}

fn index(slot: u32) -> usize {
    usize::try_from(slot).unwrap_or(usize::MAX)
}
