//! Exit codes that scripts can rely on.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use crate::output;

/// How a command ended that did what it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// All went well.
    Success,
    /// A program was rejected, faulted or could not run.
    Negative,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        match status {
            Status::Success => Self::SUCCESS,
            Status::Negative => Self::from(1),
        }
    }
}

/// The command line asks for something that does not make sense.
#[derive(Debug)]
pub struct Usage(pub String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// What was asked for cannot be done on this build or with this program.
#[derive(Debug)]
pub struct Negative(pub String);

impl fmt::Display for Negative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Negative {}

/// Prints `error`, in JSON too where that is wanted, and gives the code for its
/// kind.
pub fn report(error: &anyhow::Error, json: bool) -> ExitCode {
    // A reader that went away is no failure of ours.
    if error.chain().any(is_broken_pipe) {
        return ExitCode::SUCCESS;
    }
    let exit = code(error);
    let message = format!("{error:#}");
    complain(&message);
    if json {
        // What cannot be printed was printed above.
        let _ = output::print_error(&message, exit);
    }
    ExitCode::from(exit)
}

/// Says on standard error what is wrong. Where that fails as well there is only the
/// exit code, and nothing to panic for.
fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "kbpf: {message}");
}

/// Ends the process where the command line's parser did not find a command: its help
/// was asked for, or something is wrong with it.
pub fn wrong_arguments(error: &clap::Error) -> ! {
    let code = match error.print() {
        Err(printing) if !error.use_stderr() && printing.kind() != ErrorKind::BrokenPipe => {
            complain(&format!("standard output: {printing}"));
            3
        }
        _ => error.exit_code(),
    };
    std::process::exit(code)
}

/// The exit code for an error.
fn code(error: &anyhow::Error) -> u8 {
    if error.is::<Negative>() {
        1
    } else if error.is::<Usage>() {
        2
    } else {
        3
    }
}

fn is_broken_pipe(cause: &(dyn std::error::Error + 'static)) -> bool {
    let io = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    let json = cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
    io.or(json) == Some(ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn each_kind_of_error_has_its_code_whatever_is_around_it() {
        assert_eq!(code(&anyhow!(Negative(String::new()))), 1);
        assert_eq!(code(&anyhow!(Usage(String::new())).context("where")), 2);
        let missing = std::fs::read("/no/such/file").context("reading");
        assert_eq!(code(&missing.unwrap_err()), 3);
    }

    #[test]
    fn a_reader_that_went_away_is_no_error() {
        let io = std::io::Error::from(ErrorKind::BrokenPipe);
        assert!(anyhow!(io).context("writing").chain().any(is_broken_pipe));
        let io = std::io::Error::from(ErrorKind::BrokenPipe);
        assert!(anyhow!(serde_json::Error::io(io)).chain().any(is_broken_pipe));
    }
}
