//! A program in the making, as text.

use kernel_bpf::bytecode::abi::map::MapDef;
use kernel_bpf::bytecode::text::{AsmError, AsmErrorKind, assemble};
use kernel_bpf::bytecode::{BpfInsn, BpfProgType};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf_tests::case::{self, Case, Verdict};

use crate::input::Input;

/// The lines of a program, and what decides them.
pub(super) struct Lines<'i, 'd> {
    pub(super) input: &'i mut Input<'d>,
    pub(super) text: String,
    /// How many there are.
    pub(super) count: usize,
    labels: usize,
}

impl<'i, 'd> Lines<'i, 'd> {
    pub(super) fn new(input: &'i mut Input<'d>) -> Self {
        Self { input, text: String::new(), count: 0, labels: 0 }
    }

    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
        self.count += 1;
    }

    pub(super) fn label(&mut self) -> String {
        self.labels += 1;
        format!("l{}", self.labels)
    }

    pub(super) fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.input.below(from.len())]
    }

    /// How many slots the lines take. Each is an instruction.
    pub(super) fn slots(&self) -> u32 {
        let slots = self.text.lines().map(|line| if line.ends_with(" ll") { 2 } else { 1 });
        slots.sum()
    }

    /// The instructions; none, where the lines are more than the profile takes.
    ///
    /// # Panics
    /// When they are no instructions, which is a mistake of who made them.
    pub(super) fn insns(&self) -> Vec<BpfInsn> {
        let insns = assemble::<ActiveProfile>(&self.text);
        let full = |error: &AsmError| {
            matches!(error.kind, AsmErrorKind::ProgramTooLong | AsmErrorKind::TooManyLabels)
        };
        if let Err(error) = insns.as_ref()
            && !full(error)
        {
            panic!("{error}\n{}", self.text);
        }
        insns.unwrap_or_default().into_iter().collect()
    }

    /// A program over 64 bytes of context; an empty one, where the lines are more
    /// than the profile takes.
    pub(super) fn case(&self, name: &str, maps: Vec<MapDef>) -> Case {
        Case {
            name: name.to_owned(),
            prog_type: BpfProgType::Tracepoint,
            insns: self.insns(),
            maps,
            input: case::Input::Bytes(vec![0; 64]),
            expect: String::new(),
            verdict: Verdict::Accept,
            budget: None,
        }
    }
}
