//! `kbpf verify`.

use std::time::{Duration, Instant};

use anyhow::Result;
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::{VerifiedInfo, VerifiedProgram};
use serde::Serialize;

use crate::args::Verify;
use crate::diagnostic::Rejection;
use crate::exit::Status;
use crate::object::{LoadedFile, Unit};
use crate::output::{Output, Role};
use crate::verifying;

/// What was proven about a program, and what the proof took.
#[derive(Debug, Default, Serialize)]
pub struct InfoShape {
    processed: u64,
    max_insns: u64,
    #[cfg(feature = "embedded-profile")]
    wcet: u64,
    stack_bytes: usize,
    frames: usize,
    context_bytes: usize,
    tail_calls: bool,
    total_states: u32,
    peak_states: u32,
    workspace_bytes: usize,
    time_us: u64,
}

impl InfoShape {
    /// What `info` says, and how long the verifier took.
    pub fn new(info: &VerifiedInfo, time: Duration) -> Self {
        Self {
            processed: info.processed,
            max_insns: info.max_insns,
            #[cfg(feature = "embedded-profile")]
            wcet: info.wcet,
            stack_bytes: info.stack_bytes,
            frames: info.frames,
            context_bytes: info.context_bytes,
            tail_calls: info.tail_calls,
            total_states: info.total_states,
            peak_states: info.peak_states,
            workspace_bytes: info.workspace_bytes,
            time_us: u64::try_from(time.as_micros()).unwrap_or(u64::MAX),
        }
    }

    /// Two lines of text, the first of them worded as Linux words it.
    pub fn text(&self) -> String {
        format!(
            "  processed {} insns, total_states {}, peak_states {}, {} B of workspace, {} us\n  \
             executes {} insns at the most, stack {} B, call depth {}{}",
            self.processed,
            self.total_states,
            self.peak_states,
            self.workspace_bytes,
            self.time_us,
            self.max_insns,
            self.stack_bytes,
            self.frames,
            self.profile_text(),
        )
    }

    #[cfg(feature = "embedded-profile")]
    fn profile_text(&self) -> String {
        format!(", WCET {}", self.wcet)
    }

    #[cfg(feature = "cloud-profile")]
    #[allow(clippy::unused_self, reason = "the other profile has more to say")]
    const fn profile_text(&self) -> &'static str {
        ""
    }
}

/// What became of a program.
#[derive(Serialize)]
struct ProgramShape {
    file: String,
    program: String,
    section: String,
    accepted: bool,
    info: Option<InfoShape>,
    rejection: Option<Box<Rejection>>,
}

#[derive(Serialize)]
struct Answer {
    programs: Vec<ProgramShape>,
    accepted: usize,
    rejected: usize,
}

/// Verifies every program of every file.
pub fn run(args: &Verify, output: Output) -> Result<Status> {
    let mut programs = Vec::new();
    for path in &args.files {
        let file = LoadedFile::open(path)?;
        for unit in file.select(args.prog.as_deref())? {
            let shape = shape(path.display().to_string(), unit, args);
            if !output.json {
                print(&shape, output)?;
            }
            programs.push(shape);
        }
    }
    let accepted = programs.iter().filter(|program| program.accepted).count();
    let rejected = programs.len() - accepted;
    if output.json {
        output.json("verify", Answer { programs, accepted, rejected })?;
    } else {
        output.line(format!("{accepted} accepted, {rejected} rejected"))?;
    }
    Ok(if rejected == 0 { Status::Success } else { Status::Negative })
}

fn shape(file: String, unit: &Unit, args: &Verify) -> ProgramShape {
    let begun = Instant::now();
    let result = verify_unit(unit, wcet(args));
    let time = begun.elapsed();
    let (info, rejection) = match result {
        Ok(program) => (Some(InfoShape::new(program.info(), time)), None),
        Err(rejection) => (None, Some(rejection)),
    };
    ProgramShape {
        file,
        program: unit.name.clone(),
        section: unit.section.clone(),
        accepted: info.is_some(),
        info,
        rejection,
    }
}

#[cfg(feature = "embedded-profile")]
const fn wcet(args: &Verify) -> Option<u64> {
    args.wcet
}

#[cfg(feature = "cloud-profile")]
const fn wcet(_args: &Verify) -> Option<u64> {
    None
}

/// Verifies one program.
///
/// # Errors
/// [`Rejection`], also for a program that could not even be loaded.
pub fn verify_unit(
    unit: &Unit,
    wcet: Option<u64>,
) -> Result<VerifiedProgram<ActiveProfile>, Box<Rejection>> {
    match &unit.program {
        Ok(program) => verifying::verify(program, wcet)
            .map_err(|failure| Box::new(Rejection::unverified(unit, &failure))),
        Err(error) => Err(Box::new(Rejection::unloaded(unit, error))),
    }
}

fn print(shape: &ProgramShape, output: Output) -> Result<()> {
    let file = &shape.file;
    let program = output.program(&shape.program, &shape.section);
    match (&shape.info, &shape.rejection) {
        (Some(info), _) => {
            let accepted = output.paint(Role::Good, "accepted");
            output.line(format!("{file}: {program}: {accepted}"))?;
            output.line(info.text())
        }
        (None, Some(rejection)) => {
            let rejected = output.paint(Role::Bad, "rejected");
            output.line(format!("{file}: {program}: {rejected}"))?;
            output.line(rejection.text(output))
        }
        (None, None) => Ok(()),
    }
}
