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

/// A program, and the memory that suffices for it.
struct Subject {
    name: &'static str,
    image: &'static Aligned<[u8]>,
    /// Bytes for a thousand of its slots that suffice: at most 32 KiB.
    enough: usize,
}

const SUBJECTS: [Subject; 3] = [
    Subject {
        name: "gateway",
        image: &Aligned(*include_bytes!("../programs/gateway.bpf.kbi")),
        enough: 17_000,
    },
    Subject {
        name: "telegrams",
        image: &Aligned(*include_bytes!("../programs/telegrams.bpf.kbi")),
        enough: 30_000,
    },
    Subject {
        name: "drive",
        image: &Aligned(*include_bytes!("../programs/drive.bpf.kbi")),
        enough: 32 << 10,
    },
];

/// Maps that all programs have together.
const MAPS: usize = 12;
/// Sizes that are tried, each some words larger than the one before: as what lies where
/// depends on the size, one that suffices shows little of the next.
const SIZES: usize = 16;
const STEP: usize = 6;
/// Words of memory, for the largest size.
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

/// Verifies each program in as much memory as suffices for it.
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
        verify(subject, &program, words)?;
        let Subject { name, enough, .. } = subject;
        hprintln!("{name}: {} slots verify in {enough} B each", program.len());
    }
    Ok(())
}

/// Verifies a program in as much memory as suffices, and in some more.
fn verify(
    subject: &Subject,
    program: &BpfProgram<ActiveProfile>,
    words: &mut [u64],
) -> Result<(), Error> {
    let enough = program.len() * subject.enough / 1000 / size_of::<u64>();
    for more in 0..SIZES {
        let size = enough + more * STEP;
        let workspace = words.get_mut(..size).ok_or(Error::Room("the workspace"))?;
        Verifier::<ActiveProfile>::with_workspace(workspace)
            .verify(program)
            .map_err(|error| Error::Verify(subject.name, error))?;
    }
    Ok(())
}
