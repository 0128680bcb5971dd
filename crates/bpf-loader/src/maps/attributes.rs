//! The attributes of a map, as either kind of declaration states them.

use bpf_bytecode::abi::map::{MapDef, MapType};

use super::map_type;
use crate::LoadError;

/// What a declaration says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Attributes {
    pub map_type: u32,
    pub key_size: u32,
    pub value_size: u32,
    pub max_entries: u32,
    pub flags: u32,
}

/// Bytes of a page, of which a ring buffer takes a power of two.
const PAGE: u32 = 4096;

impl Attributes {
    /// The definition, with what libbpf fills in for the program's author.
    pub fn def(&self, name: &str) -> Result<MapDef, LoadError> {
        let map_type = map_type(name, self.map_type)?;
        let mut def = MapDef::new(map_type, self.key_size, self.value_size, self.max_entries)
            .named(name)
            .with_flags(self.flags);
        match map_type {
            MapType::RingBuf => def.max_entries = whole_pages(self.max_entries),
            // Nobody declares how large such values are.
            MapType::ArrayOfMaps | MapType::HashOfMaps | MapType::PerfEventArray => {
                def.key_size = if self.key_size == 0 { 4 } else { self.key_size };
                def.value_size = if self.value_size == 0 { 4 } else { self.value_size };
            }
            MapType::ProgArray => {
                // Keys and values are 32-bit numbers, whatever was left out.
                def.key_size = if self.key_size == 0 { 4 } else { self.key_size };
                def.value_size = if self.value_size == 0 { 4 } else { self.value_size };
            }
            _ => {}
        }
        Ok(def)
    }
}

/// `bytes`, rounded up to a power of two of pages, as libbpf does; 0 stays 0.
fn whole_pages(bytes: u32) -> u32 {
    match bytes.div_ceil(PAGE).checked_next_power_of_two() {
        _ if bytes == 0 => 0,
        Some(pages) => pages.checked_mul(PAGE).unwrap_or(bytes),
        None => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::whole_pages;

    #[test]
    fn ring_buffers_are_powers_of_two_of_pages() {
        let sizes = [0, 1, 4096, 4097, 3 * 4096, u32::MAX].map(whole_pages);
        assert_eq!(sizes, [0, 4096, 4096, 8192, 4 * 4096, u32::MAX]);
    }
}
