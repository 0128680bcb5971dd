//! What to emit, before anything is said about how a CPU encodes it.
//!
//! [`lower`] turns a program into a list of [`Step`]s. It settles everything
//! that follows from the instruction set and from the proof alone: masks of
//! shifts, the host's byte order, which loads of the context yield addresses,
//! what an unverified program has to have checked, what no execution reaches.
//! A backend for another CPU starts from the same list.

use alloc::vec::Vec;

use bpf_bytecode::{BpfInsn, BpfProgram, Register};
use bpf_profile::{OutOfMemory, PhysicalProfile};
use bpf_verifier::InsnFact;

use crate::error::CompileError;

mod effect;
mod links;
mod op;
mod shape;
mod translate;

pub use effect::{Effect, Registers};
pub use links::{MAX_LINKS, Maps};
pub use op::{Address, Mode, Op, Order, Step, Then, Trap, Turn};

/// A program as a list of operations.
#[derive(Debug)]
pub struct Lowered<'p> {
    /// Operations in the order of the program's slots, each with its slot. Of a program
    /// that was verified, one for each slot; else more.
    pub steps: Vec<Step>,
    /// Of a program that was verified, whatever names a slot, in the order of the steps.
    pub transfers: Vec<Transfer>,
    /// Slots of the program. Jumps name slots.
    pub slots: usize,
    /// Whether accesses are checked and instructions counted.
    pub mode: Mode,
    /// Bytes of a frame, where a program that was verified may read some that it
    /// has not written: a call zeroes them. Otherwise 0.
    pub zeroed: u32,
    /// The program's maps.
    pub maps: Maps<'p>,
}

/// An instruction that names a slot, to which control may go from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Slot of the instruction.
    pub from: u32,
    /// Slot that it names.
    pub to: u32,
    /// Whether a function begins there.
    pub calls: bool,
}

/// Memory for the lists, of use for one program after the other.
#[derive(Debug, Default)]
pub struct Lists {
    steps: Vec<Step>,
    transfers: Vec<Transfer>,
}

/// Lowers a program: with `facts`, as one that was verified, whose accesses
/// need no check; without, as one of which nothing is known. Slots without a
/// fact are never reached.
///
/// # Errors
/// [`CompileError::OutOfMemory`] without heap memory for the list.
pub fn lower<'p, P: PhysicalProfile>(
    program: &'p BpfProgram<P>,
    facts: Option<&[InsnFact]>,
    lists: Lists,
) -> Result<Lowered<'p>, CompileError> {
    let slots = program.len();
    let mut lowered = Lowered {
        steps: lists.steps,
        transfers: lists.transfers,
        slots,
        mode: if facts.is_some() { Mode::Proven } else { Mode::Checked },
        zeroed: 0,
        maps: Maps::new(program.map_defs()),
    };
    lowered.transfers.clear();
    match facts {
        Some(facts) => lowered.proven(program.insns(), facts)?,
        None => lowered.checked(program.insns())?,
    }
    Ok(lowered)
}

impl Lowered<'_> {
    /// Of a program that was verified, the registers that it, or another one that takes
    /// its place, may change; R10 is among them where there are frames.
    pub fn changed(&self) -> Registers {
        let effect = self.steps.iter().fold(Effect::NONE, |all, step| all.with(step.effect));
        if effect.leaves() {
            return Registers::ALL;
        }
        let framed = effect.is_framed() || self.transfers.iter().any(|transfer| transfer.calls);
        let frame = if framed { Registers::of(Register::R10) } else { Registers::NONE };
        effect.writes().with(frame)
    }

    /// The memory of the lists.
    pub fn into_lists(self) -> Lists {
        Lists { steps: self.steps, transfers: self.transfers }
    }

    fn proven(&mut self, insns: &[BpfInsn], facts: &[InsnFact]) -> Result<(), CompileError> {
        let additional = insns.len().saturating_sub(self.steps.len());
        reserve(&mut self.steps, additional)?;
        self.steps.resize(insns.len(), Step::NOTHING);
        for ((at, insn), step) in insns.iter().enumerate().zip(&mut self.steps) {
            let fact = facts.get(at).copied().unwrap_or_default();
            let pc = u32::try_from(at).unwrap_or(u32::MAX);
            translate::proven(pc, *insn, insns, fact, &mut self.maps, step);
            if step.effect.names_slot() {
                note(&mut self.transfers, step)?;
            }
        }
        Ok(())
    }

    fn checked(&mut self, insns: &[BpfInsn]) -> Result<(), CompileError> {
        self.steps.clear();
        // An instruction is counted, and may be followed by a trap.
        reserve(&mut self.steps, insns.len().saturating_mul(3))?;
        for (pc, insn) in (0..).zip(insns) {
            if let Some((step, then)) = translate::checked(pc, *insn, insns) {
                self.steps.push(Step::new(pc, Op::Count));
                self.steps.push(step);
                self.steps.extend(then);
            }
        }
        Ok(())
    }
}

/// Notes which slot a step names.
fn note(transfers: &mut Vec<Transfer>, step: &Step) -> Result<(), CompileError> {
    let (to, calls) = match step.turn() {
        Turn::Jump(target) | Turn::Perhaps(target) => (target, false),
        Turn::Call(target) => (target, true),
        Turn::On | Turn::End => match step.op() {
            Op::FunctionReference { slot, .. } => (slot, true),
            _ => return Ok(()),
        },
    };
    if transfers.len() == transfers.capacity() {
        reserve(transfers, 1)?;
    }
    transfers.push(Transfer { from: step.pc, to, calls });
    Ok(())
}

fn reserve<T>(list: &mut Vec<T>, additional: usize) -> Result<(), CompileError> {
    let requested = additional.saturating_mul(size_of::<T>());
    list.try_reserve(additional).map_err(|_| OutOfMemory { requested }.into())
}
