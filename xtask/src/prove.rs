//! `cargo xtask prove`: the verifier's abstract operations, proven by a solver.
//!
//! The package `proofs` compiles the domain's own source files. From what the
//! compiler makes of it, `proofs/prove.py` builds one formula for each property
//! and has it decided.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use lexopt::prelude::*;

use crate::process::Run;
use crate::repo;

const HELP: &str = "\
Proves the verifier's abstract operations by a solver: the arithmetic on sets of
8 bits but for products and signed division, and of 64 bits what is decided in
a few minutes: sums, differences and `and`, what is made of a half, and
each step by which a set is synchronised.

USAGE: cargo xtask prove [OPTIONS]

OPTIONS:
    --full         Every property, of 8, 16 and 64 bits, two hours each at the most;
                   not all are decided
    --only REGEX   Properties whose name matches

Python with the packages z3-solver and bitwuzla is wanted: in target/xtask/python,
where `.ci/run` puts it, or as KERNEL_BPF_PYTHON, or as python3.
";

/// What is decided quickly.
const QUICK: &str = r"(keeps|negate|low).*\.8$|alu\.(Add|Sub|And|Or|Xor|Mov|Lsh|Rsh|Arsh|Div|Mod)\..*\.8$|alu\.(And|Add|Sub)\.W64\.64$|low\.half|step";

/// Runs the command.
pub fn run(args: Vec<OsString>) -> Result<()> {
    let (mut only, mut limit) = (QUICK.to_owned(), "1200");
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("full") => (only, limit) = (String::new(), "7200"),
            Long("only") => only = parser.value()?.string()?,
            Short('h') | Long("help") => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let root = repo::root()?;
    let Some(python) = python(&root) else {
        bail!("no Python with the package z3-solver: `cargo xtask prove --help` says where")
    };
    let run = Run::new(python, &root).args(solver(&root, &only, limit)?);
    let text = run.text().to_owned();
    let output = run.output()?;
    print!("{}{}", output.stdout, output.stderr);
    ensure!(output.status.success(), "`{text}` ended with {}", output.status);
    Ok(())
}

/// The quick proofs, with everything they print in `log`; false where this
/// machine has no solver.
pub fn quick(root: &Path, log: &Path) -> Result<bool> {
    let Some(python) = python(root) else { return Ok(false) };
    Run::new(python, root).args(solver(root, QUICK, "1200")?).check(log)?;
    Ok(true)
}

/// Compiles the properties; gives the arguments of the interpreter.
fn solver(root: &Path, only: &str, limit: &str) -> Result<Vec<OsString>> {
    let folder = root.join("proofs");
    let module = repo::work_dir(root, "proofs")?.join("module.ll");
    let emit = format!("--emit=llvm-ir={}", module.display());
    // No vectors, which `prove.py` does not read, and everything in one module.
    let flags = [
        "-Copt-level=2",
        "-Ccodegen-units=1",
        "-Coverflow-checks=off",
        "-Cpanic=abort",
        "-Cno-vectorize-slp",
        "-Cno-vectorize-loops",
    ];
    let cargo = Run::cargo(&folder)
        .args(["rustc", "--release", "--features", "cloud-profile", "--", &emit])
        .args(flags);
    let compiled = cargo.output()?;
    ensure!(compiled.status.success(), "compiling the properties:\n{}", compiled.stderr);
    ensure!(module.is_file(), "the compiler has not written {}", module.display());
    let script = folder.join("prove.py").into_os_string();
    let rest = ["--only", only, "--limit", limit].map(OsString::from);
    Ok([script, module.into_os_string()].into_iter().chain(rest).collect())
}

/// A Python that has the solver's package.
fn python(root: &Path) -> Option<PathBuf> {
    let own = std::env::var_os("KERNEL_BPF_PYTHON").map(PathBuf::from);
    let candidates =
        [own, Some(root.join("target/xtask/python/bin/python")), Some("python3".into())];
    candidates.into_iter().flatten().find(|python| {
        let import = Run::new(python, root).args(["-c", "import z3"]).output();
        import.is_ok_and(|output| output.status.success())
    })
}
