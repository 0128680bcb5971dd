//! What the functions of a program do to the registers that a call keeps.

use alloc::vec::Vec;

use bpf_profile::OutOfMemory;

use crate::error::CompileError;
use crate::lower::{Effect, Lowered, Registers, Transfer};

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
    calls: Vec<Call>,
}

/// A call: who calls and who is called, by their numbers in the list.
type Call = (usize, usize);

/// Rounds after which nothing counts as known, for want of an end.
const ROUNDS: usize = 16;

impl Functions {
    /// Looks at every function of a program, in the memory that an earlier one has
    /// left. Nothing is known where a jump leads from one into another.
    ///
    /// # Errors
    /// [`CompileError::OutOfMemory`] without heap memory for the list.
    pub fn find(&mut self, lowered: &Lowered<'_>) -> Result<(), CompileError> {
        self.list.clear();
        self.calls.clear();
        for transfer in lowered.transfers.iter().filter(|transfer| transfer.calls) {
            let new = Function { start: transfer.to, writes: Registers::NONE, framed: false };
            push(&mut self.list, new)?;
        }
        self.list.sort_unstable_by_key(|function| function.start);
        self.list.dedup_by_key(|function| function.start);
        if self.list.is_empty() {
            return Ok(());
        }
        if self.look(lowered)? {
            self.pass_on();
        } else {
            self.list.clear();
        }
        Ok(())
    }

    /// The function that begins at a slot.
    pub fn at(&self, slot: u32) -> Function {
        let function = self.number_of(slot).and_then(|number| self.list.get(number));
        function.copied().unwrap_or(Function::UNKNOWN)
    }

    fn number_of(&self, slot: u32) -> Option<usize> {
        self.list.binary_search_by_key(&slot, |function| function.start).ok()
    }

    /// What each function does by itself, and the calls; false where a jump leads
    /// from one into another.
    fn look(&mut self, lowered: &Lowered<'_>) -> Result<bool, CompileError> {
        let (mut notes, mut transfers) = (&*lowered.notes, &*lowered.transfers);
        // What is in front of the first that is called belongs to none in the list.
        let mut number = None;
        loop {
            let next = number.map_or(0, |number: usize| number.saturating_add(1));
            let end = self.list.get(next).map_or(u32::MAX, |next| next.start);
            let start = number.and_then(|number| self.list.get(number)).map_or(0, |own| own.start);
            let len = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
            let (own, behind) = notes.split_at(len.min(notes.len()));
            // Few lead on behind one, so that these are found one by one.
            let inside = transfers.iter().take_while(|transfer| transfer.from < end).count();
            let (leading, others) = transfers.split_at(inside);
            let effect = own.iter().fold(Effect::NONE, |all, note| all.with(note.effect));
            if !self.note_calls(number, leading, start..end)? {
                return Ok(false);
            }
            if let Some(function) = number.and_then(|number| self.list.get_mut(number)) {
                // What takes over saves nothing.
                function.writes = if effect.leaves() { Registers::ALL } else { effect.writes() };
                function.framed = effect.is_framed();
            }
            if next == self.list.len() {
                return Ok(true);
            }
            (notes, transfers, number) = (behind, others, Some(next));
        }
    }

    /// Notes a function's calls; false where a jump leads out of it.
    fn note_calls(
        &mut self,
        number: Option<usize>,
        transfers: &[Transfer],
        own: core::ops::Range<u32>,
    ) -> Result<bool, CompileError> {
        for transfer in transfers {
            if !transfer.calls {
                if !own.contains(&transfer.to) {
                    return Ok(false);
                }
                continue;
            }
            if let (Some(number), Some(called)) = (number, self.number_of(transfer.to)) {
                push(&mut self.calls, (number, called))?;
            }
        }
        Ok(true)
    }

    /// What is called writes for those that call it, and its frame is taken from theirs.
    fn pass_on(&mut self) {
        for _ in 0..ROUNDS {
            let mut changed = false;
            // Functions mostly stand behind those that call them.
            for (own, called) in self.calls.iter().rev() {
                let called = self.list.get(*called).copied().unwrap_or(Function::UNKNOWN);
                if let Some(function) = self.list.get_mut(*own) {
                    let before = *function;
                    function.writes = before.writes.with(called.writes);
                    function.framed |= called.framed;
                    changed |= *function != before;
                }
            }
            if !changed {
                return;
            }
        }
        self.list.clear();
    }
}

fn push<T>(list: &mut Vec<T>, new: T) -> Result<(), CompileError> {
    list.try_reserve(1).map_err(|_| OutOfMemory { requested: size_of::<T>() })?;
    list.push(new);
    Ok(())
}
