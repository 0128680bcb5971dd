//! How much memory programs of about a thousand instructions take to verify here, where
//! pointers have 32 bits: within a limit for each of them, or the firmware fails.

use core::fmt;

use cortex_m::singleton;
use cortex_m_semihosting::hprintln;
use kernel_bpf::bytecode::abi::map::{MapDef, MapType};
use kernel_bpf::bytecode::{BpfProgram, ProgramError};
use kernel_bpf::loader::LoadError;
use kernel_bpf::loader::flat::{Aligned, FlatImage};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::{Verifier, VerifyError};

/// A program, and the memory that it may take.
struct Subject {
    name: &'static str,
    image: &'static Aligned<[u8]>,
    /// Bytes for each of its slots. What is aimed at is 32 KiB for a thousand.
    limit: usize,
}

const SUBJECTS: [Subject; 3] = [
    Subject {
        name: "gateway",
        image: &Aligned(*include_bytes!("../programs/gateway.bpf.kbi")),
        limit: 20,
    },
    Subject {
        name: "telegrams",
        image: &Aligned(*include_bytes!("../programs/telegrams.bpf.kbi")),
        limit: 32,
    },
    Subject {
        name: "drive",
        image: &Aligned(*include_bytes!("../programs/drive.bpf.kbi")),
        limit: 36,
    },
];

/// Maps that all programs have together.
const MAPS: usize = 12;
/// Bytes for each slot that are tried first, and how many more are tried next.
const LEAST: usize = 8;
const STEP: usize = 4;
/// Words of memory, for the largest limit.
const WORDS: usize = 16 << 10;

/// What can go wrong.
pub enum Error {
    Load(LoadError),
    Build(ProgramError),
    Verify(&'static str, VerifyError),
    /// There is no room for what a program has.
    Room(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(error) => error.fmt(f),
            Self::Build(error) => error.fmt(f),
            Self::Verify(name, error) => write!(f, "{name}: {error}"),
            Self::Room(what) => write!(f, "no room for {what}"),
        }
    }
}

impl From<LoadError> for Error {
    fn from(error: LoadError) -> Self {
        Self::Load(error)
    }
}

impl From<ProgramError> for Error {
    fn from(error: ProgramError) -> Self {
        Self::Build(error)
    }
}

/// Verifies each program in as much memory as it may take.
#[allow(clippy::large_stack_arrays, reason = "what a static begins with")]
pub fn run() -> Result<(), Error> {
    let no_def = MapDef::new(MapType::Array, 4, 1, 1);
    let defs = singleton!(: [MapDef; MAPS] = [no_def; MAPS]).ok_or(Error::Room("a second run"))?;
    let words = singleton!(: [u64; WORDS] = [0; WORDS]).ok_or(Error::Room("a second run"))?;
    let mut free = &mut defs[..];
    for subject in &SUBJECTS {
        let image = FlatImage::parse(&subject.image.0)?;
        let program = image.program(subject.name)?;
        let count = image.maps().count();
        let (own, rest) = core::mem::take(&mut free)
            .split_at_mut_checked(count)
            .ok_or(Error::Room("map definitions"))?;
        free = rest;
        let builder = program.builder_with_map_defs(image.map_defs_into(own)?);
        let program = builder.ok_or(Error::Room("the image's alignment"))?.build()?;
        let least = least(subject, &program, words)?;
        hprintln!("{}: {} slots verify in {} B each", subject.name, program.len(), least);
    }
    Ok(())
}

/// The least memory in which a program verifies, in bytes for each of its slots, up to
/// its limit.
fn least(
    subject: &Subject,
    program: &BpfProgram<ActiveProfile>,
    words: &mut [u64],
) -> Result<usize, Error> {
    let mut bytes = LEAST;
    loop {
        let size = program.len() * bytes / size_of::<u64>();
        let workspace = words.get_mut(..size).ok_or(Error::Room("the workspace"))?;
        match Verifier::<ActiveProfile>::with_workspace(workspace).verify(program) {
            Ok(()) => return Ok(bytes),
            Err(error) if bytes + STEP > subject.limit => {
                return Err(Error::Verify(subject.name, error));
            }
            Err(_) => bytes += STEP,
        }
    }
}
