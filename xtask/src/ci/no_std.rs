//! Builds of the umbrella for machines that have no `std`, and under the
//! embedded profile for those that have no `alloc` either.
//!
//! Always `-p kernel_bpf`: in a build of the whole workspace features unify,
//! and a tool's `std` would hide what a kernel would see.

use anyhow::Result;

use super::{Context, Outcome, Step};
use crate::bare::{self, Library};
use crate::repo::Profile;

const TARGETS: &[(Profile, &str)] = &[
    (Profile::Cloud, "x86_64-unknown-none"),
    (Profile::Cloud, "aarch64-unknown-none"),
    (Profile::Embedded, "x86_64-unknown-none"),
    (Profile::Embedded, "aarch64-unknown-none"),
    (Profile::Embedded, "thumbv7em-none-eabihf"),
    (Profile::Embedded, "riscv32imac-unknown-none-elf"),
];

/// One step for each profile and target.
pub fn steps() -> Vec<Step> {
    TARGETS
        .iter()
        .map(|&(profile, target)| {
            let name = format!("{} for {target}", profile.name());
            Step::or_unavailable(name, move |context| build(context, profile, target))
        })
        .collect()
}

fn build(context: &Context, profile: Profile, target: &str) -> Result<Outcome> {
    let toolchain = match bare::toolchain(&context.root, target) {
        Ok(toolchain) => toolchain,
        Err(why) => return Ok(Outcome::Unavailable(why)),
    };
    let library = match profile {
        Profile::Cloud => Library::Alloc,
        Profile::Embedded => Library::Core,
    };
    println!("    {toolchain}");
    toolchain
        .cargo(&context.root, &context.root, "build", target, library)?
        .args(["-p", "kernel_bpf", "--features", profile.feature()])
        .check(&context.log)?;
    Ok(Outcome::Passed)
}
