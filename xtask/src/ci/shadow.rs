//! The verifier's working memory under a shadow that checks every access, over the
//! programs of the verifier's tests. (The oracles of `fuzz/` have it, too.)

use anyhow::Result;

use super::{Context, Step};
use crate::repo::Profile;

/// Tests with programs of all kinds, those that make them at random among them, which do
/// not take long. (Those of limits measure memory, of which a shadowed build needs more.)
const TESTS: [&str; 13] = [
    "callbacks",
    "carried",
    "cve",
    "dead_stack",
    "dynptrs",
    "iterators",
    "merging",
    "objects",
    "packet_random",
    "planted",
    "rounds",
    "summaries",
    "throws",
];

/// One step for each profile.
pub fn steps() -> Vec<Step> {
    let step = |profile: Profile| {
        Step::new(format!("{} arena shadow", profile.name()), move |context| run(context, profile))
    };
    Profile::ALL.into_iter().map(step).collect()
}

fn run(context: &Context, profile: Profile) -> Result<()> {
    let features = format!("{},arena-shadow", profile.feature());
    let what = ["test", "--package", "bpf-verifier", "--features", &features, "--lib"];
    let tests = TESTS.iter().flat_map(|name| ["--test", name]);
    context
        .cargo(what.into_iter().chain(tests))
        // What lies between the blocks takes room, too.
        .env("KERNEL_BPF_VERIFIER_BYTES", "524288")
        .check(&context.log)
}
