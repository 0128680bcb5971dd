//! The command line.

mod examples;
mod suites;

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

use crate::exit;

/// Where help lists what all commands have: behind their own options.
const LAST: usize = 100;

/// Verify, run, disassemble, assemble and inspect eBPF programs.
#[derive(Debug, Parser)]
#[command(name = "kbpf", version, about, after_help = examples::ALL)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Print JSON of the documented shape instead of text.
    #[arg(long, global = true, display_order = LAST)]
    pub json: bool,
    /// When to colour the text.
    #[arg(long, global = true, value_enum, default_value_t = When::Auto, display_order = LAST)]
    pub color: When,
}

impl Args {
    /// The arguments of this process; ends it where they are wrong.
    pub fn of_process() -> Self {
        match Self::try_parse_from(suites::normalized(std::env::args_os())) {
            Ok(args) => args,
            Err(error) => exit::wrong_arguments(&error),
        }
    }
}

/// When to colour the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Verify every program of objects, flat images or assembly files.
    #[command(after_help = examples::VERIFY)]
    Verify(Verify),
    /// Verify a program and run it over packets or bytes.
    #[command(after_help = examples::RUN)]
    Run(Run),
    /// Show the instructions of a program as text.
    #[command(after_help = examples::DISASM)]
    Disasm(Disasm),
    /// Assemble text into instructions.
    #[command(after_help = examples::ASM)]
    Asm(Asm),
    /// Show the maps of an object.
    #[command(after_help = examples::MAPS)]
    Maps(Input),
    /// Show what an object holds; convert it into a flat image.
    #[command(after_help = examples::INSPECT)]
    Inspect(Inspect),
    /// Run a program as public conformance suites ask for it.
    #[command(after_help = examples::PLUGIN)]
    Plugin(Plugin),
}

/// How objects are loaded.
#[derive(Debug, ClapArgs)]
pub struct Loading {
    /// The kernel's configuration, for objects that ask for it: a file such as
    /// `.config`, or a line of one; may be given several times.
    #[arg(long, value_name = "FILE|NAME=VALUE")]
    pub kconfig: Vec<String>,
    /// Program type, by Linux's name (`xdp`, `sched_cls`, `socket_filter`), of programs
    /// in sections whose names say nothing, and of assembly texts, which are socket
    /// filters otherwise.
    #[arg(long = "type", value_name = "TYPE")]
    pub prog_type: Option<String>,
}

/// A file and, if wanted, one of its programs.
#[derive(Debug, ClapArgs)]
pub struct Input {
    /// How it is loaded.
    #[command(flatten)]
    pub loading: Loading,
    /// ELF object, flat image (`.kbi`) or assembly text (`.s`, `.asm`).
    pub file: PathBuf,
    /// Only the program of this name.
    #[arg(long, value_name = "NAME")]
    pub prog: Option<String>,
}

/// Arguments of `kbpf verify`.
#[derive(Debug, ClapArgs)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Verify {
    /// How files are loaded.
    #[command(flatten)]
    pub loading: Loading,
    /// ELF objects, flat images (`.kbi`) or assembly texts (`.s`, `.asm`), or
    /// folders, of which all such files are taken.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Only programs of this name.
    #[arg(long, value_name = "NAME")]
    pub prog: Option<String>,
    /// Print a table, a line for each program; so it is by default for folders.
    #[arg(long)]
    pub table: bool,
    /// Print the table as comma-separated values.
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// Print the log in the format of Linux's verifier: of the way to an error, or
    /// with -vv of all paths.
    #[arg(short, long, action = clap::ArgAction::Count, conflicts_with_all = ["json", "csv", "table", "compare_linux"])]
    pub verbose: u8,
    /// Look this long for an input on which a rejected program goes wrong; 0 for
    /// not at all.
    #[arg(long, value_name = "MS", default_value_t = 200)]
    pub search_ms: u64,
    /// Add the verdict and the time of this machine's Linux to the table.
    #[arg(long)]
    pub compare_linux: bool,
    /// Verify for the engines of `kbpf run`, which have fewer helpers, maps and
    /// program types. Without this, for a kernel that has what Linux declares.
    #[arg(long)]
    pub engines: bool,
    /// Worst-case execution time at the most, in units of the cost table.
    #[cfg(feature = "embedded-profile")]
    #[arg(long, value_name = "UNITS")]
    pub wcet: Option<u64>,
    /// Look this long for an input on which an accepted program takes as much of its
    /// worst-case execution time as it can.
    #[cfg(feature = "embedded-profile")]
    #[arg(long, value_name = "MS", conflicts_with_all = ["csv", "table", "compare_linux"])]
    pub longest_ms: Option<u64>,
}

/// Which engine to run a program on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EngineName {
    /// The interpreter.
    Interp,
    /// The JIT compiler.
    Jit,
}

/// What the JIT compiler is asked for.
#[derive(Clone, Copy, Debug, ClapArgs)]
pub struct Hardening {
    /// Have the JIT compiler hide the program's numbers in its code (constant
    /// blinding). Implies the JIT compiler.
    #[arg(long)]
    pub blinding: bool,
    /// Have the JIT compiler make no indirect branches (retpolines). Implies the JIT
    /// compiler.
    #[arg(long)]
    pub retpolines: bool,
}

impl Hardening {
    /// Whether there is something.
    pub const fn any(self) -> bool {
        self.blinding || self.retpolines
    }
}

/// Arguments of `kbpf run`.
#[derive(Debug, ClapArgs)]
pub struct Run {
    /// File and program.
    #[command(flatten)]
    pub input: Input,
    /// Run over every packet of this capture (pcap or pcapng).
    #[arg(long, value_name = "IN", conflicts_with_all = ["ctx", "mem"])]
    pub pcap: Option<PathBuf>,
    /// Write the packets that were let through to this capture.
    #[arg(long, value_name = "OUT")]
    pub out: Option<PathBuf>,
    /// Run over each packet, or the bytes, this many times.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub repeat: u32,
    /// Engine; without it the build's default, which falls back by itself.
    #[arg(long, value_enum)]
    pub engine: Option<EngineName>,
    /// How the JIT compiler compiles.
    #[command(flatten)]
    pub hardening: Hardening,
    /// The context's bytes, as hex byte pairs.
    #[arg(long, value_name = "HEX", conflicts_with = "mem")]
    pub ctx: Option<String>,
    /// The packet's bytes, as hex byte pairs, for a packet program; the
    /// context's bytes for any other.
    #[arg(long, value_name = "HEX")]
    pub mem: Option<String>,
    /// An entry to put into a map beforehand; may be given several times.
    #[arg(long, value_name = "NAME=KEYHEX:VALUEHEX")]
    pub map: Vec<String>,
    /// Instructions that one execution may execute.
    #[arg(long, value_name = "N")]
    pub budget: Option<u64>,
}

/// Arguments of `kbpf disasm`.
#[derive(Debug, ClapArgs)]
pub struct Disasm {
    /// File and program.
    #[command(flatten)]
    pub input: Input,
    /// Show the lines of source that BTF has.
    #[arg(long)]
    pub source: bool,
    /// Show the bytes of each slot, and of each instruction of the CPU.
    #[arg(long)]
    pub bytes: bool,
    /// Show the machine code of the JIT compiler beside it, for programs that are
    /// verified.
    #[arg(long)]
    pub jit: bool,
    /// How it compiles.
    #[command(flatten)]
    pub hardening: Hardening,
}

/// Arguments of `kbpf asm`.
#[derive(Debug, ClapArgs)]
pub struct Asm {
    /// Assembly text; `-` for standard input.
    pub file: PathBuf,
    /// Write the instructions here, eight bytes each, instead of printing hex.
    #[arg(short, long, value_name = "OUT")]
    pub out: Option<PathBuf>,
}

/// Arguments of `kbpf inspect`.
#[derive(Debug, ClapArgs)]
pub struct Inspect {
    /// How it is loaded.
    #[command(flatten)]
    pub loading: Loading,
    /// ELF object, flat image (`.kbi`) or assembly text (`.s`, `.asm`).
    pub file: PathBuf,
    /// Write the object as a flat image.
    #[arg(long, value_name = "OUT")]
    pub flat: Option<PathBuf>,
}

/// Arguments of `kbpf plugin`.
#[derive(Debug, ClapArgs)]
pub struct Plugin {
    /// The memory, as hex byte pairs.
    #[arg(default_value = "")]
    pub memory: String,
    /// Engine: the interpreter, unless the JIT compiler is asked for something.
    #[arg(long, value_enum)]
    pub engine: Option<EngineName>,
    /// What the JIT compiler is asked for.
    #[command(flatten)]
    pub hardening: Hardening,
}
