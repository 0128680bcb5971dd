//! Licences, sources and banned packages of everything that is linked.

use std::fs;

use anyhow::Result;

use super::{Context, Outcome, Step};
use crate::process::{Run, which};
use crate::repo::EXCLUDED;

const CHECK: [&str; 4] = ["check", "bans", "licenses", "sources"];

/// One step.
pub fn steps() -> Vec<Step> {
    vec![Step::or_unavailable("deny", deny)]
}

fn deny(context: &Context) -> Result<Outcome> {
    if which("cargo-deny").is_none() {
        let why = "cargo-deny is not installed: `cargo install cargo-deny --locked`";
        return Ok(Outcome::Unavailable(why.into()));
    }
    // The command as the design has it, and the packages outside of the workspace.
    context.cargo(["deny"]).args(CHECK).check(&context.log)?;
    let config = context.root.join("deny.toml");
    for folder in EXCLUDED {
        let manifest = context.root.join(folder).join("Cargo.toml");
        if fs::exists(&manifest)? {
            Run::cargo(&context.root)
                .args(["deny", "--config"])
                .args([&config])
                .args(["--manifest-path"])
                .args([&manifest])
                .args(CHECK)
                .check(&context.log)?;
        }
    }
    Ok(Outcome::Passed)
}
