//! What no engine here has, and the verifier judges all the same: dynptrs, locks,
//! sections, timers, `bpf_throw` and what catches it, packets that helpers move.
//!
//! An accepted program runs in a machine with such a kernel, of which nothing is known
//! but what Linux promises: where it may do one thing or another, chance decides. What
//! was released, moved or left is not there any more, so whoever goes on using it
//! fails. No access may fail, nothing may be held where the program ends, and it may
//! not execute more instructions than was proven.

mod calls;
mod dynptr;
mod held;
mod later;
mod machine;
mod memory;

use std::sync::atomic::{AtomicU64, Ordering};

use kernel_bpf::bytecode::abi::field::{FieldType, MapField};
use kernel_bpf::bytecode::abi::global::{GlobalFunction, Param};
use kernel_bpf::bytecode::abi::helper::ArgKind;
use kernel_bpf::bytecode::abi::map::{MapDef, MapType};
use kernel_bpf::bytecode::{BpfInsn, BpfProgType, BpfProgram, Instruction, ProgramBuilder};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::{
    ErrorClass, HelperTable, Kind, VerifiedInfo, Verifier, VerifyError, VerifyErrorKind,
};

use crate::input::Input;
use crate::mutate::Rng;
use crate::program;
use machine::Machine;

type Program = BpfProgram<ActiveProfile>;

/// Instructions that the verifier may walk.
const STEPS: u64 = 20_000;
/// Words of its working memory.
const WORDS: usize = 1 << 18;
/// Runs of an accepted program.
const RUNS: usize = 24;
/// Instructions of a run.
const BUDGET: u64 = 20_000;

/// Where a value of that map has a timer.
pub(crate) const TIMER_OFFSET: u32 = 32;

/// A value of this map has a spin lock at 8 and a resilient one at 16.
pub(crate) const LOCKS: u32 = 0;
/// An array of one value.
pub(crate) const VALUE: u32 = 1;
pub(crate) const RING: u32 = 2;
pub(crate) const PROGRAMS: u32 = 3;

pub(crate) const MAPS: [MapDef; 4] = [
    MapDef::new(MapType::Array, 4, 64, 2),
    MapDef::new(MapType::Array, 4, 64, 1),
    MapDef::new(MapType::RingBuf, 0, 0, 4096),
    MapDef::new(MapType::ProgArray, 4, 4, 4),
];
/// In the place of the first map where a control group keeps the locks.
const STORAGE: MapDef = MapDef::new(MapType::CgroupStorage, 16, 64, 0);

pub(crate) const FIELDS: [MapField; 3] = [
    MapField::new(LOCKS, 8, FieldType::SpinLock),
    MapField::new(LOCKS, 16, FieldType::ResilientSpinLock),
    MapField::new(LOCKS, TIMER_OFFSET, FieldType::Timer),
];

/// A program for a kernel that has all that.
#[derive(Clone, Debug)]
pub struct Case {
    pub(crate) prog_type: BpfProgType,
    pub(crate) insns: Vec<BpfInsn>,
    /// Functions that are verified apart, and the one that is called behind `bpf_throw`.
    pub(crate) globals: Vec<GlobalFunction>,
}

/// What was done so far, in this process.
#[derive(Debug, Default)]
pub struct Tally {
    /// Programs that were built.
    pub programs: AtomicU64,
    /// Programs that were accepted.
    pub accepted: AtomicU64,
    /// Accepted programs that a walk without pruning and summaries refuses.
    pub doubtful: AtomicU64,
    /// Runs of accepted programs.
    pub runs: AtomicU64,
    /// Instructions of these.
    pub steps: AtomicU64,
}

/// What was done so far, in this process.
pub static TALLY: Tally = Tally {
    programs: AtomicU64::new(0),
    accepted: AtomicU64::new(0),
    doubtful: AtomicU64::new(0),
    runs: AtomicU64::new(0),
    steps: AtomicU64::new(0),
};

fn count(what: &AtomicU64, by: u64) {
    what.fetch_add(by, Ordering::Relaxed);
}

/// Verifies a program and runs it if it is accepted; then what comes of it by small
/// changes.
///
/// # Panics
/// When an accepted program misbehaves.
pub fn check(data: &[u8]) {
    Checker::new().check(data);
}

/// What checks of programs share.
#[derive(Debug)]
pub struct Checker {
    workspace: Vec<u64>,
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
        Self { workspace: vec![0; WORDS], last: None }
    }

    /// The program that was accepted last, and what decided its runs.
    #[must_use]
    pub const fn last(&self) -> Option<&(Case, u64)> {
        self.last.as_ref()
    }

    /// As [`check`].
    ///
    /// # Panics
    /// When an accepted program misbehaves.
    pub fn check(&mut self, data: &[u8]) {
        let case = program::kernel_case(&mut Input::new(data));
        program::check_changes(case, program::seed(data), Case::insns_mut, |case, seed| {
            self.check_case(case, seed)
        });
    }

    /// Verifies a program and runs it if it is accepted: whether it is.
    ///
    /// # Panics
    /// When an accepted program misbehaves.
    pub fn check_case(&mut self, case: &Case, seed: u64) -> bool {
        let Some(program) = case.build() else { return false };
        count(&TALLY.programs, 1);
        let Some(info) = self.verify(&program) else { return false };
        count(&TALLY.accepted, 1);
        self.last = Some((case.clone(), seed));
        self.doubt(&program, info.unwritten_reads);
        let mut rng = Rng::new(seed);
        for _ in 0..RUNS {
            let most = info.max_insns.min(BUDGET);
            let (steps, ended) = Machine::new(&program, &case.globals, &mut rng).run(most);
            count(&TALLY.runs, 1);
            count(&TALLY.steps, steps);
            let cut_off = steps >= BUDGET;
            if let Err(wrong) = ended.or_else(|wrong| if cut_off { Ok(()) } else { Err(wrong) }) {
                panic!("{wrong}, after {steps} of {} instructions\n{}", most, program.listing());
            }
        }
        true
    }

    fn verifier(&mut self) -> Verifier<'_, ActiveProfile> {
        Verifier::with_workspace(&mut self.workspace)
            .helpers(HelperTable::linux())
            .step_limit(STEPS)
    }

    fn verify(&mut self, program: &Program) -> Option<VerifiedInfo> {
        self.verifier().verify_program(program).ok().map(|verified| *verified.info())
    }

    /// A walk of every path finds nothing wrong, either, if it comes to its end; or else one that
    /// compares everything, if that does.
    ///
    /// What they may find, as on Linux: where bytes may be read that nobody has written, as it
    /// is said then, a path on which there is a dynptr or an address by then ends at one that
    /// has no more than a number there. A load at an unknown place may read a part of an
    /// address, which one at a place that is known may not. And the second one forgets
    /// from round to round what it would have to note that something rests on, such as that
    /// many bytes stay zero: then it gives a number where null may be given.
    fn doubt(&mut self, program: &Program, unwritten_reads: bool) {
        let limit = |error: &VerifyError| {
            matches!(error.kind().class(), ErrorClass::Limit | ErrorClass::Termination)
        };
        let (mut forgets, mut result) = (false, self.verifier().walk_every_path().verify(program));
        if result.as_ref().is_err_and(limit) {
            forgets = true;
            result = self.verifier().compare_everything().unroll_loops().verify(program);
        }
        let Err(error) = result else { return };
        let excused = match error.kind() {
            VerifyErrorKind::PartialPointer { .. } => loads(program, error.pc()),
            VerifyErrorKind::UninitStack { .. } => unwritten_reads,
            VerifyErrorKind::GlobalArgument { expected, found, .. } => {
                forgets && matches!(expected, Param::MemoryOrNull(_)) && found == Kind::Scalar
                    || unwritten_reads && expected == Param::Number && found.is_pointer()
            }
            kind => unwritten_reads && wants_number(&kind),
        };
        if !limit(&error) && !excused {
            count(&TALLY.doubtful, 1);
            panic!("accepted, and all the same: {error}\n{}", program.listing());
        }
    }
}

/// Whether something is an address, and would do as a number.
const fn wants_number(kind: &VerifyErrorKind) -> bool {
    match kind {
        VerifyErrorKind::PointerOperation { .. }
        | VerifyErrorKind::PointerArithmetic { .. }
        | VerifyErrorKind::ArithmeticOnNullable { .. } => true,
        VerifyErrorKind::NotANumber { found, .. } => found.is_pointer(),
        VerifyErrorKind::HelperArgument { expected: ArgKind::Scalar, found, .. } => {
            found.is_pointer()
        }
        _ => false,
    }
}

/// Whether a slot is a load.
fn loads(program: &Program, slot: usize) -> bool {
    let mut all = program.instructions();
    all.any(|(at, insn)| at == slot && matches!(insn, Instruction::Load { .. }))
}

impl Case {
    /// The program, if the builder takes it.
    #[must_use]
    pub fn build(&self) -> Option<Program> {
        let group = self.prog_type == BpfProgType::CgroupSkb;
        let mut builder = ProgramBuilder::new(self.prog_type).insns(&self.insns);
        for (index, def) in MAPS.into_iter().enumerate() {
            builder = builder.map(if group && index == 0 { STORAGE } else { def });
        }
        for global in &self.globals {
            builder = builder.global_function(*global);
        }
        FIELDS.into_iter().fold(builder, ProgramBuilder::map_field).build().ok()
    }

    /// Its instructions, to be changed.
    pub fn insns_mut(&mut self) -> &mut [BpfInsn] {
        &mut self.insns
    }

    /// The same, to look at.
    #[must_use]
    pub fn insns(&self) -> &[BpfInsn] {
        &self.insns
    }
}
