//! Checks, demos and generators of the repository: `cargo xtask <command>`.
//!
//! One file per command. This package depends on no crate of the project, so
//! that it builds and reports even while the project itself does not.

mod bare;
mod bench_verifier;
mod boot;
mod capture;
mod ci;
mod corpora;
mod counts;
mod demo;
mod process;
mod programs;
mod prove;
mod repo;
mod source;
mod symbols;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Result, bail};
use lexopt::prelude::*;

/// A command's name and what runs it.
type Command = (&'static str, fn(Vec<OsString>) -> Result<()>);

/// All commands.
const COMMANDS: [Command; 9] = [
    ("ci", ci::run),
    ("demo", demo::run),
    ("boot", boot::run),
    ("programs", programs::run),
    ("capture", capture::run),
    ("counts", counts::run),
    ("prove", prove::run),
    ("bench-verifier", bench_verifier::run),
    ("corpora", corpora::run),
];

const HELP: &str = "\
Checks, demos and generators of the repository.

USAGE: cargo xtask <COMMAND> [OPTIONS]

COMMANDS:
    ci          Run every check that this machine allows
    demo        Run the same objects over the same packets on both profiles
    boot        Boot the bare-metal examples under QEMU
    programs    Rebuild the example objects and flat images with clang
    capture     Write the example packet capture
    counts      Count the CPU's instructions of fixed work, by valgrind
    prove       Prove the verifier's abstract operations by a solver
    bench-verifier
                Measure the verifier beside Linux's, and plot it
    corpora     Make folders of objects to measure, out of Debian's packages

`cargo xtask <COMMAND> --help` says more.
";

fn main() -> ExitCode {
    match dispatch() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch() -> Result<()> {
    let mut parser = lexopt::Parser::from_env();
    let name = match parser.next()? {
        Some(Value(name)) => name.string()?,
        Some(Short('h') | Long("help")) | None => {
            print!("{HELP}");
            return Ok(());
        }
        Some(other) => return Err(other.unexpected().into()),
    };
    let args: Vec<OsString> = parser.raw_args()?.collect();
    let Some((_, run)) = COMMANDS.iter().find(|(command, _)| *command == name) else {
        bail!("no command `{name}`\n\n{HELP}");
    };
    run(args)
}
