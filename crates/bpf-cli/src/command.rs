//! One module per command.

mod asm;
mod disasm;
mod inspect;
mod maps;
mod plugin;
mod run;
mod verify;
pub mod witness;

use anyhow::Result;

use crate::args::{Args, Command};
use crate::exit::Status;
use crate::output::Output;

/// Does what the command line asks for.
pub fn run(args: Args) -> Result<Status> {
    let output = Output::new(args.json, args.color);
    match args.command {
        Command::Verify(args) => verify::run(&args, output),
        Command::Run(args) => run::run(&args, output),
        Command::Disasm(args) => disasm::run(&args, output),
        Command::Asm(args) => asm::run(&args, output),
        Command::Maps(args) => maps::run(&args, output),
        Command::Inspect(args) => inspect::run(&args, output),
        Command::Plugin(args) => plugin::run(&args, output),
    }
}
