//! Sections of global variables, each of which becomes an array map of one
//! value.

use bpf_bytecode::abi::map::{MapDef, MapType, flags};
use bpf_profile::PhysicalProfile;

use super::{Contents, Map};
use crate::LoadError;
use crate::btf::{Btf, Kind};
use crate::elf::{Elf, Section, sht};
use crate::error::Name;
use crate::section::is_named;

/// Names of such sections; a `.` and more may follow.
const SECTIONS: [&str; 3] = [".rodata", ".data", ".bss"];

/// Whether the variables of `section` become a map.
pub(crate) fn holds_variables(section: &Section<'_>) -> bool {
    section.size > 0
        && section.is_loaded()
        && !section.is_code()
        && SECTIONS.iter().any(|base| is_named(section.name, base))
}

/// The map of a section of variables. Programs may only read what the compiler
/// took for constant.
pub(crate) fn map<'d, P: PhysicalProfile>(
    elf: &Elf<'d>,
    btf: Option<&Btf<'d, P>>,
    section: &Section<'d>,
) -> Result<Map<'d>, LoadError> {
    let size = u32::try_from(section.size).map_err(|_| LoadError::MapAttribute {
        map: Name::new(section.name),
        attribute: Name::new("value_size"),
        reason: "the section is too large",
    })?;
    let contents = match elf.data(section)? {
        _ if section.kind == sht::NOBITS => Contents::Zeroed,
        bytes => Contents::Bytes(bytes),
    };
    let mut def = MapDef::new(MapType::Array, 4, size, 1).named(section.name);
    if is_named(section.name, ".rodata") {
        def = def.with_flags(flags::BPF_F_RDONLY_PROG);
    }
    let variables = btf.and_then(|btf| btf.find(Kind::DataSection, section.name));
    Ok(Map {
        def,
        name: section.name,
        contents,
        pinned: false,
        key_type: 0,
        value_type: variables.map_or(0, |variables| variables.id),
        section: section.index,
        offset: 0,
        size: section.size,
        values_offset: None,
        template: false,
    })
}
