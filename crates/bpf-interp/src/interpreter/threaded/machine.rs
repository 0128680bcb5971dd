//! What handlers share.
#![allow(unsafe_code)]

use core::hint::cold_path;
use core::ptr::NonNull;

use super::dispatch;
use super::form::{Code, Form, Hand};
use crate::context::Taken;
use crate::error::{BpfError, BpfResult, Fault};
use crate::interpreter::call::{ENTRY, Flow, Site};
use crate::interpreter::registers::Registers;
use crate::interpreter::step;
use crate::run::{Run, Saved};

/// A program being executed. The registers in the hand are stale here.
pub(in crate::interpreter) struct Machine<'r, F: Form> {
    pub regs: Registers,
    pub hand: Hand<F::Held>,
    /// Where the native stack is at the lowest before the driver is returned to.
    pub floor: usize,
    pub code: F::Code<'r>,
    /// R0 at the program's end, and what stopped it if it did not come to that.
    pub r0: u64,
    fault: Option<BpfError>,
    /// The running program.
    program: u32,
    /// The first one, and the operation that it begins with.
    entry: F::Code<'r>,
    first: Option<NonNull<F::Op>>,
    programs: &'r dyn Programs<F>,
    pub run: Run<'r>,
}

/// Who knows the targets of tail calls.
pub(in crate::interpreter) trait Programs<F: Form> {
    /// The program of this number.
    fn program(&self, number: u32) -> Option<F::Code<'_>>;
}

impl<'r, F: Form> Machine<'r, F> {
    /// A machine that is to execute `entry` in a run of it.
    #[inline(always)]
    pub fn new(run: Run<'r>, entry: F::Code<'r>, programs: &'r dyn Programs<F>) -> Self {
        let mut regs = Registers::default();
        regs.set_frame_pointer(run.first_frame_pointer());
        Self {
            regs,
            hand: Hand::default(),
            floor: 0,
            code: entry,
            r0: 0,
            fault: None,
            program: ENTRY,
            entry,
            first: entry.at(0).and_then(|first| NonNull::new(first.cast_mut())),
            programs,
            run,
        }
    }

    /// Executes the program once, in a run that was just begun. Afterwards the
    /// machine is as it was made only if the program was not replaced by another
    /// one and did not fault.
    #[inline(always)]
    pub fn execute(&mut self) -> BpfResult {
        self.go(self.run.context_registers());
        self.outcome()
    }

    /// Executes the program once, in a run that was prepared for it.
    #[inline(always)]
    pub fn execute_over(&mut self, context: Taken<'_>) -> BpfResult {
        let entered = Entered(self);
        // SAFETY: the run is left before this function is, also where a helper panics.
        let registers = entered.0.run.enter(unsafe { context.held() });
        let straight = entered.0.go(registers);
        core::mem::forget(entered);
        if !straight || self.fault.is_some() || self.run.has_traces() {
            cold_path();
            return self.end();
        }
        self.run.close();
        Ok(self.r0)
    }

    /// Leaves a run in which more was done than to execute the program to its end.
    #[inline(never)]
    fn end(&mut self) -> BpfResult {
        let outcome = self.outcome();
        self.leave();
        outcome
    }

    /// Leaves the run, and makes everything as it was made.
    #[inline(never)]
    fn leave(&mut self) {
        self.run.leave();
        self.fault = None;
        (self.code, self.program) = (self.entry, ENTRY);
        self.run.set_program(self.entry.info());
        self.run.reset();
        self.regs.set_frame_pointer(self.run.first_frame_pointer());
    }

    /// From the first operation to the end, with these values in R1 and R2. Gives whether
    /// that was all that was done.
    #[inline(always)]
    fn go(&mut self, [r1, r2]: [u64; 2]) -> bool {
        let Some(first) = self.first else {
            self.fault = Some(BpfError::Fault { pc: 0, fault: Fault::JumpOutOfRange });
            return false;
        };
        self.regs.begin(r1, r2);
        dispatch::drive(first.as_ptr(), self, Hand::begin(r1, r2))
    }

    #[inline(always)]
    fn outcome(&self) -> BpfResult {
        match self.fault {
            None => Ok(self.r0),
            Some(fault) => Err(fault),
        }
    }

    /// Executes the instruction at `op` with the checked step, and gives the
    /// operation that comes next; null where the program has ended. All
    /// registers are up to date before and afterwards, also those of the hand.
    #[inline(never)]
    pub fn step(&mut self, op: &F::Op) -> *const F::Op {
        self.hand.lay_down(&mut self.regs, self.code.hand());
        let pc = F::slot(self, op);
        let next = self.by_step(pc);
        self.hand = Hand::take_up(&self.regs, self.code.hand());
        next.unwrap_or_else(|outcome| {
            match outcome {
                Ok(r0) => self.r0 = r0,
                Err(fault) => self.fault = Some(fault),
            }
            core::ptr::null()
        })
    }

    fn by_step(&mut self, pc: usize) -> Result<*const F::Op, BpfResult> {
        let fault =
            |fault| Err(BpfError::Fault { pc: u32::try_from(pc).unwrap_or(u32::MAX), fault });
        let insns = self.code.insns();
        let Some(&insn) = insns.get(pc) else { return Err(fault(Fault::JumpOutOfRange)) };
        let site = Site { pc, program: self.program, insns };
        let programs = self.programs;
        let infos = |number| programs.program(number).map(Code::info);
        let flow = step::execute_apart(&mut self.run, &mut self.regs, insn, &site, &infos);
        let (slot, program) = match flow.map_err(fault)? {
            Flow::On(at) => (at.wrapping_add(1), self.program),
            Flow::Enter { slot, program } => (slot, program),
            Flow::Behind { slot, program } => (slot.wrapping_add(1), program),
            Flow::Program(number) => (0, number),
            Flow::End(r0) => return Err(Ok(r0)),
        };
        self.at(slot, program).ok_or(fault(Fault::JumpOutOfRange))
    }

    /// Makes this the running program, and gives its operation at `slot`.
    #[inline(always)]
    fn at(&mut self, slot: usize, program: u32) -> Option<*const F::Op> {
        if program != self.program {
            let first = program == ENTRY;
            self.code = if first { self.entry } else { self.programs.program(program)? };
            self.program = program;
        }
        self.code.at(slot)
    }

    /// Enters the function that `op` calls; false, with nothing changed, where no
    /// further frame is allowed. What is in the hand stays so.
    pub fn enter_function(&mut self, op: &F::Op) -> bool {
        self.hand.lay_down(&mut self.regs, self.code.hand());
        let pc = u32::try_from(F::slot(self, op)).unwrap_or(u32::MAX);
        let saved = Saved { registers: self.regs.preserved(), pc, program: self.program };
        let Ok(frame_pointer) = self.run.push_frame(saved) else { return false };
        self.regs.restore(saved.registers, frame_pointer);
        true
    }

    /// Leaves a function that is not the first, and gives the operation at which its
    /// caller goes on; null where the program has ended.
    pub fn leave_function(&mut self, op: &F::Op) -> *const F::Op {
        // What a helper has called is left to the step.
        let saved = if self.run.in_callback() { None } else { self.run.pop_frame() };
        let Some(saved) = saved else { return self.step(op) };
        self.hand.lay_down(&mut self.regs, self.code.hand());
        self.regs.restore(saved.registers, self.run.frame_pointer());
        let to = self.at((saved.pc as usize).wrapping_add(1), saved.program);
        self.hand = Hand::take_up(&self.regs, self.code.hand());
        to.unwrap_or_else(|| {
            self.fault = Some(BpfError::Fault { pc: saved.pc, fault: Fault::JumpOutOfRange });
            core::ptr::null()
        })
    }

    /// Calls the helper that `op` names; false where that was a fault.
    pub fn call_helper(&mut self, op: &F::Op) -> bool {
        self.hand.lay_down(&mut self.regs, self.code.hand());
        match self.run.call_helper(F::imm(op).cast_unsigned(), self.regs.arguments()) {
            Ok(r0) => {
                self.regs.set(0, r0);
                self.hand = Hand::take_up(&self.regs, self.code.hand());
                true
            }
            Err(fault) => {
                let pc = u32::try_from(F::slot(self, op)).unwrap_or(u32::MAX);
                self.fault = Some(BpfError::Fault { pc, fault });
                false
            }
        }
    }
}

/// Leaves a machine's run, whatever was under way, when it is dropped.
struct Entered<'m, 'r, F: Form>(&'m mut Machine<'r, F>);

impl<F: Form> Drop for Entered<'_, '_, F> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.leave();
    }
}
