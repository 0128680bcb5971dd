//! Why a program was rejected, in terms of its source.
//!
//! The headings are those under which Linux reports a rejected program.

use anyhow::Result;
use kernel_bpf::bytecode::BpfProgram;
use kernel_bpf::bytecode::text::Listing;
use kernel_bpf::verifier::{ErrorClass, Event, VerifyError};
use serde::Serialize;

use crate::command::witness::Outcome;
use crate::object::{SourceLine, Unit};
use crate::output::{Output, Role};
use crate::slice;
use crate::verifying::Failure;

/// A rejected program.
#[derive(Debug, Serialize)]
pub struct Rejection {
    program: String,
    section: String,
    class: String,
    title: String,
    reason: String,
    at: Option<Place>,
    /// Registers and stack at the instruction.
    state: Option<String>,
    /// How many steps there are before those of `path`.
    omitted: usize,
    path: Vec<Step>,
    /// How many steps are left out because they do not bear on the error.
    irrelevant: usize,
    suggestion: Option<String>,
    /// What a search for an input that fails came to, if there was one.
    search: Option<Outcome>,
    /// The error and the whole way to it.
    #[serde(skip)]
    pub origin: Option<(VerifyError, Vec<Event>)>,
}

/// An instruction and the source it was compiled from.
#[derive(Debug, Serialize)]
struct Place {
    pc: usize,
    insn: String,
    function: Option<String>,
    source: Option<Source>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Source {
    file: String,
    line: u32,
    column: u32,
    text: String,
}

/// A step of the path that leads to the error.
#[derive(Debug, Serialize)]
struct Step {
    #[serde(flatten)]
    place: Place,
    /// What was done there.
    went: Way,
    /// How many times in a row.
    times: usize,
}

/// Which way a path goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Way {
    Taken,
    NotTaken,
    Called,
    Returned,
    /// On through a stretch that had to go as it went, such as a loop with a
    /// known number of rounds.
    Unchosen,
}

/// A rejection in the frame of a command's answer.
#[derive(Serialize)]
struct Answer<'r> {
    rejection: &'r Rejection,
}

impl Rejection {
    /// The verifier did not accept the program.
    pub fn unverified(unit: &Unit, failure: &Failure) -> Self {
        let kind = failure.error.kind();
        let relevant = match &unit.program {
            Ok(program) => slice::relevant(program, &failure.error, &failure.path),
            Err(_) => Vec::new(),
        };
        let kept: Vec<Event> = failure
            .path
            .iter()
            .zip(&relevant)
            .filter_map(|(event, relevant)| relevant.then_some(*event))
            .collect();
        let irrelevant = failure.path.len() - kept.len();
        let (path, omitted) = steps(unit, &kept);
        let omitted = omitted + failure.omitted;
        Self {
            class: kind.class().to_string(),
            title: kind.title().to_owned(),
            at: Some(Place::of(unit, failure.error.pc())),
            state: Some(failure.state.clone()).filter(|state| !state.is_empty()),
            omitted,
            irrelevant,
            path,
            origin: Some((failure.error, failure.path.clone())),
            suggestion: Some(kind.suggestion().to_owned()),
            ..Self::unloaded(unit, &kind.to_string())
        }
    }

    /// The program did not get as far as the verifier.
    pub fn unloaded(unit: &Unit, error: &str) -> Self {
        let unsupported = unit.unsupported.then(|| ErrorClass::Unsupported.name());
        Self {
            program: unit.name.clone(),
            section: unit.section.clone(),
            class: unsupported.unwrap_or("loading").to_owned(),
            title: "program could not be loaded".to_owned(),
            reason: error.to_owned(),
            at: None,
            state: None,
            omitted: 0,
            path: Vec::new(),
            irrelevant: 0,
            suggestion: None,
            search: None,
            origin: None,
        }
    }

    /// A whole file did not get as far as the verifier.
    pub fn of_file(error: &str) -> Self {
        Self {
            program: String::new(),
            section: String::new(),
            class: "loading".to_owned(),
            title: "file could not be loaded".to_owned(),
            reason: error.to_owned(),
            at: None,
            state: None,
            omitted: 0,
            path: Vec::new(),
            irrelevant: 0,
            suggestion: None,
            search: None,
            origin: None,
        }
    }

    /// The rejection in one line.
    pub fn line(&self) -> String {
        let at = self.at.as_ref().map(|at| format!(" at insn {}", at.pc)).unwrap_or_default();
        let (class, title) = (&self.class, &self.title);
        let reason = self.reason.replace('\n', " ");
        format!("{class}: {title}{at}: {reason}")
    }

    /// What kind of mistake it is.
    pub fn class(&self) -> &str {
        &self.class
    }

    /// What is wrong, in a few words.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Whether the program asks for what is not there, and may be right.
    pub fn is_unsupported(&self) -> bool {
        self.class == ErrorClass::Unsupported.name()
    }

    /// Adds what a search for an input that fails came to.
    pub fn set_search(&mut self, outcome: Option<Outcome>) {
        self.search = outcome;
    }

    /// Prints the rejection as the answer of `command`.
    pub fn print(&self, command: &str, output: Output) -> Result<()> {
        if output.json {
            return output.json(command, Answer { rejection: self });
        }
        output.line(output.program(&self.program, &self.section))?;
        output.line(self.text(output))
    }

    /// The rejection under its headings.
    pub fn text(&self, output: Output) -> String {
        let failed = format!("Verification failed: {}: {}", self.class, self.title);
        let mut lines = vec![output.paint(Role::Bad, &failed)];
        let heading = |name: &str| output.paint(Role::Heading, name);
        lines.push(format!("{} {}", heading("Reason:"), self.reason));
        if let Some(at) = &self.at {
            lines.push(format!("{} {}", heading("At:"), at.source_text()));
            lines.push(at.insn_text());
            let error = output.paint(Role::Bad, &format!("^-- error: {}", self.title));
            lines.push(format!("{:INDENT$}{error}", ""));
            let state = self.state.iter().map(|state| format!("{:INDENT$}with {state}", ""));
            lines.extend(state.map(|line| output.paint(Role::Faint, &line)));
        }
        if !self.path.is_empty() {
            lines.push(heading("Causal path:"));
            if self.omitted > 0 {
                lines.push(format!("{:INDENT$}({} steps before)", "", self.omitted));
            }
            lines.extend(self.path_text(output));
            if self.irrelevant > 0 {
                let (s, count) = (if self.irrelevant == 1 { "" } else { "s" }, self.irrelevant);
                lines.push(format!(
                    "{:INDENT$}({count} step{s} left out, without bearing on the error)",
                    ""
                ));
            }
        }
        lines.extend(self.search.as_ref().map(|search| {
            let heading = heading("Counterexample:");
            match &search.found {
                Some(found) => format!("{heading} {}", found.text()),
                None => format!(
                    "{heading} none found in {} runs: the program may be right, and only unproven",
                    search.runs
                ),
            }
        }));
        if let Some(suggestion) = &self.suggestion {
            lines.push(format!("{} {suggestion}", heading("Suggestion:")));
        }
        lines.join("\n")
    }

    /// The branches, the source line of each before it where it changes.
    fn path_text(&self, output: Output) -> Vec<String> {
        let mut lines = Vec::new();
        let mut previous = None;
        for step in &self.path {
            if step.place.source.is_some() && step.place.source.as_ref() != previous {
                lines.push(output.paint(Role::Faint, &format!("  {}", step.place.source_text())));
            }
            previous = step.place.source.as_ref();
            let way = match step.times {
                1 => step.went.text().to_owned(),
                times => format!("{}, {times} times", step.went.text()),
            };
            let way = output.paint(Role::Faint, &way);
            lines.push(format!("{:<48} {way}", step.place.insn_text()));
        }
        lines
    }
}

/// Steps that are shown of a path; the last ones count.
const SHOWN: usize = 16;

/// The last events as steps, and how many there are before them. A step that
/// comes several times in a row is shown once.
fn steps(unit: &Unit, events: &[Event]) -> (Vec<Step>, usize) {
    let mut steps: Vec<(Event, usize)> = Vec::new();
    let mut omitted = 0;
    for event in events {
        match steps.last_mut() {
            Some((last, times)) if last == event => *times += 1,
            _ => steps.push((*event, 1)),
        }
        if steps.len() > SHOWN {
            omitted += steps.remove(0).1;
        }
    }
    (steps.into_iter().map(|(event, times)| Step::of(unit, event, times)).collect(), omitted)
}

/// Columns before an instruction's text.
const INDENT: usize = 8;

impl Step {
    fn of(unit: &Unit, event: Event, times: usize) -> Self {
        let (pc, went) = match event {
            Event::Branch { pc, taken: true } => (pc, Way::Taken),
            Event::Branch { pc, taken: false } => (pc, Way::NotTaken),
            Event::Call { pc, .. } => (pc, Way::Called),
            Event::Return { pc, .. } => (pc, Way::Returned),
            Event::Skipped { pc, .. } => (pc, Way::Unchosen),
        };
        Self { place: Place::of(unit, pc), went, times }
    }
}

impl Way {
    const fn text(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::NotTaken => "not taken",
            Self::Called => "called",
            Self::Returned => "returned",
            Self::Unchosen => "and on, with no choice",
        }
    }
}

impl Place {
    fn of(unit: &Unit, pc: usize) -> Self {
        let insns = unit.program.as_ref().map(BpfProgram::insns).unwrap_or_default();
        let line = Listing::new(insns).lines().find(|line| line.pc() == pc);
        Self {
            pc,
            insn: line.map(|line| line.to_string()).unwrap_or_default(),
            function: unit.function(pc).map(str::to_owned),
            source: unit.line(pc).map(Source::of),
        }
    }

    fn insn_text(&self) -> String {
        format!("{:>6}: {}", self.pc, self.insn)
    }

    fn source_text(&self) -> String {
        match (&self.source, &self.function) {
            (Some(source), _) => format!("{}:{}: {}", source.file, source.line, source.text),
            (None, Some(function)) => format!("function {function}"),
            (None, None) => format!("insn {}", self.pc),
        }
    }
}

impl Source {
    fn of(line: &SourceLine) -> Self {
        Self {
            file: line.file.clone(),
            line: line.line,
            column: line.column,
            text: line.text.trim().to_owned(),
        }
    }
}
