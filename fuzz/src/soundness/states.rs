//! The abstract states of a program.

use kernel_bpf::bytecode::{BpfProgram, Register};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::{Bytes, Observer, StateView, Value, Verifier};

/// Working memory of the verifier, in words.
const WORDS: usize = 1 << 17;

/// Instructions that it may walk, and so states that it may give.
const STEPS: u64 = 8_000;

/// One state at an instruction.
#[derive(Debug)]
pub(super) struct AbstractState {
    pub frame: u32,
    pub references: u32,
    pub regs: Vec<(Register, Value)>,
    pub stack: Vec<Bytes>,
}

/// Every state, by instruction.
#[derive(Debug)]
pub(super) struct States {
    at: Vec<Vec<AbstractState>>,
}

impl States {
    /// The states of an accepted program, if it can be verified within limits
    /// while everything is compared.
    pub fn of(program: &BpfProgram<ActiveProfile>) -> Option<Self> {
        let mut states = Self { at: Vec::new() };
        states.at.resize_with(program.len(), Vec::new);
        observe(program, &mut states).then_some(states)
    }

    /// The states of the instruction at `pc` as the verifier shows them, in the
    /// same order.
    pub fn texts(program: &BpfProgram<ActiveProfile>, pc: usize) -> Vec<String> {
        let mut texts = Texts { pc, texts: Vec::new() };
        observe(program, &mut texts);
        texts.texts
    }

    /// The states of an instruction.
    pub fn at(&self, pc: usize) -> &[AbstractState] {
        &self.at[pc]
    }
}

impl Observer for States {
    fn step(&mut self, pc: usize, state: &StateView<'_>) {
        self.at[pc].push(AbstractState {
            frame: state.frame(),
            references: state.references(),
            regs: state.regs().collect(),
            stack: state.stack().collect(),
        });
    }
}

/// Keeps the text of every state of one instruction.
struct Texts {
    pc: usize,
    texts: Vec<String>,
}

impl Observer for Texts {
    fn step(&mut self, pc: usize, state: &StateView<'_>) {
        if pc == self.pc {
            self.texts.push(state.to_string());
        }
    }
}

/// Shows every state that can occur; false where they are too many.
fn observe(program: &BpfProgram<ActiveProfile>, observer: &mut dyn Observer) -> bool {
    let mut workspace = vec![0_u64; WORDS];
    let verifier = Verifier::<ActiveProfile>::with_workspace(&mut workspace)
        .step_limit(STEPS)
        .compare_everything();
    verifier.verify_with(program, observer).is_ok()
}
