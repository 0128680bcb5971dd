//! Mistakes that engines before this one made, each as a test, on every engine.
#![allow(clippy::format_push_string, reason = "texts are put together as they are read")]

use std::fs;
use std::path::{Path, PathBuf};

use kernel_bpf::bytecode::abi::helper;
use kernel_bpf_tests::case::{self, Case, Verdict};
use kernel_bpf_tests::{engine, outcome};

/// The cases of a text; there is at least one.
fn cases(text: &str) -> Vec<Case> {
    let cases = case::parse("predecessors", &format!("\n{text}"));
    assert!(!cases.is_empty(), "{text}");
    cases
}

/// Every engine gives what the cases say, and the verifier its verdict.
#[track_caller]
fn check(text: &str) {
    for case in cases(text) {
        let program = case.program();
        let verified = engine::verify(&program);
        assert_eq!(verified.is_ok(), case.verdict == Verdict::Accept, "{}", case.name);
        for engine in engine::all() {
            if !engine.verified_only || verified.is_ok() {
                let found = (engine.run)(&case, &program, verified.as_ref().ok()).expect("maps");
                let found = outcome::of(found.result);
                assert_eq!(found, case.expect, "{} on {}", case.name, engine.name);
            }
        }
    }
}

/// A value of one array, its address in R0.
fn with_value(name: &str, header: &str, text: &str) -> String {
    format!(
        "== {name}\nmap: array 4 8 1\n{header}\n--\n*(u32 *)(r10 -4) = 0\nr2 = r10\nr2 += -4
r1 = map[idx:0]\ncall bpf_map_lookup_elem\n{text}\nexit\n"
    )
}

#[test]
fn an_access_is_checked_to_its_end() {
    let load = |name: &str, header: &str, off: u32| {
        let text = format!("if r0 == 0 goto out\nr0 = *(u64 *)(r0 +{off})\nout:");
        check(&with_value(name, header, &text));
    };
    load("inside", "expect: 0x0", 0);
    load("last-byte", "verdict: reject\nexpect: insn 7: memory, 8 bytes", 7);
}

#[test]
fn the_stack_is_addressed_forwards() {
    let low = if cfg!(target_endian = "little") { "0x55667788" } else { "0x11223344" };
    check(&format!(
        "== low-half\nexpect: {low}\n--\nr1 = 0x1122334455667788 ll\n*(u64 *)(r10 -8) = r1
r0 = *(u32 *)(r10 -8)\nexit\n"
    ));
    // The idiom of a key on the stack.
    check(&with_value("key", "expect: 0x0", "if r0 == 0 goto out\nr0 = *(u64 *)(r0 +0)\nout:"));
}

#[test]
fn a_lookup_may_find_nothing() {
    let text = "r0 = *(u64 *)(r0 +0)";
    let found = with_value("no-null-check", "verdict: reject\nexpect: 0x0", text);
    check(&found);
    let missing = "verdict: reject\nexpect: insn 6: memory, 8 bytes";
    check(&with_value("null", missing, text).replace("(r10 -4) = 0", "(r10 -4) = 1"));
}

/// Paths that join are walked once: of forty branches there are 2^40 paths.
#[test]
fn states_are_merged() {
    let mut text = "type: xdp\npacket: 00\nexpect: 0x28\n--\nr9 = r1\nr7 = 0\n".to_owned();
    for branch in 0..40 {
        text += &format!(
            "r6 = *(u32 *)(r9 +12)\nif r6 == {branch} goto j{branch}\nr7 += 3\nj{branch}: r0 = 40\n"
        );
    }
    let text = format!("== forty\n{text}exit\n");
    check(&text);
    let [case]: [Case; 1] = cases(&text).try_into().expect("one case");
    let verified = engine::verify(&case.program()).expect("is safe");
    assert!(verified.info().processed < 1000, "{}", verified.info().processed);
}

/// Helpers come with the environment. Neither the library nor whoever links it
/// declares symbols that somebody has to define.
#[test]
fn helpers_are_no_symbols() {
    // This program links, and so does what it calls.
    check("== helpers\nexpect: 0x1\n--\ncall 5\nr6 = r0\ncall 7\ncall 8\nr0 = 1\nexit\n");
    let mut files = 0;
    for name in libraries() {
        sources(&name.join("src"), &mut |path, text| {
            files += 1;
            for (number, line) in (1..).zip(text.lines()) {
                let foreign = line.contains("extern \"C\" {") || line.contains("no_mangle");
                assert!(!foreign, "{}:{number}: {line}", path.display());
            }
        });
    }
    assert!(files > 100, "{files} files were looked at");
}

/// The helpers that the README promises are those of the table, by number and name.
#[test]
fn the_readme_lists_the_helpers_that_there_are() {
    let text = fs::read_to_string(root().join("README.md")).expect("the README");
    let rows = text.lines().skip_while(|line| !line.starts_with("| number | helper |")).skip(2);
    let mut listed = Vec::new();
    for row in rows.take_while(|line| line.starts_with('|')) {
        let [_, numbers, names, ..] = row.split('|').collect::<Vec<_>>()[..] else {
            panic!("{row}")
        };
        let name = |part: &str| part.split('`').nth(1).expect("a name").to_owned();
        listed.extend(numbers_of(numbers).into_iter().zip(names.split(',').map(name)));
    }
    let mut there: Vec<(u32, String)> =
        helper::STANDARD.iter().map(|sig| (sig.id, sig.name.to_owned())).collect();
    there.sort();
    listed.sort();
    assert_eq!(listed, there);
}

/// Numbers as "1, 2" or "130 to 134".
fn numbers_of(text: &str) -> Vec<u32> {
    let number = |text: &str| text.trim().parse::<u32>().expect("a number");
    let parts = text.split(',').flat_map(|part| match part.split_once(" to ") {
        Some((first, last)) => (number(first)..=number(last)).collect::<Vec<_>>(),
        None => vec![number(part)],
    });
    parts.collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folders of what a kernel links.
fn libraries() -> Vec<PathBuf> {
    let crates = fs::read_dir(root().join("crates")).expect("the crates");
    let paths = crates.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| !path.ends_with("bpf-cli")).collect()
}

fn sources(folder: &Path, look: &mut dyn FnMut(&Path, &str)) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, look);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            look(&path, &fs::read_to_string(&path).expect("a source"));
        }
    }
}
