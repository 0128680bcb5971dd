//! Calls of functions of the program, and ends.

use bpf_bytecode::Register;
use bpf_bytecode::instruction::jump_target;

use super::later::Role;
use super::{Explorer, Flow, Step, reject};
use crate::cfg::slot_number;
use crate::domain::Range;
use crate::error::{Sink, VerifyErrorKind};
use crate::state::{Kind, ReturnTo, Value};

/// R6 to R9.
pub(super) const PRESERVED: u16 = 0x3c0;

/// Refuses a result that may be less than `min` or more than `max`.
pub(super) fn within(result: &Range, min: i32, max: i32) -> Step {
    if result.smin >= min.into() && result.smax <= max.into() {
        return Ok(());
    }
    let bound =
        |value: i64| i32::try_from(value).unwrap_or(if value < 0 { i32::MIN } else { i32::MAX });
    let (smin, smax) = (bound(result.smin), bound(result.smax));
    reject(VerifyErrorKind::ReturnValue { smin, smax, min, max })
}

impl Explorer<'_> {
    /// Enters a function: with the arguments, a frame of its own, and nothing
    /// in R6 to R9.
    pub(super) fn call_local(&mut self, off: i32) -> Step<Flow> {
        let pc = self.walker.pc;
        let target = jump_target(pc, off).unwrap_or(usize::MAX);
        let back = pc.saturating_add(1);
        let function = self.code.function_of(&self.arena, target);
        if let Some(global) = self.code.global(&self.arena, function) {
            self.call_global(function, global)?;
            return Ok(Flow::To(back));
        }
        self.check_depth()?;
        let to = ReturnTo { pc: slot_number(back), function, to_helper: false };
        let live = self.code.live(&self.arena, back) & PRESERVED;
        // What is live behind the call, or handed to it, stays.
        self.drop_dead_stack(back)?;
        self.state.push_frame(&mut self.arena, to, live)?;
        Ok(Flow::To(target))
    }

    /// Refuses one frame more than the policy has.
    pub(super) fn check_depth(&mut self) -> Step {
        let frames = self.state.frame.saturating_add(2);
        let limit = u32::try_from(self.rules.stack.frames()).unwrap_or(u32::MAX);
        if frames > limit {
            return reject(VerifyErrorKind::CallDepth { frames, limit });
        }
        self.figures.frames = self.figures.frames.max(frames);
        Ok(())
    }

    /// Returns to the caller, or ends the program.
    pub(super) fn exit(&mut self) -> Step<Flow> {
        let result = self.state.reg(Register::R0);
        if let Some(to) = self.state.return_to(&self.arena) {
            if result.kind == Kind::Stack && result.index == self.state.frame {
                return reject(VerifyErrorKind::ReturnsStackPointer);
            }
            if to.to_helper {
                self.check_callback_result(&result)?;
            }
            self.end_loans();
            self.state.pop_frame(&mut self.arena)?;
            let back = to.pc as usize;
            let stops = to.to_helper && result.number.as_constant() == Some(1);
            return Ok(Flow::To(if stops { self.stop_calling(back)? } else { back }));
        }
        self.check_nothing_held()?;
        self.read(Register::R0)?;
        match self.role() {
            // Callers take it for a number, and so does who is told the result.
            None | Some(Role::Exception | Role::Timer) if !result.is_scalar() => {
                let (reg, found) = (Register::R0, result.kind);
                return reject(VerifyErrorKind::NotANumber { reg, found });
            }
            None => {}
            Some(Role::Timer) => self.check_timer_result(&result)?,
            Some(Role::Program | Role::Exception) => self.check_result(&result)?,
        }
        if self.guards_addresses() && result.kind.is_pointer() {
            let (reg, into) = (Register::R0, Sink::Result);
            return reject(VerifyErrorKind::PointerLeak { reg, into });
        }
        Ok(Flow::End)
    }

    /// Refuses an end of the program while something is held.
    pub(super) fn check_nothing_held(&self) -> Step {
        match self.state.first_held(&self.arena) {
            None => Ok(()),
            Some((Kind::Reference, pc)) => reject(VerifyErrorKind::UnreleasedReference { pc }),
            Some((what, pc)) => reject(VerifyErrorKind::StillHeld { what, pc }),
        }
    }

    /// Programs of some types may return certain numbers only.
    pub(super) fn check_result(&mut self, result: &Value) -> Step {
        let Some((min, max)) = self.code.prog_type.def().returns else { return Ok(()) };
        if !result.is_scalar() {
            let (reg, found) = (Register::R0, result.kind);
            return reject(VerifyErrorKind::NotANumber { reg, found });
        }
        self.mark_precise(result.deps);
        within(result.number.half(), min, max)
    }

    /// The function to which a frame belongs.
    pub(super) fn function_of_frame(&self, frame: u32) -> u32 {
        self.state.return_of(&self.arena, frame).map_or(self.entry, |to| to.function)
    }
}
