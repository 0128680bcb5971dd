//! What handlers share.

use super::dispatch;
use super::form::{Code, Form, Hand};
use crate::error::{BpfError, BpfResult, Fault};
use crate::interpreter::call::{ENTRY, Flow, Site};
use crate::interpreter::registers::Registers;
use crate::interpreter::step;
use crate::run::Run;

/// A program being executed. The registers in the hand are stale here.
pub(in crate::interpreter) struct Machine<'m, 'r, F: Form> {
    pub regs: Registers,
    pub hand: Hand<F::Held>,
    /// Where the native stack is at the lowest before the driver is returned to.
    pub floor: usize,
    pub run: &'m mut Run<'r>,
    pub code: F::Code<'r>,
    /// The running program and the first one.
    program: u32,
    entry: F::Code<'r>,
    programs: &'m dyn Fn(u32) -> Option<F::Code<'r>>,
    pub outcome: BpfResult,
}

impl<F: Form> Machine<'_, '_, F> {
    /// Executes the instruction at `op` with the checked step, and gives the
    /// operation that comes next; null where the program has ended. All
    /// registers are up to date before and afterwards, also those of the hand.
    #[inline(never)]
    pub fn step(&mut self, op: &F::Op) -> *const F::Op {
        self.hand.lay_down(&mut self.regs, self.code.hand());
        let pc = F::slot(self, op);
        let next = self.execute(pc);
        self.hand = Hand::take_up(&self.regs, self.code.hand());
        next.unwrap_or_else(|outcome| {
            self.outcome = outcome;
            core::ptr::null()
        })
    }

    fn execute(&mut self, pc: usize) -> Result<*const F::Op, BpfResult> {
        let fault =
            |fault| Err(BpfError::Fault { pc: u32::try_from(pc).unwrap_or(u32::MAX), fault });
        let insns = self.code.insns();
        let Some(&insn) = insns.get(pc) else { return Err(fault(Fault::JumpOutOfRange)) };
        let site = Site { pc, program: self.program, insns };
        let programs = self.programs;
        let infos = |number| programs(number).map(Code::info);
        let flow = step::execute_apart(self.run, &mut self.regs, insn, &site, &infos);
        let (slot, program) = match flow.map_err(fault)? {
            Flow::On(at) => (at.wrapping_add(1), self.program),
            Flow::Enter { slot, program } => (slot, program),
            Flow::Behind { slot, program } => (slot.wrapping_add(1), program),
            Flow::Program(number) => (0, number),
            Flow::End(r0) => return Err(Ok(r0)),
        };
        if program != self.program {
            let code = if program == ENTRY { Some(self.entry) } else { programs(program) };
            self.code = code.ok_or(fault(Fault::JumpOutOfRange))?;
            self.program = program;
        }
        self.code.at(slot).ok_or(fault(Fault::JumpOutOfRange))
    }
}

/// Executes `entry` in a run that was just begun for it; `programs` knows the
/// targets of tail calls by number.
pub(in crate::interpreter) fn execute<'r, F: Form>(
    run: &mut Run<'r>,
    entry: F::Code<'r>,
    programs: &dyn Fn(u32) -> Option<F::Code<'r>>,
) -> BpfResult {
    let regs = Registers::new(run.entry_registers());
    let Some(first) = entry.at(0) else {
        return Err(BpfError::Fault { pc: 0, fault: Fault::JumpOutOfRange });
    };
    let mut machine: Machine<'_, '_, F> = Machine {
        hand: Hand::take_up(&regs, entry.hand()),
        regs,
        floor: 0,
        run,
        code: entry,
        program: ENTRY,
        entry,
        programs,
        outcome: Ok(0),
    };
    dispatch::drive(first, &mut machine);
    machine.outcome
}
