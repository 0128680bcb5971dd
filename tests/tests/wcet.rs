//! How close the proven worst-case execution time is to what runs take, in units
//! of the standard cost table.
//!
//! `cargo test --test wcet --features embedded-profile -- --nocapture` prints a
//! table: bound, the most that was observed on any input, and their ratio.
#![cfg(feature = "embedded-profile")]

use std::cell::RefCell;
use std::fs;
use std::path::Path;

use kernel_bpf::bytecode::abi::context::CtxForm;
use kernel_bpf::bytecode::{BpfProgram, Instruction};
use kernel_bpf::execution::{Interpreter, Observer, Step, Timing};
use kernel_bpf::loader::FlatImage;
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::CostTable;
use kernel_bpf_tests::case::{Case, Input, Verdict};
use kernel_bpf_tests::random::Rng;
use kernel_bpf_tests::{corpus, engine};

/// Inputs of each program, beside its own.
const INPUTS: usize = 200;

/// Sums what a run takes.
struct Timed<'p> {
    program: &'p BpfProgram<ActiveProfile>,
    timing: Timing<'static>,
}

impl Observer for Timed<'_> {
    fn step(&mut self, step: &Step<'_, '_>) {
        let insn = Instruction::decode(self.program.insns(), step.pc).expect("it is executed");
        self.timing.step(&insn, step);
    }
}

/// Units of one run.
fn time(case: &Case, program: &BpfProgram<ActiveProfile>) -> u64 {
    let time = RefCell::new(Timed { program, timing: Timing::new(CostTable::DEFAULT) });
    let outcome = engine::run_fresh(case, &|env, context| {
        Interpreter::<ActiveProfile>::with_env(env).execute_with(
            program,
            context,
            &mut *time.borrow_mut(),
        )
    });
    outcome.unwrap_or_else(|(def, error)| panic!("{}: {def:?}: {error}", case.name));
    time.into_inner().timing.units()
}

/// The bound of a program and the most that a run took; none, if it is refused.
fn measure(case: &Case) -> Option<(u64, u64)> {
    let program = case.program();
    let bound = engine::verify(&program).ok()?.info().wcet;
    let mut rng = Rng::new(1);
    let (mut case, own) = (case.clone(), case.input.clone());
    let mut worst = time(&case, &program);
    for _ in 0..INPUTS {
        case.input = match &own {
            Input::Empty => break,
            Input::Bytes(bytes) => Input::Bytes(varied(bytes, &mut rng)),
            Input::Packet(bytes) => Input::Packet(varied(bytes, &mut rng)),
        };
        worst = worst.max(time(&case, &program));
    }
    assert!(worst <= bound, "{}: {worst} of {bound} units", case.name);
    Some((bound, worst))
}

/// The bytes, some of them changed.
fn varied(bytes: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let more = rng.below(3) * rng.below(40);
    bytes.resize(bytes.len() + more, 1);
    for _ in 0..rng.below(6) {
        if !bytes.is_empty() {
            let at = rng.below(bytes.len());
            bytes[at] = match rng.below(3) {
                0 => [0, 1, 0x7f, 0x80, 0xff][rng.below(5)],
                1 => bytes[rng.below(bytes.len())],
                _ => rng.next_u64().to_le_bytes()[0],
            };
        }
    }
    bytes
}

/// Programs whose costliest path no input takes, or none of those here, and why.
const INFEASIBLE: [(&str, &str); 4] = [
    ("may-goto-in-two-functions", "leaves the loop long before the allowance is used up"),
    ("loop-stops-where-it-is-told", "the function ends a loop of 100 rounds in the fourth"),
    ("loop-with-flags", "flags are refused before the first round"),
    ("elements-of-a-hash-map", "2 of 16 elements are there"),
];

/// Programs of loops in loops where rounds of the outer one that change nothing count
/// beside all that change something.
const NESTED: [&str; 2] = ["loop-in-a-loop-keeps-registers", "iterators-in-each-other"];

#[test]
fn the_bound_is_close_where_its_path_can_be_taken() {
    let mut measured = 0;
    for case in corpus::written().iter().filter(|case| case.verdict == Verdict::Accept) {
        let Some((bound, worst)) = measure(case) else { continue };
        measured += 1;
        row(&case.name, bound, worst);
        let name = case.name.as_str();
        if INFEASIBLE.iter().any(|(infeasible, _)| *infeasible == name) {
            continue;
        }
        let tenths = if NESTED.contains(&name) { 13 } else { 11 };
        assert!(bound * 10 <= worst * tenths, "{name}: {bound} proven, {worst} observed");
    }
    assert!(measured >= 80, "{measured} programs");
}

/// The examples, on frames that few of their paths take: nothing is asked of the
/// ratio.
#[test]
fn the_examples_keep_to_their_bounds() {
    let mut measured = 0;
    for (file, bytes) in images() {
        let image = FlatImage::parse(&bytes).expect("an example");
        let maps: Vec<_> = image.maps().map(|map| map.def).collect();
        for program in image.programs() {
            let case = Case {
                name: format!("{file} {}", program.name),
                prog_type: program.prog_type,
                insns: program.insns().collect(),
                maps: maps.clone(),
                input: input(program.prog_type.context().form),
                expect: String::new(),
                verdict: Verdict::Accept,
                budget: None,
            };
            let Some((bound, worst)) = measure(&case) else { continue };
            measured += 1;
            row(&case.name, bound, worst);
        }
    }
    assert!(measured >= 5, "{measured} programs");
}

fn row(name: &str, bound: u64, worst: u64) {
    let hundredths = bound.saturating_mul(100) / worst.max(1);
    println!("{name:58} {bound:12} {worst:10} {:8}.{:02}", hundredths / 100, hundredths % 100);
}

/// The flat images of the examples.
fn images() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/programs");
    let files = fs::read_dir(folder).expect("the examples").map(|entry| entry.expect("a file"));
    let mut images: Vec<_> = files
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "kbi"))
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (name, fs::read(&path).expect("an example"))
        })
        .collect();
    images.sort();
    images
}

/// A TCP segment, or bytes where there is no packet.
fn input(form: CtxForm) -> Input {
    if form == CtxForm::Bytes {
        return Input::Bytes(vec![1; 64]);
    }
    let mut frame = vec![2; 12];
    frame.extend([8, 0, 0x45, 0, 0, 60, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend([0, 80, 0, 80]);
    frame.resize(80, 0);
    Input::Packet(frame)
}
