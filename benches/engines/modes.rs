//! What constant blinding and retpolines cost.

use std::hash::{BuildHasher, RandomState};

use anyhow::Result;
use kernel_bpf::execution::jit::CompileOptions;
use kernel_bpf_benches::Workload;
use tabled::builder::Builder;

use crate::ours;
use crate::runner::Measured;
use crate::table::{geometric_mean, number, show};

/// Measures the workloads in each mode, in turns, and prints ratios to plain code.
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
    table.push_record(["workload"].into_iter().chain(modes.iter().map(|(name, _)| *name)));
    let (mut times, mut sizes) = ([const { Vec::new() }; 4], [const { Vec::new() }; 4]);
    for workload in workloads {
        let program = workload.program()?;
        let (_, expected) = ours::count(workload, &program)?;
        let mut measured = Vec::new();
        for (name, options) in &modes {
            let (bytes, mut runner) = ours::jit_with(workload, &program, options)?;
            let result = runner.result()?;
            anyhow::ensure!(result == expected, "{}: {name} gives {result:#x}", workload.name);
            measured.push((bytes, Measured::new(runner)));
        }
        for _ in 0..rounds {
            for (_, mode) in &mut measured {
                mode.round()?;
            }
        }
        let Some((plain_bytes, plain)) = measured.first() else { continue };
        let (plain_bytes, plain) = (*plain_bytes, plain.least());
        let mut record = vec![workload.name.to_owned(), format!("{plain:.0}")];
        for (mode, (bytes, measured)) in measured.iter().enumerate().skip(1) {
            let (time, size) = (measured.least() / plain, bytes / plain_bytes);
            record.push(format!("{time:.2} ({size:.2})"));
            times[mode].push(time);
            sizes[mode].push(size);
        }
        table.push_record(record);
    }
    let mean = |values: &[f64]| number(geometric_mean(values.iter().copied()));
    let means = times.iter().zip(&sizes).skip(1);
    let means = means.map(|(times, sizes)| format!("{} ({})", mean(times), mean(sizes)));
    let head = ["geometric mean".to_owned(), String::new()];
    table.push_record(head.into_iter().chain(means));
    show(table);
    Ok(())
}
