//! What holds for every file, and the rules of ARCHITECTURE.md that a reader of
//! the text alone can check.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::{Context, Step};
use crate::repo::{LAYERS, Profile};
use crate::source;

/// No file is longer, but those listed.
const MAX_LINES: usize = 800;
/// Files that may be longer, each with the reason.
const LONG: &[(&str, &str)] = &[];

/// Folders that hold no source of the project.
const SKIPPED: [&str; 3] = ["target", ".git", "node_modules"];

/// What is read.
const EXTENSIONS: [&str; 12] =
    ["rs", "md", "toml", "yml", "yaml", "c", "h", "sh", "ld", "x", "s", "run"];

/// What says which profile a build has; code has whole modules for that.
const PROFILE_FACTS: [&str; 5] =
    ["ELASTIC", "JIT_ALLOWED", "RESTART_ACCEPTABLE", "DEADLINES", "WCET_ENFORCED"];

/// Marks of unfinished work, in pieces so that this file does not hold them.
const UNFINISHED: [&str; 4] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
];

/// One step.
pub fn steps() -> Vec<Step> {
    vec![Step::new("tidy", check)]
}

fn check(context: &Context) -> Result<()> {
    let mut files = Vec::new();
    collect(&context.root, &mut files)?;
    files.sort();
    let mut wrong = Vec::new();
    for file in &files {
        let name = file.strip_prefix(&context.root)?.to_string_lossy().replace('\\', "/");
        let Ok(text) = fs::read_to_string(file) else {
            continue; // not text
        };
        length(&name, &text, &mut wrong);
        unfinished(&name, &text, &mut wrong);
        if file.extension().is_some_and(|extension| extension == "rs") {
            rust(&name, &text, &mut wrong);
        }
    }
    architecture(&context.root, &files, &mut wrong)?;
    ensure!(wrong.is_empty(), "{} findings:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !SKIPPED.contains(&name.as_str()) {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|e| EXTENSIONS.contains(&&*e.to_string_lossy()))
            || path.ends_with(".ci/run")
        {
            files.push(path);
        }
    }
    Ok(())
}

fn length(name: &str, text: &str, wrong: &mut Vec<String>) {
    let lines = text.lines().count();
    let listed = LONG.iter().any(|(file, _)| *file == name);
    if lines > MAX_LINES && !listed {
        wrong.push(format!("{name}: {lines} lines, {MAX_LINES} are the most"));
    }
    if lines <= MAX_LINES && listed {
        wrong.push(format!("{name}: no longer needs its place in the list of long files"));
    }
}

fn unfinished(name: &str, text: &str, wrong: &mut Vec<String>) {
    for (index, line) in text.lines().enumerate() {
        if let Some(mark) = UNFINISHED.iter().find(|mark| line.contains(**mark)) {
            wrong.push(format!("{name}:{}: {mark}", index + 1));
        }
    }
}

fn rust(name: &str, text: &str, wrong: &mut Vec<String>) {
    for line in source::unexplained_unsafe(text) {
        wrong.push(format!("{name}:{line}: unsafe without a SAFETY comment"));
    }
    if !name.starts_with("crates/") {
        return;
    }
    let code = source::code(text);
    let mut tested = name.contains("/tests") || name.contains("/benches");
    for (index, line) in code.lines().enumerate() {
        // A test may ask which build it is in; code may not.
        tested |= line.trim() == "#[cfg(test)]";
        if !tested && asks_for_the_profile(line) {
            wrong.push(format!("{name}:{}: an `if` that asks for the profile", index + 1));
        }
        let gate = "crates/bpf-profile/src/lib.rs";
        if line.contains("compile_error!") && name != gate {
            wrong.push(format!("{name}:{}: `compile_error!` belongs to {gate}", index + 1));
        }
    }
}

/// Whether a line of code, and not the definition of another constant, depends on
/// which profile the build has.
fn asks_for_the_profile(line: &str) -> bool {
    let names = |fact: &str| {
        let mut parts = line.split("::").skip(1);
        parts.any(|part| part.strip_prefix(fact).is_some_and(|rest| !rest.starts_with('_')))
    };
    let defines = line.trim_start().starts_with("const ");
    line.contains("cfg!(feature") || (!defines && PROFILE_FACTS.iter().any(|fact| names(fact)))
}

/// The crates that ARCHITECTURE.md says hold no `unsafe`, the crates it names,
/// and `no_std`.
fn architecture(root: &Path, files: &[PathBuf], wrong: &mut Vec<String>) -> Result<()> {
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).context("ARCHITECTURE.md")?;
    let packages = LAYERS.iter().map(|layer| layer.name).chain(["bpf-cli", "tests", "xtask"]);
    for name in packages {
        if !text.contains(&format!("`{name}`")) {
            wrong.push(format!("ARCHITECTURE.md does not name `{name}`"));
        }
    }
    for layer in LAYERS {
        let folder = root.join("crates").join(layer.name);
        let lib = fs::read_to_string(folder.join("src/lib.rs"))?;
        if !source::code(&lib).lines().any(|line| line.trim() == "#![no_std]") {
            wrong.push(format!("{} is not `#![no_std]`", layer.name));
        }
        let row = text.lines().find(|line| line.starts_with(&format!("| `{}` |", layer.name)));
        let Some(row) = row else {
            wrong.push(format!("ARCHITECTURE.md's table has no row for {}", layer.name));
            continue;
        };
        let says_none = row.trim_end_matches([' ', '|']).ends_with("| none");
        let has = files
            .iter()
            .filter(|file| file.starts_with(folder.join("src")))
            .filter_map(|file| fs::read_to_string(file).ok())
            .any(|text| source::has_unsafe(&text));
        if says_none == has {
            let holds = if has { "holds" } else { "does not hold" };
            wrong.push(format!("{} {holds} `unsafe`, ARCHITECTURE.md says otherwise", layer.name));
        }
    }
    for profile in Profile::ALL {
        if !text.contains(profile.feature()) {
            wrong.push(format!("ARCHITECTURE.md does not name {}", profile.feature()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::asks_for_the_profile;

    #[test]
    fn who_asks_for_the_profile_is_found() {
        for line in [
            "if !P::Memory::ELASTIC {",
            "Words::Own(_) if Memory::ELASTIC => limit,",
            "let limit = if cfg!(feature = ) { 1 } else { 2 };",
            "match ActiveProfile::WCET_ENFORCED {",
        ] {
            assert!(asks_for_the_profile(line), "{line}");
        }
        for line in [
            "const ELASTIC: bool = true;",
            "const RESTART_ACCEPTABLE: bool = Self::Failure::RESTART_ACCEPTABLE;",
            "let room = P::Memory::room(1, 2);",
            "Deadlines::DEADLINES_OF",
        ] {
            assert!(!asks_for_the_profile(line), "{line}");
        }
    }
}
