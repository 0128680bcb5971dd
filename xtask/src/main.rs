//! Checks, demos and generators of the repository: `cargo xtask <command>`.
//!
//! One file per command. This package depends on no crate of the project, so
//! that it builds and reports even while the project itself does not.

mod capture;
mod programs;

use std::ffi::OsString;

use anyhow::{Result, bail};
use lexopt::prelude::*;

const HELP: &str = "\
Checks, demos and generators of the repository.

USAGE: cargo xtask <COMMAND>

COMMANDS:
    programs     Rebuild the example objects and flat images with clang
    capture      Write the example packet capture
";

fn main() -> Result<()> {
    let mut parser = lexopt::Parser::from_env();
    let command = match parser.next()? {
        Some(Value(command)) => command.string()?,
        Some(Short('h') | Long("help")) | None => {
            print!("{HELP}");
            return Ok(());
        }
        Some(other) => return Err(other.unexpected().into()),
    };
    let args: Vec<OsString> = parser.raw_args()?.collect();
    match command.as_str() {
        "programs" => programs::run(args),
        "capture" => capture::run(args),
        other => bail!("no command `{other}`\n\n{HELP}"),
    }
}
