//! What the functions of a program do to the registers that a call keeps.

use alloc::vec::Vec;

use bpf_bytecode::Register;
use bpf_profile::OutOfMemory;

use crate::error::CompileError;
use crate::flow::{Effect, Registers};
use crate::lower::{Op, Step};

/// A function, as those see it that call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    start: usize,
    /// Registers that it, or what it calls, writes.
    pub writes: Registers,
    /// Whether it has a frame: it, or what it calls, reads R10 or asks the host.
    pub framed: bool,
}

impl Function {
    /// One of which nothing is known.
    const UNKNOWN: Self = Self { start: 0, writes: Registers::ALL, framed: true };
}

/// The functions of a program that are called.
#[derive(Debug, Default)]
pub struct Functions {
    /// In the order of their first slots.
    list: Vec<Function>,
}

/// Rounds after which nothing counts as known, for want of an end.
const ROUNDS: usize = 16;

impl Functions {
    /// Looks at every function. Nothing is known where a jump leads from one
    /// into another.
    ///
    /// # Errors
    /// [`CompileError::OutOfMemory`] without heap memory for the list.
    pub fn of(steps: &[Step]) -> Result<Self, CompileError> {
        let mut list: Vec<Function> = Vec::new();
        for step in steps {
            let start = match step.op {
                Op::Call { target } => target,
                Op::FunctionReference { slot, .. } => usize::try_from(slot).unwrap_or(usize::MAX),
                _ => continue,
            };
            list.try_reserve(1).map_err(|_| OutOfMemory { requested: size_of::<Function>() })?;
            list.push(Function { start, writes: Registers::NONE, framed: false });
        }
        list.sort_unstable_by_key(|function| function.start);
        list.dedup_by_key(|function| function.start);
        let mut functions = Self { list };
        let mut rounds = 0;
        while functions.look(steps) {
            rounds += 1;
            if rounds == ROUNDS {
                functions.list.clear();
                break;
            }
        }
        Ok(functions)
    }

    /// The function that begins at a slot.
    pub fn at(&self, slot: usize) -> Function {
        let found = self.list.binary_search_by_key(&slot, |function| function.start);
        let function = found.ok().and_then(|index| self.list.get(index));
        function.copied().unwrap_or(Function::UNKNOWN)
    }

    /// Which function, if not the first, a slot belongs to.
    fn number_of(&self, slot: usize) -> usize {
        self.list.partition_point(|function| function.start <= slot)
    }

    /// One pass. Whether it found anything new.
    fn look(&mut self, steps: &[Step]) -> bool {
        let (mut changed, mut number) = (false, 0_usize);
        for step in steps {
            while self.list.get(number).is_some_and(|next| next.start <= step.pc) {
                number = number.saturating_add(1);
            }
            if let Op::Jump { target } | Op::Branch { target, .. } | Op::MayGoto { target } =
                step.op
                && !self.list.is_empty()
                && self.number_of(target) != number
            {
                self.list.clear();
                return false;
            }
            let Some(index) = number.checked_sub(1) else { continue };
            let called = match step.op {
                Op::Call { target } => Some(self.at(target)),
                _ => None,
            };
            let effect = Effect::of(step.op);
            // What takes over returns to the function's caller, and saves nothing.
            let after = if step.op == Op::TailCall { Registers::ALL } else { Registers::NONE };
            if let Some(function) = self.list.get_mut(index) {
                let before = *function;
                function.writes = function.writes.with(effect.writes).with(after);
                function.framed |= effect.reads.has(Register::R10) || asks_host(step.op);
                if let Some(called) = called {
                    function.writes = function.writes.with(called.writes);
                    // It would have to be taken from here.
                    function.framed = true;
                }
                changed |= *function != before;
            }
        }
        changed
    }
}

/// Whether an operation of proven code calls the host, which is told the frame.
const fn asks_host(op: Op) -> bool {
    !matches!(
        op,
        Op::Nothing
            | Op::Alu { .. }
            | Op::Neg { .. }
            | Op::Move { .. }
            | Op::Const { .. }
            | Op::SignExtend { .. }
            | Op::ZeroExtend { .. }
            | Op::Swap { .. }
            | Op::Load { .. }
            | Op::Store { .. }
            | Op::Atomic { .. }
            | Op::PacketAddress { .. }
            | Op::MapReference { .. }
            | Op::LinkedValue { .. }
            | Op::FunctionReference { .. }
            | Op::Jump { .. }
            | Op::Branch { .. }
            | Op::Call { .. }
            | Op::Exit
            | Op::Trap(_)
    )
}
