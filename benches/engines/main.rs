//! The project's engines beside others, on the same programs, in one process.
//!
//! `cargo bench -p kernel-bpf-benches --features cloud-profile [-- OPTIONS] [NAME…]`
//! measures the workloads whose names contain a NAME, or all, and then what
//! entering and compiling take. In each round every engine has its turn, not always
//! at the same distance from its last one, and of all rounds the least time counts: what else
//! the machine does then bears on all alike, and mostly not at all. Before anything is measured, every engine
//! must give the same answer.

mod compile;
mod linux;
mod modes;
mod native;
mod ours;
mod peers;
mod runner;
mod table;

use anyhow::{Context, Result, bail, ensure};
use kernel_bpf_benches::{WORKLOADS, Workload};

use native::Native;
use runner::{Measured, Runner};
use table::{Engine, Row, Table};

const HELP: &str = "\
The project's engines beside others: times against native code, entry, compile
times and code sizes.

OPTIONS:
    --compile     What compiling takes, and nothing else
    --modes       What constant blinding and retpolines cost, and nothing else
    --rounds N    Rounds, of which the fastest counts [default: 120]
";

/// What the command line asks for.
struct Options {
    rounds: u32,
    modes: bool,
    compile: bool,
    names: Vec<String>,
}

fn options() -> Result<Option<Options>> {
    let mut options = Options { rounds: 120, modes: false, compile: false, names: Vec::new() };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            // Cargo's own.
            "--bench" => {}
            "--compile" => options.compile = true,
            "--modes" => options.modes = true,
            "--rounds" => {
                let number = args.next().context("--rounds wants a number")?;
                options.rounds = number.parse().with_context(|| format!("--rounds {number}"))?;
            }
            "-h" | "--help" => {
                print!("{HELP}");
                return Ok(None);
            }
            name if !name.starts_with('-') => options.names.push(arg),
            other => bail!("no option `{other}`\n\n{HELP}"),
        }
    }
    Ok(Some(options))
}

fn main() -> Result<()> {
    let Some(options) = options()? else { return Ok(()) };
    let wanted = |workload: &&Workload| {
        options.names.is_empty() || options.names.iter().any(|name| workload.name.contains(name))
    };
    let workloads: Vec<_> = WORKLOADS.iter().filter(wanted).collect();
    ensure!(!workloads.is_empty(), "no workload of that name");
    if options.compile {
        return compile::print(options.rounds);
    }
    if options.modes {
        return modes::print(&workloads, options.rounds);
    }

    let mut table = Table::default();
    let native = Native::compile();
    if let Err(why) = &native {
        table.note(format!("native: {why:#}"));
    }
    let native = native.ok();
    if let Err(why) = linux::permitted() {
        table.note(format!("Linux: {why:#}"));
    }
    for workload in workloads {
        let row = measure(workload, native.as_ref(), options.rounds, &mut table)?;
        table.push(row);
    }
    let enter = measure(&Workload::ENTER, native.as_ref(), options.rounds, &mut table)?;
    table.print(&enter);
    compile::print(options.rounds.div_ceil(4))
}

/// Measures one workload on every engine that takes it; which does not, goes to
/// the table's notes.
fn measure(
    workload: &Workload,
    native: Option<&Native>,
    rounds: u32,
    table: &mut Table,
) -> Result<Row> {
    let program = workload.program()?;
    let (insns, expected) = ours::count(workload, &program)?;
    let mut engines: Vec<(Engine, Box<dyn Runner>)> = Vec::new();
    for engine in Engine::ALL {
        let made = match engine {
            Engine::Native => native.map(|native| native.optimised(workload)),
            Engine::Plain => native.map(|native| native.plain(workload)),
            Engine::Jit => Some(ours::jit(workload, &program)),
            // What entering takes is told apart; else it is the same code.
            Engine::Unprepared => (workload.name == Workload::ENTER.name)
                .then(|| ours::unprepared(workload, &program)),
            Engine::Verified => Some(ours::verified(workload, &program)),
            Engine::InPlace => Some(ours::in_place(workload, &program)),
            Engine::Unverified => Some(ours::unverified(workload, &program)),
            Engine::RbpfJit => Some(peers::rbpf::jit(workload, &program)),
            Engine::RbpfInterp => Some(peers::rbpf::interpreter(workload, &program)),
            Engine::SbpfJit => Some(peers::sbpf::jit(workload)),
            Engine::SbpfInterp => Some(peers::sbpf::interpreter(workload)),
            Engine::Linux => linux::permitted().is_ok().then(|| linux::runner(workload, &program)),
        };
        match made {
            Some(Ok(runner)) => engines.push((engine, runner)),
            Some(Err(error)) if engine.is_peer() => {
                table.note(format!("{} on {}: {error:#}", workload.name, engine.name()));
            }
            Some(Err(error)) => return Err(error.context(engine.name())),
            None => {}
        }
    }
    for (engine, runner) in &mut engines {
        let result = runner.result()?;
        ensure!(
            result == expected,
            "{}: {} gives {result:#x}, the interpreter {expected:#x}",
            workload.name,
            engine.name()
        );
    }
    let mut measured: Vec<_> =
        engines.into_iter().map(|(engine, runner)| (engine, Measured::new(runner))).collect();
    for round in (0..measured.len()).cycle().take(usize::try_from(rounds)?) {
        // What disturbs now and then, disturbs another engine each time.
        measured.rotate_left(round);
        for (_, measured) in &mut measured {
            measured.round()?;
        }
    }
    let times = measured.iter().map(|(engine, measured)| (*engine, measured.least())).collect();
    Ok(Row { name: workload.name, calls: workload.calls, insns, times })
}
