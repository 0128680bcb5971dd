//! Instructions of the CPU that fixed work takes.

use anyhow::Result;

use super::{Context, Outcome, Step};
use crate::process::which;

/// One step.
pub fn steps() -> Vec<Step> {
    vec![Step::or_unavailable("instruction counts", counts)]
}

fn counts(context: &Context) -> Result<Outcome> {
    if which("valgrind").is_none() {
        return Ok(Outcome::Unavailable("valgrind is not installed".into()));
    }
    context.cargo(["run", "--quiet", "--package", "xtask", "--", "counts"]).check(&context.log)?;
    Ok(Outcome::Passed)
}
