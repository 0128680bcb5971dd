//! The loop that runs any program, with every check.

use super::call::{ENTRY, Flow, Site};
use super::code::Code;
use super::registers::Registers;
use super::step;
use crate::error::{BpfError, BpfResult, Fault};
use crate::observer::{Observer, Step};
use crate::run::Run;

/// Executes `entry` in a run that was just begun; `programs` knows the targets
/// of tail calls by number.
pub(super) fn execute<'a: 'r, 'r, O: Observer>(
    run: &mut Run<'r>,
    entry: Code<'a>,
    programs: &dyn Fn(u32) -> Option<Code<'a>>,
    observer: &mut O,
) -> BpfResult {
    let infos = |number| programs(number).map(|code| code.info);
    let (mut insns, mut program) = (entry.insns, ENTRY);
    let mut regs = Registers::new(run.entry_registers());
    let mut budget = run.budget();
    let mut pc = 0_usize;

    macro_rules! stop {
        ($fault:expr) => {{
            let fault = $fault;
            run.set_budget(budget);
            return Err(BpfError::Fault { pc: u32::try_from(pc).unwrap_or(u32::MAX), fault });
        }};
    }
    // Goes on in this program.
    macro_rules! switch {
        ($number:expr) => {{
            let number = $number;
            if number != program {
                let code = if number == ENTRY { Some(entry) } else { programs(number) };
                let Some(code) = code else { stop!(Fault::JumpOutOfRange) };
                (insns, program) = (code.insns, number);
            }
        }};
    }

    loop {
        let Some(&insn) = insns.get(pc) else { stop!(Fault::JumpOutOfRange) };
        let Some(left) = budget.checked_sub(1) else { stop!(Fault::Budget) };
        budget = left;
        observer.step(&Step {
            pc,
            tail_called: (program != ENTRY).then_some(program),
            registers: regs.all(),
            run,
        });
        let site = Site { pc, program, insns };
        match step::execute(run, &mut regs, insn, &site, &infos) {
            Ok(Flow::On(at)) => pc = at.wrapping_add(1),
            Ok(Flow::Enter { slot, program }) => {
                switch!(program);
                pc = slot;
            }
            Ok(Flow::Behind { slot, program }) => {
                switch!(program);
                pc = slot.wrapping_add(1);
            }
            Ok(Flow::Program(number)) => {
                switch!(number);
                pc = 0;
                budget = run.budget();
            }
            Ok(Flow::End(r0)) => {
                run.set_budget(budget);
                return Ok(r0);
            }
            Err(fault) => stop!(fault),
        }
    }
}
