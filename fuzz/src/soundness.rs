//! Accepted programs run in the checked interpreter beside their abstract
//! states: whatever happens must be among what the verifier foresaw.
//!
//! An observer collects every state that the verifier has at each instruction.
//! Then the program runs, on several inputs, and before each instruction the
//! registers and the stack must be in one of the states of that instruction;
//! what the instruction accesses must lie within the object that the state says
//! the address points into; no access fails; and neither the number of executed
//! instructions nor, on embedded, their cost passes what was proven.

mod access;
mod beside;
mod cost;
mod member;
mod states;
mod world;

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

use kernel_bpf::bytecode::abi::context::CtxForm;
use kernel_bpf::bytecode::{BpfProgType, BpfProgram};
use kernel_bpf::execution::Interpreter;
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::{VerifiedInfo, Verifier, VerifyError};
use kernel_bpf_tests::case::{Case, Input};
use kernel_bpf_tests::outcome;

use crate::mutate::{self, Rng};
use crate::place::Place;
use crate::program;
use beside::Beside;
use states::States;

type Program = BpfProgram<ActiveProfile>;

/// Working memory of the verifier, in words.
const WORDS: usize = 1 << 18;

/// Instructions that the verifier may walk for its verdict.
const STEPS: u64 = 100_000;

/// Instructions that a run may execute where more were proven.
const BUDGET: u64 = 100_000;

/// Inputs that a program runs on.
const INPUTS: usize = 32;

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

/// Verifies a program, and runs it beside its states if it is accepted.
///
/// # Panics
/// When something happens that the verifier did not foresee.
pub fn check(data: &[u8]) {
    let seed = data.iter().fold(data.len() as u64, |seed, byte| {
        seed.wrapping_mul(0x0100_0000_01b3) ^ u64::from(*byte)
    });
    check_case(&program::case(data), seed);
}

/// As [`check`], for a program that is at hand; `seed` chooses its inputs.
///
/// # Panics
/// When something happens that the verifier did not foresee.
pub fn check_case(case: &Case, seed: u64) {
    let Some(program) = program::build(case) else { return };
    count(&TALLY.programs, 1);
    let Ok(info) = verify(&program) else { return };
    count(&TALLY.accepted, 1);
    let states = States::of(&program);
    if states.is_some() {
        count(&TALLY.compared, 1);
    }
    let mut rng = Rng::new(seed);
    let mut place = Place::new(case);
    let beside = RefCell::new(Beside::new(&program, states.as_ref()));
    for _ in 0..INPUTS {
        let Some(input) = input(&mut rng, case.prog_type, &info) else { return };
        place.fill(input, rng.next_u64());
        run(&program, &info, &beside, &mut place);
    }
}

fn verify(program: &Program) -> Result<VerifiedInfo, VerifyError> {
    let mut workspace = vec![0_u64; WORDS];
    let verifier = Verifier::<ActiveProfile>::with_workspace(&mut workspace).step_limit(STEPS);
    verifier.verify_program(program).map(|verified| *verified.info())
}

/// An input that the program may be given.
fn input(rng: &mut Rng, prog_type: BpfProgType, info: &VerifiedInfo) -> Option<Input> {
    let len = rng.below(80);
    let mut bytes = |len: usize| -> Vec<u8> {
        let word = |rng: &mut Rng| mutate::number(rng).to_le_bytes();
        let words = std::iter::repeat_with(|| word(rng)).flatten();
        words.take(len).collect()
    };
    match prog_type.context().form {
        CtxForm::Xdp | CtxForm::SkBuff => Some(Input::Packet(bytes(len))),
        CtxForm::Bytes => Some(Input::Bytes(bytes(len.max(info.context_bytes)))),
        CtxForm::Foreign => None,
    }
}

/// One run.
fn run(program: &Program, info: &VerifiedInfo, beside: &RefCell<Beside<'_>>, place: &mut Place) {
    beside.borrow_mut().begin();
    let budget = info.max_insns.min(BUDGET);
    let outcome = place.run(&|env, context| {
        let interpreter = Interpreter::<ActiveProfile>::with_env(env.with_budget(budget));
        interpreter.execute_with(program, context, &mut *beside.borrow_mut())
    });
    let beside = beside.borrow();
    count(&TALLY.runs, 1);
    count(&TALLY.steps, beside.compared());
    beside.assert_within(info);
    let cut_off = budget < info.max_insns && beside.executed() >= budget;
    assert!(
        outcome.result.is_ok() || cut_off,
        "{} after {} of {} instructions\n{}",
        outcome::of(outcome.result),
        beside.executed(),
        info.max_insns,
        program.listing()
    );
}
