//! The verifier's work in the format of Linux's log, for those who read such
//! logs and for tools that do.

mod state;

use kernel_bpf::bytecode::text::Listing;
use kernel_bpf::verifier::{Effort, Observer, Path, StateView, VerifyError};

use self::state::{Known, names};
use crate::object::{SourceLine, Unit};
use crate::output::Output;

/// Bytes of text after which what cannot be taken back any more is printed.
const CHUNK: usize = 1 << 16;
/// Columns before the state behind an instruction are a multiple of this, and at
/// least as many.
const COLUMNS: usize = 40;

/// Writes the log.
pub struct LinuxLog<'u> {
    unit: &'u Unit,
    /// The instruction that begins at each slot; empty where none does.
    insns: Vec<Insn>,
    shown: Shown,
    output: Output,
    text: String,
    /// The last instruction's line, to which its outcome is to be added.
    line: Option<String>,
    /// Slots of branches that wait for their other side, and where the log was.
    forks: Vec<(usize, usize)>,
    /// Branch and slot at which another path begins.
    resumed: Option<usize>,
    last: Option<(usize, Known)>,
    /// Source of the last line.
    source: Option<(String, u32)>,
    failed: bool,
}

/// What a log shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Every path.
    All,
    /// The path to the error.
    Failure,
    /// How much there was to do, alone.
    Figures,
}

/// An instruction of the log.
#[derive(Clone, Default)]
struct Insn {
    text: String,
    /// The registers that it names, a bit each.
    names: u16,
}

impl<'u> LinuxLog<'u> {
    /// A log of the verification of `unit`.
    pub fn new(unit: &'u Unit, shown: Shown, output: Output) -> Self {
        let mut insns = Vec::new();
        if let Ok(program) = &unit.program {
            insns.resize(program.len(), Insn::default());
            for line in Listing::new(program.insns()).lines() {
                let opcode = program.insns().get(line.pc()).map_or(0, |insn| insn.code());
                if let Some(slot) = insns.get_mut(line.pc()) {
                    let text = format!("({opcode:02x}) {}", linux_text(&line.to_string()));
                    *slot = Insn { names: names(&text), text };
                }
            }
        }
        Self {
            unit,
            insns,
            shown,
            output,
            text: String::new(),
            line: None,
            forks: Vec::new(),
            resumed: None,
            last: None,
            source: None,
            failed: false,
        }
    }

    /// Prints what is still to be printed.
    pub fn finish(mut self) {
        self.end_line(None);
        self.print();
    }

    fn print(&mut self) {
        if !self.text.is_empty() {
            // Who does not listen misses nothing.
            let _ = self.output.line(self.text.trim_end_matches('\n'));
            self.text.clear();
        }
    }

    fn push(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
        if self.shown == Shown::All && self.text.len() > CHUNK {
            self.print();
        }
    }

    /// Ends the line of an instruction, with what came of it.
    fn end_line(&mut self, outcome: Option<&str>) {
        let Some(line) = self.line.take() else { return };
        match outcome {
            Some(outcome) if !outcome.is_empty() => {
                let width = (line.len() + 1).next_multiple_of(COLUMNS).max(COLUMNS) - 2;
                self.push(&format!("{line:<width$}; {outcome}"));
            }
            _ => self.push(&line),
        }
    }

    /// The call or return between two states, if there was one.
    fn frames(&mut self, pc: usize, before: &Known, now: &Known) {
        if now.frame > before.frame {
            self.push("caller:");
            self.push(&before.as_caller());
            self.push("callee:");
            self.push(&format!(" {}", now.all()));
            self.push(&format!("{pc}: {}", now.all()));
        } else {
            self.push("returning from callee:");
            self.push(&format!(" {}", before.all()));
            self.push(&format!("to caller at {pc}:"));
            self.push(&format!(" {}", now.all()));
        }
    }

    fn source(&mut self, pc: usize) {
        let Some(line) = self.unit.line(pc) else { return };
        let SourceLine { file, line, text, .. } = line;
        let here = (file.clone(), *line);
        if self.source.as_ref() != Some(&here) {
            let name = file.rsplit('/').next().unwrap_or(file);
            self.push(&format!("; {} @ {name}:{line}", text.trim()));
            self.source = Some(here);
        }
    }

    /// `from 3 to 7:`, where a path begins at a branch's other side.
    fn path_start(&mut self, pc: usize) -> Option<String> {
        let from = self.resumed.take()?;
        self.end_line(None);
        self.source = None;
        Some(format!("\nfrom {from} to {pc}:"))
    }
}

impl Observer for LinuxLog<'_> {
    fn step(&mut self, pc: usize, state: &StateView<'_>) {
        if self.shown == Shown::Figures {
            return;
        }
        let now = Known::of(state, self.last.as_ref().map(|(_, known)| known));
        if let Some(start) = self.path_start(pc) {
            self.push(&format!("{start} {}", now.all()));
        } else if let Some((last_pc, before)) = self.last.take() {
            if before.frame == now.frame {
                let names = self.insns.get(last_pc).map_or(0, |insn| insn.names);
                let outcome = now.outcome(&before, names);
                self.end_line(Some(&outcome));
            } else {
                self.end_line(None);
                self.frames(pc, &before, &now);
            }
        } else {
            self.push(&format!("{pc}: {}", now.all()));
        }
        self.source(pc);
        let text = self.insns.get(pc).map_or("", |insn| insn.text.as_str());
        self.line = Some(format!("{pc}: {text}"));
        self.last = Some((pc, now));
    }

    fn pruned(&mut self, pc: usize) {
        let start = self.path_start(pc).unwrap_or_else(|| format!("{pc}:"));
        self.end_line(None);
        self.push(&format!("{start} safe"));
        self.last = None;
    }

    fn forked(&mut self, pc: usize) {
        let line = self.line.as_ref().map_or(0, |line| line.len() + 1);
        self.forks.push((pc, self.text.len() + line));
    }

    fn resumed(&mut self, from: usize) {
        self.end_line(None);
        if let Some((_, length)) = self.forks.pop()
            && self.shown != Shown::All
        {
            // A path that ended well is no part of the way to an error.
            self.text.truncate(length.min(self.text.len()));
        }
        self.last = None;
        self.resumed = Some(from);
    }

    fn dropped(&mut self) {
        self.end_line(None);
        if let Some((_, length)) = self.forks.pop()
            && self.shown != Shown::All
        {
            self.text.truncate(length.min(self.text.len()));
        }
        self.last = None;
    }

    fn rejected(&mut self, error: &VerifyError, _: Path<'_>, _: &StateView<'_>) {
        self.end_line(None);
        self.failed = true;
        self.push(&error.kind().to_string());
    }

    fn ended(&mut self, effort: Effort<'_>) {
        self.end_line(None);
        if self.shown != Shown::All && !self.failed {
            self.text.clear();
        }
        let figures = format!(
            "processed {} insns (limit {}) max_states_per_insn {} total_states {} peak_states {} \
             mark_read 0",
            effort.processed(),
            effort.limit(),
            effort.max_states_per_insn(),
            effort.total_states(),
            effort.peak_states(),
        );
        self.push(&figures);
    }
}

/// An instruction's text with Linux's way to write jumps.
fn linux_text(text: &str) -> String {
    let text = text.trim();
    let Some((before, distance)) = text.rsplit_once("goto ") else { return text.to_owned() };
    if !distance.starts_with(['+', '-']) {
        return text.to_owned();
    }
    // Linux writes the numbers that jumps compare with in hexadecimal.
    let hex = |word: &str| match word.parse::<i64>() {
        Ok(number) if number < 0 => {
            format!("{:#x}", u32::try_from(number & 0xffff_ffff).unwrap_or_default())
        }
        Ok(number) => format!("{number:#x}"),
        Err(_) => word.to_owned(),
    };
    let words: Vec<String> = before.split(' ').map(hex).collect();
    format!("{}goto pc{distance}", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::linux_text;

    #[test]
    fn jumps_are_written_as_linux_does() {
        assert_eq!(linux_text("if r1 > 7 goto +3"), "if r1 > 0x7 goto pc+3");
        assert_eq!(linux_text("if w2 s> -1 goto -3"), "if w2 s> 0xffffffff goto pc-3");
        assert_eq!(linux_text("if r1 > r2 goto +3"), "if r1 > r2 goto pc+3");
        assert_eq!(linux_text("goto +3"), "goto pc+3");
        assert_eq!(linux_text("r0 = 7"), "r0 = 7");
    }
}
