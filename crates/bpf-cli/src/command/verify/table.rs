//! The answer as a table, or as comma-separated values.

use anyhow::Result;
use tabled::builder::Builder;
use tabled::settings::object::{Columns, Rows};
use tabled::settings::{Alignment, Style};

use super::{InfoShape, ProgramShape, summary};
use crate::linux::LinuxShape;
use crate::output::Output;

/// What bounds a run: executed instructions, or time.
#[cfg(feature = "cloud-profile")]
const BOUND: &str = "max insns";
#[cfg(feature = "embedded-profile")]
const BOUND: &str = "WCET";

/// Prints a table, with sums and quantiles below.
pub fn print(programs: &[ProgramShape], linux: bool, output: Output) -> Result<()> {
    let mut builder = Builder::default();
    let mut head =
        vec!["program", "verdict", "insns", "processed", "states", "time us", "memory", BOUND];
    if linux {
        head.extend(["Linux", "time us", "processed", "states"]);
    }
    builder.push_record(head);
    for program in programs {
        let mut row = vec![format!("{}: {}", program.file, program.program)];
        row.push(program.verdict.text().to_owned());
        row.extend(row_figures(program));
        if linux {
            row.extend(program.linux.as_ref().map_or_else(Default::default, linux_figures));
        }
        builder.push_record(row);
    }
    let mut table = builder.build();
    table.with(Style::blank());
    table.modify(Columns::new(2..8), Alignment::right());
    table.modify(Columns::new(9..), Alignment::right());
    table.modify(Rows::first(), Alignment::left());
    for line in table.to_string().lines() {
        output.line(line.trim())?;
    }
    for program in programs {
        reasons(program, output)?;
    }
    summary::print(programs, linux, output)
}

/// Why a program was not accepted, by either verifier: a line each.
fn reasons(program: &ProgramShape, output: Output) -> Result<()> {
    let sep = if program.program.is_empty() { "" } else { ": " };
    let name = format!("{}{sep}{}", program.file, program.program);
    if let Some(rejection) = &program.rejection {
        output.line(format!("{name}: {}", rejection.line()))?;
    }
    match &program.linux {
        Some(LinuxShape { verdict, reason: Some(reason), .. }) => {
            output.line(format!("{name}: Linux: {}: {reason}", verdict.text()))
        }
        _ => Ok(()),
    }
}

/// Slots, then what there is of processed, states, time, memory, bound.
fn row_figures(program: &ProgramShape) -> [String; 6] {
    let insns = program.insns.map_or_else(dash, |insns| insns.to_string());
    let [processed, states, time, memory] = match &program.effort {
        Some(effort) => [
            effort.processed.to_string(),
            effort.total_states.to_string(),
            format!("{:.1}", effort.time_us),
            effort.workspace_bytes.to_string(),
        ],
        None => [dash(), dash(), dash(), dash()],
    };
    let bound = program.info.as_ref().map_or_else(dash, |info| info.bound().to_string());
    [insns, processed, states, time, memory, bound]
}

fn linux_figures(linux: &LinuxShape) -> [String; 4] {
    let verdict = linux.verdict.text().to_owned();
    if !linux.measured() {
        return [verdict, dash(), dash(), dash()];
    }
    let (processed, states) = (linux.processed.to_string(), linux.total_states.to_string());
    [verdict, linux.time_us.to_string(), processed, states]
}

fn dash() -> String {
    "-".to_owned()
}

/// Prints a line of names and a line for each program. What does not exist is
/// empty.
pub fn print_csv(programs: &[ProgramShape], linux: bool, output: Output) -> Result<()> {
    let mut head = vec![
        "file",
        "program",
        "section",
        "verdict",
        "class",
        "title",
        "insns",
        "processed",
        "total_states",
        "peak_states",
        "time_us",
        "workspace_bytes",
        "max_insns",
    ];
    #[cfg(feature = "embedded-profile")]
    head.push("wcet");
    if linux {
        head.extend([
            "linux_verdict",
            "linux_reason",
            "linux_time_us",
            "linux_processed",
            "linux_total_states",
            "linux_peak_states",
        ]);
    }
    output.line(head.join(","))?;
    for program in programs {
        let mut row = csv_figures(program);
        if linux {
            row.extend(program.linux.as_ref().map_or_else(Default::default, csv_linux));
        }
        let row: Vec<_> = row.iter().map(|text| quoted(text)).collect();
        output.line(row.join(","))?;
    }
    Ok(())
}

fn csv_figures(program: &ProgramShape) -> Vec<String> {
    let rejection = program.rejection.as_ref();
    let mut row = vec![
        program.file.clone(),
        program.program.clone(),
        program.section.clone(),
        program.verdict.text().to_owned(),
        rejection.map(|rejection| rejection.class().to_owned()).unwrap_or_default(),
        rejection.map(|rejection| rejection.title().to_owned()).unwrap_or_default(),
        program.insns.map(|insns| insns.to_string()).unwrap_or_default(),
    ];
    row.extend(match &program.effort {
        Some(effort) => [
            effort.processed.to_string(),
            effort.total_states.to_string(),
            effort.peak_states.to_string(),
            effort.time_us.to_string(),
            effort.workspace_bytes.to_string(),
        ],
        None => Default::default(),
    });
    let none = || InfoShape::default().bounds().iter().map(|_| String::new()).collect();
    row.extend(program.info.as_ref().map_or_else(none, InfoShape::bounds));
    row
}

fn csv_linux(linux: &LinuxShape) -> [String; 6] {
    let figure = |number: u64| if linux.measured() { number.to_string() } else { String::new() };
    [
        linux.verdict.text().to_owned(),
        linux.reason.clone().unwrap_or_default(),
        figure(linux.time_us),
        figure(linux.processed),
        figure(linux.total_states),
        figure(linux.peak_states),
    ]
}

/// A field as RFC 4180 has it.
fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn fields_that_need_it_are_quoted() {
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(quoted("a,b"), "\"a,b\"");
        assert_eq!(quoted("say \"no\""), "\"say \"\"no\"\"\"");
    }
}
