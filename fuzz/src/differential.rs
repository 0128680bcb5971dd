//! Engines agree on every program with each other and with the reference
//! interpreter, and a program that the verifier accepted does not fault, on any engine, within the bound that was proven for it.

#[cfg_attr(all(feature = "cloud-profile", target_arch = "x86_64"), path = "differential/jit.rs")]
#[cfg_attr(
    not(all(feature = "cloud-profile", target_arch = "x86_64")),
    path = "differential/no_jit.rs"
)]
mod compiled;
#[cfg_attr(feature = "cloud-profile", path = "differential/translated.rs")]
#[cfg_attr(not(feature = "cloud-profile"), path = "differential/not_translated.rs")]
mod translated;

use std::sync::atomic::{AtomicU64, Ordering};

use kernel_bpf::bytecode::BpfProgram;
use kernel_bpf::execution::{
    BpfContext, BpfError, BpfExecutor, BpfResult, Environment, Fault, Interpreter, Refusal,
    VerifiedInterpreter,
};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::VerifiedProgram;
use kernel_bpf_tests::case::{Case, Input};
use kernel_bpf_tests::engine;
use kernel_bpf_tests::outcome;

use crate::mutate::{self, Rng};
use crate::place::{Outcome, Place, TAIL_CALLS, same};
use crate::program;
use crate::reference::{self, Ended};

type Program = BpfProgram<ActiveProfile>;
type Verified = VerifiedProgram<ActiveProfile>;

/// Runs a program in an environment over a context.
type Execute<'p> = Box<dyn Fn(Environment<'_>, &mut BpfContext<'_>) -> BpfResult + Sync + 'p>;

/// An engine with a program in its form.
struct Loaded<'p> {
    name: &'static str,
    /// Whether nothing but verified programs gets there.
    verified: bool,
    execute: Execute<'p>,
}

/// Instructions of one run. Small, since most programs that do not end by
/// themselves are none the wiser for more.
const BUDGET: u64 = 8_000;

/// What the runs of this process came to.
#[derive(Debug)]
pub struct Tally {
    /// Programs that were built, and those that were accepted.
    pub programs: AtomicU64,
    /// Of these, accepted ones.
    pub accepted: AtomicU64,
    /// Runs that were compared with the reference.
    pub compared: AtomicU64,
    /// Runs that the reference declined.
    pub declined: AtomicU64,
    /// Instructions that the reference executed in compared runs.
    pub executed: AtomicU64,
    /// The same, of all engines together, the reference included.
    pub on_all: AtomicU64,
}

/// The tally.
pub static TALLY: Tally = Tally {
    programs: AtomicU64::new(0),
    accepted: AtomicU64::new(0),
    compared: AtomicU64::new(0),
    declined: AtomicU64::new(0),
    executed: AtomicU64::new(0),
    on_all: AtomicU64::new(0),
};

fn count(what: &AtomicU64, number: u64) {
    what.fetch_add(number, Ordering::Relaxed);
}

/// Runs a program on every engine.
///
/// # Panics
/// When engines disagree, an accepted program faults, or a proven bound does
/// not hold.
pub fn check(data: &[u8]) {
    check_with(data, 1, 0);
}

/// As [`check`], over so many inputs: the program's own, and others that follow
/// from `seed`.
///
/// # Panics
/// As [`check`].
pub fn check_with(data: &[u8], inputs: usize, seed: u64) {
    check_case(program::case(data), inputs, seed);
}

/// As [`check_with`], of this program.
///
/// # Panics
/// As [`check`].
pub fn check_case(mut case: Case, inputs: usize, seed: u64) {
    let Some(program) = program::build(&case) else { return };
    let verified = engine::verify(&program).ok();
    count(&TALLY.programs, 1);
    count(&TALLY.accepted, u64::from(verified.is_some()));
    let fits = verified.as_ref().is_none_or(|verified| give_context(&mut case.input, verified));
    let engines = engines(&program, verified.as_ref());
    let mut place = Place::new(&case);
    if let Some(verified) = &verified {
        for engine in engines.iter().filter(|engine| engine.verified) {
            let outcome = run(&mut place, engine, BUDGET);
            admitted(&program, verified, fits, engine.name, &outcome);
        }
        if fits {
            within_bound(&program, verified, |engine, budget| run(&mut place, engine, budget));
        }
    }
    // Where the bound exceeds the budget, or the context is too small, only the
    // unverified form starts.
    let bound = verified.as_ref().map(|verified| {
        let info = verified.info();
        // Unverified programs go on with what others left of their budget.
        info.max_insns.saturating_mul(if info.tail_calls { TAIL_CALLS } else { 1 })
    });
    let all = fits && bound.is_none_or(|bound| bound <= BUDGET);
    let engines: Vec<_> = engines.into_iter().filter(|engine| all || !engine.verified).collect();
    let mut rng = Rng::new(seed);
    for input in 0..inputs {
        if input > 0 {
            let values = rng.next_u64();
            place.fill(another(&case.input, &mut rng), values);
        }
        compare(&program, &case, &mut place, &engines);
    }
}

fn run(place: &mut Place, engine: &Loaded<'_>, budget: u64) -> Outcome {
    place.run(&|env, context| (engine.execute)(env.with_budget(budget), context))
}

/// As many other bytes.
fn another(input: &Input, rng: &mut Rng) -> Input {
    let mut other = input.clone();
    if let Input::Bytes(bytes) | Input::Packet(bytes) = &mut other {
        bytes.fill_with(|| mutate::byte(rng));
    }
    other
}

/// How often the reference's memory is moved, to see whether that alone makes a
/// difference.
const MOVES: u64 = 16;

/// Runs a program on all engines, and on the reference.
fn compare(program: &Program, case: &Case, place: &mut Place, engines: &[Loaded<'_>]) {
    let outcomes: Vec<_> =
        engines.iter().map(|engine| (engine.name, run(place, engine, BUDGET))).collect();
    let (first_name, first) = &outcomes[0];
    // Engines that know no proof begin programs for which there are too few frames.
    let deep = matches!(first.result, Err(BpfError::Fault { fault: Fault::CallDepth, .. }));
    if deep && engines.iter().any(|engine| engine.verified) {
        return count(&TALLY.declined, 1);
    }
    let agrees = |name: &str, outcome: &Outcome| {
        assert!(
            same(first, outcome) || shows_addresses(case, place, engines),
            "{first_name} gives {}, {name} gives {}\n{}",
            outcome::of(first.result),
            outcome::of(outcome.result),
            program.listing()
        );
    };
    for (name, outcome) in &outcomes[1..] {
        agrees(name, outcome);
    }
    let reference = |seed| reference::run(program, &mut place.elsewhere(case, 0), BUDGET, seed);
    let Ended::With(outcome, executed) = reference(0) else {
        return count(&TALLY.declined, 1);
    };
    let stays = |seed| matches!(reference(seed), Ended::With(other, _) if same(&outcome, &other));
    if same(first, &outcome) || (1..MOVES).all(stays) {
        agrees("the reference", &outcome);
    }
    count(&TALLY.compared, 1);
    count(&TALLY.executed, executed);
    count(&TALLY.on_all, executed * (engines.len() as u64 + 1));
}

/// Every engine of the build that can have the program.
fn engines<'p>(program: &'p Program, verified: Option<&'p Verified>) -> Vec<Loaded<'p>> {
    let mut engines = vec![Loaded {
        name: "interpreter",
        verified: false,
        execute: Box::new(move |env, context| {
            let programs = [program];
            let interpreter = Interpreter::<ActiveProfile>::with_env(env);
            interpreter.with_programs(&programs).execute(program, context)
        }),
    }];
    if let Some(verified) = verified {
        engines.push(Loaded {
            name: "verified interpreter",
            verified: true,
            execute: Box::new(move |env, context| {
                let programs = [verified];
                let interpreter = VerifiedInterpreter::<ActiveProfile>::with_env(env);
                interpreter.with_programs(&programs).execute(verified, context)
            }),
        });
    }
    engines.extend(translated::engines(verified));
    engines.extend(compiled::engines(program, verified));
    engines
}

/// Sees to it that an accepted program's context has the bytes that the program
/// may read; false if it has none at all.
fn give_context(input: &mut Input, verified: &Verified) -> bool {
    let bytes = verified.info().context_bytes;
    match input {
        Input::Empty => bytes == 0,
        Input::Bytes(context) => {
            context.resize(context.len().max(bytes), 0);
            true
        }
        Input::Packet(_) => true,
    }
}

/// A verified program is refused for its surroundings, or runs to its end.
fn admitted(program: &Program, verified: &Verified, fits: bool, name: &str, outcome: &Outcome) {
    let fine = match outcome.result {
        Ok(_) => fits && verified.info().max_insns <= BUDGET,
        Err(BpfError::Refused(Refusal::BudgetTooSmall { bound, .. })) => {
            bound == verified.info().max_insns && bound > BUDGET
        }
        Err(BpfError::Refused(_)) => !fits,
        Err(BpfError::Fault { .. }) => false,
    };
    assert!(fine, "{name}: {}\n{}", outcome::of(outcome.result), program.listing());
}

/// A budget of what was proven is enough to execute the program, counted by the
/// interpreter that knows nothing of the proof.
fn within_bound(
    program: &Program,
    verified: &Verified,
    mut run: impl FnMut(&Loaded<'_>, u64) -> Outcome,
) {
    let bound = verified.info().max_insns;
    if bound > BUDGET || verified.info().tail_calls {
        return;
    }
    let unverified = &engines(program, None)[0];
    let result = run(unverified, bound).result;
    assert!(
        !matches!(result, Err(BpfError::Fault { fault: Fault::Budget, .. })),
        "more than {bound} instructions\n{}",
        program.listing()
    );
    assert!(result.is_ok(), "{}\n{}", outcome::of(result), program.listing());
}

/// Whether the outcome of a program depends on where its memory is: one engine
/// alone then gives several, with memory elsewhere. The stack is moved by small
/// and by large distances, on this thread and on others, so that all bits of an
/// address change, the heap's blocks get other neighbours, and maps other distances.
fn shows_addresses(case: &Case, place: &Place, engines: &[Loaded<'_>]) -> bool {
    engines.iter().filter(|engine| !engine.verified).any(|engine| {
        let run = |seed| run(&mut place.elsewhere(case, seed), engine, BUDGET);
        let first = run(0);
        let moved = |depth| elsewhere(&|| run(depth as u64), depth);
        let differs = || (0..DEPTHS).any(|depth| !same(&first, &moved(depth)));
        let there = || std::thread::scope(|scope| scope.spawn(differs).join().expect("no panic"));
        differs() || (0..4).any(|_| there())
    })
}

/// Depths from which an engine is called.
const DEPTHS: usize = 16;

/// What `run` gives `depth` frames of several sizes further down the stack, and
/// with the heap in another state.
fn elsewhere(run: &dyn Fn() -> Outcome, depth: usize) -> Outcome {
    let mut rng = Rng::new(depth as u64);
    let mut held: Vec<Vec<u8>> = (0..8).map(|_| vec![0; 16 + rng.below(600)]).collect();
    held.retain(|block| block.len() % 2 == 0);
    // Two of these differ by the stack's alignment, so not even the lowest bits
    // of an address stay the same.
    let outcome = match depth % 4 {
        _ if depth == 0 => run(),
        0 => with_pad::<4112>(run, depth),
        1 => with_pad::<16>(run, depth),
        2 => with_pad::<32>(run, depth),
        _ => with_pad::<240>(run, depth),
    };
    drop(std::hint::black_box(held));
    outcome
}

#[inline(never)]
fn with_pad<const BYTES: usize>(run: &dyn Fn() -> Outcome, depth: usize) -> Outcome {
    let pad = std::hint::black_box([0_u8; BYTES]);
    let outcome = elsewhere(run, depth - 1);
    std::hint::black_box(&pad);
    outcome
}
