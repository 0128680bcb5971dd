//! Hash map.

use core::ptr::NonNull;

use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_profile::PhysicalProfile;

use super::table::{Layout, Present, Table, check};
use crate::create::{Build, constructors};
use crate::key::{self, Mode};
use crate::lock::Caller;
use crate::memory::View;
use crate::storage::Source;
use crate::{BpfMap, MapError, MapValue, Settings, ValueRegion, limits};

/// Nodes beside those of the entries: a new value takes the old one's place as
/// a whole, so for a moment there are both.
const SPARE: u32 = 1;

/// A hash map.
///
/// Setting the value of a key that exists puts a new value in the place of the
/// old one, as Linux does: a lookup gives the one or the other, never a mixture.
/// A program that holds the address of the old value goes on to see that, until
/// a later update uses its memory.
///
/// ```
/// use bpf_maps::{BpfMap, HashMap, MapError};
/// use bpf_profile::ActiveProfile;
///
/// let map = HashMap::<ActiveProfile>::with_entries(4, 8, 100).unwrap();
/// map.update(b"key1", &1u64.to_ne_bytes(), 0).unwrap();
/// assert_eq!(map.lookup(b"key1").unwrap().u64(), Some(1));
/// map.delete(b"key1").unwrap();
/// assert_eq!(map.lookup(b"key1"), Err(MapError::NotFound));
/// ```
pub struct HashMap<P: PhysicalProfile> {
    def: MapDef,
    table: Table<P>,
}

constructors!(HashMap, MapType::Hash);

impl<P: PhysicalProfile> HashMap<P> {
    /// A map of `max_entries` entries at the most.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_entries(
        key_size: u32,
        value_size: u32,
        max_entries: u32,
    ) -> Result<Self, MapError> {
        Self::new(MapDef::new(MapType::Hash, key_size, value_size, max_entries))
    }

    const fn layout(def: &MapDef) -> Option<Layout> {
        Layout::new(def.key_size, def.value_size, 0)
    }

    const fn storage(def: &MapDef, _cpus: u32) -> Option<usize> {
        match Self::layout(def) {
            Some(layout) => {
                layout.storage(def.max_entries.saturating_add(SPARE), def.max_entries, Some(0))
            }
            None => None,
        }
    }

    fn set(&self, key: &[u8], value: View<'_>, flags: u64, who: Caller) -> Result<(), MapError> {
        check(&self.def, key)?;
        key::check_value(value, self.def.value_size as usize)?;
        let mode = Mode::of(flags)?;
        let _held = self.table.take(who)?;
        self.table.update(
            key,
            mode,
            |_| Ok(Present::Stale),
            |node, _| {
                let cells = self.table.value(node).ok_or(MapError::InvalidValue)?;
                cells.write_view(0, value).ok_or(MapError::InvalidValue)
            },
            || Err(MapError::Full),
        )
    }
}

impl<P: PhysicalProfile> Build for HashMap<P> {
    fn build(def: MapDef, settings: Settings, source: &mut Source) -> Result<Self, MapError> {
        let layout = Self::layout(&def).ok_or(MapError::TooLarge("the entry"))?;
        let nodes = def.max_entries.saturating_add(SPARE);
        Ok(Self { def, table: Table::new(&def, layout, settings, source, nodes)? })
    }
}

impl<P: PhysicalProfile> BpfMap for HashMap<P> {
    over_table!();
    values_in_nodes!();

    #[inline]
    fn lookup_ptr(&self, key: &[u8], _cpu: u32) -> Option<NonNull<u8>> {
        check(&self.def, key).ok()?;
        Some(self.table.find_value(key)?.as_ptr())
    }
}

#[cfg(feature = "cloud-profile")]
impl<P: PhysicalProfile> crate::direct::ByKey for HashMap<P> {
    #[inline(always)]
    fn find<const SIZE: usize>(&self, key: &[u8; SIZE], _cpu: u32) -> Option<NonNull<u8>> {
        Some(self.table.value(self.table.find_key(key)?)?.as_ptr())
    }
}
