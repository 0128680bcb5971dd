//! Reading an image in place.

use bpf_bytecode::abi::frozen::{FrozenBytes, FrozenMap};
use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_bytecode::{BpfInsn, BpfProgType, ProgramBuilder};
use bpf_profile::PhysicalProfile;

use super::crc::Crc32;
use super::{
    CHECKED_FROM, CONTENTS_NONE, CONTENTS_PROGRAMS, CONTENTS_VALUE, HEADER, MAGIC, MAP_RECORD,
    PROGRAM_RECORD, VERSION, cast,
};
use crate::LoadError;
use crate::bytes::{MAX_NAME, index, sub, u16_at, u32_at};
use crate::error::Name;

/// Bytes of a slot.
const SLOT: usize = 8;

/// An image over borrowed bytes, all of it checked.
#[derive(Clone, Copy, Debug)]
pub struct FlatImage<'d> {
    bytes: &'d [u8],
    maps: &'d [u8],
    programs: &'d [u8],
}

/// What a map of an image holds before the first program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlatContents<'d> {
    /// Nothing.
    Empty,
    /// The beginning of the first value; zeros follow.
    Value(&'d [u8]),
    /// Programs of a program array, for [`FlatMap::programs`].
    Programs,
}

/// A map of an image.
#[derive(Clone, Copy, Debug)]
pub struct FlatMap<'d> {
    /// The definition that programs carry. Its name may be cut.
    pub def: MapDef,
    /// Name.
    pub name: &'d str,
    /// Initial contents.
    pub contents: FlatContents<'d>,
    entries: &'d [u8],
}

impl<'d> FlatMap<'d> {
    /// The programs with which a program array is to be filled: index in the
    /// array, position of the program in the image.
    pub fn programs(&self) -> impl Iterator<Item = (u32, usize)> + use<'d> {
        self.entries
            .chunks_exact(8)
            .map_while(|pair| Some((u32_at(pair, 0)?, index(u32_at(pair, 4)?))))
    }
}

impl FlatMap<'static> {
    /// The contents of a map of constants, which the live map is to be frozen
    /// with; none of another map.
    pub fn frozen(&self) -> Option<FrozenBytes> {
        match self.contents {
            FlatContents::Value(bytes) if FrozenMap::can_be(&self.def) => {
                Some(FrozenBytes::from_static(bytes))
            }
            _ => None,
        }
    }
}

/// A program of an image.
#[derive(Clone, Copy, Debug)]
pub struct FlatProgram<'d> {
    image: FlatImage<'d>,
    /// Program type.
    pub prog_type: BpfProgType,
    /// Name of the function.
    pub name: &'d str,
    /// Where the program is to be attached, or nothing.
    pub attach: &'d str,
    slots: &'d [u8],
}

impl<'d> FlatImage<'d> {
    /// Checks an image and gives access to it.
    ///
    /// # Errors
    /// [`LoadError::Malformed`] for bytes that are no image, or not as they
    /// were written; [`LoadError::Unsupported`] for another version;
    /// [`LoadError::UnsupportedMapType`] and [`LoadError::UnsupportedProgType`].
    pub fn parse(bytes: &'d [u8]) -> Result<Self, LoadError> {
        let broken = LoadError::malformed("flat image");
        if sub(bytes, 0, MAGIC.len()) != Some(&MAGIC) {
            return Err(LoadError::malformed("flat image: it does not begin as one"));
        }
        if u16_at(bytes, 8) != Some(VERSION) {
            return Err(LoadError::unsupported("version of the flat image", "not 1"));
        }
        let len = u32_at(bytes, 12).ok_or(broken)?;
        let bytes = sub(bytes, 0, index(len)).ok_or(broken)?;
        let mut crc = Crc32::new();
        crc.update(bytes.get(CHECKED_FROM..).ok_or(broken)?);
        if u32_at(bytes, 16) != Some(crc.finish()) || u16_at(bytes, 10) != Some(0) {
            return Err(LoadError::malformed("flat image: its checksum does not match"));
        }
        let image = Self::records(bytes).ok_or(broken)?;
        for at in 0..image.map_count() {
            image.read_map(at)?;
        }
        for at in 0..image.program_count() {
            image.read_program(at)?;
        }
        Ok(image)
    }

    fn records(bytes: &'d [u8]) -> Option<Self> {
        let maps = usize::from(u16_at(bytes, 20)?).checked_mul(MAP_RECORD)?;
        let programs = usize::from(u16_at(bytes, 22)?).checked_mul(PROGRAM_RECORD)?;
        Some(Self {
            bytes,
            maps: sub(bytes, HEADER, maps)?,
            programs: sub(bytes, HEADER.checked_add(maps)?, programs)?,
        })
    }

    fn map_count(&self) -> usize {
        self.maps.len() / MAP_RECORD
    }

    fn program_count(&self) -> usize {
        self.programs.len() / PROGRAM_RECORD
    }

    fn part(&self, at: u32, len: u32) -> Option<&'d [u8]> {
        sub(self.bytes, index(at), index(len))
    }

    fn name(&self, at: u32, len: u16) -> Option<&'d str> {
        if usize::from(len) > MAX_NAME {
            return None;
        }
        core::str::from_utf8(self.part(at, len.into())?).ok()
    }

    fn read_map(&self, at: usize) -> Result<FlatMap<'d>, LoadError> {
        let broken = LoadError::malformed("map record of the flat image");
        let raw = at.checked_mul(MAP_RECORD).and_then(|at| sub(self.maps, at, MAP_RECORD));
        let raw = raw.ok_or(broken)?;
        let word = |at| u32_at(raw, at).ok_or(broken);
        let short = |at| u16_at(raw, at).ok_or(broken);
        let name = self.name(word(20)?, short(24)?).ok_or(broken)?;
        let number = word(0)?;
        let map_type = MapType::from_number(number)
            .ok_or(LoadError::UnsupportedMapType { map: Name::new(name), number })?;
        let def =
            MapDef::new(map_type, word(4)?, word(8)?, word(12)?).named(name).with_flags(word(16)?);
        let bytes = self.part(word(28)?, word(32)?).ok_or(broken)?;
        let (contents, entries): (_, &[u8]) = match short(26)? {
            CONTENTS_NONE if bytes.is_empty() => (FlatContents::Empty, &[]),
            CONTENTS_VALUE
                if map_type == MapType::Array && bytes.len() <= index(def.value_size) =>
            {
                (FlatContents::Value(bytes), &[])
            }
            CONTENTS_PROGRAMS if map_type == MapType::ProgArray => (FlatContents::Programs, bytes),
            _ => return Err(broken),
        };
        let map = FlatMap { def, name, contents, entries };
        let whole = entries.len().checked_rem(8) == Some(0);
        let exist = map.programs().all(|(_, program)| program < self.program_count());
        if word(36)? != 0 || !whole || !exist {
            return Err(broken);
        }
        Ok(map)
    }

    fn read_program(&self, at: usize) -> Result<FlatProgram<'d>, LoadError> {
        let broken = LoadError::malformed("program record of the flat image");
        let raw =
            at.checked_mul(PROGRAM_RECORD).and_then(|at| sub(self.programs, at, PROGRAM_RECORD));
        let raw = raw.ok_or(broken)?;
        let word = |at| u32_at(raw, at).ok_or(broken);
        let short = |at| u16_at(raw, at).ok_or(broken);
        let name = self.name(word(4)?, short(8)?).ok_or(broken)?;
        let prog_type =
            BpfProgType::from_number(word(0)?).ok_or(LoadError::UnsupportedProgType {
                section: Name::new(name),
                prog_type: "unknown",
            })?;
        let attach = self.name(word(12)?, short(10)?).ok_or(broken)?;
        let (at, slots) = (word(16)?, word(20)?);
        let slots = slots.checked_mul(8).and_then(|len| self.part(at, len)).ok_or(broken)?;
        if at % 8 != 0 || slots.is_empty() || word(24)? != 0 || word(28)? != 0 {
            return Err(broken);
        }
        Ok(FlatProgram { image: *self, prog_type, name, attach, slots })
    }

    /// The maps, in the order in which programs number them.
    pub fn maps(&self) -> impl Iterator<Item = FlatMap<'d>> + use<'d> {
        let image = *self;
        (0..image.map_count()).map_while(move |at| image.read_map(at).ok())
    }

    /// Writes the definitions of the maps to the start of `out`, where all
    /// programs of the image can share them, and gives that part back.
    ///
    /// # Errors
    /// [`LoadError::Limit`] where `out` is too short; its contents are then
    /// undetermined.
    pub fn map_defs_into<'s>(&self, out: &'s mut [MapDef]) -> Result<&'s [MapDef], LoadError> {
        let full = LoadError::Limit { what: "maps", limit: out.len() };
        let out = out.get_mut(..self.map_count()).ok_or(full)?;
        for (slot, map) in out.iter_mut().zip(self.maps()) {
            *slot = map.def;
        }
        Ok(out)
    }

    /// The programs.
    pub fn programs(&self) -> impl Iterator<Item = FlatProgram<'d>> + use<'d> {
        let image = *self;
        (0..image.program_count()).map_while(move |at| image.read_program(at).ok())
    }

    /// The program of this name.
    ///
    /// # Errors
    /// [`LoadError::NoSuchProgram`].
    pub fn program(&self, name: &str) -> Result<FlatProgram<'d>, LoadError> {
        self.programs()
            .find(|program| program.name == name)
            .ok_or(LoadError::NoSuchProgram { program: Name::new(name) })
    }
}

impl<'d> FlatProgram<'d> {
    /// Number of slots.
    pub fn len(&self) -> usize {
        self.slots.len() / SLOT
    }

    /// Whether there is no slot; never true.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The slots.
    pub fn insns(&self) -> impl Iterator<Item = BpfInsn> + use<'d> {
        self.slots
            .chunks_exact(SLOT)
            .map_while(|slot| slot.first_chunk().map(|bytes| BpfInsn::from_bytes(*bytes)))
    }

    /// The slots where they lie. None where the image is not at an address that
    /// suits (see [`Aligned`](super::Aligned)) or the host is big-endian.
    pub fn insns_in_place(&self) -> Option<&'d [BpfInsn]> {
        cast::slots(self.slots)
    }

    /// A builder with the program's type, name, instructions and the image's
    /// map definitions. Storage that does not suffice is reported by
    /// [`ProgramBuilder::build`].
    pub fn builder<P: PhysicalProfile>(&self) -> ProgramBuilder<P> {
        let builder = ProgramBuilder::new(self.prog_type);
        let builder = self.insns().fold(builder, ProgramBuilder::insn);
        self.describe(builder)
    }

    fn describe<P: PhysicalProfile>(&self, builder: ProgramBuilder<P>) -> ProgramBuilder<P> {
        let builder = builder.name(self.name);
        self.image.maps().fold(builder, |builder, map| builder.map(map.def))
    }
}

impl FlatProgram<'static> {
    /// As [`builder`](Self::builder), over the instructions where they lie, so
    /// that they take no memory. None where they cannot be used there. Constants
    /// are known where they lie, too: live maps of them are to be frozen with
    /// [`FlatMap::frozen`].
    pub fn builder_in_place<P: PhysicalProfile>(&self) -> Option<ProgramBuilder<P>> {
        let slots = self.insns_in_place()?;
        let builder = ProgramBuilder::from_static(self.prog_type, slots).name(self.name);
        Some(self.image.maps().fold(builder, |builder, map| match map.frozen() {
            Some(bytes) => builder.frozen_map(map.def, bytes),
            None => builder.map(map.def),
        }))
    }

    /// As [`builder_in_place`](Self::builder_in_place), over definitions that
    /// [`FlatImage::map_defs_into`] gave, so that the program owns nothing.
    pub fn builder_with_map_defs<P: PhysicalProfile>(
        &self,
        defs: &'static [MapDef],
    ) -> Option<ProgramBuilder<P>> {
        let builder = ProgramBuilder::from_static(self.prog_type, self.insns_in_place()?);
        Some(builder.name(self.name).with_map_defs(defs))
    }
}
