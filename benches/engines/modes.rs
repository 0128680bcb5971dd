//! What constant blinding and retpolines cost.

use std::hash::{BuildHasher, RandomState};

use anyhow::{Result, ensure};
use kernel_bpf::bytecode::BpfInsn;
use kernel_bpf::execution::jit::CompileOptions;
use kernel_bpf_benches::{Program, Workload};
use tabled::builder::Builder;

use crate::ours;
use crate::runner::Measured;
use crate::table::{geometric_mean, number, show};

const MODES: usize = 4;

/// Measures the workloads in each mode, in turns, and prints ratios to plain code;
/// and a program of nothing but calls of the host, the only ones that retpolines
/// make longer beside tail calls.
pub fn print(workloads: &[&Workload], rounds: u32) -> Result<()> {
    let random = || RandomState::new().hash_one(0);
    let plain = CompileOptions::new();
    let modes = [
        ("plain, ns", plain),
        ("blinding", plain.with_blinding(&random)),
        ("retpolines", plain.with_retpolines()),
        ("both", plain.with_blinding(&random).with_retpolines()),
    ];
    println!("\nThe JIT compiler's modes: time, and in brackets bytes of code, as multiples:");
    let mut table = Builder::default();
    table.push_record(["workload"].into_iter().chain(modes.map(|(name, _)| name)));
    let mut ratios = [const { Vec::new() }; MODES];
    for workload in workloads {
        let figures = measure(workload, &workload.program()?, &modes, rounds)?;
        for (ratios, figure) in ratios.iter_mut().zip(&figures) {
            ratios.push(figure.over(&figures[0]));
        }
        table.push_record(record(workload.name, &figures));
    }
    let mean = |ratios: &Vec<(f64, f64)>| {
        let mean = |values: &mut dyn Iterator<Item = f64>| number(geometric_mean(values));
        let time = mean(&mut ratios.iter().map(|(time, _)| *time));
        format!("{time} ({})", mean(&mut ratios.iter().map(|(_, size)| *size)))
    };
    let head = ["geometric mean".to_owned(), String::new()];
    table.push_record(head.into_iter().chain(ratios.iter().skip(1).map(mean)));
    let calls = measure(&Workload::ENTER, &host_calls(), &modes, rounds)?;
    table.push_record(record("1,000 helper calls", &calls));
    show(table);
    Ok(())
}

/// What a program takes in a mode.
struct Figure {
    nanoseconds: f64,
    bytes: f64,
}

impl Figure {
    fn over(&self, other: &Self) -> (f64, f64) {
        (self.nanoseconds / other.nanoseconds, self.bytes / other.bytes)
    }
}

fn record(name: &str, figures: &[Figure]) -> Vec<String> {
    let mut record = vec![name.to_owned()];
    if let Some((plain, others)) = figures.split_first() {
        record.push(format!("{:.0}", plain.nanoseconds));
        record.extend(others.iter().map(|figure| {
            let (time, size) = figure.over(plain);
            format!("{time:.2} ({size:.2})")
        }));
    }
    record
}

fn measure(
    workload: &Workload,
    program: &Program,
    modes: &[(&str, CompileOptions<'_>); MODES],
    rounds: u32,
) -> Result<Vec<Figure>> {
    let (_, expected) = ours::count(workload, program)?;
    let mut measured = Vec::new();
    for (name, options) in modes {
        let (bytes, mut runner) = ours::jit_with(workload, program, options)?;
        let result = runner.result()?;
        ensure!(result == expected, "{}: {name} gives {result:#x}", program.name);
        measured.push((bytes, Measured::new(runner)));
    }
    for _ in 0..rounds {
        for (_, mode) in &mut measured {
            mode.round()?;
        }
    }
    let figure =
        |(bytes, measured): (f64, Measured)| Figure { nanoseconds: measured.least(), bytes };
    Ok(measured.into_iter().map(figure).collect())
}

/// Asks a thousand times for the number of the CPU.
fn host_calls() -> Program {
    let insns = vec![
        BpfInsn::mov64_imm(6, 1000),
        BpfInsn::call(8),
        BpfInsn::sub64_imm(6, 1),
        BpfInsn::jne_imm(6, 0, -3),
        BpfInsn::mov64_imm(0, 0),
        BpfInsn::exit(),
    ];
    Program { name: "helper calls", insns, maps: Vec::new(), contents: Vec::new() }
}
