//! Text and JSON on standard output.

use std::io::{self, ErrorKind, IsTerminal, Write};

use anyhow::{Context, Result};
use kernel_bpf::profile::{ActiveProfile, PhysicalProfile};
use serde::Serialize;

use crate::args::When;

/// Version of the JSON shapes, see `JSON.md`. It changes when a field is
/// removed or changes its meaning, not when one is added.
pub const JSON_VERSION: u32 = 1;

/// Where results go.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// Whether JSON is wanted.
    pub json: bool,
    color: bool,
}

/// The frame of every JSON answer.
#[derive(Serialize)]
struct Answer<'a, T> {
    version: u32,
    command: &'a str,
    profile: &'a str,
    #[serde(flatten)]
    body: T,
}

/// A role that text can have.
#[derive(Clone, Copy, Debug)]
pub enum Role {
    Good,
    Bad,
    Heading,
    Faint,
}

impl Output {
    /// Output as the command line wants it.
    pub fn new(json: bool, when: When) -> Self {
        let color = match when {
            When::Always => true,
            When::Never => false,
            When::Auto => io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        };
        Self { json, color: color && !json }
    }

    /// `text` in the colour of its role.
    pub fn paint(self, role: Role, text: &str) -> String {
        if !self.color {
            return text.to_owned();
        }
        let code = match role {
            Role::Good => "32",
            Role::Bad => "31;1",
            Role::Heading => "1",
            Role::Faint => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// A program's name, and its section where it has one.
    pub fn program(self, name: &str, section: &str) -> String {
        let name = self.paint(Role::Heading, name);
        if section.is_empty() { name } else { format!("{name} ({section})") }
    }

    /// Prints a line of text.
    #[allow(clippy::unused_self, reason = "where it goes is the output's to know")]
    pub fn line(self, text: impl AsRef<str>) -> Result<()> {
        written(writeln!(io::stdout().lock(), "{}", text.as_ref()))
    }

    /// Prints an answer in JSON.
    #[allow(clippy::unused_self, reason = "where it goes is the output's to know")]
    pub fn json<T: Serialize>(self, command: &str, body: T) -> Result<()> {
        let profile = ActiveProfile::NAME;
        print_json(&Answer { version: JSON_VERSION, command, profile, body })
    }
}

/// The answer of a command that failed.
#[derive(Serialize)]
struct Failure<'a> {
    version: u32,
    profile: &'a str,
    error: &'a str,
    exit: u8,
}

/// Prints in JSON that a command failed.
pub fn print_error(error: &str, exit: u8) -> Result<()> {
    print_json(&Failure { version: JSON_VERSION, profile: ActiveProfile::NAME, error, exit })
}

/// What came of writing to standard output. Where the reader went away, nobody wants more;
/// the exit code is still that of the verdict.
fn written(result: io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.context("standard output"),
    }
}

fn print_json(answer: &impl Serialize) -> Result<()> {
    let mut out = io::stdout().lock();
    let result = serde_json::to_writer_pretty(&mut out, answer).map_err(io::Error::from);
    written(result.and_then(|()| writeln!(out)))
}

/// A digest of what programs computed: the 64-bit FNV-1a hash.
#[derive(Clone, Copy, Debug)]
pub struct Digest(u64);

impl Digest {
    /// The digest of nothing.
    pub const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Takes bytes in, with their number, so that the split matters.
    pub fn add(&mut self, bytes: &[u8]) {
        self.mix(&(bytes.len() as u64).to_le_bytes());
        self.mix(bytes);
    }

    fn mix(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// The digest as 16 hex digits.
    pub fn hex(self) -> String {
        format!("{:016x}", self.0)
    }
}
