//! Functions that are verified apart: what is known of each.

use bpf_bytecode::abi::global::GlobalFunction;
use bpf_bytecode::instruction::{CallTarget, Instruction, jump_target};

use super::Code;
use crate::arena::{Arena, high, low, pair};
use crate::meter::Meter;

/// Words of a function's record: how far its verification is and the number of its
/// signature, from 1; what it does; what it costs.
const PROGRESS: u32 = 4;
const EFFECTS: u32 = 5;
const COST: u32 = 6;

/// How far the verification of a function that is verified apart is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Nobody has called it yet.
    New = 0,
    /// It is being verified.
    Begun = 1,
    /// It is safe.
    Safe = 2,
    /// It is not, or was not found to be.
    Refused = 3,
}

/// What a function does that its callers have to know.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Effects {
    /// It moves the packet.
    pub moves_packet: bool,
    /// It may end the program.
    pub throws: bool,
    /// Another program may take over in it.
    pub tail_calls: bool,
    /// Helpers that call functions, one inside of the other, at the most.
    pub callbacks: u32,
    /// Bytes to a multiple of which the memory that it is given has to lie.
    pub aligned: u32,
}

impl Effects {
    /// What both do.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            moves_packet: self.moves_packet || other.moves_packet,
            throws: self.throws || other.throws,
            tail_calls: self.tail_calls || other.tail_calls,
            callbacks: self.callbacks.max(other.callbacks),
            aligned: self.aligned.max(other.aligned),
        }
    }

    pub fn to_bits(self) -> u64 {
        let flags = u32::from(self.moves_packet)
            | u32::from(self.throws).wrapping_shl(1)
            | u32::from(self.tail_calls).wrapping_shl(2);
        pair(flags | self.aligned.wrapping_shl(3), self.callbacks)
    }

    pub const fn from_bits(word: u64) -> Self {
        let first = low(word);
        Self {
            moves_packet: first & 1 != 0,
            throws: first & 2 != 0,
            tail_calls: first & 4 != 0,
            aligned: first.wrapping_shr(3),
            callbacks: high(word),
        }
    }
}

impl<'p> Code<'p> {
    /// Notes which functions are verified apart. The first is the program itself.
    pub(super) fn mark_globals(&self, arena: &mut Arena<'_>) {
        for (number, global) in (1_u32..).zip(self.globals) {
            let slot = usize::try_from(global.slot).unwrap_or(usize::MAX);
            let function = self.function_of(arena, slot);
            if function != 0 && self.function_start(arena, function) == slot {
                let at = self.function_at(function).saturating_add(PROGRESS);
                arena.set(at, pair(Progress::New as u32, number));
            }
        }
    }

    /// The signature of a function that is verified apart.
    pub fn global(&self, arena: &Arena<'_>, function: u32) -> Option<&'p GlobalFunction> {
        let word = arena.word(self.function_at(function).saturating_add(PROGRESS));
        self.globals.get(usize::try_from(high(word).checked_sub(1)?).ok()?)
    }

    /// The signature of the function that is called behind `bpf_throw`.
    pub(super) fn exception_signature(&self) -> Option<&'p GlobalFunction> {
        self.globals.iter().find(|global| global.catches)
    }

    /// The function that is called behind `bpf_throw`, with its signature.
    pub fn exception_callback(&self, arena: &Arena<'_>) -> Option<(u32, &'p GlobalFunction)> {
        let global = self.exception_signature()?;
        let function = self.function_of(arena, usize::try_from(global.slot).ok()?);
        self.global(arena, function)
            .is_some_and(|found| found.catches)
            .then_some((function, global))
    }

    /// The function verified apart that an instruction calls, with its signature.
    #[inline]
    pub fn global_called(
        &self,
        arena: &Arena<'_>,
        pc: usize,
        insn: &Instruction,
    ) -> Option<(u32, &'p GlobalFunction)> {
        let Instruction::Call(CallTarget::Local(off)) = *insn else { return None };
        self.global_at(arena, jump_target(pc, off)?)
    }

    /// The function verified apart that begins at a slot, with its signature.
    pub(super) fn global_at(
        &self,
        arena: &Arena<'_>,
        start: usize,
    ) -> Option<(u32, &'p GlobalFunction)> {
        if self.globals.is_empty() {
            return None;
        }
        let function = self.function_of(arena, start);
        Some((function, self.global(arena, function)?))
    }

    pub fn progress(&self, arena: &Arena<'_>, function: u32) -> Progress {
        match low(arena.word(self.function_at(function).saturating_add(PROGRESS))) {
            1 => Progress::Begun,
            2 => Progress::Safe,
            3 => Progress::Refused,
            _ => Progress::New,
        }
    }

    pub fn set_progress(&self, arena: &mut Arena<'_>, function: u32, progress: Progress) {
        let at = self.function_at(function).saturating_add(PROGRESS);
        let number = high(arena.word(at));
        arena.set(at, pair(progress as u32, number));
    }

    /// What a function does and costs.
    pub fn outcome(&self, arena: &Arena<'_>, function: u32) -> (Effects, Meter) {
        let at = self.function_at(function);
        let effects = Effects::from_bits(arena.word(at.saturating_add(EFFECTS)));
        (effects, Meter::load(arena, at.saturating_add(COST)))
    }

    pub fn set_outcome(
        &self,
        arena: &mut Arena<'_>,
        function: u32,
        (does, costs): (Effects, Meter),
    ) {
        let at = self.function_at(function);
        arena.set(at.saturating_add(EFFECTS), does.to_bits());
        costs.store(arena, at.saturating_add(COST));
    }
}
