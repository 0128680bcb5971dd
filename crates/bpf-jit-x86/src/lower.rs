//! What to emit, before anything is said about how a CPU encodes it.
//!
//! [`lower`] turns a program into a list of [`Step`]s. It settles everything
//! that follows from the instruction set and from the proof alone: masks of
//! shifts, the host's byte order, which loads of the context yield addresses,
//! what an unverified program has to have checked, what no execution reaches.
//! A backend for another CPU starts from the same list.

use alloc::vec::Vec;

use bpf_bytecode::BpfProgram;
use bpf_profile::{OutOfMemory, PhysicalProfile};
use bpf_verifier::InsnFact;

use crate::error::CompileError;

mod links;
mod op;
mod translate;

pub use links::{MAX_LINKS, Maps};
pub use op::{Address, Mode, Op, Order, Step, Trap};

/// A program as a list of operations.
#[derive(Debug)]
pub struct Lowered<'p> {
    /// Operations in the order of the program's slots. An instruction becomes
    /// one operation or more; each carries the instruction's slot.
    pub steps: Vec<Step>,
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

/// Lowers a program: with `facts`, as one that was verified, whose accesses
/// need no check; without, as one of which nothing is known. Slots without a
/// fact are never reached.
///
/// # Errors
/// [`CompileError::OutOfMemory`] without heap memory for the list.
pub fn lower<'p, P: PhysicalProfile>(
    program: &'p BpfProgram<P>,
    facts: Option<&[InsnFact]>,
) -> Result<Lowered<'p>, CompileError> {
    let slots = program.len();
    let mode = if facts.is_some() { Mode::Proven } else { Mode::Checked };
    let mut list = List { steps: Vec::new() };
    let mut maps = Maps::new(program.map_defs());
    list.reserve(match mode {
        Mode::Proven => slots,
        Mode::Checked => slots.saturating_mul(2),
    })?;
    for (pc, insn) in program.instructions() {
        if let Some(facts) = facts {
            let fact = facts.get(pc).copied().unwrap_or_default();
            list.push(translate::proven(pc, insn, fact, &mut maps))?;
            continue;
        }
        list.push(Step::new(pc, Op::Count))?;
        let (step, then) = translate::checked(pc, insn);
        list.push(step)?;
        if let Some(step) = then {
            list.push(step)?;
        }
    }
    Ok(Lowered { steps: list.steps, slots, mode, zeroed: 0, maps })
}

/// The list under construction.
struct List {
    steps: Vec<Step>,
}

impl List {
    fn reserve(&mut self, additional: usize) -> Result<(), CompileError> {
        let requested = additional.saturating_mul(size_of::<Step>());
        self.steps.try_reserve(additional).map_err(|_| OutOfMemory { requested }.into())
    }

    #[inline]
    fn push(&mut self, step: Step) -> Result<(), CompileError> {
        if self.steps.len() == self.steps.capacity() {
            self.reserve(1)?;
        }
        self.steps.push(step);
        Ok(())
    }
}
