//! `cargo xtask counts`: how many instructions of the CPU fixed work takes, as
//! `callgrind` counts them, beside the counts that are committed. They hardly
//! depend on the machine, and not at all on what else it does.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use lexopt::prelude::*;
use tabled::builder::Builder;
use tabled::settings::Style;

use crate::process::Run;
use crate::repo;

const HELP: &str = "\
Counts the CPU's instructions that interpreting and compiling fixed programs
takes, by valgrind's callgrind, and compares them with benches/counts.txt. Fails
where a count is higher by more than 5 %; where it is lower, it says so.

USAGE: cargo xtask counts [OPTIONS]

OPTIONS:
    --write    Write what was counted to benches/counts.txt, and compare nothing
";

/// Where the counts are committed, below the root.
const COMMITTED: &str = "benches/counts.txt";
/// What is counted: calls of this function and all that they do.
const REGION: &str = "--toggle-collect=*counted_work*";
/// How far a count may be above the committed one, in per cent.
const TOLERANCE: f64 = 5.0;

/// What to do where the committed counts are no longer right.
const REFRESH: &str = "run `cargo xtask counts --write`, and commit the result";

/// A subject and its count.
type Counts = Vec<(String, u64)>;

/// Counts, and compares or writes.
pub fn run(args: Vec<OsString>) -> Result<()> {
    let mut write = false;
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("write") => write = true,
            Short('h') | Long("help") => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let root = repo::root()?;
    let counts = count(&root)?;
    if write {
        let mut text = String::new();
        for (subject, count) in &counts {
            writeln!(text, "{subject} {count}")?;
        }
        fs::write(root.join(COMMITTED), text)?;
    }
    compare(&committed(&root)?, &counts)
}

/// Counts every subject.
fn count(root: &Path) -> Result<Counts> {
    let target = repo::target_dir(root);
    let build = ["build", "--release", "--quiet", "--package", "kernel-bpf-benches"];
    let build = Run::cargo(root).args(build).args(["--features", "cloud-profile"]);
    let build = build.args(["--bin", "counted"]).env("CARGO_TARGET_DIR", &target).output()?;
    ensure!(build.status.success(), "{}", build.stderr);
    let program = target.join("release/counted");
    let list = Run::new(&program, root).args(["--list"]).output()?.stdout;
    list.lines()
        .map(|subject| Ok((subject.to_owned(), count_one(root, &program, subject)?)))
        .collect()
}

fn count_one(root: &Path, program: &Path, subject: &str) -> Result<u64> {
    let output = Run::new("valgrind", root)
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", REGION])
        .args([program.as_os_str()])
        .args([subject])
        .output()
        .context("valgrind does not start; is it installed?")?;
    ensure!(output.status.success(), "{subject}: {}", output.stderr);
    let count = output
        .stderr
        .lines()
        .find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    let count = count.with_context(|| format!("{subject}: no count in\n{}", output.stderr))?;
    ensure!(count > 0, "{subject}: nothing was counted");
    Ok(count)
}

fn committed(root: &Path) -> Result<Counts> {
    let text = fs::read_to_string(root.join(COMMITTED)).context(COMMITTED)?;
    let line = |line: &str| {
        let (subject, count) = line.split_once(' ').with_context(|| format!("`{line}`"))?;
        Ok((subject.to_owned(), count.parse()?))
    };
    text.lines().map(line).collect()
}

/// Prints both, and fails where they are too far from each other.
fn compare(committed: &Counts, counts: &Counts) -> Result<()> {
    let mut table = Builder::default();
    table.push_record(["subject", "committed", "counted", "difference"]);
    let (mut wrong, mut better) = (Vec::new(), false);
    for (subject, count) in counts {
        let known = committed.iter().find(|(name, _)| name == subject).map(|(_, count)| *count);
        let difference = known.map(|known| percent(*count, known));
        if difference.is_none_or(|difference| difference > TOLERANCE) {
            wrong.push(subject.as_str());
        }
        better |= difference.is_some_and(|difference| difference < -TOLERANCE);
        table.push_record([
            subject.clone(),
            known.map_or_else(|| "-".to_owned(), |known| known.to_string()),
            count.to_string(),
            difference.map_or_else(String::new, |difference| format!("{difference:+.1} %")),
        ]);
    }
    let gone = committed.iter().filter(|(name, _)| counts.iter().all(|(other, _)| other != name));
    wrong.extend(gone.map(|(name, _)| name.as_str()));
    println!("{}", table.build().with(Style::markdown()));
    if better {
        println!("some counts are lower by more than {TOLERANCE} %: {REFRESH}");
    }
    ensure!(
        wrong.is_empty(),
        "more than {TOLERANCE} % above {COMMITTED}: {}\nwhere that is meant: {REFRESH}",
        wrong.join(", ")
    );
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "far fewer than 2^52 instructions")]
fn percent(count: u64, known: u64) -> f64 {
    (count as f64 / known as f64 - 1.0) * 100.0
}
