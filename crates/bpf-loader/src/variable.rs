//! Global variables, which live in the maps of `.data`, `.rodata` and `.bss`.

use bpf_profile::PhysicalProfile;

use crate::bytes::{index, sub};
use crate::elf::{STT_FUNC, STT_SECTION};
use crate::maps::Contents;
use crate::object::Object;

/// A global variable of an object: a range of bytes in the one value of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GlobalVariable<'d> {
    /// Name.
    pub name: &'d str,
    /// Position in [`Object::maps`] of the map that holds it.
    pub map: usize,
    /// First byte in the map's value.
    pub offset: u32,
    /// Bytes.
    pub size: u32,
}

impl<'d, P: PhysicalProfile> Object<'d, P> {
    /// The global variables, in the order of the object's symbols.
    ///
    /// ```
    /// use bpf_loader::{LoadError, Object};
    /// use bpf_profile::ActiveProfile;
    ///
    /// # fn main() -> Result<(), LoadError> {
    /// # let bytes = include_bytes!("../../../examples/programs/rate_limiter.bpf.o");
    /// let object = Object::<ActiveProfile>::parse(bytes)?;
    /// let rate = object.variables().find(|variable| variable.name == "rate").unwrap();
    /// assert_eq!(object.maps()[rate.map].name, ".rodata");
    /// assert_eq!(rate.size, 8);
    /// # Ok(())
    /// # }
    /// ```
    pub fn variables(&self) -> impl Iterator<Item = GlobalVariable<'d>> + '_ {
        self.elf.symbols().map_while(Result::ok).filter_map(|symbol| {
            let map = self.found.of_data(symbol.section.into())?;
            if matches!(symbol.kind(), STT_SECTION | STT_FUNC) || symbol.size == 0 {
                return None;
            }
            let end = symbol.value.checked_add(symbol.size)?;
            let held = self.maps().get(map)?.def.value_size;
            if end > u64::from(held) {
                return None;
            }
            Some(GlobalVariable {
                name: self.elf.symbol_name(&symbol).ok()?,
                map,
                offset: u32::try_from(symbol.value).ok()?,
                size: u32::try_from(symbol.size).ok()?,
            })
        })
    }

    /// The initial bytes of a variable; none where they are zero.
    pub fn initial_bytes(&self, variable: &GlobalVariable<'_>) -> Option<&'d [u8]> {
        match self.maps().get(variable.map)?.contents {
            Contents::Bytes(bytes) => sub(bytes, index(variable.offset), index(variable.size)),
            _ => None,
        }
    }
}
