//! `cargo xtask demo`: the same objects over the same packets, on every engine
//! of both profiles, side by side.

mod answer;
mod tool;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use lexopt::prelude::*;
use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Modify, Style, Width};

use crate::repo::{self, Profile};
use answer::{Answer, Ran};
use tool::{Engine, Input, Tool};

const HELP: &str = "\
Builds kbpf for both profiles, runs the objects of examples/programs over
examples/captures/traffic.pcap on the JIT compiler and the interpreter of the
cloud profile and on the interpreter of the embedded one, and says whether all
of them agreed.

USAGE: cargo xtask demo [OPTIONS]

OPTIONS:
    --quick         Unoptimised builds, and no measurement of time
    --contents      Print all entries of every map
    --only NAME     Only programs whose name contains NAME
";

/// How often each packet is run to measure the time it takes.
const REPEAT: u32 = 100;
/// Map entries that are printed without `--contents`.
const SHOWN: usize = 3;
/// Width of a column of the comparison.
const WIDTH: usize = 38;

/// Inputs of programs that take no packets: one burst of eight samples, as the
/// sensor filter reads it.
const CONTEXTS: &[(&str, &str)] =
    &[("sensor_filter", "01000000 0000 0800 c409 c609 c209 c509 c409 c609 c209 c509")];

/// Where a program runs.
struct Place {
    profile: Profile,
    engine: Engine,
}

const PLACES: [Place; 3] = [
    Place { profile: Profile::Cloud, engine: Engine::Jit },
    Place { profile: Profile::Cloud, engine: Engine::Interpreter },
    Place { profile: Profile::Embedded, engine: Engine::Interpreter },
];

/// What the command line asks for.
#[derive(Default)]
pub struct Options {
    /// Unoptimised, unmeasured.
    pub quick: bool,
    /// All entries of every map.
    pub contents: bool,
    /// Part of the names of the programs wanted.
    pub only: Option<String>,
}

/// What the engines said, all programs together.
#[derive(Default)]
struct Tally {
    compared: usize,
    refused: usize,
    disagreements: Vec<String>,
}

/// Runs the demo as the command line asks.
pub fn run(args: Vec<OsString>) -> Result<()> {
    let mut options = Options::default();
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("quick") => options.quick = true,
            Long("contents") => options.contents = true,
            Long("only") => options.only = Some(parser.value()?.string()?),
            Short('h') | Long("help") => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let root = repo::root()?;
    let log = repo::work_dir(&root, "logs")?.join("demo.log");
    fs::write(&log, "")?;
    let line = compare(&root, &options, &log, &mut |text| println!("{text}"));
    println!("\n{}", line.inspect_err(|_| eprintln!("log: {}", log.display()))?);
    Ok(())
}

/// Builds, runs and compares; hands each program's table to `show` and returns
/// the line that says whether all engines agreed. If they did not, that line is
/// the error.
pub fn compare(
    root: &Path,
    options: &Options,
    log: &Path,
    show: &mut dyn FnMut(&str),
) -> Result<String> {
    let objects = objects(root, options)?;
    let capture = root.join("examples/captures/traffic.pcap");
    ensure!(capture.is_file(), "{} is missing", capture.display());

    let steps = 2 + objects.len() * PLACES.len();
    let progress = Progress::new(steps);
    let mut tools = Vec::new();
    // Cloud comes last: what lies in the target folder then is as the README builds it.
    for profile in Profile::ALL.into_iter().rev() {
        progress.at(&format!("building kbpf for {}", profile.name()));
        tools.push(Tool::build(root, profile, options.quick, log)?);
        progress.step();
    }

    let mut tally = Tally::default();
    for object in &objects {
        let name = name(object);
        let context = CONTEXTS.iter().find(|(program, _)| *program == name);
        let input = match context {
            Some((_, hex)) => Input::Context(hex),
            None => Input::Capture(&capture),
        };
        let mut answers = Vec::new();
        for place in &PLACES {
            progress.at(&format!("{name} on {}", place.title()));
            let tool = tools.iter().find(|tool| tool.profile == place.profile);
            let tool = tool.context("a tool for each profile")?;
            let mut answer = tool.run(root, object, &input, place.engine, 1, log)?;
            if let Answer::Ran(ran) = &mut answer
                && !options.quick
            {
                let repeated = tool.run(root, object, &input, place.engine, REPEAT, log)?;
                ran.measured_by(&repeated);
            }
            answers.push(answer);
            progress.step();
        }
        judge(&name, &answers, &mut tally);
        progress.suspend(|| show(&table(&name, &answers, options)));
    }
    progress.finish();
    tally.line()
}

fn objects(root: &Path, options: &Options) -> Result<Vec<PathBuf>> {
    let folder = root.join("examples/programs");
    let mut objects: Vec<PathBuf> = fs::read_dir(&folder)
        .with_context(|| format!("read {}", folder.display()))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "o"))
        .filter(|path| options.only.as_ref().is_none_or(|only| name(path).contains(only)))
        .collect();
    objects.sort();
    ensure!(!objects.is_empty(), "no objects in {}", folder.display());
    Ok(objects)
}

/// `xdp_firewall` of `…/xdp_firewall.bpf.o`.
fn name(object: &Path) -> String {
    let file = object.file_name().unwrap_or_default().to_string_lossy();
    file.split('.').next().unwrap_or_default().to_string()
}

impl Place {
    fn title(&self) -> String {
        format!("{}, {}", self.profile.name(), self.engine.name())
    }
}

/// Whether the places that ran agree, and those that refused may.
fn judge(name: &str, answers: &[Answer], tally: &mut Tally) {
    let mut first: Option<(&Place, &Ran)> = None;
    let mut ran = 0;
    let mut refused = false;
    for (place, answer) in PLACES.iter().zip(answers) {
        match answer {
            Answer::Ran(here) => {
                ran += 1;
                if here.engine != place.engine.name() {
                    let text = format!("{name}: {} ran on {}", place.title(), here.engine);
                    tally.disagreements.push(text);
                }
                match first {
                    None => first = Some((place, here)),
                    Some((other, there)) => {
                        if let Some(what) = here.difference(there) {
                            tally.disagreements.push(format!(
                                "{name}: {} and {} differ in {what}",
                                other.title(),
                                place.title()
                            ));
                        }
                    }
                }
            }
            Answer::Refused { .. } if place.profile == Profile::Embedded && answer.lacks() => {
                refused = true;
            }
            Answer::Refused { reason, .. } => {
                tally.disagreements.push(format!("{name}: {} refuses: {reason}", place.title()));
            }
        }
    }
    if ran > 1 {
        tally.compared += 1;
    } else {
        tally.disagreements.push(format!("{name}: nothing to compare"));
    }
    tally.refused += usize::from(refused);
}

impl Tally {
    fn line(&self) -> Result<String> {
        if !self.disagreements.is_empty() {
            bail!("the engines DISAGREED: {}", self.disagreements.join("; "));
        }
        let refused = match self.refused {
            0 => String::new(),
            count => format!(
                "; {count} of them {} cloud's alone and refused by embedded",
                if count == 1 { "is" } else { "are" }
            ),
        };
        Ok(format!(
            "All engines agreed: the same verdicts, packets and maps for {} programs{refused}.",
            self.compared
        ))
    }
}

/// One program, side by side.
fn table(name: &str, answers: &[Answer], options: &Options) -> String {
    let ran: Vec<&Ran> = answers.iter().filter_map(Answer::ran).collect();
    let heading = ran.first().map_or_else(String::new, |ran| ran.heading());
    let mut builder = Builder::default();
    let titles = PLACES.iter().map(Place::title);
    builder.push_record(std::iter::once(String::new()).chain(titles));
    let mut row = |what: &str, of: &dyn Fn(&Ran) -> String, refused: &dyn Fn(&Answer) -> String| {
        let cells = answers.iter().map(|answer| answer.ran().map_or_else(|| refused(answer), of));
        builder.push_record(std::iter::once(what.to_string()).chain(cells));
    };
    let nothing = |_: &Answer| String::new();
    row("verdicts", &Ran::verdicts, &Answer::reason);
    row("packets", &|ran| ran.digest.clone(), &nothing);
    for (index, map) in ran.first().map_or(&[][..], |ran| &ran.maps).iter().enumerate() {
        let cell = |ran: &Ran| {
            ran.maps.get(index).map_or_else(String::new, |map| {
                format!("{}, {}", answer::count(&map.entries), map.digest)
            })
        };
        row(&format!("map {}", map.name), &cell, &nothing);
    }
    row("verification", &Ran::verification, &nothing);
    if !options.quick {
        row("per packet", &|ran| format!("{:.0} ns", ran.nanoseconds), &nothing);
    }
    let mut table = builder.build();
    table.with(Style::rounded());
    table.with(Modify::new(Columns::new(1..)).with(Width::wrap(WIDTH).keep_words(true)));

    let mut text = format!("\n{name}{heading}\n{table}");
    if let Some(ran) = ran.first() {
        let shown = if options.contents { usize::MAX } else { SHOWN };
        text.push_str(&ran.contents(shown));
    }
    text
}

/// How far the demo is: a bar on a terminal, a line for each build elsewhere.
struct Progress {
    bar: ProgressBar,
}

impl Progress {
    fn new(steps: usize) -> Self {
        let bar = ProgressBar::new(steps as u64);
        let template = "{spinner} [{bar:24}] {pos}/{len} {msg} ({elapsed})";
        let style = ProgressStyle::with_template(template);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar }
    }

    fn at(&self, what: &str) {
        if self.bar.is_hidden() && what.starts_with("building") {
            println!("{what} ...");
        }
        self.bar.set_message(what.to_string());
    }

    fn step(&self) {
        self.bar.inc(1);
    }

    fn suspend(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
