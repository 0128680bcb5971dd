//! The corpus: written cases by topic, and generated ones for arithmetic and
//! conditions.

use crate::case::{Case, parse};
use crate::generate;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../corpus/", $name, ".txt")))),*]
    };
}

/// Every case.
pub fn all() -> Vec<Case> {
    let mut cases = written();
    cases.extend(generate::arithmetic());
    cases.extend(generate::conditions());
    cases
}

/// The cases that somebody wrote.
pub fn written() -> Vec<Case> {
    let files = files![
        "jumps",
        "memory",
        "calls",
        "rounds",
        "callbacks",
        "iterators",
        "atomics",
        "helpers",
        "maps",
        "packets",
        "faults",
        "soundness",
        "precision"
    ];
    files.iter().flat_map(|(file, text)| parse(file, text)).collect()
}
