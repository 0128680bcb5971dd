//! `cargo xtask ci`: every check that the machine allows, one after the other.

mod benches;
mod clang;
mod consistency;
mod counts;
mod demo;
mod deny;
mod erasure;
mod examples;
mod exclusion;
mod fuzz;
mod layers;
mod manifests;
mod no_std;
mod profile;
mod proofs;
mod readme;
mod shadow;
mod tidy;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use lexopt::prelude::*;
use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Modify, Style, Width};

use crate::process::{self, Run};
use crate::repo::{self, Package};

const HELP: &str = "\
Runs every check that this machine allows and ends with a table of what ran and
of what could not run here, and why.

USAGE: cargo xtask ci [OPTIONS]

OPTIONS:
    --all          Count what could not run as failed
    --only NAME    Run the steps whose name contains NAME; may be repeated
    --list         Print the steps and run none
";

/// How much of a failed step's log is shown.
const TAIL: usize = 60;
/// Width of the table's last column.
const WHY_WIDTH: usize = 60;
/// How much of a reason it holds; the step itself printed all of it.
const WHY_LENGTH: usize = 240;

/// What a step works with.
pub struct Context {
    /// The repository.
    pub root: PathBuf,
    /// The workspace's members.
    pub packages: Vec<Package>,
    /// Where the step's programs write.
    pub log: PathBuf,
}

impl Context {
    /// A cargo command at the root.
    fn cargo<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Run {
        Run::cargo(&self.root).args(args)
    }
}

/// How a step ended, when it did not fail.
pub enum Outcome {
    /// All as it should be.
    Passed,
    /// This machine lacks something.
    Unavailable(String),
}

/// What a step does.
type Check = dyn Fn(&Context) -> Result<Outcome>;

/// A step.
pub struct Step {
    name: String,
    run: Box<Check>,
}

impl Step {
    /// A step that either passes or fails.
    fn new(name: impl Into<String>, run: impl Fn(&Context) -> Result<()> + 'static) -> Self {
        Self::or_unavailable(name, move |context| run(context).map(|()| Outcome::Passed))
    }

    /// A step that the machine may not allow.
    fn or_unavailable(
        name: impl Into<String>,
        run: impl Fn(&Context) -> Result<Outcome> + 'static,
    ) -> Self {
        Self { name: name.into(), run: Box::new(run) }
    }
}

/// All steps, the quick ones first.
fn steps() -> Vec<Step> {
    let mut steps = vec![Step::new("format", format)];
    steps.extend(manifests::steps());
    steps.extend(layers::steps());
    steps.extend(tidy::steps());
    steps.extend(deny::steps());
    steps.extend(exclusion::steps());
    steps.extend(profile::steps());
    steps.extend(consistency::steps());
    steps.extend(readme::steps());
    steps.extend(clang::steps());
    steps.extend(no_std::steps());
    steps.extend(erasure::steps());
    steps.extend(examples::steps());
    steps.extend(benches::steps());
    steps.extend(counts::steps());
    steps.extend(shadow::steps());
    steps.extend(fuzz::steps());
    steps.extend(proofs::steps());
    steps.extend(demo::steps());
    steps
}

fn format(context: &Context) -> Result<()> {
    context.cargo(["fmt", "--all", "--check"]).check(&context.log)?;
    for folder in repo::EXCLUDED {
        let folder = context.root.join(folder);
        if folder.join("Cargo.toml").is_file() {
            Run::cargo(&folder).args(["fmt", "--check"]).check(&context.log)?;
        }
    }
    Ok(())
}

/// What is known of a step at the end.
struct Report {
    name: String,
    result: Result<Outcome>,
    time: Duration,
}

/// Runs the steps.
pub fn run(args: Vec<OsString>) -> Result<()> {
    let mut all = false;
    let mut only = Vec::new();
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("all") => all = true,
            Long("only") => only.push(parser.value()?.string()?),
            Long("list") => {
                for step in steps() {
                    println!("{}", step.name);
                }
                return Ok(());
            }
            Short('h') | Long("help") => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let mut steps = steps();
    if !only.is_empty() {
        steps.retain(|step| only.iter().any(|name| step.name.contains(name)));
        ensure!(!steps.is_empty(), "no step's name contains {}", only.join(" or "));
    }
    let root = repo::root()?;
    let packages = repo::packages(&root)?;
    let logs = repo::work_dir(&root, "logs")?;
    let mut context = Context { root, packages, log: PathBuf::new() };

    let count = steps.len();
    let mut reports = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        println!("[{}/{count}] {} ...", index + 1, step.name);
        context.log = logs.join(format!("{}.log", step.name.replace([' ', '/'], "-")));
        fs::write(&context.log, "")?;
        let start = Instant::now();
        let result = (step.run)(&context);
        let report = Report { name: step.name.clone(), result, time: start.elapsed() };
        report.announce(&context.log);
        reports.push(report);
    }
    finish(&reports, all)
}

impl Report {
    fn announce(&self, log: &Path) {
        let seconds = self.time.as_secs_f64();
        match &self.result {
            Ok(Outcome::Passed) => println!("    ok, {seconds:.1} s"),
            Ok(Outcome::Unavailable(why)) => println!("    could not run: {why}"),
            Err(error) => {
                println!("    FAILED, {seconds:.1} s: {error:#}");
                print!("{}", process::tail(log, TAIL, "    | "));
                println!("    log: {}", log.display());
            }
        }
    }
}

fn finish(reports: &[Report], all: bool) -> Result<()> {
    let mut table = Builder::default();
    table.push_record(["step", "result", "seconds", "why"]);
    let (mut passed, mut failed, mut unavailable) = (0, 0, 0);
    for report in reports {
        let seconds = format!("{:.1}", report.time.as_secs_f64());
        let (result, why) = match &report.result {
            Ok(Outcome::Passed) => {
                passed += 1;
                ("ok", String::new())
            }
            Ok(Outcome::Unavailable(why)) => {
                unavailable += 1;
                ("could not run", why.clone())
            }
            Err(error) => {
                failed += 1;
                let text = format!("{error:#}").replace('\n', " ");
                ("FAILED", text.chars().take(WHY_LENGTH).collect())
            }
        };
        table.push_record([report.name.as_str(), result, &seconds, &why]);
    }
    let mut table = table.build();
    table.with(Style::sharp());
    table.with(Modify::new(Columns::last()).with(Width::wrap(WHY_WIDTH).keep_words(true)));
    println!("\n{table}");
    if unavailable > 0 {
        let counted = if all { "counted as failed" } else { "not counted; --all counts it" };
        println!("{unavailable} could not run on this machine ({counted})");
    }
    if all {
        failed += unavailable;
    }
    println!("{passed} passed, {failed} failed");
    if failed > 0 {
        bail!("{failed} of {} steps failed", reports.len());
    }
    Ok(())
}
