//! Calls, and the way back.

use bpf_bytecode::BpfInsn;
use bpf_bytecode::abi::helper::id;
use bpf_bytecode::instruction::Instruction;

use super::opcodes as op;
use super::registers::Registers;
use crate::error::Fault;
use crate::run::{Callback, ProgramInfo, Run, Saved};

/// Stands for the program that the run began with.
pub(super) const ENTRY: u32 = u32::MAX;

/// What a run must know of the program of a number, for tail calls.
pub(super) type Programs<'p, 'r> = &'p dyn Fn(u32) -> Option<ProgramInfo<'r>>;

/// Where an instruction stands.
pub(super) struct Site<'s> {
    /// Its slot.
    pub pc: usize,
    /// Its program, by number.
    pub program: u32,
    /// The program's slots.
    pub insns: &'s [BpfInsn],
}

/// Where control goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Flow {
    /// Behind this slot of the same program.
    On(usize),
    /// To the function at `slot`.
    Enter {
        /// Its first slot.
        slot: usize,
        /// Its program.
        program: u32,
    },
    /// Behind the call at `slot`.
    Behind {
        /// The call's slot.
        slot: usize,
        /// Its program.
        program: u32,
    },
    /// To the first slot of this program, in entry registers.
    Program(u32),
    /// The program has ended with this R0.
    End(u64),
}

/// Executes the call at `site`.
pub(super) fn call<'r>(
    run: &mut Run<'r>,
    regs: &mut Registers,
    insn: BpfInsn,
    site: &Site<'_>,
    programs: Programs<'_, 'r>,
) -> Result<Flow, Fault> {
    let (program, number) = (site.program, insn.imm().cast_unsigned());
    let pc = u32::try_from(site.pc).unwrap_or(u32::MAX);
    let saved = || Saved { registers: regs.preserved(), pc, program };
    match insn.src() {
        op::CALL_LOCAL => {
            let saved = saved();
            let frame_pointer = run.push_frame(saved)?;
            regs.restore(saved.registers, frame_pointer);
            // What leaves the program is found when the slot is fetched.
            let distance = isize::try_from(insn.imm()).unwrap_or(isize::MAX);
            let slot = site.pc.wrapping_add(1).wrapping_add_signed(distance);
            return Ok(Flow::Enter { slot, program });
        }
        op::CALL_HELPER if number == id::TAIL_CALL => {
            let [_, array, index, ..] = regs.arguments();
            if let Some(target) = run.tail_call(array, index, programs)? {
                *regs = Registers::new(run.entry_registers());
                return Ok(Flow::Program(target));
            }
        }
        op::CALL_HELPER if Run::calls_back(number) => {
            let begins = |slot: u32| Instruction::decode(site.insns, slot as usize).is_ok();
            match run.begin_callbacks(number, regs.arguments(), &begins)? {
                Callback::Call { slot, args } => {
                    let frame_pointer = run.push_frame(saved())?;
                    regs.enter(args, frame_pointer);
                    return Ok(Flow::Enter { slot: slot as usize, program });
                }
                Callback::Done(result) => regs.set(0, result),
            }
        }
        op::CALL_HELPER => {
            let result = run.call_helper(number, regs.arguments())?;
            regs.set(0, result);
        }
        _ => {
            let result = run.call_kfunc(insn.imm(), regs.arguments())?;
            regs.set(0, result);
        }
    }
    Ok(Flow::On(site.pc))
}

/// Leaves the running function.
pub(super) fn exit(run: &mut Run<'_>, regs: &mut Registers) -> Result<Flow, Fault> {
    let Some(saved) = run.pop_frame() else { return Ok(Flow::End(regs.get(0))) };
    regs.restore(saved.registers, run.frame_pointer());
    let program = saved.program;
    if run.returns_to_helper() {
        match run.next_callback(regs.get(0)) {
            Callback::Call { slot, args } => {
                let frame_pointer = run.push_frame(saved)?;
                regs.enter(args, frame_pointer);
                return Ok(Flow::Enter { slot: slot as usize, program });
            }
            Callback::Done(result) => regs.set(0, result),
        }
    }
    Ok(Flow::Behind { slot: saved.pc as usize, program })
}
