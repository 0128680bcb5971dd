//! What a profile does not have is not in its build.
//!
//! A probe, generated for each profile, links the umbrella and instantiates its
//! generic code. Each erased item is looked for twice: first in the profile
//! that has it, where it must be found, or the check itself is at fault; then
//! in the other, where nothing may bear its name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::{Context, Step};
use crate::process::Run;
use crate::repo::{self, Profile};
use crate::symbols;

/// An item that one profile alone has.
struct Item {
    /// As the specification calls it.
    name: &'static str,
    profile: Profile,
    trace: Trace,
}

/// How an item shows in an archive.
enum Trace {
    /// A function whose demangled name contains this.
    Symbol(&'static str),
    /// The name of a type or of an enum's variant, in the debug information.
    Name(&'static str),
}

const ITEMS: &[Item] = &[
    Item::symbol("JitExecutor", Profile::Cloud, "JitExecutor"),
    Item::symbol("JIT compilation", Profile::Cloud, "bpf_jit_x86::"),
    Item::symbol("ThroughputPolicy", Profile::Cloud, "ThroughputPolicy"),
    Item::symbol("BpfMap::resize", Profile::Cloud, "BpfMap>::resize"),
    Item::symbol("LRU hash maps", Profile::Cloud, "LruHash"),
    Item::symbol("LPM trie maps", Profile::Cloud, "LpmTrie"),
    Item::symbol("StaticPool", Profile::Embedded, "StaticPool"),
    Item::symbol("DeadlinePolicy", Profile::Embedded, "DeadlinePolicy"),
    Item::symbol("Deadline", Profile::Embedded, "deadline::Deadline::"),
    Item::symbol("EnergyBudget", Profile::Embedded, "EnergyBudget"),
    Item::name("WCET verification errors", Profile::Embedded, "WcetExceeded"),
    Item::name("interrupt-unsafe operations", Profile::Embedded, "InterruptUnsafe"),
    Item::name("dynamic allocation attempts", Profile::Embedded, "DynamicAllocation"),
];

impl Item {
    const fn symbol(name: &'static str, profile: Profile, part: &'static str) -> Self {
        Self { name, profile, trace: Trace::Symbol(part) }
    }

    const fn name(name: &'static str, profile: Profile, whole: &'static str) -> Self {
        Self { name, profile, trace: Trace::Name(whole) }
    }
}

/// One step.
pub fn steps() -> Vec<Step> {
    vec![Step::new("erasure by symbols", check)]
}

/// What an archive has names for.
struct Names {
    symbols: Vec<String>,
    debug: BTreeSet<String>,
}

impl Names {
    fn trace(&self, trace: &Trace) -> Option<&str> {
        match trace {
            Trace::Symbol(part) => {
                self.symbols.iter().find(|symbol| symbol.contains(part)).map(String::as_str)
            }
            Trace::Name(name) => self.debug.get(*name).map(String::as_str),
        }
    }
}

fn check(context: &Context) -> Result<()> {
    let mut names = Vec::new();
    for profile in Profile::ALL {
        let archive = build(context, profile)?;
        names.push((profile, read(&archive)?));
    }
    let mut wrong = Vec::new();
    for item in ITEMS {
        for (profile, names) in &names {
            match (names.trace(&item.trace), *profile == item.profile) {
                (None, true) => wrong.push(format!(
                    "{}: no trace in the {} build, where it should be",
                    item.name,
                    profile.name()
                )),
                (Some(found), false) => {
                    wrong.push(format!("{}: in the {} build: {found}", item.name, profile.name()));
                }
                _ => {}
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("    {} items found in one profile and absent from the other", ITEMS.len());
    Ok(())
}

fn read(archive: &Path) -> Result<Names> {
    Ok(Names { symbols: symbols::of(archive)?, debug: symbols::debug_names(archive)? })
}

fn build(context: &Context, profile: Profile) -> Result<PathBuf> {
    let dir = repo::work_dir(&context.root, "probe")?.join(profile.name());
    fs::create_dir_all(dir.join("src/own"))?;
    let own = match profile {
        Profile::Cloud => include_str!("probe/cloud.rs"),
        Profile::Embedded => include_str!("probe/embedded.rs"),
    };
    write(&dir.join("src/lib.rs"), include_str!("probe/common.rs"))?;
    write(&dir.join("src/own.rs"), own)?;
    write(&dir.join("Cargo.toml"), &manifest(&context.root, profile))?;
    // The versions that the workspace has locked.
    fs::copy(context.root.join("Cargo.lock"), dir.join("Cargo.lock")).context("Cargo.lock")?;
    let target = repo::work_dir(&context.root, "probe-target")?;
    // How much debug information there is says the manifest, whatever others are built with.
    Run::cargo(&dir)
        .args(["build"])
        .env("CARGO_TARGET_DIR", &target)
        .env_remove("CARGO_PROFILE_DEV_DEBUG")
        .check(&context.log)?;
    Ok(target.join(format!("debug/libprobe_{}.a", profile.name())))
}

fn manifest(root: &Path, profile: Profile) -> String {
    format!(
        r#"[package]
name = "probe-{name}"
version = "0.0.0"
edition = "2024"

[workspace]

[lib]
crate-type = ["staticlib"]

[dependencies]
kernel_bpf = {{ path = {path:?}, features = ["{feature}"] }}

[profile.dev]
debug = "full"
panic = "abort"
"#,
        name = profile.name(),
        path = root.join("crates/kernel_bpf").display().to_string(),
        feature = profile.feature(),
    )
}

fn write(file: &Path, text: &str) -> Result<()> {
    // Cargo looks at times: what is the same stays untouched.
    if fs::read_to_string(file).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::write(file, text).with_context(|| format!("write {}", file.display()))
}
