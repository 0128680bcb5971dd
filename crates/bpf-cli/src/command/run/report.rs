//! What a run gave.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use kernel_bpf::bytecode::BpfProgType;
use kernel_bpf::execution::{BpfError, BpfResult};
use kernel_bpf::maps::BpfMap;
use serde::Serialize;

use crate::command::verify::InfoShape;
use crate::hex;
use crate::live::{self, LiveMap};
use crate::object::Unit;
use crate::output::{Digest, Output, Role};

use super::verdict;

/// Entries of one map that are printed as text.
const SHOWN_ENTRIES: usize = 16;

/// How an execution ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With this R0.
    Returned(u64),
    /// With a fault.
    Fault(BpfError),
    /// There was none: the input is no whole frame.
    Skipped,
}

impl From<BpfResult> for Outcome {
    fn from(result: BpfResult) -> Self {
        match result {
            Ok(r0) => Self::Returned(r0),
            Err(error) => Self::Fault(error),
        }
    }
}

/// One input's executions.
#[derive(Debug)]
pub struct Execution {
    /// How the last one ended.
    pub outcome: Outcome,
    /// The packet after the last one.
    pub data: Vec<u8>,
    /// Time of all of them.
    pub time: Duration,
    /// How many there were.
    pub runs: u32,
}

/// What the executions gave together.
#[derive(Debug)]
pub struct Report {
    /// The engine that ran.
    pub engine: &'static str,
    /// What the program traced.
    pub trace: String,
    prog_type: BpfProgType,
    keeps_data: bool,
    verdicts: BTreeMap<&'static str, u64>,
    results: Vec<ResultShape>,
    faults: Vec<FaultShape>,
    digest: Digest,
    time: Duration,
    runs: u64,
}

#[derive(Serialize)]
struct EntryShape {
    key: String,
    value: String,
}

#[derive(Serialize)]
struct MapShape {
    name: String,
    #[serde(rename = "type")]
    map_type: &'static str,
    digest: String,
    entries: Vec<EntryShape>,
}

/// What became of one input.
#[derive(Debug, Serialize)]
struct ResultShape {
    verdict: &'static str,
    /// What the program returned; none after a fault.
    r0: Option<u64>,
    /// Bytes of the packet afterwards, and their digest.
    bytes: usize,
    digest: String,
    /// The bytes in hex, for bytes that came with the command line.
    data: Option<String>,
}

#[derive(Debug, Serialize)]
struct FaultShape {
    input: usize,
    error: String,
}

#[derive(Serialize)]
struct Answer {
    program: String,
    section: String,
    #[serde(rename = "type")]
    prog_type: &'static str,
    engine: &'static str,
    inputs: usize,
    verdicts: BTreeMap<&'static str, u64>,
    results: Vec<ResultShape>,
    faults: Vec<FaultShape>,
    digest: String,
    maps: Vec<MapShape>,
    trace: String,
    ns_per_run: f64,
    verification: InfoShape,
}

impl Report {
    /// A report of nothing. `keeps_data` is whether the inputs' bytes are to be
    /// shown as they are afterwards.
    pub const fn new(prog_type: BpfProgType, keeps_data: bool) -> Self {
        Self {
            engine: "",
            trace: String::new(),
            prog_type,
            keeps_data,
            verdicts: BTreeMap::new(),
            results: Vec::new(),
            faults: Vec::new(),
            digest: Digest::new(),
            time: Duration::ZERO,
            runs: 0,
        }
    }

    /// How many inputs made the program fault.
    pub fn faults(&self) -> usize {
        self.faults.len()
    }

    /// Takes an input's executions in.
    pub fn add(&mut self, execution: &Execution) {
        let mut data = Digest::new();
        data.add(&execution.data);
        let (verdict, r0) = match execution.outcome {
            Outcome::Returned(r0) => {
                self.digest.add(&verdict::verdict(r0).to_le_bytes());
                (verdict::name(self.prog_type, r0), Some(r0))
            }
            Outcome::Fault(error) => {
                self.digest.add(b"fault");
                let error = error.to_string();
                self.faults.push(FaultShape { input: self.results.len(), error });
                ("fault", None)
            }
            Outcome::Skipped => {
                self.digest.add(b"skipped");
                ("skipped", None)
            }
        };
        self.digest.add(&execution.data);
        *self.verdicts.entry(verdict).or_default() += 1;
        let (bytes, digest) = (execution.data.len(), data.hex());
        let data = self.keeps_data.then(|| hex::plain(&execution.data));
        self.results.push(ResultShape { verdict, r0, bytes, digest, data });
        self.time += execution.time;
        self.runs += u64::from(execution.runs);
    }

    #[allow(clippy::cast_precision_loss, reason = "a mean of measured times has few digits")]
    fn ns_per_run(&self) -> f64 {
        self.time.as_nanos() as f64 / self.runs.max(1) as f64
    }

    /// Prints the report.
    pub fn print(
        self,
        unit: &Unit,
        verification: InfoShape,
        live: &[LiveMap],
        output: Output,
    ) -> Result<()> {
        let ns_per_run = self.ns_per_run();
        let answer = Answer {
            program: unit.name.clone(),
            section: unit.section.clone(),
            prog_type: self.prog_type.name(),
            engine: self.engine,
            inputs: self.results.len(),
            verdicts: self.verdicts,
            results: self.results,
            faults: self.faults,
            digest: self.digest.hex(),
            maps: live.iter().map(map_shape).collect(),
            trace: self.trace,
            ns_per_run,
            verification,
        };
        if output.json { output.json("run", answer) } else { print_text(&answer, output) }
    }
}

fn map_shape(live: &LiveMap) -> MapShape {
    let entries = live::entries(&live.map);
    let mut digest = Digest::new();
    for entry in &entries {
        digest.add(&entry.key);
        digest.add(&entry.value);
    }
    let shape =
        |e: &live::Entry| EntryShape { key: hex::plain(&e.key), value: hex::plain(&e.value) };
    MapShape {
        name: live.name.clone(),
        map_type: live.map.def().map_type.name(),
        digest: digest.hex(),
        entries: entries.iter().map(shape).collect(),
    }
}

fn print_text(answer: &Answer, output: Output) -> Result<()> {
    let program = output.paint(Role::Heading, &answer.program);
    output.line(format!(
        "{program} ({}), {} {} on engine {}, {:.0} ns each",
        answer.prog_type,
        answer.inputs,
        if answer.inputs == 1 { "input" } else { "inputs" },
        answer.engine,
        answer.ns_per_run
    ))?;
    output.line(answer.verification.text())?;
    for (verdict, count) in &answer.verdicts {
        output.line(format!("  {verdict:<16} {count}"))?;
    }
    for result in answer.results.iter().filter(|result| result.data.is_some()) {
        let r0 = result.r0.map(|r0| format!("  r0 {r0:#x}"));
        let data = result.data.as_ref().filter(|data| !data.is_empty());
        let lines = [r0, data.map(|data| format!("  bytes afterwards {data}"))];
        lines.iter().flatten().try_for_each(|line| output.line(line))?;
    }
    for fault in answer.faults.iter().take(SHOWN_ENTRIES) {
        let text = format!("  input {}: {}", fault.input, fault.error);
        output.line(output.paint(Role::Bad, &text))?;
    }
    output.line(format!("digest {}", answer.digest))?;
    for map in &answer.maps {
        let name = output.paint(Role::Heading, &map.name);
        let count = map.entries.len();
        let entries = if count == 1 { "entry" } else { "entries" };
        output.line(format!(
            "map {name} ({}), {count} {entries}, digest {}",
            map.map_type, map.digest
        ))?;
        for entry in map.entries.iter().take(SHOWN_ENTRIES) {
            output.line(format!("  {} = {}", entry.key, entry.value))?;
        }
        if count > SHOWN_ENTRIES {
            let more = format!("  and {} more; --json shows all", count - SHOWN_ENTRIES);
            output.line(output.paint(Role::Faint, &more))?;
        }
    }
    for line in answer.trace.lines() {
        output.line(format!("trace: {line}"))?;
    }
    Ok(())
}
