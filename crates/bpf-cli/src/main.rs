//! `kbpf`: verify, run, disassemble, assemble and inspect eBPF programs.
//!
//! Exit codes: 0 when all went well; 1 when a program was rejected, faulted or
//! could not run; 2 when the command line is wrong; 3 when an input could not
//! be read or is malformed, or an output could not be written.

mod args;
mod clock;
mod command;
mod diagnostic;
mod engine;
mod exit;
#[cfg(all(feature = "cloud-profile", target_arch = "x86_64"))]
mod hardening;
mod hex;
mod linux;
mod linux_log;
mod live;
mod loading;
mod object;
mod output;
mod packets;
mod platform;
mod slice;
mod verifying;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args = args::Args::of_process();
    let json = args.json;
    match command::run(args) {
        Ok(status) => status.into(),
        Err(error) => exit::report(&error, json),
    }
}
