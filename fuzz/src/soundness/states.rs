//! The abstract states of a program.

use kernel_bpf::bytecode::{BpfProgram, Register};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::{Apart, Bytes, Observer, StateView, Value, Verifier};

/// Instructions that the verifier may walk, and so states that it may give.
const STEPS: u64 = 8_000;

/// Working memory of the verifier where texts are wanted, in words.
const WORDS: usize = 1 << 18;

/// One state at an instruction.
#[derive(Clone, Copy, Debug)]
pub(super) struct AbstractState<'s> {
    pub frame: u32,
    pub references: u32,
    pub regs: &'s [(Register, Value)],
    pub stack: &'s [Bytes],
    pub apart: &'s [Apart],
}

/// Where the parts of a state end; they begin where those of the one before do.
#[derive(Clone, Copy, Debug)]
struct Head {
    pc: usize,
    frame: u32,
    references: u32,
    regs: usize,
    stack: usize,
    apart: usize,
}

/// Every state, by instruction.
#[derive(Debug, Default)]
pub(super) struct States {
    heads: Vec<Head>,
    regs: Vec<(Register, Value)>,
    stack: Vec<Bytes>,
    apart: Vec<Apart>,
    at: Vec<Vec<usize>>,
}

impl States {
    /// Collects the states of an accepted program: whether it can be verified
    /// within limits while everything is compared.
    pub fn collect(&mut self, program: &BpfProgram<ActiveProfile>, workspace: &mut [u64]) -> bool {
        self.heads.clear();
        self.regs.clear();
        self.stack.clear();
        self.apart.clear();
        self.at.iter_mut().for_each(Vec::clear);
        if self.at.len() < program.len() {
            self.at.resize_with(program.len(), Vec::new);
        }
        observe(program, self, workspace)
    }

    /// The states of the instruction at `pc` as the verifier shows them, in the
    /// same order.
    pub fn texts(program: &BpfProgram<ActiveProfile>, pc: usize) -> Vec<String> {
        let mut texts = Texts { pc, texts: Vec::new() };
        observe(program, &mut texts, &mut vec![0; WORDS]);
        texts.texts
    }

    /// How many states there are.
    pub fn count(&self) -> usize {
        self.heads.len()
    }

    /// The numbers of the states of an instruction.
    pub fn at(&self, pc: usize) -> &[usize] {
        &self.at[pc]
    }

    /// The instruction that a state is of, if there are as many.
    pub fn pc(&self, number: usize) -> Option<usize> {
        self.heads.get(number).map(|head| head.pc)
    }

    /// A state by its number.
    pub fn get(&self, number: usize) -> AbstractState<'_> {
        let head = &self.heads[number];
        let before = number.checked_sub(1).map(|before| &self.heads[before]);
        let ends = |before: &Head| (before.regs, before.stack, before.apart);
        let (regs, stack, apart) = before.map_or((0, 0, 0), ends);
        AbstractState {
            frame: head.frame,
            references: head.references,
            regs: &self.regs[regs..head.regs],
            stack: &self.stack[stack..head.stack],
            apart: &self.apart[apart..head.apart],
        }
    }
}

impl Observer for States {
    fn step(&mut self, pc: usize, state: &StateView<'_>) {
        self.regs.extend(state.regs());
        self.stack.extend(state.stack());
        self.apart.extend(state.apart());
        self.at[pc].push(self.heads.len());
        self.heads.push(Head {
            pc,
            frame: state.frame(),
            references: state.references(),
            regs: self.regs.len(),
            stack: self.stack.len(),
            apart: self.apart.len(),
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
fn observe(
    program: &BpfProgram<ActiveProfile>,
    observer: &mut dyn Observer,
    workspace: &mut [u64],
) -> bool {
    let verifier =
        Verifier::<ActiveProfile>::with_workspace(workspace).step_limit(STEPS).compare_everything();
    verifier.verify_with(program, observer).is_ok()
}
