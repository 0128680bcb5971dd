//! What compiling takes, and how much code it makes.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use kernel_bpf::execution::CompiledProgram;
use kernel_bpf::execution::jit::{CompileOptions, Compiler, HostMemory};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::VerifiedProgram;
use kernel_bpf_benches::{Program, WORKLOADS, Workload};
use tabled::builder::Builder;

use crate::runner::nanoseconds;
use crate::table::{geometric_mean, show};
use crate::{linux, peers};

/// The workload of about a hundred instructions.
const SMALL: &str = "adler32";
/// Slots of the large program, at least: all workloads, several times over.
const LARGE: usize = 10_000;
/// Rounds of that, at the most: so many that some are undisturbed. On a busy machine most take
/// up to twice as long.
const LARGE_ROUNDS: u32 = 60;

/// What was measured of one program: nanoseconds and bytes.
struct Line {
    name: String,
    slots: usize,
    slots_v2: usize,
    ours: f64,
    rbpf: Option<f64>,
    sbpf: f64,
    ours_bytes: usize,
    sbpf_bytes: usize,
    linux_bytes: Option<u32>,
    /// What Linux takes to load the program, beyond verifying it.
    linux_load: Option<f64>,
}

/// Measures and prints.
pub fn print(rounds: u32) -> Result<()> {
    let mut all = Vec::new();
    for workload in &WORKLOADS {
        let (v3, v2) = (workload.program()?, workload.program_v2()?);
        all.push(Line::measure(&v3, &v2, &v3.verify()?, rounds)?);
    }
    let v3 = Program::joined(LARGE, Workload::program)?;
    let v2 = Program::joined(LARGE, Workload::program_v2)?;
    let large = Line::measure(&v3, &v2, &v3.verify_joined()?, rounds.min(LARGE_ROUNDS))?;
    let small = all.iter().find(|line| line.name == SMALL).context("the small program")?;

    println!("\nCompiling, in nanoseconds for each slot of the program:");
    let mut table = Builder::default();
    table.push_record([
        "program",
        "slots",
        "our JIT, us",
        "our JIT",
        "rbpf JIT",
        "solana-sbpf JIT",
    ]);
    let mean = |of: &dyn Fn(&Line) -> Option<f64>| geometric_mean(all.iter().filter_map(of));
    for line in [small, &large] {
        table.push_record([
            line.name.clone(),
            line.slots.to_string(),
            format!("{:.1}", line.ours / 1000.0),
            number(Some(line.ours_each())),
            number(line.rbpf_each()),
            number(Some(line.sbpf_each())),
        ]);
    }
    table.push_record([
        "geometric mean of the workloads".to_owned(),
        String::new(),
        String::new(),
        number(mean(&|line| Some(line.ours_each()))),
        number(mean(&Line::rbpf_each)),
        number(mean(&|line| Some(line.sbpf_each()))),
    ]);
    show(table);

    if let Some(linux) = Linux::of(&all) {
        println!(
            "note: Linux compiles as it loads; without verifying, whose time it tells in whole \
             microseconds, a load takes {:.1} us and {:.0} ns a slot (fitted to {} workloads)",
            linux.load / 1000.0,
            linux.each,
            linux.programs
        );
    }

    println!("\nMachine code, in bytes for each slot of the program:");
    let mut table = Builder::default();
    table.push_record(["program", "slots", "our JIT", "solana-sbpf JIT", "Linux"]);
    for line in all.iter().chain([&large]) {
        table.push_record([
            line.name.clone(),
            line.slots.to_string(),
            number(Some(line.ours_size())),
            number(Some(line.sbpf_size())),
            number(line.linux_size()),
        ]);
    }
    table.push_record([
        "geometric mean of the workloads".to_owned(),
        String::new(),
        number(mean(&|line| Some(line.ours_size()))),
        number(mean(&|line| Some(line.sbpf_size()))),
        number(mean(&Line::linux_size)),
    ]);
    show(table);
    println!("note: rbpf does not tell how much code it makes, and compiles at most one page");
    Ok(())
}

/// What Linux takes for a load without verifying: a straight line through the workloads.
struct Linux {
    /// Of a program of no length, in nanoseconds.
    load: f64,
    /// More for each slot.
    each: f64,
    programs: usize,
}

impl Linux {
    /// By least squares.
    fn of(lines: &[Line]) -> Option<Self> {
        let points = lines.iter().filter_map(|line| Some((float(line.slots), line.linux_load?)));
        let points: Vec<_> = points.collect();
        let count = float(points.len());
        let mean = |of: &dyn Fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (slots, time) = (mean(&|point| point.0), mean(&|point| point.1));
        let along = mean(&|point| (point.0 - slots) * (point.1 - time));
        let each = along / mean(&|point| (point.0 - slots) * (point.0 - slots));
        let load = time - each * slots;
        each.is_finite().then_some(Self { load, each, programs: points.len() })
    }
}

impl Line {
    /// Compiles a program on each engine in turn.
    fn measure(
        v3: &Program,
        v2: &Program,
        verified: &VerifiedProgram<ActiveProfile>,
        rounds: u32,
    ) -> Result<Self> {
        let code = CompiledProgram::compile(verified, &HostMemory)?;
        let mut vm = (v3.insns.len() <= peers::rbpf::SLOTS).then(|| peers::rbpf::load(v3));
        let executable = peers::sbpf::load(v2)?;
        let (mut compiler, options) = (Compiler::new(), CompileOptions::new());
        let (mut ours, mut rbpf, mut sbpf) = (f64::INFINITY, f64::INFINITY, f64::INFINITY);
        let mut linux_load = f64::INFINITY;
        let calls = v3.insns.iter().any(|insn| insn.function_offset().is_some());
        let linux = v3.maps.is_empty() && !calls && linux::permitted().is_ok();
        // Compiling is short beside a batch of runs; so many make one round.
        let turns = 1 + u32::try_from(20_000 / v3.insns.len())?;
        for _ in 0..rounds * turns {
            ours = ours.min(timed(|| {
                black_box(compiler.compile(verified, &HostMemory, &options).map(drop))
                    .map_err(|error| anyhow!("{error}"))
            })?);
            if let Some(Ok(vm)) = &mut vm {
                rbpf = rbpf.min(timed(|| Ok(vm.jit_compile()?))?);
            }
            let compile = || executable.jit_compile().map_err(|error| anyhow!("{error}"));
            sbpf = sbpf.min(timed(compile)?);
        }
        for _ in 0..if linux { rounds } else { 0 } {
            linux_load = linux_load.min(nanoseconds(linux::unverifying_load(v3)?));
        }
        let compiled = executable.get_compiled_program().context("compiled code")?;
        Ok(Self {
            name: v3.name.to_owned(),
            slots: v3.insns.len(),
            slots_v2: v2.insns.len(),
            ours,
            rbpf: rbpf.is_finite().then_some(rbpf),
            sbpf,
            ours_bytes: code.code().len(),
            sbpf_bytes: compiled.machine_code_length(),
            linux_bytes: linux::permitted().ok().and_then(|()| linux::code_bytes(v3).ok()),
            linux_load: linux_load.is_finite().then_some(linux_load),
        })
    }

    fn ours_each(&self) -> f64 {
        each(self.ours, self.slots)
    }

    fn rbpf_each(&self) -> Option<f64> {
        self.rbpf.map(|time| each(time, self.slots))
    }

    fn sbpf_each(&self) -> f64 {
        each(self.sbpf, self.slots_v2)
    }

    fn ours_size(&self) -> f64 {
        each(float(self.ours_bytes), self.slots)
    }

    fn sbpf_size(&self) -> f64 {
        each(float(self.sbpf_bytes), self.slots_v2)
    }

    fn linux_size(&self) -> Option<f64> {
        self.linux_bytes.map(|bytes| each(f64::from(bytes), self.slots))
    }
}

fn each(whole: f64, slots: usize) -> f64 {
    whole / float(slots)
}

#[allow(clippy::cast_precision_loss, reason = "no program is as long as 2^52")]
fn float(number: usize) -> f64 {
    number as f64
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"))
}

fn timed(run: impl FnOnce() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    run()?;
    Ok(nanoseconds(start.elapsed()))
}
