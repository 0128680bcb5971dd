//! The bare-metal examples boot, and their own lints hold.

use anyhow::Result;

use super::{Context, Outcome, Step};
use crate::boot::{MACHINES, Machine};
use crate::process::Run;
use crate::repo;

/// One step for the lints, one for each machine.
pub fn steps() -> Vec<Step> {
    let mut steps = vec![Step::new("bare-metal clippy", clippy)];
    steps.extend(MACHINES.iter().map(|machine| {
        Step::or_unavailable(format!("boot {}", machine.name), |context| boot(context, machine))
    }));
    steps
}

/// Lints need no library of the target: these packages are checked, not linked,
/// as if for the host.
fn clippy(context: &Context) -> Result<()> {
    let target = repo::work_dir(&context.root, "examples-clippy")?;
    for machine in MACHINES {
        Run::cargo(&context.root.join(machine.folder))
            .args(["clippy", "--", "-D", "warnings"])
            .env("CARGO_TARGET_DIR", &target)
            .check(&context.log)?;
    }
    Ok(())
}

fn boot(context: &Context, machine: &Machine) -> Result<Outcome> {
    if let Some(why) = machine.missing(&context.root) {
        return Ok(Outcome::Unavailable(why));
    }
    let image = machine.build(&context.root, &context.log)?;
    let printed = machine.boot(&context.root, &image)?;
    for line in printed.lines().filter(|line| !line.trim().is_empty()) {
        println!("    > {line}");
    }
    Ok(Outcome::Passed)
}
