//! What the project compares with LLVM: the committed objects with what its
//! compiler makes of their sources, the assembler with its assembler.

use anyhow::Result;

use super::{Context, Outcome, Step};
use crate::process::which;
use crate::programs::CLANG;

/// Names under which LLVM's assembler may be found, as the test tries them.
const ASSEMBLERS: [&str; 5] = ["llvm-mc", "llvm-mc-21", "llvm-mc-20", "llvm-mc-19", "llvm-mc-18"];

/// Two steps.
pub fn steps() -> Vec<Step> {
    vec![
        Step::or_unavailable("objects follow their sources", objects),
        Step::or_unavailable("assembler beside LLVM", assembler),
    ]
}

/// The one version of the compiler that makes the same bytes.
fn objects(context: &Context) -> Result<Outcome> {
    if which(CLANG).is_none() {
        return Ok(Outcome::Unavailable(format!("{CLANG} is not installed")));
    }
    // By cargo: steps before this one may have built xtask anew, which takes the
    // running one's file away.
    context
        .cargo(["run", "--quiet", "--package", "xtask", "--", "programs", "--check"])
        .args(["--clang", CLANG])
        .check(&context.log)?;
    Ok(Outcome::Passed)
}

fn assembler(context: &Context) -> Result<Outcome> {
    if ASSEMBLERS.iter().all(|name| which(name).is_none()) {
        return Ok(Outcome::Unavailable("LLVM's llvm-mc (18 or later) is not installed".into()));
    }
    context
        .cargo(["test", "-p", "bpf-bytecode", "--features", "cloud-profile"])
        .args(["--test", "llvm", "--", "--ignored"])
        .check(&context.log)?;
    Ok(Outcome::Passed)
}
