//! The quick ones of `cargo xtask prove`, and the lints of what is proven.

use anyhow::Result;

use super::{Context, Outcome, Step};
use crate::process::Run;
use crate::prove;
use crate::repo::{self, Profile};

/// One step for the proofs, one for the package.
pub fn steps() -> Vec<Step> {
    let proofs = Step::or_unavailable("proofs", |context| {
        Ok(if prove::quick(&context.root, &context.log)? {
            Outcome::Passed
        } else {
            Outcome::Unavailable("no Python with the package z3-solver".into())
        })
    });
    vec![proofs, Step::new("proofs clippy", clippy)]
}

fn clippy(context: &Context) -> Result<()> {
    for profile in Profile::ALL {
        Run::cargo(&context.root.join("proofs"))
            .args(["clippy", "--all-targets", "--features", profile.feature()])
            .args(["--", "-D", "warnings"])
            .env("CARGO_TARGET_DIR", repo::work_dir(&context.root, "proofs")?)
            .check(&context.log)?;
    }
    Ok(())
}
