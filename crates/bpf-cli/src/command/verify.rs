//! `kbpf verify`.

mod files;
mod info;
mod summary;
mod table;

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use kernel_bpf::bytecode::BpfProgram;
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::VerifiedProgram;
use serde::Serialize;

pub use self::info::InfoShape;
use crate::args::Verify;
use crate::clock::Clock;
use crate::command::witness;
#[cfg(feature = "embedded-profile")]
use crate::command::witness::longest::Longest;
use crate::diagnostic::Rejection;
use crate::exit::Status;
use crate::linux::{self, LinuxShape};
use crate::linux_log::{LinuxLog, Shown};
use crate::loading::Loading;
use crate::object::{LoadedFile, Unit};
use crate::output::{Output, Role};
use crate::verifying::{self, EffortShape, Target};

/// What became of a program, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Accepted,
    Rejected,
    /// Nothing is wrong with it, as far as is known; it asks for what is not
    /// there.
    Unsupported,
    /// It, or its file, could not be read.
    NotLoaded,
}

impl Verdict {
    const fn text(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Unsupported => "unsupported",
            Self::NotLoaded => "not loaded",
        }
    }
}

/// What became of a program.
#[derive(Serialize)]
struct ProgramShape {
    file: String,
    program: String,
    section: String,
    accepted: bool,
    verdict: Verdict,
    /// Slots.
    insns: Option<usize>,
    info: Option<InfoShape>,
    /// What the verification took; only where it was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<EffortShape>,
    rejection: Option<Box<Rejection>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    linux: Option<LinuxShape>,
    /// The longest run that was found; only where it was looked for.
    #[cfg(feature = "embedded-profile")]
    #[serde(skip_serializing_if = "Option::is_none")]
    longest: Option<Box<Longest>>,
}

impl ProgramShape {
    /// A program of which no more is told than this.
    fn new(file: String, program: &str, section: &str, verdict: Verdict) -> Self {
        Self {
            file,
            program: program.to_owned(),
            section: section.to_owned(),
            accepted: verdict == Verdict::Accepted,
            verdict,
            insns: None,
            info: None,
            effort: None,
            rejection: None,
            linux: None,
            #[cfg(feature = "embedded-profile")]
            longest: None,
        }
    }

    /// The same of a program of a file, with its length if it could be loaded.
    fn of(file: String, unit: &Unit, verdict: Verdict) -> Self {
        let insns = unit.program.as_ref().ok().map(BpfProgram::len);
        Self { insns, ..Self::new(file, &unit.name, &unit.section, verdict) }
    }
}

#[derive(Serialize)]
struct Answer {
    programs: Vec<ProgramShape>,
    accepted: usize,
    rejected: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<summary::Summary>,
}

/// Verifies every program of every file.
pub fn run(args: &Verify, output: Output) -> Result<Status> {
    let files = files::find(&args.files)?;
    ensure!(!files.is_empty(), "no objects, flat images or assembly texts there: {}", names(args));
    let loading = Loading::new(&args.loading)?;
    let folders = files.iter().any(|file| !file.named);
    let measured = args.table || args.csv || args.compare_linux || (folders && args.verbose == 0);
    let bar = progress(files.len(), measured && files.len() > 1)?;
    let mut programs = Vec::new();
    for found in &files {
        bar.set_message(found.path.display().to_string());
        let before = programs.len();
        let file = match &found.unreadable {
            Some(error) => Err(anyhow!("{error:#}")),
            None => LoadedFile::open(&found.path, &loading),
        };
        match file {
            // One bad file does not hide the others.
            Err(error) if !found.named || files.len() > 1 => {
                programs.push(unloaded(&found.path, &error));
            }
            file => add_file(&file?, &found.path, args, measured, output, &mut programs)?,
        }
        if !measured && !output.json {
            programs[before..].iter().try_for_each(|program| print(program, output))?;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    answer(programs, args, measured, output)
}

/// What the command line names.
fn names(args: &Verify) -> String {
    args.files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn answer(
    programs: Vec<ProgramShape>,
    args: &Verify,
    measured: bool,
    output: Output,
) -> Result<Status> {
    let accepted = programs.iter().filter(|program| program.accepted).count();
    let rejected = programs.len() - accepted;
    if output.json {
        let summary = measured.then(|| summary::Summary::of(&programs, args.compare_linux));
        output.json("verify", Answer { programs, accepted, rejected, summary })?;
    } else if args.csv {
        table::print_csv(&programs, args.compare_linux, output)?;
    } else if measured {
        table::print(&programs, args.compare_linux, output)?;
    } else {
        output.line(format!("{accepted} accepted, {rejected} rejected"))?;
    }
    Ok(if rejected == 0 { Status::Success } else { Status::Negative })
}

/// A bar on a terminal, where the work may be long.
fn progress(files: usize, wanted: bool) -> Result<ProgressBar> {
    if !wanted {
        return Ok(ProgressBar::hidden());
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} files {msg}")?;
    Ok(ProgressBar::new(files as u64).with_style(style))
}

/// The programs of a file.
fn add_file(
    file: &LoadedFile,
    path: &Path,
    args: &Verify,
    measured: bool,
    output: Output,
    programs: &mut Vec<ProgramShape>,
) -> Result<()> {
    let selected = match file.select(args.prog.as_deref()) {
        // Of several files, some may not have it.
        Err(_) if measured => Vec::new(),
        selected => selected?,
    };
    let maps = args.compare_linux.then(|| linux::Maps::create(file));
    for unit in selected {
        let name = path.display().to_string();
        let mut shape = if measured {
            measure(name, unit, args, output)
        } else {
            shape(name, unit, args, output)
        };
        if !measured {
            search(file, unit, args, &mut shape);
            #[cfg(feature = "embedded-profile")]
            search_longest(file, unit, args, &mut shape);
        }
        shape.linux = maps.as_ref().map(|maps| maps.verify(unit, &file.license));
        programs.push(shape);
    }
    Ok(())
}

/// A file that could not be loaded.
fn unloaded(path: &Path, error: &anyhow::Error) -> ProgramShape {
    let file = path.display().to_string();
    let text = format!("{error:#}");
    // What is said of a file begins with its name, which stands before it already.
    let reason = text.strip_prefix(&*file).and_then(|text| text.strip_prefix(": "));
    ProgramShape {
        rejection: Some(Box::new(Rejection::of_file(reason.unwrap_or(&text)))),
        ..ProgramShape::new(file, "", "", Verdict::NotLoaded)
    }
}

/// Looks for an input on which a rejected program goes wrong. It is run on the
/// engines here, which have to refuse it for the same reason: what they merely
/// lack is no mistake.
fn search(file: &LoadedFile, unit: &Unit, args: &Verify, shape: &mut ProgramShape) {
    let patience = Duration::from_millis(args.search_ms);
    if let Some(rejection) = &mut shape.rejection
        && let Some((error, path)) = rejection.origin.take()
        && let Ok(program) = &unit.program
        && verifying::refuses(program, &error, target(args))
    {
        rejection.set_search(witness::search(file, unit, &error, &path, patience));
    }
}

/// Looks for an input on which an accepted program takes long, where that is wanted.
#[cfg(feature = "embedded-profile")]
fn search_longest(file: &LoadedFile, unit: &Unit, args: &Verify, shape: &mut ProgramShape) {
    if let (Some(patience), Some(info), Ok(program)) = (args.longest_ms, &shape.info, &unit.program)
    {
        let proven = info.proven();
        let path = verifying::costliest_path(program, target(args), proven.time);
        let patience = Duration::from_millis(patience);
        let longest = witness::longest::search(file, unit, &path, proven, patience);
        shape.longest = longest.map(Box::new);
    }
}

fn shape(file: String, unit: &Unit, args: &Verify, output: Output) -> ProgramShape {
    let begun = Clock::start();
    let result = verify_unit(unit, target(args));
    let time = verifying::micros(begun.elapsed());
    if let (Ok(program), 1..) = (&unit.program, args.verbose) {
        let shown = match (args.verbose, &result) {
            (2.., _) => Shown::All,
            (_, Err(_)) => Shown::Failure,
            // There is no path to show: to note them all would only take time.
            (_, Ok(_)) => Shown::Figures,
        };
        let mut log = LinuxLog::new(unit, shown, output);
        verifying::observe(program, target(args), &mut log);
        log.finish();
    }
    match result {
        Ok(program) => accepted(file, unit, InfoShape::new(program.info(), time)),
        Err(rejection) => rejected(file, unit, rejection),
    }
}

/// Verifies a program several times, for the time.
fn measure(file: String, unit: &Unit, args: &Verify, output: Output) -> ProgramShape {
    let Ok(program) = &unit.program else { return shape(file, unit, args, output) };
    let (outcome, effort) = verifying::measure(program, target(args));
    let shape = match outcome {
        Ok(info) => accepted(file, unit, InfoShape::new(&info, effort.time_us)),
        Err(failure) => rejected(file, unit, Box::new(Rejection::unverified(unit, &failure))),
    };
    ProgramShape { effort: Some(effort), ..shape }
}

fn accepted(file: String, unit: &Unit, info: InfoShape) -> ProgramShape {
    ProgramShape { info: Some(info), ..ProgramShape::of(file, unit, Verdict::Accepted) }
}

fn rejected(file: String, unit: &Unit, rejection: Box<Rejection>) -> ProgramShape {
    let verdict = match &unit.program {
        _ if rejection.is_unsupported() => Verdict::Unsupported,
        Err(_) => Verdict::NotLoaded,
        Ok(_) => Verdict::Rejected,
    };
    ProgramShape { rejection: Some(rejection), ..ProgramShape::of(file, unit, verdict) }
}

const fn target(args: &Verify) -> Target {
    Target {
        engines: args.engines,
        #[cfg(feature = "embedded-profile")]
        wcet: args.wcet,
    }
}

/// Verifies one program.
///
/// # Errors
/// [`Rejection`], also for a program that could not even be loaded.
pub fn verify_unit(
    unit: &Unit,
    target: Target,
) -> Result<VerifiedProgram<ActiveProfile>, Box<Rejection>> {
    match &unit.program {
        Ok(program) => verifying::verify(program, target)
            .map_err(|failure| Box::new(Rejection::unverified(unit, &failure))),
        Err(error) => Err(Box::new(Rejection::unloaded(unit, error))),
    }
}

fn print(shape: &ProgramShape, output: Output) -> Result<()> {
    let file = &shape.file;
    // Of a file that could not be read there is no program.
    let program = match &*shape.program {
        "" => String::new(),
        name => format!(": {}", output.program(name, &shape.section)),
    };
    match (&shape.info, &shape.rejection) {
        (Some(info), _) => {
            let accepted = output.paint(Role::Good, "accepted");
            output.line(format!("{file}{program}: {accepted}"))?;
            output.line(info.text())?;
            #[cfg(feature = "embedded-profile")]
            if let Some(longest) = &shape.longest {
                output.line(longest.text(info.bound()))?;
            }
            Ok(())
        }
        (None, Some(rejection)) => {
            let verdict = match shape.verdict {
                Verdict::Unsupported | Verdict::NotLoaded => shape.verdict.text(),
                _ => "rejected",
            };
            let verdict = output.paint(Role::Bad, verdict);
            output.line(format!("{file}{program}: {verdict}"))?;
            output.line(rejection.text(output))
        }
        (None, None) => Ok(()),
    }
}
