//! Programs in text files, each with the reason for which it is refused.

use bpf_bytecode::BpfProgType;
use bpf_verifier::{Privilege, VerifyError};

use super::{Suite, program, verify_linux, with_value};

/// A program and why it is refused.
pub struct Case<'t> {
    pub name: &'t str,
    about: &'t str,
    suite: Suite,
    /// Title of the error.
    reason: &'t str,
    text: String,
    /// Whether it is verified against Linux's helpers.
    linux: bool,
}

impl Case<'_> {
    /// The error, if it is refused, with what is known of the state there.
    fn refusal(&self) -> Option<(VerifyError, String)> {
        if !self.linux {
            return self.suite.verify(&self.text).err();
        }
        let program = program(self.suite.0, &self.text);
        let error = verify_linux(&program, &self.text).err()?;
        Some((error, String::new()))
    }
}

fn parse_one(text: &str) -> Case<'_> {
    let (head, body) = text.split_once("\n--\n").expect("a line `--`");
    let mut lines = head.lines();
    let name = lines.next().expect("a name");
    let mut suite = Suite(BpfProgType::SocketFilter, Privilege::Privileged);
    let (mut about, mut reason, mut text) = ("", "", body.to_owned());
    let mut linux = false;
    for line in lines {
        let (key, value) = line.split_once(": ").unwrap_or_else(|| panic!("{name}: {line}"));
        match (key, value) {
            ("about", _) => about = value,
            ("reason", _) => reason = value,
            ("value", "yes") => text = with_value(body),
            ("type", "socket") => suite.0 = BpfProgType::SocketFilter,
            ("type", "xdp") => suite.0 = BpfProgType::Xdp,
            ("type", "tc") => suite.0 = BpfProgType::SchedCls,
            ("type", "cgroup_skb") => suite.0 = BpfProgType::CgroupSkb,
            ("helpers", "linux") => linux = true,
            ("privilege", "unprivileged") => suite.1 = Privilege::Unprivileged,
            _ => panic!("{name}: {line}"),
        }
    }
    Case { name, about, suite, reason, text, linux }
}

/// The cases of a file.
pub fn parse(text: &str) -> impl Iterator<Item = Case<'_>> {
    text.split("\n== ").skip(1).map(parse_one)
}

/// Every one is refused for its reason.
#[track_caller]
pub fn check_refusals<'t>(cases: impl Iterator<Item = Case<'t>>) {
    let mut wrong = Vec::new();
    for case in cases {
        let found = match case.refusal() {
            None => "accepted".to_owned(),
            Some((error, _)) if error.kind().title() == case.reason => continue,
            Some((error, state)) => format!("{}: {error}\n    {state}", error.kind().title()),
        };
        wrong.push(format!("{} ({})\n    {found}", case.name, case.about));
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}
