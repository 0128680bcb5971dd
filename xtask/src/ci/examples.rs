//! The bare-metal examples boot, and their own lints hold.

use anyhow::Result;

use super::{Context, Outcome, Step};
use crate::boot::{MACHINES, Machine};

/// One step for each machine.
pub fn steps() -> Vec<Step> {
    MACHINES
        .iter()
        .map(|machine| {
            Step::or_unavailable(format!("boot {}", machine.name), |context| boot(context, machine))
        })
        .collect()
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
