//! Accepted programs run in the checked interpreter beside their abstract
//! states: whatever happens must be among what the verifier foresaw.
//!
//! An observer collects every state that the verifier has at each instruction.
//! Then the program runs, on several inputs, and before each instruction the
//! registers and the stack must be in one of the states of that instruction;
//! what the instruction accesses must lie within the object that the state says
//! the address points into; no access fails; and neither the number of executed
//! instructions nor, on embedded, their cost passes what was proven. An accepted
//! program is then changed in one place, and what comes of it goes the same way.

mod access;
mod beside;
mod cost;
mod inputs;
mod member;
mod states;
mod world;

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

use kernel_bpf::bytecode::BpfProgram;
use kernel_bpf::execution::{BpfError, Fault, Interpreter};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::{VerifiedInfo, Verifier, VerifyError};
use kernel_bpf_tests::case::Case;
use kernel_bpf_tests::outcome;

use crate::mutate::Rng;
use crate::place::{Place, TAIL_CALLS};
use crate::program;
use beside::Beside;
use states::States;

type Program = BpfProgram<ActiveProfile>;

/// Working memory of the verifier, in words.
const WORDS: usize = 1 << 18;

/// Instructions that the verifier may walk for its verdict.
const STEPS: u64 = 20_000;

/// Instructions that a run may execute where more were proven.
const BUDGET: u64 = 100_000;

/// Instructions of a run that are compared with a state, but for the first runs
/// of a program.
const COMPARED: u64 = 600;

/// Runs of a program of which every instruction is compared with a state.
const WHOLE: usize = 2;

/// Inputs that a program runs on.
const INPUTS: usize = 64;

/// What was done so far, in this process.
#[derive(Debug, Default)]
pub struct Tally {
    /// Programs that were built.
    pub programs: AtomicU64,
    /// Programs that the verifier accepted.
    pub accepted: AtomicU64,
    /// Accepted programs that ran beside their states.
    pub compared: AtomicU64,
    /// Runs of accepted programs.
    pub runs: AtomicU64,
    /// Instructions of these runs that were compared with a state.
    pub steps: AtomicU64,
}

/// What was done so far, in this process.
pub static TALLY: Tally = Tally {
    programs: AtomicU64::new(0),
    accepted: AtomicU64::new(0),
    compared: AtomicU64::new(0),
    runs: AtomicU64::new(0),
    steps: AtomicU64::new(0),
};

fn count(what: &AtomicU64, by: u64) {
    what.fetch_add(by, Ordering::Relaxed);
}

/// Verifies a program, and runs it beside its states if it is accepted; then
/// what comes of it by small changes.
///
/// # Panics
/// When something happens that the verifier did not foresee.
pub fn check(data: &[u8]) {
    Checker::new().check(data);
}

/// What checks of programs share: memory, so that it need not be had for each.
#[derive(Debug)]
pub struct Checker {
    workspace: Vec<u64>,
    states: States,
    last: Option<(Case, u64)>,
}

impl Default for Checker {
    fn default() -> Self {
        Self::new()
    }
}

impl Checker {
    /// Room for checks.
    #[must_use]
    pub fn new() -> Self {
        Self { workspace: vec![0; WORDS], states: States::default(), last: None }
    }

    /// The program that was accepted last, and what chose its inputs.
    #[must_use]
    pub const fn last(&self) -> Option<&(Case, u64)> {
        self.last.as_ref()
    }

    /// As [`check`].
    ///
    /// # Panics
    /// When something happens that the verifier did not foresee.
    pub fn check(&mut self, data: &[u8]) {
        self.check_changes(program::case(data), program::seed(data));
    }

    /// Checks a program, and where it is accepted, what comes of it by small
    /// changes that leave it accepted.
    ///
    /// # Panics
    /// When something happens that the verifier did not foresee.
    pub fn check_changes(&mut self, case: Case, seed: u64) {
        program::check_changes(
            case,
            seed,
            |case| &mut case.insns,
            |case, seed| self.check_case(case, seed),
        );
    }

    /// Verifies a program, and runs it beside its states if it is accepted, on
    /// inputs that `seed` chooses: whether it is.
    ///
    /// # Panics
    /// When something happens that the verifier did not foresee.
    pub fn check_case(&mut self, case: &Case, seed: u64) -> bool {
        let Some(program) = program::build(case) else { return false };
        count(&TALLY.programs, 1);
        let Ok(info) = verify(&program, &mut self.workspace) else { return false };
        count(&TALLY.accepted, 1);
        self.last = Some((case.clone(), seed));
        let known = self.states.collect(&program, &mut self.workspace);
        if known {
            count(&TALLY.compared, 1);
        }
        let mut rng = Rng::new(seed);
        let mut place = Place::new(case);
        let beside = RefCell::new(Beside::new(&program, known.then_some(&self.states)));
        for number in 0..INPUTS {
            let Some(input) = inputs::choose(&mut rng, case.prog_type, &info) else { return true };
            place.fill(input, rng.next_u64());
            beside.borrow_mut().begin(if number < WHOLE { BUDGET } else { COMPARED });
            run(&program, &info, &beside, &mut place);
        }
        true
    }
}

fn verify(program: &Program, workspace: &mut [u64]) -> Result<VerifiedInfo, VerifyError> {
    let verifier = Verifier::<ActiveProfile>::with_workspace(workspace).step_limit(STEPS);
    verifier.verify_program(program).map(|verified| *verified.info())
}

/// One run.
fn run(program: &Program, info: &VerifiedInfo, beside: &RefCell<Beside<'_>>, place: &mut Place) {
    let budget = if info.tail_calls { BUDGET } else { info.max_insns.min(BUDGET) };
    let result = place.execute(&|env, context| {
        let interpreter = Interpreter::<ActiveProfile>::with_env(env.with_budget(budget));
        let programs = [program];
        let interpreter = interpreter.with_programs(&programs);
        interpreter.execute_with(program, context, &mut *beside.borrow_mut())
    });
    let beside = beside.borrow();
    count(&TALLY.runs, 1);
    count(&TALLY.steps, beside.compared());
    beside.assert_within(info);
    // What other programs leave of a budget need not do.
    let tail_calls = info.tail_calls && budget < info.max_insns.saturating_mul(TAIL_CALLS);
    let cut_off = tail_calls || budget < info.max_insns && beside.executed() >= budget;
    // An interpreter that knows no proof begins programs for which there are too few
    // frames.
    let deep = matches!(result, Err(BpfError::Fault { fault: Fault::CallDepth, .. }));
    assert!(
        result.is_ok() || cut_off || deep && info.tail_calls,
        "{} after {} of {} instructions\n{}",
        outcome::of(result),
        beside.executed(),
        info.max_insns,
        program.listing()
    );
}
