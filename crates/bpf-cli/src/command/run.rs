//! `kbpf run`.

pub(super) mod frame;
mod input;
mod report;
mod verdict;

use std::time::Instant;

use anyhow::{Result, anyhow};
use kernel_bpf::bytecode::BpfProgType;
use kernel_bpf::execution::{BpfContext, BpfResult, Environment};
use kernel_bpf::maps::BpfMap;
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::VerifiedProgram;

use crate::args::Run;
use crate::command::verify::{InfoShape, verify_unit};
use crate::diagnostic::Rejection;
use crate::engine::{self, Engine};
use crate::exit::{Negative, Status};
use crate::live::{self, LiveMap};
use crate::loading::Loading;
use crate::object::{LoadedFile, Unit};
use crate::output::Output;
use crate::platform::ReplayPlatform;
use crate::verifying::{Target, micros};

use input::Inputs;
use report::Report;

/// Verifies a program and runs it.
pub fn run(args: &Run, output: Output) -> Result<Status> {
    let file = LoadedFile::open(&args.input.file, &Loading::new(&args.input.loading)?)?;
    let entry = entry(&file, args.input.prog.as_deref())?;
    let units = reachable(&file, entry);
    let (verified, info) = match verify(&units) {
        Ok(verified) => verified,
        Err(rejection) => {
            rejection.print("run", output)?;
            return Ok(Status::Negative);
        }
    };
    let names: Vec<&str> = units.iter().map(|unit| unit.name.as_str()).collect();
    let live = live::create(&file.maps, &names)?;
    for entry in &args.map {
        live::insert(&live, entry)?;
    }
    let prog_type = verified.first().map_or(BpfProgType::SocketFilter, VerifiedProgram::prog_type);
    let inputs = Inputs::from_args(args, prog_type)?;
    let report =
        execute(args, verified, &live, &inputs, Report::new(prog_type, args.pcap.is_none()))?;
    let failed = report.faults() > 0;
    report.print(entry, info, &live, output)?;
    Ok(if failed { Status::Negative } else { Status::Success })
}

/// The program to start with: the one that was named, or the first one that is
/// not only there to be tail-called.
fn entry<'f>(file: &'f LoadedFile, prog: Option<&str>) -> Result<&'f Unit> {
    let candidates = file.select(prog)?;
    let called = |unit: &Unit| {
        file.maps.iter().any(|map| map.programs.iter().any(|(_, name)| *name == unit.name))
    };
    let first = candidates.iter().find(|unit| prog.is_some() || !called(unit));
    first
        .or_else(|| candidates.first())
        .copied()
        .ok_or_else(|| anyhow!(Negative("the file holds no program".to_owned())))
}

/// The entry and after it every other program that a program array names.
fn reachable<'f>(file: &'f LoadedFile, entry: &'f Unit) -> Vec<&'f Unit> {
    let named = |unit: &&Unit| {
        file.maps.iter().any(|map| map.programs.iter().any(|(_, name)| *name == unit.name))
    };
    let others = file.units.iter().filter(|unit| unit.name != entry.name).filter(named);
    std::iter::once(entry).chain(others).collect()
}

/// Programs, and what was proven about the first of them.
type Verified = (Vec<VerifiedProgram<ActiveProfile>>, InfoShape);

/// Verifies every one of `units`.
fn verify(units: &[&Unit]) -> Result<Verified, Box<Rejection>> {
    let mut programs = Vec::new();
    let mut shape = InfoShape::default();
    for unit in units {
        let begun = Instant::now();
        let program = verify_unit(unit, Target::ENGINES)?;
        if programs.is_empty() {
            shape = InfoShape::new(program.info(), micros(begun.elapsed()));
        }
        programs.push(program);
    }
    Ok((programs, shape))
}

/// Runs the first of `programs` over every input.
fn execute(
    args: &Run,
    programs: Vec<VerifiedProgram<ActiveProfile>>,
    live: &[LiveMap],
    inputs: &Inputs,
    mut report: Report,
) -> Result<Report> {
    let maps: Vec<&dyn BpfMap> = live.iter().map(|live| &live.map as &dyn BpfMap).collect();
    let platform = ReplayPlatform::new();
    let mut env = Environment::standard().with_maps(&maps).with_platform(&platform);
    if let Some(budget) = args.budget {
        env = env.with_budget(budget);
    }
    engine::with_engine(args.engine, args.hardening, programs, env, &mut |engine: &Engine<
        '_,
    >| {
        report.engine = engine.name;
        inputs.run_all(args, &platform, &mut report, &|context| run_one(engine, context))
    })??;
    report.trace = platform.take_trace();
    Ok(report)
}

fn run_one(engine: &Engine<'_>, context: &BpfContext<'_>) -> BpfResult {
    (engine.run)(context)
}
