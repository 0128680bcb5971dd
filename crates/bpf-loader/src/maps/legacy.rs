//! Maps of the section `maps`: one structure of numbers per symbol.
//!
//! All writers agree on the first five numbers; what follows differs. The
//! seventh is how iproute2 and aya state pinning.

use bpf_profile::PhysicalProfile;

use super::attributes::Attributes;
use super::{Contents, Map, Maps, push_map};
use crate::LoadError;
use crate::bytes::{sub, u32_at};
use crate::elf::{Elf, STT_FUNC, STT_SECTION, Section};
use crate::error::Name;

/// Name of the section.
pub(crate) const SECTION: &str = "maps";
/// Older objects of aya have one section per map.
pub(crate) const SECTIONS: &str = "maps/";

/// Bytes of the numbers on which all agree.
const COMMON: u64 = 20;

/// Adds the maps of `section`. Each has a symbol, and all have the same size.
pub(crate) fn find<'d, P: PhysicalProfile>(
    elf: &Elf<'d>,
    section: &Section<'d>,
    maps: &mut Maps<'d, P>,
) -> Result<(), LoadError> {
    let data = elf.data(section)?;
    let is_map = |symbol: &crate::elf::Symbol| {
        u32::from(symbol.section) == section.index
            && !matches!(symbol.kind(), STT_SECTION | STT_FUNC)
    };
    let mut count = 0_u64;
    for symbol in elf.symbols() {
        if is_map(&symbol?) {
            count = count.saturating_add(1);
        }
    }
    let broken = LoadError::malformed("section `maps`");
    // No map at all: an empty section, or one that nothing can refer to.
    let Some(size) = section.size.checked_div(count) else { return Ok(()) };
    if size < COMMON || size.checked_mul(count) != Some(section.size) {
        return Err(broken);
    }
    let len = usize::try_from(size).map_err(|_| broken)?;
    for symbol in elf.symbols() {
        let symbol = symbol?;
        if !is_map(&symbol) {
            continue;
        }
        let name = elf.symbol_name(&symbol)?;
        let at = usize::try_from(symbol.value).map_err(|_| broken)?;
        let raw = sub(data, at, len).ok_or(broken)?;
        push_map::<P>(maps, map(name, raw, section, symbol.value)?)?;
    }
    Ok(())
}

fn map<'d>(
    name: &'d str,
    raw: &'d [u8],
    section: &Section<'d>,
    offset: u64,
) -> Result<Map<'d>, LoadError> {
    let number = |at| u32_at(raw, at).unwrap_or(0);
    let attributes = Attributes {
        map_type: number(0),
        key_size: number(4),
        value_size: number(8),
        max_entries: number(12),
        flags: number(16),
    };
    // Behind pinning iproute2 has references to inner maps.
    if raw.get(28..).is_some_and(|rest| rest.iter().any(|&byte| byte != 0)) {
        return Err(LoadError::MapAttribute {
            map: Name::new(name),
            attribute: Name::new("inner map"),
            reason: "maps of maps are not supported",
        });
    }
    Ok(Map {
        def: attributes.def(name)?,
        name,
        contents: Contents::Empty,
        pinned: number(24) != 0,
        key_type: 0,
        value_type: 0,
        section: section.index,
        offset,
        size: u64::try_from(raw.len()).unwrap_or(COMMON),
        values_offset: None,
        template: false,
    })
}
