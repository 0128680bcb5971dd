//! Hash map that evicts what was not used lately.

use core::ptr::NonNull;
use core::sync::atomic::Ordering::Relaxed;

use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_profile::PhysicalProfile;
use portable_atomic::AtomicU32;

use super::NEXT;
use super::buckets::LINK_BYTES;
use super::table::{Layout, Node, Present, Table, check};
use crate::create::{Build, constructors};
use crate::key::{self, Mode};
use crate::lock::Caller;
use crate::memory::View;
use crate::storage::Source;
use crate::{BpfMap, MapError, MapValue, Settings, ValueRegion, limits};

/// Nodes beside those of the entries, as a new value replaces the old one.
const SPARE: u32 = 1;
/// Where in a node stands whether it was used lately.
const USED: usize = NEXT + LINK_BYTES;
/// Bytes of that mark.
const USED_BYTES: usize = 4;

/// A hash map that makes room, where it is full, by evicting an entry that was
/// not used lately.
///
/// A hand goes round the entries. One that a program has looked up, or whose
/// value was replaced, since the hand came by last is spared once; the first
/// other one is evicted. That takes no order to be kept on lookups: they leave a
/// mark. The host's lookups leave none, as on Linux.
///
/// ```
/// use bpf_maps::{BpfMap, LruHashMap, MapError};
/// use bpf_profile::ActiveProfile;
///
/// let map = LruHashMap::<ActiveProfile>::with_entries(1, 1, 2).unwrap();
/// map.update(b"a", &[1], 0).unwrap();
/// map.update(b"b", &[2], 0).unwrap();
/// map.lookup_ptr(b"a", 0).unwrap(); // a program uses it
/// map.update(b"c", &[3], 0).unwrap();
/// assert_eq!(map.lookup(b"b"), Err(MapError::NotFound));
/// assert_eq!(map.lookup(b"a").unwrap(), [1]);
/// ```
pub struct LruHashMap<P: PhysicalProfile> {
    def: MapDef,
    table: Table<P>,
    /// Index at which the next search for a victim begins.
    hand: AtomicU32,
}

constructors!(LruHashMap, MapType::LruHash);

impl<P: PhysicalProfile> LruHashMap<P> {
    /// A map of `max_entries` entries at the most.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_entries(
        key_size: u32,
        value_size: u32,
        max_entries: u32,
    ) -> Result<Self, MapError> {
        Self::new(MapDef::new(MapType::LruHash, key_size, value_size, max_entries))
    }

    const fn layout(def: &MapDef) -> Option<Layout> {
        Layout::new(def.key_size, def.value_size, USED_BYTES)
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
            |node, old| {
                let cells = self.table.value(node).ok_or(MapError::InvalidValue)?;
                cells.write_view(0, value).ok_or(MapError::InvalidValue)?;
                node.cells.store(USED, u32::from(old.is_some()), Relaxed);
                Ok(())
            },
            || self.evict().ok_or(MapError::Full),
        )
    }

    /// Marks a node as used; gives the address of its value.
    #[inline(always)]
    fn used(&self, node: Node<'_>) -> Option<NonNull<u8>> {
        // A mark that is there need not be written again: the line stays shared.
        if node.cells.load(USED, Relaxed)? == 0 {
            node.cells.store(USED, 1, Relaxed);
        }
        Some(self.table.value(node)?.as_ptr())
    }

    /// Takes an entry out that was not used lately. The caller holds the lock.
    fn evict(&self) -> Option<()> {
        let nodes = self.table.used();
        // Twice round: the first time may spare them all.
        for _ in 0..nodes.saturating_mul(2) {
            let at = self.hand.load(Relaxed).checked_rem(nodes)?;
            self.hand.store(at.saturating_add(1), Relaxed);
            let node = self.table.at(at)?;
            if spare(node) {
                continue;
            }
            if let Some(found) = self.table.in_chain(node) {
                return self.table.remove(&found);
            }
        }
        // Programs have marked every entry in the meantime; any will do.
        let found = (0..nodes).find_map(|at| self.table.in_chain(self.table.at(at)?))?;
        self.table.remove(&found)
    }
}

/// Whether a node is marked as used; the mark is taken away.
fn spare(node: Node<'_>) -> bool {
    let marked = node.cells.load(USED, Relaxed) == Some(1);
    if marked {
        node.cells.store(USED, 0, Relaxed);
    }
    marked
}

impl<P: PhysicalProfile> Build for LruHashMap<P> {
    fn build(def: MapDef, settings: Settings, source: &mut Source) -> Result<Self, MapError> {
        let layout = Self::layout(&def).ok_or(MapError::TooLarge("the entry"))?;
        let nodes = def.max_entries.saturating_add(SPARE);
        let table = Table::new(&def, layout, settings, source, nodes)?;
        Ok(Self { def, table, hand: AtomicU32::new(0) })
    }
}

impl<P: PhysicalProfile> BpfMap for LruHashMap<P> {
    over_table!();
    values_in_nodes!();

    #[inline]
    fn lookup_ptr(&self, key: &[u8], _cpu: u32) -> Option<NonNull<u8>> {
        check(&self.def, key).ok()?;
        self.used(self.table.find(key)?)
    }
}

impl<P: PhysicalProfile> crate::direct::ByKey for LruHashMap<P> {
    #[inline(always)]
    fn find<const SIZE: usize>(&self, key: &[u8; SIZE], _cpu: u32) -> Option<NonNull<u8>> {
        self.used(self.table.find_key(key)?)
    }
}
