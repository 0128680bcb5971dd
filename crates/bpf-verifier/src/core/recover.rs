//! Errors in attempts, and attempts that come to nothing: how the walk goes on.
//!
//! Some phases of a [`summary`](super::summary) only look at what a loop changes. There, what is
//! refused is passed over, and so it is in summaries of loops inside of such a one: these are
//! guessed at where the outer loop's values are as far off as they can be, and more is refused
//! than will be. If such an inner guess comes to nothing, its loop is not walked round by round,
//! which may take long and tells no more of the outer one: the walk goes on behind it as if the
//! guess had held. All of that is undone when the phase ends.

use bpf_bytecode::instruction::{CallTarget, Instruction};
use bpf_bytecode::opcode::Width;

use super::trial::{Phase, Trial};
use super::{Explorer, Step, Stop};
use crate::arena::NONE;
use crate::domain::{Scalar, sign_extend};
use crate::error::VerifyErrorKind;
use crate::state::Value;
use crate::tail::Tail;

impl Explorer<'_> {
    /// An error in a trial: whether the walk goes on all the same.
    pub(super) fn recover(&mut self, stop: Stop) -> Step<bool> {
        let trial = self.trials;
        let over = matches!(stop, Stop::Rejected(VerifyErrorKind::TooComplex { .. }));
        if trial.0 == NONE || over {
            return Err(stop);
        }
        self.figures.not_tried |= matches!(stop, Stop::NoRoom(_));
        if let Some(looking) = self.only_looks(trial)
            && let Stop::Rejected(kind) = stop
            && trial.node(&self.arena).0 != NONE
        {
            if !matches!(kind, VerifyErrorKind::InfiniteLoop { .. }) && self.pass_over() {
                return Ok(true);
            }
            let tail = Tail::round(looking.level(&self.arena) as usize);
            return self.end_path(&tail);
        }
        let guessed = matches!(trial.phase(&self.arena), Phase::Body | Phase::Full);
        let node = trial.node(&self.arena);
        let held = guessed && node.0 != NONE && !trial.is_hinted(&self.arena);
        if held && trial.begin_narrow(&mut self.arena) {
            node.snapshot(&self.arena).load(&mut self.arena, &mut self.state)?;
            self.unwind(trial);
            self.begin(trial, Phase::Narrow)?;
            return Ok(true);
        }
        if guessed && trial.is_hinted(&self.arena) {
            // It may go further than it has to here.
            self.give_up_guess(trial)?;
        } else if guessed {
            self.try_numbers(trial)?;
        } else {
            self.fail(trial)?;
        }
        Ok(true)
    }

    /// An error came of a guess: makes another one with carried numbers, where that might help.
    pub(super) fn try_numbers(&mut self, trial: Trial) -> Step {
        if !trial.begin_numbers(&mut self.arena) {
            return self.fail(trial);
        }
        self.unwind(trial);
        self.begin_once(trial)
    }

    /// The trial itself, or the innermost one around it, of which the phase only looks at what
    /// changes: nothing that is found meanwhile outlives it.
    fn only_looks(&self, trial: Trial) -> Option<Trial> {
        let arena = &self.arena;
        if trial.phase(arena) == Phase::Merge {
            return None;
        }
        trial.outwards(arena).find(|trial| trial.phase(arena).is_quiet())
    }

    /// Nothing came of a guess. Whether the walk goes on behind the loop as if it had held, as
    /// the phase of a trial around it only looks at what changes.
    pub(super) fn assume(&mut self, trial: Trial) -> Step<bool> {
        let phase = trial.phase(&self.arena);
        let outer = trial.outer(&self.arena);
        let guessed = matches!(phase, Phase::Probe | Phase::Body | Phase::Full | Phase::Narrow);
        if !guessed || outer.0 == NONE || self.only_looks(outer).is_none() {
            return Ok(false);
        }
        let node = trial.node(&self.arena);
        if node.0 == NONE {
            return Ok(false);
        }
        if node.snapshot(&self.arena).load(&mut self.arena, &mut self.state).is_err() {
            // Nothing has been undone yet; with no room for that the attempt comes to nothing.
            return Ok(false);
        }
        self.unwind(trial);
        self.drop_found(trial);
        self.begin(trial, Phase::Assume)?;
        Ok(true)
    }

    /// An instruction is refused where the bounds are still a guess: goes on
    /// behind it, if there is a way.
    fn pass_over(&mut self) -> bool {
        let pc = self.walker.pc;
        let Ok(insn) = self.code.insn(pc) else { return false };
        match insn {
            Instruction::Load { size, signed, dst, .. } => {
                let any = Scalar::of_bits(size.bits());
                let any = if signed { sign_extend(Width::W64, size.bits(), any) } else { any };
                if self.write(dst, Value::scalar(any)).is_err() {
                    return false;
                }
            }
            Instruction::Call(CallTarget::Helper(_)) => {
                for (number, value) in (0_u32..).zip(self.state.regs_mut()) {
                    match number {
                        0 => *value = Value::UNKNOWN,
                        1..=5 => *value = Value::NOT_INIT,
                        _ => {}
                    }
                }
            }
            Instruction::Store { .. } | Instruction::Alu { .. } => {}
            _ => return false,
        }
        self.walker.pc = pc.saturating_add(insn.slots());
        true
    }
}
