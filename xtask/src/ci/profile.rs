//! What has to hold in each profile: build, tests, lints, documentation.

use super::{Context, Step};
use crate::repo::Profile;
use anyhow::Result;

/// The specification's commands, as they stand there, and the two that CI adds.
pub fn steps() -> Vec<Step> {
    let mut steps = Vec::new();
    for profile in Profile::ALL {
        let feature = profile.feature();
        let mut add = |what: &str, run: fn(&Context, &str) -> Result<()>| {
            let name = format!("{} {what}", profile.name());
            steps.push(Step::new(name, move |context| run(context, feature)));
        };
        add("build", |context, feature| {
            context.cargo(["build", "--features", feature]).check(&context.log)
        });
        add("test", |context, feature| {
            context.cargo(["test", "--features", feature]).check(&context.log)
        });
        add("clippy", |context, feature| {
            let denied = ["--", "-D", "warnings"];
            let all = ["clippy", "--features", feature, "--all-targets"];
            context.cargo(all.into_iter().chain(denied)).check(&context.log)?;
            // In a workspace features unify: what a kernel links, without `std`, is
            // looked at by itself.
            let linked = ["clippy", "--package", "kernel_bpf", "--features", feature];
            context.cargo(linked.into_iter().chain(denied)).check(&context.log)
        });
        add("doc", |context, feature| {
            context
                .cargo(["doc", "--no-deps", "--features", feature])
                .env("RUSTDOCFLAGS", "-D warnings")
                .check(&context.log)
        });
    }
    steps
}
