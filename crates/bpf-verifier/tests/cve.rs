//! The published soundness bugs of Linux's verifier, each as a program of our
//! own that has its pattern, in the files of `tests/cve`. Every one is refused,
//! for the reason that its case states. What has no program here is listed with
//! the reason in `tests/cve/not-here.txt`.

mod common;

use std::collections::HashSet;

use common::cases::{Case, check_refusals, parse};

const FILES: [(&str, &str); 3] = [
    ("numbers", include_str!("cve/numbers.txt")),
    ("memory", include_str!("cve/memory.txt")),
    ("paths", include_str!("cve/paths.txt")),
];

const NOT_HERE: &str = include_str!("cve/not-here.txt");

fn cases() -> impl Iterator<Item = Case<'static>> {
    FILES.into_iter().flat_map(|(_, text)| parse(text))
}

#[test]
fn every_pattern_is_refused_for_its_reason() {
    check_refusals(cases());
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
    assert!(numbers.count() >= 120, "{}", seen.len());
}
