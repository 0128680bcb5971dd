//! The trie under the map.
//!
//! Each node has a prefix and up to two children, whose prefixes begin with it;
//! which child is whose is the bit after the prefix. A node has a value, or it
//! is only there because two prefixes part at it, and then has two children.
//! Nodes and values stand in [`Slots`] and are known by number, one more than
//! the index, 0 for none.
//!
//! Changes happen under a lock, each by one store of a link, and lookups take
//! none, by the same rule as in the hash table: what was taken out stays as it
//! was until it is used again, and then `changes` counts up.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::fence;

use bpf_bytecode::abi::map::MapDef;
use bpf_profile::PhysicalProfile;
use portable_atomic::{AtomicU32, AtomicUsize};

use super::bits::Bits;
use super::prefix::{Prefix, Side, WORD_BITS, side};
use crate::key::Mode;
use crate::limits::PREFIX_BYTES;
use crate::memory::{Cells, View};
use crate::slots::{Field, Shape, Slots};
use crate::storage::{Source, round_up, total};
use crate::{MapError, ValueRegion};

/// No node, no value.
const NONE: u32 = 0;
/// In a record that is not in use: the number of the next such one.
const FREE: usize = 0;
/// In a node: bits of the prefix.
const LEN: usize = 4;
/// In a node: number of the value.
const VALUE: usize = 8;
/// In a node: numbers of the children.
const CHILDREN: [usize; 2] = [12, 16];
/// In a node: the prefix's bits in words, the first bit highest.
const DATA: usize = 20;
/// In a value's record: the value.
const VALUE_START: usize = 8;

/// Values that there may be more than entries: a new one takes the old one's
/// place as a whole.
const SPARE: u32 = 1;

/// Records that are taken and given back by number.
struct Pool<P: PhysicalProfile> {
    slots: Slots<P>,
    free: AtomicU32,
    used: AtomicU32,
}

impl<P: PhysicalProfile> Pool<P> {
    fn new(source: &mut Source, shape: Shape, count: u32) -> Result<Self, MapError> {
        let slots = Slots::new(source, shape, count)?;
        Ok(Self { slots, free: AtomicU32::new(NONE), used: AtomicU32::new(0) })
    }

    #[inline]
    fn get(&self, number: u32) -> Option<Cells<'_>> {
        self.slots.record(number.checked_sub(1)?, 0)
    }

    /// A record; `reused` is called where it was in use before.
    fn take(&self, reused: impl FnOnce()) -> Option<(u32, Cells<'_>)> {
        let free = self.free.load(Relaxed);
        if let Some(cells) = self.get(free) {
            self.free.store(cells.load(FREE, Relaxed)?, Relaxed);
            reused();
            return Some((free, cells));
        }
        let number = self.used.load(Relaxed).checked_add(1)?;
        let cells = self.get(number)?;
        self.used.store(number, Relaxed);
        Some((number, cells))
    }

    fn give(&self, number: u32) {
        if let Some(cells) = self.get(number) {
            cells.store(FREE, self.free.load(Relaxed), Relaxed);
            self.free.store(number, Relaxed);
        }
    }
}

/// A node and its number.
#[derive(Clone, Copy)]
struct Node<'a> {
    number: u32,
    cells: Cells<'a>,
}

impl<'a> Node<'a> {
    fn len(&self) -> Option<u32> {
        self.cells.load(LEN, Relaxed)
    }

    fn value(&self) -> Option<&'a AtomicU32> {
        self.cells.atomic(VALUE)
    }

    /// Number of the value, where there is one.
    fn value_number(&self) -> Option<u32> {
        Some(self.value()?.load(Acquire)).filter(|&number| number != NONE)
    }

    fn child(&self, side: Side) -> Option<&'a AtomicU32> {
        let [left, right] = CHILDREN;
        self.cells.atomic(if side == Side::Left { left } else { right })
    }

    fn child_number(&self, side: Side) -> u32 {
        self.child(side).map_or(NONE, |child| child.load(Acquire))
    }

    /// A word of the prefix. It is written and read as one: Rust's memory model
    /// leaves open what it means to read half of it meanwhile.
    fn word(&self, index: u32) -> Option<u32> {
        self.cells.load(word_offset(index), Relaxed)
    }

    /// How many leading bits the prefix has in common with `key`, where the
    /// first `known` ones are known to be.
    #[inline]
    fn common(&self, key: Prefix<'_>, known: u32) -> Option<u32> {
        key.common(self.len()?, known, |index| self.word(index))
    }

    /// Whether the node has all bits of `key`, those behind its prefix too.
    fn has_bits(&self, key: Prefix<'_>) -> bool {
        (0..).zip(key.data.chunks(4)).all(|(index, _)| self.word(index) == Some(key.word(index)))
    }

    /// The child for the bit of this prefix at `position`.
    fn side(&self, position: u32) -> Option<Side> {
        Some(side(self.word(position / WORD_BITS)?, position))
    }
}

/// Where in a node a word of the prefix is.
const fn word_offset(index: u32) -> usize {
    DATA.saturating_add((index as usize).saturating_mul(4))
}

/// Where the walk towards a prefix ended.
struct Reached<'a> {
    /// The link to the node, or to nothing where the prefix would belong.
    link: &'a AtomicU32,
    node: Option<Node<'a>>,
    /// How many bits the node has in common with the prefix.
    common: u32,
    /// The node before, and the link to it.
    parent: Option<(&'a AtomicU32, Node<'a>, Side)>,
}

impl<'a> Reached<'a> {
    /// The node of exactly this prefix, with or without a value.
    fn same(&self, key: Prefix<'_>) -> Option<Node<'a>> {
        let node = self.node?;
        (self.common == key.len && node.len()? == key.len).then_some(node)
    }

    /// The node of exactly this prefix, with a value.
    fn exact(&self, key: Prefix<'_>) -> Option<Node<'a>> {
        self.same(key).filter(|node| node.value_number().is_some())
    }
}

/// A trie. Functions that change it want the map's lock held.
pub(super) struct Trie<P: PhysicalProfile> {
    nodes: Pool<P>,
    values: Pool<P>,
    root: AtomicU32,
    data_bytes: usize,
    value_bytes: usize,
    len: AtomicU32,
    max: AtomicU32,
    changes: AtomicUsize,
}

const fn shapes(def: &MapDef) -> Option<(Shape, Shape)> {
    let Some(data) = def.key_size.checked_sub(PREFIX_BYTES) else { return None };
    let Some(node) = round_up(word_offset(data.div_ceil(4))) else { return None };
    let Some(value) = round_up(VALUE_START.saturating_add(def.value_size as usize)) else {
        return None;
    };
    Some((Shape { stride: node, planes: 1 }, Shape { stride: value, planes: 1 }))
}

/// Nodes for as many entries: as many prefixes part at one fewer places, and a
/// new node takes an old one's place as a whole.
const fn node_count(max_entries: u32) -> Option<u32> {
    max_entries.checked_mul(2)
}

/// Bytes that storage for a trie must have.
pub(super) const fn storage(def: &MapDef) -> Option<usize> {
    let (Some((node, value)), Some(nodes), Some(values)) =
        (shapes(def), node_count(def.max_entries), def.max_entries.checked_add(SPARE))
    else {
        return None;
    };
    total(&[node.bytes(nodes), value.bytes(values)])
}

impl<P: PhysicalProfile> Trie<P> {
    pub(super) fn new(def: &MapDef, source: &mut Source) -> Result<Self, MapError> {
        let error = MapError::TooLarge("the number of entries");
        let (node, value) = shapes(def).ok_or(error)?;
        Ok(Self {
            nodes: Pool::new(source, node, node_count(def.max_entries).ok_or(error)?)?,
            values: Pool::new(source, value, def.max_entries.checked_add(SPARE).ok_or(error)?)?,
            root: AtomicU32::new(NONE),
            data_bytes: def.key_size.saturating_sub(PREFIX_BYTES) as usize,
            value_bytes: def.value_size as usize,
            len: AtomicU32::new(0),
            max: AtomicU32::new(def.max_entries),
            changes: AtomicUsize::new(0),
        })
    }

    pub(super) fn max(&self) -> u32 {
        self.max.load(Acquire)
    }

    pub(super) fn len(&self) -> u32 {
        self.len.load(Acquire)
    }

    pub(super) fn region(&self, number: usize) -> Option<ValueRegion> {
        let field = Field { offset: VALUE_START, size: self.value_bytes };
        self.values.slots.region(number, field)
    }

    #[inline]
    fn node(&self, number: u32) -> Option<Node<'_>> {
        Some(Node { number, cells: self.nodes.get(number)? })
    }

    fn value(&self, number: u32) -> Option<Cells<'_>> {
        self.values.get(number)?.part(VALUE_START, self.value_bytes)
    }

    /// What `read` finds, when nothing that it has read was used again
    /// meanwhile.
    #[inline(always)]
    fn unchanged<T>(&self, mut read: impl FnMut() -> T) -> T {
        loop {
            let before = self.changes.load(Acquire);
            let found = read();
            fence(Acquire);
            if self.changes.load(Relaxed) == before {
                return found;
            }
        }
    }

    fn count_change(&self) {
        self.changes.store(self.changes.load(Relaxed).wrapping_add(1), Release);
        fence(Release);
    }

    /// Steps from the root to a leaf at the most; a walk through nodes that
    /// change meanwhile may take more.
    fn steps(&self) -> usize {
        self.data_bytes.saturating_mul(8).saturating_add(2)
    }

    /// The value of the longest prefix that `key` begins with; takes no lock.
    pub(super) fn find(&self, key: Prefix<'_>) -> Option<Cells<'_>> {
        self.unchanged(|| {
            let mut best = None;
            let mut number = self.root.load(Acquire);
            let mut known = 0;
            for _ in 0..self.steps() {
                let Some(node) = self.node(number) else { break };
                let len = node.len()?;
                if node.common(key, known)? < len {
                    break;
                }
                known = len;
                best = node.value_number().or(best);
                if len >= key.len {
                    break;
                }
                number = node.child_number(key.side(len));
            }
            self.value(best?)
        })
    }

    /// As [`find`](Self::find), of a key of `SIZE` bytes, a multiple of four: compiled for each
    /// size by itself. Of a node little is read, by one check that it is there.
    #[inline(always)]
    pub(super) fn find_key<const SIZE: usize>(&self, key: &[u8; SIZE]) -> Option<Cells<'_>> {
        let (len, bits) = Bits::parse(key)?;
        self.unchanged(|| {
            let mut best = NONE;
            let mut number = self.root.load(Acquire);
            for _ in 0..self.steps() {
                let Some(cells) = self.nodes.get(number) else { break };
                let [_, own_len, value, left, right, words @ ..] = cells.atomics()? else { break };
                let own_len = own_len.load(Relaxed);
                if own_len > len || !bits.begin_with(own_len, words) {
                    break;
                }
                best = match value.load(Acquire) {
                    NONE => best,
                    value => value,
                };
                if own_len == len {
                    break;
                }
                let child = if bits.side(own_len) == Side::Left { left } else { right };
                number = child.load(Acquire);
            }
            self.value(best)
        })
    }

    /// Walks to where `key` is or would be.
    fn reach(&self, key: Prefix<'_>) -> Option<Reached<'_>> {
        let mut reached = Reached { link: &self.root, node: None, common: 0, parent: None };
        for _ in 0..self.steps() {
            let Some(node) = self.node(reached.link.load(Acquire)) else { break };
            let len = node.len()?;
            let common = node.common(key, reached.common)?;
            if common < len || len == key.len {
                return Some(Reached { node: Some(node), common, ..reached });
            }
            let side = key.side(len);
            reached = Reached {
                link: node.child(side)?,
                node: None,
                common,
                parent: Some((reached.link, node, side)),
            };
        }
        Some(reached)
    }

    /// Sets the value of a prefix.
    pub(super) fn insert(
        &self,
        key: Prefix<'_>,
        value: View<'_>,
        mode: Mode,
    ) -> Result<(), MapError> {
        let reached = self.reach(key).ok_or(MapError::NoSpace)?;
        let exact = reached.exact(key);
        mode.admit(exact.is_some())?;
        if exact.is_none() && self.len() >= self.max() {
            return Err(MapError::NoSpace);
        }
        let (number, cells) = self.values.take(|| self.count_change()).ok_or(MapError::NoSpace)?;
        let done = cells.write_view(VALUE_START, value).and_then(|()| match reached.same(key) {
            Some(node) => self.set(key, &reached, node, number),
            None => self.add(key, &reached, number),
        });
        if done.is_none() {
            self.values.give(number);
        }
        done.ok_or(MapError::NoSpace)
    }

    /// Gives a value to a prefix that has a node. The key's bits behind the
    /// prefix are those of the last update.
    fn set(
        &self,
        key: Prefix<'_>,
        reached: &Reached<'_>,
        node: Node<'_>,
        value: u32,
    ) -> Option<()> {
        let before = node.value_number();
        if node.has_bits(key) {
            node.value()?.store(value, Release);
        } else {
            let new = self.new_node(key, key.len, value)?;
            for side in [Side::Left, Side::Right] {
                new.child(side)?.store(node.child_number(side), Relaxed);
            }
            reached.link.store(new.number, Release);
            self.nodes.give(node.number);
        }
        match before {
            Some(before) => self.values.give(before),
            None => self.len.store(self.len().saturating_add(1), Release),
        }
        Some(())
    }

    /// Adds a prefix that has no node yet.
    fn add(&self, key: Prefix<'_>, reached: &Reached<'_>, value: u32) -> Option<()> {
        match reached.node {
            None => {
                let leaf = self.new_node(key, key.len, value)?;
                reached.link.store(leaf.number, Release);
            }
            // The node's prefix goes on where the new one ends.
            Some(node) if reached.common == key.len => {
                let above = self.new_node(key, key.len, value)?;
                let side = node.side(key.len)?;
                above.child(side)?.store(node.number, Relaxed);
                reached.link.store(above.number, Release);
            }
            // They part.
            Some(node) => {
                let leaf = self.new_node(key, key.len, value)?;
                let Some(fork) = self.new_node(key, reached.common, NONE) else {
                    self.nodes.give(leaf.number);
                    return None;
                };
                let side = key.side(reached.common);
                fork.child(side)?.store(leaf.number, Relaxed);
                fork.child(side.other())?.store(node.number, Relaxed);
                reached.link.store(fork.number, Release);
            }
        }
        self.len.store(self.len().saturating_add(1), Release);
        Some(())
    }

    /// A node for the first `len` bits of `key`.
    fn new_node(&self, key: Prefix<'_>, len: u32, value: u32) -> Option<Node<'_>> {
        let (number, cells) = self.nodes.take(|| self.count_change())?;
        cells.store(LEN, len, Relaxed)?;
        cells.store(VALUE, value, Relaxed)?;
        for child in CHILDREN {
            cells.store(child, NONE, Relaxed)?;
        }
        for (index, _) in (0..).zip(key.data.chunks(4)) {
            cells.store(word_offset(index), key.word(index), Relaxed)?;
        }
        Some(Node { number, cells })
    }

    /// Takes the value of a prefix away.
    pub(super) fn remove(&self, key: Prefix<'_>) -> Result<(), MapError> {
        let reached = self.reach(key).ok_or(MapError::NotFound)?;
        let node = reached.exact(key).ok_or(MapError::NotFound)?;
        self.unlink(&reached, node).ok_or(MapError::NotFound)
    }

    fn unlink(&self, reached: &Reached<'_>, node: Node<'_>) -> Option<()> {
        let value = node.value_number()?;
        match [Side::Left, Side::Right].map(|side| node.child_number(side)) {
            [NONE, NONE] => match reached.parent {
                // The place at which the node and its sibling part goes too.
                Some((above, parent, side)) if parent.value_number().is_none() => {
                    above.store(parent.child_number(side.other()), Release);
                    self.nodes.give(parent.number);
                    self.nodes.give(node.number);
                }
                _ => {
                    reached.link.store(NONE, Release);
                    self.nodes.give(node.number);
                }
            },
            [child, NONE] | [NONE, child] => {
                reached.link.store(child, Release);
                self.nodes.give(node.number);
            }
            _ => node.value()?.store(NONE, Release),
        }
        self.values.give(value);
        self.len.store(self.len().saturating_sub(1), Release);
        Some(())
    }

    /// Writes out the key after `previous`, longer prefixes before those that
    /// they begin with; takes no lock.
    pub(super) fn next_key(
        &self,
        previous: Option<Prefix<'_>>,
        out: &mut [u8],
    ) -> Result<(), MapError> {
        self.unchanged(|| {
            let node = self.after(previous)?;
            let (len, data) = out.split_first_chunk_mut::<{ PREFIX_BYTES as usize }>()?;
            *len = node.len()?.to_ne_bytes();
            for (index, bytes) in (0..).zip(data.chunks_mut(4)) {
                let word = node.word(index)?.to_be_bytes();
                bytes.copy_from_slice(word.get(..bytes.len())?);
            }
            Some(())
        })
        .ok_or(MapError::NotFound)
    }

    fn after(&self, previous: Option<Prefix<'_>>) -> Option<Node<'_>> {
        let root = self.root.load(Acquire);
        let Some(key) = previous else { return self.first_below(root) };
        // The next node is the nearest one above that has a value, or the first
        // one on the other side of one above.
        let mut next = None;
        let mut number = root;
        for _ in 0..self.steps() {
            let Some(node) = self.node(number) else { break };
            let len = node.len()?;
            if node.common(key, 0)? < len {
                break;
            }
            if len == key.len {
                if node.value_number().is_none() {
                    break;
                }
                return match next? {
                    Next::Node(node) => Some(node),
                    Next::Below(number) => self.first_below(number),
                };
            }
            let side = key.side(len);
            let right = node.child_number(Side::Right);
            if side == Side::Left && right != NONE {
                next = Some(Next::Below(right));
            } else if node.value_number().is_some() {
                next = Some(Next::Node(node));
            }
            number = node.child_number(side);
        }
        self.first_below(root)
    }

    /// The first node of a part of the trie: as far down as it goes, left first.
    fn first_below(&self, number: u32) -> Option<Node<'_>> {
        let mut node = self.node(number)?;
        for _ in 0..self.steps() {
            let sides = [Side::Left, Side::Right];
            let below = sides.map(|side| node.child_number(side));
            match below.into_iter().find(|&child| child != NONE) {
                Some(child) => node = self.node(child)?,
                None => break,
            }
        }
        Some(node)
    }

    /// Lets the trie have another number of entries.
    pub(super) fn resize(&self, max_entries: u32) -> Result<(), MapError> {
        let error = MapError::TooLarge("the number of entries");
        if max_entries == 0 {
            return Err(MapError::InvalidDefinition("no entries"));
        }
        if max_entries < self.len() {
            return Err(MapError::Busy);
        }
        self.nodes.slots.grow(node_count(max_entries).ok_or(error)?)?;
        self.values.slots.grow(max_entries.checked_add(SPARE).ok_or(error)?)?;
        self.max.store(max_entries, Release);
        Ok(())
    }
}

/// Where the next key is.
enum Next<'a> {
    Node(Node<'a>),
    /// The first one from the node of this number on.
    Below(u32),
}
