//! What the functions of a program do to the registers that a call keeps.

use alloc::vec::Vec;

use bpf_bytecode::Register;
use bpf_profile::OutOfMemory;

use crate::error::CompileError;
use crate::flow::Registers;
use crate::lower::{Op, Step};

/// A function, as those see it that call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    start: u32,
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

/// A call: who calls and who is called, by their numbers in the list.
type Call = (usize, usize);

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
                Op::FunctionReference { slot, .. } => slot,
                _ => continue,
            };
            reserve(&mut list)?;
            list.push(Function { start, writes: Registers::NONE, framed: false });
        }
        list.sort_unstable_by_key(|function| function.start);
        list.dedup_by_key(|function| function.start);
        let mut functions = Self { list };
        if !functions.list.is_empty() {
            match functions.look(steps)? {
                Some(calls) => functions.pass_on(&calls),
                None => functions.list.clear(),
            }
        }
        Ok(functions)
    }

    /// The function that begins at a slot.
    pub fn at(&self, slot: u32) -> Function {
        let function = self.number_of(slot).and_then(|number| self.list.get(number));
        function.copied().unwrap_or(Function::UNKNOWN)
    }

    fn number_of(&self, slot: u32) -> Option<usize> {
        self.list.binary_search_by_key(&slot, |function| function.start).ok()
    }

    /// What each function does by itself, and the calls; `None` where a jump
    /// leads from one into another.
    fn look(&mut self, steps: &[Step]) -> Result<Option<Vec<Call>>, CompileError> {
        let mut calls = Vec::new();
        let mut rest = steps;
        // What is in front of the first that is called belongs to none in the list.
        let mut number = None;
        loop {
            let next = number.map_or(0, |number: usize| number.saturating_add(1));
            let end = self.list.get(next).map_or(u32::MAX, |next| next.start);
            let start = number.and_then(|number| self.list.get(number)).map_or(0, |own| own.start);
            let (own, behind) = rest.split_at(rest.partition_point(|step| step.pc < end));
            let (mut writes, mut framed) = (Registers::NONE, false);
            for step in own {
                writes = writes.with(step.effect.writes);
                framed |= step.effect.reads.has(Register::R10) || asks_host(step.op);
                match step.op {
                    Op::Jump { target } | Op::Branch { target, .. } | Op::MayGoto { target }
                        if !(start..end).contains(&target) =>
                    {
                        return Ok(None);
                    }
                    Op::Call { target } => {
                        // A frame would have to be taken from here.
                        framed = true;
                        if let (Some(own), Some(called)) = (number, self.number_of(target)) {
                            reserve(&mut calls)?;
                            calls.push((own, called));
                        }
                    }
                    // What takes over returns to the function's caller, and saves
                    // nothing.
                    Op::TailCall => writes = Registers::ALL,
                    _ => {}
                }
            }
            if let Some(function) = number.and_then(|number| self.list.get_mut(number)) {
                (function.writes, function.framed) = (writes, framed);
            }
            if next == self.list.len() {
                return Ok(Some(calls));
            }
            (rest, number) = (behind, Some(next));
        }
    }

    /// What is called writes for those that call it.
    fn pass_on(&mut self, calls: &[Call]) {
        for _ in 0..ROUNDS {
            let mut changed = false;
            // Functions mostly stand behind those that call them.
            for (own, called) in calls.iter().rev() {
                let writes = self.list.get(*called).map_or(Registers::ALL, |called| called.writes);
                if let Some(function) = self.list.get_mut(*own) {
                    let before = function.writes;
                    function.writes = before.with(writes);
                    changed |= function.writes != before;
                }
            }
            if !changed {
                return;
            }
        }
        self.list.clear();
    }
}

fn reserve<T>(list: &mut Vec<T>) -> Result<(), CompileError> {
    list.try_reserve(1).map_err(|_| OutOfMemory { requested: size_of::<T>() }.into())
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
