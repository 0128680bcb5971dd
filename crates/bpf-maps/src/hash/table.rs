//! The hash table under all hash maps.
//!
//! Nodes stand in [`Slots`]; chains link them by number, one more than the
//! index, with 0 for the end. Changes happen under a lock. Lookups take none:
//! they walk the chains while these change. What makes that right:
//!
//! - A node is linked after it was filled, and unlinked by one store; until it
//!   is used again it stays as it was, its link included, so that a lookup
//!   standing on it finds its way on.
//! - Before a node is used again, `changes` is counted up. A lookup that finds
//!   it different at its end from its beginning starts anew. One that has
//!   interrupted a change sees no further changes, and so ends.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::fence;

use bpf_bytecode::abi::map::MapDef;
use bpf_profile::PhysicalProfile;
use portable_atomic::{AtomicU32, AtomicUsize};

use super::buckets::{Buckets, LINK_BYTES};
use super::function::hash;
use super::heads::{self, Chains};
use super::{HASH, NEXT};
use crate::key::Mode;
use crate::limits::BPF_F_ZERO_SEED;
use crate::lock::{Caller, Held, Lock};
use crate::memory::Cells;
use crate::slots::{Field, Shape, Slots};
use crate::storage::{Source, round_up, total};
use crate::{MapError, Settings, ValueRegion, key};

/// The end of a chain.
const END: u32 = 0;

/// Where in a node things are.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    key: Field,
    /// Without bytes, where the values are elsewhere.
    value: Field,
    shape: Shape,
}

impl Layout {
    /// A node: hash, link of the list of free nodes, links of the chains,
    /// `extra` bytes, key, value.
    pub(super) const fn new(key: u32, value: u32, extra: usize) -> Option<Self> {
        let header = NEXT.saturating_add(LINK_BYTES).saturating_add(extra);
        let key = Field { offset: header, size: key as usize };
        let Some(start) = round_up(header.saturating_add(key.size)) else { return None };
        let value = Field { offset: start, size: value as usize };
        let Some(stride) = round_up(start.saturating_add(value.size)) else { return None };
        Some(Self { key, value, shape: Shape { stride, planes: 1 } })
    }

    /// Bytes that storage must have for a table of as many nodes for as many
    /// entries, and for a block beside it.
    pub(super) const fn storage(
        self,
        nodes: u32,
        max_entries: u32,
        beside: Option<usize>,
    ) -> Option<usize> {
        total(&[self.shape.bytes(nodes), heads::bytes(max_entries), beside])
    }
}

/// A hash table. Every function that changes it wants the lock held, except
/// where it says that it takes it.
pub(super) struct Table<P: PhysicalProfile> {
    layout: Layout,
    seed: u64,
    nodes: Slots<P>,
    buckets: Buckets<P>,
    lock: Lock,
    max: AtomicU32,
    len: AtomicU32,
    /// First of the nodes that were used and are free again.
    free: AtomicU32,
    /// Number of nodes that were ever used.
    used: AtomicU32,
    /// How often a node was used again.
    changes: AtomicUsize,
}

/// A node in its chain.
pub(super) struct Found<'a> {
    /// The link that leads to the node.
    link: &'a AtomicU32,
    pub(super) node: Node<'a>,
}

/// A node and its number.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    number: u32,
    pub(super) cells: Cells<'a>,
}

impl Node<'_> {
    /// The index of the node.
    pub(super) fn index(&self) -> u32 {
        self.number.wrapping_sub(1)
    }
}

impl<P: PhysicalProfile> Table<P> {
    pub(super) fn new(
        def: &MapDef,
        layout: Layout,
        settings: Settings,
        source: &mut Source,
        nodes: u32,
    ) -> Result<Self, MapError> {
        Ok(Self {
            layout,
            seed: if def.flags & BPF_F_ZERO_SEED == 0 { settings.seed } else { 0 },
            nodes: Slots::new(source, layout.shape, nodes)?,
            buckets: Buckets::new(source, def.max_entries)?,
            lock: Lock::new(),
            max: AtomicU32::new(def.max_entries),
            len: AtomicU32::new(0),
            free: AtomicU32::new(END),
            used: AtomicU32::new(0),
            changes: AtomicUsize::new(0),
        })
    }

    pub(super) fn max(&self) -> u32 {
        self.max.load(Acquire)
    }

    pub(super) fn len(&self) -> u32 {
        self.len.load(Acquire)
    }

    /// Number of nodes that were ever used: they come first.
    #[cfg(feature = "cloud-profile")]
    pub(super) fn used(&self) -> u32 {
        self.used.load(Relaxed)
    }

    pub(super) fn region(&self, number: usize) -> Option<ValueRegion> {
        self.nodes.region(number, self.layout.value)
    }

    /// Takes the lock.
    pub(super) fn take(&self, caller: Caller) -> Result<Held<'_>, MapError> {
        self.lock.take(caller)
    }

    /// The value in a node.
    #[inline]
    pub(super) fn value<'a>(&self, node: Node<'a>) -> Option<Cells<'a>> {
        node.cells.part(self.layout.value.offset, self.layout.value.size)
    }

    #[inline]
    fn node(&self, number: u32) -> Option<Node<'_>> {
        Some(Node { number, cells: self.nodes.record(number.checked_sub(1)?, 0)? })
    }

    /// The node at `index`, whether it is in a chain or not.
    #[cfg(feature = "cloud-profile")]
    pub(super) fn at(&self, index: u32) -> Option<Node<'_>> {
        self.node(index.checked_add(1)?)
    }

    /// The node of `key`; takes no lock. Compiled by itself for each usual size of keys.
    #[cfg(feature = "cloud-profile")]
    #[inline]
    pub(super) fn find(&self, key: &[u8]) -> Option<Node<'_>> {
        if let Ok(key) = <&[u8; 4]>::try_from(key) {
            return self.find_key(key);
        }
        if let Ok(key) = <&[u8; 8]>::try_from(key) {
            return self.find_key(key);
        }
        self.find_key(key)
    }

    /// The node of `key`; takes no lock.
    #[cfg(feature = "embedded-profile")]
    #[inline]
    pub(super) fn find(&self, key: &[u8]) -> Option<Node<'_>> {
        self.find_key(key)
    }

    /// The value of `key`; takes no lock. Each usual size of keys has a function of its own,
    /// so that what is kept for one is not kept for all.
    #[inline]
    pub(super) fn find_value(&self, key: &[u8]) -> Option<Cells<'_>> {
        #[cfg(feature = "cloud-profile")]
        {
            if let Ok(key) = <&[u8; 4]>::try_from(key) {
                return self.find_sized(key);
            }
            if let Ok(key) = <&[u8; 8]>::try_from(key) {
                return self.find_sized(key);
            }
            if let Ok(key) = <&[u8; 16]>::try_from(key) {
                return self.find_sized(key);
            }
        }
        self.value(self.find(key)?)
    }

    #[cfg(feature = "cloud-profile")]
    #[inline(never)]
    fn find_sized<const SIZE: usize>(&self, key: &[u8; SIZE]) -> Option<Cells<'_>> {
        self.value(self.find_key(key)?)
    }

    /// The node of `key`; takes no lock. Most chains have one node or none: what it takes to
    /// see that is compiled where it is asked for.
    #[inline(always)]
    pub(super) fn find_key<K: AsRef<[u8]> + ?Sized>(&self, key: &K) -> Option<Node<'_>> {
        let hash = hash(self.seed, key.as_ref());
        let before = self.before();
        let head = self.buckets.current().head(hash)?.load(Acquire);
        if head == END && self.is_unchanged(before) {
            return None;
        }
        if let Some(node) = self.node(head)
            && self.is_of(node, key.as_ref(), hash)
            && self.is_unchanged(before)
        {
            return Some(node);
        }
        self.find_further(key, hash)
    }

    /// The same for any chain.
    #[inline(never)]
    fn find_further<K: AsRef<[u8]> + ?Sized>(&self, key: &K, hash: u32) -> Option<Node<'_>> {
        loop {
            let before = self.before();
            let found = self.pass(&self.buckets.current(), key.as_ref(), hash);
            if self.is_unchanged(before) {
                return Some(found?.node);
            }
        }
    }

    /// Whether a node is that of `key`.
    #[inline(always)]
    fn is_of(&self, node: Node<'_>, key: &[u8], hash: u32) -> bool {
        node.cells.load(HASH, Relaxed) == Some(hash)
            && node.cells.holds(self.layout.key.offset, key)
    }

    /// How often nodes were used again, before a lookup.
    #[inline(always)]
    fn before(&self) -> usize {
        self.changes.load(Acquire)
    }

    /// Whether nothing that was read since was used again meanwhile.
    #[inline(always)]
    fn is_unchanged(&self, before: usize) -> bool {
        fence(Acquire);
        self.changes.load(Relaxed) == before
    }

    /// The node of `key` in its chain.
    fn walk<'a>(&'a self, chains: &Chains<'a, P>, key: &[u8], hash: u32) -> Option<Found<'a>> {
        self.pass(chains, key, hash)
    }

    #[inline(always)]
    fn pass<'a>(&'a self, chains: &Chains<'a, P>, key: &[u8], hash: u32) -> Option<Found<'a>> {
        let mut link = chains.head(hash)?;
        // A chain that changes meanwhile may lead in circles.
        let mut left = self.nodes.count();
        loop {
            let node = self.node(link.load(Acquire))?;
            if self.is_of(node, key, hash) {
                return Some(Found { link, node });
            }
            left = left.checked_sub(1)?;
            link = node.cells.atomic(chains.next())?;
        }
    }

    /// The node of `key` in its chain, under the lock.
    fn locate(&self, key: &[u8]) -> Option<Found<'_>> {
        self.locate_hashed(key, hash(self.seed, key))
    }

    fn locate_hashed(&self, key: &[u8], hash: u32) -> Option<Found<'_>> {
        self.walk(&self.buckets.current(), key, hash)
    }

    /// Sets the entry of `key`. What it finds for the key goes to `present`,
    /// which may leave it to be replaced by a new node; that is given to `fill`.
    /// `evict` makes room where there is none.
    pub(super) fn update(
        &self,
        key: &[u8],
        mode: Mode,
        present: impl FnOnce(Node<'_>) -> Result<Present, MapError>,
        fill: impl FnOnce(Node<'_>, Option<Node<'_>>) -> Result<(), MapError>,
        evict: impl FnOnce() -> Result<(), MapError>,
    ) -> Result<(), MapError> {
        let hash = hash(self.seed, key);
        let found = self.locate_hashed(key, hash);
        mode.admit(found.is_some())?;
        if let Some(found) = &found
            && present(found.node)? == Present::Written
        {
            return Ok(());
        }
        if found.is_none() && self.len() >= self.max() {
            evict()?;
        }
        let node = self.claim().ok_or(MapError::Full)?;
        if let Err(error) = fill(node, found.as_ref().map(|found| found.node)) {
            self.release(node);
            return Err(error);
        }
        match found {
            Some(found) => self.replace(&found, node, key, hash),
            None => self.insert(node, key, hash),
        }
        .ok_or(MapError::Full)
    }

    /// A node that is in no chain.
    fn claim(&self) -> Option<Node<'_>> {
        let free = self.free.load(Relaxed);
        if let Some(node) = self.node(free) {
            self.free.store(node.cells.load(super::FREE, Relaxed)?, Relaxed);
            self.count_change();
            return Some(node);
        }
        let used = self.used.load(Relaxed);
        let node = self.node(used.checked_add(1)?)?;
        self.used.store(node.number, Relaxed);
        Some(node)
    }

    /// Has lookups that are under way start anew.
    fn count_change(&self) {
        self.changes.store(self.changes.load(Relaxed).wrapping_add(1), Release);
        fence(Release);
    }

    /// Gives back a node that is in no chain (any more).
    fn release(&self, node: Node<'_>) {
        node.cells.store(super::FREE, self.free.load(Relaxed), Relaxed);
        self.free.store(node.number, Relaxed);
    }

    fn insert(&self, node: Node<'_>, key: &[u8], hash: u32) -> Option<()> {
        let chains = self.buckets.current();
        let head = chains.head(hash)?;
        self.set_key(node, key, hash)?;
        node.cells.store(chains.next(), head.load(Relaxed), Release)?;
        head.store(node.number, Release);
        self.len.store(self.len().saturating_add(1), Release);
        Some(())
    }

    /// Puts `node` into the place of another of the same key.
    fn replace(&self, found: &Found<'_>, node: Node<'_>, key: &[u8], hash: u32) -> Option<()> {
        let next = self.buckets.current().next();
        self.set_key(node, key, hash)?;
        node.cells.store(next, found.node.cells.load(next, Relaxed)?, Release)?;
        found.link.store(node.number, Release);
        self.release(found.node);
        Some(())
    }

    fn set_key(&self, node: Node<'_>, key: &[u8], hash: u32) -> Option<()> {
        node.cells.store(HASH, hash, Relaxed)?;
        node.cells.write(self.layout.key.offset, key)
    }

    /// Takes the entry of `key` away.
    pub(super) fn delete(&self, def: &MapDef, key: &[u8], who: Caller) -> Result<(), MapError> {
        check(def, key)?;
        let _held = self.take(who)?;
        self.locate(key).and_then(|found| self.remove(&found)).ok_or(MapError::NotFound)
    }

    /// Takes a node out of its chain.
    pub(super) fn remove(&self, found: &Found<'_>) -> Option<()> {
        let next = found.node.cells.load(self.buckets.current().next(), Relaxed)?;
        found.link.store(next, Release);
        self.release(found.node);
        self.len.store(self.len().saturating_sub(1), Release);
        Some(())
    }

    /// A node in its chain, where it is in one.
    #[cfg(feature = "cloud-profile")]
    pub(super) fn in_chain<'a>(&'a self, node: Node<'a>) -> Option<Found<'a>> {
        let chains = self.buckets.current();
        let mut link = chains.head(node.cells.load(HASH, Relaxed)?)?;
        loop {
            let other = self.node(link.load(Relaxed))?;
            if other.number == node.number {
                return Some(Found { link, node });
            }
            link = other.cells.atomic(chains.next())?;
        }
    }

    /// Writes out the key after `previous`, in the order of the chains; takes no
    /// lock.
    pub(super) fn next_key(&self, previous: Option<&[u8]>, out: &mut [u8]) -> Result<(), MapError> {
        if out.len() != self.layout.key.size {
            return Err(MapError::InvalidKey);
        }
        if self.len() == 0 {
            return Err(MapError::NotFound);
        }
        loop {
            let before = self.before();
            let node = self.after(previous);
            let read = node.and_then(|node| node.cells.view().read(self.layout.key.offset, out));
            if self.is_unchanged(before) {
                return read.ok_or(MapError::NotFound);
            }
        }
    }

    fn after(&self, previous: Option<&[u8]>) -> Option<Node<'_>> {
        let chains = self.buckets.current();
        let mut bucket = 0;
        if let Some(key) = previous {
            let hash = hash(self.seed, key);
            if let Some(found) = self.walk(&chains, key, hash) {
                let next = found.node.cells.load(chains.next(), Acquire)?;
                if next != END {
                    return self.node(next);
                }
                bucket = (hash & chains.count().wrapping_sub(1)).saturating_add(1);
            }
        }
        let first = (bucket..chains.count())
            .filter_map(|bucket| chains.head(bucket))
            .map(|head| head.load(Acquire))
            .find(|&number| number != END)?;
        self.node(first)
    }

    /// Lets the table have another number of entries, with `spare` nodes beside
    /// them; `values` grows what stands beside the nodes. Takes the lock.
    #[cfg(feature = "cloud-profile")]
    pub(super) fn resize(
        &self,
        max_entries: u32,
        spare: u32,
        values: impl FnOnce(u32) -> Result<(), MapError>,
    ) -> Result<(), MapError> {
        if max_entries == 0 {
            return Err(MapError::InvalidDefinition("no entries"));
        }
        if max_entries > 1 << 31 {
            return Err(MapError::TooLarge("the number of entries"));
        }
        let _held = self.take(Caller::Host)?;
        if max_entries < self.len() {
            return Err(MapError::Busy);
        }
        self.nodes.grow(max_entries.saturating_add(spare))?;
        values(self.nodes.count())?;
        self.buckets.grow(
            max_entries,
            || self.count_change(),
            |number| {
                let node = self.node(number)?;
                Some((node.cells.load(HASH, Relaxed)?, node.cells))
            },
        )?;
        self.max.store(max_entries, Release);
        Ok(())
    }
}

/// What became of the entry that was there already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Present {
    /// It has the new value.
    Written,
    /// A new node is to take its place.
    Stale,
}

/// Sees that a key is of the map's length.
pub(super) fn check(def: &MapDef, key: &[u8]) -> Result<(), MapError> {
    key::check(def, key)
}
