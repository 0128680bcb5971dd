//! The maps of an object: declared ones, and those that hold global variables.

mod attributes;
pub(crate) mod configured;
mod data;
mod declared;
pub(crate) mod fields;
pub(crate) mod frozen;
mod legacy;

use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_profile::PhysicalProfile;

use crate::LoadError;
use crate::btf::Btf;
use crate::bytes::{Table, push};
use crate::config::KernelConfig;
use crate::elf::Elf;
use crate::error::Name;

pub(crate) use declared::SECTION as DECLARED_SECTION;

/// Maps that a table of fixed size holds.
pub(crate) const MAP_CAPACITY: usize = bpf_profile::config::MAP_DEFS_CAPACITY;

/// Maps of one object at the most, and sections that declare them. Each section
/// and each map is looked for among all symbols; the bounds keep hostile
/// numbers of both from multiplying.
const MAX_MAPS: usize = 1024;
const MAX_SECTIONS: usize = 128;

/// What a map's first value holds before the first program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents<'d> {
    /// Nothing: the map is declared, and the host fills it.
    Empty,
    /// Zeros, in the one value of an array map: variables without initial value.
    Zeroed,
    /// These bytes, in the one value of an array map: variables or constants.
    /// Where a variable begins with the address of another, they have what the
    /// object's bytes say, which is no address: nobody relocates data, as libbpf
    /// and aya do not.
    Bytes(&'d [u8]),
}

/// A map of an object.
#[derive(Clone, Copy, Debug)]
pub struct Map<'d> {
    /// The definition that programs carry. Its name may be cut.
    pub def: MapDef,
    /// Name: of the symbol, or of the section that the map holds.
    pub name: &'d str,
    /// Initial contents.
    pub contents: Contents<'d>,
    /// Whether the map is to be shared under its name with other objects.
    pub pinned: bool,
    /// Number of the key's BTF type, or 0.
    pub key_type: u32,
    /// Number of the value's BTF type, or 0. For variables: the type of kind
    /// [`DataSection`](crate::btf::Kind::DataSection) that lists them.
    pub value_type: u32,
    pub(crate) section: u32,
    /// First byte in the section.
    pub(crate) offset: u64,
    /// Bytes of the declaration or of the variables.
    pub(crate) size: u64,
    /// Offset in the declaration at which the initial values begin.
    pub(crate) values_offset: Option<u32>,
    /// Whether this only says of what form the maps of a map of maps are.
    pub(crate) template: bool,
}

pub(crate) type Maps<'d, P> = Table<P, Map<'d>, MAP_CAPACITY>;

/// The maps of an object; `data_from` is the first one that holds variables.
pub(crate) struct Found<'d, P: PhysicalProfile> {
    pub maps: Maps<'d, P>,
    pub data_from: usize,
    /// What the first of these holds, where it is of the kernel's configuration.
    pub configured: configured::Variables<'d, P>,
}

/// Finds the maps of an object: first the declared ones, by section and place,
/// then the variables of the kernel's configuration, with their values in the bytes
/// beside it, then sections of variables, by section, then what maps of maps hold.
pub(crate) fn find<'d, P: PhysicalProfile>(
    elf: &Elf<'d>,
    btf: Option<&Btf<'d, P>>,
    config: Option<(&KernelConfig<'_>, &'d mut [u8])>,
) -> Result<Found<'d, P>, LoadError> {
    let mut maps = Maps::<P>::default();
    let mut sections = 0_usize;
    for section in elf.sections() {
        let section = section?;
        let is_legacy =
            section.name == legacy::SECTION || section.name.starts_with(legacy::SECTIONS);
        if !is_legacy && section.name != declared::SECTION {
            continue;
        }
        sections = sections.saturating_add(1);
        if sections > MAX_SECTIONS {
            return Err(LoadError::Limit { what: "sections of maps", limit: MAX_SECTIONS });
        }
        if is_legacy {
            legacy::find::<P>(elf, &section, &mut maps)?;
        } else {
            let btf = btf.ok_or(LoadError::malformed("object: .maps without BTF"))?;
            declared::find::<P>(elf, btf, &section, &mut maps)?;
        }
    }
    maps.sort_unstable_by_key(|map| (map.section, map.offset));
    let data_from = maps.len();
    let mut configured = configured::Variables::<P>::default();
    if let (Some(btf), Some((config, storage))) = (btf, config) {
        let (variables, map) = configured::find(btf, config, storage)?;
        configured = variables;
        if let Some(map) = map {
            push_map::<P>(&mut maps, map)?;
        }
    }
    for section in elf.sections() {
        let section = section?;
        if data::holds_variables(&section) {
            push_map::<P>(&mut maps, data::map(elf, btf, &section)?)?;
        }
    }
    if let Some(btf) = btf {
        declared::add_inner::<P>(btf, &mut maps)?;
    }
    Ok(Found { maps, data_from, configured })
}

fn push_map<'d, P: PhysicalProfile>(maps: &mut Maps<'d, P>, map: Map<'d>) -> Result<(), LoadError> {
    if maps.len() >= MAX_MAPS {
        return Err(LoadError::Limit { what: "maps", limit: MAX_MAPS });
    }
    push::<Map<'d>>(maps, map, "maps", MAP_CAPACITY)
}

impl<P: PhysicalProfile> Found<'_, P> {
    /// Number of the declared map that begins at `offset` of `section`.
    pub fn declared_at(&self, section: u32, offset: u64) -> Option<usize> {
        let declared = self.maps.get(..self.data_from)?;
        let at = declared.partition_point(|m| (m.section, m.offset) < (section, offset));
        declared.get(at).filter(|m| m.section == section && m.offset == offset).map(|_| at)
    }

    /// Number of the map that holds the variables of `section`.
    pub fn of_data(&self, section: u32) -> Option<usize> {
        let data = self.maps.get(self.data_from..)?;
        let templates = data.iter().rev().take_while(|map| map.template).count();
        let data = data.get(..data.len().checked_sub(templates)?)?;
        let at = data.partition_point(|m| m.section < section);
        data.get(at).filter(|m| m.section == section)?;
        self.data_from.checked_add(at)
    }
}

/// The map type of this number, or a refusal that names it.
fn map_type(map: &str, number: u32) -> Result<MapType, LoadError> {
    let unknown = LoadError::UnsupportedMapType { map: Name::new(map), number };
    MapType::from_number(number).ok_or(unknown)
}
