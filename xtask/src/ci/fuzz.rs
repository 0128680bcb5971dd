//! The oracles of `fuzz/` on a stable toolchain: a short run of each, and the
//! package's lints. Longer runs are for `cargo fuzz`.

use anyhow::Result;

use super::{Context, Outcome, Step};
use crate::process::{Run, which};
use crate::repo::{self, Profile};

/// One step for each profile, one for the targets.
pub fn steps() -> Vec<Step> {
    let mut steps: Vec<_> = Profile::ALL
        .into_iter()
        .map(|profile| {
            Step::new(format!("{} fuzz oracles", profile.name()), move |context| {
                let args = ["test", "--release", "--no-default-features", "--features", "shadow"];
                cargo(context, &args, profile)?.check(&context.log)
            })
        })
        .collect();
    steps.push(Step::or_unavailable("fuzz clippy", clippy));
    steps
}

/// The targets too, for which libFuzzer is compiled.
fn clippy(context: &Context) -> Result<Outcome> {
    if ["c++", "g++", "clang++"].iter().all(|name| which(name).is_none()) {
        return Ok(Outcome::Unavailable("no compiler for C++, of which libFuzzer is made".into()));
    }
    for profile in Profile::ALL {
        cargo(context, &["clippy", "--all-targets"], profile)?
            .args(["--", "-D", "warnings"])
            .check(&context.log)?;
    }
    Ok(Outcome::Passed)
}

fn cargo(context: &Context, args: &[&str], profile: Profile) -> Result<Run> {
    let target = repo::work_dir(&context.root, "fuzz")?;
    let run = Run::cargo(&context.root.join("fuzz"))
        .args(args)
        .args(["--features", profile.feature()])
        .env("CARGO_TARGET_DIR", target);
    Ok(run)
}
