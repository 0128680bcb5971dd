//! Zero semantic drift: every case of the corpus, on every engine of the build,
//! has the outcome that is written beside it.
//!
//! Where the environment variable `KBPF_DIGEST_DIR` names a directory, the
//! outcomes are written there, so that those of two builds can be compared.

use std::fmt::Write as _;
use std::{env, fs};

use kernel_bpf::profile::{ActiveProfile, PhysicalProfile};
use kernel_bpf_tests::case::{Case, Verdict};
use kernel_bpf_tests::{corpus, engine, outcome};

/// What the embedded profile refuses, and why: the maps that it does not have.
#[cfg(feature = "embedded-profile")]
const REFUSED: &[(&str, &str)] = &[
    ("lru-hash", "maps of type lru_hash do not exist on the embedded profile"),
    ("longest-prefix", "maps of type lpm_trie do not exist on the embedded profile"),
];

/// The cloud profile refuses nothing of the corpus.
#[cfg(feature = "cloud-profile")]
const REFUSED: &[(&str, &str)] = &[];

/// Runs a case on every engine; gives its line of the digest.
fn run(case: &Case, wrong: &mut Vec<String>) -> String {
    let program = case.program();
    let refused = REFUSED.iter().find(|(name, _)| *name == case.name);
    let verified = engine::verify(&program);
    if let Some((_, reason)) = refused {
        if verified.is_ok() {
            wrong.push(format!("{}: verified, though {reason}", case.name));
        }
        if engine::run_fresh(case, &|_, _| Ok(0)).is_ok() {
            wrong.push(format!("{}: its maps were created, though {reason}", case.name));
        }
        return format!("{}\trefused: {reason}", case.name);
    }
    match (&verified, case.verdict) {
        (Err(e), Verdict::Accept) => wrong.push(format!("{}: rejected: {e}", case.name)),
        (Ok(_), Verdict::Reject) => wrong.push(format!("{}: accepted", case.name)),
        _ => {}
    }
    let mut first: Option<engine::Outcome> = None;
    for engine in engine::all() {
        let verified = verified.as_ref().ok();
        if engine.verified_only && verified.is_none() {
            continue;
        }
        let outcome = match (engine.run)(case, &program, verified) {
            Ok(outcome) => outcome,
            Err((def, error)) => {
                wrong.push(format!("{}: map {def:?}: {error}", case.name));
                continue;
            }
        };
        let text = outcome::of(outcome.result);
        if text != case.expect {
            wrong.push(format!("{}: {}: {text}, not {}", case.name, engine.name, case.expect));
        }
        match &first {
            None => first = Some(outcome),
            Some(first) if (&first.memory, &first.maps) != (&outcome.memory, &outcome.maps) => {
                wrong.push(format!("{}: {} leaves other memory or maps", case.name, engine.name));
            }
            Some(_) => {}
        }
    }
    let Some(first) = first else { return format!("{}\tnot run", case.name) };
    let mut line = format!("{}\t{}\t", case.name, outcome::of(first.result));
    for byte in first.memory.iter().chain(first.maps.iter().flatten()) {
        let _ = write!(line, "{byte:02x}");
    }
    line
}

#[test]
fn every_engine_gives_what_the_corpus_says() {
    let cases = corpus::all();
    assert!(cases.len() > 10_000, "the corpus has only {} cases", cases.len());
    let mut wrong = Vec::new();
    let lines: Vec<String> = cases.iter().map(|case| run(case, &mut wrong)).collect();
    if let Some(folder) = env::var_os("KBPF_DIGEST_DIR") {
        let file = std::path::Path::new(&folder).join(format!("{}.txt", ActiveProfile::NAME));
        fs::create_dir_all(&folder).expect("the folder of the digests");
        fs::write(file, lines.join("\n") + "\n").expect("the file of the digests");
    }
    let shown = wrong.len().min(40);
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong[..shown].join("\n"));
}

#[test]
fn names_are_unique() {
    let mut names: Vec<String> = corpus::all().into_iter().map(|case| case.name).collect();
    names.sort();
    let before = names.len();
    names.dedup();
    assert_eq!(names.len(), before);
}
