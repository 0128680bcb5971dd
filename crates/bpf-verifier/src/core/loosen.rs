//! Guesses that say less, so that fewer states differ.
//!
//! That a guess holds is checked of every state that comes back to the head, and so each of them
//! rests on whatever keeps a number within what the guess says of it. Where many ways meet and
//! part again inside of the loop, and each makes another number of the least so far, no state
//! covers another, though the program decides nothing by that number: there are more ways than
//! can be walked.
//!
//! A guess that took too long for that is gone round with once more. This time nothing rests on
//! what the guess says, but only on what is decided, and on what is compared where a way leaves
//! the loop, as by that its rounds are bounded; so most ways end where they meet. Of numbers that
//! change, and on which nothing rested, the guess then says nothing at all: any number is covered
//! by that.
//!
//! Which numbers these are is a guess like others. The phase that proves walks the loop and all
//! that follows anew, and there each state that comes back rests on all of what the guess says.
//! Nothing of the phase that only looks what is decided outlives it: every node of it is one of a
//! path that ends at the head or leaves the loop, both count as ways back, and so it goes with
//! the trial's phase. What nodes in front of the loop are marked with in that phase is more than
//! nothing, and they are marked again by the one that proves.
//!
//! Only innermost loops are gone round with so: around others, the time mostly went into guesses
//! at the inner one that failed.

use bpf_bytecode::Register;
use bpf_bytecode::instruction::Instruction;

use super::branch::side_of;
use super::carried::{Place, place_of, place_of_cell};
use super::node::Node;
use super::trial::{Phase, Trial};
use super::{Explorer, Step};
use crate::arena::NONE;
use crate::domain::Scalar;
use crate::state::cells::SAVED;
use crate::state::cover::entry_bit;
use crate::state::{Kind, Value};

/// Names that a guess goes on to say something of, at the most.
const MAX_NAMES: usize = 32;

/// Instructions that are followed to see whether they lead out of a loop, at the most.
const MOST_STRAIGHT: usize = 64;

/// The names of what a guess goes on to say something of.
struct Names {
    ids: [u32; MAX_NAMES],
    count: usize,
    /// There are more.
    more: bool,
}

impl Names {
    fn add(&mut self, id: u32) {
        if id == 0 || self.has(id) {
            return;
        }
        match self.ids.get_mut(self.count) {
            Some(slot) => {
                *slot = id;
                self.count = self.count.saturating_add(1);
            }
            None => self.more = true,
        }
    }

    fn has(&self, id: u32) -> bool {
        self.more || self.ids.iter().take(self.count).any(|known| *known == id)
    }
}

impl Explorer<'_> {
    /// Whether the phase only looks what is decided on: it proves nothing, and what the guess
    /// says is no decision.
    pub(super) fn looks_for_decisions(&self, trial: Trial) -> bool {
        trial.phase(&self.arena) == Phase::Body && trial.is_loose(&self.arena)
    }

    /// Nothing came of a guess. Whether it is one that took too long, and is gone round with once
    /// more to see what is decided on.
    pub(super) fn try_loose(&mut self, trial: Trial) -> Step<bool> {
        let guessed = matches!(trial.phase(&self.arena), Phase::Body | Phase::Full);
        let node = trial.node(&self.arena);
        if !guessed || node.0 == NONE || trial.is_loose(&self.arena) {
            return Ok(false);
        }
        if self.trials != trial || !self.is_overdue(trial) || trial.is_hinted(&self.arena) {
            return Ok(false);
        }
        let (arena, subject) = (&self.arena, trial.subject(&self.arena));
        if self.code.loops().any(|inner| inner.outer(arena) == subject) {
            return Ok(false);
        }
        if node.snapshot(&self.arena).load(&mut self.arena, &mut self.state).is_err() {
            return Ok(false);
        }
        trial.set_loose(&mut self.arena);
        self.unwind(trial);
        self.begin(trial, Phase::Body)?;
        Ok(true)
    }

    /// A comparison of what rests on `deps` goes both ways. Where one leads out of a loop of which
    /// it is looked what is decided on, it decides how often that goes round.
    pub(super) fn note_way_out(&mut self, insn: &Instruction, deps: u64) {
        let (trial, pc) = (self.walker.active, self.walker.pc);
        if trial.0 == NONE || !self.looks_for_decisions(trial) {
            return;
        }
        if self.state.frame == trial.frame(&self.arena)
            && [false, true].iter().any(|taken| self.leads_out(trial, side_of(insn, pc, *taken)))
        {
            self.mark_precise(deps);
        }
    }

    /// Whether all ways from an instruction leave the loop, as far as that shows.
    fn leads_out(&mut self, trial: Trial, mut pc: usize) -> bool {
        let subject = trial.subject(&self.arena);
        for _ in 0..MOST_STRAIGHT {
            if self.code.point(&self.arena, pc).is_some() {
                return !self.code.is_in_loop(&self.arena, pc, subject);
            }
            self.work(1);
            let Ok(insn) = self.code.insn(pc) else { return false };
            match insn {
                Instruction::Exit => return true,
                Instruction::Jump { .. } => pc = side_of(&insn, pc, true),
                Instruction::JumpIf { .. } | Instruction::MayGoto { .. } => return false,
                _ => pc = pc.saturating_add(insn.slots()),
            }
        }
        false
    }

    /// The state is the guess at a node from which all ways round were walked to see what is
    /// decided on: it says nothing of other numbers from here on.
    pub(super) fn loosen(&mut self, trial: Trial, node: Node) {
        let own = trial.first_id(&self.arena);
        let decided = node.precise(&self.arena) | node.exact(&self.arena);
        let mut names = Names { ids: [0; MAX_NAMES], count: 0, more: false };
        let mut note = |this: &Self, entry: u32, place: Place, value: &Value| {
            let is_kept = value.id > own && !this.is_loose(trial, (entry, place), value, decided);
            if is_kept {
                names.add(value.id);
            }
            if value.kind == Kind::Difference {
                let (first, second) = value.compared();
                names.add(first);
                names.add(second);
            }
        };
        let mut entry = 0_u32;
        // Not all registers that hold something are entries.
        let mask = node.snapshot(&self.arena).reg_mask(&self.arena);
        let listed = |register: Register| mask.wrapping_shr(register.number().into()) & 1 == 1;
        for register in Register::all() {
            let value = self.state.reg(register);
            if listed(register) {
                note(self, entry, place_of(register), &value);
                entry = entry.saturating_add(1);
            }
        }
        let regs = entry;
        for index in 0..self.state.cells.len() {
            if let Some(cell) = self.state.cells.get(&self.arena, index) {
                let entry = regs.saturating_add(index);
                note(self, entry, place_of_cell(cell.addr), &cell.value);
            }
        }
        entry = 0;
        for register in Register::all() {
            let value = self.state.reg(register);
            if listed(register) {
                let at = (entry, place_of(register));
                if value.id > own
                    && !names.has(value.id)
                    && self.is_loose(trial, at, &value, decided)
                {
                    let any = Value { deps: value.deps, ..Value::UNKNOWN };
                    self.state.set_reg(register, any);
                }
                entry = entry.saturating_add(1);
            }
        }
        for index in 0..self.state.cells.len() {
            let Some(mut cell) = self.state.cells.get(&self.arena, index) else { continue };
            let at = (regs.saturating_add(index), place_of_cell(cell.addr));
            if cell.value.id > own
                && cell.addr < SAVED
                && !names.has(cell.value.id)
                && self.is_loose(trial, at, &cell.value, decided)
            {
                let bits = cell.len.saturating_mul(8).clamp(1, 64);
                cell.value =
                    Value { deps: cell.value.deps, ..Value::scalar(Scalar::of_bits(bits)) };
                self.state.cells.set(&mut self.arena, index, &cell);
            }
        }
    }

    /// Whether an entry of a guess is a number on which nothing rests, but on what was `decided`.
    fn is_loose(
        &self,
        trial: Trial,
        (entry, place): (u32, Place),
        value: &Value,
        decided: u64,
    ) -> bool {
        let arena = &self.arena;
        value.is_scalar()
            && decided & entry_bit(entry) == 0
            && !trial.carried(arena).contains(&place)
            && trial.linear(arena).all(|line| line.place != place && line.of != place)
            && trial.stride(arena).is_none_or(|(counted, _)| counted != place)
    }
}
