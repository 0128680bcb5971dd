//! The published soundness bugs of Linux's verifier, each as a program of our
//! own that has its pattern, in the files of `tests/cve`. Every one is refused,
//! for the reason that its case states. What has no program here is listed with
//! the reason in `tests/cve/not-here.txt`.

mod common;

use std::collections::HashSet;

use bpf_bytecode::BpfProgType;
use bpf_verifier::Privilege;
use common::{Suite, with_value};

const FILES: [(&str, &str); 3] = [
    ("numbers", include_str!("cve/numbers.txt")),
    ("memory", include_str!("cve/memory.txt")),
    ("paths", include_str!("cve/paths.txt")),
];

const NOT_HERE: &str = include_str!("cve/not-here.txt");

/// A program and why it is refused.
struct Case<'t> {
    name: &'t str,
    about: &'t str,
    suite: Suite,
    /// Title of the error.
    reason: &'t str,
    text: String,
}

fn parse(text: &str) -> Case<'_> {
    let (head, body) = text.split_once("\n--\n").expect("a line `--`");
    let mut lines = head.lines();
    let name = lines.next().expect("a name");
    let mut suite = Suite(BpfProgType::SocketFilter, Privilege::Privileged);
    let (mut about, mut reason, mut text) = ("", "", body.to_owned());
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
            ("privilege", "unprivileged") => suite.1 = Privilege::Unprivileged,
            _ => panic!("{name}: {line}"),
        }
    }
    Case { name, about, suite, reason, text }
}

fn cases() -> impl Iterator<Item = Case<'static>> {
    FILES.into_iter().flat_map(|(_, text)| text.split("\n== ").skip(1)).map(parse)
}

#[test]
fn every_pattern_is_refused_for_its_reason() {
    let mut wrong = Vec::new();
    for case in cases() {
        let found = match case.suite.verify(&case.text) {
            Ok(_) => "accepted".to_owned(),
            Err((error, _)) if error.kind().title() == case.reason => continue,
            Err((error, state)) => format!("{}: {error}\n    {state}", error.kind().title()),
        };
        wrong.push(format!("{} ({})\n    {found}", case.name, case.about));
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_number_stands_once() {
    let listed = NOT_HERE.lines().skip(2).filter_map(|line| line.split_once(": "));
    let names = cases().map(|case| case.name).chain(listed.map(|(name, _)| name));
    let mut seen = HashSet::new();
    for name in names {
        assert!(seen.insert(name), "{name} stands twice");
    }
    let numbers = seen.iter().filter(|name| name.starts_with("CVE-"));
    assert!(numbers.count() >= 80, "{}", seen.len());
}
