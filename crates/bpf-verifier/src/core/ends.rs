//! Functions that end before their exit: by a tail call, where a packet is too short for
//! a deprecated load, or by `bpf_throw`.
//!
//! In the first function all of them end the program. In another one the first two
//! return to its caller: with what the program returned that took over, or with 0. That
//! is a path of its own. `bpf_throw` ends the program from any function, with its
//! argument as the result.

use bpf_bytecode::Register;
use bpf_bytecode::abi::helper::id::TAIL_CALL;
use bpf_bytecode::instruction::{CallTarget, Instruction};

use super::{Explorer, Flow, Step, reject};
use crate::domain::Scalar;
use crate::error::{Feature, VerifyErrorKind};
use crate::state::{Kind, Value};

/// Whether a function may end at an instruction that is no exit.
pub(super) const fn may_end_function(insn: &Instruction) -> bool {
    matches!(
        insn,
        Instruction::LegacyPacket { .. } | Instruction::Call(CallTarget::Helper(TAIL_CALL))
    )
}

impl Explorer<'_> {
    /// Another program takes over, or nothing happens.
    pub(super) fn tail_call(&mut self, insn: &Instruction) -> Step<Flow> {
        self.check_tail_call()?;
        self.call_helper(TAIL_CALL)?;
        self.figures.tail_calls = true;
        // Of a function that is verified apart, callers learn it by this.
        (self.effects.moves_packet, self.effects.tail_calls) = (true, true);
        self.go_on_or_return(insn)
    }

    /// Another program may take over: nothing is held, and no helper waits.
    pub(super) fn check_tail_call(&self) -> Step {
        match self.state.first_held(&self.arena) {
            None => {}
            Some((Kind::Reference, pc)) => {
                return reject(VerifyErrorKind::ReferenceAtTailCall { pc });
            }
            Some((what, pc)) => return reject(VerifyErrorKind::StillHeld { what, pc }),
        }
        if self.nested_callbacks() > 0 || self.is_called_later() {
            return reject(VerifyErrorKind::Unsupported(Feature::TailCallInCallback));
        }
        Ok(())
    }

    /// The program ends with what is in R1, wherever it is.
    pub(super) fn throw(&mut self) -> Step<Flow> {
        self.check_throw()?;
        self.effects.throws = true;
        let cookie = self.read(Register::R1)?;
        if !cookie.is_scalar() {
            let (reg, found) = (Register::R1, cookie.kind);
            return reject(VerifyErrorKind::NotANumber { reg, found });
        }
        // Whichever function it is in, the program returns it, or what the function gives
        // that is called with it.
        if self.code.exception_callback(&self.arena).is_none() {
            self.check_result(&cookie)?;
        }
        Ok(Flow::End)
    }

    /// The program may end here: nothing is held, and no helper waits.
    pub(super) fn check_throw(&self) -> Step {
        self.check_nothing_held()?;
        if self.nested_callbacks() > 0 || self.is_called_later() {
            return reject(VerifyErrorKind::Unsupported(Feature::ThrowInCallback));
        }
        Ok(())
    }

    /// Goes on behind an instruction; later, where the function it stands in ends
    /// there.
    pub(super) fn go_on_or_return(&mut self, insn: &Instruction) -> Step<Flow> {
        if self.state.frame == 0 {
            return Ok(Flow::To(self.walker.pc.saturating_add(insn.slots())));
        }
        self.fork(insn)?;
        Ok(Flow::To(self.take_side(insn, false)?))
    }

    /// The function ends at an instruction that is no exit. Where its caller goes on.
    pub(super) fn end_function(&mut self, insn: &Instruction) -> Step<usize> {
        let result = if let Instruction::LegacyPacket { .. } = insn {
            Value::scalar(Scalar::constant(0))
        } else {
            // Whatever took over may have moved the packet.
            self.invalidate_packet();
            Value::UNKNOWN
        };
        self.write(Register::R0, result)?;
        match self.exit()? {
            Flow::To(pc) => Ok(pc),
            // Only the first function's end is the path's.
            Flow::End => reject(VerifyErrorKind::Unsupported(Feature::TailCallInCallback)),
        }
    }
}
