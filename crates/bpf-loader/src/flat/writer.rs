//! Writing an image.
//!
//! The image is made twice: once to learn its length and checksum, once to hand
//! it out. So it is written front to back, and nothing of it is kept.

use core::convert::Infallible;

use bpf_bytecode::BpfProgType;
use bpf_profile::PhysicalProfile;

use super::crc::Crc32;
use super::{
    CHECKED_FROM, CONTENTS_NONE, CONTENTS_PROGRAMS, CONTENTS_VALUE, HEADER, MAGIC, MAP_RECORD,
    PROGRAM_RECORD, VERSION,
};
use crate::LoadError;
use crate::error::Name;
use crate::maps::{Contents, Map};
use crate::object::{Object, Program};

/// Why an image cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError<E> {
    /// A program of the object cannot be linked.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The sink did not take the bytes.
    #[error("the image cannot be written")]
    Sink(E),
}

/// The caller's buffer does not hold the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the buffer is too small")]
pub struct SliceFull;

/// Writes the image of all programs of `object`, front to back, to `sink`.
///
/// # Errors
/// [`WriteError::Load`] where a program cannot be linked or is of no known type,
/// or the image exceeds the format; [`WriteError::Sink`] what `sink` gives.
pub fn write<P: PhysicalProfile, E>(
    object: &Object<'_, P>,
    mut sink: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), WriteError<E>> {
    let layout = Layout::of(object)?;
    let mut crc = Crc32::new();
    let mut skip = CHECKED_FROM;
    let mut sum = |bytes: &[u8]| {
        crc.update(bytes.get(skip.min(bytes.len())..).unwrap_or_default());
        skip = skip.saturating_sub(bytes.len());
        Ok::<(), Infallible>(())
    };
    match (Image { object, layout, checksum: 0 }).emit(&mut sum) {
        Ok(()) => {}
        Err(WriteError::Load(error)) => return Err(error.into()),
        Err(WriteError::Sink(never)) => match never {},
    }
    Image { object, layout, checksum: crc.finish() }.emit(&mut sink)
}

/// Writes the image to the start of `out`; gives back its length in bytes.
///
/// # Errors
/// As [`write()`]; [`WriteError::Sink`] when the image does not fit.
pub fn write_to_slice<P: PhysicalProfile>(
    object: &Object<'_, P>,
    out: &mut [u8],
) -> Result<usize, WriteError<SliceFull>> {
    let mut at = 0_usize;
    write(object, |bytes| {
        let end = at.checked_add(bytes.len()).ok_or(SliceFull)?;
        out.get_mut(at..end).ok_or(SliceFull)?.copy_from_slice(bytes);
        at = end;
        Ok(())
    })?;
    Ok(at)
}

/// Where the parts of an image begin.
#[derive(Clone, Copy)]
struct Layout {
    maps: u16,
    programs: u16,
    insns: u32,
    contents: u32,
    names: u32,
    len: u32,
}

impl Layout {
    fn of<P: PhysicalProfile>(object: &Object<'_, P>) -> Result<Self, LoadError> {
        let maps = object.maps().len();
        let programs = object.programs().count();
        let mut slots = 0_usize;
        let mut names = 0_usize;
        for program in object.programs() {
            slots = add(slots, program.link()?.len())?;
            names = add(names, program.name().len())?;
            names = add(names, program.kind()?.attach.len())?;
        }
        let mut contents = 0;
        for (at, map) in object.maps().iter().enumerate() {
            contents = add(contents, contents_len(object, at, map)?)?;
            names = add(names, map.name.len())?;
        }
        let records = times(maps, MAP_RECORD)?;
        let insns = add(add(HEADER, records)?, times(programs, PROGRAM_RECORD)?)?;
        let contents_at = add(insns, times(slots, 8)?)?;
        let names_at = add(contents_at, contents)?;
        Ok(Self {
            maps: u16::try_from(maps).map_err(|_| TOO_LARGE)?,
            programs: u16::try_from(programs).map_err(|_| TOO_LARGE)?,
            insns: word(insns)?,
            contents: word(contents_at)?,
            names: word(names_at)?,
            len: word(add(names_at, names)?)?,
        })
    }
}

const TOO_LARGE: LoadError =
    LoadError::Limit { what: "bytes of a flat image", limit: u32::MAX as usize };

fn add(a: usize, b: usize) -> Result<usize, LoadError> {
    a.checked_add(b).ok_or(TOO_LARGE)
}

fn times(a: usize, b: usize) -> Result<usize, LoadError> {
    a.checked_mul(b).ok_or(TOO_LARGE)
}

fn word(number: usize) -> Result<u32, LoadError> {
    u32::try_from(number).map_err(|_| TOO_LARGE)
}

/// Initial bytes of a map, without the zeros at their end.
fn value<'d>(map: &Map<'d>) -> &'d [u8] {
    let Contents::Bytes(bytes) = map.contents else { return &[] };
    let len = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last.saturating_add(1));
    bytes.get(..len).unwrap_or_default()
}

fn contents_len<P: PhysicalProfile>(
    object: &Object<'_, P>,
    at: usize,
    map: &Map<'_>,
) -> Result<usize, LoadError> {
    match map.contents {
        Contents::Empty => times(object.prog_array_values(at).count(), 8),
        _ => Ok(value(map).len()),
    }
}

/// An image on its way out. Names lie behind one another in the order of the
/// records, and so do contents and instructions.
struct Image<'o, 'd, P: PhysicalProfile> {
    object: &'o Object<'d, P>,
    layout: Layout,
    checksum: u32,
}

/// Offsets of what comes next in each part.
struct Next {
    insns: u32,
    contents: u32,
    names: u32,
}

fn take(next: &mut u32, len: usize) -> Result<u32, LoadError> {
    let at = *next;
    *next = at.checked_add(word(len)?).ok_or(TOO_LARGE)?;
    Ok(at)
}

fn name_len(name: &str) -> Result<u16, LoadError> {
    u16::try_from(name.len()).map_err(|_| TOO_LARGE)
}

impl<P: PhysicalProfile> Image<'_, '_, P> {
    fn emit<E>(&self, sink: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), WriteError<E>> {
        let mut put = |bytes: &[u8]| sink(bytes).map_err(WriteError::Sink);
        put(&MAGIC)?;
        put(&VERSION.to_le_bytes())?;
        put(&[0; 2])?;
        put(&self.layout.len.to_le_bytes())?;
        put(&self.checksum.to_le_bytes())?;
        put(&self.layout.maps.to_le_bytes())?;
        put(&self.layout.programs.to_le_bytes())?;
        let Layout { insns, contents, names, .. } = self.layout;
        let mut next = Next { insns, contents, names };
        for (at, map) in self.object.maps().iter().enumerate() {
            self.map_record(at, map, &mut next)?.iter().try_for_each(|w| put(&w.to_le_bytes()))?;
        }
        for program in self.object.programs() {
            program_record(&program, &mut next)?.iter().try_for_each(|w| put(&w.to_le_bytes()))?;
        }
        for program in self.object.programs() {
            for insn in program.link()?.insns() {
                put(&insn?.to_bytes())?;
            }
        }
        for (at, map) in self.object.maps().iter().enumerate() {
            put(value(map))?;
            for entry in self.object.prog_array_values(at) {
                let (index, program) = entry?;
                put(&index.to_le_bytes())?;
                put(&self.number(program)?.to_le_bytes())?;
            }
        }
        for map in self.object.maps() {
            put(map.name.as_bytes())?;
        }
        for program in self.object.programs() {
            put(program.name().as_bytes())?;
            put(program.kind()?.attach.as_bytes())?;
        }
        Ok(())
    }

    fn number(&self, program: &str) -> Result<u32, LoadError> {
        let at = self.object.programs().position(|found| found.name() == program);
        word(at.ok_or(LoadError::NoSuchProgram { program: program.into() })?)
    }

    /// The words of a map record.
    fn map_record(
        &self,
        at: usize,
        map: &Map<'_>,
        next: &mut Next,
    ) -> Result<[u32; 10], LoadError> {
        if map.def.map_type.holds_maps() {
            return Err(LoadError::unsupported("flat image of a map of maps", map.name));
        }
        let len = contents_len(self.object, at, map)?;
        let kind = match map.contents {
            Contents::Empty if len == 0 => CONTENTS_NONE,
            Contents::Empty => CONTENTS_PROGRAMS,
            _ => CONTENTS_VALUE,
        };
        Ok([
            map.def.map_type.number(),
            map.def.key_size,
            map.def.value_size,
            map.def.max_entries,
            map.def.flags,
            take(&mut next.names, map.name.len())?,
            pair(name_len(map.name)?, kind),
            take(&mut next.contents, len)?,
            word(len)?,
            0,
        ])
    }
}

/// The words of a program record.
fn program_record<P: PhysicalProfile>(
    program: &Program<'_, '_, P>,
    next: &mut Next,
) -> Result<[u32; 8], LoadError> {
    let kind = program.kind()?;
    if BpfProgType::from_number(kind.prog_type.number()) != Some(kind.prog_type) {
        let (section, prog_type) = (Name::new(program.section()), kind.prog_type.name());
        return Err(LoadError::UnsupportedProgType { section, prog_type });
    }
    let slots = program.link()?.len();
    let name = take(&mut next.names, program.name().len())?;
    Ok([
        kind.prog_type.number(),
        name,
        pair(name_len(program.name())?, name_len(kind.attach)?),
        take(&mut next.names, kind.attach.len())?,
        take(&mut next.insns, times(slots, 8)?)?,
        word(slots)?,
        0,
        0,
    ])
}

/// Two 16-bit numbers as the word in which the first comes first.
fn pair(first: u16, second: u16) -> u32 {
    u32::from(second) << 16 | u32::from(first)
}
