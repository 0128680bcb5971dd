//! Functions that end before their exit: by a tail call, or where a packet is too short
//! for a deprecated load.
//!
//! In the first function both end the program, and nothing is left to be proven. In
//! another one they return to its caller: with what the program returned that took
//! over, or with 0. That is a path of its own.

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
        match self.state.first_held(&self.arena) {
            None => {}
            Some((Kind::Reference, pc)) => {
                return reject(VerifyErrorKind::ReferenceAtTailCall { pc });
            }
            Some((what, pc)) => return reject(VerifyErrorKind::StillHeld { what, pc }),
        }
        if self.nested_callbacks() > 0 {
            return reject(VerifyErrorKind::Unsupported(Feature::TailCallInCallback));
        }
        self.call_helper(TAIL_CALL)?;
        self.figures.tail_calls = true;
        // Of a function that is verified apart, callers learn it by this.
        self.effects.moves_packet = true;
        self.go_on_or_return(insn)
    }

    /// Goes on behind an instruction; later, where the function it stands in ends
    /// there.
    pub(super) fn go_on_or_return(&mut self, insn: &Instruction) -> Step<Flow> {
        if self.state.frame == 0 {
            return Ok(Flow::To(self.walker.pc.saturating_add(insn.slots())));
        }
        self.fork()?;
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
